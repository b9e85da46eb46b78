"""Signing anew what an online key must not sign any more: what ends its rotation, once root names the other alone.

Read from what is published: what is signed already is left as it is, so it can be done again after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rstuf.errors import InvalidMetadata, NameTaken, StorageError
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope, read_signatures, root_roles
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.roles import RoleKind
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.repository.authority import current_root, is_recorded_file, load_authority, signed_enough
from rstuf.repository.bridge import ONLINE, delegating_to_new, gone_keys
from rstuf.repository.interfaces import StateReader
from rstuf.repository.mending import put_back
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
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
        authority = load_authority(reader, ports.metadata)
        ours = rotation.new in authority.top_level[TARGETS].keyids
        if _verifies(ports, reader) and not (ours and gone_keys(reader, authority.targets, rotation)):
            return None
    # Whatever the old key signed counts no more: what is newer now another state has signed with the new one.
    refuse_older_state(ports)
    # What was lost would keep it from coming out, and no renewal can mend that without a key that signs.
    restored = put_back(ports)
    for attempt in range(_MOST_JUMPS):
        with ports.state.read() as reader:
            parts, proposed = _parts_anew(ports, reader, rotation)
        try:
            return replace(bring_out(ports, parts, proposed_targets=proposed), restored=restored)
        except NameTaken:
            if attempt == _MOST_JUMPS - 1:
                raise
            _jump(ports, parts, _JUMP * _FURTHER**attempt)
    return None


def bins_to_sign_again(ports: Ports, reader: StateReader, signers: RoleKeys) -> list[Part]:
    """The bins whose visible files `signers` have not signed, or are not what was published. Reads all of them."""
    parts = []
    for role in reader.roles(kind=RoleKind.BIN):
        if not role.visible or role.file is None:
            continue
        data = found(ports.metadata, versioned(role.name, role.visible), limit=role.file.length)
        try:
            # Another file in its place may name any key.
            by = {each.keyid for each in read_signatures(data)} if data and is_recorded_file(role, data) else set()
        except (ValueError, KeyError, TypeError):
            by = set()
        if len(by & set(signers.keyids)) < signers.threshold:
            parts.append(Part(role, max(role.number, role.shown), Reason.ROTATED))
    return parts


def let_go(ports: Ports, rotation: Rotation) -> PublicationReport | None:
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


def end_rotation(ports: Ports, rotation: Rotation) -> None:
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
    return signed_by(ports, reader, root_roles(current_root(reader)))


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
