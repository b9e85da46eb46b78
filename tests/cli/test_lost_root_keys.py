"""So many root keys are lost that nobody can sign a root any more: every face says so, and nothing waits in vain."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_status, copied, hold, in_time
from tests.support.plans import plan_text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of two sign root, and bob's key is gone; dan's signs nothing yet."""
    home = tmp_path_factory.mktemp("lost")
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    plan = plan_text(name="acme", signers=["alice", "bob"], threshold=2, bins=2, expires=lives)
    return hold(home, plan, ("key", "generate", "dan", "--unencrypted"), away=("bob",))


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch)))


@pytest.mark.parametrize("command", ["key revoke bob --lost", "recover root-key bob --lost --to dan"])
def test_nothing_is_proposed_that_nobody_can_sign(world: World, command: str) -> None:
    """It is refused with what can be done, and noted; status, doctor and monitoring say from when on clients stop."""
    refused = world.does(f"{command} --yes", codes=(1,))
    assert "noted that bob is lost" in refused.err
    assert "1 of the 2 keys that must sign root are left" in refused.err
    assert "rstuf recover root-keys" in refused.err
    assert world.does(f"{command} --yes --json", codes=(1,)).document["error"]["code"] == "root-keys-lost"
    seen = world.sees()
    assert (seen["events"], seen["root_lost"], seen["state"]) == ([], ["bob"], "due")
    root = next(role for role in seen["roles"] if role["name"] == "root")
    assert [(step["command"], step["by"]) for step in seen["next_steps"]] == [
        ("rstuf recover root-keys", root["expires"])
    ]
    assert "root cannot be signed" in world.does("status").out
    world.does("status --check", codes=(7,))
    assert "root-keys-lost" in world.does("doctor", codes=(1,)).out
    told = world.does("recover root-keys --json").document
    assert told["lost"]["can"]
    # Nobody can sign what whoever lost none would be told to do.
    assert told["next_steps"] == []


def test_what_waits_is_told_to_wait_in_vain_first(world: World) -> None:
    """A root that waits for the lost key stands below what is to be known before; a key that is found signs it."""
    world.does("root update --expires 500d --yes", codes=(4,))
    world.does("key revoke bob --lost --yes", codes=(1,))
    assert [step["command"].split(" -o ")[0] for step in world.sees()["next_steps"]] == [
        "rstuf recover root-keys",
        "rstuf bundle export root-v2",
    ]
    (world.home / "bob/bob.key").rename(world.home / "acme/keys/bob.key")
    assert world.sees()["root_lost"] == []
    world.is_led_on(by_status)
    assert (
        next(key for key in world.does("key list --json").document["keys"] if key["name"] == "bob").get("report")
        is None
    )


def test_nobody_to_ask_notes_nothing(world: World) -> None:
    """Without --yes and with nobody there it is refused all the same, and the key is as it was."""
    assert world.does("key revoke bob --lost", codes=(1, 2)).code
    assert world.sees()["root_lost"] == []


def test_enough_that_are_left_let_another_in(world: World) -> None:
    """With the key here after all, what was said to be lost goes as any other."""
    (world.home / "bob/bob.key").rename(world.home / "acme/keys/bob.key")
    world.does("recover root-key bob --lost --to dan --yes")
    world.is_led_on(by_status)
    assert next(key for key in world.does("key list --json").document["keys"] if key["name"] == "bob")["roles"] == []
