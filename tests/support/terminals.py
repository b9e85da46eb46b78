"""A program on a terminal of its own, and the person who sits there."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

# Makes the terminal on stderr the one that /dev/tty is, then becomes the program.
_SCRIPT = (
    "import fcntl, os, sys, termios\n"
    "os.setsid()\nfcntl.ioctl(2, termios.TIOCSCTTY, 0)\nos.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """What the person sees and types."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.shown = b""

    def until(self, text: bytes) -> None:
        """Wait until `text` has been shown.

        Raises:
            AssertionError: it never is.
        """
        deadline = time.monotonic() + 60
        while text not in self.shown:
            if not select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{text!r} never came: {self.shown!r}")
            self.shown += os.read(self._descriptor, 4096)
        # The prompt reads from here on; what is typed before it does would be shown by the terminal.
        time.sleep(0.3)

    def type(self, data: bytes) -> None:
        """Press these keys."""
        os.write(self._descriptor, data)

    def watch(self) -> None:
        """Read on until nobody writes any more."""
        with suppress(OSError):
            while seen := os.read(self._descriptor, 4096):
                self.shown += seen


def on_terminal(
    command: Sequence[object], person: Callable[[Terminal], None], *, env: Mapping[str, str]
) -> tuple[int, bytes, bytes]:
    """Run a command whose stdin and stderr are a terminal: its exit code, its stdout, and what was shown."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, *map(str, command)],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**env, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
    )
    os.close(slave)
    terminal = Terminal(master)
    try:
        person(terminal)
        # A terminal that nobody reads takes no more after a while.
        watching = threading.Thread(target=terminal.watch, daemon=True)
        watching.start()
        out, _ = process.communicate(timeout=60)
        watching.join(10)
    finally:
        os.close(master)
        process.kill()
        process.wait()
    return process.returncode, out, terminal.shown
