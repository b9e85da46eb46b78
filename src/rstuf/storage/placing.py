"""Giving the files of a batch their final names, and making them durable before and after."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from rstuf.durable import How, give_name, held, lock_alone, settle
from rstuf.permissions import refuse_shared
from rstuf.repository.interfaces import ignored
from rstuf.storage.flushing import Flusher
from rstuf.storage.inside import Parents, is_there, make_public, open_in, reached, remove_empty
from rstuf.storage.staging import Room


class Placement(NamedTuple):
    """Where a staged file goes: the names of its directories, its own, what errors call it, and what may be there."""

    parents: Parents
    name: bytes
    staged: bytes
    shown: str
    how: How = How.CREATE


_Groups = Mapping[Parents, list[Placement]]


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
        files: Iterable[Placement],
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
        groups: dict[Parents, list[Placement]] = {}
        for file in files:
            groups.setdefault(file.parents, []).append(file)
        # Batches that run at once share directories; while one relies on them, another doesn't take its own back.
        with held(self._room.root):
            try:
                remaining = {parents: self._without_settled(parents, group) for parents, group in groups.items()}
                on_named(sum(map(len, groups.values())) - sum(map(len, remaining.values())))
                self.current = self._what
                self._room.flush()
                for parents, group in remaining.items():
                    self._name(parents, group, on_named)
                self.current = self._what
                self._flush_directories({*groups, *relied})
            except BaseException:
                self._take_back()
                raise

    def _without_settled(self, parents: Parents, group: list[Placement]) -> list[Placement]:
        """The files whose names are free; those that are there with equal bytes are done with."""
        self.current = group[0].shown
        room, free = self._room, []
        with reached(
            room.root,
            parents,
            lambda above, depth: self._make(parents, depth, above),
            entered=lambda inside, depth: refuse_shared(inside, room.path, parents[: depth + 1]),
        ) as directory:
            for file in group:
                if file.how is How.REPLACE or not is_there(file.name, directory):
                    free.append(file)
                    continue
                self.current = file.shown
                settle(file.staged, file.name, source_dir=room.directory, target_dir=directory)
                room.unname(file.staged)
        return free

    def _take_back(self) -> None:
        self._directories.abandon()
        if self._made and lock_alone(self._room.root):
            for parents in reversed(self._made):
                remove_empty(self._room.root, parents)

    def _make(self, parents: Parents, depth: int, above: int) -> None:
        if make_public(parents[depth], above):
            self._made.append(parents[: depth + 1])

    def _name(self, parents: Parents, group: list[Placement], on_named: Callable[[int], None]) -> None:
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
