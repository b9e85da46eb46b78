"""The rotation of an online key, driven over time so that no client is ever disturbed.

In good order it has four steps: (1) timestamp, snapshot and online-signed targets come out signed by both keys, targets
letting either sign the bins; (2) a root that names the new key alone is signed by its people and published; (3) both
keys sign on, for as long as a client's session or a cached answer may last; (4) bins that lack the new signature are
signed again, and nothing names the old key any more. What has been done is read from what is published, so each step
can be done again.

A key that is lost or in the wrong hands can't sign beside the new one: root comes out first and everything is signed
anew right after it. A client in between finds a timestamp that its root does not know, and tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from rstuf.errors import EventOpen, InvalidInput, InvalidMetadata, NameTaken, StateError, StorageError
from rstuf.metadata import limits
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import Unsigned, part_of, renewed_part, versioned
from rstuf.metadata.root import with_role_keys
from rstuf.metadata.views import RoleKeys, open_envelope, read_signatures, root_roles
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.keys import KeyEntry, Loss
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.roles import RoleKind
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.repository.authority import SigningDesk, current_root, load_authority, signed_enough
from rstuf.repository.bridge import (
    ONLINE,
    bridges,
    delegating_to_both,
    delegating_to_new,
    gone_keys,
    lists_key,
    replaced,
)
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.keys import key_named, names_of, refuse_leaked, report_loss
from rstuf.repository.open_events import is_open, signers_of
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.signing_events import drop_event, open_event, reopen_event
from rstuf.repository.visible import TIMESTAMP_FILE, found

DEFAULT_OVERLAP: Final = timedelta(days=1)
# What a thief may have put under names that are written once: each time one is met, this many times further up.
_JUMP, _FURTHER, _MOST_JUMPS = 100, 100, 5


@dataclass(frozen=True, slots=True)
class RotationStart:
    """A rotation that has begun: what came out of its first step, and the events that wait for people."""

    rotation: Rotation
    publication: PublicationReport | None
    events: tuple[SigningEvent, ...]


def begin_rotation(
    ports: Ports, *, old: str, new: str, kind: RotationKind, overlap: timedelta, drop: Collection[SigningEvent] = ()
) -> RotationStart:
    """Let the key named `new` take the place of the online key named `old`. Under the publication lock, after recovery.

    Args:
        drop: an open event of root that is cancelled for it, as whoever says so saw it.

    Raises:
        InvalidInput: one of the two is not known, or not fit for it.
        EventOpen: an event of root is open.
        SigningError: a key that must sign now cannot be reached; nothing was changed.
        StateError: another rotation goes on.
    """
    with ports.state.read() as reader:
        if reader.rotation() is not None:
            raise StateError("the rotation of an online key goes on already", hint="rstuf status shows it")
        before, after = fit_keys(reader, old=old, new=new)
    return start_rotation(ports, before, after, kind=kind, overlap=overlap, drop=drop)


def start_rotation(
    ports: Ports,
    before: KeyEntry,
    after: KeyEntry,
    *,
    kind: RotationKind,
    overlap: timedelta,
    drop: Collection[SigningEvent],
    first: Callable[[StateTransaction], None] | None = None,
) -> RotationStart:
    """Begin with two keys that are fit for it; see `begin_rotation`.

    Args:
        first: what is done in the transaction that begins it, before that.
    """
    with ports.state.read() as reader:
        waiting = is_open(reader, ROOT)
        if waiting is not None and waiting not in drop:
            raise EventOpen(waiting.name, signed=signers_of(reader, waiting))
        needed = [after.keyid] if kind is not RotationKind.PLANNED else [before.keyid, after.keyid]
        for keyid in needed:
            entry = before if keyid == before.keyid else after
            keys = RoleKeys(keyids=(keyid,), threshold=1, keys={keyid: entry.key})
            # Asked for now: nothing may begin that cannot go on.
            SigningDesk(reader, ports.signers).signers(TIMESTAMP, keys)
    now = ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        if first is not None:
            first(state)
        if kind is not RotationKind.PLANNED:
            report_loss(state, before.keyid, Loss(kind.value), at=now)
        # Together with it: run again after an interruption it goes on, and nobody would be asked a second time.
        waiting = is_open(state, ROOT)
        if waiting is not None and waiting not in drop:
            raise EventOpen(waiting.name, signed=signers_of(state, waiting))
        if waiting is not None:
            drop_event(state, waiting, at=now)
        state.begin_rotation(kind=kind, old=before.keyid, new=after.keyid, overlap=overlap, begun=now)
        details = {"kind": kind.value, "old": before.name, "new": after.name, "keyid": after.keyid}
        state.record("rotation.begin", details, at=now)
    publication = carry_on(ports)
    with ports.state.read() as reader:
        rotation, events = reader.rotation(), tuple(reader.open_events())
    if rotation is None:
        raise InvalidInput("the rotation ended before it began", hint="run it again")
    return RotationStart(rotation, publication, events)


def carry_on(ports: Ports) -> PublicationReport | None:
    """Do what a rotation that goes on asks for now, if one does. Under the publication lock, after recovery."""
    with ports.state.read() as reader:
        rotation = reader.rotation()
        now = ports.signing_time(reader)
    if rotation is None:
        return None
    if rotation.root_version is None:
        publication = _publish_bridge(ports, rotation) if rotation.kind is RotationKind.PLANNED else None
        _propose(ports, rotation)
        return publication
    # Where people sign it: dropped, it is proposed again, for the rotation can't end without it.
    _propose_targets(ports, rotation)
    if rotation.is_bridged(now):
        return None
    publication = publish_under_new_root(ports) or _let_go(ports, rotation)
    _end(ports, rotation)
    return publication


def hasten_rotation(ports: Ports, *, kind: RotationKind) -> PublicationReport | None:
    """End a rotation without its old key, which turned out to be lost or in the wrong hands. As `begin_rotation`.

    Before its root is out that goes on waiting, with the signatures that it has; after it, its overlap is over.

    Raises:
        InvalidInput: none goes on.
    """
    with ports.state.read() as reader:
        rotation = reader.rotation()
        event = None if rotation is None or rotation.root_version is not None else is_open(reader, ROOT)
    if rotation is None:
        raise InvalidInput("no online key is being replaced", hint="rstuf key rotate NAME begins it")
    now = ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        report_loss(state, rotation.old, Loss(kind.value), at=now)
        state.end_rotation(rotation.id, at=now)
        state.begin_rotation(
            kind=kind, old=rotation.old, new=rotation.new, overlap=rotation.overlap, begun=rotation.begun
        )
        names = names_of(state)
        details = {"kind": kind.value, "old": names.get(rotation.old, ""), "new": names.get(rotation.new, "")}
        state.record("rotation.begin", {**details, "keyid": rotation.new}, at=now)
        again = state.rotation()
        if again is not None and rotation.root_version is not None:
            state.note_rooted(again.id, version=rotation.root_version, at=now)
        if event is not None and event.kind is EventKind.ROTATION:
            reopen_event(state, event, kind=EventKind.REPLACEMENT, at=now)
    return carry_on(ports)


def call_off(ports: Ports) -> PublicationReport | None:
    """Take back what a rotation has published so far: nothing is signed with its new key any more.

    Under the publication lock, after recovery, before its root is dropped. Broken off, the rotation goes on as it was.

    Raises:
        SigningError: the old key cannot be reached; nothing was changed.
    """
    with ports.state.read() as reader:
        rotation = reader.rotation()
        entry = None if rotation is None else reader.key(rotation.old)
        if rotation is None or entry is None or rotation.root_version is not None:
            return None
        authority = load_authority(reader, ports.metadata)
        if not lists_key(authority.targets, rotation.new):
            return None
        proposed = delegating_to_new(authority.targets, gone=(rotation.new,), new=entry.key)
        role = reader.role(TARGETS)
        ours = rotation.old in authority.top_level[TARGETS].keyids
        expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
        signers = RoleKeys(keyids=(rotation.old,), threshold=1, keys={rotation.old: entry.key})
        bins = bins_to_sign_again(ports, reader, signers) if ours else []
        opened = list(reader.open_events())
    if not ours:
        # People let the new key sign the bins already, so they must let the old one again.
        waits = [event for event in opened if any(part.role == TARGETS for part in event.parts)]
        back = renewed_part(TARGETS, proposed, version=role.version + 1, expires=expires)
        open_event(ports, [back], kind=EventKind.UPDATE, drop=waits)
        return None
    return bring_out(ports, [Part(role, role.number, Reason.ROTATED), *bins], proposed_targets=proposed, also={})


def publish_under_new_root(ports: Ports) -> PublicationReport | None:
    """Sign everything anew with a key that could not be bridged, where what is visible does not verify yet."""
    with ports.state.read() as reader:
        rotation = reader.rotation()
        if rotation is None or rotation.kind is RotationKind.PLANNED or rotation.root_version is None:
            return None
        authority = load_authority(reader, ports.metadata)
        ours = rotation.new in authority.top_level[TARGETS].keyids
        if _verifies(ports, reader) and not (ours and gone_keys(reader, authority.targets, rotation)):
            return None
    for attempt in range(_MOST_JUMPS):
        with ports.state.read() as reader:
            parts, proposed = _parts_anew(ports, reader, rotation)
        try:
            return bring_out(ports, parts, proposed_targets=proposed)
        except NameTaken:
            if attempt == _MOST_JUMPS - 1:
                raise
            _jump(ports, parts, _JUMP * _FURTHER**attempt)
    return None


def bins_to_sign_again(ports: Ports, reader: StateReader, signers: RoleKeys) -> list[Part]:
    """The bins whose visible files `signers` have not signed. Reads the heads of all of them."""
    parts = []
    for role in reader.roles(kind=RoleKind.BIN):
        if not role.visible or role.file is None:
            continue
        data = found(ports.metadata, versioned(role.name, role.visible), limit=role.file.length)
        try:
            by = {each.keyid for each in read_signatures(data)} if data is not None else set()
        except (ValueError, KeyError, TypeError):
            by = set()
        if len(by & set(signers.keyids)) < signers.threshold:
            parts.append(Part(role, max(role.number, role.shown), Reason.ROTATED))
    return parts


def _publish_bridge(ports: Ports, rotation: Rotation) -> PublicationReport | None:
    """Step 1, where it is not visible yet."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        entry = reader.key(rotation.new)
        also = bridges(reader, now=ports.signing_time(reader))
        ours = rotation.old in authority.top_level[TARGETS].keyids
        delegates = lists_key(authority.targets, rotation.new) or not lists_key(authority.targets, rotation.old)
        if entry is None or (_signed_by(ports, reader, also) and (delegates or not ours)):
            return None
        proposed = None
        parts = [Part(reader.role(SNAPSHOT), 0, Reason.ROTATED), Part(reader.role(TIMESTAMP), 0, Reason.ROTATED)]
        if ours:
            parts.insert(0, Part(reader.role(TARGETS), reader.role(TARGETS).number, Reason.ROTATED))
            proposed = delegating_to_both(authority.targets, old=rotation.old, new=entry.key)
    return bring_out(ports, parts, proposed_targets=proposed)


