"""A root that was proposed here, and that somebody published with the signatures that it had: it is taken over.

Clients follow it, whatever became of the event here (`loose_roots`), so nothing else can be root of its version. It is
recorded as it lies there, and the state is kept: which keys leaked, too. What waits over the root before can come out
no more. Of the replacement of an online key is then read from the root what is left to do:

- it names the key that was to come: that goes on as if the root had come out from here;
- it names the key that is to go: the next root is proposed anew, without it;
- it names a third one: that is in charge now, and all is signed anew with it; or, where it leaked, it is what must go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rstuf.errors import InvalidInput, RstufError, SigningError, StateBehind
from rstuf.metadata.render import versioned
from rstuf.metadata.root_changes import RootChanges, compare_published
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, root_roles
from rstuf.model.events import ROTATING, EventKind, EventPhase, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.rotation import RotationKind
from rstuf.repository.authority import current_root
from rstuf.repository.dropping import dropped_as
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.known_keys import leaked_keys, names_of
from rstuf.repository.leaks import gaining_leaks, roles_left_to_leaks
from rstuf.repository.loose_roots import event_of
from rstuf.repository.open_events import companions, is_open, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import complete_root, recover
from rstuf.repository.reports import DroppedEvent, DropReason, PublicationReport
from rstuf.repository.root_update import propose_targets_for_root
from rstuf.repository.roots import check_chain, note_revoked
from rstuf.repository.rotation import carry_on
from rstuf.repository.signing_events import close_unused
from rstuf.repository.visible import newer_root, refuse_foreign_storage, refuse_newer_root, refuse_older_state

_AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True)
class LooseRoot:
    """A root that was proposed here and that this state did not publish, as it lies there.

    Attributes:
        data: its file.
        event: what waited for signatures here, with the keys that leaked and to which it gives more than they have.
        signed: the names of those who signed the file.
        changes: over the root before it.
        drops: what waits, and can come out no more once it is root.
    """

    version: int
    data: bytes
    event: EventView
    signed: tuple[str, ...]
    changes: RootChanges
    drops: tuple[EventView, ...]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What came of it.

    Attributes:
        dropped: the events that could come out no more, as they were.
        publication: what was signed anew right after it; None where nothing was.
        obstacle: what keeps that from being done now.
    """

    version: int
    dropped: tuple[DroppedEvent, ...]
    publication: PublicationReport | None = None
    obstacle: RstufError | None = None


@dataclass(frozen=True, slots=True)
class _Course:
    """What becomes of the replacement of an online key.

    Attributes:
        ends: whether the one that goes on is over.
        begins: the one that takes its place: why, and which key goes for which.
        rooted: whether the root names its new key.
    """

    ends: bool = False
    begins: tuple[RotationKind, KeyId, KeyId] | None = None
    rooted: bool = False


def look_at_loose_root(ports: Ports) -> LooseRoot:
    """The root that is published and was proposed here. Waits for nobody, changes nothing.

    Raises:
        InvalidInput: there is none that this state does not know.
        StateBehind: there is one, and it was not proposed here.
    """
    with ports.state.read() as reader:
        root, event = _find(ports, reader)
        old, names = current_root(reader), names_of(reader)
        view = view_in(ports, reader, event)
        leaves = tuple(roles_left_to_leaks(reader, root.envelope))
        course = _course(reader, root_roles(old), root_roles(root.envelope))
        return LooseRoot(
            root.envelope.version,
            root.data,
            replace(view, leaks=gaining_leaks(reader, root.envelope), leaves=leaves),
            _signers(names, root.envelope),
            _changes(ports, old, root.envelope),
            tuple(view_in(ports, reader, each) for each in _outrun(reader, event, course)),
        )


def take_over_root(ports: Ports, loose: LooseRoot) -> TakenOver:
    """Go on from a root that was proposed here and that somebody published, as it was shown.

    What can be signed anew is, and what must wait for people does.

    Raises:
        InvalidInput: another one lies there than was shown, or none that this state does not know.
        StateBehind: it was not proposed here.
        ForeignMetadata: another repository is published where this one would be.
        StorageError: the storage cannot be read or written; run it again.
    """
    with ports.state.publication_lock(purpose="recover loose-root"):
        refuse_foreign_storage(ports)
        _finish_root(ports)
        with ports.state.read() as reader:
            root, event = _find(ports, reader)
        if root.data != loose.data:
            raise InvalidInput("another root lies there by now", hint="run it again, and look at that one")
        dropped, goes_on = _take(ports, root, event)
        publication, obstacle = _go_on(ports, replaces=goes_on)
        return TakenOver(root.envelope.version, dropped, publication, obstacle)


@dataclass(frozen=True, slots=True)
class _Root:
    data: bytes
    envelope: Envelope


def _find(ports: Ports, reader: StateReader) -> tuple[_Root, SigningEvent]:
    newer, old = newer_root(ports, reader), current_root(reader)
    if newer is None:
        raise InvalidInput("this state knows every root that is published", hint="rstuf status says what is to be done")
    root = open_envelope(newer.data, name=versioned(ROOT, newer.version), kind="root")
    event = event_of(reader, root)
    if event is None or newer.version != old.version + 1:
        raise StateBehind(ROOT, visible=newer.version, known=old.version)
    check_chain(root, old, size=len(newer.data))
    return _Root(newer.data, root), event


def _finish_root(ports: Ports) -> None:
    """Give the newest root its file, where that was interrupted: nothing may follow it before."""
    with ports.state.read() as reader:
        newest = reader.newest_root()
    if newest is not None and not newest.settled:
        complete_root(ports, newest)


