"""Hash bins, succinct (TAP 15) and by prefixes (PEP 458): names, and which one a path belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rstuf.model.artifacts import SLOT_BITS
from rstuf.model.names import RoleName

PREFIX: Final = "bins"
EVERY_HASH: Final = tuple("0123456789abcdef")
"""The hash prefixes of all paths."""
# Of as many bins as there can be: 2^16, and those of TAP 15's 2^32 in repositories of others.
_DIGITS: Final = re.compile(r"[0-9a-f]{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bins:
    """2^`bits` bins whose names start with `prefix`.

    Attributes:
        bits: `bit_length` of TAP 15, 1 to 16 here.
        prefix: `name_prefix` of TAP 15.
        classic: each is delegated to by its hash prefixes, for clients without TAP 15.
    """

    bits: int
    prefix: str = PREFIX
    classic: bool = False

    @property
    def count(self) -> int:
        """How many bins there are."""
        return 1 << self.bits

    def name(self, index: int) -> RoleName:
        """The name of one bin: the prefix, a dash and the index in hex, zero-padded to the width of the largest."""
        return RoleName(f"{self.prefix}-{index:0{self._width}x}")

    def index_in(self, name: str) -> int | None:
        """The index that a name says, be it of these bins or of another number of them with this prefix; else None."""
        digits = name.removeprefix(f"{self.prefix}-")
        return int(digits, 16) if digits != name and _DIGITS.fullmatch(digits) else None

    def has(self, name: str) -> bool:
        """Whether one of just these bins has this name."""
        index = self.index_in(name)
        return index is not None and index < self.count and self.name(index) == name

    @property
    def _width(self) -> int:
        return len(f"{self.count - 1:x}")

    def hash_prefixes(self, index: int) -> tuple[str, ...]:
        """What SHA-256 of the paths of one bin begins with, in hex: every beginning of as few digits as tell it."""
        digits = -(-self.bits // 4)
        each = 1 << (4 * digits - self.bits)
        return tuple(f"{index * each + more:0{digits}x}" for more in range(each))

    def index_of_slot(self, slot: int) -> int:
        """The bin of a slot: its leading bits."""
        return slot >> (SLOT_BITS - self.bits)

    def slots(self, index: int) -> tuple[int, int]:
        """The first and the last slot of one bin."""
        width = SLOT_BITS - self.bits
        return index << width, ((index + 1) << width) - 1


def is_of_bins(name: str) -> bool:
    """Whether a name is kept for a bin, of whatever number of them, or for the role that has them beside others."""
    folded = name.casefold()
    return folded == PREFIX or Bins(1).index_in(folded) is not None
