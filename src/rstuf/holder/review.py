"""What a key holder is told before they sign: all of it computed from the bundle's contents and their own trust.

Nothing that the bundle says about itself is believed: not the roots that it brings (`anchors`), not who it says has
signed (`sides`), not what it calls keys (`labels`). What nobody should sign is refused; what is unusual is a concern,
and a grave one is to be shown in red before the question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rstuf.errors import InvalidMetadata, ProposalRefused
from rstuf.holder.anchors import Anchor, TrustSource, find_anchor
from rstuf.holder.delegations import find_delegations
from rstuf.holder.earlier import Earlier
from rstuf.holder.history import (
    concerns_of_delegators,
    concerns_of_repository,
    concerns_of_signed,
    signed_before,
)
from rstuf.holder.labels import concerns_of_labels
from rstuf.holder.record import HolderRecord, Remembered, SignedBefore
from rstuf.holder.sides import Side, sides_of
from rstuf.holder.targets import TargetsFacts, take_targets_apart
from rstuf.metadata.bundle import Bundle, BundlePart
from rstuf.metadata.root_changes import RootChanges, compare_roots
from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import count, some, take_apart
from rstuf.metadata.views import Envelope, RoleKeys, bin_delegation, root_roles
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, TIMESTAMP, TOP_LEVEL, RoleName


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReview:
    """One role of a bundle, as its signer is shown it.

    Attributes:
        digest: SHA-256 of the bytes to sign, hex.
        sides: who must sign it and who has; a root has two, its own keys and those of the root before it.
        root: what it changes, where it is a root.
        targets: what it says, where it is a targets role.
    """

    role: RoleName
    version: int
    digest: str
    sides: tuple[Side, ...]
    root: RootChanges | None
    targets: TargetsFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A bundle that breaks no rule, and all that whoever signs it must see. It holds the bytes that they sign.

    Attributes:
        bundle: what was reviewed.
        now: the signer's own clock, UTC.
        code: the short code of what would be signed, to compare by voice with the other signers.
        anchor: which root it was judged by, and where trust in that comes from.
        parts: in the order of the bundle's.
        keys: every key that a part or the root in force speaks of; None for one that rstuf does not read.
        names: what the bundle calls them. Labels, and no more.
        concerns: what is unusual, the grave ones first.
        power: what signing lets the keys of the new root do, or of the roles that it
            delegates to, do: one sentence without a final stop.
        earlier: what it knows of the artifacts in it.
        seen: all that the signer had signed, by their record.
    """

    bundle: Bundle
    now: datetime
    code: str
    anchor: Anchor
    parts: tuple[PartReview, ...]
    keys: Mapping[KeyId, PublicKey | None]
    names: Mapping[KeyId, str]
    concerns: tuple[Concern, ...]
    power: str
    earlier: Earlier
    seen: frozenset[SignedBefore] = frozenset()

    @property
    def event(self) -> str:
        """What people call it: "root-v4"."""
        return self.bundle.event

    @property
    def grave(self) -> tuple[Concern, ...]:
        """The concerns to be shown in red."""
        return tuple(concern for concern in self.concerns if concern.grave)

    @property
    def may_sign(self) -> tuple[KeyId, ...]:
        """The key ids that some side of a part lists."""
        return tuple(dict.fromkeys(keyid for part in self.parts for side in part.sides for keyid in side.keyids))

    def remember(self, signed: Iterable[SignedBefore]) -> Remembered:
        """What a record keeps, now that this was signed."""
        return Remembered(
            first_root=self.bundle.first_root,
            checked=self.anchor.checked,
            repository=self.bundle.repository,
            root=self.anchor.data,
            # First roots of several repositories are remembered together, and what keys are called differs in each.
            names=self.names if self.anchor.root is not None else {},
            signed=(taken := tuple(signed)),
            contents=self.earlier.kept({(each.role, each.version) for each in taken}),
            delegators={part.role: part.version for part in self.bundle.delegators},
        )


