"""The tables of a state database, its format number, and the steps from one format to the next.

Instants are whole seconds since the epoch, UTC. Names are unique by their lower-case form. No statement newer than
SQLite 3.24 is used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.errors import StateDamaged, StateError, StateNewer
from rstuf.state.unseen import overlook_unseen_letters

if TYPE_CHECKING:
    from sqlite_utils import Database

# "rstu": what says that a database is one of ours (https://www.sqlite.org/fileformat.html, offset 68).
APPLICATION_ID: Final = 0x72737475

# Dirty roles, as the partial index and every query that wants to use it must spell it.
DIRTY: Final = "(newest > number OR forced > 0)"
FEW: Final = "kind <> 'bin'"
UNFINISHED: Final = "phase IN ('staged', 'committing')"

_TABLES: Final = (
    """
    CREATE TABLE repository (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        name TEXT NOT NULL,
        phase TEXT NOT NULL,
        created INTEGER NOT NULL,
        plan_digest TEXT NOT NULL,
        newest_evidence INTEGER NOT NULL
    )
    """,
    "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL)",
    "INSERT INTO counter (id, value) VALUES (1, 0)",
    # forced counts the calls that forced the role, so that settling a publication clears only those it knew of.
    """
    CREATE TABLE role (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        holder INTEGER REFERENCES role (id),
        bin_index INTEGER,
        bin_bits INTEGER,
        version INTEGER NOT NULL DEFAULT 0,
        visible INTEGER NOT NULL DEFAULT 0,
        number INTEGER NOT NULL DEFAULT 0,
        newest INTEGER NOT NULL DEFAULT 0,
        forced INTEGER NOT NULL DEFAULT 0,
        expires INTEGER,
        signed_at INTEGER,
        sign_by INTEGER,
        length INTEGER,
        sha256 TEXT,
        artifacts INTEGER NOT NULL DEFAULT 0,
        payload INTEGER NOT NULL DEFAULT 0,
        CHECK ((holder IS NULL) = (bin_index IS NULL)),
        CHECK (visible <= version),
        CHECK (artifacts >= 0 AND payload >= 0)
    )
    """,
    "CREATE UNIQUE INDEX role_place ON role (holder, bin_index) WHERE holder IS NOT NULL",
    f"CREATE INDEX role_dirty ON role (holder, bin_index, id) WHERE {DIRTY}",
    "CREATE INDEX role_due ON role (sign_by)",
    # Bins are many, and the others are asked for by their kind.
    f"CREATE INDEX role_few ON role (kind) WHERE {FEW}",
    # One row a version of an artifact; an empty fragment says that it is removed. No further index and no reference:
    # a million rows go in at a time.
    """
    CREATE TABLE artifact (
        holder INTEGER NOT NULL,
        slot INTEGER NOT NULL,
        path TEXT NOT NULL,
        number INTEGER NOT NULL,
        fragment BLOB NOT NULL,
        PRIMARY KEY (holder, slot, path, number)
    ) WITHOUT ROWID
    """,
    # Where rows older than this one (and this one, if it is a removal) may go once it is visible.
    """
    CREATE TABLE superseded (
        holder INTEGER NOT NULL,
        slot INTEGER NOT NULL,
        path TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (holder, slot, path, number)
    ) WITHOUT ROWID
    """,
    # Only of paths that are not their own key: most are, and cost nothing here.
    "CREATE TABLE path_key (key TEXT PRIMARY KEY, path TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE key (
        keyid TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL UNIQUE,
        keytype TEXT NOT NULL,
        scheme TEXT NOT NULL,
        public TEXT NOT NULL,
        signer TEXT,
        added INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE periods (
        role TEXT PRIMARY KEY,
        expires_seconds INTEGER NOT NULL,
        renew_before_seconds INTEGER NOT NULL
    )
    """,
    "CREATE TABLE root (version INTEGER PRIMARY KEY, data BLOB NOT NULL, settled INTEGER NOT NULL DEFAULT 0)",
    """
    CREATE TABLE publication (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        phase TEXT NOT NULL,
        number INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        committed INTEGER,
        timestamp_version INTEGER NOT NULL UNIQUE,
        timestamp BLOB
    )
    """,
    f"CREATE UNIQUE INDEX publication_unfinished ON publication ({UNFINISHED}) WHERE {UNFINISHED}",
    """
    CREATE TABLE publication_role (
        publication INTEGER NOT NULL REFERENCES publication (id),
        role INTEGER NOT NULL REFERENCES role (id),
        version INTEGER NOT NULL,
        number INTEGER NOT NULL,
        forced INTEGER NOT NULL,
        length INTEGER,
        sha256 TEXT,
        signed_at INTEGER,
        expires INTEGER,
        sign_by INTEGER,
        PRIMARY KEY (publication, role)
    ) WITHOUT ROWID
    """,
    # The bytes of roles that say who may sign others: of the visible version, and of one that is under way.
    """
    CREATE TABLE delegator (
        role INTEGER NOT NULL REFERENCES role (id),
        version INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (role, version)
    )
    """,
    """
    CREATE TABLE audit (
        sequence INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        details TEXT NOT NULL,
        previous TEXT NOT NULL,
        digest TEXT NOT NULL
    )
    """,
)


