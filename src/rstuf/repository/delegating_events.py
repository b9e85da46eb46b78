"""Other delegations that people elsewhere must sign: they wait in one event, and come out in one publication.

The event has the role that it is about, every other role that people sign for it, and those that delegate. Where the
online key signs one of these, its part only says what it is to say: it is rendered again when all comes out, as it is
by then. What people sign lists its artifacts up to the change number of the event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rstuf.errors import ReleaseRefused
from rstuf.metadata.delegations import Delegation
from rstuf.metadata.render import Unsigned
from rstuf.metadata.views import RoleKeys
from rstuf.model.artifacts import slot_of
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.handover import Handover
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.repository.authority import SUCCESSOR, Authority, SigningDesk, load_authority
from rstuf.repository.delegated_sides import proposed_by
from rstuf.repository.forced import can_sign
from rstuf.repository.handing_over import ALL_SLOTS, Signed, Sorting, bring_delegations, signed_by_others
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.open_events import envelope_of
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part, role_part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.routing import Router
from rstuf.repository.signing_events import NewEvent, open_in, sign_event
from rstuf.repository.targets_signers import take_people
from rstuf.repository.whole_files import whole_file


@dataclass(frozen=True, slots=True)
class Change:
    """Other delegations: which role they are about, what those say that delegate, and what becomes of roles."""

    name: RoleName
    parent: RoleName
    proposed: Mapping[RoleName, Mapping[str, Any]]
    handover: Handover


def roles_of(change: Change, before: Authority, then: Authority, moved: Collection[RoleName]) -> list[RoleName]:
    """The roles that must come out with other delegations, the one that they are about first.

    Args:
        moved: those whose artifacts are others with them.
    """
    said = (*change.proposed, *change.handover.joins, *signed_by_others(before, then), *moved)
    first = change.name if change.name in {*change.handover.joins, *said} else change.parent
    return [name for name in dict.fromkeys((first, *said)) if name not in change.handover.leaves]


def signed_elsewhere(ports: Ports, reader: StateReader, then: Authority, roles: Collection[RoleName]) -> list[RoleName]:
    """Those of some roles that people sign who are not here.

    Raises:
        WrongPassphrase: somebody is here and mistyped it.
    """
    desk = SigningDesk(reader, ports.signers)
    people = [name for name in roles if _by_people(then, name)]
    return [name for name in people if not can_sign(desk, name, _keys(then, name) or RoleKeys((), 1, {}))]


def open_change(ports: Ports, change: Change, *, drop: Collection[SigningEvent] = ()) -> SigningEvent:
    """Let other delegations wait for their people, with the signatures of all who are here. Under the publication lock.

    Raises:
        EventOpen: something waits that is not to be dropped.
        PathsNotDelegated, PathsDisputed, LimitExceeded: clients would not find what is there; nothing was changed.
    """
    with ports.state.read() as reader:
        before = load_authority(reader, ports.metadata)
        then = load_authority(reader, ports.metadata, proposed=change.proposed)
        now = ports.signing_time(reader)
    with ports.state.transaction(actor=ports.actor) as state:
        sorting = Sorting(ports, then, change.handover)
        state.begin_handover(change.handover)
        number = state.newest_number()
        state.add_moves(sorting.moves(state))
        sorting.refuse()
        names = roles_of(change, before, then, [name for name in sorting.more if _is_named(then, name)])
        lives = {**state.periods(), **change.handover.periods}
        parts = [Part(state.role(name), number, Reason.DELEGATED) for name in names]
        sorting.refuse_large(parts)
        wanted = [
            role_part(
                state,
                then,
                part,
                version=part.role.version + 1,
                expires=now + lives.get(part.role.name, lives[TARGETS]).expires,
                moved=sorting.more,
            )
            for part in parts
            if part.role.name in {names[0], *change.proposed} or _by_people(then, part.role.name)
        ]
        state.drop_handover()
        event = _open(state, change, wanted, number, drop=drop, ports=ports)
    sign_event(ports, event.name)
    return event


def _open(
    state: StateTransaction,
    change: Change,
    wanted: list[Unsigned],
    number: int,
    *,
    drop: Collection[SigningEvent],
    ports: Ports,
) -> SigningEvent:
    for name in change.handover.joins:
        # A version that people sign is taken for good, also of a role that nobody has seen.
        state.enter_role(name)
    periods: Periods | None = change.handover.periods.get(wanted[0].name)
    numbers = dict.fromkeys((each.name for each in wanted), number)
    new = NewEvent(tuple(wanted), EventKind.DELEGATION, periods, numbers)
    (event,) = open_in(state, [new], drop=drop, at=ports.clock.now())
    return event


def bring_change(ports: Ports, event: SigningEvent) -> PublicationReport:
    """Publish other delegations that everybody has signed. Under the publication lock, after recovery.

    Raises:
        ReleaseRefused: what they were proposed over is another by now; clients still see what they saw.
    """
    with ports.state.read() as reader:
        said = proposed_by(reader, event)
        before = load_authority(reader, ports.metadata)
        then = load_authority(reader, ports.metadata, proposed=said)
        _refuse_outdated(event, before, then)
    signed = {
        part.role: Signed(whole_file(ports, event, part), part.number)
        for part in event.parts
        if _by_people(then, part.role)
    }
    joins = tuple(name for name in then.named if name not in before.named)
    successor = SUCCESSOR if SUCCESSOR in joins and TARGETS in before.shared else None
    handover = Handover(
        joins,
        tuple(name for name in before.named if name not in then.named),
        successor,
        {} if event.periods is None else {event.role: event.periods},
    )

    def check(state: StateReader) -> None:
        # What targets shared out over bins goes with these to their new holder, and is signed by neither.
        shared = {*then.shared} if successor is None else {*then.shared, TARGETS}
        with_artifacts = {name: each for name, each in signed.items() if name not in shared}
        _refuse_changed(state, event, before, then, with_artifacts)

    published, _ = bring_delegations(ports, said, handover, signed=signed, check=check)
    return published


def by_people(ports: Ports, reader: StateReader, event: SigningEvent) -> list[RoleName]:
    """The roles of an event that people sign."""
    then = load_authority(reader, ports.metadata, proposed=proposed_by(reader, event))
    return [part.role for part in event.parts if _by_people(then, part.role)]


@dataclass(frozen=True, slots=True)
class WantedDelegation:
    """What an event was to make of one delegation.

    Attributes:
        parent: who delegates.
        before, after: as it is now, and as it would be; None where there is none.
        periods: how long the role was to live; None where that stays.
    """

    name: RoleName
    parent: RoleName
    before: Delegation | None
    after: Delegation | None
    periods: Periods | None


def wanted_by(ports: Ports, event: SigningEvent) -> WantedDelegation | None:
    """What an event was to change, so that it can be proposed again; None where that is not one delegation."""
    if event.kind is not EventKind.DELEGATION:
        return None
    with ports.state.read() as reader:
        now = load_authority(reader, ports.metadata)
        then = load_authority(reader, ports.metadata, proposed=proposed_by(reader, event))
    was, becomes = _delegations(now), _delegations(then)
    names = [name for name in {**was, **becomes} if was.get(name) != becomes.get(name) and name != SUCCESSOR]
    if len(names) != 1:
        return None
    (name,) = names
    parent = then.tree.parent(name) or now.tree.parent(name) or TARGETS
    return WantedDelegation(name, parent, was.get(name), becomes.get(name), event.periods)


def _refuse_outdated(event: SigningEvent, before: Authority, then: Authority) -> None:
    """See that nothing of what it was proposed over was published anew, which it would take back."""
    was, becomes = _delegations(before), _delegations(then)
    names = {name for name in {*was, *becomes} if was.get(name) != becomes.get(name)}
    shared = {*before.shared, *then.shared} - {SUCCESSOR, TARGETS}
    names |= {holder for holder in shared if before.shared.get(holder) != then.shared.get(holder)}
    if len(names - {SUCCESSOR}) > 1:
        raise _again(event, "delegations were published anew")


def _delegations(authority: Authority) -> dict[RoleName, Delegation]:
    return {each.name: each for below in authority.tree.delegators.values() for each in below.named}


def _refuse_changed(
    state: StateReader, event: SigningEvent, before: Authority, then: Authority, signed: Mapping[RoleName, Signed]
) -> None:
    """See that what people signed is what the role would list, and that clients saw nothing newer of it meanwhile."""
    for name, each in signed.items():
        rows = state.coming_contents(state.role(name).id, *ALL_SLOTS, number=each.number)
        listed = {path: orjson.loads(fragment) for _, path, fragment in rows}
        part = next(part for part in event.parts if part.role == name)
        if listed != envelope_of(part).signed.get("targets"):
            raise _again(event, f"artifacts of {name} were changed")
    oldest = min((each.number for each in signed.values()), default=0)
    router = Router(then, state.settings().layout)
    for holder, path in state.changed_paths(after=oldest) if signed else ():
        taker = router.holder(path)
        if taker in signed and taker != holder and _was_seen(state, before, holder, path, after=signed[taker].number):
            raise _again(event, f"{path}, which goes to {taker}, was published")


def _was_seen(state: StateReader, before: Authority, holder: RoleName, path: TargetPath, *, after: int) -> bool:
    """Whether clients saw a change of a path since, by the delegations before."""
    slot, shared = slot_of(path), before.shared.get(holder)
    lister = holder if shared is None else shared.bins.name(shared.bins.index_of_slot(slot))
    role, seen = state.role(holder), state.role(lister).number
    return seen > after and _at(state, role.id, slot, path, seen) != _at(state, role.id, slot, path, after)


def _at(state: StateReader, holder: int, slot: int, path: TargetPath, number: int) -> bytes | None:
    return next((each[2] for each in state.contents(holder, slot, slot, number=number) if each[1] == path), None)


def _again(event: SigningEvent, what: str) -> ReleaseRefused:
    hint = f"rstuf event cancel {event.name}, then propose it again: it is signed anew, over what is there now"
    return ReleaseRefused([f"{what} since {event.name} was proposed, which does not know of it"], hint=hint)


def _is_named(authority: Authority, name: RoleName) -> bool:
    return name == TARGETS or name in authority.named


def _keys(authority: Authority, name: RoleName) -> RoleKeys | None:
    return authority.top_level[TARGETS] if name == TARGETS else authority.named.get(name)


def _by_people(authority: Authority, name: RoleName) -> bool:
    keys = _keys(authority, name)
    return keys is not None and take_people(keys, online=authority.top_level[TIMESTAMP])
