"""Wishes for what is so already, or goes, while something else waits: what is said leads somewhere."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Cli


@pytest.fixture
def vendor(filled: Path, cli: Cli, tmp_path: Path) -> Path:
    """vendor and docs, signed by vera, whose key went away, and two roles below vendor."""
    for argv in (
        "key generate vera --unencrypted",
        "delegation add vendor --path vendor/* --path vendor/sub/* --signer vera --yes",
        "delegation add sub --parent vendor --path vendor/sub/* --yes",
        "delegation add second --parent vendor --path vendor/2 --yes",
        "delegation add split --path split/* --signer vera --yes",
        "bins resize 4 --role split --yes",
        "delegation add docs --path docs/* --signer vera --yes",
    ):
        done = cli(*shlex.split(argv))
        assert done.code == 0, done.err
    (tmp_path / "vera").mkdir()
    (filled / "keys" / "vera.key").rename(tmp_path / "vera" / "vera.key")
    return filled


def events(cli: Cli) -> list[str]:
    return [each["name"] for each in cli("event", "list", "--json").document["events"]]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("delegation update sub --terminating", "delegation update sub --not-terminating"),
        ("delegation update sub --path vendor/sub/a", "delegation update sub --path vendor/sub/*"),
        ("root update --add vera --threshold 2 --no-sign", "root update --threshold 1"),
        ("root update --remove bob --add vera --no-sign", "root update --add bob"),
        ("bins resize 8 --role split", "bins resize 4 --role split"),
    ],
)
def test_what_is_wished_back_names_what_waits(vendor: Path, cli: Cli, other: str, same: str) -> None:
    """What is so already is refused with the event that waits to change it; cancelled as is told, nothing waits."""
    done = cli(*shlex.split(other), "--yes")
    assert done.code == 4, done.err
    (event,) = events(cli)
    refused = cli(*shlex.split(same), "--yes")
    assert refused.code == 1
    assert f"{event} waits to change that" in refused.err
    (hint,) = [line for line in refused.err.splitlines() if line.startswith("hint:")]
    assert f"rstuf event cancel {event}" in hint
    assert cli("event", "cancel", event, "--yes").code == 0
    assert events(cli) == []
    again = cli(*shlex.split(same), "--yes")
    assert "waits" not in again.err
    assert "already" in again.out + again.err


def test_what_another_event_says_is_no_hint(vendor: Path, cli: Cli) -> None:
    """An event that changes another delegation of the same role is not in the way of this one."""
    assert cli("delegation", "update", "second", "--terminating", "--yes").code == 4
    refused = cli("delegation", "update", "sub", "--path", "vendor/sub/*", "--yes")
    assert "that is what sub is already" in refused.err


@pytest.mark.parametrize(
    ("wished", "removed"),
    [
        ("delegation update sub --terminating", "sub"),
        ("delegation add new --parent docs --path docs/new", "docs"),
        ("bins resize 4 --role docs --signed-by role", "docs"),
    ],
)
def test_nothing_is_told_to_be_proposed_for_what_goes(vendor: Path, cli: Cli, wished: str, removed: str) -> None:
    """A removal takes the place of what waits of the role, or below it: no command is told that would be refused."""
    assert cli(*shlex.split(wished), "--yes").code == 4
    done = cli("delegation", "remove", removed, "--yes", "--json")
    assert done.code in {0, 4}, done.err
    told = [step["command"] for step in done.document["next_steps"]]
    told += [command for each in done.document["dropped"] for command in each["propose_again"]]
    assert all(command.startswith("rstuf bundle export") for command in told), told
    assert done.document["dropped"], "it took the place of nothing"
