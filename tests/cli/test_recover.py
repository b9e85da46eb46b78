"""`rstuf recover …`: what is serious is asked for by name, and ends in a repository that clients follow."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tests.cli.conftest import Cli, tree
from tests.cli.test_recover_keys import thief_in
from tests.cli.test_root import refreshed
from tests.support.person import ENTER, Person
from tests.support.thieves import FARTHEST, Depth
from tuf.api.metadata import Metadata, Root


@pytest.fixture
def put_back(filled: Path, cli: Cli, tmp_path: Path) -> Path:
    """A workspace whose state was put back from a copy, while what it serves went on."""
    shutil.copy(filled / "state.db", tmp_path / "copy.db")
    (tmp_path / "later.txt").write_text("after the copy")
    assert cli("artifact", "add", tmp_path / "later.txt").code == 0
    for suffix in ("-wal", "-shm"):
        (filled / f"state.db{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.db", filled / "state.db")
    return filled


def test_what_refuses_an_old_copy_names_the_way_on(put_back: Path, cli: Cli) -> None:
    """The error leads to the command, the command asks, and afterwards all is well."""
    before = tree(put_back)
    refused = cli("publish")
    assert refused.code == 1
    assert "rstuf recover copy" in refused.err
    unasked = cli("recover", "copy")
    assert (unasked.code, unasked.out) == (2, "")
    assert "--yes" in unasked.err
    assert tree(put_back) == before
    done = cli("recover", "copy", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.document["timestamp_version"] > 10_000
    assert cli("verify", "--full").code == 0
    assert cli("status", "--check").code == 0
    assert cli("artifact", "list", "--json").document["artifacts"][0]["path"] == "a.txt"


def test_names_that_were_used_are_gone_above(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """What lies under names further up counts where it is rightly signed, though nothing visible leads to it."""
    visible = (filled / "metadata/timestamp.json").read_bytes()
    thief = thief_in(filled)
    thief.version = 25_000
    thief.publishes(Depth.BINS)
    warm = refreshed(filled, tmp_path)
    (filled / "metadata/timestamp.json").write_bytes(visible)
    for name in ("snapshot", "targets", "bins-0"):
        (filled / f"metadata/{FARTHEST}.{name}.json").write_bytes(b"{}")
    done = cli("recover", "copy", "--yes", "--json")
    assert done.code == 0, done.err
    versions = {role["name"]: role["version"] for role in done.document["roles"]}
    assert set(versions.values()) == {35_001}
    assert cli("verify").code == 0
    assert warm.copy(tmp_path / "later").refresh().timestamp == 35_001


def test_looking_at_an_old_copy_names_the_way_on(put_back: Path, cli: Cli) -> None:
    """Status and verify send nobody in a circle: the newest copy, and what to do where there is none."""
    seen, verified = cli("status"), cli("verify")
    for shown in (seen.out, verified.out + verified.err):
        assert "put back the newest copy" in shown
        assert "rstuf recover copy" in shown
        assert "somebody else has the online key" in " ".join(shown.split())
    steps = [step["command"] for step in cli("status", "--json").document["next_steps"]]
    assert steps == ["put back the newest copy", "rstuf recover online-key NAME --leaked", "rstuf recover copy"]
    findings = cli("doctor", "--json").document["findings"]
    assert {finding["code"] for finding in findings} == {"state-behind", "state-disagrees"}
    assert all(finding["mend"].startswith("put back the newest copy") for finding in findings)


def test_a_newer_root_is_never_in_the_way(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Clients have followed it: nothing says to move it away, and the way on that is told leads on."""
    warm = refreshed(filled, tmp_path)
    shutil.copy(filled / "state.db", tmp_path / "copy.db")
    assert cli("renew", "--force", "root").code == 0
    later = warm.copy(tmp_path / "later")
    assert later.refresh().root == 2
    for path in filled.glob("state.db*"):
        path.unlink()
    shutil.copy(tmp_path / "copy.db", filled / "state.db")
    for document in (
        cli("doctor", "--json").document,
        cli("status", "--json").document,
        cli("verify", "--json").document,
    ):
        assert "2.root.json" not in str([each.get("mend", each.get("command")) for each in commands_in(document)])
    steps = [step["command"] for step in cli("status", "--json").document["next_steps"]]
    assert (steps[0], steps[2]) == ("put back the newest copy", "rstuf recover root-keys")
    assert cli("recover", "copy", "--yes").code == 1
    aside, made = steps[1].rsplit(" && ", 1)
    subprocess.run(aside, shell=True, cwd=filled, check=True)
    assert made == "rstuf recover state"
    assert cli("recover", "state", "--yes").code == 0
    (tmp_path / "new.txt").write_text("goes on")
    assert cli("artifact", "add", tmp_path / "new.txt").code == 0
    assert cli("verify").code == 0
    for client in (warm, later):
        client.refresh()
        assert client.download("new.txt") == b"goes on"


def commands_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What a document says is to be done."""
    return [*document.get("findings", ()), *document.get("next_steps", ())]


def test_a_root_that_does_not_sign_itself_is_in_the_way(filled: Path, cli: Cli) -> None:
    """Signed by the old side alone no client gets past it, whoever has the keys."""
    stranger = CryptoSigner.generate_ed25519().public_key
    root = Metadata[Root].from_bytes((filled / "metadata/1.root.json").read_bytes())
    root.signed.version = 2
    for old in list(root.signed.roles["root"].keyids):
        root.signed.revoke_key(old, "root")
    root.signed.add_key(stranger, "root")
    signer = CryptoSigner(load_pem_private_key((filled / "keys/alice.key").read_bytes(), None))
    root.sign(signer)
    (filled / "metadata/2.root.json").write_bytes(root.to_bytes())
    (step, *_) = cli("status", "--json").document["next_steps"]
    assert step["command"] == "move 2.root.json away"


def test_a_person_types_the_name(put_back: Path) -> None:
    """Another word changes nothing; the repository's name goes on."""
    before = tree(put_back)
    with Person.running("recover", "copy", cwd=put_back) as person:
        assert "will be gone for clients" in person.sees("type acme to publish from it:")
        person.presses("no", ENTER)
        assert person.ends() == 2
    assert tree(put_back) == before
    with Person.running("recover", "copy", cwd=put_back) as person:
        person.sees("type acme to publish from it:")
        person.presses("acme", ENTER)
        assert person.ends() == 0
