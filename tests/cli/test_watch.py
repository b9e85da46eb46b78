"""`rstuf status --watch`: a screen that is drawn anew, by a person at a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.person import CTRL_C, CTRL_D, Person

from rstuf_cli.exits import ExitCode


@pytest.mark.parametrize("key", ["q", CTRL_C, CTRL_D], ids=["q", "ctrl-c", "ctrl-d"])
def test_it_ends_and_leaves_the_terminal_as_it_was(key: str, filled: Path) -> None:
    """Any of these ends it with exit 0; nothing of what was drawn stays, and keys are shown again."""
    before = tree(filled)
    with Person.running("status", "--watch", cwd=filled) as person:
        screen = person.sees("q ends")
        assert screen.startswith("acme  ·  2 artifacts in 4 bins  ·  healthy\n")
        assert "again every 5 s; q ends" in screen.splitlines()[-1]
        person.presses("x")
        person.presses(key)
        assert person.ends() == 0
        assert person.screen.strip() == ""
    assert tree(filled) == before


def test_it_shows_what_happens(cli: Cli, filled: Path) -> None:
    """What another command does is on the screen soon; between two looks nothing of the workspace is open."""
    with Person.running("status", "--watch", "1", cwd=filled) as person:
        person.sees("timestamp v2")
        held = [os.readlink(path) for path in Path(f"/proc/{person.pid}/fd").iterdir() if path.exists()]
        assert [path for path in held if str(filled) in path] == []
        assert cli("artifact", "remove", "a.txt").code == 0
        person.sees("timestamp v3")
        person.presses("q")
        assert person.ends() == 0


def test_another_size(filled: Path) -> None:
    """It is drawn for the size that the window has now; what has no room is counted."""
    with Person.running("status", "--watch", "60", cwd=filled) as person:
        tall = person.sees("q ends").splitlines()
        assert len(tall) == 24
        person.resizes(8, 60)
        small = person.sees("more below").splitlines()
        assert (len(small), small[0][:4]) == (8, "acme")
        person.resizes(30, 100)
        person.sees("again every 60 s; q ends")
        assert "more below" not in person.screen
        assert len(person.screen.splitlines()) == 30
        person.presses("q")
        assert person.ends() == 0


def test_what_goes_wrong_is_shown_and_may_be_mended(filled: Path) -> None:
    """A look that fails says why, and the next one is as if nothing had been."""
    with Person.running("status", "--watch", "1", cwd=filled) as person:
        person.sees("healthy")
        (filled / "state.db").chmod(0o666)
        screen = person.sees("is not safe to use")
        assert "hint:  chmod" in screen
        # However long the way to it is, it can be read whole.
        assert f"{filled}/state.db" in screen.replace("\n", "").replace(" ", "")
        (filled / "state.db").chmod(0o600)
        person.sees("healthy")
        person.presses("q")
        assert person.ends() == 0


def test_what_is_wrong_from_the_start(tmp_path: Path) -> None:
    """Outside of a workspace it does not begin."""
    with Person.running("status", "--watch", cwd=tmp_path) as person:
        person.sees("error: ")
        assert person.ends() == 1


def test_a_signal_ends_it(filled: Path) -> None:
    """Whoever kills it gets a terminal back that can be used, and sees by what it ended."""
    with Person.running("status", "--watch", "60", cwd=filled) as person:
        person.sees("q ends")
        os.kill(person.pid, signal.SIGTERM)
        with pytest.raises(AssertionError, match="killed by signal 15"):
            person.ends()
        assert person.screen.strip() == ""


def test_ctrl_z_stops_nothing(filled: Path) -> None:
    """No shell is left with a terminal that is drawn on."""
    with Person.running("status", "--watch", "60", cwd=filled) as person:
        person.sees("q ends")
        person.presses("\x1a")
        time.sleep(0.3)
        assert "T" not in Path(f"/proc/{person.pid}/stat").read_text().rpartition(")")[2].split()[0]
        person.presses("q")
        assert person.ends() == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["--watch"],
        ["--watch", "--json"],
        ["--watch", "--check"],
        ["--watch", "0"],
        ["--watch", "soon"],
        ["--watch", "99999999"],
        ["5"],
    ],
    ids=" ".join,
)
def test_without_a_terminal(argv: list[str], cli: Cli, workspace: Path) -> None:
    """Nobody could watch it, or it makes no sense: a usage error that names another way."""
    done = cli("status", *argv)
    assert done.code == ExitCode.USAGE
    if "--json" not in argv:
        assert "hint:  rstuf status" in done.err


def test_a_terminal_that_cannot_be_drawn_on(filled: Path) -> None:
    """A dumb one is as good as none; and so is one that only stdout goes to."""
    with Person.running("status", "--watch", cwd=filled, TERM="dumb") as person:
        person.sees("needs a terminal")
        assert person.ends() == ExitCode.USAGE
    done = subprocess.run(
        [sys.executable, "-m", "rstuf_cli", "status", "--watch"], cwd=filled, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == ExitCode.USAGE
