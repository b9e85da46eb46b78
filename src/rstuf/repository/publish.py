"""The use case of publishing: every accepted change becomes visible, in one release."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from rstuf.clock import iso
from rstuf.errors import ReleaseRefused
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP
from rstuf.model.roles import RoleKind
from rstuf.repository.authority import SigningDesk, load_authority
from rstuf.repository.completing import carry_on_events
from rstuf.repository.dropping import drop_outdated
from rstuf.repository.forced import can_sign, without_unreachable
from rstuf.repository.interfaces import StateReader
from rstuf.repository.kept_changes import Kept, look_for_kept, postpone
from rstuf.repository.open_events import has_expired
from rstuf.repository.outdated import outdated_by
from rstuf.repository.people import (
    drop_unsigned,
    is_to_open,
    let_wait,
    still_waiting,
    who_is_here,
)
from rstuf.repository.ports import Ports
from rstuf.repository.proposing_anew import propose_outdated_anew
from rstuf.repository.readiness import get_ready
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason, Recovery
from rstuf.repository.root_update import propose_missing_targets
from rstuf.repository.together import together
from rstuf.repository.waiting_behind import unsigned_behind, waiting_behind, withdraw_kept

# A snapshot that lists so many roles is large: publications of such a repository are at least this far apart.
_MANY_BINS: Final = 4096
_DISTANCE: Final = timedelta(seconds=1)


class Spacing(Enum):
    """Whether a publication keeps a distance from the one before, so that close changes share one."""

    NONE = auto()
    GROUPED = auto()


def publish(ports: Ports, *, spacing: Spacing = Spacing.NONE, drop: Collection[SigningEvent] = ()) -> PublicationReport:
    """Make every accepted change visible; first bring an interrupted publication to its end, and put back what is lost.

    What people elsewhere have to sign waits for them in signing events. What would outdate an event that others have
    signed stays pending.

    Args:
        drop: events that give their place to newer ones, as whoever says so saw them; other bins that wait stay.

    Raises:
        Locked: another process publishes for longer than the state waits.
        SigningError, StorageError, ReleaseRefused: clients still see what they saw.
    """
    with ports.state.publication_lock(purpose="publish"):
        ready = get_ready(ports)
        recovery, restored, recorded, went_on = ready.recovery, ready.restored, ready.recorded, ready.went_on
        if spacing is Spacing.GROUPED:
            _keep_distance(ports)
        with ports.state.read() as reader:
            drop = [event for event in drop if not _stays(ports, reader, event)]
            kept = look_for_kept(ports, reader, drop=drop)
            changed = without_unreachable(ports, reader, changed_parts(reader, kept))
            parts, waiting = who_is_here(ports, reader, changed)
            opens = any(is_to_open(ports, reader, each, drop=drop, kept=kept) for each in waiting)
            visible = reader.role(TIMESTAMP).visible
            behind = ports.clock_behind(reader)
        if kept is not None:
            withdraw_kept(ports, kept)
            if parts or opens:
                postpone(ports, kept)
        with ports.state.read() as reader:
            parts = [replace(part, role=reader.role(part.role.name)) for part in parts]
            if parts or recovery is Recovery.COMPLETED:
                parts += _needed_parts(ports, reader, parts, now=ports.signing_time(reader))
        if not parts:
            completed = recovery is Recovery.COMPLETED
            report = went_on or PublicationReport(published=completed, timestamp_version=visible)
        else:
            drop_unsigned(ports, parts)
            report = together(went_on, brought := bring_out(ports, parts)) or brought
        if outdated := drop_outdated(ports):
            # Targets may have come out beside what was proposed of it for a root.
            propose_missing_targets(ports)
        waiting = let_wait(ports, waiting, drop=drop, kept=kept)
        anew = propose_outdated_anew(ports, given_up=(*drop, *unsigned_behind(ports, waiting)))
        more = (*(() if kept is None else waiting_behind(ports, kept)), *anew.waiting)
        told = {each.name for each in more}
        waiting = (*(each for each in waiting if each.name not in told), *more)
        if waiting and (late := carry_on_events(ports)) is not None:
            report = together(report, late) or late
            waiting = still_waiting(ports, waiting)
        report = replace(report, recovery=recovery, restored=restored, recorded=recorded, clock_behind=behind)
        return replace(report, waiting=waiting, dropped=(*outdated, *anew.dropped))


def _stays(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether an event is given up for nothing that is published: nothing else remembers that other bins are wanted.

    What is accepted since comes after them.
    """
    void = has_expired(event, ports.clock.now()) or outdated_by(reader, event) is not None
    return event.kind is EventKind.RESIZE and not void


def changed_parts(reader: StateReader, kept: Kept | None = None) -> list[Part]:
    """The roles whose changes clients do not see yet, each to be rendered at the newest change.

    Args:
        kept: what must not come out yet.
    """
    number = reader.newest_number() if kept is None else kept.number
    return [
        Part(role, number, Reason.FORCED if role.forced else Reason.CHANGED)
        for role in reader.dirty_roles()
        if role.kind is not RoleKind.ROOT and (kept is None or role.id not in kept.only)
    ]


def _needed_parts(ports: Ports, reader: StateReader, parts: Sequence[Part], *, now: datetime) -> list[Part]:
    """What else must be signed again so that clients come to see `parts`: roles that delegate, where they have expired.

    A client that comes to one that has expired looks no further, also for what others would tell it.

    Raises:
        ReleaseRefused: root has expired, so no client would look any further.
    """
    root, targets = reader.role(ROOT), reader.role(TARGETS)
    if root.expires is not None and root.expires <= now:
        raise ReleaseRefused(
            [f"clients refuse this repository: its root expired at {iso(root.expires)}"],
            hint="rstuf renew signs root again, where its keys can be opened; then publish",
        )
    there = {part.role.id for part in parts}
    expired = [
        Part(role, role.number, Reason.DUE)
        for role in (targets, *reader.roles(kind=RoleKind.DELEGATED))
        if role.id not in there and role.expires is not None and role.expires <= now
    ]
    if not expired:
        return []
    authority, desk = load_authority(reader, ports.metadata), SigningDesk(reader, ports.signers)
    return [
        part
        for part in expired
        if part.role.id == targets.id
        or can_sign(desk, part.role.name, authority.role_keys(part.role.name, part.role.kind))
    ]


def _keep_distance(ports: Ports) -> None:
    with ports.state.read() as reader:
        last, listed = reader.last_publication(), reader.listed_roles()
    if last is None or last.committed is None or listed < _MANY_BINS:
        return
    since = ports.clock.now() - last.committed
    if timedelta(0) <= since < _DISTANCE:
        ports.clock.sleep(_DISTANCE - since)
