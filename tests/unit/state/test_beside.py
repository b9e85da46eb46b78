"""A backup of the state that is put beside the log of another one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.sqlite_files import ROOT, reopen
from tests.support.state_backends import begin, put, row

from rstuf.errors import StateDamaged
from rstuf.state.sqlite import SqliteStateStore

KILLED = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from rstuf.state.sqlite import SqliteStateStore
from tests.support.state_backends import row, put
store = SqliteStateStore.open(Path(sys.argv[1]), wait=timedelta(seconds=5), purpose="x")
put(store, *(row(f"late-{number}") for number in range(int(sys.argv[2]), int(sys.argv[2]) + 30)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_after_a_change(place: Path, first: int = 0) -> None:
    """A process that accepts thirty artifacts and is killed: its log stays."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(place), str(first)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert Path(f"{place}-wal").stat().st_size > 0


def aged(path: Path) -> None:
    """Let a file have been written a while ago."""
    long_ago = time.time() - 60
    os.utime(path, (long_ago, long_ago))


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
    aged(Path(f"{place}-wal"))
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
    os.utime(place)
    aged(Path(f"{place}-wal"))
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
    aged(new / "state.db-wal")
    with closing(reopen(new / "state.db")) as again:
        put(again, row("more"))
        with again.read() as reader:
            assert reader.totals().artifacts == 31
    with closing(sqlite3.connect(new / "state.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