def _propose(ports: Ports, rotation: Rotation) -> None:
    """Step 2: let root, and targets where people sign it, wait for their signatures."""
    with ports.state.read() as reader:
        proposed = _root_of(ports, reader, rotation) if is_open(reader, ROOT) is None else None
    if proposed is not None:
        open_event(ports, [proposed], kind=_kind_of(rotation))
    _propose_targets(ports, rotation)


def _propose_targets(ports: Ports, rotation: Rotation) -> None:
    with ports.state.read() as reader:
        proposed = _targets_of(ports, reader, rotation) if is_open(reader, TARGETS) is None else None
    if proposed is not None:
        open_event(ports, [proposed], kind=_kind_of(rotation))


def _kind_of(rotation: Rotation) -> EventKind:
    return EventKind.ROTATION if rotation.kind is RotationKind.PLANNED else EventKind.REPLACEMENT


def _root_of(ports: Ports, reader: StateReader, rotation: Rotation) -> Unsigned:
    old = current_root(reader)
    roles = root_roles(old)
    changed = {name: replaced(reader, roles[name], rotation) for name in ONLINE if rotation.old in roles[name].keyids}
    expires = ports.signing_time(reader) + reader.periods()[ROOT].expires
    return part_of(ROOT, with_role_keys(old.signed, changed, version=old.version + 1, expires=expires), expires=expires)


