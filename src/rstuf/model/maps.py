"""Maps of repositories (TAP 4): which of them are asked for which artifacts, and how many must say the same.

A pattern of a map is one of the whole path: `*` stands for any characters, slashes too, so that the pattern `*` alone
means every artifact, as TAP 4 says. That is what the reference implementation does; go-tuf lets no `*` cross a slash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Final, NewType

from rstuf.errors import InvalidPath, InvalidPattern
from rstuf.model.names import TargetPath, TrustName, target_path, trust_name

MapPattern = NewType("MapPattern", str)

EVERYTHING: Final = MapPattern("*")
# Python's fnmatch and Go's filepath.Match do not mean the same by them.
_DISPUTED: Final = "[]\\"


@dataclass(frozen=True, slots=True)
class MapEntry:
    """A mapping (TAP 4, A to D): these repositories are asked for what matches one of these patterns.

    Attributes:
        repositories: as the map calls them, in the order in which they are asked.
        threshold: how many of them must say the same.
        terminating: where they do not, no later mapping is looked at.
    """

    paths: tuple[MapPattern, ...]
    repositories: tuple[str, ...]
    threshold: int
    terminating: bool

    def means(self, path: TargetPath) -> bool:
        """Whether one of its patterns matches a path."""
        return any(_compiled(pattern).fullmatch(path) for pattern in self.paths)


@dataclass(frozen=True, slots=True)
class RepositoryMap:
    """A map file: where repositories are, and what is looked for in which of them.

    Attributes:
        repositories: by name the URLs of each, of which one is as good as the other.
        entries: its mappings, in the order in which they are searched.
    """

    repositories: Mapping[str, tuple[str, ...]]
    entries: tuple[MapEntry, ...]


def map_pattern(text: str) -> MapPattern:
    """`text` as a pattern: a target path in which `*` stands for any characters, and `?` for one.

    Slashes that it begins with count for nothing, as TAP 4's own example has them and no target path does.

    Raises:
        InvalidPattern: with the first rule that it breaks.
    """
    for character in text:
        if character in _DISPUTED:
            raise InvalidPattern(text, f"it contains {character!r}, which clients do not read alike")
    try:
        target_path(_path_of(text).replace("*", "x").replace("?", "x"))
    except InvalidPath as error:
        raise InvalidPattern(text, error.reason) from None
    return MapPattern(text)


def trusted_as(name: str) -> TrustName:
    """Under which name a client pins the root of a repository that a map calls `name`: the same in lower case.

    Raises:
        InvalidTrustName: no root can be pinned under that.
    """
    return trust_name(name.lower() if name.isascii() else name)


def _path_of(pattern: str) -> str:
    return pattern.lstrip("/")


@lru_cache(maxsize=4096)
def _compiled(pattern: MapPattern) -> re.Pattern[str]:
    return re.compile(translate(_path_of(pattern)))
