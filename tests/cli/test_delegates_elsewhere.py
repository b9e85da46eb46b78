"""A role below targets whose people are elsewhere: what waits for them, from the command to what clients see."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, elsewhere
from tests.support.clients import Client, directory_site

from rstuf.clock import SystemClock


@pytest.fixture
def vendor(filled: Path, cli: Cli, tmp_path: Path) -> Path:
    """vendor, signed by vera; her key went away after its first version."""
    for argv in (
        ["key", "generate", "vera", "--unencrypted"],
        ["delegation", "add", "vendor", "--path", "vendor/*", "--signer", "vera", "--yes"],
    ):
        done = cli(*argv)
        assert done.code == 0, done.err
    (tmp_path / "vera").mkdir()
    (filled / "keys" / "vera.key").rename(tmp_path / "vera" / "vera.key")
    (tmp_path / "app.bin").write_bytes(b"app")
    return filled


def client(workspace: Path, memory: Path) -> Client:
    """A stock client that began with the first root."""
    site = directory_site(workspace / "metadata", workspace / "targets")
    root = (workspace / "metadata" / "1.root.json").read_bytes()
    return Client(memory, site, root=root, now=SystemClock().now())


def test_what_is_added_waits_for_whoever_signs_it_elsewhere(
    vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted, it is awaiting; signed on another machine from a bundle alone, it is published."""
    done = cli("artifact", "add", tmp_path / "app.bin", "--prefix", "vendor")
    assert done.code == 4, done.err
    assert "vendor waits for 1 signature: clients do not see its changes yet" in done.err
    assert "rstuf bundle export vendor-v2" in " ".join(done.err.split())
    assert "awaiting" in cli("artifact", "list", "--prefix", "vendor").out
    assert "! vendor v2 waits for 1 more signature (signed: nobody; missing: vera)" in cli("event", "list").out
    assert "rstuf bundle export vendor-v2" in cli("status").out
    bundle = tmp_path / "vendor-v2.rstuf"
    assert cli("bundle", "export", "vendor-v2", "-o", bundle).code == 0
    sig = elsewhere(tmp_path, "vera", bundle, monkeypatch)
    brought = cli("bundle", "import", sig)
    assert brought.code == 0, brought.err
    assert "vendor v2 has all its signatures, and is published" in brought.out
    assert "published" in cli("artifact", "list", "--prefix", "vendor").out
    assert client(vendor, tmp_path / "client").download("vendor/app.bin") == b"app"
    assert cli("verify", "--full").code == 0


