"""File locks: who holds them, who is told what, and what a hostile lock file can do."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from rstuf import locks
from rstuf.errors import Locked, StorageError
from rstuf.locks import FileLock

NOT_AT_ALL = timedelta(0)
LONG = timedelta(seconds=20)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "write.lock"


def lock(place: Path) -> FileLock:
    return FileLock(place, label="write")


def test_a_lock_names_its_holder_while_it_is_held(place: Path) -> None:
    """Pid, command and time stand in the file during the block, and nothing does afterwards."""
    with lock(place).hold(wait=NOT_AT_ALL, purpose="rstuf artifact add"):
        holder = lock(place).holder()
        assert holder is not None
        assert holder.startswith(f"pid {os.getpid()} (rstuf artifact add), since 20")
        assert holder.endswith("Z")
    assert lock(place).holder() is None
    assert place.read_bytes() == b""


def test_a_held_lock_is_refused_at_once_when_nobody_waits(place: Path) -> None:
    """Without patience the answer comes at once, and the lock is free again after its holder's error."""
    started = time.monotonic()
    with (
        pytest.raises(Locked) as refused,
        lock(place).hold(wait=NOT_AT_ALL, purpose="one"),
        lock(place).hold(wait=NOT_AT_ALL, purpose="two"),
    ):
        pytest.fail("held twice")
    assert time.monotonic() - started < 5
    assert "(one)" in str(refused.value)
    with lock(place).hold(wait=NOT_AT_ALL, purpose="three"):
        pass


def test_threads_of_one_object_exclude_each_other(place: Path) -> None:
    """One object shared by threads is held by one of them, and the others are told who it is."""
    shared = lock(place)
    failed: list[Locked] = []

    def other() -> None:
        try:
            with shared.hold(wait=timedelta(milliseconds=50), purpose="two"):
                pass
        except Locked as error:
            failed.append(error)

    with shared.hold(wait=LONG, purpose="one"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "(one)" in str(failed[0])
    assert failed[0].waited >= 0.05


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"pid":"x","command":"c","since":"2026-01-01T00:00:00Z"}',
        b'{"pid":1,"command":2}',
        b'{"pid":1,"command":"c","since":"yesterday"}',
        b"9" * 5000,
        b'{"pid":1e999,"command":"c","since":"2026-01-01T00:00:00Z"}',
    ],
)
def test_nonsense_in_the_file_is_no_holder(place: Path, content: bytes) -> None:
    """Whatever stands in the file, waiting ends with the plain answer that another process holds the lock."""
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, content)
        with pytest.raises(Locked) as refused, lock(place).hold(wait=NOT_AT_ALL, purpose="x"):
            pytest.fail("held twice")
    finally:
        os.close(descriptor)
    assert refused.value.holder is None
    assert "another process" in str(refused.value)


def test_a_commands_name_cannot_restyle_a_terminal(place: Path) -> None:
    """Control characters of a holder's command are not passed on."""
    with lock(place).hold(wait=NOT_AT_ALL, purpose="evil\x1b[31m\n\u202ename"):
        holder = lock(place).holder()
    assert holder is not None
    assert "(evil?[31m??name)" in holder


def test_what_a_dead_holder_wrote_is_overwritten(place: Path) -> None:
    """A file that names a holder is no lock: only a held descriptor is."""
    place.write_bytes(b'{"pid":1,"command":"dead","since":"2026-01-01T00:00:00Z"}' + b"x" * 300)
    with lock(place).hold(wait=NOT_AT_ALL, purpose="alive"):
        assert "(alive)" in str(lock(place).holder())


def test_a_deleted_lock_file_lets_nobody_in_twice(place: Path) -> None:
    """Who waits on a file that is deleted meanwhile ends up on the file that has the name."""
    with ExitStack() as stack:
        stack.enter_context(lock(place).hold(wait=NOT_AT_ALL, purpose="old"))
        waiting = threading.Event()
        entered: list[str | None] = []

        def wait() -> None:
            waiting.set()
            with lock(place).hold(wait=LONG, purpose="waiter"):
                entered.append(lock(place).holder())

        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        place.unlink()
        thread.join()
        assert "(waiter)" in str(entered[0])


