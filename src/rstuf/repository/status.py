"""One look at a repository: what it is, whether it is healthy, what is due."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from rstuf.errors import CeremonyUnfinished, SignerUnavailable, StorageError, UnsafeDirectory
from rstuf.metadata import limits, render
from rstuf.metadata.views import RoleKeys, read_signatures
from rstuf.model.keys import KeyEntry
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.publication import Publication, PublicationPhase
from rstuf.model.roles import RoleKind, RoleState
from rstuf.model.settings import Phase
from rstuf.repository.authority import load_authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.mending import recorded_files
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Health, KeyStatus, RoleStatus, Status
from rstuf.repository.visible import TIMESTAMP_FILE, newer_than_known

_LIMITS = {
    ROOT: limits.ROOT_BYTES,
    TARGETS: limits.TARGETS_BYTES,
    SNAPSHOT: limits.SNAPSHOT_WITH_LENGTH_BYTES,
    TIMESTAMP: limits.TIMESTAMP_BYTES,
}


# Publications come and go; what looks wrong while they do is looked at again.
_LOOKS: Final = 3


@dataclass(frozen=True, slots=True)
class _Mark:
    """What changes in the state with every step that clients can see."""

    visible: int
    unfinished: tuple[int, PublicationPhase] | None


def look(ports: Ports) -> Status:
    """The repository's status. Reads the state, the four top-level files and the files of keys.

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
        behind = ports.clock_behind(reader)
        # A clock that went back makes nothing young again.
        now = ports.clock.now() if behind is None else behind.newest
        authority = load_authority(reader)
        unfinished = reader.unfinished_publication()
        roles = [
            _one(ports, reader.role(name), authority.top_level[name], unfinished, now=now)
            for name in (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
        ]
        if any(not file.is_on(ports.metadata) for file in recorded_files(reader) if file.kind == ROOT):
            # Clients walk over the older ones too.
            roles[0] = replace(roles[0], health=Health.DAMAGED)
        bins = list(reader.roles(kind=RoleKind.BIN))
        if bins and authority.bins is not None:
            roles.insert(2, _together(authority.bins.bins.prefix, bins, authority.bins.signers, now=now))
        totals, last = reader.totals(), reader.last_publication()
        online = authority.top_level[TIMESTAMP].keyids
        keys = tuple(_key(ports, entry, online=entry.keyid in online) for entry in reader.keys())
        mark = _mark(reader)
    publishing = ports.state.publisher() if unfinished is not None else None
    seen = Status(
        repository=settings.name,
        health=max((role.health for role in roles), key=list(Health).index),
        now=now,
        artifacts=totals.artifacts,
        bins=len(bins),
        roles=tuple(roles),
        keys=keys,
        pending_roles=totals.pending_roles,
        interrupted=unfinished is not None and publishing is None,
        last_published=last.committed if last is not None else None,
        timestamp_version=mark.visible,
        publishing=publishing,
        clock_behind=behind,
        old_copy=newer_than_known(ports),
    )
    return seen, mark


def _key(ports: Ports, entry: KeyEntry, *, online: bool) -> KeyStatus:
    known = KeyStatus(entry.name, entry.keyid, entry.signer, online)
    if entry.signer is None:
        return known
    try:
        ports.signers.look(entry)
    except UnsafeDirectory as error:
        return replace(known, fault=error.reason, mend=error.hint)
    except (SignerUnavailable, StorageError) as error:
        return replace(known, fault=getattr(error, "reason", error.message))
    return known


def _one(ports: Ports, role: RoleState, keys: RoleKeys, unfinished: Publication | None, *, now: datetime) -> RoleStatus:
    name = TIMESTAMP_FILE if role.name == TIMESTAMP else render.versioned(role.name, role.visible)
    try:
        data = ports.metadata.read(name, limit=_LIMITS[role.name])
        signed_by = tuple(each.keyid for each in read_signatures(data))
        intact = role.file is not None and hashlib.sha256(data).hexdigest() == role.file.sha256
        # It becomes visible before the state says so.
        intact = intact or (role.name == TIMESTAMP and unfinished is not None and data == unfinished.timestamp)
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
