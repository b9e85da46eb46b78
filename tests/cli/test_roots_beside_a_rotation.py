"""Roots that are proposed while an online key is replaced: what is called off for them, or gives way, is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.test_event_ends import waiting
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_root import refreshed
from tests.cli.test_what_was_lost import shop_of

LEAK = (
    ("recover", "root-key", "tom", "--leaked", "--to", "dora", "--yes"),
    ("key", "revoke", "tom", "--leaked", "--yes"),
    ("root", "update", "--role", "targets", "--add", "dora", "--remove", "tom", "--yes"),
    ("root", "update", "--role", "targets", "--add", "dora", "--yes"),
    ("root", "update", "--add", "dora", "--yes"),
)


@pytest.fixture
def handed_over(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two of three people have let the new online key sign the bins, and its root waits."""
    place = tmp_path / "shop"
    shop_of(place, cli, root=("alice", "bob"), targets=("tara", "tom", "tia"), threshold=2)
    monkeypatch.chdir(place)
    (tmp_path / "a.txt").write_bytes(b"alpha\n")
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    assert cli("key", "rotate", "online", "--unencrypted", "--no-sign", "--yes").code == 4
    assert cli("sign", "targets-v2", "--key", "tom", "--key", "tara", "--yes").code == 0
    assert (waiting(cli), keys_of(cli)["online-2"]) == (["root-v2"], ["bins"])
    return place


def loss_of(cli: Cli, name: str) -> str | None:
    """What is noted of a key."""
    (key,) = [each for each in cli("key", "list", "--json").document["keys"] if each["name"] == name]
    return key.get("report", {}).get("loss")


