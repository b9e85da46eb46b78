"""Time, as the engine sees it: aware UTC instants with whole seconds."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol

# What nearly every date looks like; `strptime`, which reads all of them, takes fifty times as long.
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class Clock(Protocol):
    """Where the engine gets the time from; tests hand in one that they move."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC, cut to whole seconds (TUF §4.2.1 knows no fractions)."""

    def sleep(self, duration: timedelta) -> None:
        """Let `duration` pass."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0)

    def sleep(self, duration: timedelta) -> None:
        time.sleep(max(0.0, duration.total_seconds()))


class ManualClock:
    """A clock that stands still until it is moved: for simulations and tests."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware instant")
        self._now = start.astimezone(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self._now

    def sleep(self, duration: timedelta) -> None:
        self.advance(duration)

    def advance(self, duration: timedelta) -> None:
        """Move the clock, forward or back."""
        self._now += duration


def to_seconds(instant: datetime) -> int:
    """Seconds since the epoch, the form in which the state keeps an instant."""
    if instant.tzinfo is None:
        raise ValueError("naive datetimes are not accepted")
    return int(instant.timestamp())


def from_seconds(seconds: int) -> datetime:
    """The instant `seconds` after the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=256)
def iso(instant: datetime) -> str:
    """`2026-11-20T16:00:00Z`: the form TUF metadata and our data output use."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str) -> datetime:
    """The inverse of `iso`.

    Raises:
        ValueError: `text` is not exactly of that form.
    """
    if _ISO.fullmatch(text):
        return datetime.fromisoformat(text)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
