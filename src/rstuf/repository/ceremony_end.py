"""The end of a ceremony: root version 1 is published, then everything that it lets sign.

All it needs is in the state, so whoever brings the last signature ends it: no plan, and nobody who began it.
"""

from __future__ import annotations

from rstuf.errors import CeremonyUnfinished
from rstuf.metadata.render import SignedFile
from rstuf.model.events import EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP
from rstuf.model.roles import RoleKind
from rstuf.model.settings import Phase
from rstuf.repository.authority import Authority, current_root, taken_apart
from rstuf.repository.first_roles import kept_file, kept_sayings
from rstuf.repository.interfaces import StateReader
from rstuf.repository.mending import lost_roles, put_back
from rstuf.repository.open_events import envelope_of, file_of, view_part
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import recover
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.roots import commit_root, renew_root
from rstuf.repository.visible import is_as_published
from rstuf.repository.whole_files import whole_file


def ceremony_event(reader: StateReader) -> SigningEvent | None:
    """The event in which the first root waits or waited for its signers, if it had to."""
    found = None
    for event in reader.events():
        if event.kind is EventKind.CEREMONY and event.phase is not EventPhase.CANCELLED:
            found = event
    return found


def finish_ceremony(ports: Ports) -> PublicationReport:
    """Publish root version 1, where its signers are all there, and all that follows. Under the publication lock.

    Raises:
        CeremonyUnfinished: signatures are missing.
        SigningError: the online key cannot be reached; nothing but root was published.
    """
    recover(ports)
    put_back(ports)
    with ports.state.read() as reader:
        newest, event, now = reader.newest_root(), ceremony_event(reader), ports.clock.now()
        ready = event is not None and all(view_part(reader, event, part, now=now).ready for part in event.parts)
    if newest is None:
        if event is None or not ready:
            raise CeremonyUnfinished("this workspace")
        # Every part before root: once that is out, the event is over.
        files = [whole_file(ports, event, part) for part in reversed(event.parts)]
        commit_root(ports, files[-1].data, signed_at=event.opened, event=event)
    _renew_expired_root(ports)
    publication = _first_publication(ports)
    with ports.state.transaction(actor=ports.actor) as state:
        state.set_phase(Phase.LIVE)
        state.record("ceremony.end", {"timestamp": publication.timestamp_version}, at=ports.clock.now())
    return publication


def proposed_authority(reader: StateReader) -> Authority:
    """Who will sign what once a ceremony has ended, by the root that waits for its signers, or is out already.

    Where it was cancelled, that is what it said: the ceremony proposes the same again.

    Raises:
        CeremonyUnfinished: there is none yet.
    """
    event = ceremony_event(reader) or _newest(reader)
    proposed = None if event is None else next((part for part in event.parts if part.role == ROOT), None)
    if reader.newest_root() is not None:
        root = current_root(reader)
    elif proposed is not None:
        root = envelope_of(proposed)
    else:
        raise CeremonyUnfinished("this workspace")
    said = kept_sayings(reader)
    return taken_apart(root, lambda name, _: said.get(name))


def _newest(reader: StateReader) -> SigningEvent | None:
    """The event of the first root that was proposed last, whatever became of it."""
    return next((each for each in reversed(list(reader.events())) if each.kind is EventKind.CEREMONY), None)


def _renew_expired_root(ports: Ports) -> None:
    """A ceremony that was interrupted for a year goes on under a root that no client would take."""
    with ports.state.read() as reader:
        expires, now = reader.role(ROOT).expires, ports.signing_time(reader)
    if expires is not None and expires <= now:
        renew_root(ports)


def _first_publication(ports: Ports) -> PublicationReport:
    with ports.state.read() as reader:
        visible = reader.role(TIMESTAMP).visible
        if visible:
            parts = _to_sign_again(ports, reader)
            return bring_out(ports, parts) if parts else PublicationReport(published=True, timestamp_version=visible)
        now = ports.signing_time(reader)
        parts = [Part(reader.role(TARGETS), 0, Reason.CHANGED, _signed_by_people(ceremony_event(reader)))]
        parts += [
            Part(role, 0, Reason.CHANGED, kept_file(reader, role, now=now))
            for role in reader.roles(kind=RoleKind.DELEGATED)
        ]
        parts += [Part(role, 0, Reason.CHANGED) for role in reader.roles(kind=RoleKind.BIN)]
        said = kept_sayings(reader)
    return bring_out(ports, parts, proposed=said)


def _signed_by_people(event: SigningEvent | None) -> SignedFile | None:
    parts: tuple[EventPart, ...] = () if event is None else event.parts
    return next((file_of(part) for part in parts if part.role == TARGETS), None)


def _to_sign_again(ports: Ports, reader: StateReader) -> list[Part]:
    """What of the first publication is lost or due, where the ceremony was interrupted between that and its end."""
    due = reader.due_roles(ports.signing_time(reader))
    parts = {role.id: Part(role, role.number, Reason.DUE) for role in due if role.kind is not RoleKind.ROOT}
    lost = lost_roles(ports, reader)
    if not is_as_published(ports):
        lost.append(reader.role(TIMESTAMP))
    return list((parts | {role.id: Part(role, role.number, Reason.DAMAGED) for role in lost}).values())
