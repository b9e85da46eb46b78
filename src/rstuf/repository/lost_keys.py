"""Which keys are lost, and what of all that waits nobody can complete without them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rstuf.metadata.views import RoleKeys, root_roles
from rstuf.model.events import EventPart
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP, TOP_LEVEL, RoleName
from rstuf.model.roles import RoleKind
from rstuf.repository.authority import current_root
from rstuf.repository.beyond_reach import BeyondReach, way_back
from rstuf.repository.event_views import PartSide, PartView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of
from rstuf.repository.ports import Ports
from rstuf.repository.signed_here import looks_here


def lost_keys(ports: Ports, reader: StateReader, *, also: Collection[KeyId] = ()) -> frozenset[KeyId]:
    """The keys that are lost, and not here.

    Args:
        also: keys that are said to be lost now.
    """
    said = (entry.keyid for entry in reader.keys() if entry.is_lost or entry.keyid in also)
    return frozenset(keyid for keyid in said if not looks_here(ports, reader, keyid))


def lost_of_people(ports: Ports, reader: StateReader) -> frozenset[KeyId]:
    """Those of them that do not sign what comes out each time: another takes the place of such a one by itself."""
    rotation = reader.rotation()
    online = {*root_roles(current_root(reader))[TIMESTAMP].keyids}
    online |= set() if rotation is None else {rotation.old, rotation.new}
    return lost_keys(ports, reader) - online


def what_is_beyond(reader: StateReader, parts: Iterable[PartView], lost: Collection[KeyId]) -> BeyondReach | None:
    """The first side of what waits that those who are left cannot complete, and what takes its place; else None."""
    if not lost:
        return None
    for part in parts:
        for side in part.sides:
            gone = tuple(keyid for keyid in side.waiting if keyid in lost)
            if gone and side.missing > len(side.waiting) - len(gone):
                return BeyondReach(gone, len(side.keyids) - len(gone), _way(reader, part, side, gone))
    return None


def _way(reader: StateReader, part: PartView, side: PartSide, lost: Sequence[KeyId]) -> str:
    role, known = part.part.role, reader.keys()
    if role not in TOP_LEVEL:
        return way_back(_whose(reader, part.part), _keys_of(reader, side), lost, known=known)
    roles = root_roles(current_root(reader))
    keys = roles[role]
    if (set(side.keyids), side.threshold) == (set(keys.keyids), keys.threshold):
        return way_back(role, keys, lost, known=known)
    # It is the next root that asks for them: one without them takes its place.
    named = next((keyid for keyid in lost if any(keyid in roles[each].keyids for each in (ROOT, TARGETS))), None)
    if named is None:
        root = _proposing(reader, side)
        return f"rstuf event cancel {root or f'{role}-v{part.part.version}'}"
    return f"rstuf recover root-key {names_of(reader)[named]} --lost --to NEW"


def _proposing(reader: StateReader, side: PartSide) -> str | None:
    """The name of the event of the proposed root that asks for a side; None where the root in force does."""
    name = side.label.replace(" ", "-")
    return name if any(event.name == name for event in reader.open_events()) else None


def _whose(reader: StateReader, part: EventPart) -> RoleName:
    """The role whose signers sign a part: of a bin that people sign, the one that it belongs to."""
    holder = reader.role(part.role).holder
    return next((role.name for role in reader.roles(kind=RoleKind.DELEGATED) if role.id == holder), part.role)


def _keys_of(reader: StateReader, side: PartSide) -> RoleKeys:
    entries = (reader.key(keyid) for keyid in side.keyids)
    return RoleKeys(side.keyids, side.threshold, {entry.keyid: entry.key for entry in entries if entry is not None})
