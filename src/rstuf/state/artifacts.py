"""Accepting and removing artifacts. What it costs follows the batch, never what is already there."""

from __future__ import annotations

import operator
import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from rstuf.errors import ArtifactConflict, ArtifactNotFound, LimitExceeded, PathRepeated, StateError
from rstuf.model.artifacts import SLOT_BITS, slot_of
from rstuf.model.names import RoleName, TargetPath
from rstuf.repository.interfaces import PutResult
from rstuf.state import entries, resizes
from rstuf.state.twins import TwinGuard

# Slot, path and fragment (`ArtifactRow`).
Row = tuple[int, TargetPath, bytes]

_CHUNK: Final = 2000
# One statement with so many rows takes a quarter less time than as many statements.
_TOGETHER: Final = 50
_SLOT: Final = operator.itemgetter(0)
# A range that holds more rows than this times the batch is not read through; its paths are looked up one by one.
_DENSE: Final = 4

_NEWEST: Final = (
    "SELECT number, fragment FROM artifact WHERE holder = ? AND slot = ? AND path = ? ORDER BY number DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """The role that rows are kept under, and how it shares them out (see `NewRole.bin_bits`).

    Attributes:
        space: under which number they are kept (see `rstuf.state.spaces`).
        coming_bits: the same once a resize that goes on is over; None where none does.
    """

    id: int
    name: RoleName
    space: int
    bin_bits: int | None
    coming_bits: int | None = None

    @property
    def grain(self) -> int:
        """As many leading bits of a slot as tell its bin, in the layout that there is and in one to come."""
        return max(self.bin_bits or 0, self.coming_bits or 0)

    @property
    def shift(self) -> int:
        """`slot >> shift` are these bits."""
        return SLOT_BITS - self.grain


@dataclass(frozen=True, slots=True)
class _Version:
    """The newest row of a path."""

    number: int
    fragment: bytes


@contextmanager
def all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    """What the block wrote goes when it fails, even if the caller catches the error and commits the rest."""
    connection.execute("SAVEPOINT call")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO call")
            connection.execute("RELEASE call")
        raise
    connection.execute("RELEASE call")


class _Changes:
    """Writes changes of one holder's artifacts under one number, and tallies what they do to each role."""

    def __init__(self, connection: sqlite3.Connection, holder: Holder, number: int) -> None:
        self._connection = connection
        self._holder = holder
        self._number = number
        self._twins = TwinGuard(connection)
        # By the bits that tell the bin (`Holder.grain`): how many artifacts and payload bytes more there are.
        self._tally: dict[int, list[int]] = {}

    def _insert(self, rows: Sequence[Row], *, clause: str) -> None:
        # Space and number stand in the statement (they are whole numbers of ours): binding them takes a sixth of
        # the time of a bulk import.
        into = f"INSERT {clause} INTO artifact (holder, number, slot, path, fragment) VALUES "  # noqa: S608
        one = f"({self._holder.space:d}, {self._number:d}, ?, ?, ?)"
        rest = len(rows) - len(rows) % _TOGETHER
        self._connection.executemany(
            into + ",".join([one] * _TOGETHER),
            (tuple(chain.from_iterable(rows[start : start + _TOGETHER])) for start in range(0, rest, _TOGETHER)),
        )
        self._connection.executemany(into + one, map(tuple, rows[rest:]))

    def _supersede(self, rows: Iterable[Row]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO superseded (holder, slot, path, number) VALUES (?, ?, ?, ?)",
            [(self._holder.space, row[0], row[1], self._number) for row in rows],
        )

    def _count(self, index: int, *, artifacts: int, payload: int) -> None:
        tally = self._tally.setdefault(index, [0, 0])
        tally[0] += artifacts
        tally[1] += payload

    def _newest(self, slot: int, path: TargetPath) -> _Version | None:
        row = self._connection.execute(_NEWEST, (self._holder.space, slot, path)).fetchone()
        return None if row is None else self._checked(*row)

    def _checked(self, number: int, fragment: bytes) -> _Version:
        if number > self._number:
            raise StateError(f"change {self._number} comes after change {number}, which is already recorded")
        return _Version(number, fragment)

    def _mark_roles(self, *, role_limit: int | None) -> None:
        changes = []
        for index, (artifacts, payload) in self._tallied(self._holder.bin_bits or 0):
            role_id, name, before = self._role(index)
            if role_limit is not None and payload > 0 and before + payload > role_limit:
                raise LimitExceeded(name, size=before + payload, limit=role_limit)
            changes.append((self._number, artifacts, payload, role_id))
        self._connection.executemany(
            "UPDATE role SET newest = max(newest, ?), artifacts = artifacts + ?, payload = payload + ? WHERE id = ?",
            changes,
        )
        if self._holder.coming_bits is not None:
            coming = self._tallied(self._holder.coming_bits)
            counts = ((self._number, artifacts, payload, index) for index, (artifacts, payload) in coming)
            resizes.count(self._connection, self._holder.id, counts)

    def _tallied(self, bits: int) -> list[tuple[int, tuple[int, int]]]:
        """Bins of a layout, by index, with how many artifacts and bytes more they hold."""
        merged: dict[int, tuple[int, int]] = {}
        for grain, (artifacts, payload) in sorted(self._tally.items()):
            before = merged.get(index := grain >> (self._holder.grain - bits), (0, 0))
            merged[index] = (before[0] + artifacts, before[1] + payload)
        return list(merged.items())

    def _role(self, index: int) -> tuple[int, str, int]:
        execute = self._connection.execute
        if self._holder.bin_bits is None:
            found = execute("SELECT id, name, payload FROM role WHERE id = ?", (self._holder.id,))
        else:
            found = execute(
                "SELECT id, name, payload FROM role WHERE holder = ? AND bin_index = ? AND NOT retired",
                (self._holder.id, index),
            )
        row: tuple[int, str, int] | None = found.fetchone()
        if row is None:
            raise StateError(f"{self._holder.name} has no bin {index}, though its artifacts are shared out over bins")
        return row


class Additions(_Changes):
    """One batch of artifacts on its way in."""

    def __init__(self, connection: sqlite3.Connection, holder: Holder, *, number: int, replace: bool) -> None:
        """A batch for `holder`; see `StateTransaction.put_artifacts`."""
        super().__init__(connection, holder, number)
        self._replace = replace
        self._added = self._replaced = self._unchanged = self._repeated = 0
        self._sparse = False
        self._last_slot = 0

    def put(self, rows: Iterable[Row], *, role_limit: int) -> PutResult:
        """Accept `rows`, sorted by slot, then path."""
        remaining = iter(rows)
        carried: list[Row] = []
        while some := list(islice(remaining, _CHUNK)):
            chunk = self._distinct([*carried, *some])
            # The next rows may be of the last path.
            carried = [chunk.pop()]
            self._put_chunk(chunk)
        self._put_chunk(carried)
        self._twins.finish()
        self._mark_roles(role_limit=role_limit)
        return PutResult(added=self._added, replaced=self._replaced, unchanged=self._unchanged, repeated=self._repeated)

    def _distinct(self, chunk: list[Row]) -> list[Row]:
        if len({row[1] for row in chunk}) == len(chunk):
            return chunk
        # Replacing is about what is here: of two contents in one batch, nobody has said which one is meant.
        once: dict[TargetPath, Row] = {}
        for row in chunk:
            before = once.setdefault(row[1], row)
            if before[2] != row[2]:
                first, second = entries.differences(before[2], row[2])
                raise PathRepeated(row[1], first=first, second=second)
        self._repeated += len(chunk) - len(once)
        return list(once.values())

    def _put_chunk(self, chunk: list[Row]) -> None:
        if not chunk:
            return
        if chunk[0][0] < self._last_slot or any(map(operator.gt, map(_SLOT, chunk), map(_SLOT, chunk[1:]))):
            raise StateError("artifact rows must come sorted by slot")
        self._last_slot = chunk[-1][0]
        known = self._known(chunk)
        if known:
            self._put_beside(chunk, known)
        else:
            self._put_new(chunk, clause="")

    def _put_beside(self, chunk: list[Row], known: dict[TargetPath, _Version]) -> None:
        new, changed, older = [], [], []
        for row in chunk:
            slot, path, fragment = row
            before = known.get(path)
            if before is None or not before.fragment:
                new.append(row)
            elif before.fragment == fragment:
                self._unchanged += 1
                continue
            else:
                self._refuse_unless_replacing(row, before.fragment)
                changed.append(row)
                self._count(slot >> self._holder.shift, artifacts=0, payload=len(fragment) - len(before.fragment))
            if before is not None and before.number < self._number:
                older.append(row)
        self._insert(changed, clause="OR REPLACE")
        self._supersede(older)
        self._replaced += len(changed)
        if new:
            self._put_new(new, clause="OR REPLACE")

    def _put_new(self, chunk: list[Row], *, clause: str) -> None:
        """The common case of an import, and worked in columns: row by row it would cost half as much again."""
        slots, paths, fragments = zip(*chunk, strict=True)
        self._insert(chunk, clause=clause)
        self._added += len(chunk)
        text = "\n".join(paths)
        sizes = list(entries.payloads(paths, fragments, text=text))
        shift, start = self._holder.shift, 0
        while start < len(slots):
            index = slots[start] >> shift
            end = bisect_left(slots, (index + 1) << shift, start)
            self._count(index, artifacts=end - start, payload=sum(sizes[start:end]))
            start = end
        self._twins.added(paths, text=text)

    def _known(self, chunk: list[Row]) -> dict[TargetPath, _Version]:
        """The newest rows of those paths of the chunk that have any; others may be among them."""
        if not self._sparse:
            limit = _DENSE * len(chunk) + 16
            found = self._connection.execute(
                "SELECT path, number, fragment FROM artifact WHERE holder = ? AND slot BETWEEN ? AND ? "
                "ORDER BY slot, path, number LIMIT ?",
                (self._holder.space, chunk[0][0], chunk[-1][0], limit),
            ).fetchall()
            if len(found) < limit:
                return {path: self._checked(number, fragment) for path, number, fragment in found}
            self._sparse = True
        return {row[1]: before for row in chunk if (before := self._newest(row[0], row[1])) is not None}

    def _refuse_unless_replacing(self, row: Row, before: bytes) -> None:
        if not self._replace:
            signed, offered = entries.differences(before, row[2])
            raise ArtifactConflict(row[1], signed=signed, offered=offered)


class Removals(_Changes):
    """One batch of artifacts on its way out."""

    def remove(self, paths: Iterable[TargetPath]) -> int:
        """Remove `paths`; how many there were."""
        found = []
        for path in dict.fromkeys(paths):
            slot = slot_of(path)
            before = self._newest(slot, path)
            if before is None or not before.fragment:
                raise ArtifactNotFound(path)
            found.append((slot, path, entries.payload(path, before.fragment)))
        found.sort()
        tombstones = [(slot, path, b"") for slot, path, _ in found]
        self._insert(tombstones, clause="OR REPLACE")
        self._supersede(tombstones)
        self._twins.removed([path for _, path, _ in found])
        for slot, _, payload in found:
            self._count(slot >> self._holder.shift, artifacts=-1, payload=-payload)
        self._mark_roles(role_limit=None)
        return len(found)
