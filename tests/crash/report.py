"""What the runs came to, as tables on stdout."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.crash.bench import Result
from tests.crash.crew import Case, Caught
from tests.crash.faults import FAULTS

_TITLES = {
    "kill": "SIGKILL before a system call that changes something",
    "power": "power cut, adversarial disk images",
    "errors": "failing system calls",
}
_SHOWN = 4


def say(text: str = "") -> None:
    """A line, at once."""
    print(text, flush=True)


class Table:
    """Results of one suite, by operation."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
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

    def show(self, cases: Sequence[Case]) -> int:
        """Print it; how many points are bad. An operation that was never disturbed is bad too."""
        say()
        say(_TITLES[self._suite])
        say(f"{'operation':<24} {'points':>7} {'tried':>7} {'bad':>5}  of these")
        every = 0
        for case in cases:
            points, tried = len(case.points(self._suite)), self._tried[case.name]
            every += points
            if not tried:
                self._wrong[case.name] += 1
            counts = sorted((+self._notes.get(case.name, Counter())).items())
            notes = ", ".join(f"{count} {what}" for what, count in counts)
            say(f"{case.name:<24} {points:>7} {tried:>7} {self._wrong[case.name]:>5}  {notes}")
        tried, bad, seconds = self._tried.total(), self._wrong.total(), time.monotonic() - self._began
        say(f"{'total':<24} {every:>7} {tried:>7} {bad:>5}  in {seconds:.0f} s; {_bound(tried, every, bad)}")
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


def _bound(tried: int, every: int, bad: int) -> str:
    if bad:
        return f"{bad} of {tried} bad"
    if tried >= every:
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
        tried = f"{each.tried} of {each.points}"
        how = "NOTHING" if each.result is None else " ".join(each.result.wrong[0].split())[:100]
        say(f"{each.fault:<25} {', '.join(fault.tried):<26} {tried:>11}  {how}")
        if each.result is None:
            unnoticed += 1
            say(f"  BAD {fault.about}")
    say(f"{count - unnoticed} of {count} noticed, in {time.monotonic() - began:.0f} s")
    return unnoticed
