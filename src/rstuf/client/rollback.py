"""What was seen once is not gone back behind, also where the updater has lost what it kept.

Versions of one role are compared only where the same keys sign it: after a theft of keys, whoever had them may have
run ahead as far as they liked, and root says by naming other keys that this is over (TUF 1.0.x §5.3.11).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rstuf.client.records import Memory
from rstuf.client.refusals import Evidence, rolled_back, uncountable

if TYPE_CHECKING:
    from tuf.api._payload import Root, Signed

MAX_VERSION: Final = 2**53 - 1
"""As far as every reader of JSON counts, and as far as is remembered."""
_ONLINE: Final = ("timestamp", "snapshot")
# Root first: it says whether what was seen of the others counts.
_WALK: Final = ("root", *_ONLINE, "targets")


def check_countable(role: str, signed: Signed) -> None:
    """See that the versions that verified metadata says can be remembered and compared.

    Raises:
        RepositoryRefused: one of them is too large.
    """
    if max(_versions(signed)) > MAX_VERSION:
        raise uncountable(role, MAX_VERSION)


def check_not_behind(memory: Memory | None, evidence: Evidence, *, roots: Path) -> None:
    """Hold what is verified now against what was seen at an earlier look.

    Args:
        roots: where the updater keeps each root from the pinned one on, all of them verified.

    Raises:
        RepositoryRefused: a role is older than it was.
    """
    if memory is None:
        return
    counts = True
    for role in _WALK:
        seen, found = memory.roles.get(role), evidence.roles[role].version
        if seen is not None and counts and found < seen.version:
            raise rolled_back(role, found, seen.version, evidence)
        if role == "root" and seen is not None and found > seen.version:
            before = _root((roots / f"{seen.version}.root.json").read_bytes())
            counts = all(_stay(before, evidence.roles[role], online) for online in _ONLINE)


def _versions(signed: Signed) -> Iterator[int]:
    yield signed.version
    listed: Any = getattr(signed, "meta", {})
    for each in listed.values():
        yield each.version
    if signed.type == "timestamp":
        yield signed.snapshot_meta.version  # type: ignore[attr-defined]


def _root(data: bytes) -> Root:
    from tuf.api.metadata import Metadata

    return Metadata[Any].from_bytes(data).signed  # type: ignore[no-any-return]


def _stay(before: Root, now: Root, role: str) -> bool:
    """Whether every key that signed a role signs it still."""
    kept = {keyid: now.keys[keyid] for keyid in now.roles[role].keyids}
    return all(kept.get(keyid) == before.keys[keyid] for keyid in before.roles[role].keyids)
