"""A key that signs several delegated roles and must go: each role in its turn, and no signature is thrown away."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_signing, by_status, copied, hold, in_time
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

AWAY = ("tara", "tom", "vic", "uma")
_NAMES = (*AWAY, "eve")
_LIVES = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of all of them, here, and nobody who signs anything below targets yet."""
    home = tmp_path_factory.mktemp("several")
    keys = [("key", "generate", name, "--unencrypted") for name in _NAMES]
    return hold(home, plan_text(name="acme", signers=["alice"], threshold=1, bins=2, expires=_LIVES), *keys)


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch, away=AWAY)))


def delegates(world: World, name: str, *signers: str, threshold: int, parent: str = "targets", path: str = "") -> None:
    words = " ".join(f"--signer {each}" for each in signers)
    below = "" if parent == "targets" else f" --parent {parent}"
    path = path or f"{name}/*"
    world.does(f"delegation add {name} --path '{path}' {words} --threshold {threshold}{below} --yes", codes=(0,))


def go_away(world: World) -> None:
    """Whoever signs takes their key along."""
    for name in world.away:
        (world.home / name).mkdir()
        (world.home / "acme/keys" / f"{name}.key").rename(world.home / name / f"{name}.key")


def only(world: World, who: str, event: str) -> None:
    """One of those who are elsewhere signs what waits."""
    everybody, world.away = world.away, (who,)
    world.takes(f"rstuf bundle export {event}")
    world.away = everybody


def delegations(world: World) -> dict[str, tuple[list[str], int]]:
    """Who signs each role, and how many must."""
    found = world.does("delegation list --json").document["delegations"]
    return {each["name"]: (each["signers"], each["threshold"]) for each in found}


def clients_follow(world: World) -> None:
    """A stock client reads all of it."""
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    client = Client(world.home / "client", site, root=root, now=world.at)
    client.refresh()
    client.walk()


def opened(world: World) -> list[str]:
    """Every event that there ever was below targets."""
    return [each["name"] for each in world.does("event list --all --json").document["events"] if each["role"] != "root"]


@pytest.mark.parametrize("steps_of", [by_status, by_signing])
def test_one_comes_after_the_other(world: World, steps_of: Callable[[World], list[dict[str, Any]]]) -> None:
    """Both change targets: what waits for team keeps its signature, and ops comes when that is out."""
    delegates(world, "team", "tara", "tom", "vic", threshold=2)
    delegates(world, "ops", "tara", "tom", "uma", threshold=2)
    go_away(world)
    done = world.does("key revoke tara --leaked --yes", codes=(4,))
    assert "it takes tara, which leaked, out of team, and not out of ops yet" in " ".join(done.out.split())
    assert "ops comes after team-v2 is out" in done.err
    only(world, "tom", "team-v2")
    again = world.does("key revoke tara --leaked --yes --json", codes=(4,)).document
    assert (again["opened"], again["next_steps"][0]["command"]) == (
        False,
        "rstuf bundle export team-v2 -o team-v2.rstuf",
    )
    (event,) = world.sees()["events"]
    assert (event["name"], [each["key"] for each in event["missing"]]) == ("team-v2", ["vic"])
    assert [step["command"] for step in by_status(world)] == [
        "rstuf bundle export team-v2",
        "rstuf key revoke tara --leaked",
    ]
    mends = [each.get("mend") for each in world.does("doctor --json", codes=(1,)).document["findings"]]
    assert not [mend for mend in mends if mend is not None and "delegation update" in mend]
    world.is_led_on(steps_of)
    assert delegations(world) == {"team": (["tom", "vic"], 2), "ops": (["tom", "uma"], 2), "bins": (["online"], 1)}
    assert {"team-v2", "ops-v2"} <= {*opened(world)}
    assert "team-v3" not in opened(world)
    clients_follow(world)


def test_told_again_and_again(world: World) -> None:
    """The command that is told ends by itself, too: each time it leads on, and the last time nothing lists the key."""
    delegates(world, "team", "tara", "tom", "vic", threshold=2)
    delegates(world, "ops", "tara", "tom", "uma", threshold=2)
    go_away(world)
    for _ in range(3):
        steps = world.does("key revoke tara --leaked --yes --json").document["next_steps"]
        if not steps:
            break
        world.takes(shlex.join(shlex.split(steps[0]["command"])[:4]))
    assert by_status(world) == []
    assert not [name for name, (signers, _) in delegations(world).items() if "tara" in signers]


