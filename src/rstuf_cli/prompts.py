"""Questions to a person. They go to the terminal itself, never to stdout, and never wait where nobody is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rstuf.errors import PassphraseNeeded
from rstuf_cli.console import Console, escape, is_terminal

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

TRIES: Final = 3


class Passphrases:
    """Asks for passphrases, and knows until the command ends which key was answered how.

    A command that opens its keys again after a mistyped passphrase asks only for the mistyped one.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Attributes:
            waited: seconds that the person took.
        """
        self.waited = 0.0
        self._console, self._clock = console, clock
        self._answers: dict[str, bytes] = {}
        self._failures: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def ask(self, key: str, new: bool) -> bytes:
        """The passphrase of a key, typed twice where it is a new one.

        Raises:
            PassphraseNeeded: there is no terminal after all, or nothing was typed.
            KeyboardInterrupt: the person pressed Ctrl-C.
        """
        if key not in self._answers:
            started = self._clock()
            with no_echo():
                answer = self._choose(key) if new else self._type(f"passphrase of {escape(key)}:", key)
            self._answers[key] = answer.encode()
            self.waited += self._clock() - started
        return self._answers[key]

    def may_try_again(self, key: str) -> bool:
        """Forget a wrong answer; whether the question may be asked once more."""
        if self._answers.pop(key, None) is None:
            return False
        self._failures[key] = self._failures.get(key, 0) + 1
        return self._failures[key] < TRIES

    def forget(self) -> None:
        """Let go of every answer."""
        self._answers.clear()

    def _choose(self, key: str) -> str:
        for _ in range(TRIES):
            first = self._type(f"new passphrase for {escape(key)}:", key)
            if first == self._type("the same once more:", key):
                return first
            self._console.note("the two are not the same")
        raise PassphraseNeeded(key)

    def _type(self, question: str, key: str) -> str:
        for _ in range(TRIES):
            answer = ask_hidden(question)
            if answer:
                return answer
            self._console.note("a passphrase cannot be empty")
        raise PassphraseNeeded(key)


def person_is_there() -> bool:
    """Whether there is a terminal to ask on. stdin and stdout may carry data; the question goes past them."""
    if os.name != "posix":
        import sys

        return is_terminal(sys.stdin) and is_terminal(sys.stderr)
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def ask_hidden(question: str) -> str:
    """What a person types after `question`, shown as asterisks; "" when they close the input.

    Raises:
        KeyboardInterrupt: they pressed Ctrl-C.
    """
    import questionary

    with _terminal() as (keyboard, screen):
        try:
            answer = questionary.password(question, qmark="", input=keyboard, output=screen).unsafe_ask()
        except EOFError:
            return ""
    return answer if isinstance(answer, str) else ""


@contextmanager
def no_echo() -> Iterator[None]:
    """Show nothing of what is typed before a question appears, or between two."""
    try:
        import termios

        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except (ImportError, OSError):
        yield
        return
    try:
        before = termios.tcgetattr(terminal)
        silent = [*before]
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSADRAIN, silent)
        try:
            yield
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    finally:
        os.close(terminal)


@contextmanager
def _terminal() -> Iterator[tuple[Input, Output]]:
    """The terminal as prompt_toolkit wants it, apart from stdin and stdout."""
    from prompt_toolkit.input import create_input
    from prompt_toolkit.output import create_output

    if os.name != "posix":
        import sys

        yield create_input(always_prefer_tty=True), create_output(stdout=sys.stderr)
        return
    with open("/dev/tty", encoding="utf-8") as keyboard, open("/dev/tty", "w", encoding="utf-8") as screen:  # noqa: PTH123
        yield create_input(keyboard), create_output(stdout=screen)
