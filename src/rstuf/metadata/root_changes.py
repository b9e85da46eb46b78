"""A proposed root beside the one that its signer trusts: everything that a person must see before they sign it.

It is computed from the two roots and the signer's clock, and from nothing that somebody wrote about them. All that
stands in the proposed root stands in `RootChanges` too: two proposals that differ anywhere are shown differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rstuf.metadata.root_concerns import Concern, concerns_of_roles
from rstuf.metadata.root_key_concerns import concerns_of_keys
from rstuf.metadata.root_parts import RootParts, count, take_apart
from rstuf.metadata.root_rules import check_proposal
from rstuf.metadata.views import Envelope
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, TOP_LEVEL, RoleName

__all__ = ["Concern", "RoleChanges", "RootChanges", "compare_published", "compare_roots"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanges:
    """Who may sign a role, then and now.

    Attributes:
        threshold_before: None where there is no trusted root.
        threshold: how many keys must sign.
        keyids: who may sign it, in the order of the proposed root.
        added, kept: those of `keyids` that the trusted root does not list for it, and that it does.
        removed: key ids that only the trusted root lists for it, in its order.
    """

    threshold_before: int | None
    threshold: int
    keyids: tuple[KeyId, ...]
    added: tuple[KeyId, ...]
    removed: tuple[KeyId, ...]
    kept: tuple[KeyId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootChanges:
    """What a proposed root changes, and all that it says.

    Attributes:
        old_version, expires_before, spec_version_before: of the trusted root; None where there is none.
        consistent_snapshot_before: the same; None also where it does not say.
        expires: UTC.
        days: whole days from now until then.
        roles: the four top-level roles.
        keys: all keys of both roots; None for one of a form that rstuf does not read, which `foreign` shows.
        foreign: what TUF does not know in the proposed root, as "path = JSON" in ASCII, sorted.
        unused_keys: key ids in the proposed root that no role lists.
        concerns: what is unusual, the grave ones first.
        power: what signing it lets the keys of the new root do, in one sentence without a final stop.
    """

    old_version: int | None
    new_version: int
    expires_before: datetime | None
    expires: datetime
    days: int
    spec_version_before: str | None
    spec_version: str
    consistent_snapshot_before: bool | None
    consistent_snapshot: bool
    roles: Mapping[RoleName, RoleChanges]
    keys: Mapping[KeyId, PublicKey | None]
    foreign: tuple[str, ...]
    unused_keys: tuple[KeyId, ...]
    concerns: tuple[Concern, ...]
    power: str


def compare_roots(
    trusted: Envelope | None, proposed: Envelope, *, now: datetime, max_expiry: timedelta | None = None
) -> RootChanges:
    """What a proposed root changes against the trusted one.

    Signatures are not looked at: `thresholds` says who has signed.

    Args:
        trusted: the signer's own copy of the last root; None if it is the first one that they sign here.
        proposed: what they are asked to sign.
        now: the present instant by the signer's own clock, UTC.
        max_expiry: the longest life that they sign for, counted from now.

    Raises:
        ProposalRefused: nobody should sign it; `root_rules` lists why.
        InvalidMetadata: the trusted root is not of the form it must have.
    """
    before = None if trusted is None else take_apart(trusted)
    return _changes(before, check_proposal(before, proposed, now=now, max_expiry=max_expiry), now=now)


def compare_published(older: Envelope, newer: Envelope, *, now: datetime) -> RootChanges:
    """The same for two roots that were published, however many versions lie between them.

    Raises:
        ProposalRefused: the newer one breaks another rule than that of its version.
        InvalidMetadata: one of them is not of the form it must have.
    """
    before = take_apart(older)
    following = replace(before, version=newer.version - 1)
    return _changes(before, check_proposal(following, newer, now=now, max_expiry=None), now=now)


def _changes(before: RootParts | None, after: RootParts, *, now: datetime) -> RootChanges:
    concerns = [*concerns_of_roles(before, after, now=now), *concerns_of_keys(before, after)]
    return RootChanges(
        old_version=None if before is None else before.version,
        new_version=after.version,
        expires_before=None if before is None else before.expires,
        expires=after.expires,
        days=(after.expires - now).days,
        spec_version_before=None if before is None else before.spec_version,
        spec_version=after.spec_version,
        consistent_snapshot_before=None if before is None else before.consistent_snapshot,
        consistent_snapshot=after.consistent_snapshot is True,
        roles={name: _role(before, after, name) for name in TOP_LEVEL},
        keys={**({} if before is None else before.keys), **after.keys},
        foreign=tuple(f"{path} = {value}" for path, value in after.foreign.items()),
        unused_keys=after.unused,
        concerns=tuple(sorted(concerns, key=lambda concern: not concern.grave)),
        power=_power(before, after),
    )


def _listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _role(before: RootParts | None, after: RootParts, name: RoleName) -> RoleChanges:
    role = after.roles[name]
    earlier = None if before is None else before.roles[name]
    listed = () if earlier is None else tuple(dict.fromkeys(earlier.keyids))
    return RoleChanges(
        threshold_before=None if earlier is None else earlier.threshold,
        threshold=role.threshold,
        keyids=role.keyids,
        added=tuple(keyid for keyid in role.keyids if keyid not in listed),
        removed=tuple(keyid for keyid in listed if keyid not in role.keyids),
        kept=tuple(keyid for keyid in role.keyids if keyid in listed),
    )


def _power(before: RootParts | None, after: RootParts) -> str:
    threshold, keys = after.roles[ROOT].threshold, after.values(ROOT)
    deciding = f"any {threshold} of {count(len(keys), 'key')}" if threshold < len(keys) else f"all {len(keys)} keys"
    if len(keys) == 1:
        deciding = "the one key of root"
    if before is None:
        return f"it lets {deciding} decide everything in this repository, from its first root on"
    old = before.values(ROOT)
    new, gone = len(keys.keys() - old.keys()), len(old.keys() - keys.keys())
    parts = [f"{_exchange(new, gone)}: {deciding} can sign every later root"]
    if threshold != before.roles[ROOT].threshold:
        parts[0] += f", where it took {before.roles[ROOT].threshold} of {len(old)}"
    if new >= threshold:
        parts.append("the new alone suffice" if new > 1 else "the new one alone suffices")
    others = [name for name in TOP_LEVEL if name != ROOT and _signers(before, name) != _signers(after, name)]
    if others:
        parts.append(f"{_listed(others)} can be signed by others than before")
    return "; ".join(parts)


def _exchange(new: int, gone: int) -> str:
    if new == gone == 1:
        return "it lets the new key sign root in place of the old"
    if new and gone:
        return f"it lets {count(new, 'new key')} sign root in place of {count(gone, 'old one')}"
    if new:
        return f"it lets {count(new, 'more key')} sign root"
    return f"it takes {count(gone, 'key')} from root" if gone else "it leaves root with the same keys"


def _signers(root: RootParts, name: RoleName) -> tuple[frozenset[bytes], int]:
    return frozenset(root.values(name)), root.roles[name].threshold
