"""Bins that the people of a role sign, who are elsewhere: from the command to what clients see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result, elsewhere
from tests.support.clients import Client, directory_site

from rstuf.clock import SystemClock

Later = Callable[[timedelta], None]
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
    assert "6 artifacts, in 4 bins that its people sign" in cli("delegation", "list").out
    listed, _ = cli("delegation", "list", "--json").document["delegations"]
    assert listed["bins_signed_by"] == "role"
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


def events(cli: Cli) -> list[str]:
    return [each["name"] for each in cli("event", "list", "--json").document["events"]]


def commands(cli: Cli) -> list[str]:
    return [each["command"] for each in cli("status", "--json").document["next_steps"]]


def test_a_leaked_key_goes_out_of_role_and_bins(
    docs: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command takes it out of both, in one event; nothing is left to do once whoever stays has signed."""
    assert cli("key", "generate", "uwe", "--unencrypted").code == 0
    # uwe's key is here, and one of the two is enough: role and bins come out at once.
    assert cli("delegation", "update", "docs", "--signer", "vera", "--signer", "uwe", "--yes").code == 0
    done = cli("key", "revoke", "vera", "--leaked", "--yes")
    assert done.code == 0, done.err
    assert "leaked" not in cli("status").out
    assert commands(cli) == []
    client(docs, tmp_path / "client").download("docs/1.txt")
    assert cli("verify", "--full").code == 0
    assert cli("status", "--check").code == 0


def test_what_is_cancelled_is_pending_again(docs: Path, cli: Cli, tmp_path: Path) -> None:
    """Status leads from there to the next event, and from that to whoever must sign it."""
    (tmp_path / "9.txt").write_bytes(b"nine")
    assert cli("artifact", "add", "--prefix", "docs", tmp_path / "9.txt").code == 4
    (name,) = events(cli)
    assert cli("event", "cancel", name, "--yes").code == 0
    assert "pending" in cli("artifact", "list", "--prefix", "docs/9").out
    assert commands(cli) == ["rstuf publish"]
    assert cli("publish").code == 4
    (again,) = events(cli)
    assert commands(cli) == [f"rstuf bundle export {again}"]
    assert cli("publish").code == 4
    assert events(cli) == [again]


def test_bins_that_are_due_wait_for_their_people(
    docs: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: Later
) -> None:
    """Status asks for a renewal, which lets role and bins wait; signed by vera, nothing is due, and clients read on."""
    later(timedelta(days=300))
    cli("renew")
    later(timedelta(days=1))
    done = cli("renew", "--json")
    assert done.code == 4, done.err
    waiting = {each["role"]: each for each in done.document["waiting"]}
    assert set(waiting) == {"docs", "docs-bins"}
    assert len(waiting["docs-bins"]["bins"]) == 4
    asked = commands(cli)
    assert {f"rstuf bundle export {each['event']}" for each in waiting.values()} <= set(asked)
    assert "rstuf renew" not in asked
    for each in waiting.values():
        assert signs(cli, tmp_path, each["event"], monkeypatch).code == 0
    assert cli("renew").code == 0
    assert client(docs, tmp_path / "client").download("docs/1.txt") == b"1"
    assert cli("status", "--check").code == 0