def test_a_lock_on_a_file_that_lost_its_name_is_taken_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is deleted between opening and locking is no lock: the next one by that name is."""
    flock = fcntl.flock
    deleted: list[int] = []

    def late(descriptor: int, operation: int) -> None:
        if not deleted:
            deleted.append(os.fstat(descriptor).st_ino)
            place.unlink()
            place.touch()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with lock(place).hold(wait=LONG, purpose="x"):
        assert deleted
        assert "(x)" in str(lock(place).holder())
        with pytest.raises(Locked), lock(place).hold(wait=NOT_AT_ALL, purpose="y"):
            pytest.fail("held twice")


@pytest.mark.parametrize("obstacle", ["directory", "link", "missing"])
def test_a_lock_file_that_cannot_be_used_is_named(tmp_path: Path, obstacle: str) -> None:
    """A directory, a symbolic link or a missing parent is a storage error, not a lock."""
    place = tmp_path / "deep" / "write.lock" if obstacle == "missing" else tmp_path / "write.lock"
    if obstacle == "directory":
        place.mkdir()
    elif obstacle == "link":
        (tmp_path / "other").write_bytes(b"kept")
        place.symlink_to(tmp_path / "other")
    with pytest.raises(StorageError), lock(place).hold(wait=LONG, purpose="x"):
        pytest.fail("locked")
    assert lock(place).holder() is None
    if obstacle == "link":
        assert (tmp_path / "other").read_bytes() == b"kept"


@pytest.mark.parametrize(("patience", "told"), [(0.02, 1), (9.0, 0)])
def test_who_waits_is_told_once_for_whom(
    place: Path, monkeypatch: pytest.MonkeyPatch, patience: float, told: int
) -> None:
    """After a while of waiting, and only then, the observer hears the lock's name and its holder, a single time."""
    monkeypatch.setattr(locks, "_PATIENCE", patience)
    heard: list[tuple[str, str | None]] = []
    waiter = FileLock(place, label="write", on_wait=lambda label, holder: heard.append((label, holder)))
    with (
        lock(place).hold(wait=NOT_AT_ALL, purpose="one"),
        pytest.raises(Locked),
        waiter.hold(wait=timedelta(seconds=0.3), purpose="two"),
    ):
        pytest.fail("held twice")
    assert len(heard) == told
    assert all(label == "write" and "(one)" in str(holder) for label, holder in heard)


def test_a_lock_file_that_cannot_be_looked_at_is_said_to_be_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk names the file and keeps nobody waiting; with the disk mended the lock is to be had."""
    fstat = os.fstat

    def failing(descriptor: int) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(locks.os, "fstat", failing)
    with pytest.raises(StorageError) as refused, lock(place).hold(wait=NOT_AT_ALL, purpose="one"):
        pytest.fail("held")
    assert str(refused.value) == f"cannot look at {place}: the disk reports an error"
    monkeypatch.setattr(locks.os, "fstat", fstat)
    with lock(place).hold(wait=NOT_AT_ALL, purpose="two"):
        pass


def test_who_holds_a_lock_is_seen_without_waiting(place: Path) -> None:
    """Held: its holder, or that there is one; free, left behind or not there: nobody, whatever the file says."""
    assert lock(place).held_by() is None
    with lock(place).hold(wait=NOT_AT_ALL, purpose="publish"):
        assert "(publish)" in (lock(place).held_by() or "")
        place.write_bytes(b"")
        assert lock(place).held_by() == "another process"
    place.write_text('{"pid": 1, "command": "killed", "since": "2026-11-20T16:00:00Z"}')
    assert lock(place).holder() is not None
    assert lock(place).held_by() is None


def test_a_look_keeps_nobody_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who would not wait for a holder gets past one who only looks; and two who look are no holders to each other."""
    # However slow this machine is just now.
    monkeypatch.setattr(locks, "_GLANCE", 20.0)
    place.touch()
    looking = os.open(place, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert lock(place).held_by() is None
    threading.Timer(0.002, os.close, [looking]).start()
    with lock(place).hold(wait=NOT_AT_ALL, purpose="publish"):
        pass
