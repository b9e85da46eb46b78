"""Roles below targets that people sign: what of a publication waits for somebody who is not here."""

from __future__ import annotations

from collections.abc import Sequence

from rstuf.metadata.views import RoleKeys
from rstuf.model.roles import RoleKind
from rstuf.repository.authority import SigningDesk, load_authority
from rstuf.repository.forced import can_sign
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part
from rstuf.repository.reports import WaitingRole


def who_is_here(ports: Ports, reader: StateReader, parts: Sequence[Part]) -> tuple[list[Part], tuple[WaitingRole, ...]]:
    """What can be signed here, and what waits: one role that nobody here can sign keeps nothing else back.

    Raises:
        WrongPassphrase: somebody is here and mistyped it.
    """
    below = [part for part in parts if part.role.kind is RoleKind.DELEGATED]
    if not below:
        return list(parts), ()
    authority, desk = load_authority(reader, ports.metadata), SigningDesk(reader, ports.signers)
    waiting = []
    for part in below:
        keys = authority.role_keys(part.role.name, part.role.kind)
        if not can_sign(desk, part.role.name, keys):
            waiting.append(waiting_for(desk, part, keys))
    names = {each.name for each in waiting}
    return [part for part in parts if part.role.name not in names], tuple(waiting)


def waiting_for(desk: SigningDesk, part: Part, keys: RoleKeys) -> WaitingRole:
    """A role with those of its keys that cannot be opened here, and why."""
    missing = desk.reasons(keys)
    lacking = keys.threshold - (len(keys.keyids) - len(missing))
    return WaitingRole(part.role.name, part.role.expires, missing, lacking, part.reason)
