"""A leak that is stated is noted, also where the root that was asked for is refused; what is told takes the key out."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, by_status, copied, hold, in_time
from tests.support.clients import Client, directory_site
from tests.support.person import ENTER, Person
from tests.support.plans import plan_text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which two of two sign root and targets each; dora signs nothing yet."""
    home = tmp_path_factory.mktemp("noted")
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    people = ["alice", "bob", "tara", "tom"]
    text = plan_text(name="acme", signers=people, threshold=2, bins=2, expires=lives)
    text = text.replace(json.dumps(people), '["alice", "bob"]')
    text = text.replace("[targets]\n", '[targets]\nthreshold = 2\nsigners = ["tara", "tom"]\n')
    (home / "a.txt").write_bytes(b"alpha")
    return hold(
        home,
        text,
        ("key", "generate", "dora", "--unencrypted"),
        ("artifact", "add", home / "a.txt"),
        away=("bob", "tom"),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch)))


def roles_of(world: World, name: str) -> list[object]:
    """What a key may sign yet."""
    (found,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == name]
    roles: list[object] = found["roles"]
    return roles


def said_of(world: World, name: str) -> str | None:
    """What is noted of a key."""
    (found,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == name]
    report = found.get("report")
    return None if report is None else str(report["loss"])


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("tara", "recover root-key tara --leaked --to dora --yes"),
        ("tara", "key revoke tara --leaked --yes"),
        ("bob", "recover root-key bob --leaked --yes"),
        ("bob", "key revoke bob --leaked --yes"),
        ("bob", "recover root-key bob --leaked --to alice --yes"),
    ],
)
def test_a_leak_is_noted_where_its_root_is_refused(world: World, name: str, command: str) -> None:
    """The refusal says that it is, status tells it until it is out, and the told commands take it out."""
    place = world.home / "acme"
    root, site = (place / "metadata/1.root.json").read_bytes(), directory_site(place / "metadata", place / "targets")
    refused = world.does(command, codes=(1,))
    assert f"noted that {name} leaked" in refused.err
    assert said_of(world, name) == "leaked"
    assert (world.cli("status", "--check").code, world.cli("doctor").code) == (7, 1)
    world.is_led_on(lambda each: [{**step, "command": said(step["command"])} for step in by_status(each)])
    assert roles_of(world, name) == []
    warm = Client(world.home / "client", site, root=root, now=world.at)
    warm.refresh()
    assert warm.download("a.txt") == b"alpha"


def said(command: str) -> str:
    """A told command as a person runs it who has a key for it."""
    words = shlex.split(command)
    yes = ["--yes"] if words[1:3] == ["key", "revoke"] else []
    return shlex.join(["dora" if word == "NEW" else word for word in [*words, *yes]])


def test_what_the_refusal_tells_notes_the_leak_as_well(world: World) -> None:
    """It is the literal command, with the leak in it and a number that holds."""
    refused = world.does("recover root-key tara --leaked --to dora --yes", codes=(1,))
    hint = " ".join(refused.err.partition("hint:")[2].split())
    told = hint.removeprefix("first take it out: rstuf ").partition(";")[0]
    assert told == "key revoke tara --leaked --targets-threshold 1"
    world.does(f"{told} --yes", codes=(4,))


def test_a_key_of_both_roles_is_taken_out_by_one_told_command(cli: Cli, tmp_path: Path) -> None:
    """Where root and targets each need a lower threshold without it, the refusal and status say both."""
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    text = plan_text(name="acme", signers=["alice", "bob"], threshold=2, bins=2, expires=lives)
    text = text.replace("[targets]\n", '[targets]\nthreshold = 2\nsigners = ["alice", "bob"]\n')
    (tmp_path / "plan.toml").write_text(text)
    place = tmp_path / "acme"
    assert cli("--repo", place, "ceremony", "--plan", tmp_path / "plan.toml").code == 0
    refused = cli("--repo", place, "key", "revoke", "bob", "--leaked", "--yes")
    told = "rstuf key revoke bob --leaked --threshold 1 --targets-threshold 1"
    assert (refused.code, told in " ".join(refused.err.split())) == (1, True), refused.err
    steps = cli("--repo", place, "status", "--json").document["next_steps"]
    assert told in [step["command"] for step in steps]
    assert cli("--repo", place, *shlex.split(told)[1:], "--yes").code == 0
    assert cli("--repo", place, "status", "--check").code == 0


def test_somebody_is_asked_before_it_is_noted(world: World) -> None:
    """It is never taken back, so its name is typed; and nobody is there to be asked, nothing is noted."""
    place = world.home / "acme"
    world.does("recover root-key bob --leaked", codes=(1, 2))
    assert said_of(world, "bob") is None
    for typed, noted in (("no", None), ("bob", "leaked")):
        with Person.running("recover", "root-key", "bob", "--leaked", cwd=place) as person:
            person.sees("type bob to note that it leaked")
            person.presses(typed, ENTER)
            assert person.ends() != 0
        assert said_of(world, "bob") == noted


def test_another_look_notes_nothing(world: World) -> None:
    """A key that is well, or a loss that is not stated, is noted by no refusal."""
    world.does("key revoke bob --yes", codes=(1,))
    assert said_of(world, "bob") is None
