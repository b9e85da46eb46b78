"""`rstuf key find`: all that could sign from here, in a workspace and out of one, and what keeps the rest from it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.agents import PASSPHRASE, RealAgent, needs_openssh, real_agent
from tests.unit.signing.keyring import FIXTURES

import rstuf
from rstuf.errors import SignerUnavailable
from rstuf.signing import schemes
from rstuf.signing.finding import find_keys


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAgent]:
    """An ssh-agent that the environment names."""
    with real_agent() as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        monkeypatch.delenv("SSH_CONNECTION", raising=False)
        yield agent


def put(fixture: str, place: Path, *, mode: int = 0o600) -> Path:
    """A key of another tool, in a file."""
    shutil.copyfile(FIXTURES / fixture, place)
    place.chmod(mode)
    return place


def found(cli: Cli, *argv: object) -> dict[str, dict[str, object]]:
    """What is found, by its label."""
    done = cli("key", "find", *argv, "--json")
    assert done.code == 0, done.err
    return {str(key["label"]): key for key in done.document["keys"]}


def test_keys_of_a_workspace_have_their_names(cli: Cli, workspace: Path) -> None:
    """With the URIs by which they sign already, and nothing left to do; nothing is changed by looking."""
    before = tree(workspace)
    keys = cli("key", "find", "--json").document["keys"]
    listed = cli("key", "list", "--json").document["keys"]
    assert [(key["name"], key["uri"], key["keyid"]) for key in keys] == [
        (key["name"], key["signer"], key["keyid"]) for key in listed
    ]
    assert {(key["scheme"], key["kind"]) for key in keys} == {("file", "ed25519")}
    done = cli("key", "find")
    assert "alice" in done.out
    assert "next" not in done.out
    assert tree(workspace) == before


def test_without_a_workspace_keys_here_are_found(cli: Cli) -> None:
    """By their whole paths; public halves and other files are passed over."""
    put("ssl-ed25519.key", Path("maria.key"))
    put("ssl-ed25519.pub", Path("maria.pub"))
    put("ssl-ed25519.pub", Path("public.key"))
    put("ssh-ed25519.key", Path("id_ed25519"))
    assert list(found(cli)) == ["maria.key"]
    assert found(cli)["maria.key"]["uri"] == f"file:{Path.cwd()}/maria.key"
    assert cli("key", "find").out.startswith("ed25519  ")


def test_a_key_that_is_found_can_be_added_as_it_says(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """What stands below `next` is a command that works; afterwards the key has its name, and nothing is next."""
    usb = tmp_path / "a disk"
    usb.mkdir(mode=0o700)
    put("ssl-ed25519.key", usb / "maria.key")
    said = cli("key", "find", "--in", usb).out
    assert f"rstuf key add NAME --signer 'file:{usb}/maria.key'" in said
    assert cli("key", "add", "maria", "--signer", f"file:{usb}/maria.key").code == 0
    assert found(cli, "--in", usb)["maria.key"]["name"] == "maria"
    assert "next" not in cli("key", "find", "--in", usb).out


def test_of_several_unknown_keys_none_is_chosen(cli: Cli, workspace: Path) -> None:
    """The command is said with URI in the place of one."""
    put("ssl-ed25519.key", Path("a.key"))
    put("ssl-p256.key", Path("b.key"))
    assert "rstuf key add NAME --signer URI" in cli("key", "find").out


def test_a_key_is_known_however_it_is_spelt(cli: Cli, workspace: Path) -> None:
    """A copy of a key elsewhere, in another container, is that key."""
    shutil.copy("keys/alice.key", "copy.key")
    copy = found(cli)["copy.key"]
    assert (copy["name"], copy["uri"]) == ("alice", "file:copy.key")


@pytest.mark.parametrize(
    ("fixture", "mode", "kind", "fault", "note"),
    [
        ("ssl-ed25519.key", 0o644, "ed25519", "unencrypted private key that others can read", None),
        ("ssl-p384.key", 0o600, None, "384", None),
        ("ssl-dsa.key", 0o600, None, "", None),
        ("ssh-ed25519-encrypted.key", 0o600, "ed25519", None, "asks for a passphrase"),
        ("ssl-ed25519-encrypted.key", 0o600, None, None, "tells only then whose it is"),
    ],
)
def test_faults_and_notes_stand_below_a_key(
    cli: Cli, fixture: str, mode: int, kind: str | None, fault: str | None, note: str | None
) -> None:
    """What keeps it from signing, or what it asks for; the list goes on behind it."""
    put(fixture, Path("odd.key"), mode=mode)
    put("ssl-p256.key", Path("zz.key"))
    keys = found(cli)
    odd = keys["odd.key"]
    assert (odd["kind"], "fault" in odd) == (kind, fault is not None)
    assert (fault or "") in str(odd.get("fault", ""))
    assert (note or "") in str(odd.get("note", ""))
    assert "fault" not in keys["zz.key"]
    assert str(odd.get("fault") or odd["note"]) in cli("key", "find").out


def test_a_key_that_tells_nothing_has_the_name_of_its_place(cli: Cli, workspace: Path) -> None:
    """An encrypted PKCS#8 file where a known key signs from is taken for that key."""
    (workspace / "keys" / "alice.key").unlink()
    put("ssl-ed25519-encrypted.key", workspace / "keys" / "alice.key")
    assert found(cli)["alice.key"]["name"] == "alice"


