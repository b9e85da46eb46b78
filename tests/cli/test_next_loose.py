"""A root that somebody published, by which others must sign targets than have: told commands bring targets first."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_signing, by_status, copied, hold, in_time
from tests.cli.test_loose_roots import thief_signs
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

BESIDE = {
    "nothing": "",
    "renewal": "renew --force root",
    "rotation": "key rotate online --unencrypted --yes",
    "replacement": "recover online-key online --leaked --unencrypted --yes",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which tara signs targets, and two root, one of whom is elsewhere, as tom is, who is not let in."""
    home = tmp_path_factory.mktemp("loose")
    lives = {"targets": "60d", **dict.fromkeys(("root", "timestamp", "snapshot", "bins"), "400d")}
    people = ["alice", "bob", "tara"]
    text = plan_text(name="acme", signers=people, threshold=2, bins=2, expires=lives)
    text = text.replace(json.dumps(people), '["alice", "bob"]')
    text = text.replace("[targets]\n", '[targets]\nthreshold = 1\nsigners = ["tara"]\n')
    (home / "a.txt").write_bytes(b"alpha")
    return hold(
        home,
        text,
        ("key", "generate", "tom", "--unencrypted"),
        ("artifact", "add", home / "a.txt"),
        away=("bob", "tom"),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch)))


@pytest.mark.parametrize("steps_of", [by_status, by_signing])
@pytest.mark.parametrize("incident", ["", "cancelled", "expired"])
@pytest.mark.parametrize("beside", BESIDE)
def test_the_told_commands_bring_targets_that_its_root_asks_for(
    world: World, beside: str, incident: str, steps_of: Callable[[World], list[dict[str, Any]]]
) -> None:
    """Whatever waited over the root before, and whatever becomes of targets: the first told command never fails."""
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    Client(world.home / "client", site, root=root, now=world.at).refresh()
    world.does("root update --role targets --add tom --threshold 2 --yes")
    loose = thief_signs(place, "root-v2", world.home / "bob/bob.key")
    world.does("event cancel root-v2 --yes")
    if beside != "nothing":
        world.does(BESIDE[beside])
    (place / "metadata/2.root.json").write_bytes(loose)
    world.does("recover loose-root --yes")
    assert world.cli("status", "--check").code == 8
    if incident == "cancelled":
        world.does(f"event cancel {world.events()['targets']} --yes")
    elif incident == "expired":
        world.at += timedelta(days=70)
    if "root" in world.events():
        world.takes(f"rstuf sign {world.events()['root']}")
        world.takes(f"rstuf bundle export {world.events()['root']}")
    assert (world.cli("status", "--check").code, world.cli("doctor").code) == (8, 3)
    world.is_led_on(steps_of)
    warm = Client(world.home / "client", site, root=root, now=world.at)
    warm.refresh()
    assert warm.download("a.txt") == b"alpha"
