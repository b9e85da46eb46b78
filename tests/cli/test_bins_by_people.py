"""Bins that the people of a role sign, who are elsewhere: from the command to what clients see."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result, elsewhere
from tests.support.clients import Client, directory_site

from rstuf.clock import SystemClock

SPLIT = ("bins", "resize", "4", "--role", "docs", "--signed-by", "role", "--yes")


def signs(cli: Cli, tmp_path: Path, event: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """vera, who has no workspace, signs an event from its bundle, and what she sends back is taken in."""
    bundle = tmp_path / f"{event}.rstuf"
    assert cli("bundle", "export", event, "-o", bundle).code == 0
    return cli("bundle", "import", elsewhere(tmp_path, "vera", bundle, monkeypatch), "--json")


def client(workspace: Path, memory: Path) -> Client:
    """A stock client that has seen what came before, and walks through all there is."""
    site = directory_site(workspace / "metadata", workspace / "targets")
    root = (workspace / "metadata" / "1.root.json").read_bytes()
    seen = Client(memory, site, root=root, now=SystemClock().now())
    seen.refresh()
    seen.walk()
    return seen


@pytest.fixture
def docs(filled: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """docs, which vera signs elsewhere, over four bins that she signs, too: six artifacts of it."""
    assert cli("key", "generate", "vera", "--unencrypted").code == 0
    assert cli("delegation", "add", "docs", "--path", "docs/*", "--signer", "vera", "--yes").code == 0
    for number in range(6):
        (tmp_path / f"{number}.txt").write_bytes(b"%d" % number)
    assert cli("artifact", "add", "--prefix", "docs", *(tmp_path / f"{number}.txt" for number in range(6))).code == 0
    (tmp_path / "vera").mkdir()
    (filled / "keys" / "vera.key").rename(tmp_path / "vera" / "vera.key")
    done = cli(*SPLIT, "--json")
    assert done.code == 4, done.err
    assert signs(cli, tmp_path, done.document["event"], monkeypatch).code == 0
    return filled


def test_what_is_added_waits_in_one_event(
    docs: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 4 and one event for all bins that change; one signature file publishes all of it at once."""
    before = client(docs, tmp_path / "client")
    assert before.download("docs/1.txt") == b"1"
    for number in range(6, 10):
        (tmp_path / f"{number}.txt").write_bytes(b"%d" % number)
    done = cli(
        "artifact", "add", "--prefix", "docs", *(tmp_path / f"{number}.txt" for number in range(6, 10)), "--json"
    )
    assert done.code == 4, done.err
    (waiting,) = done.document["publication"]["waiting"]
    assert waiting["role"] == "docs-bins"
    assert waiting["lacking"] == 1
    assert len(waiting["bins"]) > 1
    (event,) = cli("event", "list", "--json").document["events"]
    assert event["name"] == waiting["event"]
    assert cli("artifact", "list", "--prefix", "docs/7").out.count("awaiting") == 1
    status = cli("status", "--json").document
    assert [step["command"] for step in status["next_steps"]] == [f"rstuf bundle export {event['name']}"]
    assert client(docs, tmp_path / "client").find("docs/7.txt") is None
    done = signs(cli, tmp_path, "docs-bins", monkeypatch)
    assert done.code == 0, done.err
    assert client(docs, tmp_path / "client").download("docs/7.txt") == b"7"
    assert client(docs, tmp_path / "fresh").download("docs/7.txt") == b"7"
    assert "awaiting" not in cli("artifact", "list").out
    assert cli("verify", "--full").code == 0
    assert cli("status", "--check").code == 0
    assert cli("doctor").code == 0
    assert cli("renew").code == 0
