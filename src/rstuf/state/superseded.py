"""Metadata files that a settled publication took the place of, noted as it is settled: they are found by nothing else.

A publication that is given up may have written files, a resize leaves those of bins that are no more, and a delegation
that goes those of its role: these are noted too, and are superseded with the next publication that is settled. Until
then clients may have seen them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from rstuf.clock import from_seconds, to_seconds
from rstuf.model.names import RoleName
from rstuf.model.roles import FileFacts, RoleKind
from rstuf.model.superseded import Retention, SupersededFile
from rstuf.state import rows

# What the last so many publications brought stays, the visible one among them.
_MAY_GO: Final = "since <= ? AND place <= (SELECT settled FROM retention) - ? + 1"
_FIELDS: Final = "role.id, role.name, role.kind, gone.version, gone.since, gone.length, gone.sha256, role.retired"


def note_settled(connection: sqlite3.Connection, publication: int, *, since: datetime) -> None:
    """Note the files that a publication takes the place of, before its roles are those that clients see.

    A bin that comes back was noted when it was retired. The first note of a file stays: it says since when.
    """
    connection.execute("UPDATE retention SET settled = settled + 1")
    connection.execute(
        "INSERT INTO superseded_file (role, version, length, sha256, since, place) "
        "SELECT role.id, role.visible, role.length, role.sha256, ?, (SELECT settled FROM retention) "
        "FROM publication_role AS part JOIN role ON role.id = part.role "
        "WHERE part.publication = ? AND role.visible > 0 AND role.kind <> 'timestamp' AND NOT role.retired "
        "ON CONFLICT (role, version) DO NOTHING",
        (to_seconds(since), publication),
    )


def date_others(connection: sqlite3.Connection, *, since: datetime) -> None:
    """What was noted before the publication that is settled now is superseded with it."""
    connection.execute(
        "UPDATE superseded_file SET since = ?, place = (SELECT settled FROM retention) WHERE since IS NULL",
        (to_seconds(since),),
    )


def note_carried_over(connection: sqlite3.Connection, role: int) -> None:
    """Note the visible file of a role whose next version is carried over from a publication that is given up."""
    connection.execute(
        "INSERT INTO superseded_file (role, version, length, sha256) SELECT id, visible, length, sha256 FROM role "
        "WHERE id = ? AND visible > 0 ON CONFLICT (role, version) DO NOTHING",
        (role,),
    )


def note_given_up(connection: sqlite3.Connection, publication: int) -> None:
    """Note what a publication wrote, or was about to, that is given up: all but what clients see of it."""
    connection.execute(
        "INSERT INTO superseded_file (role, version, length, sha256) "
        "SELECT part.role, part.version, part.length, part.sha256 "
        "FROM publication_role AS part JOIN role ON role.id = part.role "
        "WHERE part.publication = ? AND part.version <> role.visible AND role.kind <> 'timestamp' "
        "ON CONFLICT (role, version) DO NOTHING",
        (publication,),
    )


def note_retired(connection: sqlite3.Connection, holder: int) -> None:
    """Note the last files of the bins that others are about to take the place of, by a resize that goes on."""
    connection.execute(
        "INSERT INTO superseded_file (role, version, length, sha256) SELECT id, visible, length, sha256 FROM role "
        "WHERE holder = ? AND NOT retired AND visible > 0 "
        "AND id NOT IN (SELECT role FROM resize_bin WHERE holder = ?) ON CONFLICT (role, version) DO NOTHING",
        (holder, holder),
    )


def note_left(connection: sqlite3.Connection, role: int) -> None:
    """Note the last files of a role that nobody delegates to from now on, and of its bins."""
    connection.execute(
        "INSERT INTO superseded_file (role, version, length, sha256) SELECT id, visible, length, sha256 FROM role "
        "WHERE (id = ?1 OR holder = ?1) AND NOT retired AND visible > 0 ON CONFLICT (role, version) DO NOTHING",
        (role,),
    )


def note(connection: sqlite3.Connection, files: Iterable[tuple[RoleName, int]]) -> None:
    """Note files of which nothing is known but whose they are and their versions."""
    connection.executemany(
        "INSERT INTO superseded_file (role, version) SELECT id, ? FROM role WHERE name_key = ? AND name = ? "
        "ON CONFLICT (role, version) DO NOTHING",
        ((version, name.lower(), name) for name, version in files),
    )


def take_back(connection: sqlite3.Connection, publication: int) -> None:
    """A publication brings what another one wrote that was given up: the same version, as people signed it."""
    connection.execute(
        "DELETE FROM superseded_file WHERE (role, version) IN "
        "(SELECT role, version FROM publication_role WHERE publication = ?)",
        (publication,),
    )


def forget(connection: sqlite3.Connection, files: Iterable[SupersededFile]) -> None:
    """Let the notes go of files that are gone."""
    connection.executemany(
        "DELETE FROM superseded_file WHERE role = ? AND version = ?", ((each.role, each.version) for each in files)
    )


def read(
    connection: sqlite3.Connection,
    retention: Retention,
    *,
    now: datetime,
    after: SupersededFile | None,
    limit: int,
    where: str,
) -> Iterator[SupersededFile]:
    """The files that may go, the longest superseded first."""
    place = (-1, 0, 0) if after is None else (to_seconds(after.since), after.role, after.version)
    found = connection.execute(
        f"SELECT {_FIELDS} FROM superseded_file AS gone INDEXED BY superseded_since "  # noqa: S608 - constants alone
        f"CROSS JOIN role ON role.id = gone.role WHERE {_MAY_GO} "
        "AND (gone.since, gone.role, gone.version) > (?, ?, ?) ORDER BY gone.since, gone.role, gone.version LIMIT ?",
        (*_bounds(retention, now), *place, limit),
    )
    for row in found:
        yield rows.converted(_superseded, row, where=where)


def count(connection: sqlite3.Connection, retention: Retention, *, now: datetime, most: int) -> tuple[int, int]:
    """How many may go, at most `most` of them, and how many bytes they have as far as that is known."""
    found: tuple[int, int] = connection.execute(
        "SELECT count(*), coalesce(sum(length), 0) FROM (SELECT length FROM superseded_file "  # noqa: S608
        f"INDEXED BY superseded_since WHERE {_MAY_GO} LIMIT ?)",
        (*_bounds(retention, now), most),
    ).fetchone()
    return found


def total(connection: sqlite3.Connection) -> int:
    """How many are noted."""
    found: tuple[int] = connection.execute("SELECT count(*) FROM superseded_file").fetchone()
    return found[0]


def retention(row: rows.Row) -> Retention:
    """A row of `RETENTION`."""
    return Retention(*row)


RETENTION: Final = "SELECT publications, days FROM retention"


def _bounds(retention: Retention, now: datetime) -> tuple[int, int]:
    return to_seconds(now - retention.age), retention.publications


def _superseded(row: rows.Row) -> SupersededFile:
    role, name, kind, version, since, length, sha256, retired = row
    if type(version) is not int or version < 1:
        raise ValueError(f"{version} cannot be a version")
    return SupersededFile(
        role=role,
        name=RoleName(name),
        kind=RoleKind(kind),
        version=version,
        since=from_seconds(since),
        file=None if length is None else FileFacts(length=length, sha256=sha256),
        retired=retired > 0,
    )
