"""Roots that were signed, and that somebody could use though nobody here wants them any more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tests.cli.conftest import Cli, elsewhere, opened, tree
from tests.cli.test_leaked_keys import commands, problems
from tests.cli.test_recover_keys import new_client

import rstuf
from rstuf.metadata.canonical import canonical


def thief_signs(workspace: Path, name: str, *keys: Path) -> bytes:
    """The root of an event that has ended, with the signatures that it had, and those of these keys."""
    with opened(workspace) as repository:
        event = [view.event for view in repository.events.views(ended=True) if view.event.name == name][-1]
    part = event.parts[0]
    signed = json.loads(part.signed)
    signatures = [{"keyid": each.keyid, "sig": each.sig} for each in part.signatures]
    for key in keys:
        signer = CryptoSigner(load_pem_private_key(key.read_bytes(), None))
        made = signer.sign(canonical(part.signed)).signature
        signatures.append({"keyid": signer.public_key.keyid, "sig": made})
    return json.dumps({"signatures": signatures, "signed": signed}).encode()


def drop_signed(team: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *update: str) -> None:
    """Let bob sign an update of root, and then drop that."""
    (team / "keys/alice.key").rename(team / "alice.away")
    assert cli("root", "update", *update, "--yes").code == 4
    assert signed_by(cli, tmp_path, monkeypatch, "bob") == 4
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    (team / "alice.away").rename(team / "keys/alice.key")


def signed_by(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> int:
    """The open root is signed by some holders elsewhere; how the last import of a signature ended."""
    [event] = [each["name"] for each in cli("event", "list", "--json").document["events"] if each["role"] == "root"]
    bundle, code = tmp_path / f"{event}.rstuf", 0
    bundle.unlink(missing_ok=True)
    for name in names:
        assert cli("bundle", "export", event, "-o", bundle).code == 0
        code = cli("bundle", "import", elsewhere(tmp_path, name, bundle, monkeypatch)).code
        bundle.unlink()
        (tmp_path / name / f"{event}.sig").unlink()
    return code


@pytest.mark.parametrize("update", [("--threshold", "1"), ("--remove", "cleo")])
def test_a_root_that_was_dropped_would_leave_root_to_a_leaked_key(
    team: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: tuple[str, ...]
) -> None:
    """No key is let in, and clients would follow it all the same: every face says what takes its number."""
    drop_signed(team, cli, tmp_path, monkeypatch, *update)
    assert cli("status", "--json").document["loose_roots"] == []
    served = tmp_path / "served"
    shutil.copytree(team, served)
    (served / "metadata/2.root.json").write_bytes(thief_signs(team, "root-v2", team / "keys/alice.key"))
    assert new_client(served, tmp_path / "theirs").refresh().root == 2
    assert cli("key", "revoke", "alice", "--leaked", "--no-sign", "--yes").code == 4
    [loose] = cli("status", "--json").document["loose_roots"]
    assert (loose["event"], loose["leaves"], loose["leaks"][0]["key"]) == ("root-v2", ["root"], "alice")
    told = "it takes the number of one that leaves root to alice, which leaked"
    assert told in " ".join(cli("status").out.split())
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    again = "rstuf key revoke alice --leaked"
    assert (commands(cli("status", "--json")), problems(cli)) == ([again], {"leaked-key": again})
    assert told in " ".join(cli("status").out.split())
    assert cli(*again.split()[1:], "--yes").code == 4
    assert signed_by(cli, tmp_path, monkeypatch, "bob", "cleo") == 0
    assert (cli("status", "--json").document["loose_roots"], cli("status", "--check").code) == ([], 0)
    assert new_client(team, tmp_path / "new").refresh().root == 2


def test_a_lower_threshold_in_favour_of_a_leaked_key_is_not_proposed(team: Path, cli: Cli) -> None:
    """While one that would suffice for it is listed, others must go on being asked."""
    assert cli("key", "revoke", "alice", "--leaked", "--no-sign", "--yes").code == 4
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    before = tree(team)
    done = cli("root", "update", "--threshold", "1", "--yes")
    assert (done.code, "root would be left to alice" in done.err) == (1, True)
    assert "rstuf key revoke alice --leaked" in done.err
    assert tree(team) == before


def test_a_lower_threshold_older_than_the_leak_is_signed_by_nobody(team: Path, cli: Cli, tmp_path: Path) -> None:
    """Nor is it exported: it would leave root to the key that leaked meanwhile."""
    assert cli("root", "update", "--threshold", "1", "--no-sign", "--yes").code == 4
    with opened(team) as repository:
        repository.events.report_loss("alice", rstuf.Loss.LEAKED)
    for command in (("sign", "root-v2", "--yes"), ("bundle", "export", "root-v2", "-o", tmp_path / "out.rstuf")):
        kept = cli(*command)
        assert (kept.code, "the new root leaves root to alice, which leaked" in kept.err) == (3, True)
        assert "rstuf event cancel root-v2" in kept.err
    assert "root v2 would leave root to alice, which leaked: it must never come out" in " ".join(
        cli("status").out.split()
    )
    assert not (tmp_path / "out.rstuf").exists()
