"""Roles that people sign, as they wait in an event: who must sign them yet, and what lets others where few are left."""

from __future__ import annotations

from dataclasses import replace

from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import RoleName
from rstuf.repository.authority import load_authority
from rstuf.repository.delegated_sides import proposed_by
from rstuf.repository.delegating_events import by_people
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of
from rstuf.repository.lost_keys import lost_of_people, what_is_beyond
from rstuf.repository.open_events import comes_after, view_part
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Reason, WaitingRole


def waiting_all(ports: Ports, reader: StateReader, event: SigningEvent) -> list[WaitingRole]:
    """What people sign of an event, as it waits there: each role, and the bins of each together."""
    names = by_people(ports, reader, event)
    then = load_authority(reader, ports.metadata, proposed=proposed_by(reader, event))
    bins = dict[RoleName, list[RoleName]]()
    for name in names:
        if (holder := then.holder_of(name)) is not None:
            bins.setdefault(holder, []).append(name)
    told = [waiting_as(ports, reader, event, name) for name in names if then.holder_of(name) is None]
    for holder, own in bins.items():
        first = waiting_as(ports, reader, event, own[0])
        told.append(replace(first, name=RoleName(then.shared[holder].bins.prefix), bins=tuple(own), holder=holder))
    return told


def waiting_as(ports: Ports, reader: StateReader, event: SigningEvent, name: RoleName) -> WaitingRole:
    """A role as it waits in an event."""
    reason = Reason.DELEGATED if event.kind is EventKind.DELEGATION else Reason.CHANGED
    role = WaitingRole(name, reader.role(name).expires, {}, 0, reason)
    return waiting_in(ports, reader, event, role)


def waiting_in(ports: Ports, reader: StateReader, event: SigningEvent, role: WaitingRole) -> WaitingRole:
    """A role with those who must sign it yet, of all sides; why a key of them cannot be opened here is kept.

    Of what is not in it itself, with those who must sign it at all.
    """
    now = ports.clock.now()
    parts = [part for part in event.parts if part.role in role.roles] or event.parts
    views = [view_part(reader, event, part, now=now) for part in parts]
    names = names_of(reader)
    missing = dict.fromkeys(names.get(keyid, keyid[:12]) for view in views for keyid in view.wanted)
    why = {name: role.missing.get(name, f"has not signed {event.name}") for name in missing}
    lost = lost_of_people(ports, reader)
    why |= {name: "is lost" for keyid in lost if (name := names[keyid]) in missing}
    beyond = what_is_beyond(reader, views, lost)
    after = comes_after(ports, reader, event)
    # Whoever signs bins signs all of them at once.
    lacking = max(view.lacking for view in views)
    told = replace(role, missing=why, lacking=lacking, event=event.name, after=None if after is None else after.name)
    return replace(told, instead=None if beyond is None else beyond.way)
