"""Where a download goes: a name in a directory, which is reached without following links that a path could name.

Its bytes stand in `NAME.part` beside it until they are all there and right; then they get the name in one step.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from rstuf.durable import (
    NEW_FILE,
    OLD_FILE,
    How,
    flush,
    flush_directory,
    give_name,
    storage_error,
    write_all,
)
from rstuf.errors import InvalidInput, Locked, StorageError
from rstuf.locks import OnWait
from rstuf.model.names import TargetPath
from rstuf.storage.inside import Parents, close_quietly, open_top, reached, remove_empty

PART: Final = ".part"
_PAUSE: Final = 0.05
_PATIENCE: Final = 1.0
_CHUNK: Final = 1 << 20
_OPEN: Final = (NEW_FILE & ~(os.O_WRONLY | os.O_EXCL)) | os.O_RDWR | getattr(os, "O_NONBLOCK", 0)
_MODE: Final = 0o666
# Where /dev/stdout leads, whatever stdout is.
_DESCRIPTORS: Final = b"/proc/"


@dataclass(frozen=True, slots=True)
class Destination:
    """A file that is to be.

    Attributes:
        top: the directory that the caller chose, through whatever links.
        parents: names below it, none of which may be a link; made when they are missing.
        name: of the file.
    """

    top: Path
    parents: Parents
    name: bytes

    @property
    def file(self) -> Path:
        """Its path."""
        return self.top.joinpath(*(os.fsdecode(each) for each in (*self.parents, self.name)))

    @property
    def part(self) -> Path:
        """Where its bytes are until they are complete."""
        return self.file.with_name(self.file.name + PART)

    def unfinished(self) -> int:
        """How many bytes are there that a download goes on from; 0 where something else has the name of its part."""
        with suppress(OSError):
            top = open_top(self.top)
            try:
                with reached(top, self.parents) as directory:
                    found = os.stat(self.name + PART.encode(), dir_fd=directory, follow_symlinks=False)
                    return found.st_size if _is_ours(found) else 0
            finally:
                close_quietly(top)
        return 0

    @contextmanager
    def entered(self) -> Iterator[int]:
        """A descriptor of its directory; directories that are made for it and stay empty go again.

        Raises:
            StorageError: it cannot be reached or made.
        """
        made: list[Parents] = []

        def make(directory: int, depth: int) -> None:
            with suppress(FileExistsError):
                os.mkdir(self.parents[depth], dir_fd=directory)
                made.append(self.parents[: depth + 1])
                flush_directory(directory)

        try:
            top = open_top(self.top)
        except FileNotFoundError:
            hint = "make it, or name another place for the download"
            raise StorageError("write into", str(self.top), "there is no such directory", hint=hint) from None
        except OSError as error:
            raise storage_error("open", str(self.top), error) from error
        try:
            with _told("open", str(self.file.parent)), reached(top, self.parents, make) as directory:
                yield directory
        finally:
            for parents in reversed(made):
                remove_empty(top, parents)
            close_quietly(top)


def destination_in(directory: Path, path: TargetPath) -> Destination:
    """An artifact's place below a directory, which need not be there yet: its path from there."""
    *parents, name = path.encode().split(b"/")
    missing: list[bytes] = []
    while not directory.exists() and directory.name:
        missing.insert(0, os.fsencode(directory.name))
        directory = directory.parent
    return Destination(directory, (*missing, *parents), name)


def destination_at(file: str | Path) -> Destination:
    """A file that the caller chose, wherever it is; as text, it is told from a directory by a slash at its end.

    Raises:
        InvalidInput: it cannot be the name of a file.
    """
    # A path does not know any more what stood behind its last slash.
    text, file = str(file), Path(file)
    if text.rpartition(os.sep)[2] in {"", ".", ".."}:
        raise InvalidInput(f"{text} cannot be the name of a file", hint="--dir DIR puts downloads into a directory")
    if file.is_dir():
        raise InvalidInput(f"{file} is a directory", hint=f"to put the download into it: --dir {file}")
    return Destination(file.parent, (), os.fsencode(file.name))


@contextmanager
def opened_existing(directory: int, name: bytes, *, shown: str) -> Iterator[int | None]:
    """A descriptor of the regular file that has a name; -1 where something else has it, None where nothing has.

    Raises:
        StorageError: it cannot be opened.
    """
    try:
        descriptor = os.open(name, OLD_FILE, dir_fd=directory)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENXIO}:
            raise storage_error("read", shown, error) from error
        yield -1
        return
    try:
        yield descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else -1
    finally:
        close_quietly(descriptor)


