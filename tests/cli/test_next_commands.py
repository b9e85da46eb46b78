"""Whatever becomes of what waits for people, the commands that are told lead on: nobody is sent in a circle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, elsewhere
from tests.cli.led import AWAY, World, by_signing, by_status, hold, in_time
from tests.support.plans import plan_text

BEGINNINGS = {
    "update": "root update --add dora --yes",
    "pair": "root update --role targets --add dora --remove tom --yes",
    "root renewal": "renew --force root",
    "targets renewal": "renew --force targets",
    "rotation": "key rotate online --unencrypted --yes",
    "replacement": "recover online-key online --leaked --unencrypted --yes",
}
# How long root and targets live, so that one of them, or both, expire within the time of an incident.
LIVES = {"both": ("30d", "30d"), "root": ("30d", "60d"), "targets": ("60d", "30d")}
INCIDENTS = ("both expired", "root expired", "targets expired", "root cancelled", "targets cancelled")
CASES = [
    ("update", "", ("root expired", "root cancelled")),
    ("pair", "", INCIDENTS),
    ("pair", "root", ("targets expired", "targets cancelled")),
    ("root renewal", "", ("root expired", "root cancelled")),
    ("targets renewal", "", ("targets expired", "targets cancelled")),
    ("rotation", "", INCIDENTS),
    ("rotation", "root", ("targets expired", "targets cancelled")),
    ("replacement", "", INCIDENTS),
    ("replacement", "root", ("targets expired", "targets cancelled")),
]
# Targets that people sign beside the online key: both of a rotation wait for each other.
BESIDE = [
    ("targets renewal", "", ("targets expired", "targets cancelled")),
    ("rotation", "", INCIDENTS),
    ("rotation", "root", INCIDENTS),
    ("rotation", "targets", ("both expired", "root expired", "root cancelled")),
    ("replacement", "", INCIDENTS),
    ("replacement", "root", INCIDENTS),
    ("replacement", "targets", INCIDENTS),
]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a workspace in which root and targets are signed by two each, once for each of LIVES and each pair."""
    known: dict[tuple[str, str], Path] = {}

    def make(which: str, beside: str = "tara") -> Path:
        if (which, beside) in known:
            return known[which, beside]
        home = known[which, beside] = tmp_path_factory.mktemp("world")
        lives = dict(zip(("root", "targets"), LIVES[which], strict=True))
        lives |= dict.fromkeys(("timestamp", "snapshot", "bins"), "900d")
        people = ["alice", "bob", *({beside} - {"online"}), "tom"]
        text = plan_text(name="acme", signers=people, threshold=2, bins=2, expires=lives)
        text = text.replace(json.dumps(people), '["alice", "bob"]')
        text = text.replace("[targets]\n", f'[targets]\nthreshold = 2\nsigners = ["{beside}", "tom"]\n')
        return hold(home, text, ("key", "generate", "dora", "--unencrypted"), away=AWAY)

    return make


