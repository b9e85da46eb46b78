"""A new online key is said to be lost, and what was to replace it is called off: what is told leads on all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_status, copied, hold, in_time
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

LIVES = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
PEOPLE = '[targets]\nthreshold = 1\nsigners = ["tara"]\n'
TARA = '[keys.tara]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/tara.key"\n'
LOST = "recover online-key spare --lost --unencrypted --no-sign --yes"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two workspaces with an artifact and a spare key: in one of them a person signs targets."""
    found = {}
    for who in ("online", "people"):
        home = found[who] = tmp_path_factory.mktemp(who)
        text = plan_text(name="acme", signers=["alice", "bob", "cleo"], threshold=2, bins=2, expires=LIVES)
        if who == "people":
            text = text.replace("[targets]\n", PEOPLE) + TARA
        (home / "a.txt").write_bytes(b"alpha")
        spare = ("key", "generate", "spare", "--unencrypted")
        vera = ("key", "generate", "vera", "--unencrypted")
        hold(home, text, spare, vera, ("artifact", "add", home / "a.txt"))
    return found


@pytest.fixture(params=["online", "people"])
def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    made: dict[str, Path],
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """One of them, copied, with a client that has seen it."""
    found = copied(made[request.param], in_time(World(tmp_path, cli, monkeypatch, away=())))
    client(found).refresh()
    return found


def client(world: World) -> Client:
    """A client that remembers what it saw."""
    place = world.home / "acme"
    site = directory_site(place / "metadata", place / "targets")
    return Client(world.home / "client", site, root=(place / "metadata/1.root.json").read_bytes(), now=world.at)


def roles_of(world: World, name: str) -> list[str]:
    """What a key may sign yet."""
    (found,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == name]
    return [str(use["name"]) for use in found["roles"]]


def report_of(world: World, name: str) -> str | None:
    """What is noted of a key."""
    (found,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == name]
    return None if "report" not in found else str(found["report"]["loss"])


def ends_well(world: World) -> None:
    """What status tells takes the first key out, and clients come along."""
    assert world.cli("status", "--check").code == (7 if world.sees()["next_steps"] else 0)
    world.is_led_on(by_status)
    assert roles_of(world, "online") == []
    assert world.cli("doctor").code == 0
    warm = client(world)
    warm.refresh()
    warm.walk()
    assert warm.download("a.txt") == b"alpha"


@pytest.mark.parametrize("spare", ["here", "gone", "found later"])
def test_the_first_key_goes_whatever_became_of_the_second(world: World, spare: str) -> None:
    """Here, it is taken for found, and bins go to it; gone, another one comes first, and that is told."""
    key = world.home / "acme/keys/spare.key"
    world.does("key rotate online --to spare --yes")
    if spare != "here":
        key.rename(world.home / "spare.key")
    world.does(LOST)
    if spare == "found later":
        (world.home / "spare.key").rename(key)
    (waits,) = [name for role, name in world.events().items() if role == "root"]
    told = world.does(f"event cancel {waits} --yes --json").document["next_steps"]
    steps = world.sees()["next_steps"]
    if roles_of(world, "online"):
        way = "rstuf recover online-key spare --lost" if spare == "gone" else "rstuf renew"
        assert (told[0]["command"], steps[0]["command"]) == (way, way)
    ends_well(world)
    if spare == "gone":
        assert roles_of(world, "spare") == []
    else:
        assert "timestamp" in roles_of(world, "spare")


def test_a_leaked_key_that_is_named_goes(world: World) -> None:
    """Nobody is sent from one command to the other: the key that was said to be lost is here, and takes over."""
    world.does("key rotate online --to spare --yes")
    world.does(LOST)
    world.does(f"event cancel {world.events()['root']} --yes")
    world.does("key revoke online --leaked --yes")
    ends_well(world)
    assert report_of(world, "online") == "leaked"


def test_another_root_in_the_place_of_the_replacement(world: World) -> None:
    """A root that calls it off, too, leaves no key behind that root does not name."""
    world.does("key rotate online --to spare --yes")
    world.does(LOST)
    world.does("recover root-key bob --lost --to vera --yes")
    assert world.sees()["rotation"] is None
    ends_well(world)
    assert roles_of(world, "bob") == []


def test_a_lost_key_that_signs_was_found(world: World) -> None:
    """What comes out with it says so in the log; and what is called off after that is handed back to it."""
    key = world.home / "acme/keys/online.key"
    key.rename(world.home / "online.key")
    world.does("recover online-key online --lost --to spare --no-sign --yes")
    for name in world.events().values():
        world.cli("event", "cancel", name, "--yes")
    assert (report_of(world, "online"), world.sees()["rotation"]) == ("lost", None)
    told = world.sees()["next_steps"][0]
    assert told["command"] == "rstuf recover online-key online --lost"
    assert "put back keys/online.key" in told["why"]
    (world.home / "online.key").rename(key)
    world.does("renew --force timestamp")
    assert report_of(world, "online") is None
    assert [each["action"] for each in world.does("log --json --action key.found").document["entries"]] == ["key.found"]
    world.does("key rotate online --to spare --no-sign --yes")
    for name in world.events().values():
        world.cli("event", "cancel", name, "--yes")
    world.is_led_on(by_status)
    assert ("timestamp" in roles_of(world, "online"), roles_of(world, "spare")) == (True, [])
