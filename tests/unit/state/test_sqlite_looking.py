"""Looking at a SQLite state: it leaves no trace, takes nothing from others and needs no permission to write."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.sqlite_files import ROOT, names, patch, reopen
from tests.support.state_backends import WAIT, begin, put, row

from rstuf.errors import StateNewer, StorageError
from rstuf.state.connections import connect_reader
from rstuf.state.sqlite import SqliteStateStore


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
    patch(place, "PRAGMA user_version=8")
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
import importlib, os, pkgutil, sys
sys.path.insert(0, sys.argv[2])
from datetime import timedelta
from pathlib import Path
import rstuf
from rstuf.errors import RstufError
from rstuf.state.sqlite import SqliteStateStore
from tests.support.state_backends import row, put
# All of it now: a checkout need not be readable by whom this process is about to become.
for module in pkgutil.walk_packages(rstuf.__path__, "rstuf."):
    if module.name.split(".")[1] in ("errors", "metadata", "model", "repository", "state"):
        importlib.import_module(module.name)
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
