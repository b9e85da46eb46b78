"""Other delegations that people elsewhere must sign: they wait in one event, and come out in one publication.

The event has the role that it is about, every other role that people sign for it, and those that delegate. Where the
online key signs one of these, its part only says what it is to say: it is rendered again when all comes out, as it is
by then. What people sign lists its artifacts up to the change number of the event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rstuf.errors import EventOutdated
from rstuf.metadata.render import Unsigned
from rstuf.metadata.views import RoleKeys
from rstuf.model.artifacts import slot_of
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.handover import Handover, Move
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.policy import Periods
from rstuf.repository.authority import SUCCESSOR, Authority, SigningDesk, load_authority
from rstuf.repository.batches import (
    bins_by_people,
    event_of_bins,
    other_signers,
    periods_of,
    place_of,
    signed_by_people,
)
from rstuf.repository.delegated_sides import proposed_by, recorded_authority
from rstuf.repository.forced import can_sign
from rstuf.repository.handing_over import Sorting, bring_delegations, signed_by_others
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.open_events import envelope_of, has_expired, is_open
from rstuf.repository.outdated import (
    Comparison,
    compare,
    moving,
    outdated_by,
    refuse_outdated,
)
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part, Signed, role_part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.signed_here import nobody_else_signed
from rstuf.repository.signing_events import NewEvent, close_unused, drop_event, open_in, sign_event
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

    Where people sign the bins of a role of which that is so, all of these do.

    Args:
        moved: those whose artifacts are others with them, bins among them.
    """
    holders = {then.holder_of(name) or name for name in moved}
    others = [name for name in other_signers(before, then) if signed_by_people(then, name)]
    bins = [*bins_by_people(then, holders), *others]
    named = [name for name in moved if name == TARGETS or name in then.named]
    said = (*change.proposed, *change.handover.joins, *signed_by_others(before, then), *named, *bins)
    first = change.name if change.name in {*change.handover.joins, *said} else change.parent
    return [name for name in dict.fromkeys((first, *said)) if name not in change.handover.leaves]


def signed_elsewhere(ports: Ports, reader: StateReader, then: Authority, roles: Collection[RoleName]) -> list[RoleName]:
    """Those of some roles that people sign who are not here.

    Raises:
        WrongPassphrase: somebody is here and mistyped it.
    """
    desk = SigningDesk(reader, ports.signers)
    people = [name for name in roles if signed_by_people(then, name)]
    return [name for name in people if not can_sign(desk, name, then.signers_of(name) or RoleKeys((), 1, {}))]


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
        names = roles_of(change, before, then, [*sorting.more, *sorted(sorting.without)])
        if change.name in change.handover.periods:
            # What an event changes of periods is that of its first role.
            names = list(dict.fromkeys((change.name, *names)))
        lives = {**state.periods(), **change.handover.periods}
        parts = [Part(state.role(name), number, Reason.DELEGATED) for name in names]
        sorting.refuse_large(parts)
        wanted = [
            role_part(
                state,
                then,
                part,
                version=part.role.version + 1,
                expires=now + periods_of(then, part.role, lives).expires,
                moved=sorting.more,
            )
            for part in parts
            if part.role.name in {names[0], *change.proposed} or signed_by_people(then, part.role.name)
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
    for name in change.handover.leaves:
        # What the role lists goes with this: nobody is to sign it there any more.
        for gone in (is_open(state, name), event_of_bins(state, name)):
            if gone is not None and gone in drop:
                drop_event(state, gone, at=ports.clock.now())
    return event


def bring_change(ports: Ports, event: SigningEvent) -> PublicationReport:
    """Publish other delegations that everybody has signed. Under the publication lock, after recovery.

    Raises:
        EventOutdated: what they were proposed over is another by now; clients still see what they saw.
    """
    with ports.state.read() as reader:
        said = proposed_by(reader, event)
        before = load_authority(reader, ports.metadata)
        then = load_authority(reader, ports.metadata, proposed=said)
        compared = compare(reader, event)
        refuse_outdated(reader, event)
    signed = {
        part.role: Signed(whole_file(ports, event, part), part.number)
        for part in event.parts
        if signed_by_people(then, part.role)
    }
    joins = tuple(name for name in then.named if name not in before.named)
    successor = SUCCESSOR if SUCCESSOR in joins and TARGETS in before.shared else None
    handover = Handover(
        joins,
        tuple(name for name in before.named if name not in then.named),
        successor,
        {} if event.periods is None else {event.role: event.periods},
    )
    # What targets shared out over bins goes with these to their new holder, and is signed by neither.
    shared = {*then.shared} if successor is None else {*then.shared, TARGETS}
    listing = {name: each for name, each in signed.items() if name not in shared}
    published, _ = bring_delegations(
        ports,
        said,
        handover,
        signed=signed,
        late=lambda state: _late_moves(state, compared),
        check=lambda state: _refuse_changed(state, event, listing),
        besides=event,
    )
    _close_unsigned(ports, handover.leaves)
    return published


def leaves_with(ports: Ports, reader: StateReader, name: RoleName) -> SigningEvent | None:
    """The open event by which nobody would delegate to a role any more, if there is one that can come out."""
    for event in reader.open_events():
        if event.kind is not EventKind.DELEGATION or has_expired(event, ports.clock.now()):
            continue
        then = recorded_authority(reader, proposed_by(reader, event))
        gone = name not in then.named and name in recorded_authority(reader, {}).named
        if gone and outdated_by(reader, event) is None:
            return event
    return None


def by_people(ports: Ports, reader: StateReader, event: SigningEvent) -> list[RoleName]:
    """The roles of an event that people sign."""
    then = load_authority(reader, ports.metadata, proposed=proposed_by(reader, event))
    return [part.role for part in event.parts if signed_by_people(then, part.role)]


def _close_unsigned(ports: Ports, gone: Collection[RoleName]) -> None:
    """Cancel what waits of roles that are gone; what others have signed of it is told as outdated."""
    with ports.state.transaction(actor=ports.actor) as state:
        for name in gone:
            for event in (is_open(state, name), event_of_bins(state, name)):
                if event is not None and nobody_else_signed(ports, state, event):
                    close_unused(state, event, at=ports.clock.now())


def _refuse_changed(state: StateReader, event: SigningEvent, listing: Mapping[RoleName, Signed]) -> None:
    """See that nothing outdated it meanwhile, and that what people signed is what these roles would list."""
    refuse_outdated(state, event)
    then = recorded_authority(state, proposed_by(state, event))
    for name, each in listing.items():
        rows = state.coming_contents(*place_of(then, state.role(name)), number=each.number)
        listed = {path: orjson.loads(fragment) for _, path, fragment in rows}
        part = next(part for part in event.parts if part.role == name)
        if listed != envelope_of(part).signed.get("targets"):
            why = f"what {name} would list is not what was signed any more"
            raise EventOutdated(event.name, why, again=f"rstuf event cancel {event.name}")


def _late_moves(state: StateReader, compared: Comparison) -> Iterator[Move]:
    """What was removed since and a role lists that people signed: it goes there, and waits there to be removed."""
    for holder, path, taker in moving(state, compared):
        yield Move(slot_of(path), path, holder, taker)
