"""Watches and breaks the calls by which files are made, in this process: no strace needed.

with broken("fsync", at=2, error=errno.EIO):      # the third fsync fails
    ...
with watched() as calls:                           # what was durable when names were given
    ...
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rstuf.storage import flushing

CALLS = ("open", "write", "fchmod", "fsync", "link", "unlink", "mkdir", "replace", "stat", "fstat", "close")


@dataclass
class Break:
    """One call that fails: how often it was reached, and whether it failed."""

    count: int = 0
    happened: bool = False


@contextmanager
def broken(call: str, *, at: int, error: int) -> Iterator[Break]:
    """Let the call of `os` with that name fail once, the `at`-th time (from 0) that it is made."""
    real, state = getattr(os, call), Break()

    def failing(*arguments: Any, **options: Any) -> Any:
        state.count += 1
        if state.count == at + 1:
            state.happened = True
            if call == "close":  # the descriptor is gone all the same
                real(*arguments, **options)
            raise OSError(error, os.strerror(error))
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, failing)
        yield state


@dataclass
class Watch:
    """What happened to files, by inode, and the faults of their order.

    Attributes:
        dirty: inodes with bytes, or directories with names, that a power cut could take.
        faults: names that were given to files that were not durable yet.
        flushes: how many single flushes there were, and `whole` how many of the whole file system.
    """

    dirty: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    flushes: int = 0
    whole: int = 0


def _inode(name: Any, directory: int | None) -> int:
    return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino


def _parent(name: Any, directory: int | None) -> int:
    if directory is None:
        return os.stat(os.path.dirname(os.fspath(name)) or ".").st_ino
    return os.fstat(directory).st_ino


@contextmanager
def watched(*, hidden: str = ".staging") -> Iterator[Watch]:
    """Follow what is durable. Names below a directory called `hidden` may come and go without."""
    calls = ("write", "fsync", "link", "replace", "mkdir", "unlink")
    watch, real = Watch(), {name: getattr(os, name) for name in calls}

    def is_hidden(name: Any, directory: int | None) -> bool:
        above = os.readlink(f"/proc/self/fd/{directory}") if directory is not None else os.fspath(name)
        return hidden in os.fsdecode(above).split("/") or os.path.basename(os.fsdecode(name)) == hidden

    def write(descriptor: int, data: Any) -> int:
        watch.dirty.add(os.fstat(descriptor).st_ino)
        return int(real["write"](descriptor, data))

    def fsync(descriptor: int) -> None:
        real["fsync"](descriptor)
        watch.flushes += 1
        watch.dirty.discard(os.fstat(descriptor).st_ino)

    def named(call: str) -> Callable[..., None]:
        def give(
            source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None, **_: Any
        ) -> None:
            inode = _inode(source, src_dir_fd)
            real[call](source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            if not is_hidden(target, dst_dir_fd):
                if inode in watch.dirty:
                    watch.faults.append(os.fsdecode(target))
                watch.dirty.add(_parent(target, dst_dir_fd))

        return give

    def mkdir(name: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real["mkdir"](name, mode, dir_fd=dir_fd)
        if not is_hidden(name, dir_fd):
            watch.dirty |= {_parent(name, dir_fd), _inode(name, dir_fd)}

    def unlink(name: Any, *, dir_fd: int | None = None) -> None:
        real["unlink"](name, dir_fd=dir_fd)
        if not is_hidden(name, dir_fd):
            watch.dirty.add(_parent(name, dir_fd))

    whole = flushing._flush_file_system

    def flush_all(descriptor: int) -> None:
        whole(descriptor)
        watch.whole += 1
        watch.dirty.clear()

    with pytest.MonkeyPatch.context() as patch:
        for name, replacement in (("write", write), ("fsync", fsync), ("mkdir", mkdir), ("unlink", unlink)):
            patch.setattr(os, name, replacement)
        patch.setattr(os, "link", named("link"))
        patch.setattr(os, "replace", named("replace"))
        patch.setattr(flushing, "_flush_file_system", flush_all)
        yield watch


def open_descriptors() -> int:
    """How many descriptors this process has open, without those that only wait for the collector."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
