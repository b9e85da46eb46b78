"""A disk that is really full, or read-only. The command says so; with room again, the same command does its work."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.crash.bench import Bench, Result
from tests.crash.errors import manners
from tests.crash.kill import in_words, spread
from tests.crash.mounts import AMPLE, Disk
from tests.crash.operations import HOUR, VERIFY
from tests.crash.runs import HarnessError
from tests.crash.worlds import World

_STORAGE: Final = 6


@dataclass(frozen=True, slots=True)
class FullPoint:
    """How much of what is left on the disk when the command begins: "pages", "inodes", or, read-only, nothing."""

    what: str
    left: int = 0

    def __str__(self) -> str:
        return f"{self.left} {self.what} left" if self.what != "read-only" else "read-only"

    def apply(self, disk: Disk) -> None:
        """Make the disk so."""
        if self.what == "pages":
            disk.leave(pages=self.left)
        elif self.what == "inodes":
            disk.leave(inodes=self.left)
        else:
            disk.freeze()


def points(bench: Bench, world: World) -> list[FullPoint]:
    """Every amount that is not enough, and a few that are.

    Raises:
        HarnessError: none is.
    """
    with _disk(bench) as disk:
        needed = {what: _needed(functools.partial(_enough, bench, world, disk, what)) for what in _KINDS}
    return [FullPoint(what, left) for what, count in needed.items() for left in range(count)] + [FullPoint("read-only")]


_KINDS: Final = ("pages", "inodes")


def _enough(bench: Bench, world: World, disk: Disk, what: str, left: int) -> bool:
    disk.free()
    world.copy(bench.place)
    FullPoint(what, left).apply(disk)
    return bench.run(world, world.operation.argv, shift=world.operation.shift).code == 0


def _needed(enough: Callable[[int], bool]) -> int:
    """A number that is enough, at most an eighth above the least."""
    low, high = 0, 16
    while not enough(high):
        low, high = high, high * 2
        if high > AMPLE:
            raise HarnessError("no amount of room is enough")
    while high - low > max(1, high // 8):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def choose(points: Sequence[FullPoint], limit: int, seed: int) -> list[FullPoint]:
    """At most `limit` points: the read-only disk, and the others evenly."""
    *sizes, frozen = points
    return [frozen, *spread(sizes, limit - 1, seed)]


def fill(bench: Bench, world: World, point: FullPoint) -> Result:
    """Let the disk run full; clients look; make room, run the command again; clients look."""
    with _disk(bench) as disk:
        world.copy(bench.place)
        judge, ledger = bench.judge(world), world.ledger.copy()
        words = in_words(world.operation.argv)
        shift = world.operation.shift
        point.apply(disk)
        outcome = bench.run(world, words, shift=shift)
        result = Result(world.operation.name, str(point))
        result.notes[point.what] += 1
        result.notes["harmless"] += outcome.code == 0
        result.wrong += manners(outcome)
        if outcome.code not in (0, _STORAGE):
            said = outcome.stderr.decode(errors="replace").strip()
            result.wrong.append(f"manners: it ended with {outcome.code}, not {_STORAGE}: {said[-200:]}")
        bench.look(world, judge, result, "on the full disk")
        result.wrong += ledger.note(bench.place / "repo")
        disk.free()
        result.wrong += bench.heal(world, judge, ledger, acknowledged=outcome.code == 0, turn=point.left)
        result.wrong += tidy(bench, world)
    return result


def tidy(bench: Bench, world: World) -> list[str]:
    """What is left behind once all is healed, and what the audit finds."""
    repo = bench.place / "repo"
    rooms = [found for place in repo.glob("*/.staging") for found in place.iterdir()]
    left = [*rooms, *(found for found in repo.rglob(".rstuf-*.tmp"))]
    wrong = [f"L5: {found.relative_to(repo)} was left behind" for found in left]
    return wrong + bench.again(world, VERIFY, shift=world.operation.shift + 2 * HOUR)


@contextmanager
def _disk(bench: Bench) -> Iterator[Disk]:
    """The bench's workspace on a disk of its own."""
    usual: Path = bench.place
    disk = Disk(bench.scratch / "disk")
    bench.place = disk.place / "place"
    try:
        yield disk
    finally:
        bench.place = usual
        disk.close()
