"""Bundles out of a workspace to holders elsewhere, and signatures back: in any order, good ones and others."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, elsewhere, tree

import rstuf


@pytest.fixture
def exported(waiting: Path, tmp_path: Path, cli: Cli) -> Path:
    """The bundle of root v2, carried away."""
    bundle = tmp_path / "root-v2.rstuf"
    done = cli("bundle", "export", "root-v2", "-o", bundle)
    assert done.code == 0, done.err
    return bundle


def test_a_bundle_is_written_once(waiting: Path, cli: Cli) -> None:
    """By default it is named for its event; the same again is no harm, and no other file is overwritten."""
    done = cli("bundle", "export", "root-v2")
    assert done.code == 0, done.err
    bundle = rstuf.parse_bundle((waiting / "root-v2.rstuf").read_bytes())
    assert bundle.code in done.out
    assert "✓ root-v2 for bob or cleo: root-v2.rstuf, " in done.out
    assert cli("bundle", "export", "root").code == 0
    (waiting / "root-v2.rstuf").write_bytes(b"something else")
    refused = cli("bundle", "export", "root-v2")
    assert (refused.code, refused.out) == (1, "")
    assert "root-v2.rstuf is there already, with other contents\nhint:  move it away" in refused.err
    assert (waiting / "root-v2.rstuf").read_bytes() == b"something else"


def test_a_bundle_goes_to_stdout_alone(waiting: Path, cli: Cli) -> None:
    """`-o -` writes the bundle byte for byte and nothing else; beside a document there is no place for it."""
    done = cli("bundle", "export", "root-v2", "-o", "-")
    assert rstuf.parse_bundle(done.out_bytes).event == "root-v2"
    assert cli("bundle", "export", "root-v2", "-o", "-", "--json").code == 2
    document = cli("bundle", "export", "root-v2", "--json").document
    assert document["missing"] == ["alice", "bob", "cleo"]
    assert document["bytes"] == len(done.out_bytes)


def test_only_roots_that_are_there_are_packed(waiting: Path, cli: Cli) -> None:
    """`--since` names the oldest root of the chain; one that is not there is refused, and no file is left."""
    before = tree(waiting)
    for version in ("0", "2", "99"):
        assert cli("bundle", "export", "root-v2", "--since", version).code == 1
    unknown = cli("bundle", "export", "root-v9")
    assert (unknown.code, unknown.err) == (
        1,
        "error: no signing event root-v9 is open\nhint:  open now: root-v2\n",
    )
    assert tree(waiting) == before


def test_what_two_holders_sign_elsewhere_is_published(
    exported: Path, waiting: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signatures come back one by one, each from a machine with a record of its own; the last one publishes root."""
    bob = elsewhere(tmp_path, "bob", exported, monkeypatch)
    cleo = elsewhere(tmp_path, "cleo", exported, monkeypatch)
    first = cli("bundle", "import", cleo)
    assert first.code == 4, first.err
    assert f"✓ root-v2: taken from cleo  ({cleo})\n" in first.out
    assert "! root v2 waits for 1 more signature (signed: cleo; missing: alice or bob)\n" in first.out
    again = cli("bundle", "import", cleo)
    assert (again.code, "the signature of cleo was here already" in again.out) == (4, True)
    last = cli("bundle", "import", bob, "--json")
    assert (last.code, last.err) == (0, "")
    assert [each["outcome"] for each in last.document["signatures"]] == ["added"]
    assert [(each["event"], each["published"]) for each in last.document["completed"]] == [("root-v2", True)]
    assert (waiting / "metadata" / "2.root.json").exists()
    late = cli("bundle", "import", bob)
    assert (late.code, "the signature of bob is not needed any more" in late.out) == (0, True)
    assert cli("verify").code == 0


def test_what_a_signer_brings_again_is_not_needed(
    team: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may sign only by a root that still waits is no stranger to targets that are out already, nor once it went."""
    assert cli("key", "generate", "tom", "--unencrypted").code == 0
    (tmp_path / "tom").mkdir()
    (team / "keys" / "tom.key").rename(tmp_path / "tom" / "tom.key")
    pair = ("root", "update", "--role", "targets", "--add", "tom", "--remove", "online", "--yes")
    assert cli(*pair).code == 4
    bundle = tmp_path / "targets-v2.rstuf"
    assert cli("bundle", "export", "targets-v2", "-o", bundle).code == 0
    tom = elsewhere(tmp_path, "tom", bundle, monkeypatch)
    assert [each["published"] for each in cli("bundle", "import", tom, "--json").document["completed"]] == [True]
    for _ in ("root v2 waits", "root v2 was cancelled"):
        again = cli("bundle", "import", tom)
        assert (again.code, "targets-v2: the signature of tom is not needed any more" in again.out) == (0, True)
        cli("event", "cancel", "root-v2", "--yes")


def test_good_ones_are_taken_although_others_are_refused(
    exported: Path, waiting: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged signature, a file that is none and one that is missing are told each with a reason; the rest counts."""
    bob = elsewhere(tmp_path, "bob", exported, monkeypatch)
    cleo = elsewhere(tmp_path, "cleo", exported, monkeypatch)
    document = json.loads(cleo.read_bytes())
    document["signatures"][0]["sig"] = "00" * 64
    damaged = tmp_path / "damaged.sig"
    damaged.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True))
    (tmp_path / "note.txt").write_text("hello")
    done = cli("bundle", "import", damaged, tmp_path / "note.txt", bob, tmp_path / "gone.sig", tmp_path)
    assert done.code == 1
    assert f"✓ root-v2: taken from bob  ({bob})\n" in done.out
    assert "the signature of cleo is refused: it does not verify with the key that it names" in done.err
    assert "note.txt: it is neither a signature nor a bundle" in done.err
    assert "gone.sig" in done.err
    assert done.err.count("error: ") == 4
    as_data = cli("bundle", "import", damaged, bob, tmp_path / "gone.sig", "--json")
    assert (as_data.code, as_data.err) == (1, "")
    assert [each["outcome"] for each in as_data.document["signatures"]] == ["refused", "known"]
    assert [each["file"] for each in as_data.document["refused"]] == [str(tmp_path / "gone.sig")]


