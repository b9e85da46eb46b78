"""The SQLite adapter and its files: how they are made, what may stand in their place, and what they survive."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.state_backends import NOW, SETTINGS, WAIT, begin, bin_name, publish, put, remove, row

from rstuf.errors import Locked, StateDamaged, StateError, StateNewer, StateSettings, StorageError, WorkspaceExists
from rstuf.state import connections, publications, schema
from rstuf.state.connections import connect_reader
from rstuf.state.sqlite import SqliteStateStore

ROOT = Path(__file__).parents[3]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStateStore]:
    with closing(SqliteStateStore.create(place, wait=WAIT, purpose="test")) as made:
        yield made


def reopen(place: Path) -> SqliteStateStore:
    return SqliteStateStore.open(place, wait=WAIT, purpose="test")


def names(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_every_file_is_private(place: Path, mask: int) -> None:
    """Whatever the umask, database, log, shared memory and locks are for their owner alone."""
    before = os.umask(mask)
    try:
        with closing(SqliteStateStore.create(place, wait=WAIT, purpose="test")) as store:
            begin(store)
            with store.read(), store.publication_lock(purpose="test"):
                put(store, row("a"))
                found = {each.name: stat.S_IMODE(each.stat().st_mode) for each in place.parent.iterdir()}
    finally:
        os.umask(before)
    assert found == dict.fromkeys(["state.db", "state.db-wal", "state.db-shm", "write.lock", "publish.lock"], 0o600)


def test_a_new_state_is_one_whole_file(place: Path, store: SqliteStateStore) -> None:
    """After `create` nothing but the database and the lock is there, and it can be opened."""
    assert names(place.parent) == {"state.db", "write.lock"}
    assert place.stat().st_nlink == 1
    with closing(reopen(place)) as again, again.read() as reader:
        assert not reader.begun()


@pytest.mark.parametrize("there", ["state", "file", "link", "directory"])
def test_nothing_is_overwritten(place: Path, there: str) -> None:
    """`create` refuses whatever stands in its place, and leaves it as it is."""
    if there == "state":
        with closing(SqliteStateStore.create(place, wait=WAIT, purpose="test")) as store:
            begin(store)
    elif there == "file":
        place.write_bytes(b"mine")
    elif there == "link":
        place.symlink_to("nowhere")
    else:
        place.mkdir()
    before = names(place.parent)
    with pytest.raises(WorkspaceExists):
        SqliteStateStore.create(place, wait=WAIT, purpose="test")
    assert names(place.parent) - {"write.lock"} == before - {"write.lock"}
    if there == "file":
        assert place.read_bytes() == b"mine"
    if there == "state":
        with closing(reopen(place)) as again, again.read() as reader:
            assert reader.settings() == SETTINGS


def test_an_interrupted_creation_is_made_up_for(place: Path) -> None:
    """What a killed `create` left under its working name stands in nobody's way."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{place.parent}/.state.db.new{suffix}").write_bytes(b"half")
    with closing(SqliteStateStore.create(place, wait=WAIT, purpose="test")) as store:
        begin(store)
    assert names(place.parent) == {"state.db", "write.lock"}


def test_a_state_needs_its_directory(tmp_path: Path) -> None:
    """Where there is no directory the reason is named."""
    with pytest.raises(StorageError, match="does not exist"):
        SqliteStateStore.create(tmp_path / "missing" / "state.db", wait=WAIT, purpose="test")


def test_creation_is_durable_before_it_is_told(place: Path) -> None:
    """The database is flushed before it gets its name, and its directory afterwards."""
    code = (
        "import sys, datetime, pathlib; from rstuf.state.sqlite import SqliteStateStore as S; "
        "S.create(pathlib.Path(sys.argv[1]), wait=datetime.timedelta(seconds=9), purpose='x')"
    )
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    traced = subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,rename,pwrite64", sys.executable, "-c", code, str(place)],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    calls = [line for line in traced.splitlines() if str(place.parent) in line]
    renamed = next(index for index, line in enumerate(calls) if line.startswith("rename("))
    database = [
        line.split("(")[0] for line in calls[:renamed] if re.search(r"<[^>]*/\.state\.db\.new>", line) is not None
    ]
    assert database[-1] in {"fsync", "fdatasync"}
    assert "pwrite64" in database
    assert calls[renamed + 1].startswith("fsync")
    assert f"<{place.parent}>" in calls[renamed + 1]


def test_a_missing_state_is_said_to_be_missing(place: Path) -> None:
    """Opening creates nothing."""
    with pytest.raises(StateDamaged, match="does not exist"):
        reopen(place)
    assert names(place.parent) == set()


