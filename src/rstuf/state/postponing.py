"""Changes that are accepted and that nobody has seen, put behind whatever comes out next.

What a role lists is what it holds up to a number. Where a change must wait and others of its role must not, it takes a
newer number, as if it had been accepted later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from rstuf.model.artifacts import SLOT_BITS, slot_of
from rstuf.model.names import TargetPath
from rstuf.state.artifacts import Holder

_PATH: Final = "holder = ? AND slot = ? AND path = ? AND number > ?"


def postpone(connection: sqlite3.Connection, holder: Holder, paths: Iterable[TargetPath], *, number: int) -> int:
    """Give changes of these paths that their role does not list yet a newer number; how many there were.

    Of several changes of a path the last one counts.
    """
    count = 0
    for path in paths:
        slot = slot_of(path)
        lister, seen = _lister(connection, holder, slot)
        where = (holder.space, slot, path, seen)
        newest = connection.execute(
            f"SELECT fragment FROM artifact WHERE {_PATH} ORDER BY number DESC LIMIT 1",  # noqa: S608 - a constant
            where,
        ).fetchone()
        if newest is None:
            continue
        count += 1
        connection.execute(f"DELETE FROM artifact WHERE {_PATH}", where)  # noqa: S608 - a constant
        noted = connection.execute(f"DELETE FROM superseded WHERE {_PATH}", where).rowcount  # noqa: S608 - a constant
        place = (holder.space, slot, path, number)
        connection.execute(
            "INSERT INTO artifact (holder, slot, path, number, fragment) VALUES (?, ?, ?, ?, ?)", (*place, newest[0])
        )
        if noted:
            connection.execute("INSERT INTO superseded (holder, slot, path, number) VALUES (?, ?, ?, ?)", place)
        connection.execute("UPDATE role SET newest = max(newest, ?) WHERE id = ?", (number, lister))
    return count


def _lister(connection: sqlite3.Connection, holder: Holder, slot: int) -> tuple[int, int]:
    """The role that lists a slot of a holder, and the number up to which clients see it, or may have."""
    bits = holder.bin_bits
    condition, values = (
        ("id = ?", (holder.id,))
        if bits is None
        else ("holder = ? AND bin_index = ? AND NOT retired", (holder.id, slot >> (SLOT_BITS - bits)))
    )
    found: tuple[int, int] = connection.execute(
        f"SELECT id, max(number, shown) FROM role WHERE {condition}",  # noqa: S608 - constants alone
        values,
    ).fetchone()
    return found
