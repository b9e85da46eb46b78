"""Another tree of delegations: roles join and leave, and artifacts go from one role to another.

Nothing of it is so before a publication brings it: until then each artifact is where it was, and what is accepted
meanwhile goes there too. With the publication, rows go to the roles that have to list them from then on, and a role
that takes over all that targets held takes its space and its bins (`spaces`).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from rstuf.errors import InvalidRoleName, StateError
from rstuf.model.artifacts import SLOT_BITS
from rstuf.model.handover import Handover, Move
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.policy import Periods
from rstuf.model.roles import RoleKind
from rstuf.state import entries, resizes, superseded
from rstuf.state.listing import LIVE
from rstuf.state.spaces import space_of, swap

_JOINS: Final = "joins"
_LEAVES: Final = "leaves"
_SUCCEEDS: Final = "succeeds"
_LIVES: Final = "lives"
# Of targets, so that there is a row where no role comes or goes.
_BEGAN: Final = "began"

# The bin of a role with some index, or the role itself where it has none.
_LISTS: Final = """
    id = (SELECT coalesce(
        (SELECT bin.id FROM role AS bin WHERE bin.holder = held.id AND bin.bin_index = ? AND NOT bin.retired), held.id
    ) FROM role AS held WHERE held.id = ?)
"""
# What a role is to list: what it has and keeps, and what comes to it. The sign keeps SQLite from looking through all
# slots of the giver for each artifact that comes, by the bounds of the move's.
COMING: Final = """
    SELECT slot, path, fragment FROM (
    SELECT slot, path, fragment, number FROM artifact
    WHERE holder = :space AND slot BETWEEN :low AND :high AND number <= :number AND NOT EXISTS (
        SELECT 1 FROM move WHERE move.slot = artifact.slot AND move.path = artifact.path AND move.giver = :holder
    )
    UNION ALL
    SELECT artifact.slot, artifact.path, fragment, number FROM move JOIN artifact
    ON artifact.holder = (SELECT coalesce(space, id) FROM role WHERE id = move.giver)
    AND artifact.slot = +move.slot AND artifact.path = move.path
    WHERE move.taker = :holder AND move.slot BETWEEN :low AND :high AND number <= :number
    ) ORDER BY slot, path, number
"""


def begin(connection: sqlite3.Connection, handover: Handover, *, number: int) -> None:
    """Record what is to become of roles, in the place of whatever was begun and not staged.

    Raises:
        InvalidRoleName: a role that joins has the name of one that is here.
        StateError: a publication brings another one.
    """
    if connection.execute("SELECT 1 FROM handover WHERE publication IS NOT NULL").fetchone() is not None:
        raise StateError("delegations are being changed", hint="rstuf publish brings that to its end")
    drop(connection)
    for name in handover.joins:
        _note(connection, enter(connection, name), _JOINS, number)
    for name in handover.leaves:
        _note(connection, _id_of(connection, name), _LEAVES, number)
    if handover.successor is not None:
        _note(connection, _id_of(connection, handover.successor), _SUCCEEDS, number)
    for role, periods in handover.periods.items():
        _note(connection, _id_of(connection, RoleName(role)), _LIVES, number, periods=periods)
    _note(connection, _id_of(connection, TARGETS), _BEGAN, number)


def add_moves(connection: sqlite3.Connection, moves: Iterable[Move]) -> None:
    """Artifacts that go to another role; of a path that is there already, the later one counts."""
    ids: dict[RoleName, int] = {}

    def role(name: RoleName) -> int:
        if name not in ids:
            ids[name] = _id_of(connection, name)
        return ids[name]

    connection.executemany(
        "INSERT OR REPLACE INTO move (slot, path, giver, taker) VALUES (?, ?, ?, ?)",
        ((each.slot, each.path, role(each.giver), role(each.taker)) for each in moves),
    )


def take_along(connection: sqlite3.Connection, publication: int) -> None:
    """The publication that brings what was begun."""
    connection.execute("UPDATE handover SET publication = ?", (publication,))


def drop(connection: sqlite3.Connection) -> None:
    """Nothing comes of what was begun. The name of a role that no publication ever took along is free again."""
    never = "SELECT role FROM handover WHERE what = ?"
    names = connection.execute(f"SELECT id FROM role WHERE id IN ({never}) AND version = 0", (_JOINS,)).fetchall()  # noqa: S608
    connection.execute("DELETE FROM handover")
    connection.execute("DELETE FROM move")
    connection.executemany("DELETE FROM role WHERE id = ?", names)


def number_of(connection: sqlite3.Connection, publication: int) -> int | None:
    """The change number up to which artifacts were looked at; None where a publication brings no other tree."""
    row = connection.execute("SELECT number FROM handover WHERE publication = ?", (publication,)).fetchone()
    return None if row is None else row[0]


def settle(connection: sqlite3.Connection, publication: int) -> None:
    """What a publication brings is so. After its roles' numbers and its bins were settled."""
    if number_of(connection, publication) is None:
        return
    for role in _noted(connection, _JOINS):
        connection.execute("UPDATE role SET retired = 0 WHERE id = ?", (role,))
    connection.execute(
        "INSERT OR REPLACE INTO periods (role, expires_seconds, renew_before_seconds) "
        "SELECT name, expires_seconds, renew_before_seconds FROM handover JOIN role ON role.id = role WHERE what = ?",
        (_LIVES,),
    )
    carry_out(connection)
    for role in _noted(connection, _LEAVES):
        superseded.note_left(connection, role)
    for role in _noted(connection, _SUCCEEDS):
        _succeed(connection, role)


