"""A write-ahead log that was left beside another database.

Whoever puts a backup in the place of `state.db` may leave the log of the state that was there. SQLite takes the two for
one, and shows pages of both: counters of the newer beside artifacts of the older, with nothing that looks broken.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import orjson

from rstuf.errors import StateDamaged
from rstuf.model.artifacts import SLOT_BITS
from rstuf.state.connections import connect_reader
from rstuf.state.listing import LIVE
from rstuf.state.spaces import OF_SPACE, in_use

# A database changes right after its log, when a commit is taken over from there; one that was put here, at any time.
# That what is sound is now and then looked at too costs nothing but the time.
_AT_ONCE_SECONDS: Final = 0.5


def refuse_mixture(path: Path) -> None:
    """Refuse a database that is not the one that the log beside it was written for.

    Looks at all of it, but only where the two files say that this can be. Under the write lock, before anything that
    could take the log over; no connection of this process may be open.

    Raises:
        StateDamaged: they do not belong together.
        sqlite3.Error: as SQLite says; see `connections.translated`.
    """
    if not _was_put_here(path):
        return
    with closing(connect_reader(path)) as connection:
        if not _agrees(connection):
            raise StateDamaged(
                str(path),
                "the log beside it is of another copy",
                hint=f"move {path.name}-wal and {path.name}-shm away: {path.name} is then as it was put there",
            )


def _was_put_here(path: Path) -> bool:
    try:
        log, database = Path(f"{path}-wal").stat(), path.stat()
    except OSError:
        return False
    # The one date nobody can set, and of the log when it was written: SQLite gives it its mode when it opens it.
    return log.st_size > 0 and database.st_ctime - log.st_mtime > _AT_ONCE_SECONDS


def _agrees(connection: sqlite3.Connection) -> bool:
    """Whether pages are whole, and roles count as many artifacts as there are rows, up to the same change."""
    try:
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            return False
    except sqlite3.DatabaseError:
        return False
    counted = {
        (holder, index): (artifacts, newest)
        for holder, index, artifacts, newest in connection.execute(
            "SELECT coalesce(held.space, role.holder, role.space, role.id), coalesce(role.bin_index, 0), "
            "role.artifacts, role.newest FROM role LEFT JOIN role AS held ON held.id = role.holder "
            "WHERE role.artifacts > 0"
        )
    }
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for holder in in_use(connection):
        row = connection.execute(f"SELECT bin_bits FROM role WHERE {OF_SPACE}", (holder,)).fetchone()  # noqa: S608
        shift = SLOT_BITS if row is None or row[0] is None else SLOT_BITS - row[0]
        rows = connection.execute(
            f"SELECT slot >> ?, count(*), max(number) FROM artifact WHERE holder = ? AND {LIVE} GROUP BY 1",  # noqa: S608
            (shift, holder),
        )
        found |= {(holder, index): (count, newest) for index, count, newest in rows}
    if counted.keys() != found.keys():
        return False
    removals = _removals(connection)
    return all(
        artifacts == found[place][0] and (newest == found[place][1] or newest in removals)
        for place, (artifacts, newest) in counted.items()
    )


def _removals(connection: sqlite3.Connection) -> set[int]:
    """The numbers of changes that left no row behind: removals, by the log."""
    rows = connection.execute("SELECT details FROM audit WHERE action IN ('artifacts.remove', 'artifacts.sync')")
    try:
        return {orjson.loads(details)["number"] for (details,) in rows}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return set()
