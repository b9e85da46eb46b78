"""Delegations that wait while what they are about goes on: nothing that was signed is lost unasked, and nobody is asked
to sign what cannot come out."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result, elsewhere
from tests.support.clients import Client, directory_site

from rstuf.clock import SystemClock

Later = Callable[[timedelta], None]


@pytest.fixture
def waiting(filled: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """docs-v1, which vera and vic must sign elsewhere, takes data/b.bin along; vera has signed it."""
    for name in ("vera", "vic"):
        assert cli("key", "generate", name, "--unencrypted").code == 0
        (tmp_path / name).mkdir()
        (filled / "keys" / f"{name}.key").rename(tmp_path / name / f"{name}.key")
    argv = ["--path", "data/*", "--signer", "vera", "--signer", "vic", "--threshold", "2", "--yes"]
    assert cli("delegation", "add", "docs", *argv).code == 4
    assert signs(cli, tmp_path, "docs-v1", "vera", monkeypatch).code == 4
    (tmp_path / "b.bin").write_bytes(b"another")
    (tmp_path / "new.bin").write_bytes(b"new")
    return filled


def signs(cli: Cli, tmp_path: Path, event: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Somebody elsewhere signs an event from its bundle, and what they send back is taken in."""
    bundle = tmp_path / f"{event}-{name}.rstuf"
    assert cli("bundle", "export", event, "-o", bundle).code == 0
    return cli("bundle", "import", elsewhere(tmp_path, name, bundle, monkeypatch))


def events(cli: Cli) -> list[str]:
    return [each["name"] for each in cli("event", "list", "--json").document["events"]]


def sees(workspace: Path, memory: Path) -> bytes:
    """What a stock client that has seen what came before gets for data/b.bin."""
    site = directory_site(workspace / "metadata", workspace / "targets")
    root = (workspace / "metadata" / "1.root.json").read_bytes()
    client = Client(memory, site, root=root, now=SystemClock().now())
    client.refresh()
    client.walk()
    return client.download("data/b.bin")


def flat(text: str) -> str:
    return " ".join(text.split())


REPLACE = ("artifact", "add", "--replace", "--prefix", "data")


