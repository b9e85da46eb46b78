"""A state in SQLite, and its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.state_backends import WAIT

from rstuf.state.sqlite import SqliteStateStore


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where it will be."""
    return tmp_path / "state.db"


@pytest.fixture
def store(place: Path) -> Iterator[SqliteStateStore]:
    """An empty one."""
    with closing(SqliteStateStore.create(place, wait=WAIT, purpose="test")) as made:
        yield made
