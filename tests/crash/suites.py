"""The ways to disturb an operation: for each, what points there are, which of them a short run takes, what is done."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.crash import clock, errors, full, kill, power, reads, short
from tests.crash.bench import Bench, Result
from tests.crash.trace import Call
from tests.crash.worlds import World


@dataclass(frozen=True, slots=True)
class Suite:
    """A way to disturb.

    Attributes:
        title: what stands above its table.
        daily: at how many points of one operation, unless all are wanted.
        find: every point of an operation, from the calls that it makes undisturbed.
        choose: at most so many of them, over the whole run of the operation; moved by the seed.
        disturb: try points.
        rehearse: how it runs undisturbed.
    """

    title: str
    daily: int
    find: Callable[[Bench, World, Sequence[Call]], Sequence[Any]]
    disturb: Callable[[Bench, World, Sequence[Any]], list[Result]]
    choose: Callable[[Sequence[Any], int, int], list[Any]] = kill.spread
    rehearse: Callable[[Bench, World], Sequence[Call]] = kill.rehearse


def _each(disturb: Callable[[Bench, World, Any], Result]) -> Callable[[Bench, World, Sequence[Any]], list[Result]]:
    return lambda bench, world, points: [disturb(bench, world, point) for point in points]


def _find_images(bench: Bench, world: World, calls: Sequence[Call]) -> Sequence[Any]:
    recording = power.record(bench, world)
    _recording(world).write_bytes(pickle.dumps(recording))
    return power.distinct(recording)


def _cut_power(bench: Bench, world: World, points: Sequence[Any]) -> list[Result]:
    return list(power.cut_power(bench, pickle.loads(_recording(world).read_bytes()), points))


def _recording(world: World) -> Path:
    return world.start.parent / "recording"


SUITES: Final = {
    "kill": Suite(
        "SIGKILL before a system call that changes something",
        10,
        lambda bench, world, calls: kill.points(bench, calls),
        _each(kill.kill_at),
    ),
    "power": Suite("power cut, adversarial disk images", 14, _find_images, _cut_power, power.spread_images),
    "errors": Suite(
        "system calls that change something, and fail",
        10,
        lambda bench, world, calls: errors.points(bench, calls),
        _each(errors.fail_at),
        errors.spread_errors,
        kill.rehearse_in_words,
    ),
    "reads": Suite(
        "system calls that only look, and fail",
        5,
        reads.points,
        _each(reads.unread),
        errors.spread_errors,
        kill.rehearse_in_words,
    ),
    "short": Suite(
        "writes that end early",
        5,
        lambda bench, world, calls: short.points(bench, calls),
        _each(short.cut_at),
        errors.spread_errors,
        kill.rehearse_in_words,
    ),
    "full": Suite(
        "a disk that is full, or read-only",
        5,
        lambda bench, world, calls: full.points(bench, world),
        _each(full.fill),
        full.choose,
    ),
    "clock": Suite("a clock that jumps", 3, lambda bench, world, calls: clock.points(world), _each(clock.jump)),
}
