"""What is said of maps that clients take."""

from __future__ import annotations

from typing import Any

import pytest

from rstuf.client.map_file import checked_map
from rstuf.client.map_notes import notes_on_map
from rstuf.model.maps import MapEntry, RepositoryMap, map_pattern

URLS = {name: (f"https://{name}.example/",) for name in ("a", "b", "c", "d")}


def entry(names: str, threshold: int, *paths: str, terminating: bool = True) -> MapEntry:
    return MapEntry(tuple(map(map_pattern, paths or ("x",))), tuple(names), threshold, terminating)


def notes(*entries: MapEntry, **urls: tuple[str, ...]) -> set[tuple[str, int | None]]:
    used = {name for each in entries for name in each.repositories}
    repositories = {name: found for name, found in URLS.items() if name in used} | urls
    chart = checked_map(RepositoryMap(repositories, entries), what="map.json")
    return {(note.code, note.mapping) for note in notes_on_map(chart)}


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([entry("ab", 2)], set()),
        ([entry("abc", 2)], set()),
        ([entry("a", 1)], set()),
        ([entry("ab", 1)], {("any-one", 1)}),
        ([entry("abcd", 2)], {("no-majority", 1)}),
        ([entry("a", 1, "x*")], {("wildcards", None)}),
        ([entry("a", 1, "x?")], {("wildcards", None)}),
        ([entry("a", 1, "/x")], {("leading-slash", 1)}),
        ([entry("ab", 2, terminating=False), entry("a", 1)], {("falls-through", 1)}),
        ([entry("ab", 2, terminating=False), entry("cd", 2)], set()),
        ([entry("ab", 2, terminating=False), entry("a", 1, "y")], set()),
        ([entry("ab", 2, terminating=False), entry("a", 1, "*")], {("falls-through", 1), ("wildcards", None)}),
        ([entry("ab", 2), entry("a", 1)], {("never-searched", 2)}),
        ([entry("ab", 2, "*"), entry("a", 1, "y")], {("never-searched", 2), ("wildcards", None)}),
        ([entry("ab", 2, "x", "y"), entry("a", 1, "y")], {("never-searched", 2)}),
    ],
)
def test_on_mappings(entries: list[MapEntry], wanted: set[Any]) -> None:
    """Each weakness of thresholds, patterns and order, and none where there is none."""
    assert notes(*entries) == wanted


def test_on_repositories() -> None:
    """What is not used, stands twice, or tells a password."""
    more = ("https://a.example/", "https://a.example/", "https://me:secret@other.example/")
    found = notes(entry("a", 1), a=more, z=("https://other.example", "https://a.example"))
    codes = {code for code, _ in found}
    assert codes == {"unused", "url-repeated", "url-login", "mirrors", "same-url"}