def review_bundle(
    bundle: Bundle,
    *,
    now: datetime,
    trusted: bytes | None = None,
    trusted_from: TrustSource = TrustSource.FILE,
    fingerprint: str | None = None,
    max_expiry: timedelta | None = None,
    record: HolderRecord | None = None,
) -> Review:
    """Judge a bundle by what its signer trusts.

    Args:
        now: the present instant by the signer's own clock, UTC.
        trusted: the file of a root that they trust; else their record says which.
        trusted_from: where that file comes from: they named it, or it is their own workspace's.
        fingerprint: of the first root's file, SHA-256 in lower-case hex, as it was read to them.
        max_expiry: the longest life that they sign for, counted from now.
        record: what they trusted and signed before; None where there is none.

    Raises:
        ProposalRefused: nobody should sign it.
        AnchorNeeded: nothing says which root they trust.
        FingerprintDiffers: it is for another repository than the one that was read out.
        InvalidMetadata: a root in it, or the trusted one, is not of the form it must have.
        RecordDamaged, UnsafeDirectory, StorageError: the record cannot be relied on.
    """
    remembered = record.get(bundle.first_root) if record is not None else Remembered(first_root=bundle.first_root)
    others = record.all() if record is not None else ()
    anchor = find_anchor(
        bundle, trusted=trusted, fingerprint=fingerprint, remembered=remembered, others=others, source=trusted_from
    )
    return _Reviewer(bundle, anchor, now, max_expiry).review(remembered, others)


class _Reviewer:
    def __init__(self, bundle: Bundle, anchor: Anchor, now: datetime, max_expiry: timedelta | None) -> None:
        self._bundle, self._anchor = bundle, anchor
        self._now, self._max_expiry = now, max_expiry
        self._concerns: list[Concern] = []
        self._keys: dict[KeyId, PublicKey | None] = {}
        self._delegations = find_delegations(bundle, anchor.root)

    def review(self, remembered: Remembered, others: Sequence[Remembered]) -> Review:
        bundle = self._bundle
        root = next((part for part in bundle.parts if part.role == ROOT), None)
        # The root is judged first: it says who signs the rest.
        changes = None if root is None else self._compare(root)
        earlier = Earlier(bundle, self._delegations, remembered.contents)
        parts = tuple(self._part(part, root, changes, earlier) for part in bundle.parts)
        self._concerns += earlier.concerns()
        self._concerns += concerns_of_delegators(bundle, remembered)
        self._concerns += concerns_of_repository(bundle, self._anchor, remembered, others)
        before = signed_before(self._anchor, [side for part in parts for side in part.sides], remembered, others)
        for part in bundle.parts:
            self._concerns += concerns_of_signed(part, before, first=remembered.first_root is None)
        self._concerns += concerns_of_labels(bundle.names, known=remembered.names, shown=self._keys)
        return Review(
            bundle=bundle,
            now=self._now,
            code=bundle.code,
            anchor=self._anchor,
            parts=parts,
            keys=self._keys,
            names={keyid: bundle.names[keyid] for keyid in self._keys if keyid in bundle.names},
            concerns=tuple(sorted(dict.fromkeys(self._concerns), key=lambda concern: not concern.grave)),
            power=_power_of(parts, changes),
            earlier=earlier,
            seen=frozenset((*remembered.signed, *(each for other in others for each in other.signed))),
        )

    def _compare(self, part: BundlePart) -> RootChanges:
        changes = compare_roots(self._anchor.root, part.envelope, now=self._now, max_expiry=self._max_expiry)
        self._concerns += changes.concerns
        self._keys |= changes.keys
        return changes

    def _part(
        self, part: BundlePart, root: BundlePart | None, changes: RootChanges | None, earlier: Earlier
    ) -> PartReview:
        facts = None
        judges = self._judges(part, root)
        if part.role != ROOT:
            below = part.role not in TOP_LEVEL
            facts = take_targets_apart(
                part,
                known=_online(part, judges) | (self._own(part) if below else set()),
                now=self._now,
                max_expiry=self._max_expiry,
                by=self._delegations.of(part) if below else None,
                earlier=earlier,
            )
            self._concerns += [*facts.concerns, *(self._delegations.concerns(part) if below else ())]
            self._keys |= {keyid: key for keyid, key in facts.keys.items() if keyid not in self._keys}
        sides, concerns = sides_of(part, self._signers(part, judges))
        self._concerns += concerns
        return PartReview(
            role=part.role,
            version=part.version,
            digest=part.digest,
            sides=sides,
            root=changes if part.role == ROOT else None,
            targets=facts,
        )

    def _own(self, part: BundlePart) -> set[KeyId]:
        """The keys that may sign a role which has bins: they may sign these, too."""
        has_bins = bin_delegation(part.envelope) is not None
        return set(self._delegations.of(part).delegation.keys.keyids) if has_bins else set()

    def _signers(self, part: BundlePart, judges: Sequence[Envelope]) -> list[tuple[str, RoleKeys]]:
        """Who may sign a part, by the label of whoever says so."""
        if part.role not in TOP_LEVEL:
            by = self._delegations.of(part)
            self._keys |= {key: value for key, value in by.delegation.keys.keys.items() if key not in self._keys}
            return [(by.label, by.delegation.keys)]
        try:
            return [(f"root v{root.version}", root_roles(root)[part.role]) for root in judges]
        except InvalidMetadata as error:
            raise ProposalRefused(part.role, "form", error.reason) from None

    def _judges(self, part: BundlePart, root: BundlePart | None) -> Sequence[Envelope]:
        """The roots that say who signs a part."""
        in_force = self._anchor.root
        if in_force is not None and (root is None or part.role != ROOT):
            listed = take_apart(in_force).keys
            self._keys |= {keyid: key for keyid, key in listed.items() if keyid not in self._keys}
        if part.role == ROOT:
            return [part.envelope] if in_force is None else [in_force, part.envelope]
        # It must verify from the root in force and, where another is proposed with it, from that one.
        judges = [judge for judge in (in_force, None if root is None else root.envelope) if judge is not None]
        if not judges:
            raise ProposalRefused(part.role, "form", "nothing says who signs it")
        return judges


