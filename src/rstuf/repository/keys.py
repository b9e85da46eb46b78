"""Keys of a repository: what each signs, where its private half is, and whether it is there."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from rstuf.errors import InvalidKey, SignerUnavailable, StorageError, UnsafeDirectory
from rstuf.metadata.key_identity import key_identity
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import TIMESTAMP
from rstuf.model.settings import Phase
from rstuf.repository.authority import Authority, load_authority
from rstuf.repository.bridge import bridging_keys, listed_before, online_signers, stray_keys
from rstuf.repository.ceremony_end import proposed_authority
from rstuf.repository.dropped_keys import suspects
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.reports import KeyStatus
from rstuf.repository.who_signs import top_level_first


class KeyChange(StrEnum):
    """What became of a key that was handed in."""

    ADDED = "added"
    MOVED = "moved"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A role that a key may sign, and how many of how many must.

    Attributes:
        role: its name; bins under their prefix, which may be a role's name, too.
    """

    role: str
    threshold: int
    keys: int


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key, what it signs, and whether its private half is where it should be.

    Attributes:
        uses: none where no role lists it.
        retired: whether no role lists it any more, though an earlier root did.
        status: as a look shows it that asks nobody for anything.
        suspect: whether it was dropped before this state was made anew: why, nobody knows here.
    """

    entry: KeyEntry
    uses: tuple[KeyUse, ...]
    status: KeyStatus
    retired: bool = False
    suspect: bool = False


def view_keys(ports: Ports) -> list[KeyView]:
    """Every key, by name.

    Raises:
        StateDamaged: the recorded root or targets metadata is not what was published.
    """
    with ports.state.read() as reader:
        authority = _authority(ports, reader)
        uses = _uses(authority)
        online, stray = online_and_stray(reader, authority, now=ports.clock.now())
        idle = any(entry.keyid not in uses for entry in reader.keys())
        before, dropped = (listed_before(reader), suspects(reader)) if idle else (frozenset(), frozenset())
        return [
            KeyView(
                entry,
                uses.get(entry.keyid, ()),
                replace(look_at(ports, entry, online=entry.keyid in online), stray=entry.keyid in stray),
                retired=entry.keyid not in uses and entry.keyid in before,
                suspect=entry.keyid not in uses and entry.keyid in dropped,
            )
            for entry in reader.keys()
        ]


def look_at(ports: Ports, entry: KeyEntry, *, online: bool) -> KeyStatus:
    """Whether a key is where it should be, as far as that shows without opening it."""
    known = KeyStatus(entry.name, entry.keyid, entry.signer, online, lost=entry.is_lost)
    if entry.signer is None:
        away = replace(known, fault="its private half is with somebody else", mend=f"rstuf key add {entry.name} FILE")
        return away if online else known
    try:
        ports.signers.look(entry)
    except UnsafeDirectory as error:
        return replace(known, fault=error.reason, mend=error.hint)
    except (SignerUnavailable, StorageError) as error:
        return replace(known, fault=getattr(error, "reason", error.message))
    return known


def online_and_stray(reader: StateReader, authority: Authority, *, now: datetime) -> tuple[Set[KeyId], Set[KeyId]]:
    """The keys that sign what comes out each time, bins with it; and those of them that root does not name."""
    stray = stray_keys(reader, authority.top_level, authority.delegators.values())
    online = set(authority.top_level[TIMESTAMP].keyids) | bridging_keys(reader, now=now)
    online.update(online_signers(reader, authority.delegators.values()))
    return online, set(stray)


def entry_of(ports: Ports, key: PublicKey) -> KeyEntry | None:
    """The entry of this very key, however it is spelt."""
    identity = key_identity(key)
    with ports.state.read() as reader:
        return next((entry for entry in reader.keys() if key_identity(entry.key) == identity), None)


def add_key(ports: Ports, name: str, key: PublicKey, *, signer: str | None) -> KeyChange:
    """Let a key be known by a name, and where its private half is; a key that is known moves there.

    Nothing is signed: which keys may sign is in root, and only its signers change that.

    Args:
        signer: where it signs (a URI); None where its private half is with somebody else.

    Raises:
        InvalidKey: the name belongs to another key, or the key, however it is spelt, has another name.
        SignerUnavailable, UnsafeDirectory, StorageError: it is not where `signer` says, or another key is there.
        PassphraseNeeded, WrongPassphrase: only its passphrase tells whose it is, and that was not given.
    """
    entry = KeyEntry(name, key, signer, ports.clock.now())
    if signer is not None and not ports.signers.look(entry):
        ports.signers.open(entry)
    with ports.state.transaction(actor=ports.actor) as state:
        known = _known(state, name, key)
        if known is not None and known.signer == signer:
            return KeyChange.UNCHANGED
        if known is not None:
            state.move_key(known.keyid, signer)
        else:
            state.add_key(entry)
        change = KeyChange.ADDED if known is None else KeyChange.MOVED
        details = {"name": name, "keyid": key.keyid, "signer": signer}
        state.record("key.add" if known is None else "key.move", details, at=ports.clock.now())
    return change


def _known(reader: StateReader, name: str, key: PublicKey) -> KeyEntry | None:
    """The entry of this very key under this very name.

    Raises:
        InvalidKey: only one of the two is known.
    """
    identity = key_identity(key)
    for entry in reader.keys():
        same_name, same_key = entry.name.lower() == name.lower(), key_identity(entry.key) == identity
        if same_name and same_key:
            return entry
        if same_key:
            raise InvalidKey(name, f"this key is here already, named {entry.name}", hint="rstuf key list shows all")
        if same_name:
            raise InvalidKey(
                name,
                f"another key has this name ({entry.keyid[:16]})",
                hint="choose another name; a key's name is never handed on",
            )
    return None


def _authority(ports: Ports, reader: StateReader) -> Authority:
    """Who may sign what; while a ceremony waits for signers, by the root that they are to sign."""
    if reader.settings().phase is Phase.LIVE:
        return load_authority(reader, ports.metadata)
    return proposed_authority(reader)


def _uses(authority: Authority) -> Mapping[str, tuple[KeyUse, ...]]:
    found: dict[str, dict[KeyUse, None]] = {}
    for role in top_level_first(authority):
        for keyid in role.keys.keyids:
            use = KeyUse(role.name, role.keys.threshold, len(role.keys.keyids))
            found.setdefault(keyid, {})[use] = None
    return {keyid: tuple(uses) for keyid, uses in found.items()}
