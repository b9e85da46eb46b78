"""P8: what the short answers cost, help, completion and status, beside an interpreter that imports typer and rich."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.frame import Figure, WrongResult, process_taken
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
            taken, said = process_taken(command, cwd=place, environment=environment)
            if expected not in said:
                raise WrongResult(f"{name} does not say {expected}: {said[-500:]}")
            if turn:
                figure.add(name, taken)
    figure.compare(_HELP, _IMPORTS, goal="<= 1.3")
    figure.compare(_COMPLETION, _IMPORTS)
    figure.compare(_STATUS, _IMPORTS, goal="<= 2")
    return figure