def _online(part: BundlePart, judges: Sequence[Envelope]) -> set[KeyId]:
    """The keys that these roots let sign online, as bins usually are."""
    try:
        return {keyid for judge in judges for keyid in root_roles(judge)[TIMESTAMP].keyids}
    except InvalidMetadata as error:
        raise ProposalRefused(part.role, "form", error.reason) from None


def _power_of(parts: Sequence[PartReview], changes: RootChanges | None) -> str:
    """What signing lets others do: the keys of a root, and those to whom a targets role delegates."""
    if changes is not None and len(parts) == 1:
        return changes.power
    told = _power_of_targets(parts)
    return told if changes is None else f"{told}; and with the root that comes with it, {changes.power}"


def _power_of_targets(parts: Sequence[PartReview]) -> str:
    lists = [
        f"{count(part.targets.artifacts, 'artifact')} of {part.role}"
        for part in parts
        if part.targets is not None and part.targets.by is not None
    ]
    told = _power_to_delegate([part.targets for part in parts if part.targets is not None])
    if lists:
        shows = f"it lets clients take {some(lists)}, as listed above"
        return shows if told is None else f"{shows}; and {told}"
    return told or "it lets nobody but the keys of targets sign artifacts"


def _power_to_delegate(parts: Sequence[TargetsFacts]) -> str | None:
    roles = [role for part in parts for role in part.delegated]
    who = [
        f"any {role.threshold} of {count(len(role.keyids), 'key')} sign "
        + (role.name if role.bins is None else f"all {role.bins[0]} bins")
        for role in roles
    ]
    return f"it lets {some(who)}" if who else None
