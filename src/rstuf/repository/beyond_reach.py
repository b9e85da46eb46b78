"""Roles for which too few keys are left: others are lost. Which these are, and the command that lets others sign.

A key is lost that was said to be and is not here. Whoever has one that leaked can sign with it, and so can its holder:
that is another matter (`leaks`).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId
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
    return gone if left_of(keys, lost) < keys.threshold else ()


def beyond_reach(
    role: RoleName, keys: RoleKeys, lost: Collection[str], *, names: Mapping[KeyId, str]
) -> BeyondReach | None:
    """What is lost of a role that the keys which are left cannot sign; None where they can."""
    gone = lost_of(keys, lost)
    return BeyondReach(gone, left_of(keys, lost), way_back(role, keys, gone, names=names)) if gone else None


def is_left_to_lost(keys: RoleKeys, lost: Collection[str], *, before: RoleKeys) -> bool:
    """Whether a role would be beyond reach that is not, or further than it is."""
    well = left_of(keys, lost) - keys.threshold
    return well < min(0, left_of(before, lost) - before.threshold)


def way_back(role: RoleName, keys: RoleKeys, lost: Collection[str], *, names: Mapping[KeyId, str]) -> str:
    """The command by which others can sign a role that lost too many of its keys.

    Args:
        names: what keys are called.
    """
    left = left_of(keys, lost)
    if role == ROOT:
        return "rstuf recover root-keys"
    if role == TARGETS and not left:
        return let_in_first(threshold=keys.threshold)
    if role == TARGETS:
        gone = next(keyid for keyid in keys.keyids if keyid in lost)
        # Another key could join it only with signatures that nobody can make.
        return f"rstuf key revoke {_called(names, gone)} --lost --targets-threshold {left}"
    signers = [_called(names, keyid) for keyid in keys.keyids if keyid not in lost]
    signers += ["NEW"] * (keys.threshold - left)
    return f"rstuf delegation update {shlex.quote(role)} {' '.join(f'--signer {name}' for name in signers)}"


def let_in_first(*, threshold: int) -> str:
    """What lets another key sign targets that nobody can sign any more: alone, so that it needs nobody beside it."""
    return f"rstuf root update --role targets --add NEW{' --threshold 1' if threshold > 1 else ''}"


def _called(names: Mapping[KeyId, str], keyid: KeyId) -> str:
    return shlex.quote(names.get(keyid, keyid[:12]))
