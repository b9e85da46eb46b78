"""Another online key, where people sign a role that lets it sign below: the told commands lead on, whoever is away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_signing, by_status, copied, hold, in_time
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

BEGINNINGS = {
    "rotation": "key rotate online --unencrypted --yes",
    "replacement": "recover online-key online --leaked --unencrypted --yes",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the online key signs sub, below vip, which vera signs; bob, for root, is elsewhere."""
    home = tmp_path_factory.mktemp("below")
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    (home / "new").mkdir()
    (home / "new/one").write_bytes(b"one")
    (home / "vera").mkdir()
    return hold(
        home,
        plan_text(name="acme", signers=["alice", "bob"], threshold=2, bins=2, expires=lives),
        ("key", "generate", "vera", "--unencrypted"),
        ("delegation", "add", "vip", "--path", "vip/*", "--path", "vip/*/*", "--signer", "vera", "--yes"),
        ("delegation", "add", "sub", "--parent", "vip", "--path", "vip/sub/*", "--yes"),
        ("artifact", "add", "--prefix", "vip/sub", home / "new"),
        away=("bob",),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch, away=("bob", "vera"))))


@pytest.mark.parametrize("steps_of", [by_status, by_signing])
@pytest.mark.parametrize("vera", ["here", "elsewhere", "back"])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_the_told_commands_take_the_old_key_out(
    world: World, beginning: str, vera: str, steps_of: Callable[[World], list[dict[str, Any]]]
) -> None:
    """In the end the old key signs nothing, all is in order, and a client that started before it finds all."""
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    Client(world.home / "client", site, root=root, now=world.at).refresh()
    if vera != "here":
        (place / "keys/vera.key").rename(world.home / "vera/vera.key")
    world.does(BEGINNINGS[beginning])
    world.takes(f"rstuf bundle export {world.events()['root']}")
    if vera != "here":
        # However often it is asked, it says who must sign what.
        for _ in range(2):
            waits = world.does("renew", codes=(4,))
            assert "nothing is due" not in waits.out
            assert "rstuf bundle export vip-v" in waits.err
    if vera == "back":
        (world.home / "vera/vera.key").rename(place / "keys/vera.key")
    world.is_led_on(steps_of)
    (old,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == "online"]
    assert old["roles"] == []
    warm = Client(world.home / "client", site, root=root, now=world.at)
    warm.refresh()
    assert warm.download("vip/sub/one") == b"one"


@pytest.mark.parametrize("vera", ["elsewhere", "back"])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_status_tells_what_a_renewal_would_propose_anew(world: World, beginning: str, vera: str) -> None:
    """What lets go of the old key is cancelled: event cancel, status and a renewal say the same of it."""
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    (place / "keys/vera.key").rename(world.home / "vera/vera.key")
    world.does(BEGINNINGS[beginning])
    world.takes(f"rstuf bundle export {world.events()['root']}")
    if vera == "back":
        (world.home / "vera/vera.key").rename(place / "keys/vera.key")
    told = world.does(f"event cancel {world.events()['vip']} --yes --json").document["next_steps"]
    steps = by_status(world)
    assert [each["command"] for each in told] == [each["command"] for each in steps]
    # While both keys sign, who is here has time.
    something = (beginning, vera) != ("rotation", "back")
    assert ([each["command"] for each in steps], world.cli("status", "--check").code) == (
        (["rstuf renew"], 7) if something else ([], 0)
    )
    before = place.joinpath("metadata/timestamp.json").read_bytes()
    done = world.does("renew")
    assert (done.code == 4) == (vera == "elsewhere"), done.err
    assert (place.joinpath("metadata/timestamp.json").read_bytes() == before) == (done.code == 4 or not something)
    world.is_led_on(by_status)
    warm = Client(world.home / "client", site, root=root, now=world.at)
    warm.refresh()
    assert warm.download("vip/sub/one") == b"one"
    assert "online" not in {key["name"] for key in world.does("key list --json").document["keys"] if key["roles"]}
