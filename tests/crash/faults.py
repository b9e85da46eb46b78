"""Defects that are put into a running rstuf on purpose, to show that these tests see them.

Each is a mistake that a publisher of this kind has really shipped, or easily could. It is patched into the zygote,
never into the source. A defect that no suite notices fails the run.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tests.crash import defects
from tests.crash.patching import replace_everywhere, replace_method


def shift_clock(seconds: float) -> None:
    """Set rstuf's clock ahead by `seconds`."""
    from rstuf.clock import SystemClock

    real, shift = SystemClock.now, timedelta(seconds=seconds)
    SystemClock.now = lambda self: real(self) + shift  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Fault:
    """A defect.

    Attributes:
        about: what it is.
        apply: the function that patches it into this process.
        tried: the suite and the operation by which it is to be noticed.
        near: points whose description holds this are tried first.
        mend: if given, a program without the defect looks after the trouble, once this has been done to the state.
    """

    about: str
    apply: Callable[[], None]
    tried: tuple[str, str]
    near: str = ""
    mend: Callable[[Path], None] | None = None


# --- durability ------------------------------------------------------------------------------------------


def _no_file_flush() -> None:
    from rstuf import durable

    real = durable.flush

    def flush(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            real(descriptor)

    replace_everywhere(real, flush)


def _no_directory_flush() -> None:
    from rstuf import durable

    replace_everywhere(durable.flush_directory, lambda descriptor: None)


def _flush_errors_ignored() -> None:
    from rstuf import durable

    real = durable.flush

    def flush(descriptor: int) -> None:
        try:
            real(descriptor)
        except OSError:
            return

    replace_everywhere(real, flush)


def _settings(**changed: str) -> None:
    from rstuf.state import connections

    replace_everywhere(
        connections.WRITER_SETTINGS,
        tuple((name, changed.get(name, value)) for name, value in connections.WRITER_SETTINGS),
    )


def _journal_delete() -> None:
    from rstuf.state import stamps
    from rstuf.state.sqlite import SqliteStateStore

    # Its journal is made in the same directory afterwards, whose flush would hide by chance what is lost.
    stamps._Notes.keep = lambda *_args, **_options: None  # type: ignore[method-assign]
    _settings(journal_mode="delete")
    open_writer = SqliteStateStore._open_writer

    def opened(self: SqliteStateStore) -> Any:
        self._readers.close()  # which would keep the database in its mode
        return open_writer(self)

    SqliteStateStore._open_writer = opened  # type: ignore[method-assign]


def _back_to_wal(state: Path) -> None:
    """What any opening does, with a journal that is left too; and the mode that a sound rstuf finds."""
    with contextlib.closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


# --- order -----------------------------------------------------------------------------------------------


def _timestamp_first() -> None:
    from rstuf.repository import release
    from rstuf.storage.filesystem import FilesystemMetadataStorage as Storage

    late: list[tuple[str, bytes]] = []
    batch, replace = Storage.batch, Storage.replace

    class Late:
        def create(self, name: str, data: bytes) -> None:
            late.append((name, data))

        def commit(self) -> None:
            return

    @contextmanager
    def deferred(self: Storage) -> Iterator[Any]:
        yield Late()

    def replaced(self: Storage, name: str, data: bytes) -> None:
        replace(self, name, data)
        with batch(self) as files:
            for each, content in late:
                files.create(each, content)
            files.commit()
        late.clear()

    write = release._write

    def writing(*args: Any) -> Any:
        Storage.batch = deferred  # type: ignore[method-assign]
        try:
            return write(*args)
        finally:
            Storage.batch = batch  # type: ignore[method-assign]

    replace_everywhere(write, writing)
    replace_everywhere(release._check, lambda *args: None)
    Storage.replace = replaced  # type: ignore[method-assign]


def _timestamp_in_place() -> None:
    from rstuf.storage.filesystem import FilesystemMetadataStorage as Storage

    def replace(self: Storage, name: str, data: bytes) -> None:
        with (self._directory / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    replace_method(Storage, "replace", replace)


def _timestamp_before_state() -> None:
    from rstuf.repository import release
    from rstuf.repository.visible import TIMESTAMP_FILE

    commit = release._commit

    def committed(ports: Any, a_release: Any, written: Any) -> Any:
        ports.metadata.replace(TIMESTAMP_FILE, written.timestamp)
        return commit(ports, a_release, written)

    replace_everywhere(commit, committed)


def _settled_early() -> None:
    from rstuf.repository import release
    from rstuf.storage.filesystem import FilesystemMetadataStorage as Storage

    replace, settle = Storage.replace, release.settle
    waiting: list[Callable[[], None]] = []

    def settled(*args: Any, **options: Any) -> None:
        settle(*args, **options)
        while waiting:
            waiting.pop()()

    Storage.replace = lambda self, name, data: waiting.append(functools.partial(replace, self, name, data))  # type: ignore[method-assign]
    replace_everywhere(settle, settled)


def _root_before_state() -> None:
    from rstuf.metadata.views import open_envelope
    from rstuf.repository import roots

    commit = roots.commit_root

    def committed(ports: Any, data: bytes, **options: Any) -> int:
        version = open_envelope(data, name="root", kind="root").version
        with ports.metadata.batch() as batch:
            batch.create(f"{version}.root.json", data)
            batch.commit()
        return commit(ports, data, **options)

    replace_everywhere(commit, committed)


def _acknowledged_early() -> None:
    from rstuf_cli import changes

    change = changes.accept_and_publish

    def changed(*args: Any, **options: Any) -> None:
        os.write(1, b'{"added": 3}\n')
        change(*args, **options)

    replace_everywhere(change, changed)


def _recorded_before_contents() -> None:
    from rstuf.repository.intake import Intake
    from rstuf.storage.filesystem import _ArtifactBatch

    commit, accept = _ArtifactBatch.commit, Intake.accept
    waiting: list[Any] = []

    def accepted(self: Any, action: str, **options: Any) -> Any:
        change = accept(self, action, **options)
        while waiting:
            commit(waiting.pop())
        return change

    def committed(self: _ArtifactBatch, *_: object) -> None:
        waiting.append(self)

    _ArtifactBatch.commit = committed  # type: ignore[method-assign]
    Intake.accept = accepted  # type: ignore[method-assign]


def _notes_before_files() -> None:
    from rstuf.repository import prune
    from rstuf.storage.filesystem import FilesystemMetadataStorage as Storage

    discard, prune_some = Storage.discard, prune.prune_some
    waiting: list[Callable[[], None]] = []

    def pruned(*args: Any, **options: Any) -> Any:
        report = prune_some(*args, **options)
        while waiting:
            waiting.pop()()
        return report

    Storage.discard = lambda self, names: waiting.append(functools.partial(discard, self, [*names]))  # type: ignore[method-assign]
    replace_everywhere(prune_some, pruned)


# --- recovery --------------------------------------------------------------------------------------------


def _no_recovery() -> None:
    from rstuf.repository.recovery import recover
    from rstuf.repository.reports import Recovery

    replace_everywhere(recover, lambda ports: Recovery.NOTHING)


def _version_reused() -> None:
    from rstuf.state.transaction import SqliteTransaction

    abandon = SqliteTransaction.abandon_publication

    def abandoned(self: Any, publication: int, **carried: Any) -> None:
        abandon(self, publication, **carried)
        taken = "SELECT role FROM publication_role WHERE publication = ?"
        self._connection.execute(f"UPDATE role SET version = version - 1 WHERE id IN ({taken})", (publication,))

    SqliteTransaction.abandon_publication = abandoned  # type: ignore[method-assign]


def _unexplained_errors() -> None:
    from rstuf_cli import app

    def raised(console: Any, error: BaseException, run: Any = None) -> int:
        raise error

    replace_everywhere(app._tell, raised)


FAULTS: Final[dict[str, Fault]] = {
    "no-file-flush": Fault("contents of published files are not flushed", _no_file_flush, ("power", "add")),
    "no-directory-flush": Fault("directories are not flushed", _no_directory_flush, ("power", "add")),
    "synchronous-normal": Fault(
        "SQLite runs with WAL and synchronous=NORMAL", lambda: _settings(synchronous="1"), ("power", "add")
    ),
    "journal-delete": Fault(
        "SQLite runs with a rollback journal and synchronous=FULL",
        _journal_delete,
        ("power", "add --no-publish"),
        mend=_back_to_wal,
    ),
    "flush-errors-ignored": Fault("a failed flush is ignored", _flush_errors_ignored, ("errors", "add"), near="fsync"),
    "timestamp-first": Fault("timestamp is replaced before bins and snapshot exist", _timestamp_first, ("kill", "add")),
    "timestamp-in-place": Fault(
        "timestamp is written in its place", _timestamp_in_place, ("kill", "add"), near="metadata/timestamp.json"
    ),
    "timestamp-before-state": Fault(
        "timestamp is replaced before the state knows its bytes", _timestamp_before_state, ("kill", "add")
    ),
    "settled-early": Fault("the state calls published what no client sees yet", _settled_early, ("kill", "add")),
    "root-before-state": Fault(
        "root is visible before the state knows its bytes", _root_before_state, ("kill", "ceremony"), near="root.json"
    ),
    "acknowledged-early": Fault(
        "the result is printed before it is in the state", _acknowledged_early, ("kill", "add --no-publish")
    ),
    "recorded-before-contents": Fault(
        "artifacts are in the state before their contents are stored", _recorded_before_contents, ("kill", "add")
    ),
    "notes-before-files": Fault(
        "files that may go are forgotten before they are removed", _notes_before_files, ("kill", "prune")
    ),
    "no-recovery": Fault("what an interrupted publication left is not looked after", _no_recovery, ("kill", "add")),
    "version-reused": Fault("versions of an abandoned publication are used again", _version_reused, ("kill", "add")),
    "unexplained-errors": Fault("errors reach the person as tracebacks", _unexplained_errors, ("errors", "add")),
    "short-writes-end": Fault("one write is taken for the whole", defects.short_writes_end, ("short", "add")),
    "full-disk-ignored": Fault("what the disk has no room for is left out", defects.full_disk_ignored, ("full", "add")),
    "read-errors-end": Fault(
        "a file that cannot be read further is taken to end there",
        defects.read_errors_end,
        ("reads", "add"),
        near="read inputs/",
    ),
    "clock-believed": Fault("a clock that went back dates new metadata", defects.clock_believed, ("clock", "renew")),
    "no-lock": Fault("everybody holds every lock", defects.no_lock, ("together", "together")),
}
