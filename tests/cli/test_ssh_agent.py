"""Keys in an SSH agent, from the command line: a ceremony, a root that is renewed, and keys that are made known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.support.agents import PASSPHRASE, RealAgent, needs_openssh, real_agent

pytestmark = needs_openssh

ALICE = '[keys.alice]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/alice.key"\n'


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAgent]:
    """An ssh-agent that the environment names."""
    with real_agent() as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        monkeypatch.delenv("SSH_CONNECTION", raising=False)
        yield agent


def plan_with(uri: str, tmp_path: Path) -> Path:
    """A plan whose root key alice is in the agent, and is named by nothing else."""
    assert ALICE in PLAN
    text = PLAN.replace(ALICE, f'[keys.alice]\nsigner = "{uri}"\n').replace("threshold = 1", "threshold = 2")
    place = tmp_path / "plan.toml"
    place.write_text(text)
    return place


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_ceremony_with_a_root_key_in_the_agent(
    cli: Cli, agent: RealAgent, tmp_path: Path, later: Callable[[timedelta], None], kind: str
) -> None:
    """Its public half comes from the agent and it signs root, then and when root is renewed; clients accept both."""
    file = agent.make(kind)
    plan = plan_with(agent.uri(file), tmp_path)
    done = cli("ceremony", "--plan", plan)
    assert done.code == 0, done.err
    shown = {key["name"]: key for key in cli("key", "list", "--json").document["keys"]}["alice"]
    known = cli("key", "show", "--file", f"{file}.pub", "--json").document
    assert (shown["keyid"], shown["signer"]) == (known["keyid"], agent.uri(file))
    assert "fault" not in shown
    assert cli("verify").code == 0
    later(timedelta(days=300))
    assert cli("renew").code == 0
    assert Path("metadata/2.root.json").exists()
    assert cli("verify").code == 0


def test_whoever_must_confirm_is_told_where(cli: Cli, agent: RealAgent, tmp_path: Path) -> None:
    """While the agent waits for an answer, the screen says that it does; what comes at once is told of by nobody."""
    plan = plan_with(agent.uri(agent.make("ed25519", constraints=["-c"])), tmp_path)
    asks = agent.directory / "askpass"
    asks.write_text("#!/bin/sh\nsleep 1.3\nexit 0\n")
    done = cli("ceremony", "--plan", plan)
    assert done.code == 0, done.err
    assert done.err.count("the SSH agent has not signed with alice yet: confirm it there, if it asks\n") == 1


def test_a_dry_run_has_nothing_confirmed(cli: Cli, agent: RealAgent, tmp_path: Path) -> None:
    """A key that asks for each signature is only looked at; the ceremony itself then asks, and a no makes nothing."""
    plan = plan_with(agent.uri(agent.make("ed25519", constraints=["-c"])), tmp_path)
    agent.confirms(False)
    assert cli("ceremony", "--plan", plan, "--dry-run").code == 0
    assert agent.asked == []
    refused = cli("ceremony", "--plan", plan)
    assert (refused.code, "the agent refused to sign" in refused.err) == (1, True)
    assert tree(Path.cwd()) == {}
    agent.confirms(True)
    assert cli("ceremony", "--plan", plan).code == 0
    assert len(agent.asked) == 2


def test_a_new_key_is_made_known_by_the_agent(cli: Cli, workspace: Path, agent: RealAgent) -> None:
    """Without FILE its public half is read from the agent; known like this, the same command says so."""
    file = agent.make("ecdsa")
    done = cli("key", "add", "maria", "--signer", agent.uri(file))
    assert done.code == 0, done.err
    assert f"maria is known now; it signs from {agent.uri(file)}" in " ".join(done.out.split())
    keyid = cli("key", "show", "--file", f"{file}.pub", "--json").document["keyid"]
    again = cli("key", "add", "maria", "--signer", agent.uri(file), "--json").document
    assert again == {"change": "unchanged", "name": "maria", "keyid": keyid, "signer": agent.uri(file)}


def test_a_key_file_without_its_public_half_named(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A signer in a file tells a new key's public half as well."""
    assert cli("key", "generate", "spare", "--unencrypted", "--in", tmp_path, "--repo", tmp_path).code == 0
    done = cli("key", "add", "maria", "--signer", f"file:{tmp_path}/spare.key", "--json")
    shown = cli("key", "show", "--file", tmp_path / "spare.pub", "--json").document
    assert (done.document["change"], done.document["keyid"]) == ("added", shown["keyid"])


