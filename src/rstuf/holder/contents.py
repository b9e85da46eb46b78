"""What a role would list against what its signer signed of it last, by their own record: nobody else says that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rstuf.metadata.canonical import compact

MOST_LISTED: Final = 50
MAX_LISTED_CHARACTERS: Final = 16_384
MOST_REMEMBERED: Final = 50_000
_LONGEST: Final = 4000


@dataclass(frozen=True, slots=True)
class SignedContents:
    """What a holder signed of a role last: its version, and the SHA-256 of what it says of each path, hex."""

    version: int
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContentsChange:
    """What a role would list, against what its signer signed last.

    Attributes:
        since: the version that they signed; None where their record knows none, and all is new to them.
        added, replaced: the first of them, as "path = JSON" in ASCII.
        removed: the first of them, in quotes.
        counts: how many there are: added, replaced, removed and as before.
    """

    since: int | None
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    counts: tuple[int, int, int, int]


def contents_of(version: int, targets: Mapping[str, Any]) -> SignedContents | None:
    """What is remembered of a role that is signed; None where that is too much to keep."""
    if len(targets) > MOST_REMEMBERED:
        return None
    return SignedContents(version, {path: _digest(entry) for path, entry in targets.items()})


def compare_contents(targets: Mapping[str, Any], before: SignedContents | None) -> ContentsChange:
    """What is added, replaced and removed."""
    known = {} if before is None else before.artifacts
    added = sorted(path for path in targets if path not in known)
    both = sorted(path for path in targets if path in known)
    replaced = [path for path in both if _digest(targets[path]) != known[path]]
    removed = sorted(path for path in known if path not in targets)
    return ContentsChange(
        since=None if before is None else before.version,
        added=tuple(_told(f"{json.dumps(path)} = {as_json(targets[path])}" for path in added)),
        replaced=tuple(_told(f"{json.dumps(path)} = {as_json(targets[path])}" for path in replaced)),
        removed=tuple(_told(map(json.dumps, removed))),
        counts=(len(added), len(replaced), len(removed), len(both) - len(replaced)),
    )


def _told(texts: Iterable[str]) -> Iterator[str]:
    """The first of them; fewer where they are long."""
    room = MAX_LISTED_CHARACTERS
    for place, text in enumerate(texts):
        room -= len(text)
        if place == MOST_LISTED or room < 0:
            return
        yield text


def as_json(value: Any) -> str:
    """A value in ASCII; a very long one is cut, and its digest stands for the rest."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… (sha256 {hashlib.sha256(text.encode()).hexdigest()})"


def _digest(entry: Any) -> str:
    return hashlib.sha256(compact({"": entry})).hexdigest()
