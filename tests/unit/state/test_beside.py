"""A backup of the state that is put beside the log of another one."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.sqlite_files import ROOT, reopen
from tests.support.state_backends import NOW, begin, publish, put, row

from rstuf.errors import StateDamaged
from rstuf.model.names import TARGETS, TargetPath
from rstuf.state import beside
from rstuf.state.sqlite import SqliteStateStore

KILLED = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from rstuf.state import beside
from rstuf.state.sqlite import SqliteStateStore
from tests.support.state_backends import row, put
store = SqliteStateStore.open(Path(sys.argv[1]), wait=timedelta(seconds=5), purpose="x")
put(store, *(row(f"late-{number}") for number in range(int(sys.argv[2]), int(sys.argv[2]) + 30)))
os.kill(os.getpid(), signal.SIGKILL)
"""


RENEWED = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from rstuf.state.sqlite import SqliteStateStore
from tests.support.state_backends import publish
store = SqliteStateStore.open(Path(sys.argv[1]), wait=timedelta(seconds=5), purpose="x")
publish(store, "timestamp")
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_after_a_change(place: Path, first: int = 0) -> None:
    """A process that accepts thirty artifacts and is killed: its log stays."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(place), str(first)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert Path(f"{place}-wal").stat().st_size > 0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment is enough to tell what was put here from what was taken over."""
    monkeypatch.setattr(beside, "_AT_ONCE_SECONDS", 0.0)


@pytest.mark.parametrize("keeps_date", [False, True])
def test_a_backup_beside_anothers_log_is_refused(place: Path, store: SqliteStateStore, keeps_date: bool) -> None:
    """SQLite would read pages of both; nothing is written, and with the log away the backup is as it was."""
    begin(store)
    put(store, *(row(f"early-{number}") for number in range(300)))
    store.close()
    backup = place.with_name("backup.db")
    shutil.copy2(place, backup)
    put(store, *(row(f"middle-{number}") for number in range(300)))
    store.close()
    killed_after_a_change(place)
    (shutil.copy2 if keeps_date else shutil.copy)(backup, place)
    with closing(reopen(place)) as again:
        with pytest.raises(StateDamaged, match="log beside it") as refused:
            put(again, row("more"))
        assert "state.db-wal" in str(refused.value.hint)
    for suffix in ("-wal", "-shm"):
        Path(f"{place}{suffix}").unlink(missing_ok=True)
    assert place.read_bytes() == backup.read_bytes()
    with closing(reopen(place)) as again:
        put(again, row("more"))
        with again.read() as reader:
            assert reader.totals().artifacts == 301


def test_a_log_of_its_own_is_taken_over(place: Path, store: SqliteStateStore) -> None:
    """After a kill, whatever the dates of the files say, the state goes on with all that was accepted."""
    begin(store)
    store.close()
    killed_after_a_change(place)
    place.chmod(0o600)
    with closing(reopen(place)) as again:
        put(again, row("more"))
        with again.read() as reader:
            assert reader.totals().artifacts == 31


def test_a_copy_of_all_its_files_is_sound(place: Path, store: SqliteStateStore, tmp_path: Path) -> None:
    """The database and its log, copied together while nobody writes, are one state, in whatever order they came."""
    begin(store)
    store.close()
    killed_after_a_change(place)
    new = tmp_path / "copied"
    new.mkdir()
    for name in ("state.db-wal", "state.db"):
        shutil.copy(place.with_name(name), new / name)
    with closing(reopen(new / "state.db")) as again:
        put(again, row("more"))
        with again.read() as reader:
            assert reader.totals().artifacts == 31
    with closing(sqlite3.connect(new / "state.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_replaced_artifacts_are_missed_too(place: Path, store: SqliteStateStore) -> None:
    """Where the log holds roles alone and rows are as many as before, their changes tell the mixture."""
    begin(store)
    for edition in range(3):
        put(store, *(row(f"nightly-{number}", edition) for number in range(300)), replace=True)
        publish(store, *(f"bins-{index}" for index in range(4)))
        if edition == 1:
            store.close()
            shutil.copy(place, place.with_name("backup.db"))
    store.close()
    done = subprocess.run([sys.executable, "-c", RENEWED, str(place)], cwd=ROOT, check=False)
    assert done.returncode == -9
    shutil.copy(place.with_name("backup.db"), place)
    with closing(reopen(place)) as again, pytest.raises(StateDamaged, match="log beside it"):
        put(again, row("more"))


@pytest.mark.parametrize("action", ["artifacts.remove", "artifacts.sync"])
def test_removals_are_no_mixture(action: str, place: Path, store: SqliteStateStore) -> None:
    """A removal leaves no row: after a kill the state goes on, though its newest change is nowhere."""
    begin(store)
    put(store, *(row(f"early-{number}") for number in range(30)))
    with store.transaction(actor="a") as transaction:
        number = transaction.next_number()
        transaction.remove_artifacts(TARGETS, [TargetPath("early-3")], number=number)
        transaction.record(action, {"number": number, "removed": 1}, at=NOW)
    publish(store, *(f"bins-{index}" for index in range(4)))
    store.close()
    killed_after_a_change(place)
    place.chmod(0o600)
    with closing(reopen(place)) as again:
        put(again, row("more"))
