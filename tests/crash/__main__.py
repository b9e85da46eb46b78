"""`python -m tests.crash`: kill rstuf, cut its power, fail its system calls, fill its disk, turn its clock, run it
beside itself, and put defects into it.

Prints a table for each suite. Exits 1 if anything was lost, or if a defect put in on purpose was not noticed; 2 if the
tests themselves could not run, as when what a defect replaces has moved. The daily run takes an even spread of all
points, another one every day; --full takes all of them, which is hours. --change is for every change: kills, power
cuts, failing calls and the defects, and of the other suites two, others every day.

What counts as lost: L1, clients find other artifacts than the old or, once it is acknowledged, the new ones. L2, a
client fails, whatever it remembers. L3, a version goes back, or a version has two contents. L4, a content is not what
its name says. L5, the same command, run once more, does not heal it. L6, others may read a secret. And manners: no
reason in one line, a traceback, a command that hangs or crashes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from tests.crash import resizing, together
from tests.crash.crew import Case, Crew
from tests.crash.delegating import DELEGATING
from tests.crash.faults import FAULTS
from tests.crash.operations import EVERYDAY, write_inputs
from tests.crash.report import Table, say, show_caught
from tests.crash.runs import ROOT, HarnessError, require_places, require_strace
from tests.crash.signing import SIGNING
from tests.crash.stopping import supported
from tests.crash.suites import SUITES

OPERATIONS = (*EVERYDAY, *SIGNING, *DELEGATING)
SEEDED = "seeded"
ALL = (*SUITES, together.NAME, resizing.NAME, SEEDED)
_OF_EVERY_CHANGE = ("kill", "power", "errors", SEEDED)
_IN_TURN = (("reads", "clock"), ("short", together.NAME), ("full", resizing.NAME))
_MEMORY = Path("/dev/shm")
_DAY = 86400
_AsWritten = argparse.RawDescriptionHelpFormatter


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suites that are asked for; the exit code."""
    options = _options(argv)
    place = Path(tempfile.mkdtemp(prefix="rstuf-crash-", dir=options.dir))
    try:
        say(f"{require_strace()}; {options.workers} workers in {place}; seed {options.seed}")
        bad = _run(options, place)
    except HarnessError as error:
        say(f"error: {error}")
        return 2
    finally:
        shutil.rmtree(place, ignore_errors=True)
    spent = os.times()
    processor = sum(spent[:4])
    say(f"{'nothing lost' if not bad else f'{bad} BAD'}; {processor:.0f} s of processor time")
    return 1 if bad else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__, formatter_class=_AsWritten)
    add = parser.add_argument
    add("suites", nargs="*", metavar="SUITE", default=[], help=f"of {', '.join(ALL)}; by default all")
    add("--full", action="store_true", help="every point, not an even spread")
    add("--change", action="store_true", help="the suites that every change has to pass, and two of the others")
    add("--limit", type=int, metavar="N", help="at most N points for one operation")
    add("--only", action="append", metavar="OPERATION", help="this operation; repeatable")
    add("--fault", action="append", choices=list(FAULTS), metavar="DEFECT", help="this defect; repeatable")
    add("--seed", type=int, default=int(time.time()) // _DAY, help="where the spread begins; by default today")
    add("--workers", type=int, default=os.cpu_count() or 1)
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    add("--dir", type=Path, default=memory, help="for scratch; by default in memory, where flushing costs nothing")
    options = parser.parse_args(argv)
    if unknown := set(options.suites) - set(ALL):
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    if unknown := set(options.only or ()) - {operation.name for operation in OPERATIONS}:
        parser.error(f"there is no operation {', '.join(sorted(unknown))}")
    return options


def _run(options: argparse.Namespace, place: Path) -> int:
    """Run the suites; how many points or defects are bad."""
    inputs = place / "inputs"
    write_inputs(inputs)
    lacking = _lacking(place)
    asked, named = options.suites or _by_default(options), options.fault or list(FAULTS)
    suites = [suite for suite in asked if suite not in lacking]
    faults = [fault for fault in named if FAULTS[fault].tried[0] not in lacking] if SEEDED in suites else []
    if faults:
        require_places(faults, place)
    disturbing = [suite for suite in suites if suite in SUITES]
    names = set(options.only or (operation.name for operation in OPERATIONS))
    tried = _tried(disturbing, names, options) if disturbing else {}
    needed = {name for name, by in tried.items() if by} | {FAULTS[fault].tried[1] for fault in faults}
    began, bad = time.monotonic(), 0
    with Crew(place, options.workers, mounts="full" not in lacking) as crew:
        operations = [operation for operation in OPERATIONS if operation.name in needed]
        every = crew.prepare(operations, inputs, {name: tried.get(name, []) for name in needed})
        cases = [case for case in every if case.name in names]
        say(f"{len(every)} operations prepared in {time.monotonic() - began:.0f} s")
        for suite in suites:
            if suite == SEEDED:
                bad += show_caught(crew.put_in(faults, every, inputs))
            elif suite == together.NAME:
                bad += _run_together(crew, inputs, options)
            elif suite == resizing.NAME:
                bad += _run_resizing(crew, inputs, options)
            else:
                bad += _disturb(crew, suite, cases, options)
    say()
    for suite in [suite for suite in asked if suite in lacking]:
        hidden = sum(FAULTS[fault].tried[0] == suite for fault in named) if SEEDED in suites else 0
        say(f"SKIPPED {suite}, {len(names)} operations and {hidden} defects: {lacking[suite]}")
    say(f"{time.monotonic() - began:.0f} s in all")
    return bad


def _by_default(options: argparse.Namespace) -> Sequence[str]:
    if not options.change:
        return ALL
    of_today = {*_OF_EVERY_CHANGE, *_IN_TURN[options.seed % len(_IN_TURN)]}
    return [suite for suite in ALL if suite in of_today]


def _tried(suites: Sequence[str], names: Collection[str], options: argparse.Namespace) -> dict[str, list[str]]:
    """The suites that try each operation: in a daily run all or none of some, whose worlds cost most to make ready."""
    chosen = options.full or options.only or options.suites
    return {
        operation.name: [
            suite for suite in SUITES if suite in suites and (chosen or (place + options.seed) % operation.turns == 0)
        ]
        for place, operation in enumerate(OPERATIONS)
        if operation.name in names
    }


def _lacking(place: Path) -> dict[str, str]:
    """Suites that cannot be run on this machine, and why."""
    lacking = {}
    if (reason := supported()) is not None:
        lacking["short"] = reason
    command = [sys.executable, "-m", "tests.crash.mounts", str(place / "mount")]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        said = (tried.stdout or tried.stderr).strip().splitlines()
        lacking["full"] = f"a disk of its own cannot be mounted here ({said[-1] if said else tried.returncode})"
    return lacking


def _disturb(crew: Crew, suite: str, cases: Sequence[Case], options: argparse.Namespace) -> int:
    asked = [case for case in cases if suite in case.points]
    limits = {case.name: _limit(suite, case, options) for case in asked}
    table = Table(SUITES[suite].title)
    for result in crew.disturb(suite, asked, limits=limits, seed=options.seed):
        table.add(result)
    return table.show({case.name: len(case.points[suite]) for case in asked})


def _limit(suite: str, case: Case, options: argparse.Namespace) -> int:
    """At how many points of an operation."""
    if options.limit or options.full:
        return int(options.limit or sys.maxsize)
    operation = case.world.operation
    return max(2, round(SUITES[suite].daily * operation.share * operation.turns))


def _run_together(crew: Crew, inputs: Path, options: argparse.Namespace) -> int:
    rounds = options.limit or (together.ALL_ROUNDS if options.full else together.ROUNDS)
    table = Table(together.TITLE)
    for result in crew.run_together(inputs, rounds=rounds, seed=options.seed):
        table.add(result)
    return table.show({together.NAME: None})


def _run_resizing(crew: Crew, inputs: Path, options: argparse.Namespace) -> int:
    journey = resizing.WHOLE if options.full else resizing.DAILY
    table = Table(f"{resizing.TITLE}: {' → '.join(map(str, journey.bins))}")
    for result in crew.run_resizing(inputs, replace(journey, kills=options.limit or journey.kills), options.seed):
        table.add(result)
    return table.show({resizing.NAME: None})


if __name__ == "__main__":
    sys.exit(main())
