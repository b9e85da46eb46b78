"""Listing artifacts of a SQLite state: a page costs a look at each row, and no sort of them all."""

from __future__ import annotations

from itertools import islice

import pytest
from tests.support.state_backends import begin, publish, put, row

from rstuf.state import listing
from rstuf.state.sqlite import SqliteStateStore

PATHS = [f"p/{index:02}" for index in range(12)]


@pytest.fixture
def filled(store: SqliteStateStore) -> SqliteStateStore:
    """Twelve artifacts, every third of them in two versions and every sixth in three."""
    begin(store)
    put(store, *map(row, PATHS))
    publish(store)
    put(store, *(row(path, 2, length=2) for path in PATHS[::3]), replace=True)
    put(store, *(row(path, 3, length=3) for path in PATHS[::6]), replace=True)
    return store


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 7, 17, 18, 19, 1000])
@pytest.mark.parametrize("after", ["", "p/00", "p/05", "p/11"])
def test_the_first_look_and_the_sort_make_one_listing(
    filled: SqliteStateStore, monkeypatch: pytest.MonkeyPatch, first: int, after: str
) -> None:
    """Wherever the first look ends, between two versions of a path too, each artifact comes once, as it is."""
    monkeypatch.setattr(listing, "_FIRST", first)
    with filled.read() as reader:
        found = [(each.artifact.path, each.artifact.length) for each in reader.artifacts(after=after)]
        some = [each.artifact.path for each in reader.artifacts(prefix="p/0", after=after)]
    lengths = {path: 3 if index % 6 == 0 else 2 if index % 3 == 0 else 1 for index, path in enumerate(PATHS)}
    assert found == [(path, length) for path, length in lengths.items() if path > after]
    assert some == [path for path in PATHS[:10] if path > after]


def test_a_page_sorts_no_more_than_itself(filled: SqliteStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the first look has what is wanted, SQLite is asked for no more rows than it."""
    monkeypatch.setattr(listing, "_FIRST", 6)
    asked: list[str] = []
    with filled.read() as reader:
        reader._connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]
        assert len(list(islice(reader.artifacts(), 3))) == 3
        sorts = [sql for sql in asked if "ORDER BY path" in sql]
        assert [sql.rpartition(" LIMIT ")[2] for sql in sorts] == ["6"]
        assert len(list(islice(reader.artifacts(), 4))) == 4
        assert len([sql for sql in asked if "ORDER BY path" in sql]) == 3
