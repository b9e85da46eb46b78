"""Path patterns of delegations (TUF §4.5), in the form that every client reads alike.

Clients match segment by segment, each with what its language has for shell wildcards: Python's fnmatch, minimatch, Go's
path.Match. These agree on letters, `*` and `?`, and on little else: brackets, braces and parentheses mean something to
some of them, and so do `!` and `#` at the beginning. Patterns with these are not accepted.

Two things are left that depend on the path: minimatch lets no wildcard match a dot that a segment begins with, and for
it a character beyond U+FFFF is two. A path for which that matters is matched by nobody's leave: see `Match.DISPUTED`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import translate
from functools import lru_cache
from typing import Final, NewType

from rstuf.errors import InvalidPath, InvalidPattern
from rstuf.model.names import TargetPath, target_path

PathPattern = NewType("PathPattern", str)

_DISPUTED: Final = "!#[]{}()"
_WILD: Final = "*?"
_ASTRAL: Final = 0xFFFF


class Match(Enum):
    """What clients say of a path and a pattern."""

    NO = auto()
    YES = auto()
    DISPUTED = auto()
    """Some of them yes, some no."""


def path_pattern(text: str) -> PathPattern:
    """`text` as a pattern: a target path in which `*` stands for any characters of a segment, and `?` for one.

    Raises:
        InvalidPattern: with the first rule that it breaks.
    """
    for character in text:
        if character in _DISPUTED:
            raise InvalidPattern(text, f"it contains {character!r}, which clients do not read alike")
    if "**" in text:
        raise InvalidPattern(text, "a wildcard never crosses a slash, so ** is no more than *")
    try:
        # A wildcard stands for what a path has there, and may stand for nothing beside other characters.
        target_path(text.replace("*", "x").replace("?", "x"))
    except InvalidPath as error:
        raise InvalidPattern(text, error.reason) from None
    return PathPattern(text)


def match(pattern: PathPattern, path: TargetPath) -> Match:
    """Whether clients hold that `pattern` describes `path`."""
    wanted, segments = _compiled(pattern), path.split("/")
    if len(wanted) != len(segments):
        return Match.NO
    whole = Match.YES
    for each, segment in zip(wanted, segments, strict=True):
        found = each.match(segment)
        if found is Match.NO:
            return found
        if found is Match.DISPUTED:
            whole = found
    return whole


def meet(one: PathPattern, other: PathPattern) -> bool:
    """Whether there may be a path that two patterns describe."""
    segments, others = one.split("/"), other.split("/")
    return len(segments) == len(others) and all(map(_meet, segments, others))


def _meet(one: str, other: str) -> bool:
    """The same of two segments."""
    # From each of these places on the rest of one and the rest of the other may stand for the same.
    alike = {(len(one), len(other))}
    for at in range(len(one), -1, -1):
        for there in range(len(other), -1, -1):
            mine, theirs = one[at : at + 1], other[there : there + 1]
            on, there_on, both_on = ((at + 1, there) in alike, (at, there + 1) in alike, (at + 1, there + 1) in alike)
            if mine == "*":
                found = on or (theirs != "" and there_on)
            elif theirs == "*":
                found = there_on or (mine != "" and on)
            else:
                found = "" not in {mine, theirs} and (mine == theirs or "?" in {mine, theirs}) and both_on
            if found:
                alike.add((at, there))
    return (0, 0) in alike


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment of a pattern: as it is, and with each question mark standing for any number of characters.

    Attributes:
        plain: whether nothing in it stands for anything else.
    """

    text: str
    plain: bool
    exact: re.Pattern[str]
    lenient: re.Pattern[str]

    def match(self, segment: str) -> Match:
        if self.plain:
            return Match.YES if segment == self.text else Match.NO
        if "?" in self.text and not segment.isascii() and max(map(ord, segment)) > _ASTRAL:
            return Match.DISPUTED if self.lenient.fullmatch(segment) else Match.NO
        if not self.exact.fullmatch(segment):
            return Match.NO
        return Match.DISPUTED if segment[0] == "." and self.text[0] in _WILD else Match.YES


@lru_cache(maxsize=4096)
def _compiled(pattern: PathPattern) -> tuple[_Segment, ...]:
    return tuple(
        _Segment(
            segment,
            not any(wild in segment for wild in _WILD),
            re.compile(translate(segment)),
            re.compile(translate(segment.replace("?", "*"))),
        )
        for segment in pattern.split("/")
    )
