"""Reaching what lies inside a storage directory, one component after the other, never through a symbolic link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from rstuf.durable import DIRECTORY, OLD_FILE, PUBLIC_DIRECTORY, SECRET_DIRECTORY
from rstuf.errors import NotAFile

Parents = tuple[bytes, ...]
_INSIDE: Final = DIRECTORY | getattr(os, "O_NOFOLLOW", 0)


def open_top(path: str | os.PathLike[str]) -> int:
    """A descriptor of the storage directory itself. Where it lies, and through which links, is its owner's choice."""
    return os.open(path, DIRECTORY)


def open_in(name: str | bytes, directory: int) -> int:
    """A descriptor of a directory in a directory.

    Raises:
        NotADirectoryError: it is a file or a symbolic link.
    """
    return os.open(name, _INSIDE, dir_fd=directory)


def close_quietly(descriptor: int) -> None:
    """Close what nothing was written to, or nothing that matters any more."""
    with suppress(OSError):
        os.close(descriptor)


@contextmanager
def reached(
    top: int,
    parents: Parents,
    missing: Callable[[int, int], None] | None = None,
    *,
    entered: Callable[[int, int], None] | None = None,
) -> Iterator[int]:
    """The directory that lies below `top` under these names.

    Args:
        entered: called with the descriptor of each directory on the way and its depth in `parents`.
        missing: called with the descriptor of a directory and a depth, to make `parents[depth]` in it when that is not
            there.
    """
    current = os.dup(top)
    try:
        for depth, name in enumerate(parents):
            try:
                following = open_in(name, current)
            except FileNotFoundError:
                if missing is None:
                    raise
                missing(current, depth)
                following = open_in(name, current)
            close_quietly(current)
            current = following
            if entered is not None:
                entered(current, depth)
        yield current
    finally:
        close_quietly(current)


def make_public(name: bytes, directory: int) -> bool:
    """Make a directory that everyone may read, whatever the umask; False if someone else just did."""
    try:
        os.mkdir(name, SECRET_DIRECTORY, dir_fd=directory)
    except FileExistsError:
        return False
    made = open_in(name, directory)
    try:
        os.fchmod(made, PUBLIC_DIRECTORY)
    finally:
        close_quietly(made)
    return True


def remove_empty(top: int, parents: Parents) -> None:
    """Remove a directory, if it is empty."""
    with suppress(OSError), reached(top, parents[:-1]) as above:
        os.rmdir(parents[-1], dir_fd=above)


def open_regular(name: str | bytes, *, shown: str, directory: int | None = None) -> int:
    """A descriptor of a regular file, for reading.

    Raises:
        NotAFile: it is something else.
    """
    descriptor = os.open(name, OLD_FILE, dir_fd=directory)
    try:
        mode = os.fstat(descriptor).st_mode
    except BaseException:
        close_quietly(descriptor)
        raise
    if not stat.S_ISREG(mode):
        close_quietly(descriptor)
        raise NotAFile(shown, directory=stat.S_ISDIR(mode))
    return descriptor


def is_there(name: bytes, directory: int) -> bool:
    """Whether anything has this name."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
