"""Where files of a batch stand until they have names: private rooms in `.staging`, inside the storage directory.

A room is a directory that its batch keeps locked, so that whoever clears up takes only the rooms of the dead. A room
is entered under a shared lock of `.staging` and cleared under an exclusive one, so none is swept while it is made.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Final

from rstuf.durable import (
    NEW_FILE,
    OLD_FILE,
    PUBLIC_DIRECTORY,
    PUBLIC_FILE,
    SECRET_DIRECTORY,
    SECRET_FILE,
    TEMPORARY_NAME,
    clear_temporary,
    held,
    lock_alone,
    lock_shared,
    make_directory,
    storage_error,
    write_all,
)
from rstuf.storage.flushing import Flusher
from rstuf.storage.inside import close_quietly, open_in, open_top
from rstuf.storage.names import STAGING

_CHUNK: Final = 1 << 20


def make_ready(root: Path) -> None:
    """Make a storage directory and its staging directory, and remove what dead writers left.

    Raises:
        StorageError: they cannot be made, or lie on different file systems.
    """
    make_directory(root, mode=PUBLIC_DIRECTORY)
    try:
        with ExitStack() as stack:
            top = _kept(stack, open_top(root))
            staging = _open_staging(stack, top)
            _check_one_file_system(top, staging)
            if lock_alone(staging):
                clear_temporary(staging)
                _clear_rooms(staging)
    except OSError as error:
        raise storage_error("prepare", str(root), error) from error


def left_rooms(root: Path) -> list[Path]:
    """What dead writers left in a storage directory, as the next `make_ready` would remove it; nothing is removed.

    Nothing while others make or clear rooms there: theirs are none of these.
    """
    with suppress(OSError), ExitStack() as stack:
        staging = _kept(stack, open_in(STAGING, _kept(stack, open_top(root))))
        if lock_alone(staging):
            return [root / STAGING / name for name in _left(staging)]
    return []


def _left(staging: int) -> list[str]:
    names = []
    for name in os.listdir(staging):
        with suppress(OSError), ExitStack() as stack:
            if TEMPORARY_NAME.fullmatch(name) or lock_alone(_kept(stack, open_in(name, staging))):
                names.append(name)
    return sorted(names)


@contextmanager
def room(root: Path) -> Iterator[Room]:
    """A room for one batch, removed with all that is still in it when the block is left.

    Raises:
        StorageError: it cannot be made.
    """
    with ExitStack() as stack:
        try:
            entered = _enter(stack, root)
        except OSError as error:
            raise storage_error("write to", str(root), error) from error
        yield entered


class Room:
    """A private directory for the files of one batch, which are named by numbers there."""

    def __init__(self, *, path: Path, root: int, directory: int) -> None:
        """A room that was entered.

        Args:
            path: the storage directory.
            root: a descriptor of it.
            directory: a descriptor of the private directory, older than every write in it.
        """
        self.path = path
        self.root = root
        self.directory = directory
        self._flusher = Flusher(directory)
        self._numbers = count(1)

    def open(self) -> tuple[bytes, int]:
        """A new, empty file: its name here and a descriptor, which goes to `keep` or `drop`."""
        name = self._new_name()
        descriptor = os.open(name, NEW_FILE, SECRET_FILE, dir_fd=self.directory)
        try:
            os.fchmod(descriptor, PUBLIC_FILE)
        except BaseException:
            self.drop(name, descriptor)
            raise
        return name, descriptor

    def scratch(self) -> IO[bytes]:
        """A file without a name, unbuffered: it is gone with the last descriptor of it."""
        name = self._new_name()
        flags = NEW_FILE & ~os.O_WRONLY | os.O_RDWR
        descriptor = os.open(name, flags, SECRET_FILE, dir_fd=self.directory)
        os.unlink(name, dir_fd=self.directory)
        return os.fdopen(descriptor, "w+b", buffering=0)

    def _new_name(self) -> bytes:
        # One step, so that files can be opened side by side.
        return b"%x" % next(self._numbers)

    def keep(self, name: bytes, descriptor: int) -> None:
        """A file is written; it is durable after the next `flush`."""
        self._flusher.take(name, descriptor)

    def rely_on(self, descriptor: int) -> None:
        """Own a descriptor of a file that has its final name already; it too is durable after the next `flush`."""
        self._flusher.take(self._new_name(), descriptor)

    def drop(self, name: bytes, descriptor: int | None = None) -> None:
        """Let go of a file, kept or, with its descriptor, not yet kept."""
        self._flusher.forget(name)
        if descriptor is not None:
            close_quietly(descriptor)
        with suppress(OSError):
            os.unlink(name, dir_fd=self.directory)

    def unname(self, name: bytes) -> None:
        """Take away a file's name here; the file itself, which may have other names, is still flushed."""
        os.unlink(name, dir_fd=self.directory)

    def add(self, data: bytes) -> bytes:
        """Keep a new file with these bytes: its name here."""
        return self._written(lambda descriptor: write_all(descriptor, data))

    def holds(self, name: bytes, data: bytes) -> bool:
        """Whether a file here has exactly these bytes."""
        descriptor = os.open(name, OLD_FILE, dir_fd=self.directory)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(len(data) + 1) == data

    def twin(self, name: bytes) -> bytes:
        """The same content under another name here: a hard link, or a copy where there are none."""
        other = self._new_name()
        try:
            os.link(name, other, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}:
                raise
            return self._copy(name)
        return other

    def _copy(self, name: bytes) -> bytes:
        source = os.open(name, OLD_FILE, dir_fd=self.directory)

        def copy(descriptor: int) -> None:
            while chunk := os.read(source, _CHUNK):
                write_all(descriptor, chunk)

        try:
            return self._written(copy)
        finally:
            os.close(source)

    def _written(self, write: Callable[[int], None]) -> bytes:
        """A new file, kept if `write` fills it and dropped if it fails."""
        name, descriptor = self.open()
        try:
            write(descriptor)
        except BaseException:
            self.drop(name, descriptor)
            raise
        self.keep(name, descriptor)
        return name

    def flush(self) -> None:
        """Make everything that was kept durable."""
        self._flusher.flush()

    def clear(self) -> None:
        """Let go of everything."""
        self._flusher.abandon()
        _empty(self.directory)


