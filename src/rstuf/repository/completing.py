"""Signing events that everybody has signed: what waited becomes visible.

A root is a commit of its own; a role that delegates comes out in a publication, with whatever must be signed anew under
it. The file's bytes are recorded before any of it is written, so that a version never has two contents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rstuf.errors import (
    ClientsExcluded,
    DeliveryRefused,
    LimitExceeded,
    PathsDisputed,
    PathsNotDelegated,
    PathTwin,
    ReleaseRefused,
    RstufError,
    SigningError,
)
from rstuf.model.events import EventKind, EventPhase, SigningEvent
from rstuf.model.names import ROOT, TARGETS
from rstuf.repository.authority import load_authority
from rstuf.repository.bin_layout import bring_bins
from rstuf.repository.ceremony_end import finish_ceremony
from rstuf.repository.delegated_sides import proposed_by
from rstuf.repository.delegating_events import bring_change
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import leaked_keys
from rstuf.repository.mending import put_back
from rstuf.repository.open_events import (
    comes_after,
    has_expired,
    is_open,
    lacks_targets,
    leaky_of,
    view_part,
)
from rstuf.repository.outdated import has_come_out, outdated_by
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part, Signed
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.roots import commit_root
from rstuf.repository.rotation import carry_on
from rstuf.repository.signing_anew import publish_under_new_root, to_sign_again
from rstuf.repository.strays import begin_without_strays
from rstuf.repository.together import together
from rstuf.repository.whole_files import whole_file

# What keeps one event from coming out, and nothing else.
_OBSTACLES: Final = (
    ClientsExcluded,
    DeliveryRefused,
    LimitExceeded,
    PathTwin,
    PathsDisputed,
    PathsNotDelegated,
    ReleaseRefused,
    SigningError,
)


@dataclass(frozen=True, slots=True)
class Completion:
    """An event whose signers are all there.

    Attributes:
        obstacle: what keeps it from becoming visible now; None where it is.
        leaked: the names of the keys that leaked and whose signatures it has: somebody else may have made these.
    """

    event: SigningEvent
    publication: PublicationReport | None = None
    obstacle: RstufError | None = None
    leaked: tuple[str, ...] = ()


def complete_events(ports: Ports) -> list[Completion]:
    """Bring out every event that everybody has signed. Under the publication lock, after recovery.

    One that cannot come out yet stays, and is tried again by the next command that publishes.
    """
    done: list[Completion] = []
    while True:
        with ports.state.read() as reader:
            tried = {each.event.id for each in done}
            ready = [each for each in reader.open_events() if each.id not in tried and is_ready(ports, reader, each)]
            # Roles that people sign come before the root that could change who signs them.
            event = min(ready, key=lambda event: event.role == ROOT, default=None)
            leaked = () if event is None else _leaked_of(ports, reader, event)
        if event is None:
            return done
        done.append(replace(_complete(ports, event), leaked=leaked))


def _leaked_of(ports: Ports, reader: StateReader, event: SigningEvent) -> tuple[str, ...]:
    """The names of the keys that leaked and whose signatures count for an event."""
    leaked = leaked_keys(reader)
    if not leaked:
        return ()
    sides = [side for part in event.parts for side in view_part(reader, event, part, now=ports.clock.now()).sides]
    signed = {keyid for side in sides for keyid in side.signed}
    return tuple(name for keyid, name in leaked.items() if keyid in signed)


def carry_on_events(ports: Ports) -> PublicationReport | None:
    """Bring out what everybody has signed, and take a rotation its next step; all that was published by it.

    Under the publication lock, after recovery. What cannot come out yet stands in nobody's way. A key that signs bins
    and that root does not name is taken out.
    """
    published = [each.publication for each in complete_events(ports) if each.publication is not None]
    begin_without_strays(ports)
    return together(*published, carry_on(ports))


def is_ready(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether an open event can come out: every side of every part has signed, in time, and nothing outdated it, or
    must come first."""
    newest = reader.newest_root()
    first = event.kind is EventKind.CEREMONY
    now = ports.clock.now()
    if not (newest is not None or first) or has_expired(event, now):
        return False
    if not all(view_part(reader, event, part, now=now).ready for part in event.parts):
        return False
    if event.role != ROOT and (leaky_of(reader, event) is not None or outdated_by(reader, event) is not None):
        return False
    return first or (comes_after(ports, reader, event) is None and not lacks_targets(ports, reader, event))


