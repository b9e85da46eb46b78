"""Artifacts with their states: what clients see of a path beside what was accepted for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from rstuf.errors import StateDamaged
from rstuf.model.artifacts import SLOT_BITS, ArtifactState, ListedArtifact, View, slot_of
from rstuf.model.names import TargetPath
from rstuf.state import entries, rows
from rstuf.state.spaces import OF_SPACE, in_use

# A version of an artifact: its number and its fragment, which is empty where it is removed.
_Version = tuple[int, bytes]
# Path, space, slot and a version.
_Row = tuple[str, int, int, int, bytes]

# How many rows are looked for before all are sorted: a page of a thousand artifacts, most of which have one version.
_FIRST: Final = 2_000
_BY_PATH: Final = (
    "SELECT path, holder, slot, number, fragment FROM artifact "
    "WHERE path > ? AND substr(path, 1, ?) = ? ORDER BY path, holder, number DESC"
)

# Rows that are the newest of their path, and no removal.
LIVE: Final = (
    "fragment <> x'' AND NOT EXISTS (SELECT 1 FROM artifact AS newer WHERE newer.holder = artifact.holder "
    "AND newer.slot = artifact.slot AND newer.path = artifact.path AND newer.number > artifact.number)"
)
# The number up to which clients see what a role lists; of one that nobody delegates to, nothing.
_SEEN: Final = "CASE WHEN retired THEN -1 ELSE number END"
# The number up to which a role's open event shows its artifacts: nothing above it waits for those signatures.
_SIGNING: Final = (
    "(SELECT coalesce(max(part.number), 0) FROM event_part AS part JOIN event ON event.id = part.event "
    "WHERE part.role = role.name AND event.phase = 'open')"
)
# The same of a role that may list its artifacts itself, and wait for its first bins: these list them then, up to their
# number where people sign them, too, and else all that there is when they come out.
_SIGNING_ITSELF: Final = (
    f"max({_SIGNING}, (SELECT CASE count(*) WHEN 0 THEN 0 ELSE coalesce(max(bin.number), {(1 << 63) - 1}) END "  # noqa: S608
    "FROM event_part AS part JOIN event ON event.id = part.event "
    "LEFT JOIN event_part AS bin ON bin.event = part.event AND bin.role <> part.role "
    "WHERE part.role = role.name AND event.phase = 'open' AND event.kind = 'resize'))"
)


class _Place(NamedTuple):
    """The role whose metadata an artifact is in, the change number up to which that is visible, and up to which it
    waits for signatures (0 where it does not)."""

    role: str
    number: int
    signing: int


class _Versions(NamedTuple):
    """What a role's rows say of a path: what was accepted last, and what clients see; empty where it is nothing.

    Attributes:
        accepted: None where nothing waits.
        number: that of what was accepted last; 0 where nothing waits.
    """

    place: _Place
    accepted: bytes | None
    number: int
    visible: bytes


def find(connection: sqlite3.Connection, path: TargetPath, *, where: str) -> ListedArtifact | None:
    """One artifact, whichever role has it.

    Raises:
        StateDamaged: a row cannot be read, or belongs to no role.
    """
    slot = slot_of(path)
    place_of = _places(connection, where)
    found = []
    for space in in_use(connection):
        versions = connection.execute(
            "SELECT number, fragment FROM artifact WHERE holder = ? AND slot = ? AND path = ? ORDER BY number DESC",
            (space, slot, path),
        ).fetchall()
        if versions:
            found.append(_versions(place_of(space, slot), versions))
    return _listed(path, found, where)


def walk(
    connection: sqlite3.Connection, *, prefix: str, after: str, view: View, where: str
) -> Iterator[ListedArtifact]:
    """Artifacts by path (code points), those whose path starts with `prefix` and sorts after `after`.

    Raises:
        StateDamaged: see `find`.
    """
    place_of = _places(connection, where)
    for same in _versions_by_path(connection, prefix, after):
        path = same[0][0]
        found = [
            _versions(place_of(space, slot), (row[3:] for row in versions))
            for (space, slot), versions in groupby(same, key=itemgetter(1, 2))
        ]
        listed = _listed(path, found, where, view=view)
        if listed is not None:
            yield listed


def _versions_by_path(connection: sqlite3.Connection, prefix: str, after: str) -> Iterator[list[_Row]]:
    """The versions of each path, newest first: a page's worth by one look at each row, more of them sorted.

    Artifacts lie by hash, and an index by path would make an import several times slower. With a limit SQLite keeps no
    more rows than that while it looks; without one it sorts them all, on disk where it must.
    """
    first = connection.execute(f"{_BY_PATH} LIMIT ?", (after, len(prefix), prefix, _FIRST)).fetchall()
    if len(first) < _FIRST:
        yield from _grouped(first)
        return
    # Versions of the last path may lie beyond the limit.
    whole = [row for row in first if row[0] != first[-1][0]]
    yield from _grouped(whole)
    yield from _grouped(connection.execute(_BY_PATH, (whole[-1][0] if whole else after, len(prefix), prefix)))


def _grouped(found: Iterable[_Row]) -> Iterator[list[_Row]]:
    return (list(same) for _, same in groupby(found, key=itemgetter(0)))


def _places(connection: sqlite3.Connection, where: str) -> Callable[[int, int], _Place]:
    holders: dict[int, tuple[int, int | None]] = {}
    places: dict[tuple[int, int], _Place] = {}

    def place_of(space: int, slot: int) -> _Place:
        if space not in holders:
            row = connection.execute(f"SELECT id, bin_bits FROM role WHERE {OF_SPACE}", (space,)).fetchone()  # noqa: S608
            if row is None:
                raise StateDamaged(where, f"artifacts belong to role {space}, which is not there")
            holders[space] = row
        holder, width = holders[space]
        index = -1 if width is None else slot >> (SLOT_BITS - width)
        place = places.get((holder, index))
        if place is None:
            place = places[holder, index] = _place(connection, holder, index, where)
        return place

    return place_of


def _place(connection: sqlite3.Connection, holder: int, index: int, where: str) -> _Place:
    if index < 0:
        itself = f"SELECT name, {_SEEN}, {_SIGNING_ITSELF} FROM role WHERE id = ?"  # noqa: S608
        row = connection.execute(itself, (holder,)).fetchone()
    else:
        row = connection.execute(
            f"SELECT name, number, {_SIGNING} FROM role WHERE holder = ? AND bin_index = ? AND NOT retired",  # noqa: S608
            (holder, index),
        ).fetchone()
    if row is None:
        raise StateDamaged(where, f"artifacts belong to bin {index} of role {holder}, which is not there")
    return _Place(*row)


def _versions(place: _Place, versions: Iterable[_Version]) -> _Versions:
    """What the versions of a path that one role has, newest first, say together."""
    accepted, accepted_number = None, 0
    for number, fragment in versions:
        if number <= place.number:
            return _Versions(place, accepted, accepted_number, fragment)
        if accepted is None:
            accepted, accepted_number = fragment, number
    return _Versions(place, accepted, accepted_number, b"")


def _listed(path: str, found: Iterable[_Versions], where: str, *, view: View = View.ACCEPTED) -> ListedArtifact | None:
    """What all roles say of a path; None where there is nothing now and nothing is visible.

    A path that moves from one role to another is in both until clients see it move.
    """
    coming: _Versions | None = None
    going: _Versions | None = None
    for each in found:
        if each.accepted:
            coming = each
        if each.visible:
            going = each
    if coming is not None:
        state = ArtifactState.PENDING if going is None else ArtifactState.REPLACING
        if going is None and coming.number <= coming.place.signing:
            state = ArtifactState.AWAITING
        shown, fragment = coming, coming.accepted
    elif going is not None:
        state = ArtifactState.PUBLISHED if going.accepted is None else ArtifactState.REMOVING
        shown, fragment = going, going.visible
    else:
        return None
    if view is View.VISIBLE:
        if going is None:
            return None
        fragment = going.visible
    artifact = rows.converted(lambda row: entries.artifact(*row), (path, fragment), where=where)
    return ListedArtifact(artifact=artifact, role=shown.place.role, state=state)
