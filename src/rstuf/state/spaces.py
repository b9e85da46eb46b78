"""Under which number a role's artifacts are kept: its space. A role that takes over what another held takes its space.

So what a million rows say of their place stays as it is when targets leaves its bins to a role below it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

SPACE: Final = "coalesce(space, id)"
"""A role's space, in SQL: its own id, unless it took another's."""
OF_SPACE: Final = f"{SPACE} = ? AND kind IN ('targets', 'delegated')"
"""The role whose space that is."""
CHANGED: Final = """
    SELECT DISTINCT holder.name, path FROM role AS lister
    CROSS JOIN role AS holder ON holder.id = coalesce(lister.holder, lister.id)
    CROSS JOIN artifact ON artifact.holder = coalesce(holder.space, holder.id) AND artifact.slot BETWEEN
        CASE WHEN lister.holder IS NULL THEN 0 ELSE lister.bin_index << (:bits - holder.bin_bits) END
        AND CASE WHEN lister.holder IS NULL THEN 1 << :bits
            ELSE ((lister.bin_index + 1) << (:bits - holder.bin_bits)) - 1 END
    WHERE lister.newest > :after AND NOT lister.retired AND artifact.number > :after
    AND lister.kind IN ('targets', 'delegated', 'bin')
"""
"""Paths with changes above a number, each with the role that holds it. A role whose newest change is older has none."""
_NOWHERE: Final = -1


def space_of(connection: sqlite3.Connection, role: int) -> int:
    """The space of a role that holds artifacts; a role that is not there has its own."""
    row = connection.execute(f"SELECT {SPACE} FROM role WHERE id = ?", (role,)).fetchone()  # noqa: S608
    return role if row is None else row[0]


def in_use(connection: sqlite3.Connection) -> list[int]:
    """Every space that rows are kept under; a seek each."""
    found: list[int] = []
    newest = -1
    while True:
        row = connection.execute("SELECT min(holder) FROM artifact WHERE holder > ?", (newest,)).fetchone()
        if row[0] is None:
            return found
        newest = row[0]
        found.append(newest)


def swap(connection: sqlite3.Connection, one: int, other: int) -> None:
    """Let two roles, by id, hold each what the other held."""
    first, second = space_of(connection, one), space_of(connection, other)
    # No two roles may have one space, not even in between.
    steps = [(_NOWHERE, one), (first, other), (second, one)]
    connection.executemany("UPDATE role SET space = ? WHERE id = ?", steps)
