"""Roots that were signed, give more to a key that leaked than it has, and are of the version that comes next.

They let it in, or leave a role to it: by a lower threshold, or without keys that are well.

Cancelled or not: whoever has the signatures can put such a root where clients ask for it, and it is as good to them as
any. Only another root of that version, once it is out, ends that.
"""

from __future__ import annotations

from dataclasses import replace

from rstuf.metadata.views import Envelope
from rstuf.model.events import EventPhase, SigningEvent
from rstuf.model.names import ROOT
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.leaks import gaining_leaks, roles_left_to_leaks
from rstuf.repository.open_events import envelope_of, view_in
from rstuf.repository.ports import Ports


def loose_roots(ports: Ports, reader: StateReader) -> list[EventView]:
    """Such roots, each once, with these keys. Of those that nobody signed here nothing can be known."""
    newest = reader.newest_root()
    if newest is None:
        return []
    found: dict[bytes, EventView] = {}
    for event in reader.events():
        if event.role != ROOT or event.version != newest.version + 1 or not _may_be_used(event):
            continue
        root = envelope_of(event.parts[0])
        leaks = gaining_leaks(reader, root)
        if leaks:
            # It may have waited more than once; what became of it in the end is what is told.
            found[event.parts[0].signed] = replace(
                view_in(ports, reader, event), leaks=leaks, leaves=tuple(roles_left_to_leaks(reader, root))
            )
    return list(found.values())


def event_of(reader: StateReader, root: Envelope) -> SigningEvent | None:
    """The event in which this very root waited for signatures here, the last of several; None where it never did."""
    found = None
    for event in reader.events():
        if event.role == ROOT and event.version == root.version and envelope_of(event.parts[0]).payload == root.payload:
            found = event
    return found


def _may_be_used(event: SigningEvent) -> bool:
    return event.phase is not EventPhase.DONE and bool(event.parts[0].signatures)
