"""`delegation accept`: what a delegate signed on their own machine, with a tool of their own, is published as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, as_person, tree
from tests.support.clients import Client, directory_site
from tests.support.elsewhere import Delegate

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import prompts

NEW = {"vendor/app.bin": b"app", "vendor/lib.bin": b"lib"}


@pytest.fixture
def vera(filled: Path, tmp_path: Path, cli: Cli) -> Delegate:
    """vendor is hers: the workspace has her public key alone, and she signed the first version from its bundle."""
    vera = Delegate(tmp_path / "vera", "vera")
    assert cli("key", "add", "vera", vera.public).code == 0
    waits = cli("delegation", "add", "vendor", "--path", "vendor/*", "--signer", "vera", "--yes")
    assert waits.code == 4, waits.err
    bundle = vera.home / "vendor-v1.rstuf"
    assert cli("bundle", "export", "vendor-v1", "-o", bundle).code == 0
    (vera.home / "vera.sig").write_bytes(vera.detached(rstuf.parse_bundle(bundle.read_bytes()), "vendor"))
    brought = cli("bundle", "import", vera.home / "vera.sig")
    assert brought.code == 0, brought.err
    return vera


def client(workspace: Path, memory: Path) -> Client:
    """A stock client that began with the first root."""
    site = directory_site(workspace / "metadata", workspace / "targets")
    return Client(memory, site, root=(workspace / "metadata" / "1.root.json").read_bytes(), now=SystemClock().now())


def test_a_role_comes_and_goes_by_its_delegate_alone(vera: Delegate, filled: Path, tmp_path: Path, cli: Cli) -> None:
    """Its bytes are published as they are, contents come with it, and everything here says so."""
    warm = client(filled, tmp_path / "warm")
    warm.refresh()
    file = vera.signs("vendor", 2, NEW, now=SystemClock().now())
    shown = cli("delegation", "accept", file, "--contents", vera.home / "contents", "--dry-run")
    assert shown.code == 0, shown.err
    assert "adds       2 artifacts: vendor/app.bin and vendor/lib.bin" in shown.out
    before = tree(filled)
    refused = cli("delegation", "accept", file)
    assert refused.code == 3
    assert "the contents of vendor/app.bin, vendor/lib.bin are not here" in " ".join(refused.err.split())
    assert tree(filled / "metadata") == {
        name.removeprefix("metadata/"): each for name, each in before.items() if name.startswith("metadata/")
    }
    done = cli("delegation", "accept", file, "--contents", vera.home / "contents")
    assert done.code == 0, done.err
    assert "vendor v2 has all its signatures, and is published" in done.out
    assert (filled / "metadata" / "2.vendor.json").read_bytes() == file.read_bytes()
    for judge in (warm, client(filled, tmp_path / "cold")):
        judge.refresh()
        assert {path: judge.download(path) for path in NEW} == NEW
    assert cli("artifact", "list", "--prefix", "vendor").out.count("published") == 2
    again = cli("delegation", "accept", file)
    assert (again.code, "clients see just that already" in again.out) == (0, True)
    assert "vendor accepted as it was signed elsewhere, vendor-v2: 2 artifacts added" in cli("log").out
    assert "vendor-v2  what it lists, as it was made elsewhere, published" in cli("event", "list", "--all").out
    assert cli("verify", "--full").code == 0
    assert cli("renew").code == 0
    assert cli("publish").code == 0
    fewer = vera.signs("vendor", 3, {"vendor/lib.bin": b"another"}, now=SystemClock().now())
    done = cli("delegation", "accept", fewer, "--contents", vera.home / "contents", "--json")
    assert done.code == 0, done.err
    said = done.document
    assert (said["role"], said["version"], said["previous"]) == ("vendor", 3, 2)
    assert (said["replaced"], said["removed"], said["contents"]) == (["vendor/lib.bin"], ["vendor/app.bin"], 1)
    assert said["completed"]["published"] is True
    warm.refresh()
    assert warm.find("vendor/app.bin") is None
    assert warm.download("vendor/lib.bin") == b"another"


def test_what_says_nothing_of_its_role_is_asked_for_it(vera: Delegate, cli: Cli) -> None:
    """The file's name says it, or the option does; a name that says another version or role is refused."""
    file = vera.signs("vendor", 2, NEW, now=SystemClock().now())
    plain = file.rename(vera.home / "metadata.bin")
    assert "--role NAME" in cli("delegation", "accept", plain, "--no-contents").err
    other = vera.home / "3.vendor.json"
    other.write_bytes(plain.read_bytes())
    refused = cli("delegation", "accept", other, "--no-contents")
    assert "its name says version 3, and it is version 2" in refused.err
    other = vera.home / "bins.json"
    other.write_bytes(plain.read_bytes())
    assert "shares its artifacts out over bins" in cli("delegation", "accept", other).err
    other = vera.home / "targets.json"
    other.write_bytes(plain.read_bytes())
    assert cli("delegation", "accept", other).code == 1
    done = cli("delegation", "accept", plain, "--role", "vendor", "--no-contents")
    assert done.code == 0, done.err


