"""Which root a bundle is judged by: one that the signer trusts already, and what it leads to.

A bundle brings the roots between, and is believed in nothing:

1. Trust begins with the signer's own file, with their own record, or with the fingerprint of the first root that was
   read to them; never with a root that came with the bundle.
2. Each root that follows is one version on, and signed by the thresholds of the one before it and of its own
   (TUF §5.3.4, §5.3.5). They need not be unexpired: an expired root does not keep the next from being signed.
3. A root of the bundle that has a version which the signer trusts must be that root. A chain that ends before it would
   lead them back.
4. The first root is known where trust began with it, or where the record knows it; else it is what the bundle says.
   Where the record knows that a root on the way comes from another one, the bundle is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rstuf.errors import AnchorNeeded, FingerprintDiffers, InvalidMetadata, ProposalRefused
from rstuf.holder.record import Remembered
from rstuf.metadata.bundle import Bundle
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import Envelope, open_envelope, root_roles
from rstuf.model.names import ROOT


class TrustSource(StrEnum):
    """Where trust comes from."""

    FILE = "file"
    WORKSPACE = "workspace"
    PINNED = "pinned"
    RECORD = "record"
    FINGERPRINT = "fingerprint"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The root in force, as the signer's own trust leads to it.

    Attributes:
        source: where that trust began.
        version: of the root that it began with; None for a first root.
        sha256: of that root's file, hex.
        root: the root in force, verified; None for a first root.
        data: its file.
        checked: whether the bundle's `first_root` is known to be right.
        payloads: what was signed of the roots that trust went through, from the one that it began with on.
    """

    source: TrustSource
    version: int | None = None
    sha256: str | None = None
    root: Envelope | None = None
    data: bytes | None = None
    checked: bool = False
    payloads: tuple[bytes, ...] = ()


def find_anchor(
    bundle: Bundle,
    *,
    trusted: bytes | None,
    fingerprint: str | None,
    remembered: Remembered,
    others: Sequence[Remembered],
    source: TrustSource = TrustSource.FILE,
) -> Anchor:
    """The root in force that a bundle is to be judged by.

    Args:
        trusted: the file of a root that the signer trusts.
        fingerprint: of the first root's file, SHA-256 in lower-case hex, as it was read to the signer.
        remembered: what the signer's record knows of the repository that the bundle says it is for.
        others: what it knows of all repositories.
        source: where `trusted` comes from. A workspace that made the bundle knows its own first root.

    Raises:
        AnchorNeeded: nothing leads there.
        FingerprintDiffers: the bundle is for another repository than the one that was read out.
        ProposalRefused: its chain does not follow from what is trusted.
        InvalidMetadata: `trusted` is no root that anybody could trust.
    """
    return _Finder(bundle, source).find(trusted, fingerprint, remembered, others)


def same_root(anchor: Anchor, others: Sequence[Remembered], *, first_root: str | None) -> Iterator[Remembered]:
    """What the record keeps under other first roots although it trusts a root that this trust goes through, too."""
    for other in others:
        if other.first_root != first_root and other.root is not None:
            root = open_envelope(other.root, name="a root in your record", kind="root")
            if root.payload in anchor.payloads:
                yield other


