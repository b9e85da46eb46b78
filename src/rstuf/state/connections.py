"""Connections to a state database: how they are opened, and what their errors mean.

Two kinds, and no other code opens the file (closing any descriptor of it would drop SQLite's own locks):

- a **reader** is opened read-only, so it never checkpoints and never waits for a writer. Where there is no room, or no
  permission, for what readers and writers share, it keeps writers out instead, for as long as it reads;
- the **writer** is only used under `write.lock`. SQLite 3.7.0 to 3.51.2 can damage a WAL database when two connections
  write or checkpoint at once. Its commits checkpoint under the lock; closing it checkpoints only after SQLite has taken
  the file's exclusive lock, which it does not get while any other connection is open.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from rstuf.durable import there
from rstuf.errors import Locked, RstufError, StateDamaged, StateError, StateSettings, StorageError
from rstuf.locks import WRITE_LOCK, keep_out

C = TypeVar("C", bound=sqlite3.Connection)

BUSY_SECONDS: Final = 30.0
SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_CACHE_KIB: Final = 16 * 1024
_WAL_KEPT_BYTES: Final = 16 * 1024 * 1024

# What a writer must run with, as SQLite reports it (https://www.sqlite.org/pragma.html).
WRITER_SETTINGS: Final = (
    ("journal_mode", "wal"),
    ("synchronous", "2"),
    ("foreign_keys", "1"),
    ("mmap_size", "0"),
    ("temp_store", "1"),
)
_UNREADABLE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}
# Why readers cannot have what they share with writers: their directory, or no room (two of SQLite's finer codes).
_CANNOT_SHARE: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_NO_ROOM_TO_SHARE: Final = {sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN}
_AGAIN: Final = "then run the same command again"
# What is wrong, and what to do about it.
_REASONS: Final = {
    sqlite3.SQLITE_FULL: ("no space left on the disk", f"make room, {_AGAIN}"),
    sqlite3.SQLITE_READONLY: ("it is read-only", f"look at who owns it and how its disk is mounted, {_AGAIN}"),
    sqlite3.SQLITE_CANTOPEN: ("it or its directory cannot be opened", f"look at who owns them, {_AGAIN}"),
    sqlite3.SQLITE_PERM: ("permission denied", f"look at who owns it, {_AGAIN}"),
    sqlite3.SQLITE_IOERR: (
        "the system failed to read or write it",
        f"see to the disk, its quota and the limit on file sizes (ulimit -f), {_AGAIN}",
    ),
    sqlite3.SQLITE_PROTOCOL: ("its file locks do not work", "keep the workspace on a local disk"),
    sqlite3.SQLITE_NOMEM: ("memory ran out", None),
    sqlite3.SQLITE_TOOBIG: ("a value is too large", None),
}
# Finer than its code for input and output (https://www.sqlite.org/rescode.html).
_FAILED_ACTS: Final = {
    sqlite3.SQLITE_IOERR_WRITE: "the system failed to write to it",
    sqlite3.SQLITE_IOERR_FSYNC: "the system failed to make it durable",
    sqlite3.SQLITE_IOERR_READ: "the system failed to read it",
    sqlite3.SQLITE_IOERR_SHMSIZE: "there is no room for the -shm file beside it",
    sqlite3.SQLITE_IOERR_SHMOPEN: "the system failed to open the -shm file beside it",
}


def connect_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection, with one consistent view that begins now.

    Raises:
        StateDamaged: there is no such file.
        sqlite3.Error: as SQLite says; see `translated`.
    """
    _check_there(path)
    try:
        return _begin_reading(f"{_uri(path)}?mode=ro", kind=sqlite3.Connection)
    except sqlite3.OperationalError as error:
        # In a directory that cannot be written, or on a full disk, SQLite can't make the files that WAL readers share.
        alone = _read_alone(path) if _primary(error) in _CANNOT_SHARE or _fine(error) in _NO_ROOM_TO_SHARE else None
        if alone is None:
            raise
        alone.reason = error
        return alone


class Alone(sqlite3.Connection):
    """Reads a database as if it never changed, and keeps writers out so that it does not.

    Attributes:
        reason: why it could not be read as usual.
    """

    guard: int | None = None
    reason: sqlite3.Error | None = None

    def close(self) -> None:
        super().close()
        guard, self.guard = self.guard, None
        if guard is not None:
            os.close(guard)


def _read_alone(path: Path) -> Alone | None:
    """A view of the database alone, without what readers and writers share; None where that could be torn.

    Without a write-ahead log beside it the database is the whole truth, and nobody begins to write it while the write
    lock is kept. Whoever was writing it before has made what is shared.
    """
    try:
        guard = keep_out(path.parent / WRITE_LOCK)
    except OSError:
        return None
    try:
        found = None if _has_log(path) else _begin_reading(f"{_uri(path)}?mode=ro&immutable=1", kind=Alone)
    except BaseException:
        _let_go(guard)
        raise
    if found is None:
        _let_go(guard)
    else:
        found.guard = guard
    return found


