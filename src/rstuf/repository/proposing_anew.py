"""Other delegations that can come out no more, proposed anew over what is there now, and asked of the same people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rstuf.errors import RstufError
from rstuf.model.events import EventKind, SigningEvent
from rstuf.repository.delegating import propose_wanted
from rstuf.repository.delegating_events import open_change
from rstuf.repository.dropping import dropped_as
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import leaked_keys
from rstuf.repository.open_events import has_expired, is_open
from rstuf.repository.outdated import outdated_by
from rstuf.repository.people import is_free
from rstuf.repository.ports import Ports
from rstuf.repository.reports import DroppedEvent, DropReason, WaitingRole
from rstuf.repository.signed_here import nobody_else_signed
from rstuf.repository.waiting_roles import waiting_all
from rstuf.repository.wanted_delegations import WantedDelegation, wanted_by


@dataclass(frozen=True, slots=True)
class ProposedAnew:
    """What waits again, for the roles that people elsewhere sign, and the signatures that were lost unasked."""

    waiting: tuple[WaitingRole, ...] = ()
    dropped: tuple[DroppedEvent, ...] = ()


def propose_outdated_anew(ports: Ports, *, given_up: Collection[SigningEvent] = ()) -> ProposedAnew:
    """Propose again what waits and can come out no more. Under the publication lock, after all that was published.

    What cannot be proposed as it was wanted stays, and is told as outdated.

    Args:
        given_up: events whose signatures whoever publishes let go; other delegations of these are proposed anew, too.
    """
    with ports.state.read() as reader:
        outdated = [
            event
            for event in reader.open_events()
            if _is_outdated(ports, reader, event) or (event.kind is EventKind.DELEGATION and event in given_up)
        ]
    waiting, dropped = list[WaitingRole](), list[DroppedEvent]()
    for event in outdated:
        again = _propose(ports, event)
        if again is None:
            continue
        with ports.state.read() as reader:
            waiting += waiting_all(ports, reader, again)
            if event not in given_up and not nobody_else_signed(ports, reader, event):
                dropped.append(dropped_as(reader, event, DropReason.OUTDATED))
    return ProposedAnew(tuple(waiting), tuple(dropped))


def _is_outdated(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether it can come out no more, though nobody let it expire."""
    fresh = event.kind is EventKind.DELEGATION and not has_expired(event, ports.clock.now())
    return fresh and outdated_by(reader, event) is not None


def _propose(ports: Ports, event: SigningEvent) -> SigningEvent | None:
    """The event that takes its place; None where what it wanted cannot be any more, or would drop something else."""
    with ports.state.read() as reader:
        wanted = wanted_by(reader, event)
        if wanted is None or _lets_leaks_in(reader, wanted):
            return None
    try:
        proposal = propose_wanted(ports, wanted)
        with ports.state.read() as reader:
            beside = [view.event for view in proposal.drops if is_free(ports, reader, view.event)]
        opened = open_change(ports, proposal.change, drop=[event, *beside])
    except RstufError:
        return None
    with ports.state.read() as reader:
        return is_open(reader, opened.role)


def _lets_leaks_in(reader: StateReader, wanted: WantedDelegation) -> bool:
    keyids = () if wanted.after is None else wanted.after.keys.keyids
    return not leaked_keys(reader).keys().isdisjoint(keyids)