def refuse_special(directory: int, name: bytes, *, shown: str) -> None:
    """Refuse the name of what others read from and write to: `/dev/null` would be a file from then on, for everybody.

    Raises:
        StorageError: a device, a pipe or a socket has it, or a link that leads to one, or to a descriptor.
    """
    try:
        found = os.stat(name, dir_fd=directory)
    except OSError:
        return
    target = b""
    with suppress(OSError):
        target = os.readlink(name, dir_fd=directory)
    if target.startswith(_DESCRIPTORS) or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise StorageError(
            "write", shown, "it is not a regular file", hint="-o - writes to stdout; -o FILE names another place"
        )


class Part:
    """An unfinished download, held by this process alone."""

    def __init__(self, descriptor: int, *, shown: str) -> None:
        self.shown = shown
        self._descriptor = descriptor

    def size(self) -> int:
        """How many bytes are there."""
        with _told("read", self.shown):
            return os.fstat(self._descriptor).st_size

    def chunks(self) -> Iterator[bytes]:
        """These bytes, from the first on; what is written then follows them."""
        with _told("read", self.shown):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            while chunk := os.read(self._descriptor, _CHUNK):
                yield chunk

    def empty(self) -> None:
        """Begin again."""
        with _told("write", self.shown):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            StorageError: the disk is full, or fails.
        """
        with _told("write", self.shown):
            write_all(self._descriptor, data)

    def finish(self, name: bytes, *, directory: int, how: How) -> None:
        """Make its bytes durable and give them their name.

        Raises:
            FileExistsError: to be created, and there with other bytes.
            StorageError: the disk fails.
        """
        with _told("write", self.shown, but=FileExistsError):
            flush(self._descriptor)
            give_name(name + PART.encode(), name, how, source_dir=directory, target_dir=directory)
            flush_directory(directory)


@contextmanager
def held_part(directory: int, name: bytes, *, shown: str, wait: timedelta, on_wait: OnWait | None) -> Iterator[Part]:
    """The unfinished download of `name`, which is made where there is none. An empty one goes at the end.

    Raises:
        Locked: another process holds it, and did not let go within `wait`.
        StorageError: it cannot be opened, or is something that we must not write to.
    """
    part = name + PART.encode()
    _drop_twin(part, name, directory)
    descriptor = _hold(part, directory, shown=shown, wait=wait, on_wait=on_wait)
    try:
        yield Part(descriptor, shown=shown)
    finally:
        with suppress(OSError):
            if os.fstat(descriptor).st_size == 0 and _is_named(descriptor, part, directory):
                os.unlink(part, dir_fd=directory)
        close_quietly(descriptor)


def _hold(part: bytes, directory: int, *, shown: str, wait: timedelta, on_wait: OnWait | None) -> int:
    started, told = time.monotonic(), on_wait is None
    while True:
        with _told("write", shown):
            descriptor = os.open(part, _OPEN, _MODE, dir_fd=directory)
        keep = False
        try:
            with _told("write", shown):
                _check_ours(os.fstat(descriptor), shown)
                keep = _lock(descriptor) and _is_named(descriptor, part, directory)
        finally:
            if not keep:
                close_quietly(descriptor)
        if keep:
            return descriptor
        waited = time.monotonic() - started
        if waited >= wait.total_seconds():
            raise Locked("download", holder=None, waited=waited)
        if not told and waited >= _PATIENCE and on_wait is not None:
            on_wait("download", None)
            told = True
        time.sleep(_PAUSE)


def _drop_twin(part: bytes, name: bytes, directory: int) -> None:
    """Take its other name from a finished download whose process was killed between the two."""
    with suppress(OSError):
        if os.path.samestat(*(os.stat(each, dir_fd=directory, follow_symlinks=False) for each in (part, name))):
            os.unlink(part, dir_fd=directory)


def _is_ours(found: os.stat_result) -> bool:
    """Whoever else owns a file, or has another name for it, could change it once it is verified."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid()


def _check_ours(found: os.stat_result, shown: str) -> None:
    if not _is_ours(found):
        raise StorageError(
            "write", shown, "something is there that is no unfinished download of yours", hint=f"move {shown} away"
        )


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_named(descriptor: int, name: bytes, directory: int) -> bool:
    """Whether a held file has its name still; who finished it meanwhile gave it another."""
    try:
        named = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))


@contextmanager
def _told(action: str, shown: str, *, but: type[OSError] | tuple[()] = ()) -> Iterator[None]:
    """Errors of the system in our words."""
    try:
        yield
    except but:
        raise
    except OSError as error:
        raise storage_error(action, shown, error) from error
