"""What runs in a process of its own: `python -m tests.benchmarks.jobs JOB ARGUMENTS`, both ways in JSON.

Imports, key files and first times come before the clock starts.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.benchmarks import floor, plain
from tests.benchmarks.frame import Sample, peak_mib, timed
from tests.benchmarks.records import Record, record, write_records


def make(*, side: str, place: str, bits: int) -> dict[str, Any]:
    """An empty place for a side."""
    _module(side).make(Path(place), bits=bits)
    return {}


def import_and_publish(*, side: str, place: str, records: str) -> dict[str, Any]:
    """P1."""
    module = _module(side)
    with tempfile.TemporaryDirectory(dir=Path(place).parent) as scratch:
        _warm_up(module, Path(scratch))
    work = module.opened(Path(place))
    with timed() as taken:
        module.import_and_publish(work, Path(records))
    return _told(taken())


def renew_bins(*, side: str, place: str) -> dict[str, Any]:
    """P3."""
    module = _module(side)
    with tempfile.TemporaryDirectory(dir=Path(place).parent) as scratch:
        _warm_up(module, Path(scratch))
    work = module.opened(Path(place))
    with timed() as taken:
        module.renew_bins(work)
    return _told(taken())


def publish_one(*, places: dict[str, tuple[str, str, int]], first: int, warming: int) -> dict[str, Any]:
    """P2 and P4: the sides in turn, in one process.

    Args:
        places: by a name for it, a side, its place, and how many rounds it takes part in.
        first: the number of the first record, which is not there yet.
        warming: rounds before those that count.
    """
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in places}
    with ExitStack() as stack:
        works = {}
        for name, (side, place, _) in places.items():
            works[name] = _module(side), _module(side).opened(Path(place))
            if side == "ours":
                stack.enter_context(works[name][1])
        rounds = max(rounds for _, _, rounds in places.values())
        for turn in range(warming + rounds):
            new: Record = record(first + turn)
            for name, (_, _, wanted) in places.items():
                if turn >= warming + wanted:
                    continue
                module, work = works[name]
                with timed() as taken:
                    module.publish_one(work, new)
                if turn >= warming:
                    told[name].append({"wall": taken().wall, "cpu": taken().cpu})
    return told


def _module(side: str) -> ModuleType:
    if side == "ours":
        from tests.benchmarks import ours

        return ours
    return {"floor": floor, "plain": plain}[side]


def _warm_up(module: ModuleType, scratch: Path) -> None:
    module.make(scratch / "warm", bits=1)
    work = module.opened(scratch / "warm")
    module.import_and_publish(work, write_records(scratch / "warm.ndjson", 3))
    module.renew_bins(work)


def _told(sample: Sample) -> dict[str, Any]:
    return {"wall": sample.wall, "cpu": sample.cpu, "peak_mib": peak_mib()}


JOBS = {each.__name__: each for each in (make, import_and_publish, renew_bins, publish_one)}


if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
