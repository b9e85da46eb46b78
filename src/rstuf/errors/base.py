"""The base of every error, and what all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

_LONGEST_WORD: Final = 100
# Two letters swapped in a word of five are as alike as this; "list" and "add" are not.
_ALIKE: Final = 0.6


class RstufError(Exception):
    """Base of every error the engine raises on purpose.

    Attributes:
        code: stable word for programs, part of the interface.
        message: what is wrong and why, one sentence, no final stop.
        hint: what to do about it, or None.
        dropped: the signing events that were dropped before it, all the same: by name, whose signatures went with each.
    """

    code: ClassVar[str] = "error"
    dropped: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Lines:
    """Where in an import something stands: its name, and the numbers of lines, none where they cannot be told."""

    source: str
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        if not self.numbers:
            return self.source
        word = "line" if len(self.numbers) == 1 else "lines"
        return f"{self.source}, {word} {' and '.join(map(str, self.numbers))}"


class Interrupted(RstufError):
    """The person pressed Ctrl-C."""

    code = "interrupted"

    def __init__(self, kept: str) -> None:
        super().__init__(f"interrupted; {kept}")


def shorten(text: str, *, limit: int = 200) -> str:
    """`text`, cut in the middle when it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """What somebody who wrote `name` most likely meant; None where nothing known is like it."""
    from difflib import get_close_matches

    by_fold = {each.casefold(): each for each in known}
    found = get_close_matches(name[:_LONGEST_WORD].casefold(), by_fold, n=1, cutoff=_ALIKE)
    return by_fold[found[0]] if found else None


def every_error() -> tuple[type[RstufError], ...]:
    """All classes of the tree, base first: for tables that must name each of them."""
    found: list[type[RstufError]] = [RstufError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return tuple(found)
