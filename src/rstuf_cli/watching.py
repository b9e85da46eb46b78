"""A screen that is drawn again and again, until somebody has seen enough."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from rstuf_cli.console import Console, width_of
from rstuf_cli.failures import UsageFault, failure_of, show_failure
from rstuf_cli.streams import is_terminal

# The other screen, without a cursor and without going on in the next line; and back.
_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE: Final = "\x1b[H\x1b[J\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST: Final = "\x1b[J"
_ENDS: Final = frozenset(b"qQ\x03\x04")
_KILLS: Final = (signal.SIGTERM, signal.SIGHUP)
_NARROW: Final = 24


class Page(io.StringIO):
    """What is to be drawn: written like a terminal of the size that it has now."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(sys.stdout, "encoding", None) or "ascii"

    def isatty(self) -> bool:
        return True


def refuse_without_terminal(hint: str) -> None:
    """
    Raises:
        UsageFault: nobody could watch, or nobody could end it.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)) or os.environ.get("TERM", "") in {"", "dumb"}:
        raise UsageFault("--watch needs a terminal that can be drawn on", hint=hint)


def watch(console: Console, draw: Callable[[Console], None], *, every: int) -> None:
    """Draw every so many seconds, and when the terminal's size changes; q, Ctrl-C or the terminal's end ends it.

    Args:
        draw: writes one screen. What it raises is shown in its place, and it is called again.
    """
    with _screen(console) as screen:
        while not console.reader_gone:
            screen.show(_lines(draw), every)
            if not screen.waits(every):
                return


def _lines(draw: Callable[[Console], None]) -> Sequence[str]:
    page = Page()
    drawn = Console(out=page, err=page)
    try:
        draw(drawn)
    except Exception as error:
        # It may be mended while it is watched.
        show_failure(drawn, failure_of(error), data={})
    return page.getvalue().splitlines()


@contextmanager
def _screen(console: Console) -> Iterator[_Screen]:
    """The whole terminal, which is as it was after the block."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    with _alarms() as (alarms, killed):
        try:
            tty.setcbreak(keyboard)
            _without_suspension(keyboard)
            console.raw(_ENTER.encode())
            yield _Screen(console, keyboard, alarms, killed)
        except KeyboardInterrupt:
            return
        finally:
            console.raw(_LEAVE.encode())
            console.flush()
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
    if killed:
        signal.signal(killed[0], signal.SIG_DFL)
        os.kill(os.getpid(), killed[0])


def _without_suspension(keyboard: int) -> None:
    """Ctrl-Z would hand the shell a terminal that is drawn on."""
    settings = termios.tcgetattr(keyboard)
    settings[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(keyboard, termios.TCSADRAIN, settings)


@contextmanager
def _alarms() -> Iterator[tuple[int, list[int]]]:
    """What can be read once the terminal has another size or this process is to end; and the signals that end it."""
    killed: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        if number in _KILLS:
            killed.append(number)

    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    usual = {number: signal.signal(number, hear) for number in (signal.SIGWINCH, *_KILLS)}
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading, killed
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in usual.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _broken(line: str, columns: int) -> list[str]:
    """A line in parts that fit, be there no space in it: a path must be readable whole. Colours are left alone."""
    if "\x1b" in line or width_of(line) <= columns:
        return [line]
    parts = [""]
    for character in line:
        if width_of(parts[-1] + character) > columns:
            parts.append("")
        parts[-1] += character
    return parts


class _Screen:
    """The terminal while it is drawn on."""

    def __init__(self, console: Console, keyboard: int, alarms: int, killed: Sequence[int]) -> None:
        self._console, self._keyboard, self._alarms, self._killed = console, keyboard, alarms, killed

    def show(self, lines: Sequence[str], every: int) -> None:
        """Draw `lines` from the top, as many as there is room for, and at the bottom how it goes on."""
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        room = max(1, rows - 2)
        lines = [part for line in lines for part in _broken(line, columns)]
        hidden = len(lines) - room
        drawn = [f"{line}{_REST_OF_LINE}" for line in lines[:room]]
        foot = f"at {time.strftime('%H:%M:%S', time.gmtime())} UTC, again every {every} s; q ends"
        foot = f"{hidden} more below; {foot}" if hidden > 0 else foot
        if columns < _NARROW:
            foot = "q ends"
        text = f"{_HOME}{chr(10).join(drawn)}{_REST}\x1b[{rows};1H{foot[: columns - 1]}{_REST_OF_LINE}"
        self._console.raw(text.encode(errors="replace"))
        self._console.flush()

    def waits(self, seconds: int) -> bool:
        """Let the time pass until it is to be drawn again; False when it is not."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._keyboard, self._alarms], [], [], left)
            if self._killed:
                return False
            if self._keyboard in ready:
                typed = os.read(self._keyboard, 64)
                if not typed or _ENDS & set(typed):
                    return False
            if self._alarms in ready:
                os.read(self._alarms, 64)
                return True
        return True
