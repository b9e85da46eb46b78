"""SIGKILL before every system call that changes something (the call does not happen any more)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.crash.bench import Bench, Result
from tests.crash.operations import Words
from tests.crash.runs import HarnessError, Trace
from tests.crash.trace import Call, changing, read_trace
from tests.crash.worlds import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """A system call: what strace calls it, and what it is about in words that are the same in every run."""

    name: str
    ordinal: int
    where: str

    def __str__(self) -> str:
        return f"{self.where} #{self.ordinal}"


def rehearse(bench: Bench, world: World) -> list[Call]:
    """The operation without any disturbance: it must do what it is for; the calls it makes on the workspace and on
    what it is given.

    Raises:
        HarnessError: it doesn't.
    """
    world.copy(bench.place)
    trace = Trace(bench.trace, reading=True)
    outcome = bench.run(world, world.operation.argv, shift=world.operation.shift, trace=trace)
    judge, ledger = bench.judge(world), world.ledger.copy()
    if outcome.code not in world.operation.ends:
        said = (outcome.stderr or outcome.stdout).decode(errors="replace")
        raise HarnessError(f"{world.operation.name} ended with {outcome.code} without any disturbance: {said}")
    wrong = (
        []
        if world.operation.finish
        else judge.look(bench.site, [world.after], "undisturbed", shift=world.operation.shift)
    )
    wrong += bench.heal(world, judge, ledger, acknowledged=True)
    if wrong:
        raise HarnessError(f"{world.operation.name} does not work without any disturbance: {wrong[0]}")
    return _touching(bench, world)


def rehearse_in_words(bench: Bench, world: World) -> list[Call]:
    """The same calls where it speaks to people: what it shows is written too, so they are other ones by number.

    Raises:
        HarnessError: it doesn't do its work.
    """
    world.copy(bench.place)
    trace = Trace(bench.trace, reading=True)
    outcome = bench.run(world, in_words(world.operation.argv), shift=world.operation.shift, trace=trace)
    if outcome.code not in world.operation.ends:
        said = (outcome.stderr or outcome.stdout).decode(errors="replace")
        raise HarnessError(f"{world.operation.name} ended with {outcome.code} when it spoke to people: {said}")
    return _touching(bench, world)


def in_words(words: Words) -> Words:
    """A command that speaks to people."""
    return tuple(word for word in words if word != "--json")


def _touching(bench: Bench, world: World) -> list[Call]:
    places = str(bench.place), str(world.inputs)
    return [call for call in read_trace(bench.trace) if any(call.touches(place) for place in places)]


def points(bench: Bench, calls: Sequence[Call]) -> list[Point]:
    """Where to kill."""
    return [Point(call.name, call.ordinal, call.where(str(bench.place))) for call in calls if changing(call)]


def spread(points: Sequence[T], limit: int, seed: int) -> list[T]:
    """At most `limit` of `points`, evenly; `seed` moves where it begins."""
    if limit >= len(points):
        return list(points)
    step = len(points) / max(limit, 1)
    offset = seed * 0.6180339887 % 1 * step
    return [points[int(offset + index * step)] for index in range(limit)]


def kill_at(bench: Bench, world: World, point: Point) -> Result:
    """Kill the operation there; clients look; run it again; clients look."""
    world.copy(bench.place)
    judge, ledger = bench.judge(world), world.ledger.copy()
    kill = f"{point.name}:signal=SIGKILL:when={point.ordinal}"
    shift = world.operation.shift
    outcome = bench.run(world, world.operation.argv, shift=shift, trace=Trace(bench.trace, [kill]))
    result = Result(world.operation.name, str(point), reached=outcome.killed)
    if not outcome.killed:
        result.notes["not reached"] += 1
        return result
    last = read_trace(bench.trace)[-1]
    if last.where(str(bench.place)) != point.where:
        result.notes["drifted"] += 1
    if outcome.acknowledged:
        result.notes["acknowledged"] += 1
    bench.look(world, judge, result, "after the kill")
    result.wrong += ledger.note(bench.place / "repo")
    result.wrong += bench.heal(world, judge, ledger, acknowledged=outcome.acknowledged, turn=point.ordinal)
    return result
