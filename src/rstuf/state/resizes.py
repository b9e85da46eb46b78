"""Another number of bins for the artifacts of a role. No artifact row is touched: a bin is a range of slots.

While it goes on, changes that are accepted are counted in the bins that there are and in those to come; what was there
before is counted once, by looking at all of it. With the publication that brings the new bins they take the place of
the old ones, which are retired: their names stay listed, and their versions used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from rstuf.errors import StateError
from rstuf.model.artifacts import SLOT_BITS
from rstuf.model.roles import BinWeight, NewRole, Resize, RoleState
from rstuf.state import entries, rows, superseded

_OF_COMING = "WHERE id IN (SELECT role FROM resize_bin WHERE holder = ?) ORDER BY bin_index"


def begin(connection: sqlite3.Connection, holder: int, bits: int, bins: Iterable[NewRole], *, number: int) -> None:
    """From now on changes are counted in the bins to come, too.

    Raises:
        StateError: another resize of that role goes on, or a bin's name is another role's.
    """
    if read(connection, holder) is not None:
        raise StateError("another resize of these bins goes on", hint="rstuf publish brings it to its end")
    connection.execute("INSERT INTO resize (holder, bits, number) VALUES (?, ?, ?)", (holder, bits, number))
    for role, each in enter(connection, holder, bins):
        connection.execute(
            "INSERT INTO resize_bin (holder, bin_index, role) VALUES (?, ?, ?)", (holder, each.index, role)
        )


def enter(connection: sqlite3.Connection, holder: int, bins: Iterable[NewRole]) -> Iterator[tuple[int, NewRole]]:
    """Bins to come, each with its id: those that were there before, and others that nobody has seen.

    Raises:
        StateError: a bin's name is another role's.
    """
    for each in bins:
        connection.execute(
            "INSERT INTO role (name, name_key, kind, holder, bin_index, retired) VALUES (?, ?, ?, ?, ?, 1) "
            "ON CONFLICT (name_key) DO NOTHING",
            (each.name, each.name.lower(), each.kind.value, holder, each.index),
        )
        found = connection.execute(
            "SELECT id FROM role WHERE name = ? AND holder = ? AND bin_index = ?", (each.name, holder, each.index)
        ).fetchone()
        if found is None:
            raise StateError(
                f"there is a role {each.name} already, which is not this bin",
                hint="choose another number of bins, whose names are free",
            )
        yield found[0], each


def read(connection: sqlite3.Connection, holder: int) -> Resize | None:
    """The resize of a role's bins that goes on, if one does."""
    row = connection.execute("SELECT bits, number, publication FROM resize WHERE holder = ?", (holder,)).fetchone()
    return None if row is None else Resize(bits=row[0], number=row[1], publication=row[2])


def coming_bins(connection: sqlite3.Connection, holder: int, *, where: str) -> Iterator[RoleState]:
    """The bins to come, by index, with what they will hold."""
    counted = connection.execute(
        "SELECT bin_index, newest, artifacts, payload FROM resize_bin WHERE holder = ?", (holder,)
    )
    counts = {index: count for index, *count in counted}
    for row in connection.execute(f"{rows.ROLE} {_OF_COMING}", (holder,)):
        role = rows.converted(rows.role, row, where=where)
        newest, artifacts, payload = counts[role.index]
        yield replace(role, newest=newest, artifacts=artifacts, payload=payload, retired=False)


def weigh(found: Iterator[tuple[int, str, int, bytes]], *, bits: int, number: int) -> Iterator[BinWeight]:
    """What each bin of which something was ever accepted would hold at a change number.

    Args:
        found: every version of every path that the role holds: slot, path, number, fragment, in the order of these.
    """
    shift = SLOT_BITS - bits
    for index, versions in groupby(found, key=lambda row: row[0] >> shift):
        newest = artifacts = payload = 0
        for _, same in groupby(versions, key=lambda row: row[1]):
            last = None
            for row in same:
                if row[2] <= number:
                    last = row
            if last is not None:
                # A removal counts, too: bins that people signed before it list what was removed.
                newest = max(newest, last[2])
            if last is not None and last[3]:
                artifacts, payload = artifacts + 1, payload + entries.payload(last[1], last[3])
        if newest:
            yield BinWeight(index, newest, artifacts, payload)


def fill(connection: sqlite3.Connection, holder: int, weights: Iterable[BinWeight]) -> None:
    """Add what was there when the resize began to what was accepted since."""
    connection.executemany(
        "UPDATE resize_bin SET newest = max(newest, ?), artifacts = artifacts + ?, payload = payload + ? "
        "WHERE holder = ? AND bin_index = ?",
        ((each.newest, each.artifacts, each.payload, holder, each.index) for each in weights),
    )


def count(connection: sqlite3.Connection, holder: int, changes: Iterable[tuple[int, int, int, int]]) -> None:
    """Changes that are accepted while it goes on: number, artifacts more, bytes more, and the bin to come."""
    connection.executemany(
        "UPDATE resize_bin SET newest = max(newest, ?), artifacts = artifacts + ?, payload = payload + ? "
        "WHERE bin_index = ? AND holder = ?",
        ((*change, holder) for change in changes),
    )


def take_along(connection: sqlite3.Connection, holder: int, publication: int) -> None:
    """The publication that brings the new bins.

    Raises:
        StateError: no resize goes on.
    """
    if connection.execute("UPDATE resize SET publication = ? WHERE holder = ?", (publication, holder)).rowcount != 1:
        raise StateError("no resize of these bins goes on", hint="rstuf bins resize COUNT begins one")


def settle(connection: sqlite3.Connection, publication: int, *, holders: Iterable[int] | None = None) -> None:
    """The bins that a publication brings take the place of those before them.

    Args:
        holders: only of these roles; of the others it is over, and nothing comes of it.
    """
    found = connection.execute("SELECT holder, bits FROM resize WHERE publication = ?", (publication,)).fetchall()
    wanted = None if holders is None else set(holders)
    for holder, bits in found:
        if wanted is None or holder in wanted:
            _switch(connection, holder, bits)
        drop(connection, holder)


def drop(connection: sqlite3.Connection, holder: int) -> None:
    """Nothing comes of a resize."""
    connection.execute("DELETE FROM resize_bin WHERE holder = ?", (holder,))
    connection.execute("DELETE FROM resize WHERE holder = ?", (holder,))


def _switch(connection: sqlite3.Connection, holder: int, bits: int) -> None:
    superseded.note_retired(connection, holder)
    connection.execute(
        "UPDATE role SET retired = 1, sign_by = NULL, forced = 0, newest = number, artifacts = 0, payload = 0 "
        "WHERE holder = ? AND NOT retired AND id NOT IN (SELECT role FROM resize_bin WHERE holder = ?)",
        (holder, holder),
    )
    connection.execute(
        "UPDATE role SET retired = 0, (newest, artifacts, payload) = ("
        "SELECT coming.newest, coming.artifacts, coming.payload FROM resize_bin AS coming "
        "WHERE coming.role = role.id AND coming.holder = ?"
        ") WHERE id IN (SELECT role FROM resize_bin WHERE holder = ?)",
        (holder, holder),
    )
    # A role that listed its artifacts itself lists none from now on.
    connection.execute(
        "UPDATE role SET artifacts = 0, payload = 0, newest = number WHERE id = ? AND bin_bits IS NULL", (holder,)
    )
    connection.execute("UPDATE role SET bin_bits = ? WHERE id = ?", (bits, holder))
