"""Questions to a person. They go to the terminal itself, never to stdout, and never wait where nobody is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

from rstuf.errors import PassphraseNeeded, PinNeeded
from rstuf_cli.console import Console, escape
from rstuf_cli.streams import is_terminal

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output
    from questionary import Question

    from rstuf import Secrets

TRIES: Final = 3
SHORT: Final = 12
FEW: Final = 5


class Passphrases:
    """A person who is asked for passphrases, as `Secrets`.

    What was answered is known until the command ends: a key that is opened twice is asked for once.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Attributes:
            coming: new passphrases that this command will ask for, if it is known; several are announced.
            waited: seconds that the person took.
            interrupted: whether they pressed Ctrl-C instead of answering.
        """
        self.coming, self.waited, self.interrupted = 0, 0.0, False
        self._console, self._clock = console, clock
        self._answers: dict[str, bytes] = {}
        self._failures: dict[str, int] = {}
        self._without: set[str] = set()
        self._silence = ExitStack()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def passphrase(self, key: str, *, new: bool) -> bytes:
        """What is typed, twice where it is a new one.

        Raises:
            PassphraseNeeded: there is no terminal after all, or they do not have it.
            KeyboardInterrupt: the person pressed Ctrl-C.
        """
        if key in self._without:
            raise PassphraseNeeded(key, new=new)
        if key not in self._answers:
            started = self._clock()
            if not (self._answers or self._failures or self._without):
                # Until the command ends: whoever types on before the next question shows nothing of it either.
                self._silence.enter_context(no_echo())
            try:
                answer = self._choose(key) if new else self._recall(key)
            except KeyboardInterrupt:
                self.interrupted = True
                raise
            self.waited += self._clock() - started
            if not answer:
                self._without.add(key)
                raise PassphraseNeeded(key, new=new)
            # What a terminal sent that is no UTF-8 is taken as it came.
            self._answers[key] = answer.encode("utf-8", "surrogateescape")
        return self._answers[key]

    def may_try_again(self, key: str) -> bool:
        """Forget a wrong answer; whether the question may be asked once more."""
        if self._answers.pop(key, None) is None:
            return False
        self._failures[key] = self._failures.get(key, 0) + 1
        if self._failures[key] >= TRIES:
            self._without.add(key)
            return False
        self._console.note(f"that does not open the key {escape(key)}; try again")
        return True

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        """What is typed; asked once for all keys of a token, and once more only by another command.

        Raises:
            PinNeeded: nothing was typed.
            KeyboardInterrupt: the person pressed Ctrl-C.
        """
        # No key has a name like this.
        place = f"token\0{token}"
        if place not in self._answers:
            started = self._clock()
            if not (self._answers or self._failures or self._without):
                self._silence.enter_context(no_echo())
            if last_try:
                self._console.warning(f"one more wrong PIN locks the token {escape(token)}; Enter alone leaves it be")
            try:
                answer = ask_hidden(f"PIN of the token {escape(token)}, for {escape(key)}:")
            except KeyboardInterrupt:
                self.interrupted = True
                raise
            self.waited += self._clock() - started
            if not answer:
                raise PinNeeded(key, token=token, last_try=last_try)
            self._answers[place] = answer.encode("utf-8", "surrogateescape")
        return self._answers[place]

    def forget(self) -> None:
        """Let go of every answer, and let the terminal show again what is typed."""
        self._answers.clear()
        self._silence.close()

    def _choose(self, key: str) -> str:
        """A new passphrase; "" when none was chosen."""
        if self.coming > 1:
            self._console.note(f"{self.coming} new keys: a passphrase for each, typed twice")
            self.coming = 0
        for _ in range(TRIES):
            first = ask_hidden(f"new passphrase for {escape(key)}:")
            if not first:
                self._console.note("a passphrase cannot be empty")
            elif first == ask_hidden("the same once more:"):
                return first
            else:
                self._console.note("the two are not the same")
        return ""

    def _recall(self, key: str) -> str:
        """The passphrase of a key that is there; "" when the person does not have it."""
        question = f"passphrase of {escape(key)}:"
        answer = ask_hidden(question)
        if not answer:
            self._console.note("nothing was typed; Enter once more goes on without this key")
            answer = ask_hidden(question)
        return answer


class WarnsOfWeak:
    """Passes passphrases on, as `Secrets`, and says when a new one is easily guessed.

    Args:
        awaited: told which key waits for somebody, and where.
    """

    def __init__(
        self, secrets: Secrets, console: Console, *, awaited: Callable[[str, str], None] | None = None
    ) -> None:
        self._secrets, self._console, self._awaited = secrets, console, awaited

    def passphrase(self, key: str, *, new: bool) -> bytes:
        """As it was given or typed; see `Secrets`."""
        found = self._secrets.passphrase(key, new=new)
        reason = weakness(found) if new else None
        if reason is not None:
            self._console.warning(
                f"the passphrase of {escape(key)} {reason}: whoever copies the key's file can try all of these, "
                "unseen and without end; five random words are better"
            )
        return found

    def may_try_again(self, key: str) -> bool:
        """See `Secrets`."""
        return self._secrets.may_try_again(key)

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        """See `Secrets`. Nobody chooses one here."""
        return self._secrets.pin(key, token=token, last_try=last_try)

    def awaited(self, key: str, where: str) -> None:
        """See `ToldOfWaits`."""
        if self._awaited is not None:
            self._awaited(key, where)


def weakness(passphrase: bytes) -> str | None:
    """Why a passphrase is easily guessed, if it is; says nothing of the passphrase that helps in guessing it."""
    text = passphrase.decode("utf-8", "replace")
    if len(text) < SHORT:
        return f"has fewer than {SHORT} characters"
    if len(set(text)) < FEW:
        return f"has fewer than {FEW} different characters"
    return None


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
    """What a person types after `question`, shown as asterisks.

    Raises:
        KeyboardInterrupt: they pressed Ctrl-C, or Ctrl-D: whoever closes the input has no other answer either.
    """
    import questionary

    try:
        return _typed(questionary.password, question)
    except EOFError:
        raise KeyboardInterrupt from None


def ask(question: str) -> str:
    """What a person types after `question`; "" when they close the input.

    Raises:
        KeyboardInterrupt: they pressed Ctrl-C.
    """
    import questionary

    try:
        return _typed(questionary.text, question)
    except EOFError:
        return ""


def agrees(question: str) -> bool:
    """Whether a person says yes to `question`; what else they type, or nothing, is no.

    Raises:
        KeyboardInterrupt: they pressed Ctrl-C.
    """
    return ask(f"{question} [y/N]").strip().lower() in {"y", "yes"}


def show(lines: Iterable[str], *, unless: TextIO) -> None:
    """Show a person at the terminal what they are about to be asked about, unless they see it there already."""
    if is_terminal(unless):
        return
    # Whoever cannot be shown it here cannot be asked either.
    with suppress(OSError), terminal() as (_, _, screen):
        screen.writelines(f"{line}\n" for line in lines)


def _typed(prompt: Callable[..., Question], question: str) -> str:
    with terminal() as (keyboard, screen, _):
        answer = prompt(question, qmark="", input=keyboard, output=screen).unsafe_ask()
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
def terminal() -> Iterator[tuple[Input, Output, TextIO]]:
    """The terminal, apart from stdin and stdout: as prompt_toolkit wants it, and as a file to write to."""
    from prompt_toolkit.input import create_input
    from prompt_toolkit.output import create_output

    if os.name != "posix":
        import sys

        yield create_input(always_prefer_tty=True), create_output(stdout=sys.stderr), sys.stderr
        return
    with open("/dev/tty", encoding="utf-8") as keyboard, open("/dev/tty", "w", encoding="utf-8") as screen:  # noqa: PTH123
        yield create_input(keyboard), create_output(stdout=screen), screen
