"""The rotation of an online key: which key takes the place of which, and how far that has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rstuf.model.keys import KeyId


class RotationKind(StrEnum):
    """Why an online key goes: in good order, or because it is lost or in the wrong hands."""

    PLANNED = "planned"
    LOST = "lost"
    LEAKED = "leaked"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation that has begun.

    Attributes:
        id: grows from 1.
        old, new: the key that goes, and the one that takes its place.
        overlap: how long both sign after root names the new one alone: the longest session of a client, and as long as
            anybody keeps the answer that there is no newer root.
        begun: when, UTC.
        root_version: the root that names the new key alone; None before there is one.
        rooted: when that root was published, UTC.
        ended: when nothing names the old key any more, UTC; None while it goes on.
    """

    id: int
    kind: RotationKind
    old: KeyId
    new: KeyId
    overlap: timedelta
    begun: datetime
    root_version: int | None = None
    rooted: datetime | None = None
    ended: datetime | None = None

    def is_bridged(self, now: datetime) -> bool:
        """Whether both keys sign what root says they sign, at `now`."""
        if self.kind is not RotationKind.PLANNED or self.ended is not None:
            return False
        return self.rooted is None or now < self.rooted + self.overlap

    @property
    def until(self) -> datetime | None:
        """When nobody needs the old key any more, UTC; None before root names the new one alone."""
        return None if self.rooted is None else self.rooted + self.overlap

    def is_over(self, now: datetime) -> bool:
        """Whether it only waits to be brought to its end, at `now`."""
        return self.ended is None and self.rooted is not None and not self.is_bridged(now)