def test_files_that_are_none_are_refused(vera: Delegate, cli: Cli, tmp_path: Path) -> None:
    """What is missing, no regular file or too large, a signature, a bundle that was made here, and hostile text."""
    assert "missing" in cli("delegation", "accept", "missing.json").err
    assert cli("delegation", "accept", vera.home).code in {1, 6}
    large = tmp_path / "vendor.json"
    large.write_bytes(b" " * 8_000_001)
    assert "it has more than 8 000 000 bytes" in cli("delegation", "accept", large).err
    assert "rstuf bundle import" in cli("delegation", "accept", vera.home / "vera.sig").err
    assert "rstuf bundle import" in cli("delegation", "accept", vera.home / "vendor-v1.rstuf").err
    file = vera.signs("vendor", 2, {"vendor/\x1b[31mred": b"x", "vendor/\u202eevil": b"y"}, now=SystemClock().now())
    refused = cli("delegation", "accept", file)
    assert refused.code == 3
    assert "\x1b" not in refused.err
    assert "\u202e" not in refused.err
    as_data = cli("delegation", "accept", file, "--json")
    assert as_data.document["error"]["code"] == "delivery-refused"


def test_changes_that_wait_here_are_given_up_on_purpose(
    vera: Delegate, filled: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named and asked about; with nobody to ask they stay, and what was brought is refused."""
    (tmp_path / "here.bin").write_bytes(b"here")
    assert cli("artifact", "add", tmp_path / "here.bin", "--prefix", "vendor").code == 4
    taken = vera.signs("vendor", 2, NEW, now=SystemClock().now())
    refused = cli("delegation", "accept", taken, "--no-contents")
    assert "version 2 of vendor has other contents: vendor-v2, opened by" in " ".join(refused.err.split())
    assert "rstuf delegation prepare vendor --version 3" in " ".join(refused.err.split())
    file = vera.signs("vendor", 3, NEW, now=SystemClock().now())
    refused = cli("delegation", "accept", file, "--no-contents")
    assert refused.code == 3
    assert "1 change accepted here, of vendor/here.bin: not in it, and gone with it" in " ".join(refused.err.split())
    assert "or let them go: --yes" in refused.err
    assert "awaiting" in cli("artifact", "list", "--prefix", "vendor").out
    with monkeypatch.context() as patch:
        asked = as_person(patch, says=False)
        assert cli("delegation", "accept", file, "--no-contents").code == 3
        assert asked == ["let them go?"]
    done = cli("delegation", "accept", file, "--no-contents", "--yes")
    assert done.code == 0, done.err
    assert "here.bin" not in cli("artifact", "list", "--prefix", "vendor").out
    assert cli("event", "list", "--json").document["events"] == []
    assert cli("publish").code == 0
    assert cli("verify").code == 0


def test_nobody_is_asked_where_nobody_is(
    vera: Delegate, filled: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signatures that would go take a person who types it, or --yes; a dry run names them, and what is lost."""
    assert cli("key", "generate", "here", "--unencrypted").code == 0
    signers = ["--signer", "vera", "--signer", "here", "--threshold", "2"]
    assert cli("delegation", "update", "vendor", *signers, "--yes").code == 4
    assert cli("bundle", "export", "vendor-v2", "-o", "../v2.rstuf").code == 0
    bundle = rstuf.parse_bundle(Path("../v2.rstuf").read_bytes())
    (vera.home / "v2.sig").write_bytes(vera.detached(bundle, "vendor"))
    assert cli("bundle", "import", vera.home / "v2.sig").code == 0
    (tmp_path / "here.bin").write_bytes(b"here")
    assert cli("artifact", "add", tmp_path / "here.bin", "--prefix", "vendor").code == 4
    assert cli("sign", "vendor-v3", "--yes", "--holder-dir", tmp_path / "record").code == 4
    file = vera.signs("vendor", 4, NEW, now=SystemClock().now())
    dry = cli("delegation", "accept", file, "--dry-run")
    assert "1 change accepted here, of vendor/here.bin: not in it, and gone with it" in " ".join(dry.err.split())
    assert "vendor-v3 waits already, with the signature of here; this would drop it" in " ".join(dry.err.split())
    said = cli("delegation", "accept", file, "--dry-run", "--json").document
    assert said["lost"] == ["vendor/here.bin"]
    assert [(each["event"], each["signed"]) for each in said["dropped"]] == [("vendor-v3", ["here"])]
    # There is a terminal, which is no reason to ask on it when data is wanted.
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    refused = cli("delegation", "accept", file, "--no-contents", "--json")
    assert refused.code == 2
    assert "there is nobody to ask whether that is meant" in refused.document["error"]["message"]
    monkeypatch.setattr(prompts, "person_is_there", lambda: False)
    refused = cli("delegation", "accept", file, "--no-contents")
    assert (refused.code, "--yes says that it is meant" in refused.err) == (2, True)
    assert [each["name"] for each in cli("event", "list", "--json").document["events"]] == ["vendor-v3"]
    assert cli("delegation", "accept", file, "--no-contents", "--yes").code == 4


def test_what_a_leaked_key_signed_takes_a_yes(vera: Delegate, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unattended it is refused; a person is asked."""
    assert cli("key", "revoke", "vera", "--leaked", "--yes").code == 4
    file = vera.signs("vendor", 2, NEW, now=SystemClock().now())
    shown = cli("delegation", "accept", file, "--no-contents", "--dry-run", "--json").document
    assert [each["key"] for each in shown["leaked"]] == ["vera"]
    refused = cli("delegation", "accept", file, "--no-contents")
    assert refused.code == 3
    assert "without vera, whose key leaked, too few have signed it" in " ".join(refused.err.split())
    with monkeypatch.context() as patch:
        asked = as_person(patch, says=False)
        assert cli("delegation", "accept", file, "--no-contents").code == 3
        assert asked == ["is it really theirs?"]
    assert cli("delegation", "accept", file, "--no-contents", "--yes").code == 0


def test_below_the_threshold_it_waits_for_the_others(
    vera: Delegate, filled: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second delegate signs what the first has made: from a bundle of it, or in a file of their own."""
    victor = Delegate(tmp_path / "victor", "victor")
    assert cli("key", "add", "victor", victor.public).code == 0
    signers = ["--signer", "vera", "--signer", "victor", "--threshold", "2"]
    assert cli("delegation", "update", "vendor", *signers, "--yes").code == 4
    assert cli("bundle", "export", "vendor-v2", "-o", "../v2.rstuf").code == 0
    bundle = rstuf.parse_bundle(Path("../v2.rstuf").read_bytes())
    for each in (vera, victor):
        (each.home / "v2.sig").write_bytes(each.detached(bundle, "vendor"))
        assert cli("bundle", "import", each.home / "v2.sig").code in {0, 4}
    file = vera.signs("vendor", 3, NEW, now=SystemClock().now())
    waits = cli("delegation", "accept", file, "--contents", vera.home / "contents")
    assert waits.code == 4, waits.err
    assert "vendor v3 waits for 1 more signature (signed: vera; missing: victor)" in " ".join(waits.out.split())
    assert "rstuf bundle export vendor-v3" in " ".join((waits.out + waits.err).split())
    (event,) = cli("event", "list", "--json").document["events"]
    assert (event["name"], event["kind"]) == ("vendor-v3", "brought")
    # What one of two says is no artifact of this repository yet.
    assert cli("artifact", "list", "--prefix", "vendor").out == ""
    assert "vendor-v3" in cli("status").out
    assert cli("bundle", "export", "vendor-v3", "-o", "../v3.rstuf").code == 0
    (victor.home / "v3.sig").write_bytes(
        victor.detached(rstuf.parse_bundle(Path("../v3.rstuf").read_bytes()), "vendor")
    )
    done = cli("bundle", "import", victor.home / "v3.sig")
    assert done.code == 0, done.err
    assert client(filled, tmp_path / "client").download("vendor/app.bin") == b"app"
    both = vera.signs("vendor", 4, {}, now=SystemClock().now(), others=[victor])
    done = cli("delegation", "accept", both)
    assert done.code == 0, done.err
    assert (filled / "metadata" / "4.vendor.json").read_bytes() == both.read_bytes()
    waits = cli("delegation", "accept", vera.signs("vendor", 5, NEW, now=SystemClock().now()))
    assert waits.code == 4, waits.err
    (step,) = cli("event", "cancel", "vendor-v5", "--yes", "--json").document["next_steps"]
    assert step["command"] == "rstuf delegation accept FILE"


def test_an_expiry_that_the_policy_does_not_know_is_refused(vera: Delegate, cli: Cli) -> None:
    """Past, or further away than the role lives; one so near that it is due at once is told."""
    for days, words in ((-1, "it expired at"), (4000, "vendor lives for 365d at most")):
        refused = cli("delegation", "accept", vera.signs("vendor", 2, {}, now=SystemClock().now(), days=days))
        assert refused.code == 3
        assert words in " ".join(refused.err.split())
    assert "--expires 365d" in " ".join(refused.err.split())
    near = cli("delegation", "accept", vera.signs("vendor", 2, {}, now=SystemClock().now(), days=20))
    assert near.code == 0, near.err
    assert "it is due at once: vendor is due" in " ".join(near.err.split())


def test_a_state_that_is_made_anew_knows_what_was_brought(
    vera: Delegate, filled: Path, tmp_path: Path, cli: Cli
) -> None:
    """From what is published alone; the delegate goes on above it."""
    accepted = vera.signs("vendor", 2, NEW, now=SystemClock().now())
    assert cli("delegation", "accept", accepted, "--contents", vera.home / "contents").code == 0
    for lost in filled.glob("state.db*"):
        lost.unlink()
    done = cli("recover", "state", "--yes")
    assert done.code == 0, done.err
    assert cli("artifact", "list", "--prefix", "vendor").out.count("published") == 2
    assert cli("verify", "--full").code == 0
    more = vera.signs("vendor", 20_000, {"vendor/more.bin": b"more"}, now=SystemClock().now())
    done = cli("delegation", "accept", more, "--contents", vera.home / "contents")
    assert done.code == 0, done.err
    assert client(filled, tmp_path / "client").download("vendor/more.bin") == b"more"
    assert cli("prune", "--keep", "1", "--days", "0", "--yes").code == 0
    assert cli("lint").code == 0
    assert json.loads((filled / "metadata" / "20000.vendor.json").read_text())["signed"]["version"] == 20_000


def test_everything_here_reads_what_another_tool_wrote(vera: Delegate, filled: Path, cli: Cli) -> None:
    """Whatever looks at a role finds it well, in a form that rstuf does not write; and clients that must be able to."""
    file = vera.signs("vendor", 2, NEW, now=SystemClock().now())
    assert file.read_bytes().startswith(b'{\n "signatures"')
    words = ("--contents", vera.home / "contents", "--compat", "tuf-js", "--compat", "python-tuf")
    done = cli("delegation", "accept", file, *words)
    assert done.code == 0, done.err
    for argv in (
        ("status",),
        ("verify", "--full", "--artifacts"),
        ("doctor",),
        ("lint", "--compat", "tuf-js"),
        ("log", "--verify"),
        ("event", "list", "--all"),
        ("key", "list"),
        ("delegation", "list"),
        ("delegation", "why", "vendor/app.bin"),
        ("artifact", "why", "vendor/app.bin"),
        ("artifact", "export"),
        ("bins", "advise"),
        ("renew", "--force", "bins"),
        ("prune", "--keep", "1", "--days", "0", "--yes"),
        ("artifact", "list"),
        ("verify", "--full"),
    ):
        done = cli(*argv)
        assert done.code == 0, (argv, done.out, done.err)
    (filled / "metadata" / "2.vendor.json").unlink()
    assert cli("publish").code == 0
    assert (filled / "metadata" / "2.vendor.json").read_bytes() == file.read_bytes()


def test_who_is_here_signs_what_was_brought(vera: Delegate, filled: Path, tmp_path: Path, cli: Cli) -> None:
    """One delegate works at the workspace: what the other brought waits for them, is shown and signed."""
    assert cli("key", "generate", "here", "--unencrypted").code == 0
    signers = ["--signer", "vera", "--signer", "here", "--threshold", "2"]
    assert cli("delegation", "update", "vendor", *signers, "--yes").code == 4
    assert cli("bundle", "export", "vendor-v2", "-o", "../v2.rstuf").code == 0
    bundle = rstuf.parse_bundle(Path("../v2.rstuf").read_bytes())
    (vera.home / "v2.sig").write_bytes(vera.detached(bundle, "vendor"))
    assert cli("bundle", "import", vera.home / "v2.sig").code == 0
    file = vera.signs("vendor", 3, NEW, now=SystemClock().now())
    waits = cli("delegation", "accept", file, "--contents", vera.home / "contents")
    assert waits.code == 4, waits.err
    assert "rstuf sign vendor-v3" in " ".join((waits.out + waits.err).split())
    # Nobody signs it by the way.
    assert cli("publish").code == 0
    assert cli("renew").code == 0
    (event,) = cli("event", "list", "--json").document["events"]
    assert [each["key"] for each in event["signatures"]] == ["vera"]
    done = cli("sign", "vendor-v3", "--yes", "--holder-dir", tmp_path / "record")
    assert done.code == 0, done.err
    assert client(filled, tmp_path / "client").download("vendor/lib.bin") == b"lib"


def test_a_delegation_that_changes_gives_up_what_was_brought(vera: Delegate, cli: Cli, tmp_path: Path) -> None:
    """What waits for the keys that there were is named before it goes; and other keys refuse the old signatures."""
    victor = Delegate(tmp_path / "victor", "victor")
    assert cli("key", "add", "victor", victor.public).code == 0
    update = ("delegation", "update", "vendor", "--signer", "victor", "--yes")
    assert cli(*update).code == 4
    refused = cli("delegation", "accept", vera.signs("vendor", 3, {}, now=SystemClock().now()))
    assert refused.code == 1
    assert "vendor-v2 waits for signatures already" in " ".join(refused.err.split())
    assert cli("bundle", "export", "vendor-v2", "-o", "../v2.rstuf").code == 0
    bundle = rstuf.parse_bundle(Path("../v2.rstuf").read_bytes())
    (victor.home / "v2.sig").write_bytes(victor.detached(bundle, "vendor"))
    assert cli("bundle", "import", victor.home / "v2.sig").code == 0
    refused = cli("delegation", "accept", vera.signs("vendor", 3, {}, now=SystemClock().now()))
    assert refused.code == 3
    assert "it is signed by vera, which may not sign vendor" in refused.err
    assert cli("delegation", "accept", victor.signs("vendor", 3, {}, now=SystemClock().now())).code == 0
    assert cli("verify", "--full").code == 0
