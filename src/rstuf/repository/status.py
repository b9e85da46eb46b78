"""One look at a repository: what it is, whether it is healthy, what is due."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from rstuf.errors import CeremonyUnfinished, StorageError
from rstuf.metadata.views import RoleKeys, read_signatures
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.roles import RoleKind, RoleState
from rstuf.model.settings import Phase
from rstuf.repository.authority import is_recorded_file, load_authority
from rstuf.repository.dates import due_roles, true_expiry, visible_file
from rstuf.repository.mending import recorded_files
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Health, RoleStatus, Status
from rstuf.repository.visible import newer_than_known


def look(ports: Ports) -> Status:
    """The repository's status. Reads the state and the four top-level files; waits for nobody, changes nothing.

    Raises:
        CeremonyUnfinished: its ceremony was interrupted.
        StateDamaged: the recorded root or targets metadata is not what was published.
    """
    now = ports.clock.now()
    with ports.state.read() as reader:
        settings = reader.settings()
        if settings.phase is not Phase.LIVE:
            raise CeremonyUnfinished("this workspace")
        authority = load_authority(reader, ports.metadata)
        files = {name: _file(ports, reader.role(name)) for name in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)}
        due = {role.id for role in due_roles(reader, now=now, files=files)}
        roles = [_one(reader.role(name), data, authority.top_level[name], due, now=now) for name, data in files.items()]
        if any(not file.is_on(ports.metadata) for file in recorded_files(reader, ports.metadata) if file.kind == ROOT):
            # Clients walk over the older ones too.
            roles[0] = replace(roles[0], health=Health.DAMAGED)
        bins = list(reader.roles(kind=RoleKind.BIN))
        if bins and authority.bins is not None:
            roles.insert(2, _together(authority.bins.bins.prefix, bins, authority.bins.signers, due, now=now))
        totals, last = reader.totals(), reader.last_publication()
        known: dict[str, str] = {entry.keyid: entry.name for entry in reader.keys()}
        interrupted = reader.unfinished_publication() is not None
        timestamp = reader.role(TIMESTAMP).visible
    return Status(
        repository=settings.name,
        health=max((role.health for role in roles), key=list(Health).index),
        now=now,
        artifacts=totals.artifacts,
        bins=len(bins),
        roles=tuple(roles),
        key_names=known,
        pending_roles=totals.pending_roles,
        interrupted=interrupted,
        last_published=last.committed if last is not None else None,
        timestamp_version=timestamp,
        old_copy=newer_than_known(ports),
    )


def _file(ports: Ports, role: RoleState) -> bytes | None:
    try:
        return visible_file(ports, role)
    except StorageError:
        # A look at the rest must still be possible.
        return None


def _one(role: RoleState, data: bytes | None, keys: RoleKeys, due: Collection[int], *, now: datetime) -> RoleStatus:
    seen = _status(role.name, [replace(role, expires=true_expiry(role, data) or role.expires)], keys, due, now=now)
    if data is None or not is_recorded_file(role, data):
        seen = replace(seen, health=Health.DAMAGED)
    try:
        return replace(seen, signed_by=() if data is None else tuple(each.keyid for each in read_signatures(data)))
    except (ValueError, KeyError, TypeError):
        return replace(seen, health=Health.DAMAGED)


def _together(prefix: str, bins: list[RoleState], keys: RoleKeys, due: Collection[int], *, now: datetime) -> RoleStatus:
    return replace(_status(prefix, bins, keys, due, now=now), signed_by=keys.keyids)


def _status(name: str, roles: list[RoleState], keys: RoleKeys, due: Collection[int], *, now: datetime) -> RoleStatus:
    expires = min(role.expires or now for role in roles)
    sign_by = min(min(role.sign_by or now, now) if role.id in due else role.sign_by or now for role in roles)
    alive = Health.DUE if sign_by <= now else Health.HEALTHY
    return RoleStatus(
        name=name,
        version=max(role.visible for role in roles),
        count=len(roles),
        signed_at=min(role.signed_at or now for role in roles),
        expires=expires,
        sign_by=sign_by,
        threshold=keys.threshold,
        keyids=keys.keyids,
        signed_by=(),
        health=Health.OVERDUE if expires <= now else alive,
    )
