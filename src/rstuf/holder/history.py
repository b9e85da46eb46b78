"""What a signer's own record says beside a bundle: what they saw and signed before, of this repository and others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rstuf.clock import iso
from rstuf.holder.anchors import Anchor, TrustSource, same_root
from rstuf.holder.record import Remembered, SignedBefore
from rstuf.holder.sides import Side
from rstuf.metadata.bundle import Bundle, BundlePart
from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import short_id

# Where several hold keys, some versions are signed by the others.
FEW_BETWEEN: Final = 10


def concerns_of_delegators(bundle: Bundle, remembered: Remembered) -> Iterator[Concern]:
    """Roles that delegate, older than the signer saw them: who signed then may not be to sign any more."""
    for part in bundle.delegators:
        seen = remembered.delegators.get(part.role, 0)
        if part.version < seen:
            message = f"it comes with {part.role} v{part.version}, and you have seen v{seen}: it leads you back"
            yield Concern("delegator-older", True, message)


def concerns_of_repository(
    bundle: Bundle, anchor: Anchor, remembered: Remembered, others: Sequence[Remembered]
) -> Iterator[Concern]:
    name = ascii(bundle.repository)
    if anchor.source is not TrustSource.NOTHING and not anchor.checked:
        message = "which first root it is for is only what the bundle says; who signs is what the root you trust says"
        yield Concern("first-root-claimed", False, message)
    if remembered.repository and remembered.root is not None and remembered.repository != bundle.repository:
        message = f"the repository was called {remembered.repository!a} when you last signed, and is called {name} now"
        yield Concern("repository-renamed", True, message)
    namesakes = [
        other for other in others if other.first_root != bundle.first_root and other.repository == bundle.repository
    ]
    if namesakes:
        first = (namesakes[0].first_root or "")[:8]
        message = f"you know another repository that is called {name}, whose first root is {first}…"
        yield Concern("repository-namesake", True, message)
    for other in same_root(anchor, others, first_root=bundle.first_root):
        message = (
            f"the root you trust comes from the first root {(bundle.first_root or '')[:8]}…, says the bundle, and came "
            f"from {(other.first_root or '')[:8]}… when you last signed by it: one of the two is made up"
        )
        yield Concern("first-root-differs", True, message)


def signed_before(
    anchor: Anchor, sides: Sequence[Side], remembered: Remembered, others: Sequence[Remembered]
) -> Sequence[SignedBefore]:
    """What the holder signed of this repository, also as that of another first root, with keys that may sign this.

    Unless both first roots are known, a bundle can say another one than the last to be taken for another repository.
    Where there is none yet, nothing that was signed before can be of it.
    """
    if anchor.root is None:
        return remembered.signed
    listed = {keyid for side in sides for keyid in side.keyids}
    doubtful = [
        each
        for other in others
        for each in other.signed
        if other.first_root != remembered.first_root and not (other.checked and anchor.checked) and each.keyid in listed
    ]
    return [*remembered.signed, *doubtful]


def concerns_of_signed(part: BundlePart, signed: Sequence[SignedBefore], *, first: bool) -> Iterator[Concern]:
    """What the holder's record says of the same version, or of later ones."""
    before = [each for each in signed if each.role == part.role]
    for each in before:
        if each.version == part.version and each.digest != part.digest:
            what = "another first root" if first else f"another {part.role} v{part.version}"
            message = (
                f"you signed {what} with {short_id(each.keyid)} on {iso(each.at)}: its digest is {each.digest[:16]}…"
            )
            yield Concern("signed-another", True, message, (each.keyid,))
    newest = max((each.version for each in before), default=0)
    between = part.version - newest - 1
    if newest and between > 0:
        message = (
            f"you last signed {part.role} v{newest}, and this is v{part.version}: you signed none of those between"
        )
        yield Concern("version-jump", between > FEW_BETWEEN, message)
    if newest > part.version:
        yield Concern("signed-newer", True, f"you signed {part.role} v{newest} already, which is newer than this one")
