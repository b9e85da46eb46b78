"""One look at a repository: what it is, whether it is healthy, what is due."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from rstuf.errors import CeremonyUnfinished, StorageError
from rstuf.metadata import limits, render
from rstuf.metadata.views import RoleKeys, read_signatures
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.roles import RoleKind, RoleState
from rstuf.model.settings import Phase
from rstuf.repository.authority import load_authority
from rstuf.repository.mending import recorded_files
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Health, RoleStatus, Status
from rstuf.repository.visible import TIMESTAMP_FILE, newer_than_known

_LIMITS = {
    ROOT: limits.ROOT_BYTES,
    TARGETS: limits.TARGETS_BYTES,
    SNAPSHOT: limits.SNAPSHOT_WITH_LENGTH_BYTES,
    TIMESTAMP: limits.TIMESTAMP_BYTES,
}


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
        authority = load_authority(reader)
        roles = [
            _one(ports, reader.role(name), authority.top_level[name], now=now)
            for name in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
        ]
        if any(not file.is_on(ports.metadata) for file in recorded_files(reader) if file.kind == ROOT):
            # Clients walk over the older ones too.
            roles[0] = replace(roles[0], health=Health.DAMAGED)
        bins = list(reader.roles(kind=RoleKind.BIN))
        if bins and authority.bins is not None:
            roles.insert(2, _together(authority.bins.bins.prefix, bins, authority.bins.signers, now=now))
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


def _one(ports: Ports, role: RoleState, keys: RoleKeys, *, now: datetime) -> RoleStatus:
    name = TIMESTAMP_FILE if role.name == TIMESTAMP else render.versioned(role.name, role.visible)
    try:
        data = ports.metadata.read(name, limit=_LIMITS[role.name])
        signed_by = tuple(each.keyid for each in read_signatures(data))
        intact = role.file is not None and hashlib.sha256(data).hexdigest() == role.file.sha256
    except (StorageError, ValueError, KeyError, TypeError):
        # A look at the rest must still be possible.
        signed_by, intact = (), False
    seen = _status(role.name, [role], keys, signed_by, now=now)
    return seen if intact else replace(seen, health=Health.DAMAGED)


def _together(prefix: str, bins: list[RoleState], keys: RoleKeys, *, now: datetime) -> RoleStatus:
    return _status(prefix, bins, keys, keys.keyids, now=now)


def _status(
    name: str, roles: list[RoleState], keys: RoleKeys, signed_by: tuple[str, ...], *, now: datetime
) -> RoleStatus:
    expires = min(role.expires or now for role in roles)
    sign_by = min(role.sign_by or now for role in roles)
    due = Health.DUE if sign_by <= now else Health.HEALTHY
    return RoleStatus(
        name=name,
        version=max(role.visible for role in roles),
        count=len(roles),
        signed_at=min(role.signed_at or now for role in roles),
        expires=expires,
        sign_by=sign_by,
        threshold=keys.threshold,
        keyids=keys.keyids,
        signed_by=signed_by,
        health=Health.OVERDUE if expires <= now else due,
    )