def test_other_bins_and_the_online_key(docs: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer, then the same for the online key, then its people's again: each waits as one event of the role."""
    client(docs, tmp_path / "client")
    assert cli("bins", "resize", "4", "--role", "docs", "--signed-by", "role", "--yes").code == 0
    for bins, by in (("2", "role"), ("2", "online"), ("8", "role")):
        done = cli("bins", "resize", bins, "--role", "docs", "--signed-by", by, "--yes", "--json")
        assert done.code == 4, done.err
        assert [each["event"] for each in done.document["waiting"]] == [done.document["event"]]
        assert signs(cli, tmp_path, done.document["event"], monkeypatch).code == 0
        assert client(docs, tmp_path / "client").download("docs/1.txt") == b"1"
    assert cli("verify", "--full").code == 0


def test_who_cannot_sign_bins(docs: Path, cli: Cli) -> None:
    """More than people sign together, and bins of a role that nobody but the online key signs, are refused with a way
    out."""
    done = cli("bins", "resize", "128", "--role", "docs", "--yes")
    assert (done.code, "--signed-by online" in done.err) == (1, True)
    done = cli("bins", "resize", "8", "--signed-by", "role", "--yes")
    assert (done.code, "rstuf delegation add" in done.err) == (1, True)
    assert cli("bins", "resize", "8", "--role", "docs", "--signed-by", "carol", "--yes").code == 2


def test_whoever_signs_is_shown_alike_bins_together(docs: Path, cli: Cli) -> None:
    """Of sixty-four bins those that list nothing say the same, and are one block of the screen with all their names."""
    shown = cli("bins", "resize", "64", "--role", "docs", "--yes").err
    assert " ".join(shown.split()).count("bins of docs, all of which say just this") == 1
    assert all(f"docs-bins-{index:02x}" in shown for index in range(64))
    assert 3 <= shown.count("delegated") <= 8


def test_giving_signatures_up_drops_no_bins_that_wait(docs: Path, cli: Cli, tmp_path: Path) -> None:
    """publish --yes says that what came since comes after them, and leaves them as they wait."""
    done = cli("bins", "resize", "8", "--role", "docs", "--yes", "--json")
    (tmp_path / "9.txt").write_bytes(b"nine")
    assert cli("artifact", "add", "--prefix", "docs", tmp_path / "9.txt", "--no-publish").code == 0
    told = cli("publish", "--yes")
    assert told.code == 4
    assert "takes its place" not in told.err
    assert "comes after it" in told.err
    assert events(cli) == [done.document["event"]]


def test_a_dry_run_promises_nothing_of_who_is_away(docs: Path, cli: Cli, tmp_path: Path) -> None:
    """Its exit code, its document and what it says are of roles that wait, as publishing then has them."""
    (tmp_path / "9.txt").write_bytes(b"nine")
    assert cli("artifact", "add", "--prefix", "docs", tmp_path / "9.txt", "--no-publish").code == 0
    shown, planned = cli("publish", "--dry-run"), cli("publish", "--dry-run", "--json")
    assert (shown.code, planned.code) == (4, 4)
    assert "docs-bins waits for 1 signature" in shown.err
    assert "would publish" not in shown.out
    done = cli("publish", "--json").document
    (before,), (after,) = planned.document["waiting"], done["waiting"]
    assert planned.document["roles"] == done["roles"] == []
    assert [before[each] for each in ("role", "lacking", "bins")] == [
        after[each] for each in ("role", "lacking", "bins")
    ]
    assert (before["event"], after["event"]) == (None, *events(cli))
    assert cli("publish", "--dry-run", "--json").document["waiting"] == cli("publish", "--json").document["waiting"]


def test_the_way_back_to_no_bins_is_told(docs: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bin cannot be had: removed and delegated to again, as is told, the role lists its artifacts itself."""
    refused = cli("bins", "resize", "1", "--role", "docs", "--yes")
    assert refused.code == 1
    told = " ".join(refused.err.split())
    assert told.endswith("rstuf delegation remove docs, once that is out rstuf delegation add docs")
    assert "delegation" not in cli("bins", "resize", "1", "--yes").err
    assert cli("delegation", "remove", "docs", "--yes").code == 0
    assert cli("delegation", "add", "docs", "--path", "docs/*", "--signer", "vera", "--yes").code == 4
    assert signs(cli, tmp_path, *events(cli), monkeypatch).code == 0
    listed, _ = cli("delegation", "list", "--json").document["delegations"]
    assert (listed["name"], listed["bins"], listed["artifacts"]) == ("docs", 0, 6)
    assert client(docs, tmp_path / "client").download("docs/1.txt") == b"1"
