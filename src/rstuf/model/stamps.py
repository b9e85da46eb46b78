"""Stamps: by what a file is known to be the one that was hashed before, without reading it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from rstuf.clock import to_seconds

# Instants have whole seconds here, and the coarsest file systems count every second one.
_YOUNG_SECONDS: Final = 2
_NANOSECONDS: Final = 10**9


class Stamp(NamedTuple):
    """What a file system says of a file: bytes, instants of the last change of its bytes and of itself, its number.

    The third one nobody can set, so a file that was written to has another stamp, unless it was written to twice within
    one tick of the file system's clock.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    def is_settled(self, scanned: datetime) -> bool:
        """Whether whatever happens to the file after `scanned` gives it another stamp.

        A stamp that was as young as the look at it may stand for two contents; so does one from the future.
        """
        return max(self.mtime_ns, self.ctime_ns) < (to_seconds(scanned) - _YOUNG_SECONDS) * _NANOSECONDS