def test_a_change_waits_for_what_was_signed(
    waiting: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is accepted, told as waiting, and comes out after the delegation; other artifacts do at once."""
    before = sees(waiting, tmp_path / "client")
    done = cli(*REPLACE, tmp_path / "b.bin")
    assert done.code == 4, done.err
    assert "docs waits for 1 signature: clients do not see its changes yet" in done.err
    assert "what was accepted since docs-v1 was opened is not in it" in flat(done.err)
    assert [each["command"] for each in cli("status", "--json").document["next_steps"]] == [
        "rstuf bundle export docs-v1"
    ]
    assert cli("artifact", "add", tmp_path / "new.bin").code == 0
    assert "published" in cli("artifact", "list", "--prefix", "new").out
    assert sees(waiting, tmp_path / "client") == before
    assert signs(cli, tmp_path, "docs-v1", "vic", monkeypatch).code == 0
    assert sees(waiting, tmp_path / "client") == before
    assert cli("publish").code == 4
    for name, code in (("vera", 4), ("vic", 0)):
        assert signs(cli, tmp_path, "docs-v2", name, monkeypatch).code == code
    assert sees(waiting, tmp_path / "client") == b"another"
    assert cli("verify", "--full").code == 0


def test_whoever_cannot_wait_says_so(waiting: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told whose signature goes with it, they publish at once; the same delegation waits again."""
    assert cli(*REPLACE, tmp_path / "b.bin").code == 4
    done = cli("publish", "--yes")
    assert done.code == 4
    assert "docs-v1 waits already, with the signatures of vera and online; this takes its place" in flat(done.err)
    assert (events(cli), sees(waiting, tmp_path / "client")) == (["docs-v2"], b"another")
    for name, code in (("vera", 4), ("vic", 0)):
        assert signs(cli, tmp_path, "docs-v2", name, monkeypatch).code == code
    assert sees(waiting, tmp_path / "client") == b"another"
    assert "docs" in cli("delegation", "list").out


def test_what_nobody_signed_is_proposed_anew(waiting: Path, cli: Cli, tmp_path: Path) -> None:
    """It gives its place to the same over what is published now, and that is told."""
    assert cli("event", "cancel", "docs-v1", "--yes").code == 0
    argv = ["--path", "data/*", "--signer", "vera", "--signer", "vic", "--threshold", "2", "--yes"]
    assert cli("delegation", "add", "docs", *argv).code == 4
    done = cli(*REPLACE, tmp_path / "b.bin")
    # What was added is published; what waits are delegations.
    assert done.code == 0
    assert "it waits as docs-v3" in flat(done.err)
    assert sees(waiting, tmp_path / "client") == b"another"
    assert events(cli) == ["docs-v3"]


def test_another_online_key_outdates_it(
    waiting: Path, cli: Cli, tmp_path: Path, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each face says so, asks nobody to sign, refuses what is brought, and tells the one command that leads on."""
    bundle = tmp_path / "old.rstuf"
    assert cli("bundle", "export", "docs-v1", "-o", bundle).code == 0
    brought = elsewhere(tmp_path, "vic", bundle, monkeypatch)
    rotated = cli("key", "rotate", "online", "--yes")
    assert rotated.code == 0, rotated.err
    assert "docs v1 is outdated" in flat(rotated.out)
    for argv in (("event", "list"), ("event", "show", "docs-v1"), ("status",)):
        told = flat(cli(*argv).out)
        assert "docs v1 is outdated: delegations were published anew since" in told, argv
        assert "bundle export" not in told
    assert "event-outdated" in {each["code"] for each in cli("doctor", "--json").document["findings"]}
    for argv in (("sign", "docs-v1", "--yes"), ("bundle", "export", "docs-v1"), ("bundle", "import", brought)):
        refused = cli(*argv)
        assert refused.code != 0, argv
        assert "rstuf publish proposes it anew" in flat(refused.err + refused.out), argv
    steps = [step["command"] for step in cli("status", "--json").document["next_steps"]]
    assert "rstuf publish" in steps
    done = cli("publish")
    assert done.code == 4
    assert "docs-v1 could come out no more" in flat(done.err)
    assert "vera" in done.err
    assert events(cli) == ["docs-v2"]
    for name, code in (("vera", 4), ("vic", 0)):
        assert signs(cli, tmp_path, "docs-v2", name, monkeypatch).code == code
    sees(waiting, tmp_path / "client")
    later(timedelta(days=2))
    assert cli("renew").code == 0
    sees(waiting, tmp_path / "client")
    assert cli("verify", "--full").code == 0


def test_expired_it_is_told_how_it_comes_again(waiting: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """Whatever drops it tells the command that proposes it again, and that does."""
    later(timedelta(days=366))
    assert "docs v1 expired" in cli("event", "list").out
    renewed = cli("renew", "--force", "root", "--json")
    (dropped,) = [each for each in renewed.document["dropped"] if each["event"] == "docs-v1"]
    (again,) = dropped["propose_again"]
    assert again == (
        "rstuf delegation add docs --path 'data/*' --signer vera --signer vic --threshold 2 --expires 365d"
    )
    assert cli(*shlex.split(again)[1:], "--yes").code == 4
    assert events(cli) == ["docs-v2"]


def test_other_bins_tell_how_it_comes_again(waiting: Path, cli: Cli, tmp_path: Path) -> None:
    """A resize takes the place of delegations that know of the bins before, and tells the command for these."""
    done = cli("bins", "resize", "8", "--yes")
    assert done.code == 0, done.err
    assert "rstuf delegation add docs --path 'data/*'" in flat(done.err)
    sees(waiting, tmp_path / "client")
    assert events(cli) == []