@pytest.mark.parametrize("steps_of", [by_status, by_signing])
def test_the_one_below_comes_after(world: World, steps_of: Callable[[World], list[dict[str, Any]]]) -> None:
    """team delegates to sub, and both are signed by what leaked: sub comes when team is out, which must sign for it."""
    delegates(world, "team", "tara", "tom", threshold=1)
    delegates(world, "sub", "tara", "vic", threshold=1, parent="team", path="team/s*")
    go_away(world)
    world.does("key revoke tara --leaked --yes", codes=(4,))
    world.is_led_on(steps_of)
    assert delegations(world) == {"team": (["tom"], 1), "sub": (["vic"], 1), "bins": (["online"], 1)}
    clients_follow(world)


def test_both_wait_side_by_side(world: World) -> None:
    """What changes other roles' words need not wait: ops is proposed beside sub, and both come out."""
    delegates(world, "team", "tom", threshold=1)
    delegates(world, "sub", "tara", "vic", "uma", threshold=2, parent="team", path="team/s*")
    delegates(world, "ops", "tara", "vic", "uma", threshold=2)
    go_away(world)
    world.does("key revoke tara --leaked --yes", codes=(4,))
    (told,) = [step["command"] for step in by_status(world) if "delegation update" in step["command"]]
    assert told == "rstuf delegation update ops --signer uma --signer vic"
    done = world.does("key revoke tara --leaked --yes", codes=(4,))
    assert "drops it" not in done.err
    assert {*world.events()} == {"sub", "ops"}
    world.is_led_on(by_status)
    assert delegations(world)["ops"] == delegations(world)["sub"] == (["vic", "uma"], 2)
    clients_follow(world)


def test_two_keys_leak_one_after_the_other(world: World) -> None:
    """What takes out the first is not dropped for the second, which signs another role."""
    delegates(world, "team", "tara", "tom", threshold=1)
    delegates(world, "ops", "vic", "uma", threshold=1)
    go_away(world)
    world.does("key revoke tara --leaked --yes", codes=(4,))
    done = world.does("key revoke uma --leaked --yes", codes=(4,))
    assert "ops comes after team-v2 is out" in done.err
    world.is_led_on(by_status)
    assert delegations(world) == {"team": (["tom"], 1), "ops": (["vic"], 1), "bins": (["online"], 1)}
    clients_follow(world)


def test_a_lost_one_goes_in_turn(world: World) -> None:
    """So it is with a key that is lost; and nobody who is lost is counted on, or let sign on."""
    delegates(world, "team", "tara", "tom", "vic", threshold=1)
    delegates(world, "ops", "tara", "uma", threshold=1)
    go_away(world)
    world.does("key revoke tara --lost --yes", codes=(4,))
    done = world.does("key revoke tara --lost --yes", codes=(4,))
    assert "ops comes after team-v2 is out" in done.err
    assert world.events() == {"team": "team-v2"}
    world.does("key revoke vic --lost --yes", codes=(4,))
    world.takes(f"rstuf bundle export {world.events()['team']}")
    world.does("key revoke tara --lost --yes", codes=(4,))
    world.is_led_on(by_status)
    assert delegations(world) == {"team": (["tom"], 1), "ops": (["uma"], 1), "bins": (["online"], 1)}


def test_a_threshold_is_of_the_role_that_is_named(world: World) -> None:
    """Where a key signs several roles, lower thresholds are told and set for each by its name."""
    delegates(world, "team", "tara", "tom", "vic", threshold=3)
    delegates(world, "ops", "tara", "uma", threshold=2)
    go_away(world)
    told = world.does("key revoke tara --leaked --yes --json", codes=(4,)).document["next_steps"]
    lower = [step["command"] for step in told if "--threshold" in step["command"]]
    assert lower == [
        "rstuf delegation update team --signer tom --signer vic --threshold 2",
        "rstuf delegation update ops --signer uma --threshold 1",
    ]
    refused = world.does("key revoke tara --leaked --threshold 1 --yes", codes=(2,))
    assert "tara signs team and ops, and --threshold does not say of which of them it is" in refused.err
    assert delegations(world)["team"] == (["tara", "tom", "vic"], 3)
    for command in lower:
        world.takes(command)
        for event in world.events().values():
            world.takes(f"rstuf bundle export {event}")
    world.is_led_on(by_status)
    assert delegations(world) == {"team": (["tom", "vic"], 2), "ops": (["uma"], 1), "bins": (["online"], 1)}
    clients_follow(world)


