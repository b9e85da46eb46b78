"""Files that a command line names: patterns that no shell has expanded, and small ones read whole, within bounds."""

from __future__ import annotations

import errno
import glob
import io
import os
import shlex
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from rstuf.durable import is_failing
from rstuf.errors import FileTooLarge, InputMissing, InvalidBundle, InvalidInput, SourceChanged, StorageError


def read_small(path: Path, *, limit: int, opener: Callable[[str, int], int] | None = None) -> bytes:
    """A file's bytes.

    Raises:
        InputMissing: it is not there.
        FileTooLarge: it has more than `limit` bytes.
        StorageError: it cannot be read.
    """
    try:
        with open(path, "rb", opener=opener) as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing(str(path)) from None
    except OSError as error:
        raise StorageError("read", str(path), (error.strerror or "it cannot be read").lower()) from None
    if len(data) > limit:
        raise FileTooLarge(str(path), limit=limit)
    return data


def read_brought(path: Path, *, limit: int) -> bytes:
    """The bytes of a bundle or a signature that somebody brought, whatever stands under its name.

    Raises:
        InputMissing: it is not there.
        InvalidBundle: it is no regular file, which is found without waiting for anybody, or may not be read, or is
            larger than `limit` bytes.
        StorageError: the disk fails.
    """
    try:
        return read_small(path, limit=limit, opener=open_regular)
    except FileTooLarge:
        raise InvalidBundle(str(path), f"it has more than {limit} bytes") from None
    except StorageError as error:
        if not isinstance(error.__context__, OSError) or is_failing(error.__context__):
            raise
        hint = "name the file that was carried over, one that you may read"
        raise InvalidBundle(str(path), error.reason, hint=hint) from None


def open_regular(path: str, flags: int) -> int:
    """Opens regular files alone, for `read_small`; nobody is waited for to find out whether something is one."""
    # A pipe that nobody writes to must not hold up the open that finds out that it is one.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file")


def open_steady(file: int | Path) -> BinaryIO:
    """A file, or an open descriptor (which stays open), to read in one go: a regular one must stay as it is meanwhile.

    Reading on raises `SourceChanged` once it was written to. What is no regular file, as a pipe, ends where it ends.

    Raises:
        OSError: it cannot be opened.
    """
    name = "stdin" if isinstance(file, int) else str(file)
    return io.BufferedReader(_Steady(file, name), buffer_size=1 << 20)


class _Steady(io.FileIO):
    """Looked at once a read, which a buffer makes rare."""

    def __init__(self, file: int | Path, name: str) -> None:
        super().__init__(file, "rb", closefd=not isinstance(file, int))
        self._said, self._found = name, os.fstat(self.fileno())

    def readinto(self, buffer: Any, /) -> int | None:
        count = super().readinto(buffer)
        before, after = self._found, os.fstat(self.fileno())
        if stat.S_ISREG(before.st_mode) and _mark(before) != _mark(after):
            raise SourceChanged(self._said)
        return count


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def as_argument(name: str) -> str:
    """A file's name as a shell takes it for one word, and a command for no option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def expanded(paths: Iterable[Path]) -> list[Path]:
    """`paths` with every pattern (`*`, `?`, `[…]`, `**` for directories) replaced by what matches it, sorted.

    A quoted pattern comes here as it is, and every one from a shell that expands none. What has such a name is meant
    itself.

    Raises:
        InvalidInput: nothing matches a pattern.
    """
    found = []
    for path in paths:
        if not glob.has_magic(str(path)) or os.path.lexists(path):
            found.append(path)
            continue
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  (hidden files are left out, as by shells)
        if not matches:
            raise InvalidInput(
                f"nothing matches {path}",
                hint="nothing was taken; look at the names: a pattern starts from the current directory",
            )
        found += map(Path, matches)
    return found
