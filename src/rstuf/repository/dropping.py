"""Signing events that are dropped though nobody named them: what expired, and what keeps a role from being renewed.

Of each is said whose signatures go with it, and what it was to change: nothing else remembers that it was wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

from rstuf.metadata.views import RoleKeys, root_roles
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import ROOT, TARGETS
from rstuf.repository.authority import current_root
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of
from rstuf.repository.leaks import leaks_let_in
from rstuf.repository.open_events import companions, envelope_of, has_expired, is_open, signers_of, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.reports import DroppedEvent, DropReason
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import close_unused, drop_event


def drop_expired(ports: Ports) -> list[DroppedEvent]:
    """Cancel what expired before everybody had signed it, and what was proposed for it. Under the publication lock.

    A rotation goes on without: what it waits for is proposed again. A first root is for the ceremony to propose again.
    """
    now = ports.clock.now()
    with ports.state.read() as reader:
        if not any(has_expired(event, now) for event in reader.open_events()):
            return []
    with ports.state.transaction(actor=ports.actor) as state:
        gone = [each for each in state.open_events() if each.kind is not EventKind.CEREMONY and has_expired(each, now)]
        beside = [other for each in gone if each.kind is EventKind.UPDATE for other in companions(state, each)]
        gone += [other for other in beside if other not in gone]
        dropped = []
        for event in gone:
            close_unused(state, event, at=now)
            why = DropReason.EXPIRED if has_expired(event, now) else DropReason.BESIDE
            dropped.append(dropped_as(state, event, why))
        return dropped


def waits_in_the_way(ports: Ports, reader: StateReader) -> SigningEvent | None:
    """The targets that waits for people whom only a proposed root names, while what is visible of it runs out."""
    event = is_open(reader, TARGETS)
    return event if event is not None and view_in(ports, reader, event).gives_way else None


def drop_in_the_way(ports: Ports, event: SigningEvent) -> DroppedEvent:
    """Cancel that, so that those who may sign targets now can renew it. Under the publication lock."""
    with ports.state.transaction(actor=ports.actor) as state:
        drop_event(state, event, at=ports.clock.now())
        return dropped_as(state, event, DropReason.GAVE_WAY)


def dropped_as(reader: StateReader, event: SigningEvent, why: DropReason) -> DroppedEvent:
    """An event that is dropped, for whoever is told: whose signatures go with it, and what it was to change."""
    return DroppedEvent(event.name, tuple(signers_of(reader, event)), why, lost=_lost(reader, event))


def _lost(reader: StateReader, event: SigningEvent) -> tuple[RootUpdate, ...]:
    """What a root was to change, one update a role; a key that leaked since is not to be let in."""
    if event.role != ROOT or event.kind is not EventKind.UPDATE:
        return ()
    proposed = envelope_of(event.parts[0])
    before, after, names = root_roles(current_root(reader)), root_roles(proposed), names_of(reader)
    leaked = leaks_let_in(reader, proposed)

    def told(keys: RoleKeys, others: RoleKeys) -> Sequence[str]:
        gone = [keyid for keyid in keys.keyids if keyid not in others.keyids and keyid not in leaked]
        return [names.get(keyid, keyid[:12]) for keyid in gone]

    updates = [
        RootUpdate(
            role=role,
            add=tuple(told(after[role], before[role])),
            remove=tuple(told(before[role], after[role])),
            threshold=after[role].threshold if after[role].threshold != before[role].threshold else None,
            periods=event.periods if role == ROOT else None,
        )
        for role in (ROOT, TARGETS)
    ]
    return tuple(each for each in updates if each != RootUpdate(role=each.role))
