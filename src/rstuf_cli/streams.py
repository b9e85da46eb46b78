"""stdout and stderr as they are: closed, full, without a reader, without colours, or with few characters."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Final, TextIO

_ASCII_SIGNS: Final[Mapping[str, str]] = {"✓": "*", "✗": "x", "█": "#", "░": ".", "·": "-", "…": "...", "→": "->"}
_CLOSED: Final = os.strerror(errno.EBADF).lower()


class Unwritable(Exception):
    """What should be on stdout cannot be written there.

    Attributes:
        reason: why, in the system's words.
        closed: whether the command was started without it.
    """

    def __init__(self, reason: str, *, closed: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.closed = reason, closed


class Stream:
    """One output stream and what it can show."""

    def __init__(self, file: TextIO | None) -> None:
        self.file, self.closed = file, file is None
        self._fault: str | None = None
        self.colour = is_terminal(file) and not _without_colour()
        encoding = (getattr(file, "encoding", None) or "ascii").lower().replace("_", "-")
        self._signs = encoding in {"utf-8", "utf8"}

    def write(self, text: str) -> None:
        """Write `text`; once its reader has gone, or it failed, nothing any more.

        No work is broken off because its answer cannot be written: that is said at its end, by `check`.
        """
        if self.file is None:
            self._fault = _CLOSED
        if self.file is None or self.closed:
            return
        if not self._signs:
            text = "".join(_ASCII_SIGNS.get(character, character) for character in text)
            text = text.encode("ascii", "backslashreplace").decode()
        self._guarded(lambda file: file.write(text))

    def write_bytes(self, data: bytes) -> None:
        """The same for bytes, which are passed on as they are."""
        if self.file is None:
            self._fault = _CLOSED
        self._guarded(lambda file: (file.flush(), file.buffer.write(data)))

    def flush(self) -> None:
        """Hand over what is buffered."""
        self._guarded(lambda file: file.flush())

    def check(self) -> None:
        """
        Raises:
            Unwritable: something could not be written, for another reason than that nobody reads it. Said once.
        """
        fault, self._fault = self._fault, None
        if fault is not None:
            raise Unwritable(fault, closed=self.file is None)

    def _guarded(self, act: Callable[[TextIO], object]) -> None:
        if self.file is None or self.closed:
            return
        try:
            act(self.file)
        except BrokenPipeError:
            self._close()
        except OSError as error:
            self._close()
            self._fault = (error.strerror or type(error).__name__).lower()

    def _close(self) -> None:
        self.closed = True
        # What is buffered still would fail once more when the interpreter ends.
        try:
            descriptor = self.file.fileno() if self.file is not None else -1
        except (OSError, ValueError):
            return
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


def is_terminal(file: TextIO | None) -> bool:
    """Whether a person can read `file` as it is written."""
    try:
        return file is not None and file.isatty()
    except ValueError:
        return False


def _without_colour() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "") in {"", "dumb"}
