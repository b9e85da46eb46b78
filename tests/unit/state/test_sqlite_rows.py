"""Rows of a SQLite state: those that nothing renders go, and questions cost what they find."""

from __future__ import annotations

import re

import pytest
from tests.support.sqlite_files import counted
from tests.support.state_backends import NOW, begin, bin_name, publish, put, remove, row

from rstuf.state import publications
from rstuf.state.sqlite import SqliteStateStore


def test_versions_that_nothing_renders_go(store: SqliteStateStore) -> None:
    """Once a newer version is visible older rows are cleared away, and of a visible removal nothing stays."""
    begin(store)
    put(store, row("plain"), row("Odd"), row("gone"))
    for content in range(2, 6):
        put(store, row("plain", content), replace=True)
    put(store, row("brief"))
    remove(store, "gone", "brief")
    assert counted(store, "artifact") == 3 + 4 + 1 + 2
    publish(store)
    assert (counted(store, "artifact"), counted(store, "superseded")) == (2, 0)
    remove(store, "plain", "Odd")
    assert counted(store, "path_key") == 0
    publish(store)
    assert (counted(store, "artifact"), counted(store, "superseded")) == (0, 0)


def test_old_versions_go_a_bounded_number_at_a_time(store: SqliteStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settling clears no more than its bound, only of roles that it publishes, and takes up the rest later."""
    monkeypatch.setattr(publications, "CLEARED_AT_ONCE", 30)
    begin(store)
    rows = [row(f"p/{index}") for index in range(100)]
    put(store, *rows)
    put(store, *(row(each.path, 2) for each in rows), replace=True)
    bins = [f"bins-{index}" for index in range(4)]
    left = [100]
    while left[-1]:
        publish(store, *bins)
        left.append(counted(store, "superseded"))
        assert counted(store, "artifact") == 100 + left[-1]
    assert left == [100, 70, 40, 10, 0]
    monkeypatch.setattr(publications, "CLEARED_AT_ONCE", 1000)
    put(store, *rows, replace=True)
    publish(store, "bins-0")
    assert counted(store, "superseded") == sum(bin_name(each.path) != "bins-0" for each in rows)


@pytest.mark.parametrize("kind", ["roles", "dirty", "due", "contents", "unfinished", "last"])
def test_questions_cost_what_they_find(store: SqliteStateStore, kind: str) -> None:
    """Dirty and due roles, contents and publications are found through indexes; nothing hot is scanned or sorted."""
    begin(store)
    put(store, row("a"))
    publish(store)
    seen: list[str] = []
    with store.read() as reader:
        reader._connection.set_trace_callback(seen.append)  # type: ignore[attr-defined]
        questions = {
            "roles": lambda: reader.role("bins-0"),  # type: ignore[arg-type]
            "dirty": reader.dirty_roles,
            "due": lambda: reader.due_roles(NOW),
            "contents": lambda: list(reader.contents(2, 0, 99, number=5)),
            "unfinished": reader.unfinished_publication,
            "last": reader.last_publication,
        }
        questions[kind]()
        reader._connection.set_trace_callback(None)  # type: ignore[attr-defined]
        explained = [reader._connection.execute(f"EXPLAIN QUERY PLAN {sql}") for sql in seen]  # type: ignore[attr-defined]
        plan = [line[3] for each in explained for line in each]
    assert plan
    for line in plan:
        if kind == "last":
            # From the newest on, to the first that is done.
            assert line == "SCAN publication"
        elif kind in {"dirty", "unfinished"}:
            assert re.match(r"SCAN \w+ USING INDEX (role_dirty|publication_unfinished)|SEARCH", line)
        elif kind == "due":
            assert line.startswith("SEARCH role USING INDEX role_due") or line == "USE TEMP B-TREE FOR ORDER BY"
        else:
            assert line.startswith("SEARCH")
