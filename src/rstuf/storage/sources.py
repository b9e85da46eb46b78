"""Files on their way in: found on this machine, by the names that a person or a listing gives."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rstuf.errors import InvalidInput, InvalidRecord, Lines
from rstuf.model.artifacts import ListedHash
from rstuf.model.names import TargetPath, target_path
from rstuf.storage.local_files import LocalFile, no_file
from rstuf.storage.pile import Pile
from rstuf.storage.walking import below, unreadable

Guard = Callable[[Path], None]
"""Raises where a file must not become an artifact, wherever its name leads."""


def find_files(locations: Sequence[Path], *, prefix: str = "", guard: Guard, on_found: Callable[[int], None]) -> Pile:
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
    pile = Pile()
    # One directory gives each path once.
    places: dict[str, Path] | None = {} if len(locations) > 1 else None
    for location in locations:
        empty = True
        for file in _files_below(location, prefix=prefix, guard=guard):
            empty = False
            on_found(1)
            if places is None or _is_first(file, places):
                pile.add(file)
        if empty:
            raise InvalidInput(
                f"the directory {location} holds no files",
                hint="nothing was taken; see that what fills it has run, or name another one",
            )
    return pile


class Tree:
    """All files of one directory, to be compared with artifacts, which come in the same order."""

    def __init__(self, directory: Path, *, prefix: str = "", guard: Guard, on_found: Callable[[int], None]) -> None:
        """
        Args:
            directory: it is looked through when it is asked for its files.
            prefix, guard, on_found: as of `find_files`.
        """
        self._directory, self._prefix = directory, prefix
        self._guard, self._on_found = guard, on_found

    def __str__(self) -> str:
        return str(self._directory)

    @property
    def prefix(self) -> str:
        """What every path of it begins with, "" or with a slash at its end."""
        return whole(self._prefix)

    def files(self) -> Iterator[LocalFile]:
        """Its files with their stamps, sorted by path (by code points).

        Raises:
            InputMissing, StorageError: something is not there, or cannot be read.
            InvalidPath: a name cannot be an artifact path.
            InvalidInput: it is no directory; or something in it must not become an artifact, or is no file.
        """
        if self._directory.is_file():
            raise InvalidInput(f"{self} is a file", hint="name a directory; rstuf artifact add takes files")
        for file in _files_below(self._directory, prefix=self._prefix, guard=self._guard):
            self._on_found(1)
            yield file

    def pile(self) -> Pile:
        """Room for those of them that are to be read."""
        return Pile()


def listed_files(
    lines: Iterable[tuple[TargetPath, ListedHash]], *, base: Path, prefix: str = "", guard: Guard
) -> list[LocalFile]:
    """The files below `base` that a listing names, each with the hash that the listing gives.

    Raises:
        InputMissing, StorageError: one is not there, or is no file.
        InvalidRecord: one must not become an artifact.
    """
    prefix = whole(prefix)
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
            raise unreadable(place, error, aside=aside, hint=where) from None
        if not stat.S_ISREG(status.st_mode):
            raise no_file(place, aside=aside)
        files.append(LocalFile(target_path(prefix + path), place, status.st_size, listed))
    return files


def whole(prefix: str) -> str:
    """A prefix as it stands before a path: a directory's name, with the slash."""
    return prefix + "/" if prefix and not prefix.endswith("/") else prefix


def _files_below(location: Path, *, prefix: str, guard: Guard) -> Iterator[LocalFile]:
    prefix = whole(prefix)
    for name, place, stamp in below(location):
        guard(place)
        yield LocalFile(target_path(prefix + name), place, stamp.size, stamp=stamp)


def _is_first(file: LocalFile, places: dict[str, Path]) -> bool:
    """Whether nothing else has its path so far.

    Raises:
        InvalidInput: another file has.
    """
    other = places.get(file.path)
    if other is None:
        places[file.path] = file.location
        return True
    if other != file.location and not _is_one_file(other, file.location):
        raise InvalidInput(
            f"{file.path} would be both {other} and {file.location}",
            hint="add them one after the other with different --prefix",
        )
    return False


def _is_one_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