@pytest.fixture
def world(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """Before anything is there."""
    return in_time(World(tmp_path, cli, monkeypatch))


@pytest.mark.parametrize("steps_of", [by_status, by_signing])
@pytest.mark.parametrize(
    ("beginning", "signed", "incident"),
    [(beginning, signed, incident) for beginning, signed, incidents in CASES for incident in incidents],
)
def test_the_told_commands_lead_on(
    world: World,
    made: Callable[..., Path],
    beginning: str,
    signed: str,
    incident: str,
    steps_of: Callable[[World], list[dict[str, Any]]],
) -> None:
    """However an event ended, or the one that it belongs to, what is told brings the repository in order."""
    befalls(world, made, beginning, signed, incident)
    world.is_led_on(steps_of)


@pytest.mark.parametrize("steps_of", [by_status, by_signing])
@pytest.mark.parametrize(
    ("beginning", "signed", "incident"),
    [(beginning, signed, incident) for beginning, signed, incidents in BESIDE for incident in incidents],
)
def test_the_told_commands_lead_on_beside_the_online_key(
    world: World,
    made: Callable[..., Path],
    beginning: str,
    signed: str,
    incident: str,
    steps_of: Callable[[World], list[dict[str, Any]]],
) -> None:
    """So they do where targets takes both, somebody who is away and the online key that is replaced."""
    befalls(world, made, beginning, signed, incident, beside="online")
    world.is_led_on(steps_of)


@pytest.mark.parametrize("incident", ["both expired", "targets expired", "targets cancelled"])
@pytest.mark.parametrize("signed", ["", "root"])
@pytest.mark.parametrize(
    ("beginning", "again"), [("rotation", "rotation"), ("rotation", "replacement"), ("replacement", "replacement")]
)
def test_the_same_command_again_leads_on(
    world: World, made: Callable[..., Path], beginning: str, again: str, signed: str, incident: str
) -> None:
    """Whoever replaces an online key can always run that command again, or a graver one: it proposes anew."""
    befalls(world, made, beginning, signed, incident)

    def steps(world: World) -> list[dict[str, Any]]:
        if world.sees()["rotation"] is None:
            return by_status(world)
        found = world.does(f"{BEGINNINGS[again]} --json").document["next_steps"]
        return [step for step in found if "by" not in step] or by_status(world)

    world.is_led_on(steps)


def befalls(
    world: World, made: Callable[..., Path], beginning: str, signed: str, incident: str, *, beside: str = "tara"
) -> None:
    """Something begins, one of its events gets all its signatures, and then something else comes of it."""
    which, what = incident.split()
    shutil.copytree(made(which if what == "expired" else "both", beside), world.home, dirs_exist_ok=True)
    world.monkeypatch.chdir(world.home / "acme")
    world.does(BEGINNINGS[beginning])
    if signed:
        world.takes(f"rstuf bundle export {world.events()[signed]}")
    if what == "cancelled":
        world.does(f"event cancel {world.events()[which]} --yes")
    else:
        world.at += timedelta(days=40)


@pytest.mark.parametrize("incident", ["expired", "cancelled"])
@pytest.mark.parametrize("steps_of", [by_status, by_signing])
def test_a_ceremony_is_led_on(
    world: World, made: Callable[..., Path], incident: str, steps_of: Callable[[World], list[dict[str, Any]]]
) -> None:
    """A first root that nobody can sign any more is proposed again by its own plan, as every command says."""
    text = (made("both") / "plan.toml").read_text()
    for name in AWAY:
        assert world.cli("key", "generate", name, "--unencrypted", "--in", world.home / name).code == 0
        here = f'[keys.{name}]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/{name}.key"\n'
        assert here in text
        text = text.replace(here, f'[keys.{name}]\npublic = "{world.home / name / name}.pub"\n')
    (world.home / "plan.toml").write_text(text)
    place = world.home / "acme"
    place.mkdir()
    world.monkeypatch.chdir(place)
    world.does(f"ceremony --plan {world.home / 'plan.toml'}", codes=(4,))
    again = "rstuf ceremony --plan FILE"
    world.does(f"bundle export root-v1 -o {world.home / 'first.rstuf'}")
    signature = elsewhere(world.home, "bob", world.home / "first.rstuf", world.monkeypatch)
    if incident == "cancelled":
        cancelled = world.does("event cancel root-v1 --yes --json").document
        assert [step["command"] for step in cancelled["next_steps"]] == [again]
        for command in ("status", "sign", "renew", "publish", "bundle export root-v1"):
            refused = world.does(command, codes=(1,))
            assert f"hint:  {again}" in refused.err
            assert "interrupted" not in refused.err
    else:
        world.at += timedelta(days=40)
        for command in ("sign root-v1", "renew", "publish", "bundle export root-v1", f"bundle import {signature}"):
            assert f"hint:  {again}" in world.does(command, codes=(1,)).err
        assert [step["command"] for step in steps_of(world)] == [again]
        assert [step["command"] for step in world.does("event show root --json").document["next_steps"]] == [again]
        assert world.does("status --check", codes=(8,)).out.startswith("acme  ·  5 keys  ·  its first root expired ")
    (finding,) = world.does("doctor --json", codes=(1,)).document["findings"]
    assert (finding["severity"], finding["mend"].startswith(again)) == ("problem", True)
    if incident == "cancelled":
        world.takes(again)
    world.is_led_on(steps_of)
