"""A root that is published and that this state did not publish: what refuses to go on below it, and before what."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree


@pytest.fixture
def behind(filled: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a workspace, taken before the other one published root v2, with what that serves."""
    place = tmp_path / "copy"
    shutil.copytree(filled, place)
    assert cli("renew", "--force", "root").code == 0
    shutil.rmtree(place / "metadata")
    shutil.copytree(filled / "metadata", place / "metadata")
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize(
    "command",
    [
        ("recover", "online-key", "online", "--leaked"),
        ("recover", "online-key", "--lost"),
        ("key", "revoke", "online", "--leaked"),
        ("key", "rotate", "online"),
        ("root", "update", "--threshold", "2"),
        ("recover", "root-key", "bob", "--leaked"),
        ("key", "revoke", "bob", "--lost"),
    ],
)
def test_no_root_is_proposed_below_one_that_is_not_known(behind: Path, cli: Cli, command: tuple[str, ...]) -> None:
    """Before a key is made, anybody is asked or anything is noted: who may sign is not known here."""
    if "--lost" in command and "online-key" in command:
        (behind / "keys/online.key").unlink()
    before = tree(behind)
    for options in (("--yes",), ("--yes", "--no-sign")):
        done = cli(*command, *options)
        assert (done.code, "root version 2 is published and this state knows only 1" in done.err) == (1, True), done.err
        assert tree(behind) == before
