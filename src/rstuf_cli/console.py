"""What a person or a program reads: stdout is data, stderr is everything else.

Text that came from outside (paths, names, messages of other programs) passes `escape` before it is shown, so that
nothing in it can move a cursor, change a colour, hide itself or begin a line of its own.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TextIO

from rstuf_cli.streams import Stream, is_terminal

if TYPE_CHECKING:
    import json

# Control, format (bidi, zero width), surrogate, private, unassigned, line and paragraph separators.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_WORD: Final = re.compile(r" *[^ ]+| +")
# What a line begins with, under which nothing else of it should stand: room, then a label or a sign.
_HEAD: Final = re.compile(r" *(?:[a-z]+: +|[✓✗!] )?")
_NARROWEST: Final = 40
MAX_MESSAGE: Final = 2000
"""Characters of a message that are shown; whoever chose more of them wanted no reader."""


class Form(Enum):
    """For whom stdout is written."""

    TEXT = auto()
    JSON = auto()


class Verbosity(Enum):
    """How much is said on stderr beside errors."""

    QUIET = auto()
    USUAL = auto()
    MORE = auto()
    DEBUG = auto()


class Style(Enum):
    """A colour that repeats what words and signs say already."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    GOOD = "32"
    WARN = "33"
    BAD = "31"


class ReaderGone(Exception):
    """Nobody reads stdout any more: a command that only writes can stop."""


class Console:
    """The two streams of a command."""

    def __init__(
        self,
        *,
        out: TextIO | None,
        err: TextIO | None,
        form: Form = Form.TEXT,
        verbosity: Verbosity = Verbosity.USUAL,
    ) -> None:
        # A failure of stderr has nobody left to hear of it.
        self._out, self._err = Stream(out), Stream(err)
        self.form, self.verbosity = form, verbosity
        self._in_list = False

    @property
    def is_json(self) -> bool:
        """Whether stdout carries one JSON document and nothing else."""
        return self.form is Form.JSON

    @property
    def shows_progress(self) -> bool:
        """Whether a person looks at stderr on a terminal that can redraw a line, and wants to."""
        quiet = self.verbosity is Verbosity.QUIET or self.is_json
        return not quiet and is_terminal(self._err.file) and os.environ.get("TERM", "") not in {"", "dumb"}

    @property
    def error_stream(self) -> TextIO:
        """stderr, for what draws on it itself."""
        return self._err.file if self._err.file is not None else sys.__stderr__ or sys.stderr

    @property
    def reader_gone(self) -> bool:
        """Whether whoever read stdout has gone."""
        return self._out.closed

    # --- data

    def line(self, text: str = "") -> None:
        """One line of a command's answer for people, safe as it stands. Silent where a document is written instead."""
        if not self.is_json:
            self._out.write(_fit(text, self._out.file) + "\n")

    def raw(self, data: bytes) -> None:
        """Data that is the answer itself, byte for byte."""
        self._out.write_bytes(data)

    def page(self, text: str) -> None:
        """Help, for people, whatever else is asked for."""
        self._out.write(text + "\n")

    def prose(self, text: str, *, indent: int) -> None:
        """A line without colours that may be long: on a terminal it goes on `indent` columns in, at a word's end."""
        for each in _wrapped(text, self._out.file, indent):
            self.line(each)

    def result(self, text: str) -> None:
        """What a command did, for people: a line of the answer that `--quiet` leaves out."""
        if self.verbosity is not Verbosity.QUIET:
            self.line(text)

    def folded_result(self, text: str, *, indent: int) -> None:
        """The same for one that may be long: it goes on as `prose` does."""
        for each in _wrapped(text, self._out.file, indent):
            self.result(each)

    def document(self, value: Mapping[str, Any]) -> None:
        """The one JSON document, in ASCII alone: no character of it can mean anything to a terminal.

        Where a list was begun, `value` ends it: its fields join that document, be they an error's.
        """
        if not self.is_json:
            return
        text = to_json(value)
        if self._in_list:
            text = ("], " if value else "]") + text[1:]
        self._out.write(text + "\n")
        self._in_list = False

    def begin_list(self, name: str) -> None:
        """Begin the one JSON document with a list called `name`, whose items `list_items` writes."""
        self._out.write(f"{{{to_json(name)}: [")
        self._in_list = True

    def list_items(self, text: str) -> None:
        """Items of the list that was begun, with the commas between them.

        Raises:
            ReaderGone: nobody reads them.
        """
        self._out.write(text)
        self.check_reader()

    def check_reader(self) -> None:
        """
        Raises:
            ReaderGone: nobody reads stdout any more.
            Unwritable: it does not take what is written.
        """
        self._out.check()
        if self._out.closed and self._out.file is not None:
            raise ReaderGone

    # --- everything else

    def note(self, text: str) -> None:
        """Something worth knowing beside the answer, which is for people; a document stands alone."""
        if self.verbosity is not Verbosity.QUIET and not self.is_json:
            self._err.write(_fit(text, self._err.file) + "\n")

    def detail(self, text: str) -> None:
        """Something for those who asked for more (`-v`)."""
        if self.verbosity in {Verbosity.MORE, Verbosity.DEBUG}:
            self._err.write(_fit(text, self._err.file) + "\n")

    def error(self, lines: Iterable[str]) -> None:
        """Why a command failed; said however quiet it is."""
        for each in lines:
            self._err.write(_fit(each, self._err.file) + "\n")

    def warning(self, text: str) -> None:
        """Something that needs a person, safe as it stands; said however quiet it is, as errors are."""
        first, *rest = self.fold(f"! {text}", indent=2)
        self.error([self.paint_error("!", Style.WARN) + first[1:], *rest])

    def fold(self, text: str, *, indent: int) -> list[str]:
        """`text` as lines for `error`; on a terminal, those after the first begin `indent` columns in."""
        return _wrapped(text, self._err.file, indent)

    def folded(self, text: str, *, indent: int) -> list[str]:
        """The same for `line`."""
        return _wrapped(text, self._out.file, indent)

    def paint(self, text: str, style: Style) -> str:
        """`text` in a colour, where stdout shows colours."""
        return _painted(text, style) if self._out.colour else text

    def paint_error(self, text: str, style: Style) -> str:
        """`text` in a colour, where stderr shows colours."""
        return _painted(text, style) if self._err.colour else text

    def flush(self) -> None:
        """Hand over what is buffered.

        Raises:
            Unwritable: stdout does not take it.
        """
        self._out.flush()
        self._err.flush()
        self._out.check()