@pytest.mark.parametrize("wish", [("vic", "tara"), ("vic", "uma", "tara")])
def test_what_is_proposed_again_leaves_it_out(world: World, wish: tuple[str, ...]) -> None:
    """What waited would let in what leaked: it is told again without that, once its turn comes, or not at all."""
    delegates(world, "team", "tara", "tom", threshold=1)
    delegates(world, "ops", "vic", threshold=1)
    go_away(world)
    world.does(f"delegation update ops {' '.join(f'--signer {each}' for each in wish)} --yes", codes=(4,))
    told = world.does("key revoke tara --leaked --yes --json", codes=(4,)).document["next_steps"]
    again = [step for step in told if "delegation update" in step["command"]]
    commands = [step["command"] for step in again]
    assert commands == (
        ["rstuf delegation update ops --signer vic --signer uma --threshold 1"] if "uma" in wish else []
    )
    assert all("once team-v2 is out" in step["why"] for step in again)
    world.is_led_on(by_status)
    for command in commands:
        world.takes(command)
    world.is_led_on(by_status)
    left = [name for name in wish if name != "tara"]
    assert delegations(world) == {"team": (["tom"], 1), "ops": (left, 1), "bins": (["online"], 1)}
    clients_follow(world)


def test_too_few_are_left_to_be_proposed_again(world: World) -> None:
    """Nothing is told where those who are well could not sign what was wanted."""
    go_away(world)
    world.does("delegation add team --path 'team/*' --signer tara --signer tom --threshold 2 --yes", codes=(4,))
    world.does("key revoke tara --leaked --yes", codes=(4,))
    cancelled = world.does("event cancel team-v1 --yes --json").document
    assert [step for step in cancelled["next_steps"] if "delegation add" in step["command"]] == []
    world.is_led_on(by_status)


def test_more_than_there_are_cannot_be_asked_for(world: World) -> None:
    """A threshold above those who are left is refused with the reason, and what is told instead can be done."""
    delegates(world, "team", "tara", "tom", "vic", threshold=1)
    go_away(world)
    refused = world.does("key revoke tara --leaked --threshold 5 --yes", codes=(2,))
    assert "5 would have to sign team, and without tara 2 can" in refused.err
    assert "rstuf key revoke tara --leaked --threshold 2, or less" in refused.err
    assert world.sees()["events"] == []
    world.does("key revoke tara --leaked --threshold 2 --yes", codes=(4,))
    only(world, "tom", "team-v2")
    # Told again, it keeps what waits, unless another threshold is asked for.
    world.does("key revoke tara --leaked --threshold 2 --yes", codes=(4,))
    assert world.events() == {"team": "team-v2"}
    world.is_led_on(by_status)
    assert delegations(world)["team"] == (["tom", "vic"], 2)
    clients_follow(world)


def test_what_can_do_without_it_comes_first(world: World) -> None:
    """Where one role needs a new key first, status tells what can be done at once before that, as revoking does."""
    delegates(world, "solo", "tara", threshold=1)
    delegates(world, "team", "tara", "tom", threshold=1)
    go_away(world)
    world.does("key revoke tara --leaked --yes", codes=(4,))
    world.takes(f"rstuf event cancel {world.events()['team']} --yes")
    assert by_status(world)[0]["command"] == "rstuf delegation update team --signer tom"
    world.takes("rstuf delegation update team --signer tom")
    world.takes(f"rstuf bundle export {world.events()['team']}")
    assert by_status(world)[0]["command"] == "rstuf delegation update solo --signer NEW"
    world.does("delegation update solo --signer eve --yes", codes=(0,))
    world.is_led_on(by_status)
    assert delegations(world) == {"solo": (["eve"], 1), "team": (["tom"], 1), "bins": (["online"], 1)}
