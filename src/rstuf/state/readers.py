"""Readers kept for the next look: opening a connection costs more than most of what is asked of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rstuf.state.connections import Alone, begin_view, connect_reader, sees_commits
from rstuf.state.reader import SqliteReader
from rstuf.state.schema import check_readable

_KEPT: Final = 4


class Readers:
    """Read-only connections to one database, each used by one view at a time. May be shared by threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._alone: dict[int, Alone] = {}
        self._idle: list[tuple[tuple[int, int], sqlite3.Connection]] = []

    @contextmanager
    def view(self) -> Iterator[SqliteReader]:
        """One consistent view that begins now; it ends with the block, iterators from it too.

        Raises:
            StateDamaged, StateNewer: the database is none of ours, or a newer rstuf's.
            sqlite3.Error: as SQLite says.
        """
        connection, identity = self._take()
        reader = SqliteReader(connection, self._path)
        if isinstance(connection, Alone):
            self._alone[id(connection)] = connection
        try:
            check_readable(connection, self._path)
            yield reader
        except BaseException:
            connection.close()
            raise
        finally:
            settled = reader.end()
            self._alone.pop(id(connection), None)
        # An iterator that is still held keeps its view open, and would keep the next one old.
        if settled and identity is not None and len(self._idle) < _KEPT:
            connection.execute("ROLLBACK")
            self._idle.append((identity, connection))
        else:
            connection.close()

    def refuse_writing(self) -> None:
        """
        Raises:
            sqlite3.Error: why a view that is open keeps writers out: whoever would write inside it would wait for it.
        """
        reason = next((each.reason for each in self._alone.values()), None)
        if reason is not None:
            raise reason

    def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            with suppress(IndexError, sqlite3.Error):
                self._idle.pop()[1].close()

    def _take(self) -> tuple[sqlite3.Connection, tuple[int, int] | None]:
        identity = self._identity()
        while self._idle:
            try:
                known, connection = self._idle.pop()
            except IndexError:
                break
            # Another file may have this name now: a backup that was put in its place.
            if known == identity:
                begin_view(connection)
                return connection, identity
            connection.close()
        connection = connect_reader(self._path)
        return connection, identity if sees_commits(connection) else None

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
