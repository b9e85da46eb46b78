"""Whether what stands under a content's name is what the name says."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from typing import Final, NamedTuple

from rstuf.durable import OLD_FILE
from rstuf.repository.interfaces import Kept
from rstuf.storage.contents import digest_of
from rstuf.storage.inside import Parents, close_quietly, reached

_CHUNK: Final = 1 << 18
# A symbolic link, a socket or a device, a file that we may not read, and one that the disk has lost.
_UNREADABLE: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EIO})


class Look(NamedTuple):
    """What was found; of a whole content its descriptor, which the caller owns."""

    kept: Kept
    descriptor: int | None = None


def look(top: int, parents: Parents, name: bytes, *, algorithm: str, digest: str, length: int) -> Look:
    """What stands below `top` in the place of a content: its length is compared first, then its digest.

    Raises:
        IsADirectoryError: a directory, which nothing can replace atomically.
        OSError: it cannot be reached.
    """
    try:
        with reached(top, parents) as directory:
            descriptor = _opened(name, directory)
    except FileNotFoundError:
        return Look(Kept.MISSING)
    if descriptor is None:
        return Look(Kept.DAMAGED)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "a directory")
        if stat.S_ISREG(status.st_mode) and status.st_size == length and _has(descriptor, algorithm, digest):
            kept, descriptor = descriptor, None
            return Look(Kept.WHOLE, kept)
        return Look(Kept.DAMAGED)
    finally:
        if descriptor is not None:
            close_quietly(descriptor)


def worst(kept: Iterable[Kept]) -> Kept:
    """What is kept of a content under all of its names together."""
    found = set(kept)
    if found == {Kept.WHOLE}:
        return Kept.WHOLE
    return Kept.DAMAGED if Kept.DAMAGED in found else Kept.MISSING


def close_all(looks: Iterable[Look]) -> None:
    """Let go of what was found."""
    for found in looks:
        if found.descriptor is not None:
            close_quietly(found.descriptor)


def _opened(name: bytes, directory: int) -> int | None:
    try:
        return os.open(name, OLD_FILE, dir_fd=directory)
    except OSError as error:
        if error.errno in _UNREADABLE:
            return None
        raise


def _has(descriptor: int, algorithm: str, digest: str) -> bool:
    """Whether what can be read of a file has this digest."""
    found = digest_of(algorithm)
    try:
        while chunk := os.read(descriptor, _CHUNK):
            found.update(chunk)
    except OSError as error:
        if error.errno in _UNREADABLE:
            return False
        raise
    return found.hexdigest() == digest
