"""P2b: what publishing one artifact takes as a command, beside an interpreter that only imports what it needs."""

from __future__ import annotations

import os
import sys
import time

from tests.benchmarks.checks import check_there
from tests.benchmarks.frame import Figure, process_taken
from tests.benchmarks.records import Record, record
from tests.benchmarks.shelf import Shelf, public_key, tell

_NEEDED = "import typer, rich.console, orjson, sqlite3, hashlib, cryptography.hazmat.primitives.asymmetric.ed25519"
_FIRST = 1_000_000_000


def cost_of_command(shelf: Shelf) -> Figure:
    """Both processes in turn."""
    sizes = shelf.sizes
    figure = Figure("P2b", f"the same by the command line, where {sizes.artifacts:,} are, whole process")
    place = shelf.filled("ours", sizes.artifacts)
    tell("P2b: the command and the interpreter, in turn")
    new = [record(_FIRST + turn) for turn in range(sizes.command_rounds + 1)]
    for turn, each in enumerate(new):
        # The engine keeps publications of many bins a second apart; waiting is not what is asked here.
        time.sleep(1.1)
        os.sync()
        ours, _ = process_taken([sys.executable, "-m", "rstuf_cli", "--repo", str(place), *_add(each)])
        os.sync()
        imports, _ = process_taken([sys.executable, "-c", _NEEDED])
        if turn:
            figure.add("rstuf artifact add", ours)
            figure.add("imports alone", imports)
    check_there(place / "metadata", public_key("ours", place), new, sizes.bits)
    figure.difference("rstuf artifact add", "imports alone", goal="<= 0.5")
    figure.notes.append(f"imports: {_NEEDED.removeprefix('import ')}")
    return figure


def _add(new: Record) -> list[str]:
    described = ["--path", new.path, "--length", str(new.length), "--hash", f"sha256:{new.sha256}"]
    return ["artifact", "add", *described]
