"""What clients download with the number of bins that there is, and what they would with others.

By this repository's own sizes: every artifact of the role is looked at once, whatever numbers are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from rstuf.metadata import limits
from rstuf.metadata.bins import PREFIX, Bins
from rstuf.metadata.clients import Shape
from rstuf.model.names import ROOT, SNAPSHOT, TIMESTAMP, RoleName
from rstuf.model.policy import MAX_BINS, MAX_BINS_BY_PEOPLE, check_bin_count, check_bins_by_people
from rstuf.model.roles import BinWeight, RoleState
from rstuf.progress import step
from rstuf.repository.advice import OFFERED_BINS
from rstuf.repository.authority import Authority, load_authority
from rstuf.repository.batches import people_sign_bins
from rstuf.repository.bin_layout import new_names, said_over, sharing_role
from rstuf.repository.client_guard import excluded, shape_of
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part
from rstuf.repository.reports import Reason

# Bytes of a bin's file around its entries, with one signature; and of an entry in snapshot around its name.
_AROUND: Final = 330
_IN_SNAPSHOT: Final = len('"":{"version":},') + len(".json")
# A role of its own has fewer artifacts than all others together.
_OFFERED_OF_ROLE: Final = (4, 16, 64, 256)


@dataclass(frozen=True, slots=True)
class BinChoice:
    """A number of bins, and what it costs a client.

    Attributes:
        bins: how many; 1 where the role lists its artifacts itself.
        current: whether it is so now.
        first: bytes of metadata until a client that knows only the newest root has found its first artifact.
        after: bytes to find one after another publication.
        more: bytes for one artifact more, while nothing was published.
        largest: bytes of the largest bin, and the `artifacts` of the one that has the most.
        excluded: the clients that cannot read it, or not in a bearable time, and why.
        too_large: whether a bin would be larger than any client reads, so that it cannot be chosen.
    """

    bins: int
    current: bool
    first: int
    after: int
    more: int
    largest: int
    artifacts: int
    excluded: tuple[tuple[str, str], ...]
    too_large: bool


@dataclass(frozen=True, slots=True)
class BinAdvice:
    """Numbers of bins beside each other, smallest first.

    Attributes:
        role: the role that shares its artifacts out, or might.
        artifacts: how many artifacts it has now.
        advised: the number that costs a client least after a publication, and excludes none that need not be.
    """

    role: RoleName
    artifacts: int
    choices: Sequence[BinChoice]
    advised: int


def advise_bins(ports: Ports, counts: Sequence[int] = (), *, role: RoleName | None = None) -> BinAdvice:
    """Compare the number of bins that there is with others.

    Args:
        counts: the others; by default a few.
        role: whose artifacts; it may list them itself. None for those that no named delegation is for.

    Raises:
        DelegationNotFound: there is no such role.
        InvalidInput: it has no bins, and can have none.
        InvalidPolicy: there can be no such number, or people would have to sign more than they can.
    """
    for count in counts:
        check_bin_count(count, allow_large=True)
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        holder = authority.catch_all if role is None else role
        sharing = sharing_role(reader, authority, holder)
        there = authority.shared[holder].bins if holder in authority.shared else None
        offered = _offered(authority, holder, counts)
        compared = sorted({*offered, *(() if there is None else (there.count,))})
        finest = max(count.bit_length() - 1 for count in (*compared, MAX_BINS))
        with step(ports.progress, "looking at artifacts", total=1 << finest, unit="bins"):
            weights = _weights(ports, reader, holder, finest)
        surroundings = _Surroundings.of(reader, authority, holder)
        choices = [_itself(reader, surroundings, sharing)] if there is None else []
        for count in compared:
            bits = count.bit_length() - 1
            bins = replace(surroundings.bins, bits=bits)
            choices.append(_choice(reader, surroundings, bins, _merged(weights, by=finest - bits)))
    return BinAdvice(holder, sum(each.artifacts for each in weights), tuple(choices), _advised(choices))


def _offered(authority: Authority, holder: RoleName, counts: Sequence[int]) -> Sequence[int]:
    offered = counts or (OFFERED_BINS if holder == authority.catch_all else _OFFERED_OF_ROLE)
    if not people_sign_bins(authority, holder):
        return offered
    for count in counts:
        check_bins_by_people(count)
    return [count for count in offered if count <= MAX_BINS_BY_PEOPLE]


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What stands around the bins, whatever their number.

    Attributes:
        authority: by what is published now.
        holder: the role that they are of.
        bins: as they are now, or would be called; `there`: whether they are there.
        shape: of the repository, but for what they hold, or the role lists itself.
        above, length: bytes of the roles that lead to that role, and its own.
    """

    authority: Authority
    holder: RoleName
    bins: Bins
    there: bool
    shape: Shape
    above: int
    length: int

    @classmethod
    def of(cls, reader: StateReader, authority: Authority, holder: RoleName) -> _Surroundings:
        """By what is published now."""
        there = holder in authority.shared
        bins = authority.shared[holder].bins if there else Bins(1, f"{holder}-{PREFIX}")
        ours = {holder} if not there else set[str]()
        others = [
            role
            for role in reader.roles()
            if not role.retired and role.name not in ours and bins.index_in(role.name) is None
        ]
        shape = shape_of(reader, authority, (Part(role, role.number, Reason.FOLLOWS) for role in others))
        counts = [
            each.bins.count for name, each in authority.shared.items() if name != holder and not each.bins.classic
        ]
        above, parent = 0, authority.tree.parent(holder)
        while parent is not None:
            above += _length(reader, parent)
            parent = authority.tree.parent(parent)
        shape = replace(shape, bins=max(counts, default=0))
        return cls(authority, holder, bins, there, shape, above, _length(reader, holder))

    def on_the_way(self, bins: Bins) -> int:
        """Bytes of the roles that lead to one of these bins: where each has a name, they grow with the number."""
        if not self.there:
            return self.above + _AROUND + len(orjson.dumps(said_over(self.authority, self.holder, bins)))
        return self.above + (self.length * bins.count // self.bins.count if bins.classic else self.length)


def _itself(reader: StateReader, surroundings: _Surroundings, role: RoleState) -> BinChoice:
    """What it costs that a role lists its artifacts itself."""
    size = _AROUND + role.payload
    root, after = _length(reader, ROOT), _length(reader, TIMESTAMP) + _length(reader, SNAPSHOT) + size
    others = surroundings.shape
    shape = replace(
        others,
        root=root,
        role=max(others.role, size, surroundings.above),
        artifacts=max(others.artifacts, role.artifacts),
    )
    return BinChoice(
        bins=1,
        current=True,
        first=root + surroundings.above + after,
        after=after,
        more=0,
        largest=size,
        artifacts=role.artifacts,
        excluded=_excluded(shape),
        too_large=False,
    )


def _excluded(shape: Shape) -> tuple[tuple[str, str], ...]:
    return tuple(excluded(shape).items())


def _choice(reader: StateReader, surroundings: _Surroundings, bins: Bins, weights: Sequence[BinWeight]) -> BinChoice:
    # Whoever looks for any artifact finds it most likely in a bin that has many.
    total = sum(each.artifacts for each in weights)
    more = _AROUND + (sum(each.artifacts * each.payload for each in weights) // total if total else 0)
    largest = _AROUND + max((each.payload for each in weights), default=0)
    most = max((each.artifacts for each in weights), default=0)
    root, after = _length(reader, ROOT), _length(reader, TIMESTAMP) + _snapshot(reader, bins) + more
    others = surroundings.shape
    shape = replace(
        others,
        bins=others.bins if bins.classic else max(others.bins, bins.count),
        root=root,
        role=max(others.role, largest, surroundings.on_the_way(bins)),
        artifacts=max(others.artifacts, most),
    )
    return BinChoice(
        bins=bins.count,
        current=surroundings.there and bins == surroundings.bins,
        first=root + surroundings.on_the_way(bins) + after,
        after=after,
        more=more,
        largest=largest,
        artifacts=most,
        excluded=_excluded(shape),
        too_large=largest - _AROUND > limits.TARGETS_PAYLOAD_BYTES,
    )


def _advised(choices: Sequence[BinChoice]) -> int:
    possible = [each for each in choices if not each.too_large] or list(choices)
    fewest = min(len(each.excluded) for each in possible)
    return min((each for each in possible if len(each.excluded) == fewest), key=lambda each: each.after).bins


def _weights(ports: Ports, reader: StateReader, holder: RoleName, bits: int) -> list[BinWeight]:
    found, at = list[BinWeight](), 0
    for weight in reader.weigh(holder, bits=bits, number=reader.newest_number()):
        ports.progress.advance(weight.index - at)
        at = weight.index
        found.append(weight)
    return found


def _merged(weights: Sequence[BinWeight], *, by: int) -> list[BinWeight]:
    """What bins would hold that each take the place of 2^`by` of these; those that hold something."""
    merged: dict[int, BinWeight] = {}
    for each in weights:
        index = each.index >> by
        before = merged.get(index)
        merged[index] = BinWeight(
            index,
            newest=0,
            artifacts=each.artifacts + (before.artifacts if before else 0),
            payload=each.payload + (before.payload if before else 0),
        )
    return list(merged.values())


def _snapshot(reader: StateReader, bins: Bins) -> int:
    """Bytes of a snapshot that lists these bins beside all names that it lists now: none of them goes."""
    visible = _length(reader, SNAPSHOT)
    names = new_names(reader, bins)
    return visible + sum(_IN_SNAPSHOT + len(name) + 1 for name in names)


def _length(reader: StateReader, name: RoleName) -> int:
    file = reader.role(name).file
    return 0 if file is None else file.length