def _targets_of(ports: Ports, reader: StateReader, rotation: Rotation) -> Unsigned | None:
    """What people must sign of targets, so that the new key signs its bins; None where the online key signs it."""
    authority = load_authority(reader, ports.metadata)
    entry = reader.key(rotation.new)
    if entry is None or {rotation.old, rotation.new} & set(authority.top_level[TARGETS].keyids):
        return None
    gone = gone_keys(reader, authority.targets, rotation)
    if not gone:
        return None
    role = reader.role(TARGETS)
    signed = delegating_to_new(authority.targets, gone=gone, new=entry.key)
    expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
    return renewed_part(TARGETS, signed, version=role.version + 1, expires=expires)


def _let_go(ports: Ports, rotation: Rotation) -> PublicationReport | None:
    """Step 4: what lacks the new signature gets it, and targets names no key any more that goes."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        entry = reader.key(rotation.new)
        if entry is None or not gone_keys(reader, authority.targets, rotation):
            return None
        if rotation.new not in authority.top_level[TARGETS].keyids:
            # People sign it, in an event of their own.
            return None
        parts, proposed = _parts_anew(ports, reader, rotation)
    return bring_out(ports, parts, proposed_targets=proposed)


def _parts_anew(
    ports: Ports, reader: StateReader, rotation: Rotation
) -> tuple[Sequence[Part], Mapping[str, Any] | None]:
    """Everything that must be signed with the new key alone, and what targets says then."""
    authority = load_authority(reader, ports.metadata)
    entry = reader.key(rotation.new)
    parts = [Part(reader.role(SNAPSHOT), 0, Reason.ROTATED), Part(reader.role(TIMESTAMP), 0, Reason.ROTATED)]
    if entry is None or rotation.new not in authority.top_level[TARGETS].keyids:
        return parts, None
    targets = reader.role(TARGETS)
    gone = gone_keys(reader, authority.targets, rotation)
    proposed = delegating_to_new(authority.targets, gone=gone, new=entry.key)
    signers = RoleKeys(keyids=(rotation.new,), threshold=1, keys={rotation.new: entry.key})
    bins = bins_to_sign_again(ports, reader, signers)
    return [Part(targets, targets.number, Reason.ROTATED), *bins, *parts], proposed


def _jump(ports: Ports, parts: Sequence[Part], count: int) -> None:
    with ports.state.transaction(actor=ports.actor) as state:
        for part in parts:
            state.burn_versions(part.role.name, count)
        state.record("rotation.jump", {"versions": count}, at=ports.clock.now())


def _end(ports: Ports, rotation: Rotation) -> None:
    """Whether nothing names the old key any more, nor any other that goes: then it is over."""
    with ports.state.read() as reader:
        over = not gone_keys(reader, load_authority(reader, ports.metadata).targets, rotation)
    if over:
        now = ports.clock.now()
        with ports.state.transaction(actor=ports.actor) as state:
            state.end_rotation(rotation.id, at=now)
            state.record("rotation.end", {"old": rotation.old, "new": rotation.new}, at=now)
            if rotation.kind is not RotationKind.PLANNED:
                entry = state.key(rotation.old)
                details = {"key": entry.name if entry is not None else rotation.old[:12], "keyid": rotation.old}
                state.record("key.revoke", {**details, "kind": rotation.kind.value}, at=now)


def _verifies(ports: Ports, reader: StateReader) -> bool:
    """Whether what clients see first verifies from the newest root."""
    return _signed_by(ports, reader, root_roles(current_root(reader)))


def _signed_by(ports: Ports, reader: StateReader, keys: Mapping[Any, RoleKeys]) -> bool:
    """Whether the visible files of these online roles are signed by these keys."""
    for name in ONLINE:
        if name not in keys:
            continue
        role = reader.role(name)
        file = TIMESTAMP_FILE if name == TIMESTAMP else versioned(name, role.visible)
        try:
            data = found(ports.metadata, file, limit=limits.SNAPSHOT_WITH_LENGTH_BYTES)
            if data is None or not signed_enough(open_envelope(data, name=file, kind=name), keys[name]):
                return False
        except (InvalidMetadata, StorageError):
            return False
    return True


def fit_keys(reader: StateReader, *, old: str, new: str) -> tuple[KeyEntry, KeyEntry]:
    """The online key named `old` and the key named `new` that can take its place.

    Raises:
        InvalidInput: one of the two is not known, or not fit for it.
    """
    before, after = key_named(reader, old), key_named(reader, new)
    _check_fit(reader, before, after)
    return before, after


def _check_fit(reader: StateReader, old: KeyEntry, new: KeyEntry) -> None:
    refuse_leaked(new)
    roles = root_roles(current_root(reader))
    if not any(old.keyid in roles[name].keyids for name in ONLINE) or old.keyid in roles[ROOT].keyids:
        raise InvalidInput(
            f"{old.name} is not an online key", hint="rstuf key list shows which is; rstuf root update changes others"
        )
    identity = key_identity(new.key)
    for name, keys in roles.items():
        if any(key_identity(key) == identity for key in keys.keys.values()):
            raise InvalidInput(f"{new.name} signs {name} already", hint="make another one: rstuf key generate NAME")
    if new.signer is None:
        raise InvalidInput(f"the private half of {new.name} is not here", hint=f"rstuf key add {new.name} FILE")
