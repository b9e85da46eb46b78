"""A delegate's key that leaked or is lost: one command notes it and takes it out, and the told ones lead to the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_signing, by_status, copied, hold, in_time
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tara, tom or vic sign team, two of them; tara alone signs solo, vic and tom sub. vic and tom are elsewhere."""
    home = tmp_path_factory.mktemp("delegates")
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    (home / "new").mkdir()
    (home / "new/one").write_bytes(b"one")
    keys = [("key", "generate", name, "--unencrypted") for name in ("tara", "tom", "vic")]
    three = ("--signer", "tara", "--signer", "tom", "--signer", "vic", "--threshold", "2")
    return hold(
        home,
        plan_text(name="acme", signers=["alice"], threshold=1, bins=2, expires=lives),
        *keys,
        ("delegation", "add", "team", "--path", "team/*", *three, "--yes"),
        ("delegation", "add", "solo", "--path", "solo/*", "--signer", "tara", "--yes"),
        ("artifact", "add", "--prefix", "team", home / "new"),
        away=("tom", "vic"),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch, away=("tom", "vic"))))


def sees(world: World) -> bytes:
    """What a stock client that has seen what came before gets of team."""
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    client = Client(world.home / "client", site, root=root, now=world.at)
    client.refresh()
    client.walk()
    return client.download("team/one")


def signs(world: World, name: str) -> list[str]:
    """What a key signs."""
    (key,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == name]
    return [role["name"] for role in key["roles"]]


@pytest.mark.parametrize("steps_of", [by_status, by_signing])
def test_it_goes_with_a_delegation_to_the_others(
    world: World, steps_of: Callable[[World], list[dict[str, Any]]]
) -> None:
    """The leak is noted, team waits for those who stay, and solo for a key in its place; then all is in order."""
    assert sees(world) == b"one"
    done = world.does("key revoke tara --leaked --yes", codes=(4,))
    assert "noted that tara is in the wrong hands" in done.out
    assert "tara may sign solo yet" in done.err
    assert "rstuf key revoke tara --leaked" in done.err
    (event,) = world.sees()["events"]
    assert (event["role"], event["kind"]) == ("team", "delegation")
    assert {each["key"] for each in event["missing"]} == {"tom", "vic"}
    # The leak is known from the beginning, whatever becomes of the event.
    (key,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == "tara"]
    assert key["report"]["loss"] == "leaked"
    world.takes(f"rstuf bundle export {event['name']}")
    assert (signs(world, "tara"), sees(world)) == (["solo"], b"one")
    told = world.does("key revoke tara --leaked --yes --json", codes=(4,)).document["next_steps"]
    assert [step["command"] for step in told] == [
        "rstuf key generate NEW",
        "rstuf delegation update solo --signer NEW",
    ]
    assert told[1]["command"] in {step["command"] for step in world.sees()["next_steps"]}
    world.does("key generate NEW --unencrypted")
    world.does(told[1]["command"].removeprefix("rstuf ") + " --yes")
    world.is_led_on(steps_of)
    assert (signs(world, "tara"), sees(world)) == ([], b"one")


def test_fewer_may_sign_it_then(world: World) -> None:
    """Where too few would be left, a lower threshold lets the role go on without it, and that is told, too."""
    world.does("key revoke tom --lost --yes", codes=(4,))
    world.takes(f"rstuf bundle export {world.events()['team']}")
    assert signs(world, "tom") == []
    told = world.does("key revoke tara --leaked --yes --json", codes=(4,)).document["next_steps"]
    commands = [step["command"] for step in told]
    assert "rstuf delegation update team --signer vic --signer NEW" in commands
    (lower,) = [command for command in commands if command.endswith("--threshold 1")]
    assert lower == "rstuf delegation update team --signer vic --threshold 1"
    world.takes(lower)
    world.takes(f"rstuf bundle export {world.events()['team']}")
    assert (signs(world, "tara"), sees(world)) == (["solo"], b"one")


def test_who_is_here_publishes_at_once(world: World) -> None:
    """With the keys of those who stay at hand nothing has to wait."""
    for name in ("tom", "vic"):
        (world.home / name / f"{name}.key").rename(world.home / "acme/keys" / f"{name}.key")
    done = world.does("key revoke vic --leaked --yes")
    assert "published as timestamp" in done.out
    assert (signs(world, "vic"), sees(world)) == ([], b"one")
    world.is_led_on(by_status)


def test_nothing_is_noted_unasked(world: World) -> None:
    """Without anybody to ask, and without --yes, nothing is changed."""
    world.does("key revoke tara --leaked", codes=(2,))
    assert world.sees()["events"] == []
    assert "report" not in next(key for key in world.does("key list --json").document["keys"] if key["name"] == "tara")
