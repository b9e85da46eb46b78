"""Unfinished files: those of a killed writer go with the next one, those of a living one and of others stay."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.files import names

from rstuf import durable
from rstuf.durable import PUBLIC_FILE, SECRET_FILE, How, write_file

KILLED = """
import os, signal, sys
from pathlib import Path
from rstuf import durable
durable.flush = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
durable.write_file(Path(sys.argv[1]), b"secret", mode=0o600, how=durable.How.CREATE)
"""


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path: Path) -> None:
    """A temporary file of a writer that was killed is gone after the next write in its directory."""
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "online.key"], check=False)
    (left,) = names(tmp_path)
    assert left.endswith(".tmp")
    write_file(tmp_path / "other.key", b"k", mode=SECRET_FILE, how=How.CREATE)
    assert names(tmp_path) == ["other.key"]


def test_what_a_living_writer_has_stays(tmp_path: Path) -> None:
    """While one writer is at work, another does not take its temporary file away, even if a third was there first."""
    inside, go_on = threading.Event(), threading.Event()
    real = durable.flush

    def flush(descriptor: int) -> None:
        if threading.current_thread() is slow:
            inside.set()
            go_on.wait(30)
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "flush", flush)
        third = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(third, fcntl.LOCK_SH)
        slow = threading.Thread(
            target=write_file, args=(tmp_path / "slow", b"s"), kwargs={"mode": PUBLIC_FILE, "how": How.CREATE}
        )
        slow.start()
        assert inside.wait(30)
        os.close(third)
        write_file(tmp_path / "fast", b"f", mode=PUBLIC_FILE, how=How.CREATE)
        go_on.set()
        slow.join()
    assert names(tmp_path) == ["fast", "slow"]


def test_files_of_others_are_not_swept(tmp_path: Path) -> None:
    """Only temporary files of our own are removed."""
    others = [".rstuf-x.tmp", "a.tmp", ".rstuf-0123456789abcdef.tmp.bak"]
    for name in others:
        (tmp_path / name).touch()
    write_file(tmp_path / "file", b"", mode=PUBLIC_FILE, how=How.CREATE)
    assert names(tmp_path) == sorted([*others, "file"])


def test_where_there_are_no_locks_files_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without locks only keeps what killed writers left."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / ".rstuf-0123456789abcdef.tmp").touch()
    write_file(tmp_path / "file", b"", mode=PUBLIC_FILE, how=How.CREATE)
    assert names(tmp_path) == [".rstuf-0123456789abcdef.tmp", "file"]