def test_names_from_outside_cannot_write_on_the_terminal(cli: Cli) -> None:
    """A file with control characters in its name is shown escaped, and no URI names it."""
    put("ssl-ed25519.key", Path("a\x1b[2J\n.key"))
    done = cli("key", "find")
    assert "\x1b" not in done.out
    assert "\\x1b" in done.out
    (key,) = found(cli).values()
    assert key["uri"] is None
    assert "no URI can name" in str(key["fault"])


def test_a_way_out_of_the_workspace_is_no_way_in_it(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A directory that is named by `..` is named by its whole path, so that the URI means it wherever one stands."""
    put("ssl-ed25519.key", tmp_path / "maria.key")
    assert found(cli, "--in", "..")["maria.key"]["uri"] == f"file:{tmp_path}/maria.key"


def test_one_file_is_listed_once(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands in keys/, or names it, or a link to a key, sees each key once."""
    Path("link.key").symlink_to("keys/alice.key")
    monkeypatch.chdir(workspace / "keys")
    labels = [key["label"] for key in cli("key", "find", "--in", ".", "--in", "..", "--json").document["keys"]]
    assert sorted(labels) == ["alice.key", "bob.key", "online.key"]


def test_strange_files_are_no_obstacle(cli: Cli) -> None:
    """A directory, a loop of links and a large file that are called like keys are named with what is wrong."""
    Path("dir.key").mkdir()
    Path("loop.key").symlink_to("loop.key")
    Path("large.key").write_bytes(b"x" * 70_000)
    keys = found(cli)
    assert set(keys) == {"dir.key", "loop.key", "large.key"}
    assert all("fault" in key for key in keys.values())


def test_before_the_ceremony_has_ended_keys_have_no_names(cli: Cli, workspace: Path) -> None:
    """They are found all the same: whoever writes a plan needs their URIs."""
    with closing(sqlite3.connect(workspace / "state.db")) as connection:
        connection.execute("UPDATE repository SET phase = 'ceremony'")
        connection.commit()
    keys = found(cli)
    assert {key["uri"] for key in keys.values()} == {f"file:keys/{name}.key" for name in ("alice", "bob", "online")}
    assert all("name" not in key for key in keys.values())
    assert "next" not in cli("key", "find").out


def test_nothing_here_says_how_to_make_one(cli: Cli) -> None:
    """An empty place is an answer, and the next step."""
    done = cli("key", "find")
    assert done.code == 0
    assert "no key that could sign is here" in done.out
    assert "rstuf key generate NAME" in done.out
    assert cli("key", "find", "--json").document == {"keys": []}


@pytest.mark.parametrize("named", ["option", "environment"])
def test_a_workspace_that_is_named_and_is_none_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Only who names none may stand in none."""
    if named == "environment":
        monkeypatch.setenv("RSTUF_REPO", str(tmp_path))
    done = cli("key", "find") if named == "environment" else cli("--repo", tmp_path, "key", "find")
    assert done.code == 1
    assert "is not an rstuf workspace" in done.err


@needs_openssh
def test_keys_of_an_agent_are_found(cli: Cli, workspace: Path, agent: RealAgent) -> None:
    """With what they are called there; what the agent holds and cannot be used says why."""
    file = agent.make("ed25519")
    agent.make("ecdsa", "-b", "384")
    keys = [key for key in cli("key", "find", "--json").document["keys"] if key["scheme"] == "ssh-agent"]
    usable = [key for key in keys if "fault" not in key]
    assert [key["uri"] for key in usable] == [agent.uri(file)]
    assert [key["uri"] for key in keys if "fault" in key] == [None]
    said = cli("key", "find").out
    assert f"rstuf key add NAME --signer {agent.uri(file)}" in said
    assert cli("key", "add", "maria", "--signer", agent.uri(file)).code == 0
    assert "maria" in cli("key", "find").out
    assert PASSPHRASE not in said


def test_an_agent_that_is_gone_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rest is found all the same, and the command succeeds."""
    put("ssl-ed25519.key", Path("maria.key"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    done = cli("key", "find")
    assert done.code == 0
    assert "maria.key" in done.out
    assert f"! ssh-agent: there is no agent at {tmp_path}/gone any more" in done.out
    (place,) = [key for key in cli("key", "find", "--json").document["keys"] if key["scheme"] == "ssh-agent"]
    assert (place["uri"], place["keyid"], place["kind"], place["label"]) == (None, None, None, None)
    assert "no agent" in place["fault"]


@needs_openssh
def test_an_agent_that_lists_nothing_is_named(cli: Cli, agent: RealAgent) -> None:
    """Be it empty or locked: whoever looks for a key of theirs learns where it may be."""
    assert "! ssh-agent: the agent holds no keys, or is locked (ssh-add KEYFILE" in cli("key", "find").out


def test_a_file_is_no_directory_to_look_in(cli: Cli) -> None:
    """What is there is not said to be missing."""
    put("ssl-ed25519.key", Path("maria.key"))
    done = cli("key", "find", "--in", "maria.key")
    assert (done.code, done.out) == (1, "")
    assert "maria.key is no directory\nhint:  rstuf key show --file FILE" in done.err
    assert "does not exist" in cli("key", "find", "--in", "nowhere").err


class _Half:
    """A scheme that finds one key, and then cannot go on."""

    def found(self) -> Iterator[rstuf.FoundKey]:
        yield rstuf.FoundKey("token", "token:1", None, "first", note="asks for a PIN")
        raise SignerUnavailable("token", "it was taken out", hint="put it back")


def test_what_was_found_before_a_fault_stays(tmp_path: Path) -> None:
    """A place that breaks off keeps what it told, and the places behind it are looked at."""
    places = {"token": _Half(), "ssh-agent": schemes.HOMES["ssh-agent"], "other": _Half()}
    told = list(find_keys([tmp_path], schemes=places))  # type: ignore[arg-type]  # they only list
    assert [type(each).__name__ for each in told] == ["FoundKey", "Unreachable"] * 2
    assert told[1] == rstuf.Unreachable("token", "it was taken out", "put it back")


def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an entry like any other place, and those behind it are looked at."""

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rstuf.signing.finding.os.scandir", refuse)
    assert list(find_keys([tmp_path], schemes={})) == [
        rstuf.Unreachable("file", f"{tmp_path} cannot be read: permission denied")
    ]
