"""`rstuf recover state`: what is published becomes a state again, and everything goes on."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.support.clients import Client, directory_site
from tests.support.person import ENTER, Person


@pytest.fixture
def lost(filled: Path) -> Path:
    """A workspace that has lost its state."""
    for path in filled.glob("state.db*"):
        path.unlink()
    return filled


def client(place: Path, memory: Path) -> Client:
    root = (place / "metadata" / "1.root.json").read_bytes()
    now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    site = directory_site(place / "metadata", place / "targets")
    return Client.fresh(memory, site, root=root, now=max(now, datetime.now(now.tzinfo)))


def test_everything_goes_on(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Artifacts, keys and roots are there again; clients old and new follow what is published from then on."""
    assert cli("renew", "--force", "root").code == 0
    before = cli("artifact", "export").out
    old = client(filled, tmp_path / "old")
    first = old.refresh()
    for path in filled.glob("state.db*"):
        path.unlink()
    done = cli("recover", "state", "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.document["artifacts"], done.document["root_version"], done.document["repository"]) == (2, 2, "acme")
    signers = {key["name"]: key["signer"] for key in done.document["keys"]}
    assert signers == {name: f"file:keys/{name}.key" for name in ("alice", "bob", "online")}
    assert cli("artifact", "export").out == before
    assert cli("verify", "--full").code == 0
    assert done.document["next_steps"][0]["command"] == "rstuf renew"
    assert (cli("status", "--check").code, cli("renew").code, cli("status", "--check").code) == (7, 0, 0)
    (tmp_path / "new.txt").write_text("goes on")
    assert cli("artifact", "add", tmp_path / "new.txt").code == 0
    assert cli("renew", "--force", "root").code == 0
    assert cli("verify", "--full").code == 0
    assert cli("log", "--verify").code == 0
    after = old.refresh()
    assert after.older_than(first) == []
    assert old.download("new.txt") == b"goes on"
    assert client(filled, tmp_path / "fresh").download("a.txt") == b"alpha\n"


def test_the_plan_gives_names_and_periods(lost: Path, cli: Cli, tmp_path: Path) -> None:
    """Nothing has to be guessed where the plan of the ceremony is left; another repository's plan is refused."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace('"acme"', '"from the plan"'))
    guessed = cli("recover", "state", "--yes", "--plan", plan, "--json")
    assert guessed.code == 0, guessed.err
    assert guessed.document["repository"] == "from the plan"
    assert not any(periods["guessed"] for periods in guessed.document["periods"].values())
    assert cli("verify").code == 0


@pytest.mark.parametrize("old_file", ["kept", "gone"])
def test_a_plan_from_before_a_rotation_names_no_wrong_file(
    filled: Path, cli: Cli, tmp_path: Path, old_file: str
) -> None:
    """The online key is the one that signs by now, in its own file, and publishing goes on."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    assert cli("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes").code == 0
    for path in [*filled.glob("state.db*"), *(filled.glob("keys/online.*") if old_file == "gone" else ())]:
        path.unlink()
    done = cli("recover", "state", "--yes", "--plan", plan, "--json")
    assert done.code == 0, done.err
    signers = {key["name"]: key["signer"] for key in done.document["keys"]}
    assert signers["online-2"] == "file:keys/online-2.key"
    assert "rstuf key add" not in str(done.document["next_steps"])
    (tmp_path / "new.txt").write_text("goes on")
    assert cli("artifact", "add", tmp_path / "new.txt").code == 0
    assert cli("verify").code == 0


def test_an_online_key_that_is_not_there_gets_no_file(lost: Path, cli: Cli, tmp_path: Path) -> None:
    """The plan tells its name; where it signs is asked for, since its place in the plan may be another key's by now."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    for path in lost.glob("keys/online.*"):
        path.unlink()
    done = cli("recover", "state", "--yes", "--plan", plan, "--json")
    assert done.code == 0, done.err
    assert {key["name"]: key["signer"] for key in done.document["keys"]}["online"] is None
    assert done.document["next_steps"][0]["command"] == "rstuf key add online --signer URI"


def test_a_person_is_shown_the_fingerprint(lost: Path) -> None:
    """Whoever does not know it makes nothing; y makes the state."""
    before = tree(lost)
    for answer, code in (("n", 2), ("y", 0)):
        with Person.running("recover", "state", cwd=lost) as person:
            person.sees("is this fingerprint the one of yours?")
            person.presses(answer, ENTER)
            assert person.ends() == code
        assert (tree(lost) == before) is (code == 2)


def test_nobody_to_ask_is_refused(lost: Path, cli: Cli) -> None:
    """Without --yes a script makes nothing; a root that it trusts answers too."""
    before = tree(lost)
    refused = cli("recover", "state")
    assert (refused.code, refused.out) == (2, "")
    assert "--trusted-root" in refused.err
    assert tree(lost) == before
    assert cli("recover", "state", "--trusted-root", lost / "metadata" / "1.root.json").code == 0


@pytest.mark.parametrize("name", ["state.db", "state.db-wal"])
def test_a_state_that_is_there_is_left_alone(lost: Path, cli: Cli, name: str) -> None:
    """However damaged it is, and be it a part alone: somebody has to move it away."""
    (lost / name).write_bytes(b"damaged beyond use")
    (lost / name).chmod(0o600)
    before = tree(lost)
    refused = cli("recover", "state", "--yes")
    assert refused.code == 1
    assert "move it away" in refused.err
    assert tree(lost) == before


@pytest.mark.parametrize("target", ["elsewhere.db", "nowhere.db"])
def test_a_link_in_the_place_of_the_state_is_refused(lost: Path, cli: Cli, tmp_path: Path, target: str) -> None:
    """Whether or not it leads anywhere, nothing is written through it."""
    (tmp_path / "elsewhere.db").write_bytes(b"somebody's")
    (lost / "state.db").symlink_to(tmp_path / target)
    refused = cli("recover", "state", "--yes")
    assert refused.code == 1
    assert (tmp_path / "elsewhere.db").read_bytes() == b"somebody's"
    assert not (tmp_path / "nowhere.db").exists()


def test_a_link_in_the_place_of_the_draft_is_only_removed(lost: Path, cli: Cli, tmp_path: Path) -> None:
    """What an interrupted rebuild left is begun anew, and a link there leads nowhere."""
    (tmp_path / "precious").write_bytes(b"somebody's")
    (lost / "state.db.rebuilding").symlink_to(tmp_path / "precious")
    (lost / "state.db.rebuilding-wal").write_bytes(b"half of it")
    assert cli("recover", "state", "--yes").code == 0
    assert (tmp_path / "precious").read_bytes() == b"somebody's"
    assert not list(lost.glob("*.rebuilding*"))
    assert cli("verify").code == 0


def test_interrupted_it_leaves_no_state_and_is_run_again(lost: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before the last step, whatever was made is not called the state; run again, it is made."""
    import rstuf.rebuilding as home

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(home, "give_name", stop)
        assert cli("recover", "state", "--yes").code == 130
    assert not (lost / "state.db").exists()
    assert cli("recover", "state", "--yes").code == 0
    assert cli("verify", "--full").code == 0


def test_a_tampered_bin_makes_no_state(lost: Path, cli: Cli) -> None:
    """It is named, nothing has the state's name, and nothing of an attempt is left."""
    bin_file = max(lost.glob("metadata/*.bins-*.json"), key=lambda path: int(path.name.partition(".")[0]))
    document = json.loads(bin_file.read_bytes())
    document["signed"]["targets"] = {}
    document["signed"]["expires"] = "2031-01-01T00:00:00Z"
    bin_file.write_text(json.dumps(document))
    refused = cli("recover", "state", "--yes")
    assert refused.code == 3
    assert bin_file.name in refused.err
    assert not list(lost.glob("state.db*"))


def test_a_key_that_is_elsewhere_is_asked_for(lost: Path, cli: Cli, tmp_path: Path) -> None:
    """Keys that are not in the workspace get names, and the next step says how to tell where they sign."""
    for name in ("bob.key", "bob.pub"):
        if (lost / "keys" / name).exists():
            shutil.move(lost / "keys" / name, tmp_path / name)
    done = cli("recover", "state", "--yes")
    assert done.code == 0, done.err
    assert "rstuf key add root-1 --signer URI" in done.out


def test_a_name_is_what_it_is_called(lost: Path, cli: Cli) -> None:
    """--name names it; what cannot be a name is refused before anything is made."""
    assert cli("recover", "state", "--yes", "--name", "\x1b[2J").code == 1
    assert not (lost / "state.db").exists()
    assert cli("recover", "state", "--yes", "--name", "other", "--json").document["repository"] == "other"


def test_a_key_that_was_dropped_comes_back_only_when_asked(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """That it leaked is forgotten with the state: it is named, and neither --yes nor a silent key add lets it in."""
    assert cli("recover", "online-key", "online", "--leaked", "--yes").code == 0
    old = (filled / "keys/online.key").rename(tmp_path / "old.key")
    for path in (*filled.glob("state.db*"), *filled.glob("keys/online.*")):
        path.unlink()
    done = cli("recover", "state", "--yes")
    assert done.code == 0, done.err
    assert "which keys were lost or leaked is not known any more; root names these no more" in " ".join(
        done.out.split()
    )
    twice = cli("key", "add", "old", old)
    assert (twice.code, "this key is here already, named former-online-1" in twice.err) == (1, True)
    known = cli("key", "add", "former-online-1", old)
    assert (known.code, "rstuf key revoke former-online-1 --leaked" in " ".join(known.err.split())) == (0, True)
    before = tree(filled)
    for command in (
        ("key", "rotate", "online-2", "--to", "former-online-1"),
        ("recover", "root-key", "bob", "--to", "former-online-1"),
        ("root", "update", "--add", "former-online-1"),
    ):
        refused = cli(*command, "--yes")
        assert (refused.code, "it may have leaked" in refused.err, "--let-back" in refused.err) == (2, True, True)
    assert tree(filled) == before
    # In a copy: that a key leaked is noted whatever comes of the rest.
    shutil.copytree(filled, tmp_path / "copy")
    leaked = ("recover", "online-key", "online-2", "--leaked", "--to", "former-online-1", "--yes")
    refused = cli("--repo", tmp_path / "copy", *leaked)
    assert (refused.code, "it may have leaked" in refused.err, "--let-back" in refused.err) == (2, True, True)
    changed = {name for name, digest in tree(tmp_path / "copy").items() if digest != before.get(name)}
    assert changed == {"state.db"}
    with Person.running("key", "rotate", "online-2", "--to", "former-online-1", cwd=filled) as person:
        person.sees("type former-online-1 to let it sign again, if you know that it is well:")
        person.presses("yes", ENTER)
        assert person.ends() == 2
    assert cli("key", "rotate", "online-2", "--to", "former-online-1", "--let-back", "--yes").code == 0
    assert cli("verify").code == 0


def test_a_key_that_leaked_is_noted_again(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """The command that recover state ends with keeps a key out for good whose name is known."""
    assert cli("recover", "online-key", "online", "--leaked", "--yes").code == 0
    for path in filled.glob("state.db*"):
        path.unlink()
    done = cli("recover", "state", "--yes", "--json").document
    assert [key["name"] for key in done["dropped_keys"]] == ["online"]
    (again,) = (step["command"] for step in done["next_steps"] if "revoke" in step["command"])
    assert cli(*again.split()[1:], "--yes").code == 0
    refused = cli("key", "rotate", "online-2", "--to", "online", "--let-back", "--yes")
    assert (refused.code, "online leaked" in refused.err) == (1, True)


def test_a_dropped_key_whose_file_is_gone_has_a_name(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Its public half stands in an earlier root: it can be noted as leaked, and comes back under no other spelling."""
    assert cli("key", "generate", "rsa1", "--kind", "rsa", "--unencrypted").code == 0
    assert cli("root", "update", "--add", "rsa1", "--yes").code == 0
    assert cli("key", "revoke", "rsa1", "--leaked", "--yes").code == 0
    public = json.loads(cli("key", "export", "rsa1", "--format", "tuf").out)
    for path in (*filled.glob("state.db*"), *filled.glob("keys/rsa1.*")):
        path.unlink()
    done = cli("recover", "state", "--yes", "--json").document
    assert [key["name"] for key in done["dropped_keys"]] == ["former-root-1"]
    spelt = tmp_path / "r.pub"
    spelt.write_text(json.dumps({**public, "scheme": "rsa-pkcs1v15-sha256"}))
    refused = cli("key", "add", "newguy", spelt)
    assert (refused.code, "this key is here already, named former-root-1" in refused.err) == (1, True), refused.err
    refused = cli("root", "update", "--add", "former-root-1", "--yes")
    assert (refused.code, "it may have leaked" in refused.err) == (2, True)
    (again,) = (step["command"] for step in done["next_steps"] if "former-root-1" in step["command"])
    assert again == "rstuf key revoke former-root-1 --leaked"
    assert cli(*again.split()[1:], "--yes").code == 0
    refused = cli("root", "update", "--add", "former-root-1", "--yes", "--let-back")
    assert (refused.code, "former-root-1 leaked" in refused.err) == (1, True)
    assert cli("verify").code == 0