def _signers(names: Mapping[KeyId, str], root: Envelope) -> tuple[str, ...]:
    return tuple(sorted(names.get(each.keyid, each.keyid[:12]) for each in root.signatures))


def _changes(ports: Ports, old: Envelope, root: Envelope) -> RootChanges:
    # As it looked when it was signed: that it has expired since is no fault of it.
    return compare_published(old, root, now=min(ports.clock.now(), root.expires - timedelta(seconds=1)))


def _take(ports: Ports, root: _Root, event: SigningEvent) -> tuple[tuple[DroppedEvent, ...], bool]:
    """Record it, with all that follows from it for what waits.

    Returns:
        What was dropped, and whether the replacement of an online key goes on by itself.
    """
    now = ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        roles = root_roles(root.envelope)
        course = _course(state, root_roles(current_root(state)), roles)
        outrun = _outrun(state, event, course)
        dropped = [dropped_as(state, each, DropReason.OUTRUN) for each in outrun]
        for each in outrun:
            close_unused(state, each, at=now)
        if event.phase is EventPhase.OPEN:
            state.close_event(event.id, EventPhase.DONE, at=now)
        note_revoked(state, root.envelope, at=now)
        periods = event.periods or state.periods()[ROOT]
        expires = root.envelope.expires
        version = root.envelope.version
        state.record_root(
            version, root.data, signed_at=event.opened, expires=expires, sign_by=expires - periods.renew_before
        )
        state.note_evidence(event.opened)
        if event.periods is not None:
            state.set_periods(ROOT, event.periods)
        _set_course(state, course, version=version, at=now)
        signed = _signers(names_of(state), root.envelope)
        state.record("root.takeover", {"version": version, "event": event.name, "signed": [*signed]}, at=now)
        recorded, rotation = state.root(version), state.rotation()
        leaked = leaked_keys(state)
    if recorded is not None:
        complete_root(ports, recorded)
    return tuple(dropped), rotation is not None and (rotation.root_version is None or rotation.new not in leaked)


def _course(reader: StateReader, before: Mapping[RoleName, RoleKeys], after: Mapping[RoleName, RoleKeys]) -> _Course:
    rotation, leaked = reader.rotation(), leaked_keys(reader)
    gone = [keyid for keyid in before[TIMESTAMP].keyids if keyid not in after[TIMESTAMP].keyids]
    come = [keyid for keyid in after[TIMESTAMP].keyids if keyid not in before[TIMESTAMP].keyids]
    waits = rotation is not None and rotation.root_version is None
    if rotation is not None and waits and rotation.new in come and rotation.old in gone:
        return _Course(rooted=True)
    if len(gone) != 1 or len(come) != 1:
        # The same online key as before: what is to replace it goes on.
        return _Course()
    (old,), (new,) = gone, come
    if new not in leaked:
        kind = RotationKind.LEAKED if old in leaked else RotationKind.LOST
        return _Course(ends=rotation is not None, begins=(kind, old, new), rooted=True)
    if rotation is not None and waits and rotation.new not in leaked:
        return _Course(ends=True, begins=(RotationKind.LEAKED, new, rotation.new))
    return _Course(ends=rotation is not None)


def _set_course(state: StateTransaction, course: _Course, *, version: int, at: datetime) -> None:
    rotation, names = state.rotation(), names_of(state)
    if rotation is not None and course.ends:
        state.end_rotation(rotation.id, at=at)
        said = {role: names.get(keyid, keyid[:12]) for role, keyid in (("old", rotation.old), ("new", rotation.new))}
        state.record("rotation.overtaken", said, at=at)
    if course.begins is not None:
        kind, old, new = course.begins
        state.begin_rotation(kind=kind, old=old, new=new, overlap=_AT_ONCE, begun=at)
        details = {"kind": kind.value, "old": names.get(old, old[:12]), "new": names.get(new, new[:12])}
        state.record("rotation.begin", {**details, "keyid": new}, at=at)
    rotation = state.rotation()
    if rotation is not None and course.rooted:
        state.note_rooted(rotation.id, version=version, at=at)


def _outrun(reader: StateReader, event: SigningEvent, course: _Course) -> Sequence[SigningEvent]:
    """The open events that come to nothing with it: another root, and what was proposed for that alone."""
    root = is_open(reader, ROOT)
    found = [] if root is None or root.id == event.id else [root]
    if course.ends:
        found += [each for each in reader.open_events() if each.kind in ROTATING and each.id != event.id]
    elif found and found[0].kind not in ROTATING:
        found += companions(reader, found[0])
    targets = is_open(reader, TARGETS)
    if targets is not None and targets.kind is EventKind.HANDBACK and (course.rooted or course.begins is not None):
        # The key that bins go back to is not in charge any more.
        found.append(targets)
    return list({each.id: each for each in found}.values())


def _go_on(ports: Ports, *, replaces: bool) -> tuple[PublicationReport | None, RstufError | None]:
    """Sign anew what must be, or propose what people must sign: where something keeps it from that, status tells."""
    try:
        recover(ports)
        with ports.state.read() as reader:
            rotation = reader.rotation()
        planned = rotation is not None and rotation.kind is RotationKind.PLANNED
        (refuse_older_state if planned else refuse_newer_root)(ports)
        publication = carry_on(ports) if replaces else None
        propose_targets_for_root(ports)
    except StateBehind as error:
        return None, error.although("it is taken over")
    except SigningError as error:
        return None, error
    return publication, None
