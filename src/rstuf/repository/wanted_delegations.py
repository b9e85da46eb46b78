"""What an event was to make of one delegation, as a person would ask for it again.

It is read from what the event would publish beside what is published now. Keys of the online kind that took each
other's place meanwhile are nobody's wish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rstuf.metadata.delegations import Delegation
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import RoleKeys
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.policy import Periods
from rstuf.repository.authority import SUCCESSOR, Authority
from rstuf.repository.bridge import once_online
from rstuf.repository.delegated_sides import proposed_by, recorded_authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of


@dataclass(frozen=True, slots=True)
class WantedDelegation:
    """What an event was to make of one delegation.

    Attributes:
        parent: who delegates.
        before, after: as it is now, and as it would be; None where there is none.
        periods: how long the role was to live; None where that stays.
        place: the delegation that it was to come before; None where that is its place anyway.
        signers: what the keys are called that were to sign it, in their order; of a new one, none for the online key.
    """

    name: RoleName
    parent: RoleName
    before: Delegation | None
    after: Delegation | None
    periods: Periods | None
    place: RoleName | None = None
    signers: tuple[str, ...] = ()


def wanted_by(reader: StateReader, event: SigningEvent) -> WantedDelegation | None:
    """What an event was to change, so that it can be proposed again; None where that is not one delegation."""
    if event.kind is not EventKind.DELEGATION:
        return None
    now = recorded_authority(reader, {})
    then = recorded_authority(reader, proposed_by(reader, event))
    was, becomes = delegations_of(now), delegations_of(then)
    online = once_online(reader)
    names = [name for name in {**was, **becomes} if _differ(was.get(name), becomes.get(name), online=online)]
    names = [name for name in names if name != SUCCESSOR]
    if not names and (moved := _moved(now, then)) is not None:
        names = [moved]
    elif not names and event.periods is not None and event.role in becomes:
        names = [event.role]
    if len(names) != 1:
        return None
    (name,) = names
    parent = then.tree.parent(name) or now.tree.parent(name) or TARGETS
    after, called = becomes.get(name), names_of(reader)
    by_itself = after is not None and name not in was and online.issuperset(after.keys.keyids)
    return WantedDelegation(
        name=name,
        parent=parent,
        before=was.get(name),
        after=after,
        periods=event.periods if event.role == name else None,
        place=None if after is None else _place(now, then, parent, name),
        signers=() if by_itself or after is None else tuple(called.get(key, key[:12]) for key in after.keys.keyids),
    )


def wanted_again(reader: StateReader, event: SigningEvent) -> WantedDelegation | None:
    """The same without keys that are lost or leaked by now, which nobody is told to let in.

    None, too, where too few are left then, or nothing but what is so already.
    """
    wanted = wanted_by(reader, event)
    if wanted is None or wanted.after is None or not wanted.signers:
        return wanted
    before, keys = wanted.before, wanted.after.keys
    if (before is not None and before.keys == keys) or once_online(reader).issuperset(keys.keyids):
        return wanted
    gone = {entry.keyid for entry in reader.keys() if entry.report is not None}
    pairs = [(keyid, name) for keyid, name in zip(keys.keyids, wanted.signers, strict=True) if keyid not in gone]
    left = {keyid: keys.keys[keyid] for keyid, _ in pairs}
    after = replace(wanted.after, keys=RoleKeys(tuple(left), keys.threshold, left))
    if len({key_identity(key) for key in left.values()}) < keys.threshold:
        return None
    if after == before and wanted.periods is None and wanted.place is None:
        return None
    return replace(wanted, after=after, signers=tuple(name for _, name in pairs))


def delegations_of(authority: Authority) -> dict[RoleName, Delegation]:
    """Every named delegation, by its role."""
    return {each.name: each for below in authority.tree.delegators.values() for each in below.named}


def _differ(before: Delegation | None, after: Delegation | None, *, online: frozenset[KeyId]) -> bool:
    if before is None or after is None or before == after:
        return before is not after and before != after
    both_online = online.issuperset({*before.keys.keyids, *after.keys.keyids})
    return not (both_online and replace(after, keys=before.keys) == before)


def _moved(now: Authority, then: Authority) -> RoleName | None:
    """The one delegation that would have another place among the others, if there is just that."""
    for parent in then.tree.delegators:
        before, after = _order(now, parent), _order(then, parent)
        if before == after or set(before) != set(after):
            continue
        for name in after[:-1]:
            if [each for each in before if each != name] == [each for each in after if each != name]:
                return name
    return None


def _place(now: Authority, then: Authority, parent: RoleName, name: RoleName) -> RoleName | None:
    """What it is to come before, unless it would come there by itself: last, but for what is for everything."""
    before, after = _order(now, parent), _order(then, parent)
    if name in before and before == after:
        return None
    follower = _follower(after, name)
    usual = _follower(before, name) if name in before else SUCCESSOR if SUCCESSOR in after else None
    return None if follower == usual else follower


def _order(authority: Authority, parent: RoleName) -> list[RoleName]:
    delegator = authority.tree.delegators.get(parent)
    return [] if delegator is None else [each.name for each in delegator.named]


def _follower(order: list[RoleName], name: RoleName) -> RoleName | None:
    place = order.index(name) + 1
    return order[place] if place < len(order) else None
