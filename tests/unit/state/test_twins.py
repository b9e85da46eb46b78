"""Twins are found whatever the sizes of the parts in which a batch is worked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.paths import paths_among
from tests.support.state_backends import WAIT, begin, far_apart, put, row

from rstuf.errors import PathTwin
from rstuf.model.names import path_key
from rstuf.state import artifacts, twins
from rstuf.state.sqlite import SqliteStateStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStateStore]:
    monkeypatch.setattr(twins, "_HELD_BACK", 5)
    monkeypatch.setattr(twins, "_LOOKED_UP_TOGETHER", 2)
    monkeypatch.setattr(artifacts, "_CHUNK", 7)
    with closing(SqliteStateStore.create(tmp_path / "state.db", wait=WAIT, purpose="test")) as made:
        begin(made)
        yield made


@pytest.mark.parametrize("between", [0, 1, 6, 40])
@pytest.mark.parametrize(("early", "late"), [("PKG/{}", "Pkg/{}"), ("Pkg/{}", "pkg/{}"), ("pkg/{}", "Pkg/{}")])
def test_parts_do_not_hide_twins(store: SqliteStateStore, early: str, late: str, between: int) -> None:
    """The two halves of a twin meet across parts of a batch, held-back names and lookups."""
    far = far_apart(early, late)
    mixed = [row(f"Odd/{index}") for index in range(between)] + [row(f"plain/{index}") for index in range(between)]
    with pytest.raises(PathTwin) as refused:
        put(store, *mixed, row(early.format(far)), row(late.format(far)))
    assert {refused.value.path, refused.value.existing} == {early.format(far), late.format(far)}
    put(store, *mixed, row(early.format(far)))
    with pytest.raises(PathTwin):
        put(store, row(late.format(far)), *(row(f"New/{index}") for index in range(between)))


PATHS = st.lists(
    st.text(st.sampled_from("abAB./ é\u0130"), min_size=1, max_size=5) | st.text(max_size=4), min_size=1, max_size=6
)


@given(paths=PATHS)
def test_all_at_once_agrees_with_one_by_one(paths: list[str]) -> None:
    """What is said of many paths together is never more than what each of them allows, and plain ones are seen."""
    known = paths_among(paths)
    if twins._all_plain("\n".join(known)):
        assert all(path_key(path) == path for path in known)
    assert twins._all_plain("dist/a-1.tar.gz\nb c/.hidden")
