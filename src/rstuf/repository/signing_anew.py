"""Signing anew what an online key must not sign any more: what ends its rotation, once root names the other alone.

Read from what is published: what is signed already is left as it is, so it can be done again after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rstuf.errors import InvalidMetadata, NameTaken, ReleaseRefused, SigningError, StorageError
from rstuf.metadata import limits
from rstuf.metadata.render import SignedFile, versioned
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, read_signatures, root_roles
from rstuf.model.events import EventKind, EventPhase, SigningEvent
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.repository.authority import (
    Authority,
    SigningDesk,
    current_root,
    is_recorded_file,
    load_authority,
    signed_enough,
)
from rstuf.repository.batches import bins_by_people
from rstuf.repository.bridge import ONLINE, delegating_to_new, gone_keys, once_online
from rstuf.repository.interfaces import StateReader
from rstuf.repository.letting_go import changeable, handed_on
from rstuf.repository.mending import put_back
from rstuf.repository.open_events import envelope_of, file_of, is_open
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.targets_signers import people_sign, targets_verify
from rstuf.repository.visible import TIMESTAMP_FILE, found, refuse_older_state

# What a thief may have put under names that are written once: each time one is met, this many times further up.
_JUMP, _FURTHER, _MOST_JUMPS = 100, 100, 5


def publish_under_new_root(ports: Ports) -> PublicationReport | None:
    """Sign everything anew with a key that could not be bridged, where what is visible does not verify yet.

    Raises:
        StateBehind: that key has signed what this state does not know of.
    """
    with ports.state.read() as reader:
        rotation = reader.rotation()
        if rotation is None or rotation.kind is RotationKind.PLANNED or rotation.root_version is None:
            return None
        if not _lacks_signatures(ports, reader, rotation):
            return None
    # Whatever the old key signed counts no more: what is newer now another state has signed with the new one.
    refuse_older_state(ports)
    # What was lost would keep it from coming out, and no renewal can mend that without a key that signs.
    restored = put_back(ports)
    for attempt in range(_MOST_JUMPS):
        with ports.state.read() as reader:
            parts, proposed, event = _parts_anew(ports, reader, rotation)
        try:
            published = bring_out(ports, parts, proposed=proposed)
        except NameTaken:
            if attempt == _MOST_JUMPS - 1:
                raise
            _jump(ports, parts, _JUMP * _FURTHER**attempt)
            continue
        if event is not None:
            with ports.state.transaction(actor=ports.actor) as state:
                state.close_event(event.id, EventPhase.DONE, at=ports.clock.now())
        return replace(published, restored=restored)
    return None


def _lacks_signatures(ports: Ports, reader: StateReader, rotation: Rotation) -> bool:
    """Whether something of what clients see is not signed yet as a root asks that replaced a key at once."""
    roles = root_roles(current_root(reader))
    if not signed_by(ports, reader, {name: roles[name] for name in (TIMESTAMP, SNAPSHOT)}):
        return True
    authority, by_people = load_authority(reader, ports.metadata), people_sign(roles)
    if by_people and _signed_targets(ports, reader, roles[TARGETS]) is not None:
        return True
    if not by_people and not signed_by(ports, reader, {TARGETS: roles[TARGETS]}):
        return True
    return bool(gone_keys(reader, changeable(ports, reader, authority, rotation).values(), rotation))


def _signed_targets(ports: Ports, reader: StateReader, keys: RoleKeys) -> SigningEvent | None:
    """The open event of targets that these keys, of a root, have signed, where they have not signed what is visible."""
    event = is_open(reader, TARGETS)
    if event is None or event.kind is not EventKind.REPLACEMENT or targets_verify(reader, ports.metadata, keys):
        return None
    file = file_of(event.parts[0])
    if file is None or not signed_enough(open_envelope(file.data, name=file.file_name, kind="targets"), keys):
        return None
    return event


def check_what_follows(ports: Ports, reader: StateReader, root: Envelope) -> None:
    """See that all can be signed that must come right after a root which replaces an online key at once.

    Raises:
        SigningError: a key that it names cannot be reached; nothing was changed.
        ReleaseRefused: people have not signed the targets that it needs, or that could not get its name.
    """
    roles, rotation, by_people = root_roles(root), reader.rotation(), people_sign(root_roles(root))
    desk = SigningDesk(reader, ports.signers)
    event = _signed_targets(ports, reader, roles[TARGETS]) if by_people else None
    if by_people and event is None and not targets_verify(reader, ports.metadata, roles[TARGETS]):
        raise ReleaseRefused(["targets is not signed by those whom the new root names"], hint="rstuf renew proposes it")
    if event is not None and _is_taken(ports, event):
        hint = f"rstuf event cancel {event.name}, then rstuf renew: it is proposed again above that"
        raise ReleaseRefused([f"something else is under the name of {event.name}"], hint=hint)
    proposed, _ = _targets_anew(ports, reader, rotation, event, by_people=by_people)
    needed = {name: roles[name] for name in ONLINE if name != TARGETS or not by_people}
    if proposed is not None:
        said = {TARGETS: proposed}
        if rotation is not None:
            said |= handed_on(ports, reader, rotation, said)
        then = load_authority(reader, ports.metadata, proposed=said)
        if then.bins is not None:
            needed[RoleName(then.bins.bins.prefix)] = then.bins.signers
    try:
        for name, keys in needed.items():
            desk.signers(name, keys)
    except SigningError as error:
        entry = None if rotation is None else reader.key(rotation.new)
        if entry is not None:
            error.hint = f"put it back; or, if it is gone for good: rstuf recover online-key {entry.name} --lost"
        raise


def _is_taken(ports: Ports, event: SigningEvent) -> bool:
    file = file_of(event.parts[0])
    there = None if file is None else found(ports.metadata, file.file_name, limit=limits.TARGETS_BYTES)
    return file is not None and there not in {None, file.data}


def to_sign_again(ports: Ports, reader: StateReader, authority: Authority) -> list[Part]:
    """The bins, and other roles that are signed online, whose visible files their keys have not signed.

    Or which are not what was published. Reads all of them.

    Args:
        authority: as it is to be.
    """
    online, people, parts = once_online(reader), frozenset(bins_by_people(authority)), []
    for kind in (RoleKind.DELEGATED, RoleKind.BIN):
        for role in reader.roles(kind=kind):
            known = kind is RoleKind.BIN or role.name in authority.named
            if not role.visible or role.file is None or not known:
                continue
            keys = authority.role_keys(role.name, kind)
            ours = (kind is RoleKind.BIN and role.name not in people) or online.issuperset(keys.keyids)
            if ours and not _has_signed(ports, role, keys):
                parts.append(Part(role, max(role.number, role.shown), Reason.ROTATED))
    return parts


def _has_signed(ports: Ports, role: RoleState, keys: RoleKeys) -> bool:
    limit = 0 if role.file is None else role.file.length
    data = found(ports.metadata, versioned(role.name, role.visible), limit=limit)
    try:
        # Another file in its place may name any key.
        by = {each.keyid for each in read_signatures(data)} if data and is_recorded_file(role, data) else set()
    except (ValueError, KeyError, TypeError):
        return False
    return len(by & set(keys.keyids)) >= keys.threshold


def let_go(ports: Ports, rotation: Rotation) -> PublicationReport | None:
    """Step 4: what lacks the new signature gets it, and what can be signed here names no key any more that goes."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        entry = reader.key(rotation.new)
        said = changeable(ports, reader, authority, rotation).values()
        if entry is None or not gone_keys(reader, said, rotation):
            return None
        parts, proposed, _ = _parts_anew(ports, reader, rotation)
    return bring_out(ports, parts, proposed=proposed)


