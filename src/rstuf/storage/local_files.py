"""A file of this machine on its way in, read so that what is hashed is what was there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rstuf.errors import InvalidInput, SourceChanged, StorageError
from rstuf.model.artifacts import ListedHash
from rstuf.model.names import TargetPath
from rstuf.model.stamps import Stamp
from rstuf.storage.walking import stamp_of, unreadable

_HEAD: Final = 128


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file of this machine.

    Attributes:
        path: the artifact path it will have.
        location: where it is.
        size: bytes when it was found.
        listed: what it must hash to, where a listing says so.
        stamp: what it was known by then, where that was looked at.
    """

    path: TargetPath
    location: Path
    size: int
    listed: ListedHash | None = None
    stamp: Stamp | None = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes; anything but a regular file is refused, and so is one that changes while it is read.

        Raises:
            InputMissing, StorageError: it is not there any more, or cannot be read.
            SourceChanged: it is not what it was when it was found, or opened.
        """
        # Opening a FIFO would wait for a writer; the check on the descriptor then refuses it.
        try:
            descriptor = os.open(self.location, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise unreadable(self.location, error) from None
        before = _status_of_file(self.location, descriptor)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            # Who writes in the directory may have put a link in its place, to what only we can read.
            if self.stamp is not None and stamp_of(before) != self.stamp:
                raise SourceChanged(str(self.location))
            try:
                _refuse_private_key(self.location, file)
                yield file
                after = os.fstat(file.fileno())
            except OSError as error:
                raise unreadable(self.location, error) from None
            if _mark(before) != _mark(after):
                raise SourceChanged(str(self.location))


def _status_of_file(location: Path, descriptor: int) -> os.stat_result:
    """The status of an open file; what is none is closed. Python's own file objects refuse directories namelessly.

    Raises:
        StorageError: it is not a regular file.
    """
    try:
        status = os.fstat(descriptor)
    except OSError as error:
        os.close(descriptor)
        raise unreadable(location, error) from None
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise no_file(location)
    return status


def _refuse_private_key(location: Path, file: BinaryIO) -> None:
    """`file` stands at its start afterwards.

    Raises:
        InvalidInput: it is a private key.
    """
    if _is_private_key(file.read(_HEAD)):
        raise InvalidInput(
            f"{location} is a private key", hint="if others are meant to have it, publish it in an archive"
        )
    file.seek(0)


def no_file(location: Path, *, aside: str = "") -> StorageError:
    """The error that says that something is no file."""
    return StorageError("take", f"{location}{aside}", "it is not a regular file", hint="only files can be added")


def _is_private_key(head: bytes) -> bool:
    line = head.lstrip().partition(b"\n")[0]
    return line.startswith(b"-----BEGIN") and b"PRIVATE KEY" in line


def _mark(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
