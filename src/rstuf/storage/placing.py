"""Giving the files of a batch their final names, and making them durable before and after."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import compress, islice
from typing import Final, NamedTuple, Protocol

from rstuf.durable import How, give_name, held, lock_alone, settle
from rstuf.permissions import refuse_shared
from rstuf.repository.interfaces import ignored
from rstuf.storage.flushing import Flusher
from rstuf.storage.inside import Parents, is_there, make_public, open_in, reached, remove_empty
from rstuf.storage.scratch import Scratch
from rstuf.storage.staging import Room

_NEAR: Final = 4096


class Placement(NamedTuple):
    """Where a staged file goes: the names of its directories, its own, what errors call it, and what may be there."""

    parents: Parents
    name: bytes
    staged: bytes
    shown: str
    how: How = How.CREATE


class Placements(Protocol):
    """Any number of placements, to be gone through twice."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Placement]:
        """Each of them, in the same order every time."""


class StagedFiles:
    """`Placements`, however many, with flat memory."""

    def __init__(self, room: Room) -> None:
        """None yet; those that are many are noted in a scratch file in `room`."""
        self._scratch = Scratch(3, make=room.scratch, where=str(room.path))

    def add(self, staged: bytes, name: str, how: How) -> None:
        """One more: a file of the room, and where it goes, with slashes."""
        self._scratch.add(staged, name.encode(), how.value.encode())

    def __len__(self) -> int:
        return len(self._scratch)

    def __iter__(self) -> Iterator[Placement]:
        for staged, name, how in self._scratch:
            shown = name.decode()
            yield Placement(*split(shown), staged, shown, How(how.decode()))


def split(name: str) -> tuple[Parents, bytes]:
    """A name below the storage directory, in its directories and its own."""
    *parents, last = name.encode().split(b"/")
    return tuple(parents), last


class Placing:
    """Places the files of one room.

    Attributes:
        current: what errors should name, wherever it stopped.
    """

    def __init__(self, room: Room, what: str) -> None:
        """Places what is staged in `room`; `what` stands in errors for all of it together."""
        self.current = what
        self._what = what
        self._room = room
        self._made: list[Parents] = []
        # Opened before the first name is given, so that it hears of every error from then on.
        self._directories = Flusher(room.root)

    def place(
        self,
        files: Placements,
        *,
        relied: Iterable[Parents] = (),
        on_named: Callable[[int], None] = ignored,
    ) -> None:
        """Give every file its name: conflicts first, then the contents' durability, then names and theirs.

        A file that is there with equal bytes stays. If this fails before the first name was given, nothing changed.

        Args:
            relied: more directories whose names are to be durable.
            on_named: told how many more files have their names.

        Raises:
            UnsafeDirectory: a directory that a file goes to is not ours alone to write to.
            FileExistsError: `current` is there with other bytes, and not to be replaced.
            OSError: any other failure; then some may have their names.
        """
        directories = set(relied)
        # For every file, in the order of the groups: whether its name is to be given.
        free = bytearray()
        # Batches that run at once share directories; while one relies on them, another doesn't take its own back.
        with held(self._room.root):
            try:
                for parents, group in _grouped(files):
                    directories.add(parents)
                    found = self._free(parents, group)
                    on_named(len(group) - sum(found))
                    free += found
                self.current = self._what
                self._room.flush()
                which = iter(free)
                for parents, group in _grouped(files):
                    self._name(parents, list(compress(group, islice(which, len(group)))), on_named)
                self.current = self._what
                self._flush_directories(directories)
            except BaseException:
                self._take_back()
                raise

    def _free(self, parents: Parents, group: list[Placement]) -> bytes:
        """Of each file whether its name is free; those that are there with equal bytes are done with."""
        self.current = group[0].shown
        room, free = self._room, bytearray()
        with reached(
            room.root,
            parents,
            lambda above, depth: self._make(parents, depth, above),
            entered=lambda inside, depth: refuse_shared(inside, room.path, parents[: depth + 1]),
        ) as directory:
            for file in group:
                wanted = file.how is How.REPLACE or not is_there(file.name, directory)
                free.append(wanted)
                if not wanted:
                    self.current = file.shown
                    settle(file.staged, file.name, source_dir=room.directory, target_dir=directory)
                    room.unname(file.staged)
        return bytes(free)

    def _take_back(self) -> None:
        self._directories.abandon()
        if self._made and lock_alone(self._room.root):
            for parents in reversed(self._made):
                remove_empty(self._room.root, parents)

    def _make(self, parents: Parents, depth: int, above: int) -> None:
        if make_public(parents[depth], above):
            self._made.append(parents[: depth + 1])

    def _name(self, parents: Parents, group: list[Placement], on_named: Callable[[int], None]) -> None:
        if not group:
            return
        room = self._room
        with reached(room.root, parents) as directory:
            for file in group:
                self.current = file.shown
                give_name(file.staged, file.name, file.how, source_dir=room.directory, target_dir=directory)
                on_named(1)

    def _flush_directories(self, groups: Iterable[Parents]) -> None:
        """Make every name durable, also of directories that others made: theirs may not be yet."""
        every = {parents[:depth] for parents in groups for depth in range(len(parents) + 1)}
        for parents in sorted(every):
            with reached(self._room.root, parents[:-1]) as above:
                self._directories.take(parents, open_in(parents[-1], above) if parents else os.dup(above))
        self._directories.flush()


def _grouped(files: Placements) -> Iterator[tuple[Parents, list[Placement]]]:
    """Files that go to one directory together, as far as they lie near each other; the same every time."""
    remaining = iter(files)
    while some := list(islice(remaining, _NEAR)):
        groups: dict[Parents, list[Placement]] = {}
        for file in some:
            groups.setdefault(file.parents, []).append(file)
        yield from groups.items()
