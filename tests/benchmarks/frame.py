"""How a figure comes about: two sides in turn, medians of pairs, CPU beside wall, peak memory of a process of its own.

Machines are shared and noisy, so a time alone says little. Both sides of a ratio run in one run, one after the other,
again and again; the ratio is the median over the rounds, each round's times compared with each other only.
"""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A median of fewer rounds is said to be one.
_ENOUGH = 5


class WrongResult(Exception):
    """A side did another job than the one that is measured; its time means nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one side.

    Attributes:
        wall, cpu: seconds; `cpu` is what the process, and those that it started, took of all cores.
        peak_mib: the most memory the process held since it was started; None where several sides share one.
    """

    wall: float
    cpu: float
    peak_mib: float | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure that is compared with a goal: the median over rounds and how far the rounds lie apart."""

    what: str
    median: float
    low: float
    high: float
    rounds: int
    goal: str = ""


@dataclass(slots=True)
class Figure:
    """One row of the table: the samples of each side, in the order in which they were taken, and what follows."""

    name: str
    job: str
    sides: dict[str, list[Sample]] = field(default_factory=dict)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, side: str, sample: Sample) -> None:
        """Keep one sample of a side."""
        self.sides.setdefault(side, []).append(sample)

    def compare(self, side: str, other: str, *, goal: str = "") -> None:
        """`side` over `other`, wall and CPU. The goal is for wall."""
        for what, bound in (("wall", goal), ("cpu", "")):
            pairs = self._pairs(side, other, what)
            self.ratios.append(_ratio(f"{what} {side} / {other}", [one / two for one, two in pairs], bound))

    def compare_peaks(self, side: str, other: str, *, goal: str = "") -> None:
        """Peak memory of `side` over that of `other`."""
        one, two = self.peak(side), self.peak(other)
        self.ratios.append(_ratio(f"peak memory {side} / {other}", [one / two], goal))

    def difference(self, side: str, other: str, *, goal: str = "") -> None:
        """Seconds that `side` takes more than `other`."""
        for what, bound in (("wall", goal), ("cpu", "")):
            pairs = self._pairs(side, other, what)
            self.ratios.append(_ratio(f"{what} s, {side} - {other}", [one - two for one, two in pairs], bound))

    def wall(self, side: str) -> float:
        """A side's median, seconds."""
        return statistics.median(sample.wall for sample in self.sides[side])

    def cpu(self, side: str) -> float:
        """A side's median, seconds."""
        return statistics.median(sample.cpu for sample in self.sides[side])

    def peak(self, side: str) -> float:
        """A side's highest peak, MiB; 0 where it was not taken."""
        return max(sample.peak_mib or 0.0 for sample in self.sides[side])

    def _pairs(self, side: str, other: str, what: str) -> list[tuple[float, float]]:
        """Samples of the same round; rounds in which only one of them ran are left out."""
        samples = zip(self.sides[side], self.sides[other], strict=False)
        return [(getattr(one, what), getattr(two, what)) for one, two in samples]


def _ratio(what: str, values: Sequence[float], goal: str) -> Ratio:
    return Ratio(what, statistics.median(values), min(values), max(values), len(values), goal)


@contextmanager
def timed() -> Iterator[Callable[[], Sample]]:
    """Time the block; afterwards the function that it is given says what it took.

    What others have written is on the disk before the clock starts, so that no side pays for the one before it.
    """
    gc.collect()
    os.sync()
    taken: list[Sample] = []
    wall, cpu = time.perf_counter(), time.process_time() + cpu_of_children()
    yield lambda: taken[0]
    taken.append(Sample(time.perf_counter() - wall, time.process_time() + cpu_of_children() - cpu))


def process_taken(
    command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Sample, str]:
    """Run a process to its end: what it took, and what it said on stdout.

    Raises:
        WrongResult: it did not end well.
    """
    wall, cpu = time.perf_counter(), cpu_of_children()
    ended = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = Sample(time.perf_counter() - wall, cpu_of_children() - cpu)
    if ended.returncode != 0:
        raise WrongResult(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return taken, ended.stdout


def cpu_of_children() -> float:
    """CPU seconds of every process that this one started and has seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_mib() -> float:
    """The most memory this process has held, MiB.

    On Linux the kernel's own mark of this program: `ru_maxrss` also remembers the process that it was started from.
    """
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def in_child(job: str, **arguments: Any) -> dict[str, Any]:
    """Run a job of `tests.benchmarks.jobs` in a process of its own: what it printed.

    Raises:
        WrongResult: it failed; its words are on stderr.
    """
    words = {key: str(value) if isinstance(value, Path) else value for key, value in arguments.items()}
    command = [sys.executable, "-m", "tests.benchmarks.jobs", job, json.dumps(words)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if ended.returncode != 0:
        raise WrongResult(f"{job} of {words} ended with {ended.returncode}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def sample_of(answer: Mapping[str, Any]) -> Sample:
    """The sample in what a child printed."""
    return Sample(answer["wall"], answer["cpu"], answer.get("peak_mib"))


# --- telling ---------------------------------------------------------------------------------------------


def table(figure: Figure) -> str:
    """A figure as text, 100 columns wide."""
    lines = [f"{figure.name}  {figure.job}"]
    lines.append(f"    {'side':<22}{'rounds':>7}{'wall':>12}{'cpu':>12}{'peak':>12}")
    for side, samples in figure.sides.items():
        peak = f"{figure.peak(side):.0f} MiB" if figure.peak(side) else "-"
        wall, cpu = _seconds(figure.wall(side)), _seconds(figure.cpu(side))
        lines.append(f"    {side:<22}{len(samples):>7}{wall:>12}{cpu:>12}{peak:>12}")
    for ratio in figure.ratios:
        spread = f"  ({ratio.low:.2f} to {ratio.high:.2f})" if ratio.rounds > 1 else ""
        goal = f"  goal {ratio.goal}" if ratio.goal else ""
        few = "" if ratio.rounds >= _ENOUGH else f"  {ratio.rounds} round{'s' * (ratio.rounds > 1)} only"
        lines.append(f"    = {ratio.what:<40}{ratio.median:>8.2f}{spread}{goal}{few}")
    lines.extend(f"    {note}" for note in figure.notes)
    return "\n".join([*lines, ""])


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def document(figures: Sequence[Figure], *, sizes: str) -> dict[str, Any]:
    """The figures with every sample, and where they were taken."""
    import platform
    import sqlite3

    return {
        "sizes": sizes,
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load": os.getloadavg(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        "figures": [asdict(figure) for figure in figures],
    }
