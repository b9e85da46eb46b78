"""Who must sign a part, and who has: verified, whatever came with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rstuf.metadata.bundle import BundlePart
from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import short_ids
from rstuf.metadata.thresholds import SignatureResult, check_signatures
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Keys of whom so many must sign.

    Attributes:
        label: whose keys they are: "root v3", the root in force, or "root v4", the one that is proposed.
        signed: key ids with a signature that counts.
        missing: how many more must sign.
    """

    label: str
    threshold: int
    keyids: tuple[KeyId, ...]
    signed: tuple[KeyId, ...]
    missing: int


def sides_of(part: BundlePart, roles: Sequence[tuple[str, RoleKeys]]) -> tuple[tuple[Side, ...], tuple[Concern, ...]]:
    """Who must sign a part, and what is to be said of the signatures that came with it.

    Args:
        roles: who may sign it, by the label of whoever says so.
    """
    results = [_check(part, role) for _, role in roles]
    sides = tuple(
        Side(
            label=label,
            threshold=role.threshold,
            keyids=tuple(dict.fromkeys(role.keyids)),
            signed=result.signed,
            missing=result.missing,
        )
        for (label, role), result in zip(roles, results, strict=True)
    )
    return sides, tuple(_concerns(part.role, results))


def _check(part: BundlePart, role: RoleKeys) -> SignatureResult:
    return check_signatures(part.payload, part.signatures, keys=role.keys, keyids=role.keyids, threshold=role.threshold)


def _concerns(role: RoleName, results: Sequence[SignatureResult]) -> Iterator[Concern]:
    # Foreign is what no side knows; the other two are the same for every side that lists the key.
    strangers = set.intersection(*(set(result.foreign) for result in results))
    foreign = tuple(keyid for keyid in results[0].foreign if keyid in strangers)
    invalid = tuple(dict.fromkeys(keyid for result in results for keyid in result.invalid))
    twice = tuple(dict.fromkeys(keyid for result in results for keyid in result.duplicates))
    if foreign:
        yield Concern(
            "signature-foreign",
            True,
            f"it brings signatures for {role} by keys that may not sign it: {short_ids(foreign)}",
            foreign,
        )
    if invalid:
        yield Concern(
            "signature-bad", True, f"it brings signatures for {role} that are none: {short_ids(invalid)}", invalid
        )
    if twice:
        yield Concern(
            "signature-twice", True, f"it brings several signatures for {role} by one key: {short_ids(twice)}", twice
        )
