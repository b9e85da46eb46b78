"""The SQLite adapter and its files: how they are made, and what may stand in their place."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.files import mode, umask
from tests.support.sqlite_files import names, patch, reopen
from tests.support.state_backends import NOW, SETTINGS, WAIT, begin, put, remove, row

from rstuf.errors import PathTwin, StateDamaged, StateNewer, StorageError, WorkspaceExists
from rstuf.state import schema
from rstuf.state.sqlite import SqliteStateStore
from rstuf.state.unseen import overlook_unseen_letters


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_every_file_is_private(place: Path, mask: int) -> None:
    """Whatever the umask, database, log, shared memory and locks are for their owner alone."""
    with umask(mask), closing(SqliteStateStore.create(place, wait=WAIT, purpose="test")) as store:
        begin(store)
        with store.read(), store.publication_lock(purpose="test"):
            put(store, row("a"))
            found = {each.name: mode(each) for each in place.parent.iterdir()}
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


def test_a_newer_format_is_refused(place: Path, store: SqliteStateStore) -> None:
    """A state of a newer rstuf is neither opened, read nor written, even by a store that was open before."""
    begin(store)
    store.close()
    patch(place, "PRAGMA user_version=8")
    for attempt in (
        lambda: reopen(place),
        lambda: store.read().__enter__(),
        lambda: store.transaction(actor="a").__enter__(),
    ):
        with pytest.raises(StateNewer) as refused:
            attempt()
        assert (refused.value.found, refused.value.known) == (8, schema.FORMAT)


def test_an_impossible_format_is_damage(place: Path, store: SqliteStateStore) -> None:
    """Our mark with format 0 is nothing that rstuf ever wrote."""
    store.close()
    patch(place, "PRAGMA user_version=0")
    with pytest.raises(StateDamaged):
        reopen(place)


def test_an_older_format_is_brought_up_to_date(
    place: Path, store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens an older state gets it in today's format with all it held; a step that fails changes nothing."""
    begin(store)
    put(store, row("a"))
    store.close()

    def step(database: object) -> None:
        database.execute("CREATE TABLE extra (id)")  # type: ignore[attr-defined]
        if fail:
            raise ZeroDivisionError

    now = schema.FORMAT
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, step))
    monkeypatch.setattr(schema, "FORMAT", now + 1)
    monkeypatch.setattr("rstuf.state.sqlite.FORMAT", now + 1)
    before = place.read_bytes()
    fail = True
    with pytest.raises(ZeroDivisionError):
        reopen(place)
    assert place.read_bytes() == before
    fail = False
    with closing(reopen(place)) as again, again.read() as reader:
        assert reader.settings() == SETTINGS
        assert reader.totals().artifacts == 1
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (now + 1,)
        assert connection.execute("SELECT count(*) FROM extra").fetchone() == (0,)


def test_letters_that_are_not_seen_do_not_tell_paths_apart_any_more(
    place: Path, store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state that told such paths apart guards them by what is seen, from when it is opened."""
    before = schema.STEPS.index(overlook_unseen_letters)
    begin(store)
    with monkeypatch.context() as patches:
        patches.setattr("rstuf.state.twins.path_key", lambda path: path.lower())
        put(store, row("❤\ufe0f"), row("B\u3164"), row("é"), row("gone\ufe0f"))
        remove(store, "gone\ufe0f")
    store.close()
    patch(place, f"PRAGMA user_version={before}")
    with closing(reopen(place)) as again:
        with again.read() as reader:
            assert list(reader.damage()) == []
        for twin in ("❤", "b"):
            with pytest.raises(PathTwin):
                put(again, row(twin))
        put(again, row("gone"))


def test_the_first_format_is_still_read(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that was made in format 1 opens, is sound, and goes on."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:1])
        patch.setattr(schema, "FORMAT", 1)
        patch.setattr("rstuf.state.sqlite.FORMAT", 1)
        old = SqliteStateStore.create(place, wait=WAIT, purpose="test")
        with closing(sqlite3.connect(place)) as connection:
            columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(role)")]
        old.close()
    assert "shown" not in columns
    with closing(reopen(place)) as store:
        begin(store)
        put(store, row("a"))
        with store.read() as reader:
            assert list(reader.damage()) == []
            assert reader.totals().artifacts == 1


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
