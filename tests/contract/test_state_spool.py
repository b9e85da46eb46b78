"""A state's spool gives rows back sorted, whatever came in, in whatever amount."""

from __future__ import annotations

import random

from tests.support.state_backends import row, sorted_rows

from rstuf.model.artifacts import ArtifactRow
from rstuf.model.names import TargetPath
from rstuf.repository.interfaces import StateStore


def test_rows_come_back_sorted(state_store: StateStore) -> None:
    """By slot, then path, each as it went in."""
    rows = [row(f"ü/{index}", index) for index in range(3000)]
    with state_store.spool() as spool:
        for each in rows:
            spool.append(each)
        assert len(spool) == 3000
        found = list(spool)
    assert found == sorted_rows(rows)


def test_rows_stay_where_they_are_only_looked_through(state_store: StateStore) -> None:
    """However often they are looked through, few or more than memory should hold, and wherever that ends."""
    for size, padding in ((3, 0), (3000, 0), (40_000, 2000)):
        rows = [row(f"p/{index}")._replace(fragment=b"%d" % index + bytes(padding)) for index in range(size)]
        wanted = sorted_rows(rows)
        with state_store.spool() as spool:
            spool.extend(rows)
            next(spool.look_through())
            assert all(found == each for found, each in zip(spool.look_through(), wanted, strict=True))
            assert len(spool) == size
            assert all(found == each for found, each in zip(spool, wanted, strict=True))


def test_an_empty_spool_gives_nothing(state_store: StateStore) -> None:
    """Nothing in, nothing out."""
    with state_store.spool() as spool:
        assert len(spool) == 0
        assert list(spool) == []


def test_rows_of_one_path_stay_in_order(state_store: StateStore) -> None:
    """Whichever of one path came last comes out last; paths that share a slot are sorted."""
    rows = [
        ArtifactRow(slot, TargetPath(path), b"%d" % step)
        for step in range(9)
        for path in "ba"
        for slot in (5, 2**32 - 1)
    ]
    with state_store.spool() as spool:
        for each in rows:
            spool.append(each)
        assert list(spool) == sorted_rows(rows)


def test_more_rows_than_memory_should_hold(state_store: StateStore) -> None:
    """A hundred thousand rows, far more than are kept in memory, come back sorted and stable."""
    generator = random.Random(7)
    rows = [
        ArtifactRow(
            generator.randrange(2**32) if index % 3 else 17, TargetPath(f"p/{index % 1000}"), bytes(900) + b"%d" % index
        )
        for index in range(100_000)
    ]
    with state_store.spool() as spool:
        for each in rows:
            spool.append(each)
        before = None
        count = 0
        for each, expected in zip(spool, sorted_rows(rows), strict=True):
            assert each == expected
            assert before is None or before[:2] <= each[:2]
            before, count = each, count + 1
    assert count == 100_000


def test_two_spools_at_once_do_not_mix(state_store: StateStore, state_second: StateStore) -> None:
    """Each spool has its own rows, in one process and in another."""
    with state_store.spool() as first, state_second.spool() as second, state_store.spool() as third:
        for index in range(100):
            first.append(row(f"first/{index}"))
            second.append(row(f"second/{index}"))
        assert {each.path.split("/")[0] for each in first} == {"first"}
        assert {each.path.split("/")[0] for each in second} == {"second"}
        assert list(third) == []
