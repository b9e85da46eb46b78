"""Numbers, sizes, dates and bars as people read them. What they return is safe to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def number(value: int) -> str:
    """`1 204 331`: grouped by thousands."""
    return f"{value:,}".replace(",", " ")


def count(value: int, one: str, many: str | None = None) -> str:
    """`1 artifact`, `1 204 331 artifacts`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def size(length: int) -> str:
    """`27 B`, `9.1 kB`, `4.4 GB`: decimal units, two or three digits."""
    value, power = float(length), 0
    # What would be rounded to 1000 belongs to the next unit.
    while value >= 999.5 and power < len(_UNITS) - 1:
        value, power = value / 1000, power + 1
    unit = _UNITS[power]
    if unit == "B" or value >= 99.95:
        return f"{number(round(value))} {unit}"
    return f"{value:.1f} {unit}"


def seconds(duration: float) -> str:
    """`0.1 s`, `12 s`, `3 min 20 s`: how long something took."""
    if duration < 9.95:
        return f"{duration:.1f} s"
    whole = round(duration)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    return f"{whole // _MINUTE} min {whole % _MINUTE} s"


def period(duration: timedelta) -> str:
    """`341 days`, `9 h`, `12 min`: in the largest unit that fits twice, rounded."""
    whole = int(abs(duration).total_seconds())
    for unit, name in ((_DAY, "days"), (_HOUR, "h"), (_MINUTE, "min")):
        if whole >= 2 * unit:
            return f"{number(round(whole / unit))} {name}"
    return f"{whole} s"


def ahead(instant: datetime, now: datetime) -> str:
    """`in 341 days`, or `4 min ago` when it has passed."""
    return f"in {period(instant - now)}" if instant - now >= timedelta(seconds=2) else ago(instant, now)


def ago(instant: datetime, now: datetime) -> str:
    """`4 min ago`."""
    passed = now - instant
    return "just now" if passed < timedelta(seconds=2) else f"{period(passed)} ago"


def day(instant: datetime, now: datetime) -> str:
    """`2027-10-27`; with the time where it is near: `2026-11-20 16:00`. UTC."""
    instant = instant.astimezone(UTC)
    return f"{instant:%Y-%m-%d %H:%M}" if abs(instant - now) < timedelta(days=2) else f"{instant:%Y-%m-%d}"


def both(instant: datetime, now: datetime) -> str:
    """`in 6 days, 2026-11-26`."""
    return f"{ahead(instant, now)}, {day(instant, now)}"


def bar(share: float, *, width: int = 20) -> str:
    """A bar of `width` columns that is full for a `share` of 1."""
    filled = round(max(0.0, min(1.0, share)) * width)
    return "█" * filled + "░" * (width - filled)


def listed(items: Sequence[str], *, last: str = "and") -> str:
    """`a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def fingerprint(digest: str) -> str:
    """A hex digest in groups of four, to compare by eye or read aloud."""
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))