class _Finder:
    def __init__(self, bundle: Bundle, source: TrustSource) -> None:
        self._bundle, self._chain, self._source = bundle, bundle.roots(), source

    def find(
        self, trusted: bytes | None, fingerprint: str | None, remembered: Remembered, others: Sequence[Remembered]
    ) -> Anchor:
        bundle = self._bundle
        if fingerprint is not None and bundle.first_root is not None and fingerprint != bundle.first_root:
            raise FingerprintDiffers("the first root of the bundle", wanted=fingerprint, found=bundle.first_root)
        begins_with_first = bool(self._chain) and self._chain[0].version == 1
        if begins_with_first and _sha256(bundle.chain[0]) != bundle.first_root:
            raise self._refuse("first-root", "the first root in it is not the one that it says it is for")
        if trusted is None and remembered.root is None and fingerprint is None:
            return self._without()
        if not self._chain:
            raise self._refuse("version", "it is a first root, and you trust one of this repository already")
        found: Anchor | None = None
        if remembered.root is not None:
            found = self._from(remembered.root, TrustSource.RECORD, checked=remembered.checked, needed=trusted is None)
        if trusted is not None:
            known = self._source is TrustSource.WORKSPACE or (found is not None and found.checked)
            found = self._from(trusted, self._source, checked=known, needed=True)
        if found is None:
            if not begins_with_first:
                raise AnchorNeeded(bundle.event, "the first root, whose fingerprint you gave, did not come with it")
            found = self._from(bundle.chain[0], TrustSource.FINGERPRINT, checked=True, needed=True)
        if found is None:
            raise AnchorNeeded(bundle.event, "nothing says which root of this repository you trust")
        self._refuse_other_repository(found, others)
        return found

    def _without(self) -> Anchor:
        if self._chain:
            raise AnchorNeeded(self._bundle.event, "nothing says which root of this repository you trust")
        return Anchor(source=TrustSource.NOTHING)

    def _from(self, data: bytes, source: TrustSource, *, checked: bool, needed: bool) -> Anchor | None:
        """The root in force, from a trusted one on; None where the chain does not reach so far back.

        Args:
            needed: whether that is refused instead.
        """
        name, hint = "the root that you trust", "name the file of a root that you know: --trusted-root FILE"
        try:
            root = open_envelope(data, name=name, kind="root")
        except InvalidMetadata as error:
            raise InvalidMetadata(name, error.reason, hint=hint) from error
        if not _signed_by(root, root):
            raise InvalidMetadata(name, "it is not signed by as many of its own keys as it asks for", hint=hint)
        if root.version < self._chain[0].version - 1 and not needed:
            return None
        if root.version == 1:
            if _sha256(data) != self._bundle.first_root:
                raise self._refuse("first-root", "it is for another repository than the one whose first root you trust")
            checked = True
        last, last_data, payloads = root, data, [root.payload]
        for following, following_data in self._after(root):
            if not _signed_by(following, last):
                raise self._refuse(
                    "chain", f"root {following.version} in it is not signed by the keys of root {last.version}"
                )
            if not _signed_by(following, following):
                raise self._refuse("chain", f"root {following.version} in it is not signed by its own keys")
            last, last_data = following, following_data
            payloads.append(following.payload)
        return Anchor(
            source=source,
            version=root.version,
            sha256=_sha256(data),
            root=last,
            data=last_data,
            checked=checked,
            payloads=tuple(payloads),
        )

    def _after(self, root: Envelope) -> Sequence[tuple[Envelope, bytes]]:
        """The roots of the chain that follow a trusted one."""
        first, last = self._chain[0].version, self._chain[-1].version
        if root.version > last:
            raise self._refuse("chain", f"it goes on from root {last}, and you trust root {root.version}")
        if root.version < first - 1:
            raise self._refuse("chain", f"its roots begin with version {first}, and you trust version {root.version}")
        pairs = list(zip(self._chain, self._bundle.chain, strict=True))
        if root.version >= first and self._chain[root.version - first].payload != root.payload:
            raise self._refuse(
                "chain", f"its root {root.version} is another one than the root {root.version} you trust"
            )
        return pairs[root.version - first + 1 :]

    def _refuse_other_repository(self, found: Anchor, others: Sequence[Remembered]) -> None:
        for other in same_root(found, others, first_root=self._bundle.first_root):
            if other.checked:
                raise self._refuse(
                    "first-root", "it says that it is for another repository than the root you trust is of"
                )

    def _refuse(self, rule: str, reason: str) -> ProposalRefused:
        return ProposalRefused(self._bundle.event, rule, reason)


def _signed_by(root: Envelope, by: Envelope) -> bool:
    try:
        role = root_roles(by)[ROOT]
    except InvalidMetadata:
        return False
    return check_signatures(
        root.payload, root.signatures, keys=role.keys, keyids=role.keyids, threshold=role.threshold
    ).ok


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
