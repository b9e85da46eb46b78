"""What holds for every test of storages."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def _little_to_collect() -> None:
    """Open descriptors are counted after a collection of garbage, thousands of times: let each have little to do."""
    gc.collect()
    gc.freeze()