def end(connection: sqlite3.Connection, moves: Iterable[Move]) -> None:
    """What was accepted since it began goes where it has to go, too; then roles leave. After `settle`.

    Of a path that had been removed before, only what came later goes: whoever listed it may be seen to do so yet, and
    has to take it out.
    """
    began = connection.execute("SELECT max(number) FROM handover").fetchone()[0]
    add_moves(connection, moves)
    carry_out(connection, after=began or 0)
    for role in _noted(connection, _LEAVES):
        _leave(connection, role)
    drop(connection)


def carry_out(connection: sqlite3.Connection, *, after: int = 0) -> None:
    """Bring every artifact that is to move to where it goes, and count it there.

    Args:
        after: what was accepted up to this change number stays where it is.
    """
    pairs = connection.execute("SELECT DISTINCT giver, taker FROM move").fetchall()
    left: set[tuple[int, int]] = set()
    for giver, taker in pairs:
        left |= {(giver, index) for index in _count(connection, giver, taker, after=after)}
        _carry(connection, giver, taker, after=after)
    for giver, index in sorted(left):
        _note_newest(connection, giver, index)
    connection.execute("DELETE FROM move")


def enter(connection: sqlite3.Connection, name: RoleName) -> int:
    """A role that joins. Its name may be that of one that left: its versions go on."""
    connection.execute(
        "INSERT INTO role (name, name_key, kind, retired) VALUES (?, ?, ?, 1) ON CONFLICT (name_key) DO NOTHING",
        (name, name.lower(), RoleKind.DELEGATED.value),
    )
    row = connection.execute("SELECT id, name, kind, retired FROM role WHERE name_key = ?", (name.lower(),)).fetchone()
    if row[1:] != (name, RoleKind.DELEGATED.value, 1):
        raise InvalidRoleName(name, f"there is a role {row[1]} already")
    found: int = row[0]
    return found


