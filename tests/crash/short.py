"""Writes that end early. One that was only cut short goes on; one that meets a limit, or a kill, harms nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.crash.bench import Bench, Result
from tests.crash.errors import manners
from tests.crash.kill import in_words
from tests.crash.runs import Cut
from tests.crash.trace import Call
from tests.crash.worlds import World

_WRITES: Final = ("write", "pwrite64")
_AFTERWARDS: Final = ("on", "full", "kill")
_IN_WORDS: Final = {"on": "then on", "full": "then no more room", "kill": "then SIGKILL"}


@dataclass(frozen=True, slots=True)
class ShortPoint:
    """A write that ends after `keep` of its `length` bytes, and what comes then."""

    where: str
    length: int
    cut: Cut

    @property
    def name(self) -> str:
        return self.cut.call

    @property
    def ordinal(self) -> int:
        return self.cut.ordinal

    def __str__(self) -> str:
        cut = self.cut
        return f"{cut.keep} of {self.length} bytes at {self.where} #{cut.ordinal}, {_IN_WORDS[cut.then]}"


def points(bench: Bench, calls: Sequence[Call]) -> list[ShortPoint]:
    """Each write of two bytes or more, cut after the first, in its middle and before the last."""
    return [
        ShortPoint(call.where(str(bench.place)), length, Cut(call.name, call.ordinal, keep, then))
        for call in calls
        if call.name in _WRITES and call.touches(str(bench.place))
        if (length := call.integer(2)) > 1
        for keep in sorted({1, length // 2, length - 1})
        for then in _AFTERWARDS
    ]


def cut_at(bench: Bench, world: World, point: ShortPoint) -> Result:
    """Cut that write short; clients look; run the command again; clients look."""
    world.copy(bench.place)
    judge, ledger = bench.judge(world), world.ledger.copy()
    words = in_words(world.operation.argv)
    shift, then = world.operation.shift, point.cut.then
    outcome = bench.run(world, words, shift=shift, cut=point.cut)
    reached = outcome.written == point.cut.keep
    result = Result(world.operation.name, str(point), reached=reached)
    if not reached:
        result.notes["not reached"] += 1
        return result
    result.notes[_IN_WORDS[then]] += 1
    if then == "kill" and not outcome.killed:
        result.wrong.append(f"L5: it ended with {outcome.code} before it could be killed")
    if then != "kill":
        result.wrong += manners(outcome)
    if then == "on" and outcome.code != 0:
        said = outcome.stderr.decode(errors="replace").strip()
        result.wrong.append(f"L5: a write that only has to go on was taken for an error: {said[-200:]}")
    bench.look(world, judge, result, "after the short write")
    result.wrong += ledger.note(bench.place / "repo")
    acknowledged = outcome.acknowledged
    result.wrong += bench.heal(world, judge, ledger, acknowledged=acknowledged, turn=point.cut.ordinal)
    return result