def test_a_delegation_waits_with_its_role(
    vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients see the delegation, its role and what moved there from the moment on at which vera's signature is back;
    cancelled before, it is told how to propose the same again."""
    argv = ["delegation", "add", "docs", "--path", "data/*", "--signer", "vera", "--expires", "90d"]
    done = cli(*argv, "--yes")
    assert done.code == 4, done.err
    assert "! docs v1 waits for 1 more signature (signed: online; missing: vera)" in done.out
    gone = cli("event", "cancel", "docs-v1", "--yes", "--json").document
    (step,) = gone["next_steps"]
    assert shlex.split(step["command"])[1:] == argv
    assert cli("verify", "--full").code == 0
    assert cli(*shlex.split(step["command"])[1:], "--yes").code == 4
    before = client(vendor, tmp_path / "client")
    assert before.download("data/b.bin")
    bundle = tmp_path / "docs-v2.rstuf"
    assert cli("bundle", "export", "docs-v2", "-o", bundle).code == 0
    brought = cli("bundle", "import", elsewhere(tmp_path, "vera", bundle, monkeypatch))
    assert brought.code == 0, brought.err
    assert [row.split()[0] for row in cli("delegation", "list").out.splitlines() if not row.startswith(" ")] == [
        "vendor",
        "docs",
        "bins",
    ]
    assert "docs" in before.refresh().roles
    assert before.download("data/b.bin")
    assert client(vendor, tmp_path / "new").download("data/b.bin")
    assert cli("verify", "--full").code == 0


def test_signatures_are_dropped_by_who_says_so(
    vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More that is added takes the place of what nobody signed; what one signed stays until somebody says yes."""
    assert cli("key", "generate", "vic", "--unencrypted").code == 0
    (tmp_path / "vera" / "vera.key").rename(vendor / "keys" / "vera.key")
    signers = ["--signer", "vera", "--signer", "vic", "--threshold", "2"]
    assert cli("delegation", "update", "vendor", *signers, "--yes").code == 0
    for name in ("vera", "vic"):
        (tmp_path / name).mkdir(exist_ok=True)
        (vendor / "keys" / f"{name}.key").rename(tmp_path / name / f"{name}.key")
    add = ("artifact", "add", tmp_path / "app.bin")
    assert cli(*add, "--prefix", "vendor").code == 4
    (tmp_path / "more.bin").write_bytes(b"more")
    assert cli("artifact", "add", tmp_path / "more.bin", "--prefix", "vendor").code == 4
    names = [event["name"] for event in cli("event", "list", "--json").document["events"]]
    assert names == ["vendor-v4"]
    bundle = tmp_path / "vendor-v4.rstuf"
    assert cli("bundle", "export", "vendor-v4", "-o", bundle).code == 0
    assert cli("bundle", "import", elsewhere(tmp_path, "vera", bundle, monkeypatch)).code == 4
    assert [step["command"] for step in cli("status", "--json").document["next_steps"]] == [
        "rstuf bundle export vendor-v4"
    ]
    (tmp_path / "third.bin").write_bytes(b"third")
    kept = cli("artifact", "add", tmp_path / "third.bin", "--prefix", "vendor")
    assert kept.code == 4
    assert "what was accepted since vendor-v4 was opened is not in it" in " ".join(kept.err.split())
    dropped = cli("publish", "--yes")
    assert dropped.code == 4
    assert "vendor-v4 waits already, with the signature of vera; this takes its place and drops it" in dropped.err
    (event,) = cli("event", "list", "--json").document["events"]
    assert (event["name"], event["signatures"]) == ("vendor-v5", [])


def test_what_a_role_was_to_list_stays_pending(vendor: Path, tmp_path: Path, cli: Cli) -> None:
    """Its event cancelled, an artifact waits as before, and what is told proposes it again."""
    assert cli("artifact", "add", tmp_path / "app.bin", "--prefix", "vendor").code == 4
    (step,) = cli("event", "cancel", "vendor-v2", "--yes", "--json").document["next_steps"]
    assert step["command"] == "rstuf publish"
    assert "pending" in cli("artifact", "list", "--prefix", "vendor").out
    assert cli("publish").code == 4
    assert [event["name"] for event in cli("event", "list", "--json").document["events"]] == ["vendor-v3"]


def test_a_renewal_waits_for_who_is_elsewhere(
    vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due of the role is proposed as clients see it, and comes out once vera has signed it."""
    done = cli("renew", "--force", "vendor")
    assert done.code == 4, done.err
    assert "it waits as vendor-v2" in " ".join(done.err.split())
    bundle = tmp_path / "vendor-v2.rstuf"
    assert cli("bundle", "export", "vendor-v2", "-o", bundle).code == 0
    assert cli("bundle", "import", elsewhere(tmp_path, "vera", bundle, monkeypatch)).code == 0
    assert cli("renew").code == 0


def test_who_is_back_signs_here(vendor: Path, tmp_path: Path, cli: Cli) -> None:
    """With vera's key at hand again what waits is signed as everything else is; a key that may not is refused."""
    assert cli("artifact", "add", tmp_path / "app.bin", "--prefix", "vendor").code == 4
    refused = cli("sign", "vendor-v2", "--key", "online", "--yes")
    assert refused.code == 1, refused.err
    assert "it may not sign vendor-v2" in refused.err
    (tmp_path / "vera" / "vera.key").rename(vendor / "keys" / "vera.key")
    done = cli("sign", "vendor-v2", "--yes")
    assert done.code == 0, done.err
    assert "vendor v2 has all its signatures, and is published" in done.out
    assert client(vendor, tmp_path / "client").download("vendor/app.bin") == b"app"


def test_what_nobody_signed_gives_way_to_who_is_back(vendor: Path, tmp_path: Path, cli: Cli) -> None:
    """With vera's key at hand, a publication brings all that was accepted at once, and nothing is left waiting."""
    assert cli("artifact", "add", tmp_path / "app.bin", "--prefix", "vendor").code == 4
    (tmp_path / "vera" / "vera.key").rename(vendor / "keys" / "vera.key")
    assert cli("publish").code == 0
    assert cli("event", "list", "--json").document["events"] == []
    assert client(vendor, tmp_path / "client").download("vendor/app.bin") == b"app"


def test_a_removal_waits_too(vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until vera has signed, clients find what was removed; then they do not."""
    (tmp_path / "vera" / "vera.key").rename(vendor / "keys" / "vera.key")
    assert cli("artifact", "add", tmp_path / "app.bin", "--prefix", "vendor").code == 0
    (vendor / "keys" / "vera.key").rename(tmp_path / "vera" / "vera.key")
    assert cli("artifact", "remove", "vendor/app.bin").code == 4
    seen = client(vendor, tmp_path / "client")
    assert seen.download("vendor/app.bin") == b"app"
    bundle = tmp_path / "vendor-v3.rstuf"
    assert cli("bundle", "export", "vendor", "-o", bundle).code == 0
    assert cli("bundle", "import", elsewhere(tmp_path, "vera", bundle, monkeypatch)).code == 0
    seen.refresh()
    assert seen.find("vendor/app.bin") is None


def test_the_same_again_leaves_nothing_to_propose(vendor: Path, cli: Cli) -> None:
    """What it drops wanted just that; what wanted something else can be proposed again, and how is told."""
    words = ("delegation", "add", "tools", "--path", "tools/*", "--signer", "vera", "--yes", "--json")
    told = {}
    for name, more in {"first": (), "again": (), "other": ("--path", "more/*"), "back": ()}.items():
        done = cli(*words, *more)
        assert done.code == 4, done.err
        told[name] = [step["command"] for step in done.document["next_steps"]]
    assert [len(commands) for commands in told.values()] == [1, 1, 2, 2]
    assert told["again"] == ["rstuf bundle export tools-v2 -o tools-v2.rstuf"]
    assert told["other"][1] == "rstuf delegation add tools --path 'tools/*' --signer vera --expires 365d"
    assert told["back"][1].startswith("rstuf delegation add tools --path 'tools/*' --path 'more/*' --signer vera")


def test_a_signer_is_told_in_words_what_bins_are_for(filled: Path, tmp_path: Path, cli: Cli) -> None:
    """A role that has all bins is for every path, and not for sixteen beginnings of hashes."""
    assert cli("key", "generate", "vera", "--unencrypted").code == 0
    (filled / "keys" / "vera.key").rename(tmp_path / "vera.key")
    assert cli("delegation", "add", "tools", "--path", "tools/*", "--signer", "vera", "--yes").code == 4
    assert cli("bundle", "export", "tools-v1", "-o", tmp_path / "tools.rstuf").code == 0
    root = filled / "metadata" / "1.root.json"
    shown = cli("bundle", "inspect", tmp_path / "tools.rstuf", "--trusted-root", root)
    assert shown.code == 0, shown.err
    assert "for tools/*" in shown.out
    assert "for every path" in " ".join(shown.out.split())
    assert "SHA-256 begins with" not in shown.out


@pytest.mark.parametrize("waits_for", ["another number of bins", "what somebody signed"])
def test_what_is_accepted_behind_an_event_is_told_with_it(
    vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, waits_for: str
) -> None:
    """It comes after what waits: `publish` alone would do nothing, so only the event leads on, and brings all of it."""
    if waits_for == "another number of bins":
        assert cli("bins", "resize", "4", "--role", "vendor", "--yes").code == 4
    else:
        assert cli("key", "generate", "otto", "--unencrypted").code == 0
        shared = ("--signer", "vera", "--signer", "otto", "--threshold", "2")
        assert cli("delegation", "update", "vendor", *shared, "--yes").code == 4
    assert cli("artifact", "add", tmp_path / "app.bin", "--prefix", "vendor").code == 4
    for _ in range(5):
        seen = cli("status", "--json").document
        steps = seen["next_steps"]
        if not steps:
            break
        if not seen["events"]:
            assert cli("publish").code == 4
            continue
        assert [step["command"].split()[1] for step in steps] == ["bundle"]
        event = shlex.split(steps[0]["command"])[3]
        bundle = tmp_path / f"{event}.rstuf"
        assert cli("bundle", "export", event, "-o", bundle).code == 0
        assert cli("bundle", "import", elsewhere(tmp_path, "vera", bundle, monkeypatch)).code in {0, 4}
    assert steps == []
    assert client(vendor, tmp_path / "client").download("vendor/app.bin") == b"app"


def test_what_others_left_waiting_is_no_concern_of_a_command(vendor: Path, tmp_path: Path, cli: Cli) -> None:
    """Exit code 4 says that something of this very command waits, whether it changed anything or was run once more."""
    add = ("artifact", "add", tmp_path / "app.bin", "--prefix")
    sync = ("artifact", "sync", tmp_path / "dist", "--keep", "--prefix")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/x.bin").write_bytes(b"x")
    for _ in range(2):
        assert cli(*add, "vendor").code == 4
        assert cli(*add, "other").code == 0
        assert cli(*sync, "vendor").code == 4
        assert cli(*sync, "synced").code == 0
        assert cli(*sync, "vendor", "--checksum").code == 4
    assert cli("artifact", "remove", "other/app.bin").code == 0
    assert cli("artifact", "remove", "vendor/app.bin").code == 4
    assert cli("publish").code == 4


def test_yes_to_something_else_gives_up_no_signatures(
    vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody signed stays when more is accepted, synchronised or removed with --yes; publish --yes drops it."""
    assert cli("key", "add", "otto", _public_key(tmp_path, cli)).code == 0
    both = ("--signer", "vera", "--signer", "otto", "--threshold", "2")
    assert cli("delegation", "add", "pair", "--path", "pair/*", *both, "--yes").code == 4
    for name in ("vera", "otto"):
        _signs(name, "pair-v1", tmp_path, cli, monkeypatch)
    (tmp_path / "dist").mkdir()
    for name in ("one", "two"):
        (tmp_path / "dist" / name).write_bytes(name.encode())
    assert cli("artifact", "add", tmp_path / "dist", "--prefix", "pair").code == 4
    _signs("vera", "pair-v2", tmp_path, cli, monkeypatch)
    (tmp_path / "dist/three").write_bytes(b"three")
    for argv in (
        ("artifact", "sync", tmp_path / "dist", "--prefix", "pair", "--yes"),
        ("artifact", "add", tmp_path / "app.bin", "--prefix", "pair", "--yes"),
        ("artifact", "remove", "pair/one", "--yes"),
    ):
        assert cli(*argv).code == 4
        (waits,) = cli("event", "list", "--json").document["events"]
        assert (waits["name"], [each["key"] for each in waits["signatures"]]) == ("pair-v2", ["vera"])
    assert cli("publish", "--yes").code == 4
    (waits,) = cli("event", "list", "--json").document["events"]
    assert (waits["name"], waits["signatures"]) == ("pair-v3", [])


def _public_key(tmp_path: Path, cli: Cli) -> Path:
    """The public half of a key whose private one is in the directory otto."""
    (tmp_path / "otto").mkdir()
    assert cli("key", "generate", "otto", "--unencrypted", "--in", tmp_path / "otto").code == 0
    return tmp_path / "otto/otto.pub"


def _signs(name: str, event: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / f"{name}-{event}.rstuf"
    assert cli("bundle", "export", event, "-o", bundle).code == 0
    assert cli("bundle", "import", elsewhere(tmp_path, name, bundle, monkeypatch)).code in {0, 4}


def test_delegations_that_wait_are_listed_as_such(vendor: Path, cli: Cli) -> None:
    """Below what clients see, with who is missing; the command that shows it works."""
    assert cli("delegation", "add", "else", "--path", "else/*", "--signer", "vera", "--yes").code == 4
    done = cli("delegation", "list")
    assert done.code == 0
    assert "else/*" not in done.out
    assert "! else v1 waits for 1 more signature (signed: online; missing: vera)" in done.out
    assert cli("event", "show", done.out.split()[-1]).code == 0
    document = cli("delegation", "list", "--json").document
    assert ([each["name"] for each in document["delegations"]], document["waiting"]) == (
        ["vendor", "bins"],
        ["else-v1"],
    )


def test_records_that_wait_are_told_however_often_they_are_imported(vendor: Path, tmp_path: Path, cli: Cli) -> None:
    """Once more the same is no change, and clients still do not see it."""
    record = {"path": "vendor/far.bin", "length": 3, "hashes": {"sha256": hashlib.sha256(b"far").hexdigest()}}
    (tmp_path / "records.ndjson").write_text(json.dumps(record) + "\n")
    for _ in range(2):
        assert cli("artifact", "import", tmp_path / "records.ndjson").code == 4
