"""`rstuf demo`: real keys, a real client, and a refusal that is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree

import rstuf


def test_demo(cli: Cli) -> None:
    """It ends well in a workspace that is healthy and can be used on."""
    done = cli("demo")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("✓") == 3
    assert done.out.count("✗") == 1
    assert "✗ hello.txt" in done.out
    assert "does not match expected hash" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert cli("--repo", "rstuf-demo", "verify", "--full").code == 0
    assert cli("--repo", "rstuf-demo", "status", "--check").code == 0
    assert not list(Path("rstuf-demo").glob(".tampered*"))


def test_demo_as_data(cli: Cli) -> None:
    """The document says what the client accepted and what it refused."""
    document = cli("demo", "elsewhere", "--json").document
    assert [each["accepted"] for each in document["client"]] == [True, True, True]
    assert (document["tampered"]["path"], document["tampered"]["accepted"]) == ("hello.txt", False)


def test_demo_touches_no_directory_that_is_there(cli: Cli) -> None:
    """A directory that is there already, even an empty one, is left alone."""
    Path("mine").mkdir()
    Path("mine/file").write_text("mine")
    before = tree(Path.cwd())
    done = cli("demo", "mine")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: mine is there already\nhint:  ")
    assert tree(Path.cwd()) == before


def test_demo_is_honest(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a client took the changed file, the demo would say so and exit 3."""

    def gullible(_metadata: Path, _artifacts: Path, *, trusted_root: bytes, paths: list[str]) -> object:
        del trusted_root
        return [rstuf.ClientVerdict(path, accepted=True, length=1, reason="") for path in paths]

    monkeypatch.setattr(rstuf, "try_stock_client", gullible, raising=False)
    done = cli("demo")
    assert (done.code, "accepted, which must never be" in done.out) == (3, True)


def test_a_demo_that_fails_leaves_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun is taken away: the directory was not there before."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rstuf, "try_stock_client", interrupted, raising=False)
    done = cli("demo")
    assert done.code == 130
    assert tree(Path.cwd()) == {}
