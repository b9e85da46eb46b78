"""Storages on a file system, ready for use."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage


@pytest.fixture(autouse=True, scope="module")
def _little_to_collect() -> None:
    """Open descriptors are counted after a collection of garbage, thousands of times: let each have little to do."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def metadata(tmp_path: Path) -> FilesystemMetadataStorage:
    """In `metadata` of `tmp_path`."""
    storage = FilesystemMetadataStorage(tmp_path / "metadata")
    storage.prepare()
    return storage


@pytest.fixture
def artifacts(tmp_path: Path) -> FilesystemArtifactStorage:
    """In `targets` of `tmp_path`."""
    storage = FilesystemArtifactStorage(tmp_path / "targets")
    storage.prepare()
    return storage
