"""What a signing event was to change, once another has its place: it is told, with the command that asks for it again.

And what is no part of a root, though it waits beside it, stays when that goes.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.test_root import refreshed
from tests.support.plans import plan_text

Later = Callable[[timedelta], None]
_LONG = timedelta(days=400)


def shop_of(place: Path, cli: Cli, *, root: Sequence[str], targets: Sequence[str], threshold: int) -> None:
    """A ceremony in which people sign targets, too; all keys are here, and dora's and fred's are spare."""
    every = tuple(dict.fromkeys((*root, *targets)))
    text = plan_text(name="acme", signers=every, bins=2).replace(
        f"signers = {json.dumps(list(every))}", f"signers = {json.dumps(list(root))}"
    )
    plan = place.parent / "plan.toml"
    plan.write_text(f"{text}[targets]\nthreshold = {threshold}\nsigners = {json.dumps(list(targets))}\n")
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    for name in ("dora", "fred"):
        assert cli("--repo", place, "key", "generate", name, "--unencrypted").code == 0


@pytest.fixture
def shop(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tara and tom both sign targets; four bins are asked for, and tara has signed that."""
    place = tmp_path / "shop"
    shop_of(place, cli, root=("alice", "bob"), targets=("tara", "tom"), threshold=2)
    monkeypatch.chdir(place)
    assert cli("bins", "resize", "4", "--no-sign", "--yes").code == 4
    assert cli("sign", "targets-v2", "--key", "tara", "--yes").code == 4
    return place


def waiting(cli: Cli) -> list[str]:
    """The names of the events that are open."""
    return [event["name"] for event in cli("event", "list", "--json").document["events"]]


def dropped(document: dict[str, list[dict[str, object]]]) -> dict[object, tuple[object, object, object]]:
    """Of each event that was dropped why, what proposes again what is lost with it, and after what."""
    return {each["event"]: (each["why"], each["propose_again"], each["after"]) for each in document["dropped"]}


def test_a_resize_says_what_it_is(shop: Path, cli: Cli) -> None:
    """It is called so, with the number, while it waits and ever after."""
    for argv in (("event", "list"), ("event", "show", "targets-v2")):
        assert "targets-v2  another number of bins: 4" in cli(*argv).out
    seen = cli("event", "show", "targets", "--json").document
    assert (seen["kind"], seen["bins"]) == ("resize", 4)
    assert cli("sign", "targets-v2", "--yes").code == 0
    assert "targets-v2  another number of bins: 4, published" in cli("event", "list", "--all").out


def test_a_resize_that_expired_can_be_asked_for_again(shop: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """Whatever drops it tells the command, and that works."""
    later(_LONG)
    told = cli("renew", "--json").document
    assert dropped(told) == {"targets-v2": ("expired", ["rstuf bins resize 4"], None)}
    assert cli("bins", "resize", "4", "--yes").code == 0
    assert cli("status", "--json").document["bins"] == 4


def test_a_resize_that_another_event_replaced(shop: Path, cli: Cli, tmp_path: Path) -> None:
    """A root that needs new targets takes its place: then, too, the command is told, and after what."""
    done = cli("root", "update", "--role", "targets", "--add", "dora", "--remove", "tom", "--no-sign", "--yes")
    assert done.code == 4, done.err
    told = " ".join(done.err.split())
    assert "targets-v2 gave its place to another one, and is dropped, with the signature of tara" in told
    assert "to propose that again once the targets-v3 that waits now is out: rstuf bins resize 4" in told
    assert cli("sign", "--yes").code == 0
    assert cli("bins", "resize", "4", "--yes").code == 0
    assert refreshed(shop, tmp_path).refresh().targets == 4


def test_a_resize_that_another_one_replaced(shop: Path, cli: Cli) -> None:
    """Whoever asks for another number wants that: nothing is told to be lost."""
    done = cli("bins", "resize", "8", "--no-sign", "--yes", "--json")
    assert all(again == [] for _, again, _ in dropped(done.document).values())


def test_a_resize_goes_with_no_root(shop: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """A root that needs no new targets is cancelled, replaced and expires without it, and without tara's signature."""
    opening = ("root", "update", "--role", "targets", "--add", "dora", "--no-sign", "--yes")
    assert cli(*opening).code == 4
    assert [event["companions"] for event in cli("event", "list", "--json").document["events"]] == [[], []]
    cancelled = cli("event", "cancel", "root", "--yes", "--json").document
    assert (cancelled["with_it"], waiting(cli)) == ([], ["targets-v2"])
    assert cli(*opening).code == 4
    replaced = cli("root", "update", "--add", "fred", "--no-sign", "--yes", "--json").document
    assert dropped(replaced) == {
        "root-v2": ("replaced", ["rstuf root update --role targets --add dora"], "root-v2"),
    }
    assert waiting(cli) == ["targets-v2", "root-v2"]
    assert cli("sign", "root-v2", "--yes").code == 0
    assert cli("sign", "targets-v2", "--yes").code == 0
    assert cli("status", "--json").document["bins"] == 4
    refreshed(shop, tmp_path)


def test_a_root_that_a_leaked_key_spoilt_keeps_no_resize(shop: Path, cli: Cli) -> None:
    """What waits beside a root that never comes out is for the signers of the root in force, and comes out."""
    assert cli("root", "update", "--role", "targets", "--add", "dora", "--no-sign", "--yes").code == 4
    assert cli("key", "revoke", "dora", "--leaked", "--yes").code == 4
    assert cli("sign", "targets-v2", "--yes").code == 0
    assert cli("status", "--json").document["bins"] == 4


def test_what_a_replaced_root_was_to_change(shop: Path, cli: Cli) -> None:
    """Only that is lost which the root in its place does not say, too."""
    assert cli("root", "update", "--add", "dora", "--threshold", "2", "--no-sign", "--yes").code == 4
    done = cli("root", "update", "--add", "dora", "--expires", "200d", "--no-sign", "--yes", "--json").document
    assert dropped(done) == {"root-v2": ("replaced", ["rstuf root update --threshold 2"], "root-v2")}
    done = cli("root", "update", "--add", "dora", "--expires", "200d", "--no-sign", "--yes", "--json").document
    assert dropped(done) == {"root-v2": ("replaced", [], None)}


@pytest.mark.parametrize(
    "command",
    [
        "rstuf key revoke alice --lost --targets-threshold 1",
        "rstuf key revoke alice --leaked --threshold 1 --targets-threshold 1",
        "rstuf key revoke alice --targets-threshold 1",
        "rstuf recover root-key alice --lost --to dora",
        "rstuf recover root-key alice --to dora",
    ],
)
def test_a_key_of_two_roles_goes_with_one_command(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: Later, command: str
) -> None:
    """Once the root expired that takes it out of both, the one command is told that does all of it again."""
    place = tmp_path / "shop"
    shop_of(place, cli, root=("alice", "bob", "cleo"), targets=("alice", "tom", "tara"), threshold=2)
    monkeypatch.chdir(place)
    assert cli("root", "update", "--threshold", "2", "--yes").code == 0
    argv = shlex.split(command)[1:]
    assert cli(*argv, "--no-sign", "--yes").code == 4
    later(_LONG)
    told = cli("renew", "--json").document
    assert dropped(told)["root-v3"] == ("expired", [command], None)
    done = cli(*argv, "--yes")
    assert done.code == 0, done.err
    (alice,) = [key for key in cli("key", "list", "--json").document["keys"] if key["name"] == "alice"]
    assert alice["roles"] == []