def _create(database: Database) -> None:
    for statement in _TABLES:
        database.execute(statement)
    database.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _remember_what_was_shown(database: Database) -> None:
    # The change number of a publication that was given up after clients could see it.
    database.execute("ALTER TABLE role ADD COLUMN shown INTEGER NOT NULL DEFAULT 0")


_EVENT_TABLES: Final = (
    # Metadata that waits for signatures, and what waited before.
    """
    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        phase TEXT NOT NULL,
        opened INTEGER NOT NULL,
        closed INTEGER,
        actor TEXT NOT NULL,
        expires_seconds INTEGER,
        renew_before_seconds INTEGER,
        CHECK ((phase = 'open') = (closed IS NULL)),
        CHECK ((expires_seconds IS NULL) = (renew_before_seconds IS NULL))
    )
    """,
    """
    CREATE TABLE event_part (
        event INTEGER NOT NULL REFERENCES event (id),
        place INTEGER NOT NULL,
        role TEXT NOT NULL,
        version INTEGER NOT NULL,
        signed BLOB NOT NULL,
        file BLOB,
        PRIMARY KEY (event, role)
    )
    """,
    """
    CREATE TABLE event_signature (
        event INTEGER NOT NULL,
        role TEXT NOT NULL,
        keyid TEXT NOT NULL,
        sig TEXT NOT NULL,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        PRIMARY KEY (event, role, keyid),
        FOREIGN KEY (event, role) REFERENCES event_part (event, role)
    )
    """,
    """
    CREATE TABLE rotation (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        old TEXT NOT NULL,
        new TEXT NOT NULL,
        overlap_seconds INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        root_version INTEGER,
        rooted INTEGER,
        ended INTEGER,
        CHECK ((root_version IS NULL) = (rooted IS NULL))
    )
    """,
    # Keys that were said to be lost or leaked. It outlives whatever they signed: a leaked key never comes back.
    """
    CREATE TABLE key_loss (
        keyid TEXT PRIMARY KEY REFERENCES key (keyid),
        loss TEXT NOT NULL,
        at INTEGER NOT NULL
    )
    """,
)


def _collect_signatures(database: Database) -> None:
    for statement in _EVENT_TABLES:
        database.execute(statement)


_RESIZE_TABLES: Final = (
    # A role whose artifacts are to be shared out over another number of bins: changes above `number` are counted in
    # both layouts, those up to it are counted once by looking at all. `publication` is the one that brings it.
    """
    CREATE TABLE resize (
        holder INTEGER PRIMARY KEY REFERENCES role (id),
        bits INTEGER NOT NULL,
        number INTEGER NOT NULL,
        publication INTEGER REFERENCES publication (id)
    )
    """,
    """
    CREATE TABLE resize_bin (
        holder INTEGER NOT NULL REFERENCES resize (holder),
        bin_index INTEGER NOT NULL,
        role INTEGER NOT NULL REFERENCES role (id),
        newest INTEGER NOT NULL DEFAULT 0,
        artifacts INTEGER NOT NULL DEFAULT 0,
        payload INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (holder, bin_index)
    ) WITHOUT ROWID
    """,
)


def _let_layouts_change(database: Database) -> None:
    # A bin that its holder has no more: its name stays in snapshot, and its versions stay used.
    database.execute("ALTER TABLE role ADD COLUMN retired INTEGER NOT NULL DEFAULT 0")
    database.execute("DROP INDEX role_place")
    database.execute(
        "CREATE UNIQUE INDEX role_place ON role (holder, bin_index) WHERE holder IS NOT NULL AND NOT retired"
    )
    for statement in _RESIZE_TABLES:
        database.execute(statement)


