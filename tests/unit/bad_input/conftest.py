"""A workspace for bad input."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support.refusals import PLAN, Refusal

from rstuf_cli.app import main


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a few artifacts, made once a process."""
    home = tmp_path_factory.mktemp("made")
    (home / "plan.toml").write_text(PLAN)
    (home / "passphrase").touch(mode=0o600)
    (home / "passphrase").write_text("open sesame\n")
    workspace = home / "workspace"
    plan, secret = str(home / "plan.toml"), str(home / "passphrase")
    assert main(["--repo", str(workspace), "-q", "ceremony", "--plan", plan, "--passphrase-file", secret]) == 0
    for name in ("README", "dir/a.txt"):
        file = home / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    assert main(["--repo", str(workspace), "-q", "artifact", "add", str(home / "files")]) == 0
    return workspace


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(made, tmp_path / "workspace", symlinks=True)
    return tmp_path / "workspace"


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refusal:
    """Runs a command that must fail."""
    return Refusal(capfd)
