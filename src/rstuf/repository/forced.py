"""Roles whose next version must come out with whatever comes out next: clients may have seen more than is visible.

A publication that was given up when clients could have seen it leaves such roles, and so does a state that was made
anew. Until they are out, a snapshot that lists them as they are visible would take those clients back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rstuf.errors import SigningError, UnsafeDirectory, WrongPassphrase
from rstuf.metadata.views import RoleKeys
from rstuf.model.names import TIMESTAMP, RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import Authority, SigningDesk, load_authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part
from rstuf.repository.reports import Reason

REBUILD = "state.rebuild"


def forced_parts(
    reader: StateReader, desk: SigningDesk, authority: Authority, *, beside: Iterable[Part] = ()
) -> list[Part]:
    """Those roles, at what clients may have seen of them; without those whose keys are away while others publish.

    Args:
        beside: what comes out anyway.
    """
    given = {part.role.id for part in beside}
    found = [role for role in reader.dirty_roles() if role.forced and role.kind is not RoleKind.ROOT]
    return [
        Part(role, max(role.number, role.shown), Reason.FORCED)
        for role in found
        if role.id not in given and within_reach(desk, authority, role)
    ]


def without_unreachable(ports: Ports, reader: StateReader, parts: Sequence[Part]) -> list[Part]:
    """`parts` without bins that are only to be signed anew, and whose key is away: others can come out without them."""
    only = {part.role.id for part in parts if part.role.kind is RoleKind.BIN and part.role.newest <= part.role.number}
    if not only:
        return list(parts)
    desk, authority = SigningDesk(reader, ports.signers), load_authority(reader, ports.metadata)
    return [part for part in parts if part.role.id not in only or within_reach(desk, authority, part.role)]


def within_reach(desk: SigningDesk, authority: Authority, role: RoleState) -> bool:
    """Whether a role can be signed here, or needs just the key without which nothing comes out."""
    keys = authority.role_keys(role.name, role.kind)
    return bool(set(keys.keyids) & set(authority.top_level[TIMESTAMP].keyids)) or can_sign(desk, role.name, keys)


def can_sign(desk: SigningDesk, role: RoleName, keys: RoleKeys) -> bool:
    """Whether enough of a role's keys are here.

    Raises:
        WrongPassphrase: somebody is here, and mistyped it.
    """
    try:
        desk.signers(role, keys)
    except WrongPassphrase:
        raise
    except (SigningError, UnsafeDirectory):
        return False
    return True


def is_rebuilt_only(reader: StateReader) -> bool:
    """Whether this state was made anew, and nothing was published from it yet."""
    first, last = next(iter(reader.audit()), None), reader.last_publication()
    if first is None or first.action != REBUILD or last is None:
        return False
    return bool(first.details.get("publication") == last.id)
