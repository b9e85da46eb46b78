"""Nothing that people read is wider than their terminal, but a word that is."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli

from rstuf_cli.app import VERBS
from rstuf_cli.console import Console, folded, width_of
from rstuf_cli.progress import TerminalProgress

COLUMNS = 80
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LONG = "a-name-that-is-as-long-as-the-name-of-a-key-may-be-" + "x" * 13
PATHS = ["", "artifact", *(verb.path for verb in VERBS)]


def on_a_terminal(*argv: object, columns: int = COLUMNS) -> list[str]:
    """The lines that a terminal of that width is sent, without colours."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**{name: value for name, value in os.environ.items() if name != "COLUMNS"}, "TERM": "xterm"}
    command = [sys.executable, "-m", "rstuf_cli", *map(str, argv)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:
        # Linux ends a terminal that nobody writes to any more in this way.
        pass
    finally:
        os.close(master)
        process.wait(60)
    return COLOUR.sub("", shown.decode()).replace("\r\n", "\n").splitlines()


def too_wide(lines: list[str], columns: int = COLUMNS) -> list[str]:
    """Those that do not fit, though they could be broken."""
    return [line for line in lines if width_of(line) > columns and len(line.split()) > 1]


@pytest.mark.parametrize("path", PATHS)
def test_help_fits(path: str) -> None:
    """Every line of every command's help, whatever it is: here no word is too long either."""
    lines = on_a_terminal(*path.split(), "--help")
    assert len(lines) > 8
    assert max(map(width_of, lines)) < COLUMNS, [line for line in lines if width_of(line) >= COLUMNS]


@pytest.fixture
def lengthy(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which everything has a long name, and much is to be told."""
    text = PLAN.replace("alice", LONG).replace("bob", LONG.replace("x", "y"))
    name = "the repository of a company with a name that is rather long and has 漢字 in it as well as spaces"
    (tmp_path / "plan.toml").write_text(text.replace('name = "acme"', f'name = "{name}"'))
    place = tmp_path / ("a-directory-with-a-long-name-" * 4)
    done = cli("--repo", place, "ceremony", "--plan", tmp_path / "plan.toml")
    assert done.code == 0, done.err
    monkeypatch.chdir(place)
    (tmp_path / "artifact with spaces in its name and more of them than anybody needs").write_text("x")
    (tmp_path / ("long" * 20)).write_text("y")
    return place


def test_status_fits(lengthy: Path, cli: Cli) -> None:
    """Its head, its roles, its keys, and what to do next."""
    for name in ("online", LONG):
        (lengthy / "keys" / f"{name}.key").unlink()
    Path("../c.txt").write_text("c")
    assert cli("artifact", "add", "--no-publish", "../c.txt").code == 0
    lines = on_a_terminal("status")
    assert any(line.startswith("  put back keys/online.key") for line in lines)
    assert any(line.startswith("  not here: ") for line in lines)
    assert too_wide(lines) == []


@pytest.mark.parametrize("columns", [COLUMNS, 50])
def test_found_keys_fit(lengthy: Path, columns: int) -> None:
    """What has no room on a key's line goes on below it."""
    shutil.copy("keys/online.key", "another key with a name that is rather long and has spaces in it.key")
    (lengthy / "keys" / "online.key").chmod(0o644)
    lines = on_a_terminal("key", "find", columns=columns)
    assert "unencrypted private key that others can read" in " ".join(" ".join(lines).split())
    assert too_wide(lines, columns) == []


def test_a_long_command_has_its_reason_below(lengthy: Path) -> None:
    """What is to be typed stays on one line, and why stands under it."""
    (lengthy / "keys" / "online.key").chmod(0o644)
    lines = on_a_terminal("status")
    place = next(number for number, line in enumerate(lines) if line.startswith("  chmod 600"))
    assert lines[place + 2].startswith("      ")
    assert too_wide(lines) == []


@pytest.mark.parametrize("columns", [COLUMNS, 50])
@pytest.mark.parametrize(
    "argv",
    [
        ["artifact", "add", "-v", ".."],
        ["artifact", "add", "-v", "../{spaces}", "../{long}"],
        ["artifact", "show", "nothing of this name " * 5],
        ["artifact", "list"],
        ["artifact", "why", "nothing of this name " * 5 + "x"],
        ["artifact", "why", "{spaces}"],
        ["artifact", "sync", "--dry-run", "-v", ".."],
        ["publish", "-v"],
        ["renew", "-v", "--force", "bins"],
        ["renew", "--force", "nobody with this name"],
        ["verify", "-v"],
        ["doctor"],
        ["log"],
        ["log", "--verify"],
        ["log", "--verify", "--head", "0" * 64],
        ["ceremony", "--plan", "../plan.toml"],
        ["--repo", "../new", "ceremony", "--plan", "../plan.toml", "--dry-run"],
        ["--repo", "../new", "ceremony", "--plan", "../plan.toml"],
        ["demo", "../new"],
        ["status"],
        ["statsu", "of", "all"],
    ],
    ids=lambda argv: " ".join(argv)[:30],
)
def test_what_commands_say_fits(argv: list[str], columns: int, lengthy: Path) -> None:
    """Answers, notes, steps and errors."""
    names = {"spaces": "artifact with spaces in its name and more of them than anybody needs", "long": "long" * 20}
    lines = on_a_terminal(*(word.format(**names) for word in argv), columns=columns)
    assert lines
    assert too_wide(lines, columns) == []
    if argv[0] == "demo" and columns == COLUMNS:
        # Made for this width: nothing is broken.
        assert [line for line in lines if line.startswith("    ") and len(line) < 12] == []


def test_a_bar_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar gives room to long amounts; a line that were broken could not be drawn again."""
    from tests.cli.test_terminal import Screen

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setattr("rstuf_cli.progress._PATIENCE", 0.0)
    screen = Screen()
    progress = TerminalProgress(Console(out=None, err=screen))
    progress.begin("comparing with the state", total=123_456_789, unit="artifacts of all")
    for _ in range(3):
        time.sleep(0.05)
        for _ in range(64):
            progress.advance(100_000)
    progress.end()
    progress.close()
    shown = re.split(r"[\r\n]|\x1b\[[0-9;?]*[A-KMhl]", COLOUR.sub("", screen.getvalue()))
    drawn = [line for line in shown if "comparing" in line]
    assert drawn
    assert max(map(width_of, drawn)) <= COLUMNS
    assert all("artifacts of all" in line for line in drawn)


def test_folding() -> None:
    """Lines break at spaces; those inside stay, colours take no room, wide characters take two columns."""
    assert folded("a b c", width=3, indent=0) == ["a b", "c"]
    assert folded("  two   words", width=8, indent=4) == ["  two", "    words"]
    assert folded("short", width=3, indent=2) == ["short"]
    assert folded("x " + "y" * 9, width=5, indent=2) == ["x", "  " + "y" * 9]
    assert folded("\x1b[31mab\x1b[0m cd", width=5, indent=0) == ["\x1b[31mab\x1b[0m cd"]
    assert folded("漢字 漢字", width=8, indent=0) == ["漢字", "漢字"]
    assert folded("", width=8, indent=0) == [""]
    assert shutil.get_terminal_size().columns > 0
