"""Reading and writing map files (TAP 4). Whoever made one is believed in nothing that can be checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from rstuf.client.download import Existing
from rstuf.durable import PUBLIC_FILE, How, write_file
from rstuf.errors import InvalidInput, InvalidJson, InvalidMap, InvalidTrustName, shorten
from rstuf.metadata.canonical import strict_loads
from rstuf.model.maps import MapEntry, MapPattern, RepositoryMap, map_pattern, trusted_as
from rstuf.storage.locations import place_of

MAX_MAP_BYTES: Final = 1 << 18
MAX_REPOSITORIES: Final = 256
MAX_URLS: Final = 16
MAX_URL: Final = 2000
MAX_ENTRIES: Final = 256
MAX_PATTERNS: Final = 256
MAX_ASKED: Final = 32
"""How many repositories a mapping may name: each of them may have to be asked."""
_MAX_FAULTS: Final = 50
_WEB: Final = frozenset({"http", "https"})


def read_map(data: bytes, *, what: str) -> RepositoryMap:
    """The map that these bytes are.

    Args:
        what: names it in messages.

    Raises:
        InvalidMap: with all that is wrong with it.
    """
    if len(data) > MAX_MAP_BYTES:
        raise InvalidMap(what, [f"it has more than {MAX_MAP_BYTES} bytes"])
    try:
        document = strict_loads(data, what=what)
    except InvalidJson as error:
        raise InvalidMap(what, [f"it is not acceptable JSON: {error.reason}"]) from None
    return _Reader(what).read(document)


def checked_map(chart: RepositoryMap, *, what: str) -> RepositoryMap:
    """The same map, if clients will take it.

    Raises:
        InvalidMap: with all that is wrong with it.
    """
    return read_map(render_map(chart), what=what)


def render_map(chart: RepositoryMap) -> bytes:
    """The bytes of a map file, for people to read as well."""
    document = {
        "repositories": {name: list(urls) for name, urls in chart.repositories.items()},
        "mapping": [
            {
                "paths": list(entry.paths),
                "repositories": list(entry.repositories),
                "threshold": entry.threshold,
                "terminating": entry.terminating,
            }
            for entry in chart.entries
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write_map(path: Path, chart: RepositoryMap, *, existing: Existing) -> None:
    """Write a map file. One that has the same bytes already is left as it is.

    Args:
        existing: what becomes of another file of this name.

    Raises:
        NameTaken: another file has this name, and is to stay.
        StorageError: it cannot be written.
    """
    how = How.REPLACE if existing is Existing.REPLACE else How.CREATE
    write_file(path, render_map(chart), mode=PUBLIC_FILE, how=how)


class _Reader:
    """One map being read: what is wrong with it is gathered, so that its maker hears all of it at once."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._faults: list[str] = []
        self._where = ""

    def read(self, document: Any) -> RepositoryMap:
        if not isinstance(document, dict):
            raise InvalidMap(self._what, ["it is not a JSON object"])
        repositories = self._repositories(document.get("repositories"))
        entries = self._entries(document.get("mapping"), repositories)
        if self._faults:
            raise InvalidMap(self._what, self._faults)
        return RepositoryMap(repositories, entries)

    def _repositories(self, value: Any) -> dict[str, tuple[str, ...]]:
        if not isinstance(value, dict) or not value:
            self._fault('"repositories" is not an object that names at least one')
            return {}
        if len(value) > MAX_REPOSITORIES:
            self._fault(f"it names {len(value)} repositories; at most {MAX_REPOSITORIES} are read")
            return {}
        found = {name: self._urls(name, urls) for name, urls in value.items()}
        for twins in _twins(found):
            self._fault(f"repositories {' and '.join(map(_quoted, twins))} differ in nothing but case")
        return found

    def _urls(self, name: str, value: Any) -> tuple[str, ...]:
        with self._at(f"repository {_quoted(name)}: "):
            try:
                trusted_as(name)
            except InvalidTrustName:
                self._fault("a name has letters, digits, - _ . between a letter or digit and another, at most 64")
            urls = self._texts(value, "its value", "URLs", most=MAX_URLS)
            for url in urls:
                self._check_url(url)
        return urls

    def _check_url(self, url: str) -> None:
        if len(url) > MAX_URL:
            self._fault(f"the URL {_quoted(url)} is longer than {MAX_URL} characters")
        elif url.partition("://")[0].lower() not in _WEB:
            # A map from elsewhere is no reason to read files of this machine.
            self._fault(f"{_quoted(url)} is no http or https URL")
        elif not url.isprintable() or " " in url:
            self._fault(f"{_quoted(url)} has a character that no URL has")
        else:
            try:
                place_of(url)
            except InvalidInput as error:
                self._fault(f"{_quoted(url)}: {error.message}")

    def _entries(self, value: Any, repositories: Mapping[str, Sequence[str]]) -> tuple[MapEntry, ...]:
        if not isinstance(value, list) or not value:
            self._fault('"mapping" is not a list of at least one')
            return ()
        if len(value) > MAX_ENTRIES:
            self._fault(f"it has {len(value)} mappings; at most {MAX_ENTRIES} are read")
            return ()
        found = []
        for number, each in enumerate(value, 1):
            with self._at(f"mapping {number}: "):
                found.append(self._entry(each, repositories))
        return tuple(found)

    def _entry(self, value: Any, repositories: Mapping[str, Sequence[str]]) -> MapEntry:
        value = value if isinstance(value, dict) else {}
        paths = self._texts(value.get("paths"), '"paths"', "patterns", most=MAX_PATTERNS)
        names = self._texts(value.get("repositories"), '"repositories"', "names", most=MAX_ASKED)
        for pattern in paths:
            try:
                map_pattern(pattern)
            except InvalidInput as error:
                self._fault(error.message)
        for name, times in Counter(names).items():
            if repositories and name not in repositories:
                self._fault(f"it names {_quoted(name)}, which is not among the repositories")
            if times > 1:
                self._fault(f"it names {_quoted(name)} more than once")
        threshold, terminating = value.get("threshold"), value.get("terminating")
        if type(threshold) is not int or threshold < 1:
            self._fault('"threshold" is not a whole number from 1 on')
        elif names and threshold > (most := _different(names, repositories)):
            shared = ", which have one URL and are one" if most < len(set(names)) else ""
            self._fault(f"threshold {threshold} cannot be met by {' and '.join(map(_quoted, names))}{shared}")
        if not isinstance(terminating, bool):
            self._fault('"terminating" is neither true nor false')
        return MapEntry(tuple(map(MapPattern, paths)), names, threshold or 0, bool(terminating))

    def _texts(self, value: Any, name: str, kind: str, *, most: int) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            self._fault(f"{name} is no list of {kind}, with at least one")
            return ()
        if len(value) > most:
            self._fault(f"{name} lists {len(value)} {kind}; at most {most} are read")
            return ()
        return tuple(value)

    @contextmanager
    def _at(self, where: str) -> Iterator[None]:
        self._where = where
        yield
        self._where = ""

    def _fault(self, text: str) -> None:
        if len(self._faults) < _MAX_FAULTS:
            self._faults.append(self._where + text)


def same_place(urls: Sequence[str], others: Sequence[str]) -> bool:
    """Whether one of these URLs leads to where one of those does."""
    return not {url.rstrip("/") for url in urls}.isdisjoint({url.rstrip("/") for url in others})


def _different(names: Sequence[str], repositories: Mapping[str, Sequence[str]]) -> int:
    """How many repositories these names stand for, by their URLs."""
    found: list[Sequence[str]] = []
    for name in dict.fromkeys(names):
        urls = repositories.get(name, ())
        if not any(same_place(urls, others) for others in found):
            found.append(urls)
    return len(found)


def _twins(names: Mapping[str, object]) -> list[list[str]]:
    by_fold: dict[str, list[str]] = {}
    for name in names:
        by_fold.setdefault(name.casefold(), []).append(name)
    return [twins for twins in by_fold.values() if len(twins) > 1]


def _quoted(text: str) -> str:
    return repr(shorten(text, limit=100))
