"""What whoever makes or uses a map should know of it, though clients take it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final
from urllib.parse import urlsplit

from rstuf.client.map_file import same_place
from rstuf.errors import shorten
from rstuf.model.maps import EVERYTHING, MapEntry, RepositoryMap

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class MapNote:
    """One such thing.

    Attributes:
        code: a stable word for it.
        message: one sentence, no final stop.
        mapping: the number of the mapping that it is about, from 1 on; None where it is about the whole.
    """

    code: str
    message: str
    mapping: int | None = None


def notes_on_map(chart: RepositoryMap) -> list[MapNote]:
    """All of them, those on the whole first."""
    found = [*_on_repositories(chart), *_on_patterns(chart)]
    for number, entry in enumerate(chart.entries, 1):
        found += _on_entry(number, entry)
        found += _on_order(number, entry, chart.entries)
    return found


def _on_repositories(chart: RepositoryMap) -> Iterator[MapNote]:
    asked = {name for entry in chart.entries for name in entry.repositories}
    for name, urls in chart.repositories.items():
        if name not in asked:
            yield MapNote("unused", f"no mapping names {name}")
        if len(set(urls)) < len(urls):
            yield MapNote("url-repeated", f"{name} has a URL more than once")
        if any(urlsplit(url).username is not None for url in urls):
            yield MapNote("url-login", f"a URL of {name} holds a name or password, which all who have the map can read")
        if len(urls) > 1:
            yield MapNote("mirrors", f"go-tuf asks only the first URL of {name}")
    for one, other in combinations(chart.repositories, 2):
        if same_place(chart.repositories[one], chart.repositories[other]):
            yield MapNote("same-url", f"{one} and {other} have a URL in common; of one root, they count once")


def _on_patterns(chart: RepositoryMap) -> Iterator[MapNote]:
    patterns = dict.fromkeys(pattern for entry in chart.entries for pattern in entry.paths)
    across = [shorten(each, limit=60) for each in patterns if "*" in each or "?" in each]
    if across:
        more = f" and {len(across) - _SHOWN} more" if len(across) > _SHOWN else ""
        them = f"{', '.join(across[:_SHOWN])}{more}"
        yield MapNote("wildcards", f"a wildcard stands for slashes too, and for go-tuf it does not: {them}")


def _on_entry(number: int, entry: MapEntry) -> Iterator[MapNote]:
    many = len(entry.repositories)
    if entry.threshold == 1 < many:
        yield MapNote("any-one", f"each of its {many} repositories is believed alone", number)
    elif entry.threshold * 2 <= many:
        yield MapNote(
            "no-majority",
            f"{entry.threshold} of {many} is no majority: two contents could be agreed on, and the first is taken; "
            "go-tuf takes neither",
            number,
        )
    if any(pattern.startswith("/") for pattern in entry.paths):
        yield MapNote("leading-slash", "go-tuf finds nothing by a pattern that begins with a slash", number)


def _on_order(number: int, entry: MapEntry, entries: tuple[MapEntry, ...]) -> Iterator[MapNote]:
    earlier, later = entries[: number - 1], entries[number:]
    if any(each.terminating and _covers(each, entry) for each in earlier):
        yield MapNote("never-searched", "an earlier mapping, which is terminating, has all of its patterns", number)
    if entry.terminating:
        return
    weaker = (place for place, each in enumerate(later, number + 1) if _meets(each, entry) and _is_weaker(each, entry))
    for place in weaker:
        yield MapNote(
            "falls-through",
            f"it is not terminating: where too few agree, or cannot be reached, mapping {place} is content with fewer",
            number,
        )
        return


def _covers(one: MapEntry, other: MapEntry) -> bool:
    return EVERYTHING in one.paths or set(other.paths) <= set(one.paths)


def _meets(one: MapEntry, other: MapEntry) -> bool:
    """Whether two mappings are, as far as one sees at once, for a path in common."""
    return EVERYTHING in {*one.paths, *other.paths} or not set(one.paths).isdisjoint(other.paths)


def _is_weaker(one: MapEntry, other: MapEntry) -> bool:
    return one.threshold < other.threshold
