"""Workers, each with a bench of its own, and the points that they are handed."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from tests.crash import errors, kill, power
from tests.crash.bench import Bench, Result
from tests.crash.errors import ErrorPoint
from tests.crash.faults import FAULTS
from tests.crash.kill import Point
from tests.crash.operations import Operation
from tests.crash.power import Place
from tests.crash.worlds import World, build_world

_PATIENCE = 400
"""At how many points a defect may go unnoticed before it counts as such."""


@dataclass(frozen=True, slots=True)
class Case:
    """An operation, ready to be disturbed.

    Attributes:
        kills, failures, images: every point there is.
        recording: the file that holds the recorded run.
    """

    world: World
    kills: tuple[Point, ...]
    failures: tuple[ErrorPoint, ...]
    images: tuple[Place, ...]
    recording: Path

    @property
    def name(self) -> str:
        """The operation's."""
        return self.world.operation.name

    def points(self, suite: str) -> Sequence[Any]:
        """All points of a suite."""
        return {"kill": self.kills, "power": self.images, "errors": self.failures}[suite]

    def choose(self, suite: str, limit: int, seed: int) -> Sequence[Any]:
        """At most `limit` of them, over the whole run of the operation."""
        if suite == "errors":
            return errors.spread_errors(self.failures, limit, seed)
        if suite == "power":
            return power.spread_images(self.images, limit, seed)
        return kill.spread(self.kills, limit, seed)


@dataclass(frozen=True, slots=True)
class Caught:
    """A defect that was put in, and the result that showed it, after `tried` of so many points; None if none did."""

    fault: str
    tried: int
    points: int
    result: Result | None


# --- in a worker -----------------------------------------------------------------------------------------

_benches: dict[str | None, Bench] = {}
_scratch = Path()


def _begin(scratch: Path) -> None:
    global _scratch  # noqa: PLW0603
    _scratch = scratch / f"worker-{os.getpid()}"
    os.environ["TMPDIR"] = str(scratch)  # clients download into temporary files
    Finalize(None, _end, exitpriority=1)


def _end() -> None:
    while _benches:
        _benches.popitem()[1].close()


def _bench(fault: str | None = None) -> Bench:
    """This worker's bench: the sound one, or one with a defect, of which only the newest is kept."""
    if fault not in _benches:
        for old in [old for old in _benches if old is not None and fault is not None]:
            _benches.pop(old).close()
        _benches[fault] = Bench(_scratch / (fault or "sound"), fault=fault)
    return _benches[fault]


def _prepare(operation: Operation, place: Path, inputs: Path, *, images: bool) -> Case:
    bench = _bench()
    world = build_world(operation, place, inputs, bench.zygote)
    calls = kill.rehearse(bench, world)
    recording, places = place / "recording", list[Place]()
    if images:
        recorded = power.record(bench, world)
        recording.write_bytes(pickle.dumps(recorded))
        places = power.distinct(recorded)
    return Case(world, tuple(kill.points(bench, calls)), tuple(errors.points(bench, calls)), tuple(places), recording)


def _try(suite: str, case: Case, points: Sequence[Any]) -> list[Result]:
    bench, world = _bench(), case.world
    if suite == "power":
        return list(power.cut_power(bench, pickle.loads(case.recording.read_bytes()), points))
    if suite == "errors":
        return [errors.fail_at(bench, world, point) for point in points]
    return [kill.kill_at(bench, world, point) for point in points]


def _put_in(name: str, world: World) -> Caught:
    """Put a defect in and try points until one shows it."""
    fault = FAULTS[name]
    suite, _ = fault.tried
    bench = _bench(name)
    if fault.mend is not None:
        bench.healer, bench.mend = _bench().zygote, fault.mend
    calls = kill.rehearse(bench, world)
    points: list[Any]
    if suite == "power":
        recorded = power.record(bench, world)
        points = sorted(power.distinct(recorded), key=lambda place: (place.rank, -place.cut))
        results = (result for point in points for result in power.cut_power(bench, recorded, [point]))
    else:
        points = _walk(kill.points(bench, calls) if suite == "kill" else errors.points(bench, calls))
        points.sort(key=lambda point: fault.near not in str(point))
        disturb: Any = kill.kill_at if suite == "kill" else errors.fail_at
        results = (disturb(bench, world, point) for point in points)
    tried = 0
    for tried, result in enumerate(results, 1):
        if result.wrong:
            return Caught(name, tried, len(points), result)
        if tried == _PATIENCE:
            break
    return Caught(name, tried, len(points), None)


def _walk(points: Sequence[Any]) -> list[Any]:
    """All of them, the first few spread over all and ever denser: a walk in steps of the golden ratio."""
    return [points[index] for index in sorted(range(len(points)), key=lambda index: index * 0.6180339887 % 1)]


# --- outside ---------------------------------------------------------------------------------------------


class Crew:
    """The workers."""

    def __init__(self, scratch: Path, workers: int) -> None:
        self._scratch = scratch
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(scratch,))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def prepare(self, operations: Sequence[Operation], inputs: Path, *, images: bool) -> list[Case]:
        """Build the worlds of operations, and find out what there is to disturb."""
        futures = [
            self._pool.submit(_prepare, operation, self._scratch / f"world-{index}", inputs, images=images)
            for index, operation in enumerate(operations)
        ]
        return [future.result() for future in futures]

    def disturb(self, suite: str, cases: Sequence[Case], *, limit: int, seed: int) -> Iterator[Result]:
        """Try points of every case, at most `limit` of each."""
        size = 16 if suite == "power" else 6
        futures = []
        for case in cases:
            chosen = case.choose(suite, limit, seed)
            chunks = [chosen[first : first + size] for first in range(0, len(chosen), size)]
            futures += [self._pool.submit(_try, suite, case, chunk) for chunk in chunks]
        for future in as_completed(futures):
            yield from future.result()

    def put_in(self, faults: Sequence[str], cases: Sequence[Case]) -> Iterator[Caught]:
        """Put defects in, each where it should be noticed."""
        worlds = {case.name: case.world for case in cases}
        futures = [self._pool.submit(_put_in, fault, worlds[FAULTS[fault].tried[1]]) for fault in faults]
        for future in futures:
            yield future.result()
