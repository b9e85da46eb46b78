"""What waits for people who do not sign it, while what it is to replace runs out and could be renewed without them.

Only others whom a proposed root names are missing then. Targets is renewed in its place, and is proposed anew for the
root that needs it, which keeps its signatures. What a root proposes is for people to give up: they are told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rstuf.errors import RstufError
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import RoleKeys, root_roles
from rstuf.model.events import EventKind
from rstuf.model.names import ROOT, TARGETS, RoleName
from rstuf.repository.authority import current_root
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports

_KINDS: Final = frozenset(
    {EventKind.UPDATE, EventKind.RENEWAL, EventKind.HANDBACK, EventKind.RESIZE, EventKind.CONTENTS}
)


def gives_way(ports: Ports, reader: StateReader, view: EventView, *, before: EventView | None) -> bool:
    """Whether an open event keeps a role from being renewed that can hardly wait any longer.

    Args:
        before: what must come out before it.
    """
    event, now = view.event, ports.clock.now()
    if event.kind not in _KINDS or event.role not in {ROOT, TARGETS} or not runs_out(reader, event.role, now=now):
        return False
    if not view.away and (before is None or not before.away):
        # Whoever is here can bring it out.
        return False
    root = reader.role(ROOT).expires
    if event.role == TARGETS and root is not None and root <= now:
        # No client would get as far as targets.
        return False
    all_signed = event.role == ROOT and view.lacking == 0
    return all_signed or _are_here(ports, reader, root_roles(current_root(reader))[event.role])


def runs_out(reader: StateReader, name: RoleName, *, now: datetime) -> bool:
    """Whether half of the time is over that is left for a renewal: until then people may still sign what waits."""
    role = reader.role(name)
    if role.expires is None or role.sign_by is None:
        return False
    return role.expires - now <= (role.expires - role.sign_by) / 2


def _are_here(ports: Ports, reader: StateReader, keys: RoleKeys) -> bool:
    """Whether so many of a role's keys look as if they could sign here that it takes nobody else."""
    here = set()
    for keyid, key in keys.keys.items():
        entry = reader.key(keyid)
        if entry is None or entry.signer is None:
            continue
        try:
            ports.signers.look(entry)
        except RstufError:
            continue
        here.add(key_identity(key))
    return len(here) >= keys.threshold
