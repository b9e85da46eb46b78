"""`python -m tests.benchmarks [--full] [--only P1 …] [--json FILE]`, from the root of the repository."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.figures import FIGURES
from tests.benchmarks.frame import ROOT, Figure, WrongResult, document, table
from tests.benchmarks.shelf import Shelf
from tests.benchmarks.sizes import FULL, SMALL


def main() -> int:
    """Run what is asked for: 0, or 1 where a side did not do its job. No time is judged."""
    asked = _arguments()
    sizes = FULL if asked.full else SMALL
    path = asked.json or ROOT / "bench-results" / f"{sizes.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="rstuf-benchmarks-", dir=asked.scratch) as scratch:
        shelf = Shelf(Path(scratch), sizes)
        for name in asked.only or FIGURES:
            print(f"{name} ({sizes.name})", file=sys.stderr, flush=True)
            try:
                figures.append(FIGURES[name](shelf))
            except WrongResult as error:
                print(f"error: {name}: {error}", file=sys.stderr)
                failed = True
                continue
            print(table(figures[-1]), flush=True)
            path.write_text(json.dumps(document(figures, sizes=sizes.name), indent=2) + "\n")
    print(f"every sample: {path}", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Ratios, never times alone.")
    parser.add_argument("--full", action="store_true", help="the sizes of the documentation: an hour, 30 GB of disk")
    parser.add_argument("--only", nargs="+", choices=FIGURES, metavar="P", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every sample goes")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="on the disk to be measured; by default TMPDIR's")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
