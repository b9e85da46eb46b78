"""Workers, each with a bench of its own, and the points that they are handed."""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from tests.crash import kill, power, resizing, together
from tests.crash.bench import Bench, Result
from tests.crash.faults import FAULTS, Fault
from tests.crash.mounts import private_mounts
from tests.crash.operations import Operation
from tests.crash.runs import HarnessError
from tests.crash.suites import SUITES
from tests.crash.worlds import World, build_world

_ROUNDS = 3
_PATIENCE = 400
"""At how many points a defect may go unnoticed before it counts as such."""


@dataclass(frozen=True, slots=True)
class Case:
    """An operation, ready to be disturbed: every point there is, by suite."""

    world: World
    points: Mapping[str, Sequence[Any]]

    @property
    def name(self) -> str:
        """The operation's."""
        return self.world.operation.name


@dataclass(frozen=True, slots=True)
class Caught:
    """A defect that was put in, and the result that showed it, after `tried` of so many points (None
    where they cannot be counted); None if none did."""

    fault: str
    tried: int
    points: int | None
    result: Result | None


# --- in a worker -----------------------------------------------------------------------------------------

_benches: dict[str | None, Bench] = {}
_scratch = Path()


def _begin(scratch: Path, *, mounts: bool) -> None:
    global _scratch  # noqa: PLW0603
    _scratch = scratch / f"worker-{os.getpid()}"
    if mounts:
        private_mounts()
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


def _prepare(operation: Operation, place: Path, inputs: Path, suites: Sequence[str]) -> Case:
    bench = _bench()
    world = build_world(operation, place, inputs, bench.zygote)
    asked = [suite for suite in suites if suite not in operation.without]
    rehearsals = dict.fromkeys([kill.rehearse, *(SUITES[suite].rehearse for suite in asked)])
    calls = {rehearse: rehearse(bench, world) for rehearse in rehearsals}
    return Case(world, {suite: SUITES[suite].find(bench, world, calls[SUITES[suite].rehearse]) for suite in asked})


def _try(suite: str, world: World, points: Sequence[Any]) -> list[Result]:
    return SUITES[suite].disturb(_bench(), world, points)


def _together(inputs: Path, seed: int) -> list[Result]:
    return together.run(_bench(), inputs, seed)


def _resizing(inputs: Path, journey: resizing.Journey, seed: int) -> list[Result]:
    return resizing.run(_bench(), inputs, journey, seed)


def _put_in(name: str, worlds: Mapping[str, World], inputs: Path) -> Caught:
    """Put a defect in and try points until one shows it."""
    fault = FAULTS[name]
    suite, operation = fault.tried
    bench = _bench(name)
    if fault.mend is not None:
        bench.healer, bench.mend = _bench().zygote, fault.mend
    try:
        if suite == together.NAME:
            rounds = (together.run(bench, inputs, seed) for seed in range(_ROUNDS))
            return _first(name, (result for results in rounds for result in results), None)
        return _first(name, *_attempts(bench, fault, worlds[operation]))
    except HarnessError as error:
        raise HarnessError(f"with the defect {name}: {error}") from error


def _attempts(bench: Bench, fault: Fault, world: World) -> tuple[Iterator[Result], int]:
    """Results of ever more points, one after the other, and how many there are."""
    suite = fault.tried[0]
    calls = SUITES[suite].rehearse(bench, world)
    points: list[Any]
    if suite == "power":
        recorded = power.record(bench, world)
        points = sorted(power.distinct(recorded), key=lambda place: (place.rank, -place.cut))
        return (result for point in points for result in power.cut_power(bench, recorded, [point])), len(points)
    points = _walk(SUITES[suite].find(bench, world, calls))
    points.sort(key=lambda point: fault.near not in str(point))
    return (result for point in points for result in SUITES[suite].disturb(bench, world, [point])), len(points)


def _first(name: str, results: Iterator[Result], points: int | None) -> Caught:
    """The first result that shows a defect."""
    tried = 0
    for tried, result in enumerate(results, 1):
        if result.wrong:
            return Caught(name, tried, points, result)
        if tried == _PATIENCE:
            break
    return Caught(name, tried, points, None)


def _walk(points: Sequence[Any]) -> list[Any]:
    """All of them, the first few spread over all and ever denser: a walk in steps of the golden ratio."""
    return [points[index] for index in sorted(range(len(points)), key=lambda index: index * 0.6180339887 % 1)]


# --- outside ---------------------------------------------------------------------------------------------


class Crew:
    """The workers."""

    def __init__(self, scratch: Path, workers: int, *, mounts: bool) -> None:
        """Workers in `scratch`; with `mounts`, each may mount what it likes."""
        self._scratch = scratch
        context = multiprocessing.get_context("spawn")
        begin = functools.partial(_begin, scratch, mounts=mounts)
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def prepare(self, operations: Sequence[Operation], inputs: Path, suites: Mapping[str, Sequence[str]]) -> list[Case]:
        """Build the worlds of operations, and find out what there is to disturb for the suites that try each."""
        futures = [
            self._pool.submit(_prepare, operation, self._scratch / f"world-{index}", inputs, suites[operation.name])
            for index, operation in enumerate(operations)
        ]
        return [future.result() for future in futures]

    def disturb(self, suite: str, cases: Sequence[Case], *, limits: Mapping[str, int], seed: int) -> Iterator[Result]:
        """Try points of every case, at most as many as `limits` says by its name."""
        size = 16 if suite == "power" else 6
        futures = []
        for case in cases:
            chosen = SUITES[suite].choose(case.points[suite], limits[case.name], seed)
            chunks = [chosen[first : first + size] for first in range(0, len(chosen), size)]
            futures += [self._pool.submit(_try, suite, case.world, chunk) for chunk in chunks]
        for future in as_completed(futures):
            yield from future.result()

    def run_together(self, inputs: Path, *, rounds: int, seed: int) -> Iterator[Result]:
        """Rounds of many commands at once; each round has its own chance."""
        for future in [self._pool.submit(_together, inputs, seed * 1000 + index) for index in range(rounds)]:
            yield from future.result()

    def run_resizing(self, inputs: Path, journey: resizing.Journey, seed: int) -> Iterator[Result]:
        """Resize a living repository through all numbers of a journey."""
        yield from self._pool.submit(_resizing, inputs, journey, seed).result()

    def put_in(self, faults: Sequence[str], cases: Sequence[Case], inputs: Path) -> Iterator[Caught]:
        """Put defects in, each where it should be noticed."""
        worlds = {case.name: case.world for case in cases}
        futures = [self._pool.submit(_put_in, fault, worlds, inputs) for fault in faults]
        for future in futures:
            yield future.result()
