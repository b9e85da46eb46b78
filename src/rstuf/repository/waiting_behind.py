"""What waits behind events that others have signed: changes that are kept back for them, and what can go along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rstuf.model.events import EventKind, SigningEvent
from rstuf.repository.batches import event_of_bins
from rstuf.repository.kept_changes import Kept, would_bring
from rstuf.repository.open_events import is_open
from rstuf.repository.people import is_free
from rstuf.repository.ports import Ports
from rstuf.repository.reports import WaitingRole
from rstuf.repository.signed_here import nobody_else_signed
from rstuf.repository.signing_events import close_unused
from rstuf.repository.waiting_roles import waiting_as


def withdraw_kept(ports: Ports, kept: Kept) -> None:
    """Cancel what waits where nobody else has signed it, and would bring nothing but what is kept back."""
    with ports.state.transaction(actor=ports.actor) as state:
        for name in kept.paths:
            event = is_open(state, name) if state.role(name).id in kept.only else event_of_bins(state, name)
            parts = () if event is None else event.parts
            alone = [part.role for part in parts if state.role(part.role).id in kept.only]
            brings = event is not None and any(would_bring(state, event, each, kept) for each in alone)
            if event is not None and brings and is_free(ports, state, event):
                close_unused(state, event, at=ports.clock.now())


def waiting_behind(ports: Ports, kept: Kept) -> tuple[WaitingRole, ...]:
    """The roles to which changes go that are kept back, as they wait in the events for which they are."""
    with ports.state.read() as reader:
        return tuple(
            replace(waiting_as(ports, reader, event, name), behind=True, kept=kept.latest)
            for event in reader.open_events()
            for name in kept.events.get(event.id, ())
        )


def unsigned_behind(ports: Ports, waiting: Sequence[WaitingRole]) -> list[SigningEvent]:
    """Other delegations that nobody else has signed and that come before more that was accepted: that can go along."""
    with ports.state.read() as reader:
        names = {each.event for each in waiting if each.behind}
        return [
            event
            for event in reader.open_events()
            if event.name in names and event.kind is EventKind.DELEGATION and nobody_else_signed(ports, reader, event)
        ]
