"""Which role lets another one sign, and for what: from the root that the signer trusts down to what they are to sign.

A bundle brings the roles on that way as they are published. Each is believed only where the one above it, and at the
top the root in force, names the keys that signed it. One that is itself to be signed comes out together with what it
delegates to; it is believed in nothing but what it says, which is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rstuf.errors import InvalidKey, InvalidMetadata, InvalidPath, ProposalRefused
from rstuf.metadata.bundle import Bundle, BundlePart
from rstuf.metadata.delegations import Delegation, named_delegations
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import short_ids
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import Envelope, RoleKeys, bin_delegation, root_roles
from rstuf.model.artifacts import digest_of
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TARGETS, TOP_LEVEL, RoleName, target_path
from rstuf.model.patterns import Match, match


@dataclass(frozen=True, slots=True)
class DelegatedBy:
    """Who lets a role sign.

    Attributes:
        parent, version: the role that delegates, and its version.
        proposed: whether that is to be signed beside it, and not published yet.
        delegation: what it says.
        of_bins: whether it is to bins, of which this is one.
        above: by what the role of these bins is delegated to: clients look for nothing else in them.
    """

    parent: RoleName
    version: int
    proposed: bool
    delegation: Delegation
    of_bins: bool = False
    above: Delegation | None = None

    @property
    def label(self) -> str:
        """Whose keys they are: "targets v3"."""
        return f"{self.parent} v{self.version}"


@dataclass(frozen=True, slots=True)
class Delegations:
    """All that is delegated to on the way, by name, and the root above it."""

    root: Mapping[RoleName, RoleKeys]
    by_role: Mapping[RoleName, DelegatedBy]

    def of(self, part: BundlePart) -> DelegatedBy:
        """Who lets a part's role sign.

        Raises:
            ProposalRefused: nobody whom the signer's trust leads to.
        """
        found = self.by_role.get(part.role)
        if found is None:
            reason = "nothing that your trust leads to delegates to a role of that name"
            raise ProposalRefused(f"{part.role}-v{part.version}", "not-delegated", reason)
        return found

    def concerns(self, part: BundlePart) -> Iterator[Concern]:
        """What is to be said of the way to a part, and of what else its signature would be good for."""
        by = self.of(part)
        if by.proposed:
            told = f"{by.label}, which lets these keys sign {part.role}, is not published: it comes out with this"
            yield Concern("delegator-proposed", False, told)
        mine = _values(by.delegation.keys)
        targets = self.root.get(TARGETS)
        if targets is not None and mine.keys() & _values(targets).keys():
            message = (
                f"the root lets a key of {part.role} sign targets, too, and what is signed does not say which of the "
                f"two it is: whoever has it can show it as targets v{part.version}"
            )
            yield Concern("role-shared", True, message, _shared(mine, _values(targets)))
        for name, other in self.by_role.items():
            if self._are_one(part.role, name):
                continue
            if name == part.role or not (both := mine.keys() & _values(other.delegation.keys).keys()):
                continue
            lists = any(not _is_outside(path, other.delegation) for path in part.signed.get("targets") or ())
            keyids = tuple(mine[value] for value in both)
            message = (
                f"{short_ids(keyids)} may sign {name}, too, and what is signed does not say which of the two it is: "
                f"whoever has it can show it as {name} v{part.version}"
            )
            yield Concern("role-shared", lists, message, keyids)

    def _are_one(self, name: RoleName, other: RoleName) -> bool:
        """Whether one of two roles is a bin of the other, or both are bins of one.

        Whoever signs one of these signs all, and no path is looked for in two of them: a signature of one lists nothing
        in the place of another.
        """
        of = {self.by_role[each].parent if self.by_role[each].of_bins else each for each in (name, other)}
        return len(of) == 1


def find_delegations(bundle: Bundle, root: Envelope | None) -> Delegations:
    """Everything that is delegated to by names on the way from a trusted root.

    Raises:
        ProposalRefused: what a bundle brings on that way is not rightly signed, or belongs to nothing.
    """
    if not bundle.delegators and all(part.role in TOP_LEVEL for part in bundle.parts):
        return Delegations({}, {})
    judging = root
    if judging is None:
        judging = next((part.envelope for part in bundle.parts if part.role == ROOT), None)
    try:
        roles = {} if judging is None else dict(root_roles(judging))
        return Delegations(roles, dict(_walk(bundle, roles)))
    except InvalidMetadata as error:
        raise ProposalRefused(bundle.event, "form", error.reason) from None


def _walk(bundle: Bundle, roles: Mapping[RoleName, RoleKeys]) -> Iterator[tuple[RoleName, DelegatedBy]]:
    proposed = {part.role: part for part in bundle.parts if part.role != ROOT}
    published = {part.role: part for part in bundle.delegators}
    named = dict[RoleName, Delegation]()
    seen, todo = set[RoleName](), [(TARGETS, roles[TARGETS])] if TARGETS in roles else []
    while todo:
        name, keys = todo.pop(0)
        if name in seen:
            raise ProposalRefused(bundle.event, "delegator", f"it brings two roles that delegate to {name}")
        seen.add(name)
        part = proposed.get(name) or published.get(name)
        if part is None:
            continue
        if name not in proposed:
            _refuse_unsigned(bundle, part, keys)
        for delegation in _named(part):
            yield delegation.name, DelegatedBy(name, part.version, name in proposed, delegation)
            named[delegation.name] = delegation
            todo.append((delegation.name, delegation.keys))
        for delegation in _bins(part, proposed):
            # Bins delegate to nobody.
            above = named.get(name)
            yield delegation.name, DelegatedBy(name, part.version, name in proposed, delegation, True, above)
            seen.add(delegation.name)
    lost = [name for name in published if name not in seen or name in proposed]
    if lost:
        raise ProposalRefused(bundle.event, "delegator", f"it brings {lost[0]}, which nothing in it delegates to")


def _named(part: BundlePart) -> Sequence[Delegation]:
    opened = part.envelope
    return () if bin_delegation(opened) is not None else named_delegations(opened.signed, where=part.role)


def _bins(part: BundlePart, proposed: Collection[RoleName]) -> Iterator[Delegation]:
    """Those of the bins of a role that are to be signed, each as a delegation by the hashes of its paths."""
    found = bin_delegation(part.envelope)
    for name in proposed:
        if found is not None and found.bins.has(name):
            index = found.bins.index_in(name) or 0
            yield Delegation(name=name, keys=found.signers, prefixes=found.bins.hash_prefixes(index))


def _refuse_unsigned(bundle: Bundle, part: BundlePart, keys: RoleKeys) -> None:
    result = check_signatures(
        part.payload, part.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
    )
    if not result.ok:
        reason = f"{part.role} v{part.version} in it, which delegates, is not signed by those who may"
        raise ProposalRefused(bundle.event, "delegator", reason)


def refuse_outside(part: BundlePart, by: DelegatedBy) -> None:
    """
    Raises:
        ProposalRefused: it lists what no client would look for in it.
    """
    ways = [by.delegation] if by.above is None else [by.delegation, by.above]
    listed = part.signed.get("targets") or ()
    outside = [path for path in listed if any(_is_outside(path, delegation) for delegation in ways)]
    if outside:
        more = f", and {len(outside) - 1} more" if len(outside) > 1 else ""
        reason = f"it lists {ascii(min(outside))[:120]}{more}, which is none of the paths that are delegated to it"
        raise ProposalRefused(f"{part.role}-v{part.version}", "path-outside", reason)


def _is_outside(text: str, delegation: Delegation) -> bool:
    try:
        path = target_path(text)
    except InvalidPath:
        return True
    if delegation.prefixes:
        return not digest_of(path).startswith(tuple(delegation.prefixes))
    # A path on which clients differ is none that all of them look for here.
    return all(match(pattern, path) is not Match.YES for pattern in delegation.paths)


def _values(keys: RoleKeys) -> dict[bytes, KeyId]:
    found = dict[bytes, KeyId]()
    for keyid, key in keys.keys.items():
        try:
            found.setdefault(key_identity(key), keyid)
        except InvalidKey:
            continue
    return found


def _shared(mine: Mapping[bytes, KeyId], others: Mapping[bytes, KeyId]) -> tuple[KeyId, ...]:
    return tuple(keyid for value, keyid in mine.items() if value in others)
