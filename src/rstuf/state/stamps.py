"""The stamps of hashed files in a small database beside the state.

It is a cache: a row says what was true once of one file, so losing rows, or all of them, costs time and nothing else.
Whatever is wrong with it is answered by doing without it.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Final

from rstuf.durable import NEW_FILE, SECRET_FILE
from rstuf.model.names import TargetPath
from rstuf.model.stamps import Stamp
from rstuf.repository.interfaces import KnownStamps, StampNotes

# One more whenever what a row means changes: what another format says is forgotten.
_FORMAT: Final = 1
_TABLE: Final = """
    CREATE TABLE stamp (
        path TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        sha256 BLOB NOT NULL
    ) WITHOUT ROWID
"""
_FIND: Final = "SELECT sha256 FROM stamp WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?"
_KEEP: Final = "INSERT OR REPLACE INTO stamp (path, size, mtime_ns, ctime_ns, inode, sha256) VALUES (?, ?, ?, ?, ?, ?)"
_NOTE: Final = struct.Struct("<Hqqqq32s")
_IN_MEMORY: Final = 1 << 20
_TOGETHER: Final = 1000
_WAIT_SECONDS: Final = 5.0
_SIGNED: Final = 1 << 63

_Row = tuple[str, int, int, int, int, bytes]


class SqliteStamps:
    """`Stamps` in one file, which is made when there is something to remember."""

    def __init__(self, path: Path) -> None:
        """The stamps in the database at `path`."""
        self._path = path

    @contextmanager
    def known(self) -> Iterator[KnownStamps]:
        """See `Stamps.known`."""
        connection = self._reader()
        try:
            yield _Known(connection)
        finally:
            if connection is not None:
                connection.close()

    @contextmanager
    def notes(self) -> Iterator[StampNotes]:
        """See `Stamps.notes`."""
        with tempfile.SpooledTemporaryFile(
            max_size=_IN_MEMORY, dir=str(self._path.parent), prefix=".stamps-"
        ) as scratch:
            yield _Notes(scratch, self._path)

    def _reader(self) -> sqlite3.Connection | None:
        if not self._path.is_file():
            return None
        try:
            connection = _connected(self._path)
        except sqlite3.Error:
            return None
        try:
            connection.execute("PRAGMA query_only=ON")
            if connection.execute("PRAGMA user_version").fetchone()[0] == _FORMAT:
                return connection
        except sqlite3.Error:
            pass
        connection.close()
        return None


class _Known:
    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def sha256(self, path: TargetPath, stamp: Stamp) -> str | None:
        if self._connection is None:
            return None
        try:
            row = self._connection.execute(_FIND, (path, *_numbers(stamp))).fetchone()
        except sqlite3.Error:
            self._connection = None
            return None
        return row[0].hex() if row is not None and isinstance(row[0], bytes) else None


class _Notes:
    def __init__(self, scratch: IO[bytes], path: Path) -> None:
        self._scratch, self._path = scratch, path
        self._count = 0

    def note(self, path: TargetPath, stamp: Stamp, sha256: str) -> None:
        name = path.encode()
        # Where the scratch file finds no room any more, less is remembered.
        with suppress(OSError):
            self._scratch.write(_NOTE.pack(len(name), *_numbers(stamp), bytes.fromhex(sha256)) + name)
            self._count += 1

    def keep(self, *, forget: Iterable[TargetPath] = ()) -> None:
        gone = iter(forget)
        first = next(gone, None)
        if not self._count and (first is None or not self._path.exists()):
            return
        try:
            self._write(first, gone)
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):
                # It is no database, or a damaged one: the next command begins a new one.
                with suppress(OSError):
                    self._path.unlink()
        except OSError:
            return

    def _write(self, first: TargetPath | None, gone: Iterator[TargetPath]) -> None:
        with suppress(FileExistsError):
            os.close(os.open(self._path, NEW_FILE, SECRET_FILE))
        with closing(_connected(self._path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
                connection.execute("DROP TABLE IF EXISTS stamp")
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA user_version={_FORMAT}")
            if first is not None:
                connection.execute("DELETE FROM stamp WHERE path = ?", (first,))
                connection.executemany("DELETE FROM stamp WHERE path = ?", ((path,) for path in gone))
            self._scratch.seek(0)
            noted = self._noted()
            while some := list(islice(noted, _TOGETHER)):
                connection.executemany(_KEEP, some)
            connection.execute("COMMIT")

    def _noted(self) -> Iterator[_Row]:
        for _ in range(self._count):
            head = self._scratch.read(_NOTE.size)
            if len(head) < _NOTE.size:
                return
            length, size, mtime_ns, ctime_ns, inode, digest = _NOTE.unpack(head)
            yield self._scratch.read(length).decode(), size, mtime_ns, ctime_ns, inode, digest


def _connected(path: Path) -> sqlite3.Connection:
    # Never made by SQLite, which would let others read it.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA trusted_schema=OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _numbers(stamp: Stamp) -> tuple[int, int, int, int]:
    """The stamp as whole numbers that a database holds: numbers of files may have 64 bits."""
    inode = stamp.inode if stamp.inode < _SIGNED else stamp.inode - 2 * _SIGNED
    return stamp.size, stamp.mtime_ns, stamp.ctime_ns, inode
