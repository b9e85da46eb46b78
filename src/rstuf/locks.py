"""Locks between processes: `flock` on files of their own, each saying who holds it.

A lock ends with its holder, however that ends: the kernel lets go, and what is written in the file is only for people.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import orjson

from rstuf.clock import iso, parse_iso
from rstuf.durable import storage_error
from rstuf.errors import Locked

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05
# Who waits longer than this is told for whom.
_PATIENCE: Final = 1.0
_HOLDER_BYTES: Final = 1024
# `held_by` shares a lock for a moment: who would not wait at all waits that long.
_GLANCE: Final = 0.05
_NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BUSY: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


OnWait = Callable[[str, str | None], None]


WRITE_LOCK: Final = "write.lock"
PUBLISH_LOCK: Final = "publish.lock"


def keep_out(path: Path) -> int | None:
    """A descriptor that keeps everybody from taking the lock at `path` until it is closed; None where nobody can here.

    Whoever else calls this is let in, too. Never waits.

    Raises:
        OSError: somebody holds the lock, or it cannot be told.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno in _NOT_OURS:
            return None
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class FileLock:
    """One exclusive lock, held by at most one thread of one process.

    Threads that share the object queue in the process; everybody else is kept out by the file.
    """

    def __init__(self, path: Path, *, label: str, on_wait: OnWait | None = None) -> None:
        """A lock on `path`, which is made when it is missing.

        Args:
            label: names it for people ("write").
            on_wait: told once, after a second of waiting, the label and who holds the lock (None where unknown).
        """
        self._path = path
        self._label = label
        self._on_wait = on_wait
        self._threads = threading.Lock()

    @contextmanager
    def hold(self, *, wait: timedelta, purpose: str) -> Iterator[None]:
        """Hold the lock during the block; `purpose` is what others read about the holder.

        Raises:
            Locked: it was not to be had within `wait`; names the holder where it can.
            StorageError: the lock file cannot be used.
        """
        started = time.monotonic()
        with self.among_threads(wait=wait):
            remaining = wait - timedelta(seconds=time.monotonic() - started)
            with self.in_file(wait=remaining, purpose=purpose):
                yield

    @contextmanager
    def among_threads(self, *, wait: timedelta) -> Iterator[None]:
        """The first half of `hold`: only against threads that share this object."""
        started = time.monotonic()
        if not self._threads.acquire(timeout=max(0.0, wait.total_seconds())):
            raise Locked(self._label, holder=self.holder(), waited=time.monotonic() - started)
        try:
            yield
        finally:
            self._threads.release()

    @contextmanager
    def in_file(self, *, wait: timedelta, purpose: str) -> Iterator[None]:
        """The second half of `hold`: against everybody else."""
        started = time.monotonic()
        descriptor = self._take(started, started + wait.total_seconds())
        try:
            _write_holder(descriptor, purpose)
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def holder(self) -> str | None:
        """Who says to hold the lock: "pid 12 (rstuf publish), since 2026-11-20T16:00:00Z"; None when nobody does."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            return _read_holder(descriptor)
        finally:
            os.close(descriptor)

    def held_by(self) -> str | None:
        """Who holds the lock now, as `holder` says it, or "another process"; None where nobody does. Never waits."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            # Shared, so that two who look do not take each other for holders; closing it lets go.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return (_read_holder(descriptor) or "another process") if error.errno in _BUSY else None
        finally:
            os.close(descriptor)
        return None

    def _take(self, started: float, deadline: float) -> int:
        deadline = max(deadline, started + _GLANCE)
        pause, told = _FIRST_PAUSE, self._on_wait is None
        while True:
            descriptor = self._try()
            if descriptor is not None:
                return descriptor
            now = time.monotonic()
            if now >= deadline:
                raise Locked(self._label, holder=self.holder(), waited=now - started)
            if not told and now - started >= _PATIENCE and self._on_wait is not None:
                self._on_wait(self._label, self.holder())
                told = True
            time.sleep(min(pause, deadline - now))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _try(self) -> int | None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise storage_error("open", str(self._path), error) from error
        taken = False
        try:
            taken = _flock(descriptor, self._path) and self._still_here(descriptor)
        finally:
            if not taken:
                os.close(descriptor)
        return descriptor if taken else None

    def _still_here(self, descriptor: int) -> bool:
        # A lock on a file that was deleted meanwhile keeps nobody out.
        try:
            named, held = self._path.stat(), os.fstat(descriptor)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise storage_error("look at", str(self._path), error) from error
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


def _flock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise storage_error("lock", str(path), error) from error
    return True


def _write_holder(descriptor: int, purpose: str) -> None:
    line = orjson.dumps({"pid": os.getpid(), "command": purpose, "since": iso(datetime.now(UTC))})
    # A full disk takes the lock's comfort away, not the lock.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, line, 0)


def _read_holder(descriptor: int) -> str | None:
    try:
        found = orjson.loads(os.pread(descriptor, _HOLDER_BYTES, 0))
        pid, command, since = int(found["pid"]), str(found["command"]), iso(parse_iso(found["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    readable = "".join(character if character.isprintable() else "?" for character in command)
    return f"pid {pid} ({readable}), since {since}"