@pytest.mark.parametrize("command", LEAK, ids=" ".join)
def test_another_root_in_the_middle_of_a_rotation(
    handed_over: Path, cli: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """It takes the place of the rotation at once: targets that hands the bins back waits with it, and all comes out."""
    warm = refreshed(handed_over, tmp_path)
    done = cli(*command)
    assert done.code == 0, done.err
    assert "with it ends the rotation of the online key that it belongs to" in done.err
    signs = keys_of(cli)
    assert (signs["online"], signs["online-2"]) == (["snapshot", "timestamp", "bins"], [])
    assert (waiting(cli), cli("status", "--json").document["next_steps"]) == ([], [])
    if "--leaked" in command:
        assert (loss_of(cli, "tom"), signs["tom"]) == ("leaked", [])
    later = warm.copy(tmp_path / "later")
    assert later.refresh().root == 2
    assert later.download("a.txt") == b"alpha\n"
    (tmp_path / "b.txt").write_bytes(b"beta\n")
    assert cli("artifact", "add", tmp_path / "b.txt").code == 0
    assert cli("verify", "--full").code == 0


def test_bins_are_handed_back_whatever_is_proposed_after_that(handed_over: Path, cli: Cli, tmp_path: Path) -> None:
    """Another root that needs targets takes the place of the one before, and its targets hands the bins back, too."""
    for threshold in ("2", "3", "2"):
        changes = ("--add", "dora", "--remove", "tom", "--threshold", threshold)
        assert cli("root", "update", "--role", "targets", *changes, "--no-sign", "--yes").code == 4
    assert waiting(cli) == ["root-v2", "targets-v5"]
    assert cli("sign", "--yes").code == 0
    assert (keys_of(cli)["online-2"], waiting(cli)) == ([], [])
    refreshed(handed_over, tmp_path)


def test_whose_signatures_a_call_off_drops_is_said_before(handed_over: Path, cli: Cli) -> None:
    """What waits of targets gives its place to what hands the bins back, and whoever asks for that is told."""
    assert cli("bins", "resize", "4", "--no-sign", "--yes").code == 4
    assert cli("sign", "targets-v3", "--key", "tara", "--yes").code == 4
    (root,) = [each for each in cli("event", "list", "--json").document["events"] if each["role"] == "root"]
    assert root["companions"] == ["targets-v3"]
    done = cli("root", "update", "--add", "dora", "--no-sign", "--yes")
    assert "targets-v3 waits already, with the signature of tara; this takes its place and drops it" in done.err
    (back,) = [each for each in cli("event", "list", "--json").document["events"] if each["role"] == "targets"]
    assert (back["name"], back["kind"]) == ("targets-v4", "handback")
    cancelled = cli("event", "cancel", "root-v2", "--yes", "--json").document
    assert (cancelled["with_it"], waiting(cli)) == ([], ["targets-v4"])


def test_a_rotation_is_cancelled_in_one_step(handed_over: Path, cli: Cli, tmp_path: Path) -> None:
    """What hands the bins back takes the place of what waited of targets, in the transaction that drops both."""
    assert cli("bins", "resize", "4", "--no-sign", "--yes").code == 4
    done = cli("event", "cancel", "root-v2", "--yes", "--json").document
    assert ([each["event"] for each in done["with_it"]], done["rotation_ended"]) == (["targets-v3"], True)
    assert waiting(cli) == ["targets-v4"]
    assert cli("sign", "--yes").code == 0
    assert keys_of(cli)["online-2"] == []
    refreshed(handed_over, tmp_path)


def test_a_leak_is_noted_though_nothing_can_be_opened(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """The rotation cannot be called off without its old key: that is refused, nothing else changes, the leak stands."""
    assert cli("key", "rotate", "online", "--unencrypted", "--no-sign", "--yes").code == 4
    before = sorted(path.name for path in (filled / "metadata").iterdir())
    (filled / "keys/online.key").rename(tmp_path / "online.key")
    refused = cli("key", "revoke", "bob", "--leaked", "--yes")
    assert (refused.code, waiting(cli)) == (1, ["root-v2"])
    assert sorted(path.name for path in (filled / "metadata").iterdir()) == before
    assert loss_of(cli, "bob") == "leaked"


def test_targets_that_a_root_needs_comes_after_the_call_off(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """The old key takes the new one out of targets at once, and what waits is another version, without the new one."""
    warm = refreshed(filled, tmp_path)
    assert cli("key", "generate", "tia", "--unencrypted").code == 0
    assert cli("key", "rotate", "online", "--unencrypted", "--no-sign", "--yes").code == 4
    done = cli("root", "update", "--role", "targets", "--add", "tia", "--remove", "online", "--no-sign", "--yes")
    assert (done.code, waiting(cli)) == (4, ["root-v2", "targets-v4"])
    assert keys_of(cli)["online-2"] == []
    assert cli("sign", "--yes").code == 0
    assert (waiting(cli), keys_of(cli)["tia"]) == ([], ["targets"])
    later = warm.copy(tmp_path / "later")
    assert later.refresh().targets == 4
    assert later.download("a.txt") == b"alpha\n"


@pytest.fixture
def cut_off(cli: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets a command end as by a kill, once the replacement of the online key has begun, and before its root waits."""

    def run(command: str) -> None:
        if command == LOSE:
            (filled / "keys/online.key").unlink()
        with monkeypatch.context() as patch:
            patch.setattr("rstuf.repository.rotation.carry_on", _killed)
            with pytest.raises(SystemExit):
                cli(*command.split(), "--unencrypted", "--yes")
        assert (waiting(cli), cli("status", "--json").document["rotation"]["root_version"]) == ([], None)

    return run


def _killed(ports: object, **options: object) -> None:
    raise SystemExit(9)


ROTATE, LOSE, LEAK_IT = ("key rotate online", "recover online-key online --lost", "recover online-key online --leaked")


def test_what_was_cut_off_is_told_to_go_on(cli: Cli, cut_off: Callable[[str], None], filled: Path) -> None:
    """Status knows that nothing waits, and its command proposes the root."""
    cut_off(ROTATE)
    assert [step["command"] for step in cli("status", "--json").document["next_steps"]] == ["rstuf renew"]
    assert cli("renew").code == 4
    assert waiting(cli) == ["root-v2"]
    assert cli("sign", "--yes").code == 0


def test_a_root_after_what_was_cut_off_is_seen_to_drop_it(
    cli: Cli, cut_off: Callable[[str], None], filled: Path, tmp_path: Path
) -> None:
    """The replacement goes on first, so that whoever proposes another root is told that this ends it."""
    cut_off(ROTATE)
    assert cli("root", "update", "--threshold", "2", "--dry-run").code == 0
    assert waiting(cli) == []
    done = cli("root", "update", "--threshold", "2", "--no-sign", "--yes")
    assert "with it ends the rotation of the online key that it belongs to" in done.err
    assert cli("sign", "--yes").code == 0
    assert cli("status", "--json").document["rotation"] is None
    refreshed(filled, tmp_path)


@pytest.mark.parametrize("begun", [ROTATE, LEAK_IT])
def test_a_leaked_key_goes_whatever_root_waits(
    cli: Cli,
    cut_off: Callable[[str], None],
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begun: str,
) -> None:
    """A root that came between is shown as in the way, dropped with its signatures, and told how to be had again."""
    cut_off(begun)
    assert cli("key", "generate", "dora", "--unencrypted").code == 0
    with monkeypatch.context() as patch:
        # As by a key that could not be reached just then, or by a version before this one.
        patch.setattr("rstuf.repository.event_desk.EventDesk.take_up", lambda desk: None)
        assert cli("root", "update", "--add", "dora", "--threshold", "3", "--no-sign", "--yes").code == 4
    assert cli("sign", "root-v2", "--key", "alice", "--yes").code == 4
    first, *_ = cli("status", "--json").document["next_steps"]
    if begun == LEAK_IT:
        assert first["command"] == LEAK_IT.replace("recover", "rstuf recover")
    done = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert done.code == 0, done.err
    told = " ".join(done.err.split())
    assert "root-v2 waits already, with the signature of alice; this takes its place and drops it" in told
    assert "ends the rotation" not in told
    assert "rstuf root update --add dora --threshold 3" in told
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"]) == ([], ["targets", "snapshot", "timestamp", "bins"])
    assert (waiting(cli), cli("status", "--json").document["next_steps"]) == ([], [])
    refreshed(filled, tmp_path)


@pytest.mark.parametrize("begun", [ROTATE, LOSE, LEAK_IT])
def test_what_was_cut_off_stands_back(
    cli: Cli, cut_off: Callable[[str], None], filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    """Once another root that waits is out, the one of the replacement is proposed by itself."""
    cut_off(begun)
    with monkeypatch.context() as patch:
        patch.setattr("rstuf.repository.event_desk.EventDesk.take_up", lambda desk: None)
        assert cli("root", "update", "--threshold", "2", "--no-sign", "--yes").code == 4
    assert waiting(cli) == ["root-v2"]
    if begun == ROTATE:
        again = cli(*ROTATE.split(), "--json")
        assert (again.code, waiting(cli)) == (4, ["root-v2"])
        assert [step["command"] for step in again.document["next_steps"]] == ["rstuf sign root-v2"]
        assert "root-v2 comes first: the root that names online-2 alone follows" in cli(*ROTATE.split()).out
    assert cli("sign", "root-v2", "--yes").code == 0
    assert waiting(cli) == ["root-v3"]
    assert cli("sign", "root-v3", "--yes").code == 0
    refreshed(filled, tmp_path)
    assert cli("verify").code == 0
