"""Metadata files that others took the place of, and how long they stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rstuf.errors import InvalidPolicy
from rstuf.model.names import RoleName
from rstuf.model.roles import FileFacts, RoleKind

MOST_COUNTED: Final = 100_000
"""Files that may go are counted so far: more of them say nothing more, and cost whoever looks."""
_MOST_PUBLICATIONS: Final = 1_000_000
_MOST_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a file stays that another took the place of. Both must have passed before it may go.

    Attributes:
        publications: what the last so many brought stays whole; the visible one is the first of them.
        days: at least so many, from when it was superseded.
    """

    publications: int
    days: int

    def __post_init__(self) -> None:
        if not 1 <= self.publications <= _MOST_PUBLICATIONS:
            raise InvalidPolicy(
                f"files of 1 to {_MOST_PUBLICATIONS} publications can be kept, not of {self.publications}",
                hint="the visible one is always kept: 1 keeps it alone",
            )
        if not 0 <= self.days <= _MOST_DAYS:
            raise InvalidPolicy(
                f"superseded files can be kept for 0 to {_MOST_DAYS} days, not for {self.days}",
                hint="0 lets the number of publications decide alone",
            )

    @property
    def age(self) -> timedelta:
        """The days as a period."""
        return timedelta(days=self.days)

    def keeps_less_than(self, other: Retention) -> bool:
        """Whether something may go by this that stays by the other."""
        return self.publications < other.publications or self.days < other.days


@dataclass(frozen=True, slots=True)
class SupersededFile:
    """A metadata file that no release reaches, since another took its place or it never was part of one.

    Attributes:
        role: the state's number for the role whose file it is; `name` and `kind` are that role's.
        since: when it was superseded, UTC.
        file: what is recorded of it; None of one that a publication wrote, or was about to, which was given up.
        retired: whether it is a bin that its holder has no more, or nobody delegates to it: snapshot lists it yet.
    """

    role: int
    name: RoleName
    kind: RoleKind
    version: int
    since: datetime
    file: FileFacts | None
    retired: bool
