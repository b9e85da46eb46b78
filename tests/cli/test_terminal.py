"""What a person at a terminal sees: passphrase prompts, and bars while work lasts."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli
from tests.support.terminals import Terminal, on_terminal

from rstuf_cli import prompts
from rstuf_cli.console import Console, Verbosity
from rstuf_cli.progress import SilentProgress, StepLines, TerminalProgress, progress_for


def test_questionary_reads_what_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prompt itself: typed text is the answer, Ctrl-C is an interruption, and so is the end of hidden input."""
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    with create_pipe_input() as keyboard:

        @contextmanager
        def terminal() -> Iterator[object]:
            yield keyboard, DummyOutput(), io.StringIO()

        monkeypatch.setattr(prompts, "terminal", terminal)
        keyboard.send_text("séc ret\r")
        assert prompts.ask_hidden("?") == "séc ret"
        keyboard.send_text("half\x03")
        with pytest.raises(KeyboardInterrupt):
            prompts.ask_hidden("?")
        keyboard.send_text("\x04")
        with pytest.raises(KeyboardInterrupt):
            prompts.ask_hidden("?")
        keyboard.send_text("\x04")
        assert prompts.ask("?") == "", "which confirms nothing"


def test_a_real_terminal(tmp_path: Path) -> None:
    """A person on a terminal is asked there, sees no passphrase, and stdout stays data."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace("encrypt = false\n", "", 1))
    command = [sys.executable, "-m", "rstuf_cli", "--repo", tmp_path / "new", "ceremony", "--json", "--plan", plan]

    def person(terminal: Terminal) -> None:
        terminal.until(b"new passphrase for alice:")
        terminal.type(b"tell nobody\r")
        terminal.until(b"the same once more:")
        terminal.type(b"tell nobody\r")

    code, out, shown = on_terminal(command, person, env=os.environ)
    assert code == 0
    assert out.startswith(b'{"repository": "acme"')
    assert b"tell nobody" not in shown + out


def test_the_end_of_input_leaves_at_a_passphrase(tmp_path: Path) -> None:
    """Ctrl-D ends the command as Ctrl-C does, and nothing is made."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace("encrypt = false\n", "", 1))
    command = [sys.executable, "-m", "rstuf_cli", "--repo", tmp_path / "new", "ceremony", "--plan", plan]

    def person(terminal: Terminal) -> None:
        terminal.until(b"new passphrase for alice:")
        terminal.type(b"\x04")

    code, out, shown = on_terminal(command, person, env=os.environ)
    assert (code, out) == (130, b"")
    assert b"interrupted" in shown
    assert not (tmp_path / "new").exists()


class Screen(io.StringIO):
    """A terminal that can redraw a line."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_progress_suits_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar on a terminal, lines for those who ask for more, and nothing elsewhere or with --quiet or --json."""
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_for(Console(out=None, err=Screen())), TerminalProgress)
    assert isinstance(progress_for(Console(out=None, err=Screen(), verbosity=Verbosity.QUIET)), SilentProgress)
    assert isinstance(progress_for(Console(out=None, err=io.StringIO())), SilentProgress)
    assert isinstance(progress_for(Console(out=None, err=io.StringIO(), verbosity=Verbosity.MORE)), StepLines)


def test_short_work_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is over at once leaves the terminal alone."""
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    progress = TerminalProgress(Console(out=None, err=screen))
    progress.begin("hashing", total=100, unit="bytes")
    progress.advance(100)
    progress.end()
    progress.close()
    assert screen.getvalue() == ""


def test_long_work_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that lasts gets a bar with amounts, and the terminal is clean when it ends."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("rstuf_cli.progress._PATIENCE", 0.0)
    screen = Screen()
    progress = TerminalProgress(Console(out=None, err=screen))
    progress.begin("hash[bold]ing", total=4_400_000_000, unit="bytes")
    progress.advance(3_100_000_000)
    progress.advance(1)
    progress.end()
    progress.begin("signing", total=7, unit="roles")
    progress.end()
    progress.close()
    shown = screen.getvalue()
    assert "hash[bold]ing" in shown
    assert "3.1 of 4.4 GB" in shown
    assert shown.endswith("\x1b[?25h") or "\x1b[?25h" in shown


def test_more_words_are_a_line_a_step(cli: Cli, workspace: Path) -> None:
    """`-v` tells each step with its amount, on stderr."""
    Path("one.txt").write_bytes(b"one\n")
    done = cli("artifact", "add", "one.txt", "-v")
    assert done.code == 0
    assert any(line.startswith("hashing: 4 B, ") for line in done.err.splitlines())
    assert any(line.startswith("signing: 3 roles, ") for line in done.err.splitlines())
