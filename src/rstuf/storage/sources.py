"""Files on their way in: found on this machine, and read so that what is hashed is what was there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rstuf.errors import InputMissing, InvalidInput, InvalidPath, InvalidRecord, Lines, SourceChanged, StorageError
from rstuf.model.artifacts import ListedHash
from rstuf.model.names import MAX_PATH_BYTES, TargetPath, target_path

_HEAD: Final = 128
_FILES_ONLY: Final = "only files can be added, and directories of files"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file of this machine.

    Attributes:
        path: the artifact path it will have.
        location: where it is.
        size: bytes when it was found.
        listed: what it must hash to, where a listing says so.
    """

    path: TargetPath
    location: Path
    size: int
    listed: ListedHash | None = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes; anything but a regular file is refused, and so is one that changes while it is read.

        Raises:
            InputMissing, StorageError: it is not there any more, or cannot be read.
            SourceChanged: it is not what it was when it was opened.
        """
        # Opening a FIFO would wait for a writer; the check on the descriptor then refuses it.
        try:
            descriptor = os.open(self.location, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(self.location, error) from None
        before = _status_of_file(self.location, descriptor)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            try:
                _refuse_private_key(self.location, file)
                yield file
                after = os.fstat(file.fileno())
            except OSError as error:
                raise _unreadable(self.location, error) from None
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
        raise _unreadable(location, error) from None
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _no_file(location)
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


Guard = Callable[[Path], None]
"""Raises where a file must not become an artifact, wherever its name leads."""


def find_files(
    locations: Iterable[Path], *, prefix: str = "", guard: Guard, on_found: Callable[[int], None]
) -> list[LocalFile]:
    """The files that `locations` name: a file by its base name, a directory by the paths of all files below it.

    Files named by hand may be symbolic links; inside a directory links are refused, never followed or passed over.

    Args:
        prefix: stands before every path ("dist/" or "dist").
        guard: asked of every file.
        on_found: told of every file.

    Raises:
        InputMissing, StorageError: something is not there, or cannot be read.
        InvalidPath: a name cannot be an artifact path.
        InvalidInput: two files would have the same artifact path, something is neither a file nor a directory, or a
            directory holds no file.
    """
    prefix = prefix + "/" if prefix and not prefix.endswith("/") else prefix
    found: dict[str, LocalFile] = {}
    for location in locations:
        empty = True
        for name, place, size in _below(location):
            empty = False
            guard(place)
            on_found(1)
            path = target_path(prefix + name)
            other = found.setdefault(path, LocalFile(path, place, size))
            if other.location != place and not _is_one_file(other.location, place):
                raise InvalidInput(
                    f"{path} would be both {other.location} and {place}",
                    hint="add them one after the other with different --prefix",
                )
        if empty:
            raise InvalidInput(
                f"the directory {location} holds no files",
                hint="nothing was taken; see that what fills it has run, or name another one",
            )
    return list(found.values())


def listed_files(
    lines: Iterable[tuple[TargetPath, ListedHash]], *, base: Path, prefix: str = "", guard: Guard
) -> list[LocalFile]:
    """The files below `base` that a listing names, each with the hash that the listing gives.

    Raises:
        InputMissing, StorageError: one is not there, or is no file.
        InvalidRecord: one must not become an artifact.
    """
    prefix = prefix + "/" if prefix and not prefix.endswith("/") else prefix
    files = []
    for path, listed in lines:
        place = base / path
        try:
            guard(place)
        except InvalidInput as error:
            raise InvalidRecord(listed.source, listed.line, error.message, hint=error.hint) from None
        aside = f", which {Lines(listed.source, (listed.line,))} names"
        try:
            status = place.stat()
        except OSError as error:
            where = f"the listing names files below {base}; --base DIR says where they are"
            raise _unreadable(place, error, aside=aside, hint=where) from None
        if not stat.S_ISREG(status.st_mode):
            raise _no_file(place, aside=aside)
        files.append(LocalFile(target_path(prefix + path), place, status.st_size, listed))
    return files


def _below(location: Path) -> Iterator[tuple[str, Path, int]]:
    try:
        status = location.stat()
    except OSError as error:
        raise _unreadable(location, error) from None
    if stat.S_ISREG(status.st_mode):
        yield _text(location.absolute().name), location, status.st_size
    elif stat.S_ISDIR(status.st_mode):
        yield from _walk(location, "")
    else:
        raise _unfit(location)


def _walk(directory: Path, prefix: str) -> Iterator[tuple[str, Path, int]]:
    if len(prefix) > MAX_PATH_BYTES:
        raise InvalidPath(prefix, f"no path below it has at most {MAX_PATH_BYTES} bytes")
    try:
        with os.scandir(directory) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(directory, error) from None
    for entry in ordered:
        name, place = prefix + _text(entry.name), directory / entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            raise _unreadable(place, error) from None
        if stat.S_ISLNK(status.st_mode):
            raise InvalidInput(
                f"{place} is a symbolic link", hint="links in a directory are not followed; add the file itself"
            )
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(place, name + "/")
        elif stat.S_ISREG(status.st_mode):
            yield name, place, status.st_size
        else:
            raise _unfit(place)


def _unfit(place: Path) -> InvalidInput:
    return InvalidInput(
        f"{place} is neither a file nor a directory",
        hint="nothing was taken; name what is beside it, or move it away: only files can be added",
    )


def _is_one_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_private_key(head: bytes) -> bool:
    line = head.lstrip().partition(b"\n")[0]
    return line.startswith(b"-----BEGIN") and b"PRIVATE KEY" in line


def _text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidPath(name, "its name is not UTF-8") from None
    return name


def _mark(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _no_file(location: Path, *, aside: str = "") -> StorageError:
    return StorageError("take", f"{location}{aside}", "it is not a regular file", hint="only files can be added")


def _unreadable(
    location: Path, error: OSError, *, aside: str = "", hint: str = "name files and directories that can be read"
) -> InputMissing | StorageError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return InputMissing(f"{location}{aside}", hint=hint)
    return StorageError("read", f"{location}{aside}", (error.strerror or "it cannot be read").lower(), hint=hint)
