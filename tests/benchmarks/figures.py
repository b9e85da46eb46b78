"""P1 to P4 and P8 of the performance goals; docs/benchmarks.md says what each of them compares."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from tests.benchmarks.answers import cost_of_answers
from tests.benchmarks.checks import check_same, check_there, put_old_away
from tests.benchmarks.command import cost_of_command
from tests.benchmarks.frame import Figure, Sample, WrongResult, in_child, sample_of
from tests.benchmarks.records import record
from tests.benchmarks.shelf import Shelf, public_key, published, tell

_YARDSTICKS = ("ours", "floor", "plain")
_WARMING = 3
_PEAK = "peak: of the process, interpreter and imports included; ours at most 250 MiB."


def import_many(shelf: Shelf) -> Figure:
    """P1: import records and publish, in a process of its own each time."""
    sizes = shelf.sizes
    figure = Figure("P1", f"import {sizes.artifacts:,} records and publish {1 << sizes.bits:,} bins")
    for turn in range(sizes.rounds):
        for side in _YARDSTICKS:
            if side != "plain" or turn < sizes.plain_rounds:
                figure.add(side, shelf.imported(side, sizes.artifacts))
        if turn == 0:
            _check_alike(shelf, sizes.artifacts)
    figure.compare("ours", "floor", goal="<= 1.5 (first <= 2)")
    figure.compare("plain", "ours")
    for count in sizes.memory:
        figure.add(f"ours, {count:,}", shelf.imported("ours", count))
    ends = ["ours", *(f"ours, {count:,}" for count in sizes.memory)]
    ends.sort(key=lambda side: figure.sides[side][0].wall)
    for less, more in pairwise(ends):
        figure.compare_peaks(more, less, goal="<= 1.2")
    figure.notes.append(f"{_PEAK} The floor has no bound.")
    return figure


def publish_one(shelf: Shelf) -> Figure:
    """P2: one artifact more where many are, the state open; all sides in turn in one process."""
    sizes = shelf.sizes
    figure = Figure("P2", f"publish one artifact where {sizes.artifacts:,} are, {1 << sizes.bits:,} bins")
    rounds = {"ours": sizes.single_rounds, "floor": sizes.single_rounds, "plain": 5}
    sides = {side: (side, sizes.artifacts, rounds[side]) for side in _YARDSTICKS}
    _take_turns(shelf, figure, sides, first=sizes.artifacts)
    figure.compare("ours", "floor", goal="<= 2 (first <= 3)")
    figure.compare("plain", "ours")
    return figure


def publish_one_by_command(shelf: Shelf) -> Figure:
    """P2b: the same as a person does it."""
    return cost_of_command(shelf)


def renew_all(shelf: Shelf) -> Figure:
    """P3: sign all bins again, in a process of its own each time."""
    sizes = shelf.sizes
    figure = Figure("P3", f"renew {1 << sizes.bits:,} bins of {sizes.artifacts:,} artifacts")
    for turn in range(sizes.rounds):
        for side in _YARDSTICKS:
            if side == "plain" and turn >= sizes.plain_rounds:
                continue
            place = shelf.filled(side, sizes.artifacts)
            put_old_away(place / "metadata", shelf.attic())
            before = published(side, place) if turn == 0 else None
            tell(f"{side}: renew")
            figure.add(side, sample_of(in_child("renew_bins", side=side, place=place)))
            if before is not None:
                after = published(side, place)
                if after.digest != before.digest or after.versions != _next(before.versions):
                    raise WrongResult(f"{side} did not renew what it had published")
    figure.compare("ours", "floor", goal="<= 1.5 (first <= 2)")
    figure.compare("plain", "ours")
    figure.notes.append(_PEAK)
    return figure


def publish_one_among_more(shelf: Shelf) -> Figure:
    """P4: what P2 costs where there are many more artifacts, over what it costs where there are few."""
    sizes = shelf.sizes
    few, many = f"{sizes.few:,}", f"{sizes.many:,}"
    figure = Figure("P4", f"publish one artifact where {many} are and where {few} are, {1 << sizes.bits:,} bins")
    sides = {f"ours, {count:,}": ("ours", count, sizes.single_rounds) for count in (sizes.few, sizes.many)}
    # Far above what P2 adds.
    _take_turns(shelf, figure, sides, first=sizes.many + 10_000)
    figure.compare(f"ours, {many}", f"ours, {few}", goal="<= 1.3")
    return figure


def answer_shortly(shelf: Shelf) -> Figure:
    """P8: what a person or a shell waits for most often."""
    return cost_of_answers(shelf)


FIGURES = {
    "P1": import_many,
    "P2": publish_one,
    "P2b": publish_one_by_command,
    "P3": renew_all,
    "P4": publish_one_among_more,
    "P8": answer_shortly,
}


def _take_turns(shelf: Shelf, figure: Figure, sides: Mapping[str, tuple[str, int, int]], *, first: int) -> None:
    places = {name: (side, shelf.filled(side, count), rounds) for name, (side, count, rounds) in sides.items()}
    tell(f"{figure.name}: one artifact, in turn")
    words = {name: (side, str(place), rounds) for name, (side, place, rounds) in places.items()}
    told = in_child("publish_one", places=words, first=first, warming=_WARMING)
    for name, samples in told.items():
        for sample in samples:
            figure.add(name, Sample(sample["wall"], sample["cpu"]))
        side, place, rounds = places[name]
        new = [record(first + turn) for turn in range(_WARMING + rounds)]
        check_there(place / "metadata", public_key(side, place), new, shelf.sizes.bits)


def _check_alike(shelf: Shelf, count: int) -> None:
    floor = published("floor", shelf.filled("floor", count))
    for side in ("ours", "plain"):
        check_same(published(side, shelf.filled(side, count)), floor, targets=count)


def _next(versions: Mapping[str, int]) -> dict[str, int]:
    return {name: version + 1 for name, version in versions.items()}
