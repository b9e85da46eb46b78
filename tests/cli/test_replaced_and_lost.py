"""`recover state` after the root of a replaced online key and before anything is signed anew: the old key signs yet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_recover_keys import new_client
from tests.cli.test_root import refreshed
from tests.support.person import ENTER, Person

import rstuf
from rstuf.errors import InvalidMetadata


@pytest.fixture
def cut_off(filled: Path, cli: Cli) -> Path:
    """A workspace whose state was lost after root v2 came out and before the new key signed anything."""
    metadata, before = filled / "metadata", filled / "before"
    shutil.copytree(metadata, before)
    assert cli("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes").code == 0
    shutil.copy2(metadata / "2.root.json", before)
    shutil.rmtree(metadata)
    before.rename(metadata)
    for path in filled.glob("state.db*"):
        path.unlink()
    return filled


def keyid(workspace: Path) -> str:
    """The id of the key that signs what lies there."""
    return json.loads((workspace / "metadata" / "timestamp.json").read_bytes())["signatures"][0]["keyid"]


def test_what_the_old_key_signed_is_signed_anew(cut_off: Path, cli: Cli, tmp_path: Path) -> None:
    """Once somebody answers for it, the next renewal lets the new key sign everything; clients of every age follow."""
    cold = tmp_path / "cold"
    before = tree(cut_off)
    asked = cli("recover", "state", "--yes")
    assert asked.code == 2
    assert tree(cut_off) == before
    said = f"rstuf recover state --former-key {keyid(cut_off)[:16]}"
    assert said in asked.err
    done = cli(*said.split()[1:], "--yes", "--json")
    assert done.code == 0, done.err
    assert done.document["former_key"] == "online"
    assert "rstuf renew" in [step["command"] for step in done.document["next_steps"]]
    status = cli("status", "--json").document
    assert status["next_steps"][0]["command"] in {"rstuf renew", "rstuf publish"}
    assert cli("renew").code == 0
    assert keys_of(cli)["online"] == []
    assert cli("verify", "--full").code == 0
    assert cli("status", "--check").code == 0
    assert cli("log", "--verify").code == 0
    back = cli("key", "rotate", "online-2", "--to", "online", "--yes")
    assert (back.code, "it may have leaked" in back.err) == (2, True)
    client = new_client(cut_off, cold)
    client.refresh()
    assert client.download("a.txt") == b"alpha\n"
    (tmp_path / "new.txt").write_text("goes on")
    assert cli("artifact", "add", tmp_path / "new.txt").code == 0
    refreshed(cut_off, tmp_path)


def test_another_key_than_the_one_that_signed_is_refused(cut_off: Path, cli: Cli) -> None:
    """Whoever answers for another key, or for hardly any of its id, makes nothing."""
    before = tree(cut_off)
    for said in ("00" * 8, keyid(cut_off)[:4], ""):
        refused = cli("recover", "state", "--yes", "--former-key", said)
        assert (refused.code, "is signed by online" in refused.err) == (2, True), refused.err
    assert tree(cut_off) == before


def test_a_person_types_which_key_it_is(cut_off: Path) -> None:
    """They are told what is wrong, and what to compare; something else typed makes nothing."""
    before = tree(cut_off)
    for typed, code in (("yes", 2), (keyid(cut_off)[:8], 0)):
        with Person.running("recover", "state", cwd=cut_off) as person:
            person.sees("is this fingerprint the one of yours?")
            person.presses("y", ENTER)
            assert "names no more" in " ".join(person.sees("to take it for yours").split())
            person.presses(typed, ENTER)
            assert person.ends() == code
        assert (tree(cut_off) == before) is (code == 2)


def test_what_no_root_ever_let_sign_stays_forged(cut_off: Path, cli: Cli) -> None:
    """Only for keys of earlier roots can somebody answer, and only for what these keys signed."""
    timestamp = cut_off / "metadata" / "timestamp.json"
    whole, said = json.loads(timestamp.read_bytes()), keyid(cut_off)
    whole["signed"]["version"] += 1
    timestamp.write_text(json.dumps(whole))
    refused = cli("recover", "state", "--yes", "--former-key", said)
    assert (refused.code, "not signed by 1 of the keys" in refused.err) == (3, True), refused.err


def test_what_is_put_there_meanwhile_was_not_answered_for(cut_off: Path) -> None:
    """A state is made of what the person was asked about, or not at all."""
    session = rstuf.Session(purpose="test", actor="test", secrets=rstuf.load_secrets((), (), None))
    newest = cut_off / "metadata" / "2.root.json"
    root = newest.read_bytes()
    newest.unlink()
    rebuild = rstuf.prepare_rebuild(cut_off, session, search=rstuf.Search.HERE)
    assert rebuild.former is None
    newest.write_bytes(root)
    with pytest.raises(InvalidMetadata, match="signed by another key"):
        rebuild.carry_out()
    assert not list(cut_off.glob("state.db*"))
