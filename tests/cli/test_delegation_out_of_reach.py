"""Delegations that no path comes to, because a role above them is not for theirs: told before they are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, copied, hold, in_time
from tests.support.plans import plan_text

_TOLD = "no path comes to {} then: no role above it is for what it is for"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """team is for team/* and what is one deeper, and delegates some of that to inner."""
    home = tmp_path_factory.mktemp("reach")
    return hold(
        home,
        plan_text(name="acme", signers=["alice"], bins=2),
        ("delegation", "add", "team", "--path", "team/*", "--path", "team/*/*", "--yes"),
        ("delegation", "add", "inner", "--parent", "team", "--path", "team/x/*", "--yes"),
    )


@pytest.fixture
def world(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied."""
    return copied(made, in_time(World(tmp_path, cli, monkeypatch)))


def test_a_new_one_that_no_path_comes_to_is_told(world: World) -> None:
    """Below a role that is for something else it is warned of; one that is for the same is not."""
    assert _TOLD.format("docs") in world.does("delegation add docs --parent team --path 'docs/*' --yes").err
    done = world.does("delegation add deep --parent inner --path 'team/?/1' --yes --json")
    assert done.document["unreached"] == []


def test_fewer_paths_above_leave_those_below_unreached(world: World) -> None:
    """The role that loses its paths is named, once: with what comes after that it is no news."""
    done = world.does("delegation update team --path 'team/*' --yes")
    assert _TOLD.format("inner") in done.err
    assert world.does("delegation add more --path 'more/*' --yes --json").document["unreached"] == []
