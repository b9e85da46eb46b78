"""Storages on a file system, ready for use."""

from __future__ import annotations

from pathlib import Path

import pytest

from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage


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
