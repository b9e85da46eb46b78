"""`rstuf key …`: keys made, named, moved, compared and handed on; private halves stay where they are."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.person import ENTER, Person

import rstuf

FIXTURES = Path(__file__).parents[1] / "unit" / "signing" / "fixtures"
PASSPHRASE = "correct horse battery staple"
SILENT = "correct horse"


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    """A file with a passphrase, readable by its owner alone."""
    place = tmp_path / "passphrase"
    place.write_text(PASSPHRASE + "\n")
    place.chmod(0o600)
    return place


# --- generate


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_is_made_where_one_stands(cli: Cli, passphrase: Path, kind: str) -> None:
    """Outside a workspace: two files, the private one encrypted and private, and the fingerprint that both have."""
    done = cli("key", "generate", "maria", "--kind", kind, "--passphrase-file", passphrase)
    assert done.code == 0, done.err
    assert stat.S_IMODE(Path("maria.key").stat().st_mode) == 0o600
    assert b"OPENSSH PRIVATE KEY" in Path("maria.key").read_bytes()
    shown = cli("key", "show", "--file", "maria.pub", "--json").document
    assert shown["half"] == "public"
    words = " ".join(done.out.split())
    assert " ".join(shown["words"]) in words
    assert shown["keyid"] in words.replace(" ", "")
    assert cli("key", "show", "--file", "maria.key", "--json").document == {
        **shown,
        "half": "private",
        "encrypted": True,
    }
    assert PASSPHRASE not in done.out + done.err


def test_in_a_workspace_a_new_key_is_known(cli: Cli, workspace: Path) -> None:
    """It lies in keys/, has its name, signs nothing yet, and the repository is as sound as before."""
    done = cli("key", "generate", "maria", "--unencrypted")
    assert done.code == 0, done.err
    assert stat.S_IMODE((workspace / "keys" / "maria.key").stat().st_mode) == 0o600
    keys = {key["name"]: key for key in cli("key", "list", "--json").document["keys"]}
    assert keys["maria"]["signer"] == "file:keys/maria.key"
    assert keys["maria"]["roles"] == []
    verified = cli("verify")
    assert verified.code == 0
    assert "keys that no role lists (any more): maria" in verified.out


def test_a_key_elsewhere_is_known_from_there(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """`--in` puts the key on another disk; its signer says so."""
    (tmp_path / "usb").mkdir(mode=0o700)
    assert cli("key", "generate", "maria", "--unencrypted", "--in", tmp_path / "usb").code == 0
    keys = {key["name"]: key for key in cli("key", "list", "--json").document["keys"]}
    assert keys["maria"]["signer"] == f"file:{tmp_path}/usb/maria.key"


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["key", "generate", "../x", "--unencrypted"], "key names are 1 to 64 letters"),
        (["key", "generate", "ALICE", "--unencrypted"], "another key is called ALICE"),
        (["key", "generate", "maria"], "there is no passphrase for it"),
        (["key", "generate", "maria", "--unencrypted", "--in", "nowhere/at/all/../.."], ""),
        (["key", "generate", "maria", "--kind", "dsa"], "is not one of ed25519, ecdsa, rsa"),
        (["key", "add", "maria"], "missing FILE"),
        (["key", "add", "maria", "nothing.pub"], "there is no such file"),
        (["key", "add", "maria", FIXTURES / "ssl-p384.pub"], "384"),
        (["key", "add", "alice", FIXTURES / "ssl-ed25519.pub"], "another key has this name"),
        (["key", "add", "maria", "keys/alice.pub"], "this key is here already, named alice"),
        (["key", "add", "maria", FIXTURES / "ssl-ed25519.pub", "--signer", "file:keys/alice.key"], "another key"),
        (["key", "add", "maria", FIXTURES / "ssl-ed25519.pub", "--signer", "nosuch:x"], "nosuch"),
        (["key", "add", "alice", "--away", "--signer", "file:x"], "do not go together"),
        (["key", "show"], "one of the two"),
        (["key", "show", "nobody"], "no key is called nobody"),
        (["key", "show", "--file", "rstuf.toml"], "not a public key"),
        (["key", "export", "nobody"], "no key is called nobody"),
        (["key", "export", "alice", "--format", "jwk"], "is not one of pem, openssh, tuf"),
    ],
    ids=lambda value: " ".join(map(str, value))[-40:] if isinstance(value, list) else "",
)
def test_what_is_refused_changes_nothing(cli: Cli, workspace: Path, argv: list[object], reason: str) -> None:
    """Each refusal says why, on stderr alone, and leaves the workspace as it was."""
    before = tree(workspace)
    done = cli(*argv)
    if not reason:
        assert done.code in {0, 1}
        return
    assert done.code in {1, 2}
    assert done.out == ""
    assert reason in done.err
    assert tree(workspace) == before
    assert "error" in json.loads(cli(*argv, "--json").out)


def test_a_person_chooses_the_passphrase(tmp_path: Path) -> None:
    """On a terminal it is asked for twice, and not shown."""
    place = tmp_path / "desk"
    place.mkdir()
    with Person.running("key", "generate", "maria", cwd=place) as person:
        person.sees("new passphrase for maria:")
        person.presses(PASSPHRASE, ENTER)
        person.sees("the same once more:")
        person.presses(PASSPHRASE, ENTER)
        assert person.ends() == 0
        assert PASSPHRASE not in person.screen
        assert "ed25519, encrypted, in maria.key" in person.screen
    assert sorted(path.name for path in place.iterdir()) == ["maria.key", "maria.pub"]


# --- add, list, show, export


def test_a_key_comes_by_its_public_half_and_then_by_itself(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A holder's public half is known first; when the key is at hand, and when it goes again, that is said."""
    for name in ("ssl-ed25519.pub", "ssl-ed25519.key"):
        shutil.copy(FIXTURES / name, tmp_path / name)
    (tmp_path / "ssl-ed25519.key").chmod(0o600)
    first = cli("key", "add", "maria", tmp_path / "ssl-ed25519.pub", "--json").document
    assert (first["change"], first["signer"]) == ("added", None)
    assert cli("key", "add", "maria", tmp_path / "ssl-ed25519.pub", "--json").document["change"] == "unchanged"
    moved = cli("key", "add", "maria", tmp_path / "ssl-ed25519.key", "--json").document
    assert (moved["change"], moved["signer"]) == ("moved", f"file:{tmp_path}/ssl-ed25519.key")
    assert "with its holder" in cli("key", "add", "maria", "--away").out + cli("key", "list").out
    with rstuf.open_repository(workspace, _session()) as repository:
        actions = [entry.action for entry in repository.log()][-3:]
    assert actions == ["key.add", "key.move", "key.move"]
    assert cli("verify").code == 0


