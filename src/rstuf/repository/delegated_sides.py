"""Who must sign what waits below targets: those whom the role names that delegates to it.

What is published is read as it is recorded. Where the delegating role is to come out beside it, that one counts alone:
both come out in one publication, so that no client ever holds the one against the other's delegation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope
from rstuf.model.events import EventPart, SigningEvent
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, TARGETS, RoleName
from rstuf.repository.authority import Authority, current_root, is_recorded_file, taken_apart
from rstuf.repository.interfaces import StateReader

# Nobody delegates to it any more, or nobody can say who does: then no signature is enough.
_NOBODY: Final = ("nobody", RoleKeys((), 1, {}))
# What does not say it delegates to nobody.
_MARK: Final = b'"delegations"'


def delegated_sides(reader: StateReader, event: SigningEvent, part: EventPart) -> list[tuple[str, RoleKeys]]:
    """The one side that must sign a part of an event, by the role that delegates to it."""
    authority = recorded_authority(reader, proposed_by(reader, event))
    keys = authority.signers_of(part.role)
    parent = authority.holder_of(part.role) or authority.tree.parent(part.role)
    if keys is None or parent is None:
        return [_NOBODY]
    beside = {each.role: each.version for each in event.parts}
    return [(f"{parent} v{beside.get(parent) or reader.role(parent).visible}", keys)]


def proposed_by(reader: StateReader, event: SigningEvent) -> dict[RoleName, Mapping[str, Any]]:
    """What the roles of an event would say that delegate, or do so now, by their names."""
    delegating = {TARGETS, *reader.delegating_roles()}
    # Bins are many, and delegate to nobody.
    parts = [part for part in event.parts if part.role in delegating or _MARK in part.signed]
    said = {part.role: orjson.loads(part.signed) for part in parts if part.role != ROOT}
    return {role: signed for role, signed in said.items() if signed.get("delegations") or role in delegating}


def signers_now(reader: StateReader, role: RoleName) -> dict[KeyId, PublicKey]:
    """The keys that may sign a role by what is published."""
    keys = recorded_authority(reader, {}).signers_of(role)
    return {} if keys is None else dict(keys.keys)


def recorded_authority(reader: StateReader, proposed: Mapping[RoleName, Mapping[str, Any]]) -> Authority:
    """Who may sign what, by the records alone: what is damaged there delegates to nobody.

    Args:
        proposed: what roles are to say instead.
    """
    delegating = reader.delegating_roles()

    def said(name: RoleName, _keys: RoleKeys) -> Mapping[str, Any] | None:
        if name in proposed:
            return proposed[name]
        if name != TARGETS and name not in delegating:
            return None
        role = reader.role(name)
        data = reader.delegator(name, role.visible)
        if data is None or not is_recorded_file(role, data):
            return None
        return open_envelope(data, name=versioned(name, role.visible), kind="targets").signed

    return taken_apart(current_root(reader), said)
