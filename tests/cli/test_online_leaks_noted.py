"""A leak that is stated of an online key, or of one that no root lists, is noted, also where the command is refused."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_status, copied, hold, in_time
from tests.cli.test_leaks_noted import roles_of, said_of
from tests.support.clients import Client, directory_site
from tests.support.person import ENTER, Person
from tests.support.plans import plan_text

TURNED_UP = ("key rotate online --to spare --yes", "recover online-key spare --lost --unencrypted --no-sign --yes")
REFUSED = {
    "the new key is away": ("online", ("away spare",), "recover online-key online --leaked --to spare --yes"),
    "it signs root": ("online", (), "recover online-key online --leaked --to bob --yes"),
    "it leaked": ("online", ("key revoke spare --leaked --yes",), "key revoke online --leaked --to spare --yes"),
    "it is not known": ("online", (), "recover online-key online --leaked --to nobody --yes"),
    "as if it signed root": ("online", (), "recover root-key online --leaked --to vera --yes"),
    "as if it were online": ("bob", (), "recover online-key bob --leaked --yes"),
    "a stray, and the key of root is away": (
        "online",
        (*TURNED_UP, "event cancel root-v3 --yes", "away spare"),
        "key revoke online --leaked --yes",
    ),
    "a stray, and --to": (
        "online",
        (*TURNED_UP, "event cancel root-v3 --yes"),
        "recover online-key online --leaked --to vera --yes",
    ),
    "it signs nothing": ("spare", (), "key revoke spare --leaked --to vera --yes"),
    "a delegated role, and --to": ("tara", (), "recover root-key tara --leaked --to vera --yes"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which two of three sign root, and tara a delegated role; spare and vera sign nothing yet."""
    home = tmp_path_factory.mktemp("online")
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    (home / "a.txt").write_bytes(b"alpha")
    return hold(
        home,
        plan_text(name="acme", signers=["alice", "bob", "cleo"], threshold=2, bins=2, expires=lives),
        *(("key", "generate", name, "--unencrypted") for name in ("spare", "vera", "tara")),
        ("delegation", "add", "team", "--path", "team/*", "--signer", "tara", "--expires", "400d", "--yes"),
        ("artifact", "add", home / "a.txt"),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch, away=())))


def as_typed(command: str) -> str:
    """A told command as a person runs it who has a key for it."""
    words = shlex.split(command)
    yes = ["--yes"] if words[1] in {"key", "delegation"} else []
    return shlex.join(["vera" if word == "NEW" else word for word in [*words, *yes]])


@pytest.mark.parametrize("case", REFUSED)
def test_a_leak_is_noted_where_the_command_is_refused(world: World, case: str) -> None:
    """The refusal says so, status tells what takes the key out, that works, and clients come along."""
    name, before, command = REFUSED[case]
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    Client(world.home / "client", site, root=root, now=world.at).refresh()
    for each in before:
        if each.startswith("away "):
            (place / f"keys/{each[5:]}.key").unlink()
        else:
            world.does(each)
    refused = world.does(command, codes=(1, 2))
    assert f"noted that {name} leaked" in refused.err
    assert said_of(world, name) == "leaked"
    assert bool(roles_of(world, name)) == (world.cli("status", "--check").code == 7)
    world.is_led_on(lambda each: [{**step, "command": as_typed(step["command"])} for step in by_status(each)])
    assert roles_of(world, name) == []
    warm = Client(world.home / "client", site, root=root, now=world.at)
    warm.refresh()
    assert warm.download("a.txt") == b"alpha"


@pytest.mark.parametrize("case", ["it signs nothing", "a delegated role, and --to"])
def test_the_hint_of_a_refusal_works(world: World, case: str) -> None:
    """What it tells for a key that no root lists is the literal command."""
    name, _, command = REFUSED[case]
    hint = " ".join(world.does(command, codes=(1, 2)).err.partition("hint:")[2].split())
    told = hint[hint.index("rstuf ") :].partition(",")[0]
    world.does(as_typed(told).removeprefix("rstuf "))
    assert roles_of(world, name) == []


def test_somebody_is_asked_before_it_is_noted(world: World) -> None:
    """Whoever typed its name already is not asked twice; whoever types something else has said nothing."""
    place = world.home / "acme"
    command = ("recover", "online-key", "online", "--leaked", "--to")
    world.does("recover online-key online --leaked --to bob", codes=(1, 2))
    assert said_of(world, "online") is None
    for new, asked in (("spare", "type online to replace it at once"), ("bob", "type online to note that it leaked")):
        with Person.running(*command, new, cwd=place) as person:
            person.sees(asked)
            person.presses("no", ENTER)
            assert person.ends() != 0
        assert said_of(world, "online") is None
    (place / "keys/spare.key").unlink()
    with Person.running(*command, "spare", cwd=place) as person:
        person.sees("type online to replace it at once")
        person.presses("online", ENTER)
        person.sees("noted that online leaked")
        assert person.ends() != 0
    assert said_of(world, "online") == "leaked"