def _id_of(connection: sqlite3.Connection, name: RoleName) -> int:
    row = connection.execute("SELECT id FROM role WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise StateError(f"there is no role {name}", hint="rstuf delegation list shows those that there are")
    found: int = row[0]
    return found


def _note(connection: sqlite3.Connection, role: int, what: str, number: int, *, periods: Periods | None = None) -> None:
    spans = (None, None) if periods is None else (periods.expires, periods.renew_before)
    seconds = (None if each is None else int(each.total_seconds()) for each in spans)
    connection.execute(
        "INSERT INTO handover (role, what, number, expires_seconds, renew_before_seconds) VALUES (?, ?, ?, ?, ?)",
        (role, what, number, *seconds),
    )


def _noted(connection: sqlite3.Connection, what: str) -> list[int]:
    return [role for (role,) in connection.execute("SELECT role FROM handover WHERE what = ? ORDER BY role", (what,))]


def _count(connection: sqlite3.Connection, giver: int, taker: int, *, after: int) -> Iterable[int]:
    """What goes is counted where it was and where it comes, by the newest row of each path; the bins that it leaves."""
    less, more = Counter[int](), Counter[int]()
    gone, come, newest = Counter[int](), Counter[int](), dict[int, int]()
    of_giver, of_taker = _shift(connection, giver), _shift(connection, taker)
    for slot, path, number, fragment in _moved_rows(connection, giver, taker, after=after):
        here, there = slot >> of_giver, slot >> of_taker
        newest[there] = max(newest.get(there, 0), number)
        less[here] += 0
        if fragment:
            size = entries.payload(path, fragment)
            less[here] += 1
            gone[here] += size
            more[there] += 1
            come[there] += size
    for index, count in less.items():
        _change(connection, giver, index, artifacts=-count, payload=-gone[index], newest=0)
    for index, number in newest.items():
        _change(connection, taker, index, artifacts=more[index], payload=come[index], newest=number)
    return less.keys()


def _moved_rows(
    connection: sqlite3.Connection, giver: int, taker: int, *, after: int
) -> Iterator[tuple[int, str, int, bytes]]:
    """The newest row of each path that goes from one role to another."""
    return connection.execute(
        "SELECT move.slot, move.path, max(number), fragment FROM move JOIN artifact "
        "ON artifact.holder = ? AND artifact.slot = move.slot AND artifact.path = move.path "
        "WHERE giver = ? AND taker = ? AND number > ? GROUP BY move.slot, move.path",
        (space_of(connection, giver), giver, taker, after),
    )


def _shift(connection: sqlite3.Connection, holder: int) -> int:
    bits = connection.execute("SELECT bin_bits FROM role WHERE id = ?", (holder,)).fetchone()[0]
    return SLOT_BITS - (bits or 0)


def _change(
    connection: sqlite3.Connection, holder: int, index: int, *, artifacts: int, payload: int, newest: int
) -> None:
    """Count artifacts of a role, or of the bin of it that they are in."""
    connection.execute(
        f"UPDATE role SET artifacts = artifacts + ?, payload = payload + ?, newest = max(newest, ?) WHERE {_LISTS}",  # noqa: S608
        (artifacts, payload, newest, index, holder),
    )


def _note_newest(connection: sqlite3.Connection, holder: int, index: int) -> None:
    """The newest change of a role, or of a bin of it, by the rows that it has left."""
    width = _shift(connection, holder)
    connection.execute(
        "UPDATE role SET newest = (SELECT coalesce(max(number), 0) FROM artifact "  # noqa: S608 - constants alone
        f"WHERE artifact.holder = ? AND slot BETWEEN ? AND ?) WHERE {_LISTS}",
        (space_of(connection, holder), index << width, ((index + 1) << width) - 1, index, holder),
    )


def _carry(connection: sqlite3.Connection, giver: int, taker: int, *, after: int) -> None:
    """Bring the rows of what goes to where it comes."""
    spaces = (space_of(connection, giver), space_of(connection, taker))
    for table, rest in (("artifact", ", fragment"), ("superseded", "")):
        connection.execute(
            f"INSERT OR REPLACE INTO {table} (holder, slot, path, number{rest}) "  # noqa: S608 - constants alone
            f"SELECT ?, old.slot, old.path, old.number{rest} FROM move JOIN {table} AS old "
            "ON old.holder = ? AND old.slot = move.slot AND old.path = move.path "
            "WHERE giver = ? AND taker = ? AND old.number > ?",
            (spaces[1], spaces[0], giver, taker, after),
        )
        connection.execute(
            f"DELETE FROM {table} WHERE holder = ? AND number > ? AND (slot, path) IN "  # noqa: S608 - constants alone
            "(SELECT slot, path FROM move WHERE giver = ? AND taker = ?)",
            (spaces[0], after, giver, taker),
        )


def _leave(connection: sqlite3.Connection, role: int) -> None:
    """Let a role hold nothing any more. Removals that nobody saw yet are of no account: nobody looks here."""
    space = space_of(connection, role)
    resizes.drop(connection, role)
    for table in ("artifact", "superseded"):
        connection.execute(
            f"DELETE FROM {table} WHERE holder = ?1 AND (slot, path) NOT IN "  # noqa: S608 - constants alone
            f"(SELECT slot, path FROM artifact WHERE holder = ?1 AND {LIVE})",
            (space,),
        )
    connection.execute(
        "UPDATE role SET retired = 1, sign_by = NULL, forced = 0, newest = 0, bin_bits = NULL "
        "WHERE id = ?1 OR holder = ?1",
        (role,),
    )


def _succeed(connection: sqlite3.Connection, role: int) -> None:
    """Let a role hold what targets held, in the bins that targets had."""
    (targets,) = connection.execute("SELECT id FROM role WHERE kind = ?", (RoleKind.TARGETS.value,)).fetchone()
    # One that was cut off before it was staged: nobody would ever take it for what it is, under another role.
    resizes.drop(connection, targets)
    swap(connection, targets, role)
    connection.execute(
        "UPDATE role SET bin_bits = (SELECT bin_bits FROM role WHERE id = ?) WHERE id = ?", (targets, role)
    )
    connection.execute("UPDATE role SET bin_bits = NULL WHERE id = ?", (targets,))
    connection.execute("UPDATE role SET holder = ? WHERE holder = ?", (role, targets))
