"""Keys that targets lets sign its bins though root does not name them: what is left of a rotation.

Its state was lost, or it was called off after people had handed the bins over, and they were not handed back. They are
taken out as a rotation would have done it that goes on: as one whose root is out already.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from rstuf.errors import InvalidInput
from rstuf.model.keys import KeyEntry, KeyId, Loss
from rstuf.model.names import TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository.authority import SigningDesk, load_authority
from rstuf.repository.bridge import online_signers, stray_keys, unlisted_keys
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import note_found, report_loss
from rstuf.repository.ports import Ports
from rstuf.repository.signed_here import looks_here

_AT_ONCE = timedelta(0)
_GRAVITY: Final = tuple(RotationKind)


def strays(ports: Ports, reader: StateReader) -> list[KeyEntry]:
    """The keys that sign bins and nothing that root names, while no rotation goes on that takes them out.

    None while the key that root names leaked, or is lost and not here: it must go first, and they would hand their bins
    to it.
    """
    authority = load_authority(reader, ports.metadata)
    online = _entries(reader, authority.top_level[TIMESTAMP].keyids)
    if any(entry.is_leaked or (entry.is_lost and not looks_here(ports, reader, entry.keyid)) for entry in online):
        return []
    return _entries(reader, stray_keys(reader, authority.top_level, authority.delegators.values()))


def begin_without_strays(ports: Ports, *, kind: RotationKind | None = None, name: str | None = None) -> bool:
    """Go on with the rotation that left stray keys, where there are any. Under the publication lock, after recovery.

    What `rotation.carry_on` does then takes all of them out: where people sign targets, by an event. That the key which
    root names was said to be lost keeps nobody from that where it signs: somebody has found it.

    Args:
        kind: why they go; where more was noted of them, that counts.
        name: one that is to go, whether bins had it from the beginning or not.

    Returns:
        Whether there were any.

    Raises:
        InvalidInput: the key that root names leaked, and must go first.
        SigningError: the key that root names cannot be reached; nothing was changed.
    """
    with ports.state.read() as reader:
        found = strays(ports, reader) if name is None else _named(ports, reader, name)
    if not found:
        return False
    if name is not None and kind is not None and kind is not RotationKind.PLANNED:
        with ports.state.transaction(actor=ports.actor) as state:
            report_loss(state, found[0].keyid, Loss(kind.value), at=ports.clock.now())
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        keys = authority.top_level[TIMESTAMP]
        new = reader.key(keys.keyids[0])
        if new is not None and new.is_leaked:
            way = f"rstuf recover online-key {new.name} --leaked"
            raise InvalidInput(f"{new.name} would sign what {found[0].name} signs, and must go itself", hint=way)
        SigningDesk(reader, ports.signers).signers(TIMESTAMP, keys)
    # The one that somebody else may have is the one that it is about.
    old, now = max(found, key=lambda entry: _GRAVITY.index(_why(entry))), ports.clock.now()
    kind = max(kind or RotationKind.PLANNED, _why(old), key=_GRAVITY.index)
    with ports.state.transaction(actor=ports.actor) as state:
        note_found(state, keys.keyids[0], at=now)
        if kind is not RotationKind.PLANNED:
            report_loss(state, old.keyid, Loss(kind.value), at=now)
        state.begin_rotation(kind=kind, old=old.keyid, new=keys.keyids[0], overlap=_AT_ONCE, begun=now)
        details = {"kind": kind.value, "old": old.name, "new": "" if new is None else new.name}
        state.record("rotation.begin", {**details, "keyid": keys.keyids[0]}, at=now)
        rotation = state.rotation()
        if rotation is not None:
            state.note_rooted(rotation.id, version=authority.root.version, at=now)
    return True


def _named(ports: Ports, reader: StateReader, name: str) -> list[KeyEntry]:
    """The key of that name, if it signs bins and nothing that root names, and no rotation goes on."""
    if reader.rotation() is not None:
        return []
    authority = load_authority(reader, ports.metadata)
    signers = online_signers(reader, authority.delegators.values())
    found = _entries(reader, unlisted_keys(authority.top_level, signers))
    return [entry for entry in found if entry.name.casefold() == name.casefold()]


def _entries(reader: StateReader, keyids: Iterable[KeyId]) -> list[KeyEntry]:
    return [entry for keyid in keyids if (entry := reader.key(keyid)) is not None]


def _why(entry: KeyEntry) -> RotationKind:
    return RotationKind.PLANNED if entry.report is None else RotationKind(entry.report.loss.value)
