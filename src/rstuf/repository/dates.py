"""When roles are due: by their recorded dates, as far as these can be believed.

The state is no signed thing: what it says of a date is held against what else it says, and for the few roles that every
client reads, against the metadata itself. A role whose dates contradict is due: signing it again sets them right.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import orjson

from rstuf.clock import parse_iso
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import RoleState
from rstuf.repository.authority import is_recorded_file
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.visible import TIMESTAMP_FILE, found

_LIMITS: Final[Mapping[RoleName, int]] = {
    ROOT: limits.ROOT_BYTES,
    SNAPSHOT: limits.SNAPSHOT_WITH_LENGTH_BYTES,
    TIMESTAMP: limits.TIMESTAMP_BYTES,
}


def lives(reader: StateReader, name: RoleName) -> timedelta:
    """How long a role below targets lives, by the policy."""
    periods = reader.periods()
    return (periods.get(name) or periods[TARGETS]).expires


def next_due(reader: StateReader) -> datetime | None:
    """When there is something to renew again, UTC: a role, or a rotation that can let go of its old key."""
    rotation = reader.rotation()
    until = rotation.until if rotation is not None else None
    return min((each for each in (reader.next_due(), until) if each is not None), default=None)


def due_roles(reader: StateReader, *, now: datetime, files: Mapping[RoleName, bytes | None]) -> list[RoleState]:
    """Every role that is to be signed at `now`, by the state and the top-level `files` that are visible."""
    due = {role.id: role for role in [*reader.due_roles(now), *reader.overlooked_roles(now)]}
    for name, data in files.items():
        role = reader.role(name)
        expires = true_expiry(role, data)
        if expires is not None and expires != role.expires:
            due[role.id] = role
    return list(due.values())


def visible_file(ports: Ports, role: RoleState) -> bytes | None:
    """The bytes of a role's visible file; None where there is none that clients could read.

    Raises:
        StorageError: the storage fails: that says nothing about the file.
    """
    name = TIMESTAMP_FILE if role.name == TIMESTAMP else versioned(role.name, role.visible)
    return found(ports.metadata, name, limit=_LIMITS.get(role.name, limits.TARGETS_BYTES))


def true_expiry(role: RoleState, data: bytes | None) -> datetime | None:
    """When a role expires by its own file; None where that is not what was published, or does not say so."""
    if data is None or not is_recorded_file(role, data):
        return None
    try:
        return parse_iso(orjson.loads(data)["signed"]["expires"])
    except (ValueError, KeyError, TypeError):
        return None
