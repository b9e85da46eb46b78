"""A person at a terminal of 80 columns and 24 lines: what they see, and the keys they press.

with Person.running("ceremony", cwd=directory) as person:
    person.sees("What is it called?")
    person.types("acme")
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pexpect
import pyte

COLUMNS, LINES = 80, 24
ENTER, ESCAPE, UP, DOWN, CTRL_C, CTRL_D = "\r", "\x1b", "\x1b[A", "\x1b[B", "\x03", "\x04"
_CLEAR_LINE = "\x15"
_PATIENCE, _STILL = 60.0, 0.15


class Person:
    """A command in a terminal of its own, and whoever sits at it."""

    def __init__(self, process: pexpect.spawn) -> None:
        self._process = process
        self._screen = pyte.HistoryScreen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)

    @classmethod
    def running(cls, *argv: object, cwd: Path, **environment: str) -> AbstractContextManager[Person]:
        """One command of rstuf, in `cwd`."""
        return cls.at([sys.executable, "-m", "rstuf_cli", *map(str, argv)], cwd=cwd, **environment)

    @classmethod
    @contextmanager
    def at(cls, command: Sequence[str], *, cwd: Path, **environment: str) -> Iterator[Person]:
        """Any command, a shell for instance, in `cwd`."""
        usual = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "LANG": "C.UTF-8", "HOME": str(cwd)}
        process = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(cwd),
            env={"PATH": os.environ["PATH"], **usual, **environment},
            dimensions=(LINES, COLUMNS),
            timeout=_PATIENCE,
            # A shell starts what runs in its background with SIGINT ignored, which children inherit.
            preexec_fn=_heed_ctrl_c,
        )
        # The waits of pexpect before a key and after an end; the person waits for what they see.
        process.delaybeforesend = None
        process.ptyproc.delayafterclose = process.ptyproc.delayafterterminate = 0.02
        try:
            yield cls(process)
        finally:
            process.close(force=True)

    def sees(self, text: str) -> str:
        """The whole screen, once `text` is on it and nothing moves any more."""
        deadline = time.monotonic() + _PATIENCE
        still_since = time.monotonic()
        while True:
            if self._read():
                still_since = time.monotonic()
            elif text in self.screen and time.monotonic() - still_since >= _STILL:
                return self.screen
            if time.monotonic() > deadline or (not self._process.isalive() and text not in self.screen):
                raise AssertionError(f"{text!r} never came; the screen is\n{self.screen}")

    def presses(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self._process.send(key)
            time.sleep(0.05)

    def types(self, text: str) -> None:
        """Replace what is offered by `text`, and Enter."""
        self.presses(_CLEAR_LINE, text, ENTER)

    def resizes(self, lines: int, columns: int) -> None:
        """Give the window another size."""
        self._screen.resize(lines, columns)
        self._process.setwinsize(lines, columns)

    @property
    def pid(self) -> int:
        """The command's process."""
        return int(self._process.pid)

    def ends(self) -> int:
        """The command's exit code, once it has ended; then the screen is its last."""
        deadline = time.monotonic() + _PATIENCE
        while self._read() or self._process.isalive():
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not end; on the screen was\n{self.screen}")
        self._process.close()
        if self._process.exitstatus is None:
            raise AssertionError(f"killed by signal {self._process.signalstatus}")
        return int(self._process.exitstatus)

    @property
    def screen(self) -> str:
        """What is on the screen, without the space at the ends of lines and below the last of them."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip() + "\n"

    @property
    def scrolled(self) -> str:
        """The screen, and above it what has gone up, as whoever scrolls back sees it."""
        gone = ("".join(line[column].data for column in range(COLUMNS)) for line in self._screen.history.top)
        return "".join(f"{line.rstrip()}\n" for line in gone) + self.screen

    def _read(self) -> bool:
        try:
            self._stream.feed(self._process.read_nonblocking(65536, timeout=0.05))
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            return False
        return True


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
