"""How long roles live, where nobody remembers it: as far as their files tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rstuf.metadata.bins import PREFIX
from rstuf.model.names import TARGETS
from rstuf.model.policy import Periods
from rstuf.repository.plan import USUAL_PERIODS


@dataclass(slots=True)
class Life:
    """Periods by role, those of bins under their prefix: each file was signed before now.

    Attributes:
        periods: those that are known; once all is read, those that are guessed, too.
        guessed: whose are a guess.
    """

    now: datetime
    periods: dict[str, Periods]
    guessed: set[str] = field(default_factory=set)
    _latest: dict[str, datetime] = field(default_factory=dict)

    def learn(self, role: str, expires: datetime) -> None:
        """A file of a role expires then."""
        self._latest[role] = max(self._latest.get(role, expires), expires)

    def guess(self) -> None:
        """What is not known is as usual, or as long as a file tells; a delegated role lives as its delegator gave it
        where nothing was said: as long as targets, and its bins as long as others."""
        for role in _in_order(self._latest.keys() - self.periods.keys()):
            left, usual = self._latest[role] - self.now, self._usual(role)
            self.guessed.add(role)
            # Nobody signs for a day and an hour.
            self.periods[role] = usual if left <= usual.expires else Periods.of(timedelta(days=(left.days + 1)))

    def _usual(self, role: str) -> Periods:
        if role in USUAL_PERIODS:
            return USUAL_PERIODS[role]
        holder = role.removesuffix(f"-{PREFIX}")
        if holder != role and holder in self.periods:
            return self.periods.get(PREFIX, self.periods[holder])
        return self.periods[TARGETS]

    def signed_at(self, role: str, expires: datetime) -> datetime:
        """When a file was signed, by its periods; not after now."""
        return min(self.now, expires - self.periods[role].expires)

    def sign_by(self, role: str, expires: datetime) -> datetime:
        """When it is to be signed again."""
        return expires - self.periods[role].renew_before

    @property
    def guesses(self) -> tuple[str, ...]:
        """Whose periods are a guess, the usual roles first."""
        return tuple(_in_order(self.guessed))


def _in_order(roles: Iterable[str]) -> list[str]:
    """Those that every repository has, then others, each before its bins."""
    usual = list(USUAL_PERIODS)
    return sorted(roles, key=lambda role: (usual.index(role) if role in usual else len(usual), len(role), role))
