"""Looking through a directory for files, in the order of their paths from inside it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from rstuf.durable import storage_error
from rstuf.errors import InputMissing, InvalidInput, InvalidPath, SourceChanged, StorageError
from rstuf.model.names import MAX_PATH_BYTES
from rstuf.model.stamps import Stamp
from rstuf.storage.inside import close_quietly, open_in, open_top

_LATEST: Final = (1 << 63) - 1


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
        with _entered(location, partial(open_top, location)) as directory:
            yield from _walk(directory, location, "")
    else:
        raise _unfit(location)


def _walk(directory: int, shown: Path, prefix: str) -> Iterator[Found]:
    """What lies below an open directory: whoever writes in one above may put a link to elsewhere in its place."""
    if len(prefix) > MAX_PATH_BYTES:
        raise InvalidPath(prefix, f"no path below it has at most {MAX_PATH_BYTES} bytes")
    try:
        with os.scandir(directory) as entries:
            # What lies in "a" comes where "a/" comes: behind "a-b", before "ab".
            ordered = sorted(
                entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries
            )
    except OSError as error:
        raise unreadable(shown, error) from None
    for entry in ordered:
        own = entry.removesuffix("/")
        name, place = prefix + text_of(own), shown / own
        try:
            status = os.stat(own, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            raise unreadable(place, error) from None
        if stat.S_ISLNK(status.st_mode):
            raise InvalidInput(
                f"{place} is a symbolic link", hint="links in a directory are not followed; add the file itself"
            )
        if stat.S_ISDIR(status.st_mode):
            with _entered(place, partial(open_in, own, directory)) as following:
                yield from _walk(following, place, name + "/")
        elif stat.S_ISREG(status.st_mode):
            yield Found(name, place, stamp_of(status))
        else:
            raise _unfit(place)


@contextmanager
def _entered(place: Path, enter: Callable[[], int]) -> Iterator[int]:
    """A descriptor of the directory at `place`, as `enter` opens it.

    Raises:
        SourceChanged: it was one a moment ago.
        InputMissing, StorageError: it is not there any more, or cannot be read.
    """
    try:
        directory = enter()
    except NotADirectoryError:
        raise SourceChanged(str(place)) from None
    except OSError as error:
        raise unreadable(place, error) from None
    try:
        yield directory
    finally:
        close_quietly(directory)


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp that a file has. Dates of its bytes that nanoseconds in 64 bits do not reach are the last they do."""
    mtime_ns = max(-_LATEST, min(status.st_mtime_ns, _LATEST))
    return Stamp(status.st_size, mtime_ns, status.st_ctime_ns, status.st_ino)


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
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return storage_error("read", f"{location}{aside}", error)
    return StorageError("read", f"{location}{aside}", (error.strerror or "it cannot be read").lower(), hint=hint)
