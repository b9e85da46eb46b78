"""An engine after its ceremony."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine.live(tmp_path / "repository")