@pytest.mark.parametrize("content", [b"", b"this is no database at all" * 99, bytes(8192)])
def test_what_is_no_database_is_refused(place: Path, content: bytes) -> None:
    """An empty file, text and zeros are named as damaged and left as they are."""
    place.write_bytes(content)
    with pytest.raises(StateDamaged):
        reopen(place)
    assert place.read_bytes() == content


def test_another_programs_database_is_refused(place: Path) -> None:
    """A database without our mark is not touched, whatever its tables are called."""
    with closing(sqlite3.connect(place)) as other:
        other.execute("CREATE TABLE repository (id)")
        other.commit()
    before = place.read_bytes()
    with pytest.raises(StateDamaged, match="not a state of rstuf"):
        reopen(place)
    assert place.read_bytes() == before


def patch(place: Path, *statements: str) -> None:
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_newer_format_is_refused(place: Path, store: SqliteStateStore) -> None:
    """A state of a newer rstuf is neither opened, read nor written, even by a store that was open before."""
    begin(store)
    store.close()
    patch(place, "PRAGMA user_version=7")
    for attempt in (
        lambda: reopen(place),
        lambda: store.read().__enter__(),
        lambda: store.transaction(actor="a").__enter__(),
    ):
        with pytest.raises(StateNewer) as refused:
            attempt()
        assert (refused.value.found, refused.value.known) == (7, schema.FORMAT)


def test_an_impossible_format_is_damage(place: Path, store: SqliteStateStore) -> None:
    """Our mark with format 0 is nothing that rstuf ever wrote."""
    store.close()
    patch(place, "PRAGMA user_version=0")
    with pytest.raises(StateDamaged):
        reopen(place)


