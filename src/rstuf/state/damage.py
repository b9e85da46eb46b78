"""What is wrong with a state database in itself: its pages, its schema, and what its own tables say of each other.

All of it is read in key order or sorted by SQLite, on disk where it must: memory does not grow with what there is.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from typing import Final

import orjson

from rstuf.errors import shorten
from rstuf.model.artifacts import SLOT_BITS, slot_of
from rstuf.model.names import TargetPath, path_key
from rstuf.state import rows
from rstuf.state.connections import is_malformed
from rstuf.state.listing import LIVE
from rstuf.state.schema import UNFINISHED, migrate
from rstuf.state.spaces import OF_SPACE, SPACE, in_use

# More of one kind say nothing more.
_TOLD: Final = 20
_REASON: Final = 80

# What PRAGMA integrity_check says of rows (https://www.sqlite.org/pragma.html); all else is about pages. A connection
# that may only read knows no CHECK and so never says that one fails.
_ROW_FAULTS: Final = (
    (re.compile(r"row \d+ missing from index (\S+)"), "the index {} lacks a row of its table"),
    (re.compile(r"wrong # of entries in index (\S+)"), "the index {} has not as many rows as its table"),
    (re.compile(r"non-unique entry in index (\S+)"), "the index {} has the same entry twice"),
    (re.compile(r"NULL value in (\S+)"), "a row lacks its {}"),
    (re.compile(r"CHECK constraint failed in (\S+)"), "a row of the table {} breaks a rule of that table"),
)

# What the tables must say of each other: each counts the rows that do not.
_RULES: Final = (
    ("SELECT abs(count(*) - 1) FROM counter", "the counter of changes is not one row"),
    ("SELECT max(count(*) - 1, 0) FROM repository", "it is the state of more than one repository"),
    ("SELECT count(*) FROM audit WHERE sequence < 1", "the log has entries before its first"),
    ("SELECT count(*) FROM root WHERE version < 1", "it has roots before version 1"),
    ("SELECT count(*) FROM role WHERE name_key IS NOT lower(name)", "roles cannot be found by their names"),
    (
        "SELECT count(*) FROM publication_role WHERE number > (SELECT value FROM counter)",
        "publications were rendered at changes that there never were",
    ),
    ("SELECT abs(count(*) - 1) FROM retention", "how long superseded files stay is not one row"),
    (
        """
        SELECT count(*) FROM superseded_file AS gone JOIN role ON role.id = gone.role
        WHERE gone.version > role.version OR gone.version < 1 OR gone.place > (SELECT settled FROM retention)
        OR role.kind IN ('root', 'timestamp')
        """,
        "files are noted as superseded that there never were",
    ),
    # A bin that was retired has its last one noted; one that is forced is about to get another.
    (
        """
        SELECT count(*) FROM superseded_file AS gone JOIN role ON role.id = gone.role
        WHERE gone.version = role.visible AND NOT role.retired AND role.forced = 0
        """,
        "files that clients see are noted as superseded",
    ),
    # The row that a superseded one stands for; without it a later publication would clear what is in force.
    (
        """
        SELECT count(*) FROM superseded AS gone WHERE NOT EXISTS (
            SELECT 1 FROM artifact WHERE holder = gone.holder AND slot = gone.slot AND path = gone.path
            AND number = gone.number
        )
        """,
        "artifacts are marked as replaced by changes that are not there",
    ),
    # A role has its own space, or has exchanged it with another one that holds artifacts.
    (
        """
        SELECT count(*) FROM role WHERE space IS NOT NULL AND (
            kind NOT IN ('targets', 'delegated')
            OR space NOT IN (SELECT id FROM role WHERE kind IN ('targets', 'delegated'))
        )
        """,
        "roles keep their artifacts where none can",
    ),
    (
        (
            "SELECT count(*) FROM role WHERE kind = 'delegated' AND retired AND EXISTS "  # noqa: S608 - constants alone
            f"(SELECT 1 FROM artifact WHERE holder = {SPACE} AND {LIVE})"
        ),
        "roles that nobody delegates to hold artifacts",
    ),
    (
        """
        SELECT count(*) FROM handover JOIN role ON role.id = handover.role
        WHERE (what = 'joins' AND NOT retired) OR (what IN ('leaves', 'began') AND retired)
        OR what NOT IN ('joins', 'leaves', 'succeeds', 'lives', 'began')
        """,
        "delegations are being changed in ways that there are not",
    ),
    (
        (
            "SELECT count(*) FROM (SELECT publication FROM handover UNION ALL SELECT publication FROM resize) "  # noqa: S608
            f"WHERE publication IS NOT NULL AND publication NOT IN (SELECT id FROM publication WHERE {UNFINISHED})"
        ),
        "roles are being changed by publications that are over",
    ),
    (
        "SELECT count(*) FROM move WHERE NOT EXISTS (SELECT 1 FROM handover)",
        "artifacts are to move, and nothing is begun",
    ),
    # Row values compare as a whole, and IS takes nothing for equal to nothing.
    (
        """
        SELECT count(*) FROM publication_role AS part CROSS JOIN role ON role.id = part.role
        JOIN publication ON publication.id = part.publication
        WHERE publication.phase = 'done' AND part.version = role.visible
        AND (role.length, role.sha256, role.signed_at, role.expires, role.sign_by)
        IS NOT (part.length, part.sha256, part.signed_at, part.expires, part.sign_by)
        """,
        "roles have other dates or files than the publications that brought them",
    ),
)

# Paths that may not be their own key (`model.names.path_key`), told without calling Python for each.
_MAYBE_ODD: Final = (
    "(rtrim(lower(path), '. ') <> path OR length(path) <> length(CAST(path AS BLOB)) "
    "OR instr(path, './') OR instr(path, ' /'))"
)


def look(connection: sqlite3.Connection) -> Iterator[str]:
    """Everything that is wrong, in words; what is damaged further down is not looked at once pages are.

    Raises:
        sqlite3.Error: it cannot be read at all.
    """
    damaged = False
    for fault in _pages(connection):
        damaged = True
        yield fault
    if damaged:
        return
    yield from _schema(connection)
    yield from _references(connection)
    for count, message in _RULES:
        found = connection.execute(count).fetchone()[0]
        if found:
            yield f"{message} ({found})"
    yield from _keys(connection)
    yield from _delegators(connection)
    yield from _spaces(connection)
    yield from _twins(connection)


def _pages(connection: sqlite3.Connection) -> Iterator[str]:
    try:
        found = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({_TOLD})")]
    except sqlite3.DatabaseError as error:
        if not is_malformed(error):
            raise
        found = [str(error)]
    if found == ["ok"]:
        return
    yield from dict.fromkeys(map(_fault_of, found))


def _fault_of(line: str) -> str:
    for pattern, message in _ROW_FAULTS:
        match = pattern.match(line)
        if match is not None:
            return message.format(match[1])
    # The first line only names the database.
    text = line.split("\n", 1)[-1] if line.startswith("***") else line
    return f"a page is damaged ({shorten(text, limit=_REASON)})"


def _schema(connection: sqlite3.Connection) -> Iterator[str]:
    """A trigger, a view, or an index that is gone, would change what every statement does."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrate(fresh, found=0)
        wanted = _definitions(fresh)
    found = _definitions(connection)
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            yield f"its {wanted[name][0]} {name} is gone"
        elif name not in wanted:
            yield f"it has the {found[name][0]} {shorten(name)}, which rstuf does not make"
        elif found[name] != wanted[name]:
            yield f"its {wanted[name][0]} {name} is not as rstuf makes it"


