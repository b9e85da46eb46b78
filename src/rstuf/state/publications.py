"""The life of a publication in the state: staged, its files recorded, committing, then done or abandoned."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from rstuf.clock import to_seconds
from rstuf.errors import StateError
from rstuf.model.artifacts import MAX_INTEGER, SLOT_BITS
from rstuf.model.publication import Publication, PublicationPhase, SignedRole
from rstuf.model.roles import RoleKind, RoleState
from rstuf.state import handovers, resizes, rows, superseded
from rstuf.state.schema import UNFINISHED

# How many superseded changes one settling clears; the rest waits for the next publication of its role.
CLEARED_AT_ONCE: Final = 10_000


def stage(
    connection: sqlite3.Connection,
    roles: Iterable[tuple[RoleState, int]],
    *,
    begun: datetime,
    number: int,
    reserved: Mapping[int, int],
) -> Publication:
    """Record a staged publication; its roles take their next versions for good, or those `reserved` for them before.

    Raises:
        StateError: another one is unfinished, root is among the roles, timestamp is not, or one is there twice.
    """
    if connection.execute(f"{rows.PUBLICATION} WHERE {UNFINISHED}").fetchone() is not None:
        raise StateError("a publication is unfinished, so no other can begin", hint="rstuf publish completes it")
    parts: dict[int, int] = {}
    timestamp: int | None = None
    for role, rendered_at in roles:
        if role.kind is RoleKind.ROOT or role.id in parts:
            raise StateError(f"{role.name} cannot take this part in a publication")
        if role.kind is RoleKind.TIMESTAMP:
            timestamp = role.id
        parts[role.id] = rendered_at
    version = _next_version(connection, timestamp)
    if version is None:
        raise StateError("a publication without timestamp would never become visible")
    _check_readable(version)
    publication = connection.execute(
        "INSERT INTO publication (phase, number, begun, timestamp_version) VALUES (?, ?, ?, ?)",
        (PublicationPhase.STAGED.value, number, to_seconds(begun), version),
    ).lastrowid
    assert publication is not None  # noqa: S101 - an INSERT has one
    _take_versions(connection, publication, parts, reserved)
    taken = "SELECT max(version) FROM publication_role WHERE publication = ?"
    _check_readable(connection.execute(taken, (publication,)).fetchone()[0])
    return Publication(
        id=publication,
        phase=PublicationPhase.STAGED,
        number=number,
        begun=begun,
        committed=None,
        timestamp_version=version,
        timestamp=None,
    )


def _next_version(connection: sqlite3.Connection, role: int | None) -> int | None:
    row = connection.execute("SELECT version + 1 FROM role WHERE id = ?", (role,)).fetchone()
    return None if row is None else row[0]


def _check_readable(version: float) -> None:
    # Beyond 64 bits SQLite counts in fractions.
    if version > MAX_INTEGER:
        raise StateError(
            f"a role would be at version {version}, and clients read versions up to {MAX_INTEGER}",
            hint="rstuf verify says more; put a backup of the state in its place",
        )


def _take_versions(
    connection: sqlite3.Connection, publication: int, parts: dict[int, int], reserved: Mapping[int, int]
) -> None:
    taken = connection.executemany(
        "INSERT INTO publication_role (publication, role, version, number, forced) "
        "SELECT ?, id, version + 1, ?, forced FROM role WHERE id = ?",
        [(publication, number, role) for role, number in sorted(parts.items()) if role not in reserved],
    ).rowcount
    # What people signed has the version that it was given then.
    taken += connection.executemany(
        "INSERT INTO publication_role (publication, role, version, number, forced) "
        "SELECT ?, id, ?, ?, forced FROM role WHERE id = ? AND visible < ? AND version >= ?",
        [
            (publication, version, parts[role], role, version, version)
            for role, version in sorted(reserved.items())
            if role in parts
        ],
    ).rowcount
    if taken != len(parts):
        raise StateError("a publication names a role that is not here")
    if reserved:
        superseded.take_back(connection, publication)
    # In two conditions: one that knew of both tables would be asked of every part for every role.
    connection.execute(
        "UPDATE role SET version = version + 1 WHERE id IN (SELECT role FROM publication_role WHERE publication = ?) "
        "AND version < (SELECT part.version FROM publication_role AS part "
        "WHERE part.publication = ? AND part.role = role.id)",
        (publication, publication),
    )


def record_files(connection: sqlite3.Connection, publication: int, roles: Sequence[SignedRole]) -> None:
    """Record facts and dates of files of a staged publication, and the bytes of those that delegate.

    Raises:
        StateError: it is not staged, or brings no such role at that version.
    """
    _require(connection, publication, PublicationPhase.STAGED)
    facts = [
        (
            signed.file.length,
            signed.file.sha256,
            to_seconds(signed.signed_at),
            to_seconds(signed.expires),
            to_seconds(signed.sign_by),
            publication,
            signed.planned.id,
            signed.planned.version,
        )
        for signed in roles
    ]
    recorded = connection.executemany(
        "UPDATE publication_role SET length = ?, sha256 = ?, signed_at = ?, expires = ?, sign_by = ? "
        "WHERE publication = ? AND role = ? AND version = ?",
        facts,
    ).rowcount
    if facts and recorded != len(facts):
        raise StateError(f"publication {publication} does not bring all of these roles at these versions")
    connection.executemany(
        "INSERT OR REPLACE INTO delegator (role, version, data, delegates) VALUES (?, ?, ?, ?)",
        [
            (signed.planned.id, signed.planned.version, signed.data, signed.delegates)
            for signed in roles
            if signed.data is not None
        ],
    )


def commit(connection: sqlite3.Connection, publication: int, *, timestamp: bytes) -> None:
    """Turn `STAGED` into `COMMITTING`.

    Raises:
        StateError: it is not staged, or a file of it was not recorded.
    """
    _require(connection, publication, PublicationPhase.STAGED)
    missing = connection.execute(
        "SELECT count(*) FROM publication_role WHERE publication = ? AND length IS NULL", (publication,)
    ).fetchone()[0]
    if missing:
        raise StateError(f"publication {publication} cannot be committed: {missing} of its files are not recorded")
    connection.execute(
        "UPDATE publication SET phase = ?, timestamp = ? WHERE id = ?",
        (PublicationPhase.COMMITTING.value, timestamp, publication),
    )


def settle(connection: sqlite3.Connection, publication: int, *, committed: datetime) -> None:
    """Turn `COMMITTING` into `DONE`; forget the publications before it, and some of what nothing renders any more.

    Raises:
        StateError: it is not committing.
    """
    _require(connection, publication, PublicationPhase.COMMITTING)
    superseded.note_settled(connection, publication, since=committed)
    # What was forced after staging is still to be done.
    connection.execute(
        """
        UPDATE role SET (visible, number, expires, signed_at, sign_by, length, sha256, forced) = (
            SELECT part.version, max(role.number, part.number), part.expires, part.signed_at, part.sign_by,
                part.length, part.sha256, CASE WHEN role.forced = part.forced THEN 0 ELSE role.forced END
            FROM publication_role AS part WHERE part.publication = ? AND part.role = role.id
        )
        WHERE id IN (SELECT role FROM publication_role WHERE publication = ?)
        """,
        (publication, publication),
    )
    connection.execute(
        "UPDATE publication SET phase = ?, committed = ? WHERE id = ?",
        (PublicationPhase.DONE.value, to_seconds(committed), publication),
    )
    # Nobody asks for what is over: the log says that it was, and versions are taken in the roles.
    connection.execute("DELETE FROM publication_role WHERE publication < ?", (publication,))
    connection.execute("DELETE FROM publication WHERE id < ?", (publication,))
    connection.execute(
        "DELETE FROM delegator WHERE version < (SELECT visible FROM role WHERE role.id = delegator.role)"
    )
    resizes.settle(connection, publication)
    handovers.settle(connection, publication)
    superseded.date_others(connection, since=committed)
    _clear_superseded(connection, publication)


def abandon(connection: sqlite3.Connection, publication: int, *, carried: Iterable[int]) -> None:
    """Turn an unfinished publication into `ABANDONED`; from `COMMITTING` its roles are carried over or forced.

    Raises:
        StateError: it is finished.
    """
    carried = tuple(carried)
    if _require(connection, publication, PublicationPhase.STAGED, PublicationPhase.COMMITTING) == "committing":
        for role in carried:
            _settle_role(connection, publication, role)
        connection.execute(
            """
            UPDATE role SET forced = forced + 1, shown = max(shown, (
                SELECT part.number FROM publication_role AS part WHERE part.publication = ? AND part.role = role.id
            ))
            WHERE id IN (SELECT role FROM publication_role WHERE publication = ? AND version > role.visible)
            """,
            (publication, publication),
        )
    superseded.note_given_up(connection, publication)
    # A role that is carried over lets the new bins sign, and not the old ones; or other roles than before.
    resizes.settle(connection, publication, holders=carried)
    if carried:
        handovers.settle(connection, publication)
    elif handovers.number_of(connection, publication) is not None:
        handovers.drop(connection)
    connection.execute("UPDATE publication SET phase = ? WHERE id = ?", (PublicationPhase.ABANDONED.value, publication))


def _settle_role(connection: sqlite3.Connection, publication: int, role: int) -> None:
    """What a publication brings of one role is what clients see of it."""
    superseded.note_carried_over(connection, role)
    connection.execute(
        """
        UPDATE role SET (visible, number, expires, signed_at, sign_by, length, sha256) = (
            SELECT part.version, max(role.number, part.number), part.expires, part.signed_at, part.sign_by,
                part.length, part.sha256
            FROM publication_role AS part WHERE part.publication = ? AND part.role = role.id
        )
        WHERE id = ?
        """,
        (publication, role),
    )


def _require(connection: sqlite3.Connection, publication: int, *allowed: PublicationPhase) -> str:
    row = connection.execute("SELECT phase FROM publication WHERE id = ?", (publication,)).fetchone()
    if row is None:
        raise StateError(f"there is no publication {publication}")
    phase: str = row[0]
    if phase not in allowed:
        raise StateError(f"publication {publication} is {phase}, not {' or '.join(allowed)}")
    return phase


def _clear_superseded(connection: sqlite3.Connection, publication: int) -> None:
    """Drop rows that a newer visible one stands before, and removals with nothing left to remove.

    Whoever renders does so at a role's published number or above it, so nobody asks for them any more.
    """
    if connection.execute("SELECT 1 FROM superseded LIMIT 1").fetchone() is None:
        return
    room = CLEARED_AT_ONCE
    for space, low, high, number in _published_ranges(connection, publication):
        keys = connection.execute(
            "SELECT holder, slot, path, number FROM superseded "
            "WHERE holder = ? AND slot BETWEEN ? AND ? AND number <= ? LIMIT ?",
            (space, low, high, number, room),
        ).fetchall()
        if not keys:
            continue
        connection.executemany(
            "DELETE FROM artifact WHERE holder = ? AND slot = ? AND path = ? AND number <= ? "
            "AND (number < ? OR fragment = x'')",
            [(*key, key[3]) for key in keys],
        )
        connection.executemany("DELETE FROM superseded WHERE holder = ? AND slot = ? AND path = ? AND number = ?", keys)
        room -= len(keys)
        if room <= 0:
            return


def _published_ranges(connection: sqlite3.Connection, publication: int) -> list[tuple[int, int, int, int]]:
    """Space, lowest and highest slot, and published number of each role of a publication that has artifacts."""
    found = connection.execute(
        """
        SELECT coalesce(role.space, role.id), coalesce(holder.space, role.holder), role.bin_index, holder.bin_bits,
            role.number
        FROM publication_role AS part
        JOIN role ON role.id = part.role
        LEFT JOIN role AS holder ON holder.id = role.holder
        WHERE part.publication = ? AND role.bin_bits IS NULL AND role.kind IN ('targets', 'bin', 'delegated')
        ORDER BY role.holder, role.bin_index, role.id
        """,
        (publication,),
    ).fetchall()
    ranges = []
    for space, bins_space, index, bits, number in found:
        if bins_space is None:
            ranges.append((space, 0, (1 << SLOT_BITS) - 1, number))
        else:
            width = SLOT_BITS - bits
            ranges.append((bins_space, index << width, ((index + 1) << width) - 1, number))
    return ranges
