"""Keeps two paths apart that many file systems hold to be one.

`path_key` (rstuf.model.names) says what a path is on such a file system. Most paths are their own key; only the others
have a row in the table of the same name. So a repository of plain names pays nothing, and three looks decide:

- a path that is not its own key meets another such path in the table;
- it meets a plain path, which is its key, among the live artifacts;
- a plain path meets one that is not in the table, under itself as the key.

The order in which both come does not matter: whichever is looked at later finds the other one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from rstuf.errors import PathTwin
from rstuf.model.artifacts import slot_of
from rstuf.model.names import TargetPath, path_key
from rstuf.state.spaces import in_use

_HELD_BACK: Final = 20_000
_LOOKED_UP_TOGETHER: Final = 500


class TwinGuard:
    """Looks at the paths of one batch as they become live."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._odd: dict[str, TargetPath] = {}
        self._known_odd = connection.execute("SELECT 1 FROM path_key LIMIT 1").fetchone() is not None

    def added(self, paths: Sequence[TargetPath], *, text: str) -> None:
        """These paths are live now, and their rows are written; `text` is all of them, joined by newlines.

        Raises:
            PathTwin: one of them has a live twin.
        """
        plain = paths if _all_plain(text) else self._hold_back_odd(paths, text)
        if self._known_odd:
            for path, other in self._in_table(plain):
                raise PathTwin(path, other)
        if len(self._odd) >= _HELD_BACK:
            self.finish()

    def finish(self) -> None:
        """Look at what was held back, in the order of the table.

        Raises:
            PathTwin: see `added`.
        """
        if not self._odd:
            return
        odd = sorted(self._odd.items())
        if self._known_odd:
            for key, other in self._in_table(key for key, _ in odd):
                if self._odd[key] != other:
                    raise PathTwin(self._odd[key], other)
        for key in _live(self._connection, self._odd):
            raise PathTwin(self._odd[key], key)
        self._connection.executemany("INSERT OR REPLACE INTO path_key (key, path) VALUES (?, ?)", odd)
        self._known_odd = True
        self._odd.clear()

    def removed(self, paths: Sequence[TargetPath]) -> None:
        """These paths are removed, and their rows are written: each key is free unless another role holds the path."""
        odd = [(key, path) for path in paths if (key := path_key(path)) != path]
        if not odd:
            return
        still = set(_live(self._connection, [path for _, path in odd]))
        free = [(key, path) for key, path in odd if path not in still]
        self._connection.executemany("DELETE FROM path_key WHERE key = ? AND path = ?", free)

    def _hold_back_odd(self, paths: Sequence[TargetPath], text: str) -> Sequence[TargetPath]:
        # Where only case is odd, all keys come from one call.
        keys = text.lower().split("\n") if _all_plain(text.lower()) else map(path_key, paths)
        plain = []
        for path, key in zip(paths, keys, strict=True):
            if key == path:
                plain.append(path)
            elif (other := self._odd.setdefault(key, path)) != path:
                raise PathTwin(path, other)
        return plain

    def _in_table(self, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
        remaining = iter(keys)
        while some := tuple(islice(remaining, _LOOKED_UP_TOGETHER)):
            marks = ",".join("?" * len(some))
            sql = f"SELECT key, path FROM path_key WHERE key IN ({marks})"  # noqa: S608 - marks alone
            yield from self._connection.execute(sql, some)


def _all_plain(text: str) -> bool:
    """Whether each of the paths in `text` is its own key, where that can be said of all at once."""
    if not text.isascii() or text != text.lower() or text[-1:] in {".", " "}:
        return False
    return not any(odd in text for odd in ("./", " /", ".\n", " \n"))


def _live(connection: sqlite3.Connection, paths: Iterable[str]) -> Iterator[str]:
    """Those of `paths` that are live artifacts of any role."""
    here = in_use(connection)
    remaining = iter(sorted((slot_of(path), path) for path in paths))
    while some := list(islice(remaining, _LOOKED_UP_TOGETHER)):
        wanted = set(some)
        slots = {slot for slot, _ in some}
        marks = ",".join("?" * len(slots))
        sql = (
            "SELECT slot, path, fragment FROM artifact "  # noqa: S608 - marks alone
            f"WHERE holder = ? AND slot IN ({marks}) ORDER BY slot, path, number"
        )
        for holder in here:
            newest = {row[:2]: row[2] for row in connection.execute(sql, (holder, *slots))}
            yield from (place[1] for place, fragment in newest.items() if fragment and place in wanted)