def _let_go(guard: int | None) -> None:
    if guard is not None:
        os.close(guard)


def connect_once(path: Path) -> sqlite3.Connection:
    """A connection for one look at a database that may turn out not to be ours; it leaves nothing beside it.

    Raises:
        StateDamaged: there is no such file.
        sqlite3.Error: as SQLite says; see `translated`.
    """
    _check_there(path)
    if has_side_files(path):
        return connect_reader(path)
    try:
        return _begin_reading(f"{_uri(path)}?mode=ro&immutable=1", kind=sqlite3.Connection)
    except sqlite3.DatabaseError:
        # Without locks a writer that began just now can make a sound database look torn.
        if not has_side_files(path):
            raise
        return connect_reader(path)


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that writes durably; only under the write lock.

    Raises:
        StateDamaged: there is no such file.
        StateSettings: the settings that survive a power cut are not in force.
        sqlite3.Error: as SQLite says; see `translated`.
    """
    _check_there(path)
    connection = sqlite3.connect(
        f"{_uri(path)}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
    )
    try:
        for name, value in WRITER_SETTINGS:
            connection.execute(f"PRAGMA {name}={value}")
        connection.execute("PRAGMA fullfsync=ON")  # macOS: F_FULLFSYNC; elsewhere without effect
        connection.execute("PRAGMA checkpoint_fullfsync=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
        check_settings(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def check_settings(connection: sqlite3.Connection, path: Path) -> None:
    """That what SQLite really runs with is what keeps acknowledged work through a power cut.

    Raises:
        StateSettings: it isn't.
    """
    for name, wanted in WRITER_SETTINGS:
        row = connection.execute(f"PRAGMA {name}").fetchone()
        # A SQLite that was built without a feature answers nothing where it is asked about it.
        found = str(row[0]).lower() if row is not None else "0"
        if found != wanted:
            raise StateSettings(str(path), name, found=found, wanted=wanted)


@contextmanager
def translated(path: Path, *, action: str) -> Iterator[None]:
    """Turn SQLite's errors in the block into ours; `action` is what was being done ("read", "write").

    Raises:
        StateDamaged: the database is none, is not ours, or is malformed.
        StorageError: the disk is full, read-only or failing.
        Locked: a foreign program holds the database.
        StateError: a rule of the schema refused a change.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        raise _fault(error, path, action) from error


def _fault(error: sqlite3.DatabaseError, path: Path, action: str) -> RstufError:
    code = _primary(error)
    if isinstance(error, sqlite3.IntegrityError):
        return StateError(f"the state {path} refuses this change: {error}", hint="nothing was changed")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Locked("database", holder=None, waited=BUSY_SECONDS)
    if code in _REASONS:
        reason, hint = _REASONS[code]
        reason = _FAILED_ACTS.get(_fine(error), reason)
        if _fine(error) in _NO_ROOM_TO_SHARE:
            hint = f"make room on its disk, in its quota or under the limit on file sizes (ulimit -f), {_AGAIN}"
        return StorageError(action, str(path), reason, hint=hint)
    if code is None or code in _UNREADABLE:
        return StateDamaged(str(path), str(error))
    return StorageError(action, str(path), str(error))


def is_malformed(error: sqlite3.Error) -> bool:
    """Whether an error says that the database itself is damaged, and not that it cannot be had just now."""
    code = _primary(error)
    return code is None or code in _UNREADABLE


def _primary(error: sqlite3.Error) -> int | None:
    # The low byte; the rest refines it (https://www.sqlite.org/rescode.html). Python's own errors carry none.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _fine(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", None) or 0


def begin_view(connection: sqlite3.Connection) -> None:
    """Begin one consistent view on a reader."""
    connection.execute("BEGIN")
    # BEGIN alone sees nothing yet; the first read fixes what is seen.
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def sees_commits(connection: sqlite3.Connection) -> bool:
    """Whether a reader's next view will hold what is committed from now on; not where the file is taken as fixed."""
    found: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return found == "wal"


def _begin_reading(uri: str, *, kind: type[C]) -> C:
    # A view is used by one thread, the next one perhaps by another.
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False, factory=kind
    )
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA mmap_size=0")
        connection.execute("PRAGMA temp_store=FILE")
        begin_view(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_there(path: Path) -> None:
    if there(path) is None:
        hint = "put a backup of the state in its place; where there is none, rstuf recover state makes it anew"
        raise StateDamaged(str(path), "it does not exist", hint=hint)


def _uri(path: Path) -> str:
    return path.absolute().as_uri()


def has_side_files(path: Path) -> bool:
    """Whether SQLite's own files are beside the database: somebody has it open, or left it in a hurry."""
    return any(there(Path(f"{path}{suffix}")) is not None for suffix in SIDE_FILES)


def _has_log(path: Path) -> bool:
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except OSError:
        return False
