"""What the runs came to, as tables on stdout."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from tests.crash.bench import Result
from tests.crash.crew import Caught
from tests.crash.faults import FAULTS

_SHOWN = 4


def say(text: str = "") -> None:
    """A line, at once."""
    print(text, flush=True)


class Table:
    """Results of one suite, by operation."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._tried: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self._notes: dict[str, Counter[str]] = {}
        self._examples: list[Result] = []

    def add(self, result: Result) -> None:
        """Count one."""
        self._tried[result.operation] += result.reached
        self._notes.setdefault(result.operation, Counter()).update(result.notes)
        if result.wrong:
            self._wrong[result.operation] += 1
            self._examples.append(result)

    def show(self, points: Mapping[str, int | None]) -> int:
        """Print it; how many points are bad. An operation that was never disturbed is bad too.

        Args:
            points: how many there are, by operation; None where they cannot be counted.
        """
        say()
        say(self._title)
        say(f"{'operation':<30} {'points':>7} {'tried':>7} {'bad':>5}  of these")
        for operation, count in points.items():
            tried = self._tried[operation]
            if not tried:
                self._wrong[operation] += 1
            counts = sorted((+self._notes.get(operation, Counter())).items())
            notes = ", ".join(f"{count} {what}" for what, count in counts)
            say(f"{operation:<30} {_number(count):>7} {tried:>7} {self._wrong[operation]:>5}  {notes}")
        every = None if None in points.values() else sum(count or 0 for count in points.values())
        tried, bad, seconds = self._tried.total(), self._wrong.total(), time.monotonic() - self._began
        say(f"{'total':<30} {_number(every):>7} {tried:>7} {bad:>5}  in {seconds:.0f} s; {_bound(tried, every, bad)}")
        shown: Counter[str] = Counter()
        for result in self._examples:
            shown[result.operation] += 1
            if shown[result.operation] > _SHOWN:
                continue
            say(f"  BAD {result.operation}: {result.point}")
            for wrong in result.wrong[:2]:
                say(f"      {wrong}")
        for operation, count in shown.items():
            if count > _SHOWN:
                say(f"  and {count - _SHOWN} more of {operation}")
        return bad


def _number(count: int | None) -> str:
    return "any" if count is None else str(count)


def _bound(tried: int, every: int | None, bad: int) -> str:
    if bad:
        return f"{bad} of {tried} bad"
    if every is not None and tried >= every:
        return f"0 of {tried}, which are all"
    return f"0 of {tried}; 95 % bound {3 / max(tried, 1):.2%} of all"


def show_caught(caught: Iterable[Caught]) -> int:
    """Print what became of each defect; how many went unnoticed."""
    began, unnoticed, count = time.monotonic(), 0, 0
    say()
    say("defects put in on purpose")
    say(f"{'defect':<25} {'suite and operation':<26} {'tried':>11}  noticed by")
    for each in caught:
        fault = FAULTS[each.fault]
        count += 1
        tried = f"{each.tried} of {_number(each.points)}"
        how = "NOTHING" if each.result is None else " ".join(each.result.wrong[0].split())[:100]
        say(f"{each.fault:<25} {', '.join(fault.tried):<26} {tried:>11}  {how}")
        if each.result is None:
            unnoticed += 1
            say(f"  BAD {fault.about}")
    say(f"{count - unnoticed} of {count} noticed, in {time.monotonic() - began:.0f} s")
    return unnoticed