def _parts_anew(
    ports: Ports, reader: StateReader, rotation: Rotation
) -> tuple[Sequence[Part], Mapping[RoleName, Mapping[str, Any]], SigningEvent | None]:
    """Everything that must be signed with the new key alone, what roles that delegate say then, and the event of it."""
    authority, targets = load_authority(reader, ports.metadata), reader.role(TARGETS)
    parts = [Part(reader.role(SNAPSHOT), 0, Reason.ROTATED), Part(reader.role(TIMESTAMP), 0, Reason.ROTATED)]
    by_people = people_sign(authority.top_level)
    event = _signed_targets(ports, reader, authority.top_level[TARGETS]) if by_people else None
    said, file = _targets_anew(ports, reader, rotation, event, by_people=by_people)
    proposed = dict[RoleName, Mapping[str, Any]]()
    if said is not None:
        proposed[TARGETS] = said
        parts = [Part(targets, targets.number, Reason.ROTATED, file), *parts]
    below = handed_on(ports, reader, rotation, proposed)
    proposed |= below
    if not proposed:
        return parts, {}, event
    again = to_sign_again(ports, reader, load_authority(reader, ports.metadata, proposed=proposed))
    there = {part.role.name for part in again}
    changed = [reader.role(name) for name in below if name not in there]
    return [*(Part(role, role.number, Reason.ROTATED) for role in changed), *again, *parts], proposed, event


def _targets_anew(
    ports: Ports, reader: StateReader, rotation: Rotation | None, event: SigningEvent | None, *, by_people: bool
) -> tuple[Mapping[str, Any] | None, SignedFile | None]:
    """What targets says next to the root of a rotation, and its file where people have signed that; None as it is."""
    if event is not None:
        return envelope_of(event.parts[0]).signed, file_of(event.parts[0])
    entry = None if rotation is None else reader.key(rotation.new)
    if by_people or rotation is None or entry is None:
        return None, None
    targets = load_authority(reader, ports.metadata).targets
    return delegating_to_new(targets, gone=gone_keys(reader, [targets], rotation), new=entry.key), None


def _jump(ports: Ports, parts: Sequence[Part], count: int) -> None:
    with ports.state.transaction(actor=ports.actor) as state:
        for part in parts:
            state.burn_versions(part.role.name, count)
        state.record("rotation.jump", {"versions": count}, at=ports.clock.now())


def end_rotation(ports: Ports, rotation: Rotation) -> None:
    """Whether nothing names the old key any more, nor any other that goes: then it is over."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        over = not gone_keys(reader, authority.delegators.values(), rotation)
        over = over and targets_verify(reader, ports.metadata, authority.top_level[TARGETS])
    if over:
        now = ports.clock.now()
        with ports.state.transaction(actor=ports.actor) as state:
            state.end_rotation(rotation.id, at=now)
            state.record("rotation.end", {"old": rotation.old, "new": rotation.new}, at=now)
            if rotation.kind is not RotationKind.PLANNED:
                entry = state.key(rotation.old)
                details = {"key": entry.name if entry is not None else rotation.old[:12], "keyid": rotation.old}
                state.record("key.revoke", {**details, "kind": rotation.kind.value}, at=now)


def signed_by(ports: Ports, reader: StateReader, keys: Mapping[Any, RoleKeys]) -> bool:
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