def escape(text: str) -> str:
    """`text` on one line and without a character that a terminal would obey or not show.

    Those are written as Python writes them: `\\x1b`, `\\u202e`.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _UNSAFE else _escaped(character) for character in text
    )


def escape_message(text: str) -> str:
    """`escape` for a whole message, cut in the middle when it is absurdly long."""
    from rstuf.errors import shorten

    return shorten(escape(shorten(text, limit=MAX_MESSAGE)), limit=MAX_MESSAGE)


def width_of(text: str) -> int:
    """How many columns `text`, escaped already, takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def pad(text: str, width: int) -> str:
    """`text` with spaces behind it up to `width` columns."""
    return text + " " * max(0, width - width_of(text))


def to_json(value: Any) -> str:
    """`value` as JSON in ASCII: control characters, bidi marks and lone surrogates are all escaped."""
    return _json_encoder().encode(value)


@cache
def _json_encoder() -> json.JSONEncoder:
    import json

    return json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False)


def _wrapped(text: str, file: TextIO | None, indent: int) -> list[str]:
    """`text` in lines as wide as the terminal, if `file` is one."""
    return folded(text, width=terminal_width(), indent=indent) if is_terminal(file) else [text]


def _fit(text: str, file: TextIO | None) -> str:
    """`text`, each line of it no wider than the terminal, if `file` is one; what goes on stands under what began."""
    if not is_terminal(file):
        return text
    width = terminal_width()
    lines = []
    for line in text.split("\n"):
        head = _HEAD.match(_COLOUR.sub("", line))
        indent = len(head[0]) if head is not None else 0
        lines += folded(line, width=width, indent=indent if indent and not line[:indent].isspace() else indent + 2)
    return "\n".join(lines)


def terminal_width() -> int:
    """Columns to write in: one is left free, where some terminals break the line by themselves."""
    import shutil

    return max(_NARROWEST, shutil.get_terminal_size().columns - 1)


def folded(text: str, *, width: int, indent: int) -> list[str]:
    """One line as several of at most `width` columns, those after the first `indent` columns in.

    Spaces inside stay, colours take no room, and a word that is wider than all there is stands alone and whole.
    """
    if len(text) <= width and text.isascii():
        return [text]
    lines, line = [], ""
    for word in _WORD.findall(text):
        if line.strip(" ") and width_of(_COLOUR.sub("", line + word)) > width:
            lines.append(line)
            line = " " * indent + word.lstrip(" ")
        else:
            line += word
    return [*lines, line]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _painted(text: str, style: Style) -> str:
    return f"\x1b[{style.value}m{text}\x1b[0m" if style.value and text else text
