"""`python -m tests.crash`: kill rstuf, cut its power, fail its system calls, and put defects into it.

Prints a table for each suite. Exits 1 if anything was lost, or if a defect put in on purpose was not noticed; 2 if the
tests themselves could not run. The daily run takes an even spread of all points, another one every day; --full takes
all of them, which is hours.

What counts as lost: L1, clients find other artifacts than the old or, once it is acknowledged, the new ones. L2, a
client fails, whatever it remembers. L3, a version goes back, or a version has two contents. L4, a content is not what
its name says. L5, the same command, run once more, does not heal it. L6, others may read a secret. And manners: no
reason in one line, a traceback, a command that hangs or crashes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.crash.crew import Case, Crew
from tests.crash.faults import FAULTS
from tests.crash.operations import OPERATIONS, write_inputs
from tests.crash.report import Table, say, show_caught
from tests.crash.runs import HarnessError, require_strace

SUITES = ("kill", "power", "errors", "seeded")
DAILY = {"kill": 50, "power": 60, "errors": 26}
"""Points for one operation."""
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
    add("suites", nargs="*", metavar="SUITE", default=[], help=f"of {', '.join(SUITES)}; by default all")
    add("--full", action="store_true", help="every point, not an even spread")
    add("--limit", type=int, metavar="N", help="at most N points for one operation")
    add("--only", action="append", metavar="OPERATION", help="this operation; repeatable")
    add("--fault", action="append", choices=list(FAULTS), metavar="DEFECT", help="this defect; repeatable")
    add("--seed", type=int, default=int(time.time()) // _DAY, help="where the spread begins; by default today")
    add("--workers", type=int, default=os.cpu_count() or 1)
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    add("--dir", type=Path, default=memory, help="for scratch; by default in memory, where flushing costs nothing")
    options = parser.parse_args(argv)
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    if unknown := set(options.only or ()) - {operation.name for operation in OPERATIONS}:
        parser.error(f"there is no operation {', '.join(sorted(unknown))}")
    return options


def _run(options: argparse.Namespace, place: Path) -> int:
    """Run the suites; how many points or defects are bad."""
    inputs = place / "inputs"
    write_inputs(inputs)
    suites = options.suites or SUITES
    faults = options.fault or list(FAULTS)
    needed = {FAULTS[fault].tried[1] for fault in faults} if "seeded" in suites else set()
    wanted = {operation.name for operation in OPERATIONS} if not options.only else set(options.only)
    if set(suites) == {"seeded"}:
        wanted = needed
    chosen = [operation for operation in OPERATIONS if operation.name in wanted | needed]
    began, bad = time.monotonic(), 0
    with Crew(place, options.workers) as crew:
        every = crew.prepare(chosen, inputs, images="power" in suites)
        cases = [case for case in every if case.name in wanted]
        say(f"{len(every)} operations prepared in {time.monotonic() - began:.0f} s")
        for suite in suites:
            if suite == "seeded":
                bad += show_caught(crew.put_in(faults, every))
            else:
                bad += _disturb(crew, suite, cases, options)
    say()
    say(f"{time.monotonic() - began:.0f} s in all")
    return bad


def _disturb(crew: Crew, suite: str, cases: Sequence[Case], options: argparse.Namespace) -> int:
    limit = options.limit or (sys.maxsize if options.full else DAILY[suite])
    table = Table(suite)
    for result in crew.disturb(suite, cases, limit=limit, seed=options.seed):
        table.add(result)
    return table.show(cases)


if __name__ == "__main__":
    sys.exit(main())
