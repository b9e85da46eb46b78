"""What the tests of signing share: a directory like a workspace, fast key derivation, and fixtures as private files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.unit.signing import keyring

from rstuf.signing import containers


@pytest.fixture(autouse=True)
def _fast_derivation(monkeypatch):
    """Keys are encrypted with one round; the real number is looked at where it matters."""
    monkeypatch.setattr(containers, "KDF_ROUNDS", 1)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def key_file(workspace: Path):
    """Puts a fixture into the workspace, readable by its owner alone unless told otherwise."""

    def put(name: str, mode: int = 0o600) -> Path:
        path = workspace / name
        shutil.copyfile(keyring.FIXTURES / name, path)
        os.chmod(path, mode)
        return path

    return put