# --- directories -----------------------------------------------------------------------------------------


def _kept(stack: ExitStack, descriptor: int) -> int:
    stack.callback(close_quietly, descriptor)
    return descriptor


def _open_staging(stack: ExitStack, root: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(STAGING, SECRET_DIRECTORY, dir_fd=root)
    staging = _kept(stack, open_in(STAGING, root))
    if stat.S_IMODE(os.fstat(staging).st_mode) != SECRET_DIRECTORY:
        os.fchmod(staging, SECRET_DIRECTORY)
    return staging


def _check_one_file_system(top: int, staging: int) -> None:
    if os.fstat(top).st_dev != os.fstat(staging).st_dev:
        raise OSError(errno.EXDEV, "two file systems")


def _enter(stack: ExitStack, root: Path) -> Room:
    top = _kept(stack, open_top(root))
    staging = _open_staging(stack, top)
    name = secrets.token_hex(8)
    with held(staging):
        os.mkdir(name, SECRET_DIRECTORY, dir_fd=staging)
        stack.callback(_remove_directory, name, staging)
        directory = _kept(stack, open_in(name, staging))
        lock_shared(directory)
    entered = Room(path=root, root=top, directory=directory)
    stack.callback(entered.clear)
    return entered


def _clear_rooms(staging: int) -> None:
    for name in os.listdir(staging):
        with suppress(OSError), ExitStack() as stack:
            directory = _kept(stack, open_in(name, staging))
            if lock_alone(directory):
                _empty(directory)
                os.rmdir(name, dir_fd=staging)


def _empty(directory: int) -> None:
    with suppress(OSError):
        for name in os.listdir(directory):
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)


def _remove_directory(name: str, parent: int) -> None:
    with suppress(OSError):
        os.rmdir(name, dir_fd=parent)
