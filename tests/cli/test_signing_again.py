"""A command that was cut off after everybody had signed, run again: it says that all is done, and it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from rstuf.errors import StorageError
from rstuf.repository import roots

_ADD = ("root", "update", "--add", "carol", "--yes")
_DONE_BEFORE = 1


@pytest.fixture
def cut_off(filled: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose state has root v2, the file of which was never made."""

    def fails(*_: object) -> None:
        raise StorageError("create", "metadata/2.root.json", "no room")

    assert cli("key", "generate", "carol", "--unencrypted").code == 0
    with monkeypatch.context() as patched:
        patched.setattr(roots, "complete_root", fails)
        assert cli(*_ADD).code != 0
    assert not (filled / "metadata/2.root.json").exists()
    return filled


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (_ADD, _DONE_BEFORE),
        (("sign", "--yes"), 0),
        (("recover", "root-key", "dave", "--yes"), _DONE_BEFORE),
        (("key", "revoke", "dave", "--yes"), _DONE_BEFORE),
        (("recover", "online-key", "dave", "--lost", "--yes"), _DONE_BEFORE),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_the_root_comes_out(cut_off: Path, cli: Cli, argv: tuple[str, ...], code: int) -> None:
    """Whatever the command that signs has to say, what an earlier one had decided is visible after it."""
    assert cli(*argv).code == code
    assert (cut_off / "metadata/2.root.json").exists()
    assert cli("verify").code == 0


def test_a_dry_run_brings_nothing_out(cut_off: Path, cli: Cli) -> None:
    """It only shows, even where something waits to be finished."""
    cli(*_ADD, "--dry-run")
    assert not (cut_off / "metadata/2.root.json").exists()
