"""A key that leaked never goes in good order, for it would sign on meanwhile: what is told takes it out at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import tree
from tests.cli.led import START, World, by_status
from tests.cli.test_lost_and_called_off import LOST, client, made, report_of, roles_of, world

__all__ = ["made", "world"]
AT_ONCE = "rstuf recover online-key online --leaked"


def told_to_go_at_once(world: World) -> None:
    """Refused in good order, with the literal command; nothing is changed, and no key made."""
    before = tree(world.home / "acme/metadata"), tree(world.home / "acme/keys")
    for command in ("key rotate online --unencrypted --yes", "key rotate online --to vera --yes"):
        refused = world.does(command, codes=(1,))
        assert AT_ONCE in refused.err
    assert before == (tree(world.home / "acme/metadata"), tree(world.home / "acme/keys"))
    assert world.sees()["next_steps"][0]["command"] == AT_ONCE


def goes_at_once(world: World) -> None:
    """What is told takes the key out before any time has passed, and clients come along."""
    world.is_led_on(by_status)
    assert (roles_of(world, "online"), report_of(world, "online"), world.at) == ([], "leaked", START)
    warm = client(world)
    warm.refresh()
    warm.walk()
    assert warm.download("a.txt") == b"alpha"


def test_it_is_noted_before(world: World) -> None:
    """Its replacement was called off; another one does not begin as if the key were well."""
    world.does("recover online-key online --leaked --to spare --no-sign --yes")
    world.does(f"event cancel {world.events()['root']} --yes")
    for name in world.events().values():
        world.does(f"event cancel {name} --yes")
    told_to_go_at_once(world)
    goes_at_once(world)


@pytest.mark.parametrize("root", ["waits", "is out"])
def test_it_is_noted_while_it_goes(world: World, root: str) -> None:
    """Neither the signature of its root nor a renewal is told first: both let it sign on until the overlap is over."""
    world.does(f"key rotate online --to spare --yes{' --no-sign' if root == 'waits' else ''}")
    refused = world.does("recover online-key online --leaked --to vera --yes", codes=(1, 2))
    assert (AT_ONCE in refused.err, report_of(world, "online")) == (True, "leaked")
    if roles_of(world, "online"):
        told_to_go_at_once(world)
        goes_at_once(world)


@pytest.mark.parametrize("world", ["online"], indirect=True)
def test_another_one_goes_before(world: World, tmp_path: Path) -> None:
    """One that signs bins only, and leaked, is taken out before a key that is well is replaced in good order."""
    key = world.home / "acme/keys/spare.key"
    world.does("key rotate online --to spare --yes")
    world.does(LOST)
    world.does(f"event cancel {world.events()['root']} --yes")
    key.rename(tmp_path / "spare.key")
    world.does("key revoke online --leaked --yes", codes=(1,))
    (tmp_path / "spare.key").rename(key)
    refused = world.does("key rotate spare --to vera --yes", codes=(1,))
    assert "rstuf renew takes it out first" in " ".join(refused.err.split())
    world.does("renew")
    world.does("key rotate spare --to vera --yes")
    assert (roles_of(world, "online"), world.sees()["rotation"]["new"]) == ([], "vera")
