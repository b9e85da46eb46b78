"""P8: what the short answers cost, help, completion and status, beside an interpreter that imports typer and rich."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.frame import Figure, Sample, WrongResult, cpu_of_children
from tests.benchmarks.records import record
from tests.benchmarks.shelf import Shelf

_IMPORTS = "imports of typer and rich"
_HELP, _COMPLETION, _STATUS = "rstuf --help", "completion of an artifact's path", "rstuf status"


def cost_of_answers(shelf: Shelf) -> Figure:
    """All of them in turn, each in a process of its own."""
    sizes = shelf.sizes
    figure = Figure("P8", f"short answers where {sizes.few:,} artifacts are, whole process")
    place = shelf.filled("ours", sizes.few)
    known = record(0).path
    program = str(Path(sys.executable).with_name("rstuf"))
    asked = f"rstuf artifact show {known[:-1]}"
    sides = {
        _IMPORTS: ([sys.executable, "-c", "import typer, rich"], {}, ""),
        _HELP: ([program, "--help"], {}, "ceremony"),
        _COMPLETION: ([program, asked, " \t\n"], {"_RSTUF_COMPLETE": "bash"}, known),
        _STATUS: ([program, "--repo", str(place), "status"], {}, "timestamp"),
    }
    for turn in range(sizes.answer_rounds + 1):
        for name, (command, environment, expected) in sides.items():
            taken = _run(command, environment, place=place, expected=expected)
            if turn:
                figure.add(name, taken)
    figure.compare(_HELP, _IMPORTS, goal="<= 1.3")
    figure.compare(_COMPLETION, _IMPORTS)
    figure.compare(_STATUS, _IMPORTS, goal="<= 2")
    return figure


def _run(command: list[str], environment: Mapping[str, str], *, place: Path, expected: str) -> Sample:
    wall, cpu = time.perf_counter(), cpu_of_children()
    ended = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = Sample(time.perf_counter() - wall, cpu_of_children() - cpu)
    if ended.returncode != 0 or expected not in ended.stdout:
        raise WrongResult(f"{' '.join(command)} ended with {ended.returncode}: {(ended.stdout + ended.stderr)[-500:]}")
    return taken