def test_a_key_moves_into_the_agent_and_not_to_another(cli: Cli, workspace: Path, agent: RealAgent) -> None:
    """An encrypted key file of ours goes into an agent as it is and signs from there; another key is refused."""
    (workspace / "passphrase").touch(0o600)
    (workspace / "passphrase").write_text(PASSPHRASE)
    assert cli("key", "generate", "maria", "--passphrase-file", "passphrase").code == 0
    agent.add(workspace / "keys" / "maria.key")
    (line,) = agent.ssh_add("-l").splitlines()
    moved = cli("key", "add", "maria", "--signer", f"ssh-agent:{line.split()[1]}", "--json")
    assert moved.document["change"] == "moved"
    before = tree(workspace)
    other = cli("key", "add", "bob", "--signer", f"ssh-agent:{line.split()[1]}")
    assert (other.code, "is another key" in other.err) == (1, True)
    assert tree(workspace) == before
    agent.ssh_add("-q", "-D")
    assert "the agent holds no keys, or is locked" in " ".join(cli("key", "list").out.split())


def test_what_the_agent_calls_its_keys_does_no_harm(cli: Cli, workspace: Path, agent: RealAgent) -> None:
    """A key that is not there: those that are get named, with escape sequences made visible."""
    agent.make("ed25519", comment="\x1b]0;owned\x07\x1b[2Jmaria")
    digest = "SHA256:" + "A" * 43
    before = tree(workspace)
    done = cli("key", "add", "maria", "--signer", f"ssh-agent:{digest}")
    assert done.code == 1
    assert f"{digest} is not in the agent" in done.err
    assert agent.ssh_add("-l").split()[1] in done.err.replace("\n", "").replace(" ", "")
    assert "\x1b" not in done.err + done.out
    assert "\x07" not in done.err + done.out
    assert tree(workspace) == before


def test_without_an_agent(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that names it is missing: that is said, with what to do."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    done = cli("key", "add", "maria", "--signer", "ssh-agent:SHA256:" + "A" * 43)
    assert done.code == 1
    assert "SSH_AUTH_SOCK is not set" in done.err
    assert "ssh-add KEYFILE" in " ".join(done.err.split())


def test_a_forwarded_agent_is_warned_of(
    cli: Cli, agent: RealAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for a ceremony, on stderr, however many keys are in it; the document on stdout stays one."""
    place = agent.directory / "s.0aB9.sshd.Zz81"
    place.symlink_to(agent.socket)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    plan = plan_with(agent.uri(agent.make("ed25519")), tmp_path)
    done = cli("ceremony", "--plan", plan, "--json")
    assert done.code == 0, done.err
    assert done.document["root"]["sha256"] == hashlib.sha256(Path("metadata/1.root.json").read_bytes()).hexdigest()
    said = " ".join(done.err.split())
    assert said.count("alice: the agent is forwarded by SSH from another machine") == 1


def test_an_online_key_whose_agent_is_away(cli: Cli, agent: RealAgent, tmp_path: Path) -> None:
    """It publishes while the agent holds it; without, status says what cannot be reached, and publishing why."""
    uri = agent.uri(agent.make("ed25519"))
    text = PLAN.replace(
        '[keys.online]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/online.key"\n',
        f'[keys.online]\nsigner = "{uri}"\n',
    )
    (tmp_path / "plan.toml").write_text(text)
    (tmp_path / "a.txt").write_text("alpha")
    assert cli("ceremony", "--plan", tmp_path / "plan.toml").code == 0
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    assert cli("artifact", "remove", "a.txt").code == 0
    agent.ssh_add("-q", "-D")
    (step,) = cli("status", "--check", "--json").document["next_steps"]
    assert step["command"] == f"let {uri} be reached"
    refused = cli("artifact", "add", tmp_path / "a.txt")
    assert (refused.code, "the agent holds no keys, or is locked" in " ".join(refused.err.split())) == (1, True)
