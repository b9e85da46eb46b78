"""A workspace and all who work with it, led on by the commands that are told: nobody may be sent in a circle."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, Result, elsewhere, run

from rstuf.clock import SystemClock
from rstuf_cli import prompts

START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
# One of each two signers is elsewhere, and signs what is exported for them.
AWAY = ("bob", "tom")
# More rounds than any way on takes.
_MOST = 10


@dataclass
class World:
    """A workspace, whoever works in it, the holders who are elsewhere, and the time of all of them."""

    home: Path
    cli: Cli
    monkeypatch: pytest.MonkeyPatch
    at: datetime = START
    told: list[str] = field(default_factory=list)
    away: tuple[str, ...] = AWAY

    def does(self, command: str, *, codes: tuple[int, ...] = (0, 4)) -> Result:
        done = self.cli(*shlex.split(command))
        self.told.append(f"{command} → {done.code}")
        assert done.code in codes, "\n".join([*self.told, done.out, done.err])
        return done

    def sees(self) -> dict[str, Any]:
        return self.does("status --json").document

    def events(self) -> dict[str, str]:
        return {event["role"]: event["name"] for event in self.sees()["events"]}

    def takes(self, command: str) -> None:
        """Do what was told, as a person would who knows what goes in the place of FILE."""
        words = shlex.split(command)
        assert words.pop(0) == "rstuf"
        if words[:2] == ["bundle", "export"]:
            self._holders_sign(words[2])
        elif words == ["ceremony", "--plan", "FILE"]:
            self.does(f"ceremony --plan {self.home / 'plan.toml'}")
        else:
            new_key = " --unencrypted" if "online-key" in words else ""
            meant = {"sign": " --yes", "recover": f"{new_key} --yes", "delegation": " --yes"}
            self.does(shlex.join(words) + (" --yes" if words[:2] == ["key", "revoke"] else meant.get(words[0], "")))

    def _holders_sign(self, event: str) -> None:
        bundle = self.home / f"{event}.rstuf"
        bundle.unlink(missing_ok=True)
        for name in set(self.away) & set(self.does(f"bundle export {event} -o {bundle} --json").document["missing"]):
            (self.home / name / f"{event}.sig").unlink(missing_ok=True)
            self.does(f"bundle import {elsewhere(self.home, name, bundle, self.monkeypatch)}")

    def is_led_on(self, steps_of: Callable[[World], list[dict[str, Any]]]) -> None:
        """The first of the told commands, again and again, until nothing is left to do."""
        for _ in range(_MOST):
            steps = steps_of(self)
            seen = self.sees()
            if not seen["next_steps"]:
                if seen["rotation"] is None:
                    break
                self.at += timedelta(days=2)
            elif steps:
                self.takes(steps[0]["command"])
        assert (seen["state"], seen["events"], seen["next_steps"]) == ("healthy", [], []), "\n".join(self.told)
        assert self.cli("verify").code == 0


def by_status(world: World) -> list[dict[str, Any]]:
    """What `status` says is to be done."""
    steps: list[dict[str, Any]] = world.sees()["next_steps"]
    return steps


def by_signing(world: World) -> list[dict[str, Any]]:
    """What `sign` says once it signed what it could; where nothing waits it says nothing, and status does."""
    steps: list[dict[str, Any]] = world.does("sign --yes --json").document["next_steps"]
    return steps or ([] if world.sees()["events"] else by_status(world))


def hold(home: Path, plan: str, *commands: Sequence[object], away: Sequence[str] = ()) -> Path:
    """Make a workspace `acme` below a directory, at START: the ceremony by a plan, then these commands.

    Args:
        away: whose keys then go to directories of their own.
    """
    (home / "plan.toml").write_text(plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts, "person_is_there", lambda: False)
        patch.setattr(SystemClock, "now", lambda _: START)
        for words in (("ceremony", "--plan", home / "plan.toml"), *commands):
            done = run("--repo", home / "acme", *words, monkeypatch=patch)
            assert done.code == 0, done.err
    for name in away:
        (home / name).mkdir()
        (home / "acme/keys" / f"{name}.key").rename(home / name / f"{name}.key")
    return home


def copied(made: Path, world: World) -> World:
    """The world with a copy of what was made, standing in its workspace."""
    shutil.copytree(made, world.home, dirs_exist_ok=True)
    world.monkeypatch.chdir(world.home / "acme")
    return world


def in_time(world: World) -> World:
    """The world, its time that of every command."""
    world.monkeypatch.setattr(SystemClock, "now", lambda _: world.at)
    return world
