"""Stock clients in other languages read what rstuf publishes: tuf-js, go-tuf and python-tuf, over HTTP.

python -m tests.interop [stories] [graphs] [engines] [names] [limits] [--graphs 1000] [--engines 150] [--names 1500]

stories: repositories of every layout, step by step; clients of any age find and verify everything after each.
graphs:  delegations at random; all clients and our own rules say the same of which role provides a path.
engines: the same of repositories that the engine makes, with all that they have.
names:   artifacts of any names are found and verified, and nothing is written outside of its place.
limits:  of what is hard to read, those clients fail that rstuf lint says, and no others.

It needs node with npm, and go; what these clients are made of is fetched from the registries of both (versions and
digests stand in readers/). Nothing else leaves this machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.interop import disagreements, engines, limits, names, stories
from tests.interop.clients import ALL, CannotRun, RunningClient, started
from tests.interop.serving import Places, serving
from tests.interop.worlds import WORLDS

PARTS = ("stories", "graphs", "engines", "names", "limits")


def main() -> int:
    """Play it; 1 if any client failed where it should not, or did not where it should; 2 if it cannot be played."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="stories of repositories whose name has these words"
    )
    parser.add_argument("--graphs", type=int, default=1000)
    parser.add_argument("--engines", type=int, default=150)
    parser.add_argument("--names", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not {*options.parts} <= {*PARTS}:
        parser.error(f"parts are {', '.join(PARTS)}")
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else None
    failures = 0
    try:
        with tempfile.TemporaryDirectory(prefix="interop-", dir=place) as scratch, started(*ALL) as clients:
            for part in options.parts or PARTS:
                began = time.monotonic()
                tally = _play(part, clients, Path(scratch) / part, options)
                failures += len(tally.failures)
                print(f"{part}: {time.monotonic() - began:.0f} s")
                _tell(tally)
                sys.stdout.flush()
    except CannotRun as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    return 1 if failures else 0


def _play(part: str, clients: Sequence[RunningClient], scratch: Path, options: argparse.Namespace) -> Any:
    scratch.mkdir()
    places = Places(scratch, scratch)
    with serving(places) as url:
        if part == "stories":
            told = stories.Tally()
            for number, world in enumerate(world for world in WORLDS if options.only in world.name):
                stories.Story(world, clients, places, url, scratch / str(number), told, _say).play()
            return told
        if part == "graphs":
            compared = disagreements.Tally()
            seed = options.seed
            while compared.graphs < options.graphs:
                disagreements.compare(clients, places, url, scratch, seed=seed, tally=compared)
                seed += 1
            return compared
        if part == "engines":
            made = engines.Tally()
            for seed in range(options.seed, options.seed + options.engines):
                engines.play(clients, places, url, scratch, seed=seed, tally=made)
            return made
        if part == "names":
            named = names.Tally()
            play = names.Naming(clients, places, url, scratch, named, _say)
            play.play(seed=options.seed, wanted=options.names)
            return named
        held = limits.Tally()
        limits.check(clients, places, url, scratch, held)
        return held


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


def _tell(tally: Any) -> None:
    for name, value in vars(tally).items():
        if isinstance(value, list):
            print(f"  {name}: {len(value)}")
            for each in value[:12]:
                print(f"    {each[:400]!a}")
        elif isinstance(value, dict):
            print(f"  {name}:")
            for key, count in value.items():
                print(f"    {count:>8} {key}")
        else:
            print(f"  {name}: {value}")
    if isinstance(tally, stories.Tally):
        print(f"  {tally.in_all()}")


if __name__ == "__main__":
    sys.exit(main())
