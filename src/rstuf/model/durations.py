"""Periods as people write them: "365d", "8h", "90m"."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from rstuf.errors import InvalidDuration

_FORM: Final = re.compile(r"([0-9]+)\s?([smhdwy])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
LONGEST: Final = timedelta(days=365 * 100)
_MOST_DIGITS: Final = 10


def parse_duration(text: str) -> timedelta:
    """The period that `text` names: a whole number and one of s, m, h, d, w (7 days) or y (365 days).

    Raises:
        InvalidDuration: another form, zero, or more than 100 years.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise InvalidDuration(text, "it is not a whole number followed by s, m, h, d, w or y")
    # As digits first: no number of them is too long to be told what is wrong with it.
    digits = match[1].lstrip("0")
    if not digits:
        raise InvalidDuration(text, "it must be more than nothing")
    if len(digits) > _MOST_DIGITS or int(digits) * _SECONDS[match[2]] > LONGEST.total_seconds():
        raise InvalidDuration(text, "it is more than 100 years")
    return timedelta(seconds=int(digits) * _SECONDS[match[2]])


def format_duration(period: timedelta) -> str:
    """The shortest of our forms that means exactly `period` (which has whole seconds)."""
    seconds = int(period.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"
