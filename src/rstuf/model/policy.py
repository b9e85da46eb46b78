"""Policy: the periods of each role, and the bounds every threshold keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from rstuf.errors import InvalidPolicy
from rstuf.model.durations import format_duration

MIN_BINS: Final = 2
MAX_BINS: Final = 16384
# Names that a snapshot of 722 kB lists: of bins in use and of those that were.
MAX_LISTED: Final = 20_752
MAX_BINS_LARGE: Final = 65536
# Each takes two hundred bytes of targets, which every client reads.
MAX_CLASSIC_BINS: Final = 4096
# Each of its people signs every one of them, by hand where the key is a token, and one bundle carries all.
MAX_BINS_BY_PEOPLE: Final = 64


class BinSigners(StrEnum):
    """Who signs the bins of a role: the online key, with which whoever has it controls what they list, or the people
    who sign the role itself."""

    ONLINE = "online"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class Periods:
    """How long a role's metadata lives, and how long before its end it is signed again.

    Attributes:
        expires: from signing to the `expires` field.
        renew_before: the role is due when less than this is left; by default a third of its life.
    """

    expires: timedelta
    renew_before: timedelta

    def __post_init__(self) -> None:
        if self.expires < timedelta(seconds=1):
            raise InvalidPolicy("metadata must live for at least a second")
        if not timedelta(0) < self.renew_before < self.expires:
            raise InvalidPolicy(
                f"renew_before ({format_duration(self.renew_before)}) must be shorter than "
                f"expires ({format_duration(self.expires)})"
            )

    @classmethod
    def of(cls, expires: timedelta, renew_before: timedelta | None = None) -> Periods:
        """Periods with the default for what is not given."""
        third = timedelta(seconds=max(1, int(expires.total_seconds()) // 3))
        return cls(expires=expires, renew_before=third if renew_before is None else renew_before)


def check_threshold(role: str, *, threshold: int, distinct_keys: int) -> None:
    """Thresholds lie between 1 and the number of distinct key values (TUF §4.3, and what no library checks).

    Raises:
        InvalidPolicy: they don't.
    """
    if distinct_keys < 1:
        raise InvalidPolicy(f"{role} has no key")
    if isinstance(threshold, bool) or not 1 <= threshold <= distinct_keys:
        raise InvalidPolicy(f"{role} asks for {threshold} signatures of {distinct_keys} distinct keys")


def check_bin_count(count: int, *, allow_large: bool = False, role: str | None = None) -> int:
    """The number of leading bits for `count` bins (TAP 15 `bit_length`).

    Args:
        role: the delegated one whose bins they are, which could have none.

    Raises:
        InvalidPolicy: not a power of two, or out of bounds (2 to 16 384; to 65 536 where large ones are allowed).
    """
    largest = MAX_BINS_LARGE if allow_large else MAX_BINS
    if isinstance(count, bool) or not MIN_BINS <= count <= largest or count & (count - 1):
        below = 1 << max(min(count, largest).bit_length() - 1, MIN_BINS.bit_length() - 1)
        near = f"{below}" if count < MIN_BINS or count >= largest else f"{below} or {2 * below}"
        without = "" if role is None or count >= MIN_BINS else _without_bins(role)
        raise InvalidPolicy(
            f"the number of bins must be a power of two from {MIN_BINS} to {largest}, not {count}",
            hint=f"say {near}{without}",
        )
    return count.bit_length() - 1


def _without_bins(role: str) -> str:
    """The one way to a role that lists its artifacts itself, once it has bins."""
    return (
        f"; a role without bins lists its artifacts itself: rstuf delegation remove {role}, once that is out "
        f"rstuf delegation add {role}"
    )


def check_bins_by_people(count: int) -> None:
    """
    Raises:
        InvalidPolicy: so many bins are more than people sign together.
    """
    if count > MAX_BINS_BY_PEOPLE:
        raise InvalidPolicy(
            f"people sign {MAX_BINS_BY_PEOPLE} bins together at most, and each of them every one",
            hint=f"say {MAX_BINS_BY_PEOPLE} or fewer, or let the online key sign them: --signed-by online",
        )
