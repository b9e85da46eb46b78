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

# A version of an artifact: its number and its fragment, which is empty where it is removed.
_Version = tuple[int, bytes]
# Path, holder, slot and a version.
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


class _Place(NamedTuple):
    """The role whose metadata an artifact is in, and the change number up to which that is visible."""

    role: str
    number: int


def holders(connection: sqlite3.Connection) -> list[int]:
    """Every role id that rows are kept under; a seek each."""
    found: list[int] = []
    newest = -1
    while True:
        row = connection.execute("SELECT min(holder) FROM artifact WHERE holder > ?", (newest,)).fetchone()
        if row[0] is None:
            return found
        newest = row[0]
        found.append(newest)


def find(connection: sqlite3.Connection, path: TargetPath, *, where: str) -> ListedArtifact | None:
    """One artifact, from the first holder that has it.

    Raises:
        StateDamaged: a row cannot be read, or belongs to no role.
    """
    slot = slot_of(path)
    place_of = _places(connection, where)
    for holder in holders(connection):
        versions = connection.execute(
            "SELECT number, fragment FROM artifact WHERE holder = ? AND slot = ? AND path = ? ORDER BY number DESC",
            (holder, slot, path),
        ).fetchall()
        listed = _listed(path, place_of(holder, slot), versions, where) if versions else None
        if listed is not None:
            return listed
    return None


def walk(
    connection: sqlite3.Connection, *, prefix: str, after: str, view: View, where: str
) -> Iterator[ListedArtifact]:
    """Artifacts by path (code points), those whose path starts with `prefix` and sorts after `after`.

    Raises:
        StateDamaged: see `find`.
    """
    place_of = _places(connection, where)
    found = _versions_by_path(connection, prefix, after)
    for (path, holder, slot), versions in groupby(found, key=itemgetter(0, 1, 2)):
        listed = _listed(path, place_of(holder, slot), (row[3:] for row in versions), where, view=view)
        if listed is not None:
            yield listed


def _versions_by_path(connection: sqlite3.Connection, prefix: str, after: str) -> Iterator[_Row]:
    """Every version of every path, newest first: a page's worth by one look at each row, more of them sorted.

    Artifacts lie by hash, and an index by path would make an import several times slower. With a limit SQLite keeps no
    more rows than that while it looks; without one it sorts them all, on disk where it must.
    """
    first = connection.execute(f"{_BY_PATH} LIMIT ?", (after, len(prefix), prefix, _FIRST)).fetchall()
    if len(first) < _FIRST:
        yield from first
        return
    # Versions of the last path may lie beyond the limit.
    whole = [row for row in first if row[0] != first[-1][0]]
    yield from whole
    yield from connection.execute(_BY_PATH, (whole[-1][0] if whole else after, len(prefix), prefix))


def _places(connection: sqlite3.Connection, where: str) -> Callable[[int, int], _Place]:
    bits: dict[int, int | None] = {}
    places: dict[tuple[int, int], _Place] = {}

    def place_of(holder: int, slot: int) -> _Place:
        if holder not in bits:
            row = connection.execute("SELECT bin_bits FROM role WHERE id = ?", (holder,)).fetchone()
            if row is None:
                raise StateDamaged(where, f"artifacts belong to role {holder}, which is not there")
            bits[holder] = row[0]
        width = bits[holder]
        index = -1 if width is None else slot >> (SLOT_BITS - width)
        place = places.get((holder, index))
        if place is None:
            place = places[holder, index] = _place(connection, holder, index, where)
        return place

    return place_of


def _place(connection: sqlite3.Connection, holder: int, index: int, where: str) -> _Place:
    if index < 0:
        row = connection.execute("SELECT name, number FROM role WHERE id = ?", (holder,)).fetchone()
    else:
        row = connection.execute(
            "SELECT name, number FROM role WHERE holder = ? AND bin_index = ? AND NOT retired", (holder, index)
        ).fetchone()
    if row is None:
        raise StateDamaged(where, f"artifacts belong to bin {index} of role {holder}, which is not there")
    return _Place(*row)


def _listed(
    path: str, place: _Place, versions: Iterable[_Version], where: str, *, view: View = View.ACCEPTED
) -> ListedArtifact | None:
    """What `versions`, newest first, say together; None where there is nothing now and nothing is visible."""
    newest: bytes | None = None
    visible = b""
    for number, fragment in versions:
        if number <= place.number:
            visible = fragment
            break
        if newest is None:
            newest = fragment
    if newest is None:
        state, fragment = ArtifactState.PUBLISHED, visible
    elif not newest:
        state, fragment = ArtifactState.REMOVING, visible
    else:
        state, fragment = (ArtifactState.REPLACING if visible else ArtifactState.PENDING), newest
    if view is View.VISIBLE:
        fragment = visible
    if not fragment:
        return None
    artifact = rows.converted(lambda row: entries.artifact(*row), (path, fragment), where=where)
    return ListedArtifact(artifact=artifact, role=place.role, state=state)
