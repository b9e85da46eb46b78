"""What the tests of signing share: a directory like a workspace, fast key derivation, and fixtures as private files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.support.tokens import SoftToken, make_token
from tests.unit.signing import keyring

from rstuf.signing import containers, pkcs11_tokens


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


@pytest.fixture
def maria() -> SoftToken:
    """A token with a P-256 key, number 2."""
    token = make_token("Maria")
    token.make()
    return token


@pytest.fixture
def watched(monkeypatch):
    """Logins to tokens are counted."""
    # Only where the extra is installed.
    from tests.unit.signing.watched_tokens import WatchedModule

    module = WatchedModule()
    monkeypatch.setattr(pkcs11_tokens, "load_modules", lambda key, *, named: [module])
    return module