def _definitions(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    # SQLite's own tables come and go with what a person does (ANALYZE).
    sql = "SELECT name, type, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    return {str(name): (str(kind), str(text)) for name, kind, text in connection.execute(sql)}


def _references(connection: sqlite3.Connection) -> Iterator[str]:
    found = connection.execute("PRAGMA foreign_key_check")
    for table, parent in dict.fromkeys((row[0], row[2]) for row in islice(found, _TOLD)):
        yield f"rows of the table {table} belong to rows of {parent} that are not there"


def _keys(connection: sqlite3.Connection) -> Iterator[str]:
    """Each key is found by its id, which its value makes, and by its name."""
    for row in connection.execute(f"SELECT keyid, name_key, {rows.KEY.removeprefix('SELECT ')}").fetchall():
        entry = rows.converted(rows.key, row[2:], where="state")
        if row[0] != entry.keyid:
            yield f"the key {shorten(entry.name)} has another id than its value makes"
        if row[1] != entry.name.lower():
            yield f"the key {shorten(entry.name)} cannot be found by its name"


def _delegators(connection: sqlite3.Connection) -> Iterator[str]:
    """Whoever is noted to say nothing of others is not asked who may sign them; targets is asked in any case."""
    found = connection.execute(
        "SELECT name, data FROM delegator JOIN role ON role.id = role WHERE NOT delegates AND kind = 'delegated'"
    )
    for name, data in found:
        with suppress(orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            if orjson.loads(data)["signed"].get("delegations") is not None:
                yield f"{shorten(name)} delegates, and is noted as if it did not"


def _spaces(connection: sqlite3.Connection) -> Iterator[str]:
    """Artifacts that are nowhere: of roles that hold none, or outside of every bin."""
    for holder in [each[0] for each in connection.execute("SELECT DISTINCT holder FROM superseded")]:
        if not _holds(connection, holder):
            yield f"replaced artifacts belong to role {holder}, which holds none"
    for holder in in_use(connection):
        if not _holds(connection, holder):
            yield f"artifacts belong to role {holder}, which holds none"
        ends = [
            connection.execute(f"SELECT {end}(slot) FROM artifact WHERE holder = ?", (holder,)).fetchone()[0]  # noqa: S608
            for end in ("min", "max")
        ]
        if not all(isinstance(end, int) and 0 <= end < 1 << SLOT_BITS for end in ends):
            yield f"artifacts of role {holder} lie outside of every bin"


def _holds(connection: sqlite3.Connection, space: int) -> bool:
    sql = f"SELECT 1 FROM role WHERE {OF_SPACE}"  # noqa: S608 - a constant
    return connection.execute(sql, (space,)).fetchone() is not None


def _twins(connection: sqlite3.Connection) -> Iterator[str]:
    """Paths that are not their own key are in the table of keys, each alone, and nothing else is (see `twins`)."""
    return islice(_all_twins(connection), _TOLD)


def _all_twins(connection: sqlite3.Connection) -> Iterator[str]:
    connection.create_function("rstuf_path_key", 1, _key_of, deterministic=True)
    connection.create_function("rstuf_slot", 1, _slot_of, deterministic=True)
    live = connection.execute(
        f"SELECT DISTINCT rstuf_path_key(path) AS key, path FROM artifact "  # noqa: S608 - constants alone
        f"WHERE {_MAYBE_ODD} AND key <> path AND {LIVE} ORDER BY key, path"
    )
    known = connection.execute("SELECT key, path FROM path_key ORDER BY key")
    one, other = live.fetchone(), known.fetchone()
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield f"{shorten(one[1])} is not guarded against paths that differ from it in case only"
            one = live.fetchone()
        elif one is None or other[0] < one[0]:
            yield f"{shorten(other[1])} is guarded against others and is no artifact"
            other = known.fetchone()
        else:
            if one[1] != other[1]:
                yield f"{shorten(one[1])} and {shorten(other[1])} are one path on many file systems"
            key, one, other = one[0], live.fetchone(), known.fetchone()
            while one is not None and one[0] == key:
                yield f"{shorten(one[1])} is one path with others on many file systems"
                one = live.fetchone()
    # In the order of slots, in which artifacts lie: the same looks in any other order take many times as long.
    plain = connection.execute(
        "SELECT guarded.path, artifact.path FROM "  # noqa: S608 - constants alone
        "(SELECT rstuf_slot(key) AS slot, key, path FROM path_key ORDER BY 1) AS guarded "
        f"JOIN artifact ON artifact.holder IN (SELECT {SPACE} FROM role WHERE kind IN ('targets', 'delegated')) "
        f"AND artifact.slot = guarded.slot AND artifact.path = guarded.key WHERE {LIVE}"
    )
    for first, second in plain:
        yield f"{shorten(first)} and {shorten(second)} are one path on many file systems"


def _key_of(path: object) -> str | None:
    return path_key(TargetPath(path)) if isinstance(path, str) and path else None


def _slot_of(path: object) -> int | None:
    return slot_of(path) if isinstance(path, str) else None
