"""What a role would list against what its signer signed of it last, by their own record: nobody else says that."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rstuf.metadata.canonical import compact
from rstuf.model.names import RoleName

MOST_LISTED: Final = 50
MAX_LISTED_CHARACTERS: Final = 16_384
MOST_REMEMBERED: Final = 50_000
_LONGEST: Final = 4000

Taker = Callable[[str, str], RoleName | None]
"""Of a path and the digest of what was signed of it: the other role that lists just that, if one does."""


@dataclass(frozen=True, slots=True)
class SignedContents:
    """What a holder signed of a role last: its version, and the SHA-256 of what it says of each path, hex.

    Attributes:
        of: the role that shares them out over bins, where not all were signed of the bin that is to list them now.
    """

    version: int
    artifacts: Mapping[str, str] = field(default_factory=dict)
    of: RoleName | None = None


@dataclass(frozen=True, slots=True)
class ContentsChange:
    """What a role would list, against what its signer signed last.

    Attributes:
        since: the version that they signed; None where their record knows none, and all is new to them.
        added, replaced: the first of them, as "path = JSON" in ASCII.
        removed: the first of them, in quotes.
        counts: how many there are: added, replaced, removed and as before.
        elsewhere: how many of those replaced were signed of another role.
        moved: how many of those removed another part of the bundle lists just as they were signed, by its role;
            whether clients look for them there is another matter.
        of: as of `SignedContents`.
    """

    since: int | None
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    counts: tuple[int, int, int, int]
    elsewhere: int = 0
    moved: Mapping[RoleName, int] = field(default_factory=dict)
    of: RoleName | None = None

    @property
    def signed(self) -> str:
        """What was signed, as a clause: "that you signed in v3"."""
        return f"that you signed in v{self.since}" if self.of is None else f"that you signed last of {self.of}"

    @property
    def last(self) -> str:
        """The same, of what is as it was: "in v3, which you signed last"."""
        return f"in v{self.since}, which you signed last" if self.of is None else f"you signed last of {self.of}"


def contents_of(version: int, targets: Mapping[str, Any]) -> SignedContents | None:
    """What is remembered of a role that is signed; None where that is too much to keep."""
    if len(targets) > MOST_REMEMBERED:
        return None
    return SignedContents(version, {path: digest_of_entry(entry) for path, entry in targets.items()})


def compare_contents(
    targets: Mapping[str, Any],
    before: SignedContents | None,
    *,
    elsewhere: Mapping[str, Collection[str]] | None = None,
    taker: Taker | None = None,
) -> ContentsChange:
    """What is added, replaced and removed.

    Args:
        elsewhere: by path, the digests of what was signed of other roles.
        taker: the role that lists just what was signed of a path, beside this one.
    """
    known, others = {} if before is None else before.artifacts, elsewhere or {}
    digests = {path: digest_of_entry(entry) for path, entry in targets.items()}
    both = sorted(path for path in targets if path in known)
    changed = [path for path in both if digests[path] != known[path]]
    foreign = [path for path in targets if path not in known and digests[path] not in others.get(path, digests[path])]
    replaced = sorted([*changed, *foreign])
    added = sorted({*targets} - {*both} - {*foreign})
    removed = sorted(path for path in known if path not in targets)
    takers = [None if taker is None else taker(path, known[path]) for path in removed]
    return ContentsChange(
        since=None if before is None else before.version,
        added=tuple(_told(f"{json.dumps(path)} = {as_json(targets[path])}" for path in added)),
        replaced=tuple(_told(f"{json.dumps(path)} = {as_json(targets[path])}" for path in replaced)),
        removed=tuple(_told(map(json.dumps, removed))),
        counts=(len(added), len(replaced), len(removed), len(both) - len(changed)),
        elsewhere=len(foreign),
        moved=Counter(role for role in takers if role is not None),
        of=None if before is None else before.of,
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


def digest_of_entry(entry: Any) -> str:
    """SHA-256 of what a role says of a path, hex."""
    return hashlib.sha256(compact({"": entry})).hexdigest()
