"""What a person should know of a targets role before they sign it.

Nothing older of it is known to an offline signer; that it jumps against what they signed before, `review` tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rstuf.clock import iso
from rstuf.errors import InvalidKey, shorten
from rstuf.holder.contents import ContentsChange
from rstuf.metadata.key_identity import check_key, key_identity
from rstuf.metadata.root_concerns import FAR, SOON, Concern
from rstuf.metadata.root_parts import count, short_id, short_ids
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.policy import MAX_BINS_LARGE

# Signed once a day, it would take years.
HIGH_VERSION: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedRole:
    """Whom a targets role lets sign other roles.

    Attributes:
        name: the role, in quotes where it is no plain word; "bins" for succinct ones.
        keyids, threshold: who may sign it, in the file's order, and how many must.
        bins: how many there are, and the prefix of their names; None for one role.
        rest: everything else that it says, as "field = JSON" in ASCII.
        plain: whether every client can keep it under its name.
    """

    name: str
    keyids: tuple[KeyId, ...]
    threshold: int
    bins: tuple[int, str] | None
    rest: tuple[str, ...]
    plain: bool


def concerns_of_targets(
    name: RoleName,
    *,
    version: int,
    expires: datetime,
    now: datetime,
    artifacts: int,
    changes: ContentsChange,
    keys: Mapping[KeyId, PublicKey | None],
    known: Collection[KeyId],
    delegated: Sequence[DelegatedRole],
    foreign: Mapping[str, str],
    others_change: bool = False,
) -> Iterator[Concern]:
    """What is to be said of a targets role.

    Args:
        artifacts: how many it lists itself; `changes`, against what its signer signed last.
        known: the online keys of the root in force, and of one that is proposed with it.
        foreign: what TUF does not know in it, by path.
        others_change: whether delegations change beside it, so that roles may list more than before.
    """
    if version > HIGH_VERSION:
        message = (
            f"{name} would be v{version}, which is very high: clients take no lower one afterwards, and none comes "
            f"after v{MAX_INTEGER}"
        )
        yield Concern("version-high", True, message)
    yield from _dates(name, expires, now)
    yield from _contents(name, artifacts, changes, others=others_change or bool(delegated))
    yield from _foreign(name, foreign)
    yield from _delegations(name, delegated, known)
    yield from _keys(name, keys, delegated)


def _dates(name: RoleName, expires: datetime, now: datetime) -> Iterator[Concern]:
    left = expires - now
    told = f"{name} would expire on {iso(expires)}, {count(left.days, 'day')} from this machine's date"
    if left > FAR:
        yield Concern("expires-far", True, f"{told}, and more than two years is long to trust the same keys")
    if left < SOON:
        yield Concern("expires-soon", True, f"{told}: without another by then, every client stops")


def _contents(name: RoleName, artifacts: int, changes: ContentsChange, *, others: bool) -> Iterator[Concern]:
    if name == TARGETS:
        if artifacts:
            yield Concern("artifacts-listed", True, f"targets lists {count(artifacts, 'artifact')} itself")
        return
    _, replaced, removed, _ = changes.counts
    if replaced:
        signed = changes.signed
        if changes.elsewhere:
            # What a role lists is found first, or not, whichever role it was signed of.
            signed = f"{signed} or of another role" if changes.since is not None else "that you signed of another role"
        message = f"clients would get another content for {count(replaced, 'path')} {signed}"
        yield Concern("artifacts-replaced", True, message)
    if removed:
        message = f"clients would not find {count(removed, 'artifact')} any more {changes.signed}"
        if changes.moved:
            takers = " and ".join(f"{role} ({moved})" for role, moved in changes.moved.items())
            message += f", but what they look for in {takers}, which has it in this as you signed it"
        elif others:
            message += ", unless a role lists them that is not in this"
        yield Concern("artifacts-removed", not artifacts, message)


def _foreign(name: RoleName, foreign: Mapping[str, str]) -> Iterator[Concern]:
    for path, value in foreign.items():
        if path != "delegations" and value not in {"[]", "{}"}:
            told = shorten(f"{path} = {value}", limit=120)
            yield Concern("foreign-field", True, f"{name} says what TUF does not know: {told}")


def _delegations(name: RoleName, delegated: Sequence[DelegatedRole], known: Collection[KeyId]) -> Iterator[Concern]:
    if not delegated and name == TARGETS:
        yield Concern(
            "no-delegation", True, "targets delegates to nobody: no client finds what bins or other roles list any more"
        )
    for role in delegated:
        told = shorten(role.name) if role.bins is None else f"all {role.bins[0]} bins"
        strangers = tuple(keyid for keyid in role.keyids if keyid not in known)
        if strangers:
            message = f"{told} can be signed by {short_ids(strangers)}, which root does not let sign online"
            yield Concern("delegated-to-new-keys", True, message, strangers)
        if not role.plain:
            called = role.name if role.bins is None else role.bins[1]
            yield Concern("odd-name", True, f"{name} delegates to {shorten(called)}, which is no plain file name")
        if role.bins is not None and role.bins[0] > MAX_BINS_LARGE:
            message = f"{role.bins[0]} bins are more than the {MAX_BINS_LARGE} that rstuf ever makes"
            yield Concern("many-bins", True, message)


def _keys(
    name: RoleName, keys: Mapping[KeyId, PublicKey | None], delegated: Sequence[DelegatedRole]
) -> Iterator[Concern]:
    used = {keyid for role in delegated for keyid in role.keyids}
    unused = tuple(keyid for keyid in keys if keyid not in used)
    if unused:
        yield Concern("unused-keys", True, f"{name} lists {short_ids(unused)}, which no role uses", unused)
    values: dict[bytes, KeyId] = {}
    for keyid, key in keys.items():
        called = f"the key {short_id(keyid)}"
        if key is None:
            yield Concern("key-unreadable", True, f"{called} is of a form that rstuf does not read", (keyid,))
            continue
        if key.keyid != keyid:
            yield Concern("foreign-key-id", True, f"{called} is not named by its hash, which is {key.keyid}", (keyid,))
        try:
            check_key(key, where=called)
        except InvalidKey as error:
            reason = error.reason.encode("ascii", "backslashreplace").decode()
            yield Concern("key-not-let-in", True, f"{called} would not be let in today: {reason}", (keyid,))
            continue
        value = key_identity(key)
        if value in values:
            yield Concern("key-twice", True, f"{short_id(values[value])} and {short_id(keyid)} are one key", (keyid,))
        values.setdefault(value, keyid)
