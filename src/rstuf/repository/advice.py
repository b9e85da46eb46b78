"""What a repository that is being planned would cost its clients, and what suits it.

Sizes are those of compact metadata with versions of three digits, as rstuf writes it; they are for choosing, not for
accounting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from rstuf.metadata import limits
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.clients import TUF_JS
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.policy import Periods

# Bytes: a bin's entry in snapshot; an artifact's in its bin; a signed file around its entries; root and timestamp.
_SNAPSHOT_ENTRY: Final = 34
_ARTIFACT_ENTRY: Final = 200
_AROUND: Final = 400
_DELEGATION: Final = 709
_TIMESTAMP: Final = 440
_ROOT: Final = 2_000

OFFERED_BINS: Final = (16, 256, 2048, 16384)
"""The numbers of bins worth comparing: each is a step of eight to sixteen times."""


class Upkeep(StrEnum):
    """Who signs again what is about to expire."""

    PERSON = "person"
    TIMER = "timer"
    DAEMON = "daemon"


@dataclass(frozen=True, slots=True)
class ClientCost:
    """What a number of bins costs a client, and which clients it leaves out.

    Attributes:
        bins: how many.
        artifacts: how many are expected in one bin.
        first: bytes of metadata until a client that knows only root has found its first artifact.
        after: bytes to find one after another publication; snapshot and timestamp are fetched anew.
        more: bytes for one artifact more, while nothing was published.
        slow: why clients in JavaScript turn slow, or None.
        too_large: whether a bin would be larger than any client reads.
    """

    bins: int
    artifacts: int
    first: int
    after: int
    more: int
    slow: str | None
    too_large: bool


def client_cost(bins: int, *, artifacts: int) -> ClientCost:
    """What `bins` cost a client where `artifacts` are expected."""
    each = -(-artifacts // bins)
    one = _AROUND + each * _ARTIFACT_ENTRY
    after = _TIMESTAMP + _AROUND + bins * _SNAPSHOT_ENTRY + one
    slow = None
    if TUF_JS.bins is not None and bins > TUF_JS.bins:
        slow = "too many bins"
    elif TUF_JS.artifacts is not None and each > TUF_JS.artifacts:
        slow = "too many artifacts in each bin"
    return ClientCost(
        bins=bins,
        artifacts=each,
        first=_ROOT + _DELEGATION + after,
        after=after,
        more=one,
        slow=slow,
        too_large=one > limits.TARGETS_PAYLOAD_BYTES,
    )


def compare_bins(artifacts: int) -> Sequence[ClientCost]:
    """The numbers of bins to choose from where `artifacts` are expected, smallest first."""
    costs = [client_cost(bins, artifacts=artifacts) for bins in OFFERED_BINS]
    return [cost for cost in costs if not cost.too_large] or costs[-1:]


def recommended_bins(artifacts: int) -> int:
    """The number that suits most: few downloads for a client, and nobody left out while that can be."""
    costs = compare_bins(artifacts)
    open_to_all = [cost for cost in costs if cost.slow is None] or costs
    return min(open_to_all, key=lambda cost: cost.after).bins


def proposed_periods(upkeep: Upkeep) -> dict[str, Periods]:
    """Periods by role name (bins under their prefix): as short as whoever renews can keep up with, with room to fail.

    A short timestamp bounds for how long a server can hold clients at an old state (TUF §1.5.2, freeze attacks).
    """
    days = {
        Upkeep.PERSON: {TIMESTAMP: 14, SNAPSHOT: 30, PREFIX: 90},
        Upkeep.TIMER: {TIMESTAMP: 3, SNAPSHOT: 14, PREFIX: 60},
        Upkeep.DAEMON: {TIMESTAMP: 1, SNAPSHOT: 7, PREFIX: 30},
    }[upkeep]
    return {role: Periods.of(timedelta(days=count)) for role, count in {ROOT: 365, TARGETS: 365, **days}.items()}
