"""Roles for which too few keys are left: others are lost. Which these are, and the command that lets others sign.

A key is lost that was said to be and is not here. Whoever has one that leaked can sign with it, and so can its holder:
that is another matter (`leaks`).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass

from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyEntry, KeyId
from rstuf.model.names import ROOT, TARGETS, RoleName


@dataclass(frozen=True, slots=True)
class BeyondReach:
    """What lacks the keys to be signed.

    Attributes:
        lost: the keys that are lost, at least one; left: how many others there are.
        way: the command that lets others sign it; of root, what says that nothing can.
    """

    lost: tuple[KeyId, ...]
    left: int
    way: str


def left_of(keys: RoleKeys, lost: Collection[str]) -> int:
    """How many of a role's keys are left, each counted once however it is spelt."""
    return len({key_identity(key) for keyid, key in keys.keys.items() if keyid in keys.keyids and keyid not in lost})


def lost_of(keys: RoleKeys, lost: Collection[str]) -> tuple[KeyId, ...]:
    """The keys of a role that are lost, where fewer are left than must sign it; else none."""
    gone = tuple(keyid for keyid in keys.keyids if keyid in lost)
    # Most roles have lost none, and looking at keys loads what reads them.
    return gone if gone and left_of(keys, lost) < keys.threshold else ()


def beyond_reach(
    role: RoleName, keys: RoleKeys, lost: Collection[str], *, known: Collection[KeyEntry]
) -> BeyondReach | None:
    """What is lost of a role that the keys which are left cannot sign; None where they can.

    Args:
        known: all keys that are known here.
    """
    gone = lost_of(keys, lost)
    return BeyondReach(gone, left_of(keys, lost), way_back(role, keys, gone, known=known)) if gone else None


def is_left_to_lost(keys: RoleKeys, lost: Collection[str], *, before: RoleKeys) -> bool:
    """Whether a role would be beyond reach that is not, or further than it is."""
    well = left_of(keys, lost) - keys.threshold
    return well < min(0, left_of(before, lost) - before.threshold)


def way_back(role: RoleName, keys: RoleKeys, lost: Collection[str], *, known: Collection[KeyEntry]) -> str:
    """The command by which others can sign a role that lost too many of its keys.

    Args:
        known: all keys that are known here: whose leaked is named by no such command.
    """
    if role == ROOT:
        return "rstuf recover root-keys"
    leaked = {entry.keyid for entry in known if entry.is_leaked}
    left, well = left_of(keys, lost), left_of(keys, {*lost, *leaked})
    if role == TARGETS and not well:
        return let_in_first(keys, left=left)
    if role == TARGETS:
        gone = next(entry.name for entry in known if entry.keyid in keys.keyids and entry.keyid in lost)
        # Another key could join it only with signatures that nobody can make.
        return f"rstuf key revoke {shlex.quote(gone)} --lost --targets-threshold {left}"
    names = {entry.keyid: entry.name for entry in known}
    signers = [names.get(keyid, keyid[:12]) for keyid in keys.keyids if keyid not in {*lost, *leaked}]
    signers += ["NEW"] * (keys.threshold - well)
    return (
        f"rstuf delegation update {shlex.quote(role)} {' '.join(f'--signer {shlex.quote(name)}' for name in signers)}"
    )


def let_in_first(keys: RoleKeys, *, left: int) -> str:
    """What lets others sign targets of which nobody who is well is left.

    Where nobody at all is, one signs it alone then; where some are whose keys leaked, as many beside them as it takes.

    Args:
        left: how many of its keys are not lost.
    """
    way = "rstuf root update --role targets"
    if left:
        return f"{way}{' --add NEW' * max(1, keys.threshold - left)}"
    return f"{way} --add NEW{' --threshold 1' if keys.threshold > 1 else ''}"
