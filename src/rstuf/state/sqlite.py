"""The state in one SQLite database: write-ahead log, every commit durable, one writer over all processes."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rstuf.durable import DIRECTORY, NEW_FILE, SECRET_FILE, flush_directory, storage_error
from rstuf.errors import Locked, RstufError, StateDamaged, StorageError, WorkspaceExists
from rstuf.locks import PUBLISH_LOCK, WRITE_LOCK, FileLock, OnWait
from rstuf.repository.interfaces import RowSpool, StateReader, StateTransaction
from rstuf.state.beside import refuse_mixture
from rstuf.state.connections import SIDE_FILES, connect_once, connect_writer, has_side_files, translated
from rstuf.state.readers import Readers
from rstuf.state.schema import FORMAT, format_of, migrate

if TYPE_CHECKING:
    from rstuf.repository.interfaces import StateStore


class SqliteStateStore:
    """`StateStore` in one file, with its locks beside it. May be shared by threads."""

    def __init__(self, path: Path, *, wait: timedelta, purpose: str, on_wait: OnWait | None = None) -> None:
        """Use `create` or `open`."""
        self._path = path
        self._wait = wait
        self._purpose = purpose
        self._write_lock = FileLock(path.parent / WRITE_LOCK, label="write", on_wait=on_wait)
        self._publish_lock = FileLock(path.parent / PUBLISH_LOCK, label="publication", on_wait=on_wait)
        self._readers = Readers(path)
        self._writer: sqlite3.Connection | None = None
        self._writer_file: tuple[int, int] | None = None
        self._holding = threading.local()

    @classmethod
    def create(cls, path: Path, *, wait: timedelta, purpose: str, on_wait: OnWait | None = None) -> Self:
        """A new, empty state, readable by its owner alone; durable, name included, on return.

        Args:
            path: of the database; its directory exists.
            wait: how long to wait for locks.
            purpose: what a lock says of its holder ("rstuf artifact add").
            on_wait: told for whom it waits; see `FileLock`.

        Raises:
            WorkspaceExists: there is something at `path`.
            StorageError: it cannot be written.
            Locked: another process writes in this directory.
        """
        store = cls(path, wait=wait, purpose=purpose, on_wait=on_wait)
        with store._write_lock.hold(wait=wait, purpose=purpose):
            if os.path.lexists(path):
                raise WorkspaceExists(str(path.parent), path.name)
            _build(path)
        return store

    @classmethod
    def open(cls, path: Path, *, wait: timedelta, purpose: str, on_wait: OnWait | None = None) -> Self:
        """The state at `path`, brought up to date where an older rstuf wrote it; for the arguments see `create`.

        Raises:
            StateDamaged: there is none, it is not one of ours, or it is malformed.
            StateNewer: a newer rstuf wrote it.
            StorageError: it cannot be read.
        """
        with translated(path, action="read"), closing(connect_once(path)) as connection:
            found = format_of(connection, path)
        store = cls(path, wait=wait, purpose=purpose, on_wait=on_wait)
        if found < FORMAT:
            # Whatever was asked for: no command could read it before.
            with store.transaction(actor=purpose):
                pass
        return store

    @contextmanager
    def read(self) -> Iterator[StateReader]:
        """See `StateStore.read`. The view ends with the block, iterators from it too."""
        with translated(self._path, action="read"), self._readers.view() as reader:
            yield reader

    @contextmanager
    def transaction(self, *, actor: str) -> Iterator[StateTransaction]:
        """See `StateStore.transaction`. Not inside another one of the same thread."""
        # Whoever only reads does not wait for this.
        from rstuf.state.transaction import SqliteTransaction

        if self._held("write"):
            raise RuntimeError("a transaction inside a transaction")
        with translated(self._path, action="write"):
            self._readers.refuse_writing()
        with (
            self._write_lock.hold(wait=self._wait, purpose=self._purpose),
            self._marked("write"),
            translated(self._path, action="write"),
        ):
            connection = self._begin()
            transaction = SqliteTransaction(connection, self._path, actor=actor)
            try:
                yield transaction
                connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(connection, error)
                raise
            finally:
                transaction.end()

    @contextmanager
    def publication_lock(self, *, purpose: str) -> Iterator[None]:
        """See `StateStore.publication_lock`. Transactions go inside it, never around it."""
        if self._held("write") or self._held("publication"):
            raise RuntimeError("the publication lock comes first, and once")
        with self._publish_lock.hold(wait=self._wait, purpose=purpose), self._marked("publication"):
            yield

    def publisher(self) -> str | None:
        """See `StateStore.publisher`."""
        return self._publish_lock.held_by()

    @contextmanager
    def spool(self) -> Iterator[RowSpool]:
        """See `StateStore.spool`."""
        from rstuf.state.spool import FileSpool

        spool = FileSpool(self._path.parent)
        try:
            yield spool
        finally:
            spool.close()

    def let_go(self) -> None:
        """Let go of what only read, and leave what lies beside the database as it is."""
        self._readers.close()

    def close(self) -> None:
        """Let go of all connections; the store opens new ones when they are needed again.

        Raises:
            RuntimeError: this thread is in a transaction.
            Locked: another thread is, for longer than the store waits.
        """
        if self._held("write"):
            raise RuntimeError("the store is closed inside a transaction")
        self._readers.close()
        with self._write_lock.among_threads(wait=self._wait):
            if self._writer is None:
                self._tidy()
                return
            # Closing the last connection checkpoints, so it wants the lock. When another process has that, it has
            # the database open too: then SQLite makes no checkpoint, and the connection can go without.
            with suppress(Locked, StorageError), self._write_lock.in_file(wait=timedelta(0), purpose=self._purpose):
                self._drop_writer()
            self._drop_writer()

    def _tidy(self) -> None:
        """Take away what readers leave beside the database: only a writer that is the last one may, and does."""
        if not has_side_files(self._path):
            return
        with suppress(RstufError, sqlite3.Error), self._write_lock.in_file(wait=timedelta(0), purpose=self._purpose):
            refuse_mixture(self._path)
            connect_writer(self._path).close()

    def _begin(self) -> sqlite3.Connection:
        connection = self._open_writer()
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # An iterator that outlived its block keeps the connection's view old; only a new connection gets rid of it.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY_SNAPSHOT:
                raise
            self._drop_writer()
            connection = self._open_writer()
            connection.execute("BEGIN IMMEDIATE")
        try:
            found = format_of(connection, self._path)
            if found < FORMAT:
                connection.execute("ROLLBACK")
                migrate(connection, found=found)
                connection.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self._roll_back(connection, error)
            raise
        return connection

    def _open_writer(self) -> sqlite3.Connection:
        there = self._identity()
        if self._writer is not None and there != self._writer_file:
            # Another file has this name now: a backup was put in its place.
            self._drop_writer()
        if self._writer is None:
            refuse_mixture(self._path)
            self._writer = connect_writer(self._path)
            self._writer_file = there
        return self._writer

    def _identity(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise StateDamaged(str(self._path), error.strerror or "it cannot be looked at") from error
        return found.st_dev, found.st_ino

    def _roll_back(self, connection: sqlite3.Connection, error: BaseException) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_writer()
        if isinstance(error, sqlite3.Error):
            # After a failed write or fsync nothing is taken from what this connection still holds in memory.
            self._drop_writer()

    def _drop_writer(self) -> None:
        connection, self._writer, self._writer_file = self._writer, None, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _held(self, lock: str) -> bool:
        return getattr(self._holding, lock, False)

    @contextmanager
    def _marked(self, lock: str) -> Iterator[None]:
        setattr(self._holding, lock, True)
        try:
            yield
        finally:
            setattr(self._holding, lock, False)


def _build(path: Path) -> None:
    """Make the database under another name and give it its own when it is whole and durable."""
    draft = path.with_name(f".{path.name}.new")
    try:
        _discard(draft)
        # SQLite gives its own files beside it the mode that this one has.
        os.close(os.open(draft, NEW_FILE, SECRET_FILE))
        with translated(path, action="create"), closing(connect_writer(draft)) as connection:
            migrate(connection, found=0)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        # Nobody else makes one here: the write lock is held.
        draft.rename(path)
        _make_names_durable(path.parent)
    except OSError as error:
        raise storage_error("create", str(path), error) from error


def _discard(draft: Path) -> None:
    for suffix in ("", *SIDE_FILES):
        Path(f"{draft}{suffix}").unlink(missing_ok=True)


def _make_names_durable(directory: Path) -> None:
    descriptor = os.open(directory, DIRECTORY)
    try:
        flush_directory(descriptor)
    finally:
        os.close(descriptor)


if TYPE_CHECKING:
    _checked: type[StateStore] = SqliteStateStore