def _complete(ports: Ports, event: SigningEvent) -> Completion:
    try:
        if event.kind is EventKind.CEREMONY:
            return _end_ceremony(ports, event)
        publication = _bring_out_root(ports, event) if event.role == ROOT else _bring_out_roles(ports, event)
    except _OBSTACLES as error:
        return Completion(event, obstacle=error)
    return Completion(event, publication)


def _end_ceremony(ports: Ports, event: SigningEvent) -> Completion:
    """Root comes out first: that the online key is away then is no reason to say nothing of that."""
    try:
        return Completion(event, finish_ceremony(ports))
    except SigningError as error:
        error.hint = f"{error.hint}; then rstuf sign ends the ceremony" if error.hint else "rstuf sign ends it then"
        return Completion(event, obstacle=error)


def _bring_out_root(ports: Ports, event: SigningEvent) -> PublicationReport | None:
    file = whole_file(ports, event, event.parts[0])
    if event.kind is EventKind.REPLACEMENT:
        # What was lost would keep the root from coming out, and no renewal can mend it without a key that signs.
        put_back(ports)
        _make_targets_whole(ports)
    commit_root(ports, file.data, signed_at=event.opened, event=event)
    published = publish_under_new_root(ports)
    return together(published, carry_on(ports))


def _make_targets_whole(ports: Ports) -> None:
    """The targets that comes out right after a root: its file is made before that root is out."""
    with ports.state.read() as reader:
        event, now = is_open(reader, TARGETS), ports.clock.now()
        if event is None or event.kind is not EventKind.REPLACEMENT:
            return
        ready = all(view_part(reader, event, part, now=now).ready for part in event.parts)
    if ready:
        whole_file(ports, event, event.parts[0])


def _bring_out_roles(ports: Ports, event: SigningEvent) -> PublicationReport:
    with ports.state.read() as reader:
        phase = _phase_of(reader, event)
    if phase is not EventPhase.OPEN:
        return _close(ports, event, PublicationReport(published=False, timestamp_version=0), phase=phase)
    if event.kind is EventKind.DELEGATION:
        return _close(ports, event, bring_change(ports, event))
    files = {part.role: whole_file(ports, event, part) for part in event.parts}
    with ports.state.read() as reader:
        # What was made elsewhere is recorded with its file, at a number of its own.
        event = reader.event(event.id) or event
        parts = [Part(reader.role(each.role), each.number, Reason.CHANGED, files[each.role]) for each in event.parts]
        before, said = load_authority(reader, ports.metadata), proposed_by(reader, event)
        then = load_authority(reader, ports.metadata, proposed=said)
        holder = event.role
        was, bins = before.shared.get(holder), then.shared.get(holder)
        # There may be as many bins as before, which others sign.
        as_many = was is not None and bins is not None and was.bins == bins.bins
        resized = bins is not None and (event.kind is EventKind.RESIZE or not as_many)
        if (before.named, before.shared) != (then.named, then.shared) and not resized:
            parts += to_sign_again(ports, reader, then)
    if resized:
        signed = {part.role: Signed(files[part.role], part.number) for part in event.parts}
        brought = bring_bins(ports, holder, said[holder], signed=signed)
    else:
        brought = bring_out(ports, parts, proposed=said)
    published = _close(ports, event, brought)
    return together(published, _end_rotation(ports)) or published


def _phase_of(reader: StateReader, event: SigningEvent) -> EventPhase:
    """Where an event stands: it may have come out, and the process ended before it could say so."""
    done = any(has_come_out(reader.role(part.role), part) for part in event.parts)
    return EventPhase.DONE if done else EventPhase.OPEN


def _end_rotation(ports: Ports) -> PublicationReport | None:
    """A rotation whose root is out may have waited for just these targets."""
    with ports.state.read() as reader:
        rotation = reader.rotation()
    return None if rotation is None or rotation.root_version is None else carry_on(ports)


def _close(
    ports: Ports, event: SigningEvent, report: PublicationReport, *, phase: EventPhase = EventPhase.DONE
) -> PublicationReport:
    with ports.state.transaction(actor=ports.actor) as state:
        state.close_event(event.id, phase, at=ports.clock.now())
        if phase is EventPhase.DONE and event.periods is not None:
            state.set_periods(event.role, event.periods)
    return report
