"""Roles that people sign and of which clients may have seen more than is published, since a state was made anew.

What the online key signs comes out far above that by itself (`forced`). These need people: until they have signed, a
client that has seen more refuses every snapshot. What was seen stands in the log's first entry, where a state that is
made anew begins, so that it holds until each of them is out.
"""

from __future__ import annotations

from collections.abc import Mapping

from rstuf.model.names import RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.forced import REBUILD
from rstuf.repository.interfaces import StateReader, StateTransaction

_BY_PEOPLE = (RoleKind.TARGETS, RoleKind.DELEGATED, RoleKind.BIN)


def seen_above(state: StateTransaction, listed: Mapping[str, int]) -> dict[str, int]:
    """The versions that clients may have seen of roles which do not come out by themselves, by name.

    Args:
        listed: the highest version of each role that anything which clients may have followed lists.
    """
    return {
        role.name: listed[role.name]
        for kind in _BY_PEOPLE
        for role in state.roles(kind=kind)
        if not role.forced and not role.retired and listed.get(role.name, 0) > role.visible
    }


def overtaken(reader: StateReader) -> list[RoleState]:
    """The roles that must be signed above what clients may have seen of them, and are not yet."""
    first = next(iter(reader.audit()), None)
    seen = first.details.get("seen") if first is not None and first.action == REBUILD else None
    if not isinstance(seen, Mapping):
        return []
    roles = [reader.role(RoleName(name)) for name, version in seen.items() if int(version) > 0]
    return [role for role in roles if role.visible < int(seen[role.name]) and not role.retired]