def test_a_bundle_brings_the_signatures_in_it(
    exported: Path, waiting: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that was exported after some had signed carries theirs to a copy of the workspace without them."""
    assert cli("bundle", "import", exported).out == f"  {exported}: nobody has signed that bundle yet\n"
    copy = tmp_path / "copy"
    shutil.copytree(waiting, copy)
    cli("bundle", "import", elsewhere(tmp_path, "bob", exported, monkeypatch))
    whole = tmp_path / "whole.rstuf"
    cli("bundle", "export", "root-v2", "-o", whole)
    done = cli("--repo", copy, "bundle", "import", whole)
    assert (done.code, f"✓ root-v2: taken from bob  ({whole})" in done.out) == (4, True)


def test_a_picture_brings_what_its_code_holds(
    exported: Path, waiting: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The QR code of a signature, as a picture, is as good as its file; a picture without one is refused."""
    bob = elsewhere(tmp_path, "bob", exported, monkeypatch)
    rstuf.write_qr(bob.read_bytes(), tmp_path / "bob.png")
    done = cli("bundle", "import", tmp_path / "bob.png")
    assert done.code == 4, done.err
    assert "✓ root-v2: taken from bob" in done.out
    (tmp_path / "torn.png").write_bytes((tmp_path / "bob.png").read_bytes()[:200])
    assert cli("bundle", "import", tmp_path / "torn.png").code == 1


def test_what_was_cancelled_is_told_apart(
    exported: Path, waiting: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature for an event that was dropped meanwhile is refused with that reason, and counts for nothing."""
    bob = elsewhere(tmp_path, "bob", exported, monkeypatch)
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    done = cli("bundle", "import", bob)
    assert (done.code, done.out) == (1, "")
    assert "the signature of bob is refused: root-v2 was cancelled meanwhile" in done.err
    assert "hint:  export the bundle of what is open now" in done.err


def test_a_file_without_end_is_not_read_to_its_end(waiting: Path, cli: Cli) -> None:
    """What is too large for a bundle or a picture is refused by its size."""
    with (waiting / "huge").open("wb") as file:
        file.truncate(20_000_000)
    done = cli("bundle", "import", "huge")
    assert (done.code, "it has more than 10000000 bytes" in done.err) == (1, True)


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_file_is_refused_at_once(kind: str, waiting: Path, cli: Cli) -> None:
    """A directory and a pipe that nobody writes to are refused alike by whoever reads them, and nobody waits."""
    place = waiting / "odd"
    place.mkdir() if kind == "directory" else os.mkfifo(place)
    for command in (("import", place), ("inspect", place), ("sign", place, "--key", "x", "--yes", "--code", "x")):
        done = cli("bundle", *command)
        assert done.code == 1
        assert re.search("odd: it is (a directory|not a regular file)\n", done.err)


def test_a_bundle_with_a_blank_in_its_name(waiting: Path, cli: Cli) -> None:
    """The command for its signer is one that a shell understands."""
    done = cli("bundle", "export", "root-v2", "-o", "my bundle.rstuf")
    assert "\n  rstuf bundle sign 'my bundle.rstuf' --key KEY\n" in done.out


def test_a_ceremony_that_waits_ends_with_the_last_signature(
    team: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first root goes out to holders who were away at the ceremony; the last signature to come back publishes."""
    here = tmp_path / "fresh"
    plan = (tmp_path / "plan.toml").read_text()
    for name in ("bob", "cleo"):
        shutil.copy(team / "keys" / f"{name}.pub", tmp_path / f"{name}.pub")
        plan = plan.replace(
            f'[keys.{name}]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/{name}.key"\n',
            f'[keys.{name}]\npublic = "{name}.pub"\n',
        )
    (tmp_path / "away.toml").write_text(plan)
    held = cli("--repo", here, "ceremony", "--plan", tmp_path / "away.toml")
    assert held.code == 4, held.err
    bundle = tmp_path / "root-v1.rstuf"
    assert cli("--repo", here, "bundle", "export", "root-v1", "-o", bundle).code == 0
    assert "the first root" in cli("--repo", here, "event", "show", "root-v1").out
    assert cli("--repo", here, "sign").code == 4
    sig = elsewhere(tmp_path, "bob", bundle, monkeypatch)
    done = cli("--repo", here, "bundle", "import", sig)
    assert done.code == 0, done.err
    assert "✓ root v1 has all its signatures, and is published\n" in done.out
    assert cli("--repo", here, "verify").code == 0
