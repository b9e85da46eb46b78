"""One look at a repository: what it is, whether it is healthy, what is due."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from rstuf.errors import CeremonyUnfinished, ClockSuspicious
from rstuf.model.keys import KeyEntry, KeyId
from rstuf.model.names import ROOT, TIMESTAMP, TOP_LEVEL, RoleName
from rstuf.model.publication import PublicationPhase
from rstuf.model.roles import RoleKind
from rstuf.model.rotation import Rotation
from rstuf.model.settings import Phase
from rstuf.model.superseded import MOST_COUNTED
from rstuf.repository.authority import Authority, load_authority
from rstuf.repository.event_views import EventView
from rstuf.repository.forced import is_rebuilt_only
from rstuf.repository.interfaces import StateReader
from rstuf.repository.kept_changes import brought_up_to, lacks, look_for_kept
from rstuf.repository.keys import look_at, online_and_stray
from rstuf.repository.known_keys import names_of
from rstuf.repository.leaks import listed_leaks
from rstuf.repository.letting_go import going, holding_up
from rstuf.repository.loose_roots import loose_roots
from rstuf.repository.lost_keys import lost_of_people
from rstuf.repository.mending import recorded_files
from rstuf.repository.open_events import views_in
from rstuf.repository.overtaken import overtaken
from rstuf.repository.people import holding_event, is_free, is_held_by_leaving
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Health, KeyStatus, Status
from rstuf.repository.role_status import statuses
from rstuf.repository.rotation import unproposed
from rstuf.repository.targets_signers import people_are_missing
from rstuf.repository.visible import blockers, newer_than_known
from rstuf.repository.who_signs import every_role

# Publications come and go; what looks wrong while they do is looked at again.
_LOOKS: Final = 3


@dataclass(frozen=True, slots=True)
class _Mark:
    """What changes in the state with every step that clients can see."""

    visible: int
    unfinished: tuple[int, PublicationPhase] | None


def look(ports: Ports) -> Status:
    """The repository's status. Reads the state, the files of all roles with a name, and of keys; of bins their lengths.

    Waits for nobody, changes nothing.

    Raises:
        CeremonyUnfinished: its ceremony was interrupted.
        StateDamaged: the recorded root or targets metadata is not what was published.
    """
    looks = _LOOKS
    while True:
        looks -= 1
        seen, mark = _look(ports)
        if looks == 0 or (seen.health is not Health.DAMAGED and not seen.interrupted):
            return seen
        with ports.state.read() as reader:
            if mark == _mark(reader):
                return seen


def _mark(reader: StateReader) -> _Mark:
    publication = reader.unfinished_publication()
    return _Mark(reader.role(TIMESTAMP).visible, None if publication is None else (publication.id, publication.phase))


def _look(ports: Ports) -> tuple[Status, _Mark]:
    with ports.state.read() as reader:
        settings = reader.settings()
        if settings.phase is not Phase.LIVE:
            raise CeremonyUnfinished("this workspace")
        behind, suspicious = ports.clock_behind(reader), _suspicion(ports, reader)
        # A clock that went back makes nothing young again.
        now = ports.clock.now() if behind is None else behind.newest
        authority = load_authority(reader, ports.metadata)
        unfinished = reader.unfinished_publication()
        roles = list(statuses(ports, reader, authority, now=now, lost=lost_of_people(ports, reader)))
        if any(not file.is_on(ports.metadata) for file in recorded_files(reader, ports.metadata) if file.kind == ROOT):
            # Clients walk over the older ones too.
            roles[0] = replace(roles[0], health=Health.DAMAGED)
        in_the_way = blockers(ports, reader)
        if any(each.role == ROOT for each in in_the_way):
            roles[0] = replace(roles[0], health=Health.DAMAGED)
        totals, last, first = reader.totals(), reader.last_publication(), reader.root(1)
        online, stray = online_and_stray(reader, authority, now=now)
        events, rotation = tuple(views_in(ports, reader)), reader.rotation()
        lacks = unproposed(ports, reader, authority) if suspicious is None else ()
        gone, held = going(reader, authority), holding_up(ports, reader, authority)
        loose = tuple(loose_roots(ports, reader))
        leaks = listed_leaks(reader, authority)
        unsigned = people_are_missing(reader, ports.metadata)
        behind_seen = tuple(role.name for role in overtaken(reader))
        rebuilt, pending = is_rebuilt_only(reader), totals.pending_roles
        if rebuilt:
            # All is to be signed anew: only some of it changes anything.
            pending = sum(role.newest > role.number for role in reader.dirty_roles())
        pending -= len(_held(ports, reader, events))
        needed = _needed(authority, events, rotation)
        names = names_of(reader)
        root_lost = () if roles[0].beyond is None else tuple(names[keyid] for keyid in roles[0].beyond.lost)
        keys = _keys(ports, reader.keys(), online=online, needed=needed, stray=stray, leaks=leaks)
        mark = _mark(reader)
        prunable = (0, 0) if suspicious is not None else _prunable(ports, reader)
    healths = [role.health for role in roles]
    over = rotation is not None and rotation.is_over(now)
    if any((any(role.beyond for role in roles), stray, leaks, lacks, loose, rebuilt, behind_seen, over)):
        healths.append(Health.DUE)
    if unsigned:
        healths.append(Health.OVERDUE)
    publishing = ports.state.publisher() if unfinished is not None else None
    old_copy = newer_than_known(ports)
    seen = Status(
        repository=settings.name,
        health=max(healths, key=list(Health).index),
        now=now,
        artifacts=totals.artifacts,
        bins=sum(role.count for role in roles if role.kind is RoleKind.BIN),
        roles=tuple(roles),
        keys=keys,
        pending_roles=pending,
        interrupted=unfinished is not None and publishing is None,
        last_published=last.committed if last is not None else None,
        timestamp_version=mark.visible,
        publishing=publishing,
        clock_behind=behind,
        clock_suspicious=suspicious,
        old_copy=old_copy,
        in_the_way=in_the_way if old_copy is None else (),
        first_root=hashlib.sha256(first.data).hexdigest() if first is not None else None,
        events=events,
        rotation=rotation,
        root_lost=root_lost,
        unproposed=lacks,
        going=gone,
        holding_up=tuple(event.name for event in held),
        loose_roots=loose,
        rebuilt=rebuilt,
        overtaken=behind_seen,
        unsigned_targets=unsigned,
        prunable=prunable[0],
        prunable_length=prunable[1],
    )
    return seen, mark


def _held(ports: Ports, reader: StateReader, events: Collection[EventView]) -> set[int]:
    """The ids of roles whose changes nothing brings on but events: they are in one, or come after what others signed or
    are to sign, or are kept back for it."""
    numbers = dict[RoleName, int]()
    for view in events:
        numbers |= {} if view.is_void else brought_up_to(reader, view.event)
    kept = look_for_kept(ports, reader)
    held = set[int]() if kept is None else {*kept.only}
    if not numbers:
        return held
    batches = {
        holder
        for view in events
        if not view.is_void and not is_free(ports, reader, view.event)
        for holder in _holders(reader, view)
    }
    for role in reader.dirty_roles():
        if role.holder in batches and not role.forced:
            # Whatever of a role's bins waits, waits together.
            held.add(role.id)
            continue
        if role.forced or role.name not in numbers:
            if not role.forced and is_held_by_leaving(ports, reader, role, kept):
                held.add(role.id)
            continue
        event = holding_event(ports, reader, role.name)
        if not lacks(reader, role, numbers[role.name], kept) or (
            event is not None and not is_free(ports, reader, event)
        ):
            held.add(role.id)
    return held


def _holders(reader: StateReader, view: EventView) -> set[int]:
    """The ids of the roles of which bins wait in an event."""
    below = [part.part.role for part in view.parts if part.part.role not in TOP_LEVEL]
    return {holder for name in below if (holder := reader.role(name).holder) is not None}


def _prunable(ports: Ports, reader: StateReader) -> tuple[int, int]:
    return reader.count_superseded(reader.retention(), now=ports.clock.now(), most=MOST_COUNTED)


def _keys(
    ports: Ports,
    entries: Sequence[KeyEntry],
    *,
    online: Set[KeyId],
    needed: Set[str],
    stray: Set[KeyId],
    leaks: Mapping[KeyId, tuple[str, ...]],
) -> tuple[KeyStatus, ...]:
    return tuple(
        replace(
            look_at(ports, entry, online=entry.keyid in online),
            needed=entry.keyid in needed,
            stray=entry.keyid in stray,
            leaked_in=leaks.get(entry.keyid, ()),
        )
        for entry in entries
    )


def _needed(authority: Authority, events: Collection[EventView], rotation: Rotation | None) -> set[str]:
    """The ids of keys that a role lists, or would once what waits has come out."""
    found = {str(keyid) for role in every_role(authority) for keyid in role.keys.keyids}
    for view in events:
        found.update(keyid for part in view.parts for side in part.sides for keyid in side.keyids)
    return found if rotation is None else found | {rotation.old, rotation.new}


def _suspicion(ports: Ports, reader: StateReader) -> ClockSuspicious | None:
    try:
        ports.signing_time(reader)
    except ClockSuspicious as error:
        return error
    return None
