"""Looking through a directory for files, in the order of their paths from inside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rstuf.errors import InputMissing, InvalidInput, InvalidPath, StorageError
from rstuf.model.names import MAX_PATH_BYTES
from rstuf.model.stamps import Stamp


class Found(NamedTuple):
    """A regular file: its path from inside the directory, where it is, and its stamp."""

    name: str
    place: Path
    stamp: Stamp


def below(location: Path) -> Iterator[Found]:
    """The file at `location`, by its base name, or all files below it, sorted by their paths (by code points).

    A link to a file or directory is followed where it is `location` itself; inside a directory it is refused.

    Raises:
        InputMissing, StorageError: something is not there, or cannot be read.
        InvalidPath: a name cannot be an artifact path.
        InvalidInput: something is neither a file nor a directory.
    """
    try:
        status = location.stat()
    except OSError as error:
        raise unreadable(location, error) from None
    if stat.S_ISREG(status.st_mode):
        yield Found(text_of(location.absolute().name), location, stamp_of(status))
    elif stat.S_ISDIR(status.st_mode):
        yield from _walk(location, "")
    else:
        raise _unfit(location)


def _walk(directory: Path, prefix: str) -> Iterator[Found]:
    if len(prefix) > MAX_PATH_BYTES:
        raise InvalidPath(prefix, f"no path below it has at most {MAX_PATH_BYTES} bytes")
    try:
        with os.scandir(directory) as entries:
            # What lies in "a" comes where "a/" comes: behind "a-b", before "ab".
            ordered = sorted(
                entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries
            )
    except OSError as error:
        raise unreadable(directory, error) from None
    for entry in ordered:
        name, place = prefix + text_of(entry.removesuffix("/")), directory / entry
        try:
            status = place.lstat()
        except OSError as error:
            raise unreadable(place, error) from None
        if stat.S_ISLNK(status.st_mode):
            raise InvalidInput(
                f"{place} is a symbolic link", hint="links in a directory are not followed; add the file itself"
            )
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(place, name + "/")
        elif stat.S_ISREG(status.st_mode):
            yield Found(name, place, stamp_of(status))
        else:
            raise _unfit(place)


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp that a file has."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def text_of(name: str) -> str:
    """
    Raises:
        InvalidPath: it is not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidPath(name, "its name is not UTF-8") from None
    return name


def _unfit(place: Path) -> InvalidInput:
    return InvalidInput(
        f"{place} is neither a file nor a directory",
        hint="nothing was taken; name what is beside it, or move it away: only files can be added",
    )


def unreadable(
    location: Path, error: OSError, *, aside: str = "", hint: str = "name files and directories that can be read"
) -> InputMissing | StorageError:
    """The error that says why a file of the person's own cannot be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return InputMissing(f"{location}{aside}", hint=hint)
    return StorageError("read", f"{location}{aside}", (error.strerror or "it cannot be read").lower(), hint=hint)
