"""Connections of the SQLite adapter: their settings hold, and none is used after it failed or its file went."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.sqlite_files import counted, patch, reopen
from tests.support.state_backends import begin, put, row

from rstuf.errors import Locked, StateDamaged, StateSettings
from rstuf.state import connections
from rstuf.state.connections import connect_reader
from rstuf.state.sqlite import SqliteStateStore


def test_a_writer_runs_with_settings_that_survive_a_power_cut(store: SqliteStateStore) -> None:
    """Write-ahead log, full synchronisation, foreign keys and no memory mapping are in force, as SQLite reports."""
    with store.transaction(actor="a"):
        assert store._writer is not None
        found = {name: store._writer.execute(f"PRAGMA {name}").fetchone()[0] for name, _ in connections.WRITER_SETTINGS}
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "mmap_size": 0, "temp_store": 1}
        assert store._writer.execute("PRAGMA busy_timeout").fetchone()[0] >= 30_000


@pytest.mark.parametrize(
    ("statement", "setting"),
    [
        ("PRAGMA synchronous=NORMAL", "synchronous"),
        ("PRAGMA synchronous=OFF", "synchronous"),
        ("PRAGMA journal_mode=DELETE", "journal_mode"),
        ("PRAGMA foreign_keys=OFF", "foreign_keys"),
        ("PRAGMA mmap_size=1000000", "mmap_size"),
    ],
)
def test_unsafe_settings_are_refused(place: Path, store: SqliteStateStore, statement: str, setting: str) -> None:
    """A connection whose effective settings would lose acknowledged work is not written with."""
    store.close()
    with closing(connections.connect_writer(place)) as connection:
        connections.check_settings(connection, place)
        connection.execute(statement)
        with pytest.raises(StateSettings) as refused:
            connections.check_settings(connection, place)
    assert refused.value.setting == setting


def test_no_transaction_begins_with_unsafe_settings(store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that SQLite does not take is noticed before anything is written."""
    begin(store)
    store.close()
    monkeypatch.setattr(connections, "WRITER_SETTINGS", (*connections.WRITER_SETTINGS, ("page_size", "512")))
    with pytest.raises(StateSettings) as refused:
        put(store, row("a"))
    assert (refused.value.setting, refused.value.found) == ("page_size", "4096")


def test_a_connection_that_failed_is_not_used_again(store: SqliteStateStore) -> None:
    """After an error of SQLite's the next transaction opens the file anew; after one of ours it need not."""
    begin(store)
    first = store._writer
    with pytest.raises(ZeroDivisionError), store.transaction(actor="a") as transaction:
        transaction.next_number() / 0
    assert store._writer is first is not None
    with pytest.raises(StateDamaged), store.transaction(actor="a") as transaction:
        transaction._connection.execute("SELECT x FROM nowhere")  # type: ignore[attr-defined]
    assert store._writer is None
    put(store, row("a"))


def test_a_changed_journal_mode_is_set_right(place: Path, store: SqliteStateStore) -> None:
    """A state that somebody switched to a rollback journal can be read, and is written with a log again."""
    begin(store)
    store.close()
    patch(place, "PRAGMA journal_mode=DELETE")
    with store.read() as reader:
        assert reader.begun()
    put(store, row("a"))
    store.close()
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_foreign_writer_is_waited_for_and_then_named_as_a_lock(
    place: Path, store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that writes without our lock keeps us out as a lock does, not with an SQL error."""
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.1)
    begin(store)
    store.close()
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked):
            put(store, row("a"))
        other.execute("ROLLBACK")
        put(store, row("a"))


def test_a_backup_put_in_place_is_noticed(place: Path, store: SqliteStateStore, tmp_path: Path) -> None:
    """A store reads and writes the file that has the name now, not one that was moved away."""
    begin(store)
    store.close()
    shutil.copy(place, tmp_path / "backup")
    put(store, row("lost"))
    assert counted(store, "artifact") == 1
    for suffix in ("-wal", "-shm"):
        Path(f"{place}{suffix}").unlink()
    (tmp_path / "backup").rename(place)
    assert counted(store, "artifact") == 0
    put(store, row("kept"))
    with closing(reopen(place)) as again, again.read() as reader:
        assert [listed.artifact.path for listed in reader.artifacts()] == ["kept"]


def test_only_readers_that_see_commits_are_kept(place: Path, store: SqliteStateStore) -> None:
    """A connection that takes the file as fixed would never see what others write, and says so."""
    begin(store)
    store.close()
    with closing(connections.connect_once(place)) as fixed:
        assert not connections.sees_commits(fixed)
    with closing(connect_reader(place)) as reader:
        assert connections.sees_commits(reader)


def test_closing_waits_for_the_threads_of_the_store(store: SqliteStateStore) -> None:
    """A transaction in another thread ends before its connection is closed."""
    begin(store)
    inside, ended = threading.Event(), threading.Event()

    def write() -> None:
        with store.transaction(actor="a") as transaction:
            inside.set()
            time.sleep(0.1)
            transaction.next_number()
            ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    inside.wait()
    store.close()
    assert ended.is_set()
    thread.join()
    with store.read() as reader:
        assert reader.newest_number() == 1


def test_closing_does_not_wait_for_another_process(place: Path, store: SqliteStateStore) -> None:
    """A store closes at once while another one writes."""
    begin(store)
    with closing(reopen(place)) as other, other.transaction(actor="b") as transaction:
        transaction.next_number()
        started = time.monotonic()
        store.close()
        assert time.monotonic() - started < 5
    with store.read() as reader:
        assert reader.newest_number() == 1
