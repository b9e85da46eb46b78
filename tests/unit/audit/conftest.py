"""A repository with some history, to copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.audited import copy_of, history
from tests.support.engine import Engine


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository with some history. Made once; tests take copies."""
    return history(tmp_path_factory.mktemp("made"))


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    """A copy to do as one likes with; its state is in `tmp_path`."""
    return copy_of(made, tmp_path)