def test_a_root_key_that_moved_still_signs(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A root key on another disk is found there once it is said, and root is signed with it."""
    for name in ("alice", "bob"):
        shutil.move(workspace / "keys" / f"{name}.key", tmp_path / f"{name}.key")
    assert cli("renew", "--force", "root").code == 4
    assert cli("key", "add", "alice", tmp_path / "alice.key").code == 0
    assert cli("renew", "--force", "root").code == 0
    listed = cli("key", "list").out
    assert "alice   root (1 of 2)" in listed
    assert "bob     root (1 of 2)" in listed
    assert "! " in next(line for line in listed.splitlines() if line.startswith("bob"))


@pytest.mark.parametrize("form", ["pem", "openssh", "tuf"])
def test_what_is_exported_is_the_same_key(cli: Cli, workspace: Path, tmp_path: Path, form: str) -> None:
    """Each form, read again, is the key that it came from; nothing else is on stdout."""
    done = cli("key", "export", "alice", "--format", form)
    assert (done.code, done.err) == (0, "")
    (tmp_path / "out").write_text(done.out)
    known = cli("key", "show", "alice", "--json").document
    assert cli("key", "show", "--file", tmp_path / "out", "--json").document["keyid"] == known["keyid"]
    assert "PRIVATE" not in done.out


def test_names_of_files_are_shown_safely(cli: Cli, tmp_path: Path) -> None:
    """A file's name cannot restyle the screen."""
    place = tmp_path / "\x1b[31mred.pub"
    shutil.copy(FIXTURES / "ssl-ed25519.pub", place)
    shown = cli("key", "show", "--file", place)
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert "\x1b" not in cli("key", "show", "--file", f"{place}x").err


def _session() -> rstuf.Session:
    return rstuf.Session(purpose="test", actor="test", secrets=rstuf.load_secrets((), (), None))


# --- what stands in the way, and names that are new


@pytest.mark.parametrize("what", ["dangling link", "fifo", "directory"])
def test_a_place_that_something_else_has(what: str, cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """It is called taken, in a workspace too, and stays as it is."""
    place = tmp_path / "m.key"
    {"dangling link": lambda: place.symlink_to("nowhere"), "fifo": lambda: os.mkfifo(place), "directory": place.mkdir}[
        what
    ]()
    done = cli("key", "generate", "m", "--unencrypted", "--in", tmp_path)
    assert done.code == 1
    assert "this place is taken" in done.err
    assert "hint:  choose another name" in done.err
    assert "m" not in [each["name"] for each in cli("key", "list", "--json").document["keys"]]


def test_a_passphrase_for_the_key_that_is_made(cli: Cli, workspace: Path, passphrase: Path) -> None:
    """It can be given by the name that the key is to have; a name that no key will have is refused as ever."""
    named = f"nk={passphrase}"
    assert cli("key", "generate", "nk", "--passphrase-file", named).code == 0
    assert cli("key", "add", "nk", "keys/nk.key", "--passphrase-file", named).code == 0
    refused = cli("key", "generate", "other", "--passphrase-file", f"othr={passphrase}")
    assert (refused.code, "no key has that name" in refused.err) == (2, True)


def test_the_online_key_is_given_away(cli: Cli, workspace: Path) -> None:
    """It is warned of, told by status from then on, and the command that both name brings it back."""
    done = cli("key", "add", "online", "--away")
    assert done.code == 0
    assert "nothing can be published or renewed here without it" in " ".join(done.err.split())
    seen = cli("status", "--check", "--json")
    assert seen.code == 7
    assert [step["command"] for step in seen.document["next_steps"]] == ["rstuf key add online FILE"]
    assert "warning" not in cli("key", "add", "alice", "--away").err
    assert cli("key", "add", "online", "keys/online.key").code == 0
    assert cli("status", "--check").code == 0


def test_a_passphrase_comes_by_a_descriptor_once(cli: Cli, workspace: Path) -> None:
    """What a key is made with is read one time, however many steps need it."""
    reading, writing = os.pipe()
    os.write(writing, f"{PASSPHRASE}\n".encode())
    os.close(writing)
    try:
        done = cli("key", "generate", "nk", "--passphrase-fd", reading)
    finally:
        os.close(reading)
    assert (done.code, done.err) == (0, "")


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    """An encrypted private key, in a form that does not say whose it is."""
    place = tmp_path / "enc.pem"
    shutil.copy(FIXTURES / "ssl-ed25519-encrypted.key", place)
    place.chmod(0o600)
    return place


def test_an_encrypted_key_that_does_not_say_whose_it_is(cli: Cli, workspace: Path, silent: Path) -> None:
    """It is opened for its public half, with the passphrase that is given; a wrong one, or none, changes nothing."""
    before = tree(workspace)
    right, wrong = silent.with_name("right"), silent.with_name("wrong")
    for place, text in ((right, SILENT), (wrong, "not this one")):
        place.touch(0o600)
        place.write_text(text)
    none = cli("key", "add", "enc", silent)
    assert (none.code, "--passphrase-file enc=FILE" in none.err) == (1, True)
    assert "does not open" in cli("key", "add", "enc", silent, "--passphrase-file", f"enc={wrong}").err
    # Nor is it taken for the key that a name stands for already, or another, unopened.
    assert cli("key", "add", "alice", silent).code == 1
    assert "another key has this name" in cli("key", "add", "alice", silent, "--passphrase-file", f"alice={right}").err
    assert tree(workspace) == before
    os.chdir(silent.parent)
    done = cli("--repo", workspace, "key", "add", "enc", silent.name, "--passphrase-file", f"enc={right}", "--json")
    keyid = cli("key", "show", "--file", FIXTURES / "ssl-ed25519.pub", "--json").document["keyid"]
    # Signers are under the workspace, wherever somebody stands.
    assert done.document == {"change": "added", "name": "enc", "keyid": keyid, "signer": f"file:{silent}"}


def test_a_place_that_cannot_be_compared_is_not_believed(cli: Cli, workspace: Path, silent: Path) -> None:
    """A key that is known does not move to a file that stays closed, named as its signer: it may hold another key."""
    before = tree(workspace)
    done = cli("key", "add", "alice", "--signer", f"file:{silent}")
    assert (done.code, "there is no passphrase for it" in done.err) == (1, True)
    silent.with_name("right").touch(0o600)
    silent.with_name("right").write_text(SILENT)
    given = ("--passphrase-file", f"alice={silent.with_name('right')}")
    assert "holds another key" in cli("key", "add", "alice", "--signer", f"file:{silent}", *given).err
    assert tree(workspace) == before


def test_its_passphrase_is_asked_for_once(workspace: Path, silent: Path) -> None:
    """A person types it one time to let such a key be known."""
    with Person.running("key", "add", "enc", silent, cwd=workspace) as person:
        person.sees("passphrase of enc:")
        person.presses(SILENT, ENTER)
        assert person.ends() == 0
        assert person.screen.count("passphrase of enc:") == 1
        assert SILENT not in person.screen