_HANDOVER_TABLES: Final = (
    # What becomes of roles once a publication brings another tree of delegations (see `rstuf.state.handovers`).
    """
    CREATE TABLE handover (
        role INTEGER NOT NULL REFERENCES role (id),
        what TEXT NOT NULL,
        number INTEGER NOT NULL,
        publication INTEGER REFERENCES publication (id),
        expires_seconds INTEGER,
        renew_before_seconds INTEGER,
        PRIMARY KEY (role, what)
    ) WITHOUT ROWID
    """,
    # The artifacts that go to another role with it.
    """
    CREATE TABLE move (
        slot INTEGER NOT NULL,
        path TEXT NOT NULL,
        giver INTEGER NOT NULL REFERENCES role (id),
        taker INTEGER NOT NULL REFERENCES role (id),
        PRIMARY KEY (slot, path)
    ) WITHOUT ROWID
    """,
)


def _let_roles_be_delegated(database: Database) -> None:
    database.execute("ALTER TABLE repository ADD COLUMN layout TEXT NOT NULL DEFAULT 'succinct'")
    # Under which number a role's artifacts are kept, where that is another role's (see `rstuf.state.spaces`).
    database.execute("ALTER TABLE role ADD COLUMN space INTEGER")
    database.execute(
        "CREATE UNIQUE INDEX role_space ON role (coalesce(space, id)) WHERE kind IN ('targets', 'delegated')"
    )
    # Roles that say who may sign others are read by every command, those that only hold artifacts are not.
    database.execute("ALTER TABLE delegator ADD COLUMN delegates INTEGER NOT NULL DEFAULT 1")
    # The change number up to which a role's artifacts are in what is signed.
    database.execute("ALTER TABLE event_part ADD COLUMN number INTEGER NOT NULL DEFAULT 0")
    for statement in _HANDOVER_TABLES:
        database.execute(statement)


_SUPERSEDED_TABLES: Final = (
    # Metadata files that no release reaches any more: `since` when, and by which publication, counted among all that
    # were settled. Both are missing until another one is. Of what was given up before it was whole no facts are known.
    """
    CREATE TABLE superseded_file (
        role INTEGER NOT NULL REFERENCES role (id),
        version INTEGER NOT NULL,
        length INTEGER,
        sha256 TEXT,
        since INTEGER,
        place INTEGER,
        PRIMARY KEY (role, version),
        CHECK ((since IS NULL) = (place IS NULL)),
        CHECK ((length IS NULL) = (sha256 IS NULL))
    ) WITHOUT ROWID
    """,
    "CREATE INDEX superseded_since ON superseded_file (since, role, version)",
    # How long they stay, and how many publications were settled since they are noted.
    """
    CREATE TABLE retention (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        publications INTEGER NOT NULL,
        days INTEGER NOT NULL,
        settled INTEGER NOT NULL
    )
    """,
    "INSERT INTO retention (id, publications, days, settled) VALUES (1, 5, 30, 0)",
)


def _note_what_is_superseded(database: Database) -> None:
    for statement in _SUPERSEDED_TABLES:
        database.execute(statement)


# Step n brings format n - 1 to format n.
STEPS: Final[tuple[Callable[[Database], None], ...]] = (
    _create,
    _remember_what_was_shown,
    _collect_signatures,
    _let_layouts_change,
    _let_roles_be_delegated,
    _note_what_is_superseded,
    overlook_unseen_letters,
)
FORMAT: Final = len(STEPS)


def format_of(connection: sqlite3.Connection, path: Path) -> int:
    """The format number of a database, if it is one of ours that this rstuf knows.

    Raises:
        StateDamaged: it is another program's, or none.
        StateNewer: a newer rstuf wrote it.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise StateDamaged(str(path), "it is not a state of rstuf")
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise StateNewer(str(path), found=found, known=FORMAT)
    if found < 1:
        raise StateDamaged(str(path), f"it has the impossible format {found}")
    return found


def check_readable(connection: sqlite3.Connection, path: Path) -> None:
    """That a database can be read as it is.

    Raises:
        StateDamaged, StateNewer: see `format_of`.
        StateError: an older rstuf wrote it, and nobody brought it up to date.
    """
    found = format_of(connection, path)
    if found < FORMAT:
        raise StateError(
            f"the state {path} has format {found} and this rstuf reads format {FORMAT}",
            hint="run it where the state can be written, so that it is brought up to date",
        )


def migrate(connection: sqlite3.Connection, *, found: int) -> None:
    """Bring a database from format `found` (0: empty) to ours, each step in a transaction of its own."""
    # Only here and for the small tables is sqlite-utils needed, and it takes a fifth of a second to import.
    from sqlite_utils import Database

    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    for step in range(found, FORMAT):
        connection.execute("BEGIN IMMEDIATE")
        try:
            STEPS[step](database)
            connection.execute(f"PRAGMA user_version={step + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
