"""What a signer signed last of what a part is to list, by their own record, whichever role listed it then.

A role that shares its artifacts out over bins, or over another number of them, lists them no more where it did: each is
compared with the bin that is to list it now. What goes to bins that a bundle does not bring cannot be seen in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from rstuf.holder.contents import ContentsChange, SignedContents, compare_contents, contents_of, digest_of_entry
from rstuf.holder.delegations import Delegations
from rstuf.metadata.bundle import Bundle, BundlePart
from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import count
from rstuf.metadata.views import BinDelegation, bin_delegation
from rstuf.model.artifacts import slot_of
from rstuf.model.names import TOP_LEVEL, RoleName


@dataclass(frozen=True, slots=True)
class _Known:
    """An artifact that was signed: of which role, and the digest of what that said of it."""

    role: RoleName
    digest: str


class Earlier:
    """What a record knows of the artifacts of a bundle's roles."""

    def __init__(self, bundle: Bundle, delegations: Delegations, contents: Mapping[RoleName, SignedContents]) -> None:
        """
        Args:
            delegations: who lets these sign.
            contents: by role, what was signed of it last.
        """
        self._parts = {part.role: part for part in bundle.parts if part.role not in TOP_LEVEL}
        self._delegations, self._contents = delegations, contents
        self._shared: dict[RoleName, BinDelegation] = {
            part.role: found
            for part in (*bundle.delegators, *bundle.parts)
            if part.role not in TOP_LEVEL and (found := bin_delegation(part.envelope)) is not None
        }

    def changes(self, part: BundlePart, targets: Mapping[str, Any]) -> ContentsChange:
        """What a part lists, against that."""
        if part.role in TOP_LEVEL:
            return compare_contents(targets, None)
        taker = partial(self._taker, part.role)
        elsewhere = self._elsewhere(part.role, targets)
        return compare_contents(targets, self._before(part, targets), elsewhere=elsewhere, taker=taker)

    def _elsewhere(self, role: RoleName, paths: Iterable[str]) -> dict[str, set[str]]:
        """By path, the digests of what was signed of other roles; only where that is something."""
        found = {path: {each.digest for each in self._signed.get(path, ()) if each.role != role} for path in paths}
        return {path: digests for path, digests in found.items() if digests}

    @cached_property
    def _signed(self) -> dict[str, list[_Known]]:
        found = dict[str, list[_Known]]()
        for role, signed in self._contents.items():
            for path, digest in signed.artifacts.items():
                found.setdefault(path, []).append(_Known(role, digest))
        return found

    def _before(self, part: BundlePart, targets: Mapping[str, Any]) -> SignedContents | None:
        """What a part is to be compared with; None where the record knows nothing of that."""
        own = self._contents.get(part.role)
        if part.role in self._shared and not targets:
            return None if own is None else SignedContents(own.version)
        holder = next((each for each, found in self._shared.items() if found.bins.has(part.role)), None)
        if holder is None:
            return own
        found = self._by_bin[holder].get(part.role, {})
        sources = {each.role for each in found.values()}
        artifacts = {path: each.digest for path, each in found.items()}
        if sources <= {part.role}:
            return None if own is None else SignedContents(own.version, artifacts)
        return SignedContents(max(self._contents[role].version for role in sources), artifacts, of=holder)

    def _taker(self, role: RoleName, path: str, digest: str) -> RoleName | None:
        """The other part that lists just what was signed of a path, if one does."""
        found = (other for other, listed in self._listed.get(path, {}).items() if other != role and listed == digest)
        return next(found, None)

    def concerns(self) -> Iterator[Concern]:
        """What no honest bundle brings, and what was signed and goes to bins that are not in this one."""
        twice = sum(len(listed) > 1 for listed in self._listed.values())
        if twice:
            message = f"{count(twice, 'path')} would be in more than one role of this, and clients find the first alone"
            yield Concern("artifacts-twice", True, message)
        for holder in self._shared:
            itself = len(self._parts[holder].signed.get("targets") or {}) if holder in self._parts else 0
            if itself:
                message = f"{holder} would list {count(itself, 'artifact')} itself: clients find these before its bins'"
                yield Concern("artifacts-beside-bins", True, message)
            unseen = self._unseen(holder) if holder in self._parts else 0
            if unseen:
                message = (
                    f"{count(unseen, 'artifact')} that you signed last of {holder} would be in bins that are not in "
                    "this: whether clients find them there as you signed them, it does not show"
                )
                yield Concern("artifacts-unseen", True, message)

    def kept(self, signed: Collection[tuple[RoleName, int]]) -> dict[RoleName, SignedContents]:
        """What the record is to say, once some parts are signed: each artifact is of the role that lists it then."""
        taken = {part.role: part for part in self._parts.values() if (part.role, part.version) in signed}
        kept = dict[RoleName, SignedContents]()
        for holder, bins in self._by_bin.items():
            told = holder in taken and not self._are_its_own(holder)
            gone = {path for name, found in bins.items() if told or name in taken for path in found}
            for role in self._family(holder):
                before = self._contents[role]
                left = {path: digest for path, digest in before.artifacts.items() if path not in gone}
                if len(left) < len(before.artifacts):
                    kept[role] = SignedContents(before.version, left)
        for role, part in taken.items():
            if (lists := contents_of(part.version, part.signed.get("targets", {}))) is not None:
                kept[role] = lists
        return kept

    @cached_property
    def _by_bin(self) -> dict[RoleName, dict[RoleName, dict[str, _Known]]]:
        """By role and by the name of the bin that is to list it: each path that was signed."""
        return {holder: self._shared_out(holder) for holder in self._shared}

    def _shared_out(self, holder: RoleName) -> dict[RoleName, dict[str, _Known]]:
        bins = self._shared[holder].bins
        found = dict[RoleName, dict[str, _Known]]()
        for role in self._family(holder):
            for path, digest in self._contents[role].artifacts.items():
                name = bins.name(bins.index_of_slot(slot_of(path)))
                there = found.setdefault(name, {})
                if role == name or path not in there:
                    there[path] = _Known(role, digest)
        return found

    def _family(self, holder: RoleName) -> list[RoleName]:
        """A role and bins of it, of whatever number, of which the record knows something."""
        bins = self._shared[holder].bins
        return [role for role in self._contents if role == holder or bins.index_in(role) is not None]

    def _unseen(self, holder: RoleName) -> int:
        bins = self._shared[holder].bins
        as_they_are = self._are_its_own(holder) and not any(map(bins.has, self._parts))
        return sum(
            not (as_they_are and each.role == name)
            for name, found in self._by_bin[holder].items()
            if name not in self._parts
            for each in found.values()
        )

    def _are_its_own(self, holder: RoleName) -> bool:
        """Whether nobody signs the bins of a role but those who sign it."""
        own = self._delegations.of(self._parts[holder]).delegation.keys
        return set(self._shared[holder].signers.keyids) <= set(own.keyids)

    @cached_property
    def _listed(self) -> dict[str, dict[RoleName, str]]:
        found = dict[str, dict[RoleName, str]]()
        for role, part in self._parts.items():
            for path, entry in (part.signed.get("targets") or {}).items():
                found.setdefault(path, {})[role] = digest_of_entry(entry)
        return found