def test_an_older_format_is_brought_up_to_date_by_a_writer(
    place: Path, store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading an older state says that a command which writes is needed; writing migrates it and keeps its contents."""
    begin(store)

    def step(database: object) -> None:
        database.execute("CREATE TABLE extra (id)")  # type: ignore[attr-defined]
        if fail:
            raise ZeroDivisionError

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, step))
    monkeypatch.setattr(schema, "FORMAT", 2)
    monkeypatch.setattr("rstuf.state.sqlite.FORMAT", 2)
    with pytest.raises(StateError, match="format 1") as refused, reopen(place).read():
        pytest.fail("read an older format")
    assert "rstuf publish" in str(refused.value.hint)
    fail = True
    with pytest.raises(ZeroDivisionError):
        put(store, row("a"))
    fail = False
    put(store, row("a"))
    with store.read() as reader:
        assert reader.settings() == SETTINGS
        assert reader.totals().artifacts == 1
    store.close()
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM extra").fetchone() == (0,)


@pytest.mark.parametrize("damage", ["header", "pages", "truncated"])
def test_a_damaged_database_is_named(place: Path, store: SqliteStateStore, damage: str) -> None:
    """Overwritten or cut pages surface as damage with the path, when opening or when reading, never as SQL errors."""
    begin(store)
    put(store, *(row(f"p/{index}") for index in range(3000)))
    store.close()
    content = bytearray(place.read_bytes())
    if damage == "header":
        content[:64] = b"x" * 64
    elif damage == "pages":
        for page in range(2, len(content) // 4096):
            content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    else:
        del content[len(content) // 2 :]
    place.write_bytes(content)
    with pytest.raises(StateDamaged) as refused, reopen(place).read() as reader:
        [*reader.artifacts(), *reader.roles()]
    assert refused.value.path == str(place)


@pytest.mark.parametrize(
    ("statement", "look"),
    [
        ("UPDATE role SET kind = 'king' WHERE id = 2", lambda reader: list(reader.roles())),
        ("UPDATE role SET expires = 1e300 WHERE id = 2", lambda reader: list(reader.roles())),
        ("UPDATE repository SET phase = 'x'", lambda reader: reader.settings()),
        ("UPDATE artifact SET fragment = x'7b7d'", lambda reader: list(reader.artifacts())),
        ("UPDATE artifact SET fragment = x'00'", lambda reader: reader.artifact("a")),
        ("UPDATE artifact SET holder = 99", lambda reader: list(reader.artifacts())),
        (
            "UPDATE role SET bin_index = 77 WHERE kind = 'bin' AND artifacts > 0",
            lambda reader: list(reader.artifacts()),
        ),
        ("UPDATE audit SET details = '{'", lambda reader: list(reader.audit())),
        ("UPDATE periods SET renew_before_seconds = -1", lambda reader: reader.periods()),
        ("DROP TABLE periods", lambda reader: reader.periods()),
        ("UPDATE audit SET actor = CAST(x'ff' AS TEXT)", lambda reader: list(reader.audit())),
    ],
)
def test_rows_that_hold_nonsense_are_damage(place: Path, store: SqliteStateStore, statement: str, look: object) -> None:
    """A value that no such row can have is told as damage, whatever part of the state it is in."""
    from rstuf.model.policy import Periods

    begin(store)
    put(store, row("a"))
    with store.transaction(actor="a") as transaction:
        transaction.record("x", {}, at=NOW)
        transaction.set_periods("root", Periods.of(timedelta(days=9)))
    store.close()
    patch(place, statement)
    with pytest.raises(StateDamaged), store.read() as reader:
        look(reader)  # type: ignore[operator]


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


def counted(store: SqliteStateStore, table: str) -> int:
    with store.read() as reader:
        found: int = reader._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[attr-defined]
        return found


def test_versions_that_nothing_renders_go(store: SqliteStateStore) -> None:
    """Once a newer version is visible older rows are cleared away, and of a visible removal nothing stays."""
    begin(store)
    put(store, row("plain"), row("Odd"), row("gone"))
    for content in range(2, 6):
        put(store, row("plain", content), replace=True)
    put(store, row("brief"))
    remove(store, "gone", "brief")
    assert counted(store, "artifact") == 3 + 4 + 1 + 2
    publish(store)
    assert (counted(store, "artifact"), counted(store, "superseded")) == (2, 0)
    remove(store, "plain", "Odd")
    assert counted(store, "path_key") == 0
    publish(store)
    assert (counted(store, "artifact"), counted(store, "superseded")) == (0, 0)


def test_old_versions_go_a_bounded_number_at_a_time(store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settling clears no more than its bound, only of roles that it publishes, and takes up the rest later."""
    monkeypatch.setattr(publications, "CLEARED_AT_ONCE", 30)
    begin(store)
    rows = [row(f"p/{index}") for index in range(100)]
    put(store, *rows)
    put(store, *(row(each.path, 2) for each in rows), replace=True)
    bins = [f"bins-{index}" for index in range(4)]
    left = [100]
    while left[-1]:
        publish(store, *bins)
        left.append(counted(store, "superseded"))
        assert counted(store, "artifact") == 100 + left[-1]
    assert left == [100, 70, 40, 10, 0]
    monkeypatch.setattr(publications, "CLEARED_AT_ONCE", 1000)
    put(store, *rows, replace=True)
    publish(store, "bins-0")
    assert counted(store, "superseded") == sum(bin_name(each.path) != "bins-0" for each in rows)


def test_closing_leaves_the_database_alone(place: Path, store: SqliteStateStore) -> None:
    """After the last store is closed the log is in the database: one file is the whole state."""
    begin(store)
    put(store, row("a"))
    assert names(place.parent) > {"state.db-wal"}
    store.close()
    assert names(place.parent) == {"state.db", "write.lock"}


def test_looking_leaves_no_trace(place: Path, store: SqliteStateStore) -> None:
    """Opening makes no file, not even of a state that is refused; what reading makes goes when the store is closed."""
    begin(store)
    store.close()
    again = reopen(place)
    assert names(place.parent) == {"state.db", "write.lock"}
    with again.read() as reader:
        assert reader.begun()
    again.close()
    assert names(place.parent) == {"state.db", "write.lock"}
    patch(place, "PRAGMA user_version=7")
    before = place.read_bytes()
    with pytest.raises(StateNewer):
        reopen(place)
    assert names(place.parent) == {"state.db", "write.lock"}
    assert place.read_bytes() == before


def test_looking_takes_nothing_from_others(place: Path, store: SqliteStateStore) -> None:
    """A store that comes and goes leaves the files of those that are at work, and they go on."""
    begin(store)
    with store.read() as reader, store.transaction(actor="a") as transaction:
        number = transaction.next_number()
        inodes = {each.name: each.stat().st_ino for each in place.parent.iterdir()}
        with closing(reopen(place)) as again, again.read() as other:
            assert other.newest_number() == 0
        assert {each.name: each.stat().st_ino for each in place.parent.iterdir()} == inodes
        assert reader.newest_number() == 0
    with closing(reopen(place)) as again, again.read() as other:
        assert other.newest_number() == number


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


def test_reading_imports_no_writing_library() -> None:
    """What `rstuf status` reads with costs neither sqlite-utils nor tuf, nor does the publishing side of writing."""
    code = """
import sys, pathlib, tempfile
from tests.support.state_backends import SqliteBackend, begin, put, publish, row
with tempfile.TemporaryDirectory() as directory:
    backend = SqliteBackend(directory)
    store = backend.create()
    begin(store)
    store.close()
    for module in [name for name in sys.modules if name.split(".")[0] == "sqlite_utils"]:
        del sys.modules[module]
    store = backend.open()
    put(store, row("a"))
    publish(store)
    with store.read() as reader:
        reader.settings(), list(reader.artifacts()), list(reader.roles())
    store.close()
print(sorted({name.split(".")[0] for name in sys.modules} & {"sqlite_utils", "tuf", "securesystemslib"}))
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


READ_AS_ANYBODY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from datetime import timedelta
from pathlib import Path
from rstuf.errors import RstufError
from rstuf.state.sqlite import SqliteStateStore
from tests.support.state_backends import row, put
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
place = Path(sys.argv[1])
store = SqliteStateStore(place, wait=timedelta(seconds=1), purpose="x")
try:
    SqliteStateStore.open(place, wait=timedelta(seconds=1), purpose="x")
    with store.read() as reader:
        print(*[listed.artifact.path for listed in reader.artifacts()])
except RstufError as error:
    print(type(error).__name__)
try:
    put(store, row("written"))
except RstufError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("log", ["none", "empty", "full", "no shared memory"])
def test_a_read_only_directory_can_be_read(log: str) -> None:
    """Where nothing may be written the state is still read, with what its log holds; writing says why it cannot."""
    directory = Path(tempfile.mkdtemp(prefix="state-read-only-"))
    try:
        place = directory / "state.db"
        with closing(SqliteStateStore.create(place, wait=WAIT, purpose="test")) as store:
            begin(store)
            put(store, row("a"))
            copies = {each.name: each.read_bytes() for each in directory.glob("state.db*")}
        if log == "empty":
            with closing(connect_reader(place)):
                pass
            assert (directory / "state.db-wal").read_bytes() == b""
        elif log in {"full", "no shared memory"}:
            for name, content in copies.items():
                (directory / name).write_bytes(content)
            if log == "no shared memory":
                (directory / "state.db-shm").unlink()
        for each in directory.iterdir():
            each.chmod(0o444)
        directory.chmod(0o555)
        before = {each.name: each.read_bytes() for each in directory.iterdir()}
        result = subprocess.run(
            [sys.executable, "-B", "-c", READ_AS_ANYBODY, str(place), str(ROOT)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        # A log that nobody can put into a shared index here cannot be read, and is not passed over in silence.
        first = "StorageError" if log == "no shared memory" else "a"
        assert result.stdout.split() == [first, "StorageError"]
        assert {each.name: each.read_bytes() for each in directory.iterdir()} == before
    finally:
        directory.chmod(0o700)
        shutil.rmtree(directory)


def test_an_unreadable_state_is_named(place: Path, store: SqliteStateStore) -> None:
    """A file that may not be opened is a storage error with its reason."""
    store.close()
    place.unlink()
    place.mkdir()
    with pytest.raises(StorageError, match=re.escape(str(place))):
        reopen(place)


@pytest.mark.parametrize("kind", ["roles", "dirty", "due", "contents", "unfinished", "last"])
def test_questions_cost_what_they_find(store: SqliteStateStore, kind: str) -> None:
    """Dirty and due roles, contents and publications are found through indexes; nothing hot is scanned or sorted."""
    begin(store)
    put(store, row("a"))
    publish(store)
    seen: list[str] = []
    with store.read() as reader:
        reader._connection.set_trace_callback(seen.append)  # type: ignore[attr-defined]
        questions = {
            "roles": lambda: reader.role("bins-0"),  # type: ignore[arg-type]
            "dirty": reader.dirty_roles,
            "due": lambda: reader.due_roles(NOW),
            "contents": lambda: list(reader.contents(2, 0, 99, number=5)),
            "unfinished": reader.unfinished_publication,
            "last": reader.last_publication,
        }
        questions[kind]()
        reader._connection.set_trace_callback(None)  # type: ignore[attr-defined]
        explained = [reader._connection.execute(f"EXPLAIN QUERY PLAN {sql}") for sql in seen]  # type: ignore[attr-defined]
        plan = [line[3] for each in explained for line in each]
    assert plan
    for line in plan:
        if kind == "last":
            # From the newest on, to the first that is done.
            assert line == "SCAN publication"
        elif kind in {"dirty", "unfinished"}:
            assert re.match(r"SCAN \w+ USING INDEX (role_dirty|publication_unfinished)|SEARCH", line)
        elif kind == "due":
            assert line.startswith("SEARCH role USING INDEX role_due") or line == "USE TEMP B-TREE FOR ORDER BY"
        else:
            assert line.startswith("SEARCH")
