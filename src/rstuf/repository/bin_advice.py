"""What clients download with the number of bins that there is, and what they would with others.

By this repository's own sizes: every artifact is looked at once, whatever numbers are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rstuf.errors import InvalidInput
from rstuf.metadata import limits
from rstuf.metadata.bins import Bins
from rstuf.metadata.clients import CLIENTS, Shape, obstacle
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import MAX_BINS, check_bin_count
from rstuf.model.roles import BinWeight
from rstuf.progress import step
from rstuf.repository.advice import OFFERED_BINS
from rstuf.repository.authority import Authority, load_authority
from rstuf.repository.bin_layout import new_names
from rstuf.repository.client_guard import shape_of
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part
from rstuf.repository.reports import Reason

# Bytes of a bin's file around its entries, with one signature; and of an entry in snapshot around its name.
_AROUND: Final = 330
_IN_SNAPSHOT: Final = len('"":{"version":},') + len(".json")


@dataclass(frozen=True, slots=True)
class BinChoice:
    """A number of bins, and what it costs a client.

    Attributes:
        bins: how many.
        current: whether there are so many now.
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
        artifacts: how many artifacts there are now.
        advised: the number that costs a client least after a publication, and excludes none that need not be.
    """

    artifacts: int
    choices: Sequence[BinChoice]
    advised: int


def advise_bins(ports: Ports, counts: Sequence[int] = ()) -> BinAdvice:
    """Compare the number of bins that there is with others: of those for whatever no named delegation takes.

    Args:
        counts: the others; by default those that the ceremony offers.

    Raises:
        InvalidInput: there are none.
        InvalidPolicy: there can be no such number.
    """
    for count in counts:
        check_bin_count(count, allow_large=True)
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        if authority.bins is None:
            raise InvalidInput("targets shares nothing out over bins", hint="there is nothing to compare")
        there = authority.bins.bins
        compared = sorted({there.count, *(counts or OFFERED_BINS)})
        finest = max(count.bit_length() - 1 for count in (*compared, MAX_BINS))
        with step(ports.progress, "looking at artifacts", total=1 << finest, unit="bins"):
            weights = _weights(ports, reader, authority.catch_all, finest)
        surroundings = _Surroundings.of(reader, authority, there)
        choices = []
        for count in compared:
            bits = count.bit_length() - 1
            choice = _choice(reader, surroundings, replace(there, bits=bits), _merged(weights, by=finest - bits))
            choices.append(replace(choice, current=bits == there.bits))
    return BinAdvice(sum(each.artifacts for each in weights), tuple(choices), _advised(choices))


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What stands around the bins, whatever their number.

    Attributes:
        bins: as they are now.
        shape: of the repository, but for what they hold.
        above: bytes of targets, if another role has the bins; `holder` of the one that has them.
    """

    bins: Bins
    shape: Shape
    above: int
    holder: int

    @classmethod
    def of(cls, reader: StateReader, authority: Authority, bins: Bins) -> _Surroundings:
        """By what is published now."""
        name = authority.catch_all
        others = [role for role in reader.roles() if not role.retired and bins.index_in(role.name) is None]
        shape = shape_of(reader, authority, (Part(role, role.number, Reason.FOLLOWS) for role in others))
        counts = [each.bins.count for each in authority.shared.values() if each.bins != bins and not each.bins.classic]
        shape = replace(shape, bins=max(counts, default=0))
        return cls(bins, shape, 0 if name == TARGETS else _length(reader, TARGETS), _length(reader, name))

    def on_the_way(self, bins: Bins) -> int:
        """Bytes of the roles that lead to one of these bins: where each has a name, they grow with the number."""
        return self.above + (self.holder * bins.count // self.bins.count if bins.classic else self.holder)


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
        current=False,
        first=root + surroundings.on_the_way(bins) + after,
        after=after,
        more=more,
        largest=largest,
        artifacts=most,
        excluded=tuple((each.name, why) for each in CLIENTS if (why := obstacle(each, shape)) is not None),
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
