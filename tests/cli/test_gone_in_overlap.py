"""An online key that is gone while two of them sign: every face says so, and what it tells to do leads on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_leaked_keys import commands, problems
from tests.cli.test_recover_keys import new_client
from tests.cli.test_root import refreshed

ROTATE = ("key", "rotate", "online", "--to", "online-2", "--overlap", "40d", "--yes")


def is_told_and_ends(place: Path, cli: Cli, tmp_path: Path, name: str) -> None:
    """Whoever looks, publishes or renews is told the way without the key; it works, and clients come along."""
    way = f"rstuf recover online-key {name} --lost"
    (tmp_path / "new.txt").write_text("goes on")
    seen = cli("status", "--json").document
    [why] = [step["why"] for step in seen["next_steps"] if step["command"] == f"put back keys/{name}.key"]
    assert ("nothing can be published or renewed without it" in why, way in why) == (True, True)
    assert cli("status", "--check").code == 7
    assert "key-away" in problems(cli)
    for command in (("artifact", "add", tmp_path / "new.txt"), ("renew", "--force", "timestamp")):
        refused = cli(*command)
        assert (refused.code, way in " ".join(refused.err.split())) == (1, True), refused.err
    assert cli(*way.split()[1:], "--yes").code == 0


@pytest.mark.parametrize("root", ["out", "waits"])
def test_the_old_key_is_gone(by_people: Path, cli: Cli, tmp_path: Path, root: str) -> None:
    """Neither root nor targets may name it any more, and yet nothing comes out without it."""
    warm = refreshed(by_people, tmp_path)
    assert cli(*ROTATE, "--no-sign").code == 4
    for event in ("targets-v2", "root-v2")[: 2 if root == "out" else 1]:
        assert cli("sign", event, "--yes").code == 0
    between = warm.copy(tmp_path / "between")
    between.refresh()
    assert keys_of(cli)["online"] == ([] if root == "out" else ["snapshot", "timestamp"])
    (by_people / "keys/online.key").unlink()
    is_told_and_ends(by_people, cli, tmp_path, "online")
    assert cli("publish").code == 0
    assert (keys_of(cli)["online"], cli("status", "--check").code) == ([], 0)
    for client in (warm, between, new_client(by_people, tmp_path / "new")):
        client.refresh()
        client.walk()
        assert client.download("new.txt") == b"goes on"


def test_the_new_key_is_gone(by_people: Path, cli: Cli, tmp_path: Path) -> None:
    """Before root names it nothing comes out without it either; the old one just stays."""
    warm = refreshed(by_people, tmp_path)
    assert cli(*ROTATE, "--no-sign").code == 4
    (by_people / "keys/online-2.key").unlink()
    is_told_and_ends(by_people, cli, tmp_path, "online-2")
    assert cli("publish").code == 0
    assert cli("status", "--check").code == 0
    warm.refresh()
    assert warm.download("new.txt") == b"goes on"


def test_the_key_that_bins_need_is_another(by_people: Path, cli: Cli, tmp_path: Path) -> None:
    """The new key leaks before people let it sign bins: the lost one signs them yet, and every face says that."""
    warm = refreshed(by_people, tmp_path)
    assert cli(*ROTATE, "--no-sign").code == 4
    assert cli("sign", "root-v2", "--yes").code == 0
    (by_people / "keys/online.key").unlink()
    carol = (by_people / "keys/carol.key").rename(tmp_path / "carol.key")
    assert cli("recover", "online-key", "online", "--lost", "--yes").code == 4
    leaked = cli("recover", "online-key", "online-2", "--leaked", "--unencrypted", "--yes")
    (tmp_path / "new.txt").write_text("goes on")
    refused = cli("artifact", "add", tmp_path / "new.txt")
    assert (refused.code, "bins go on without online once targets-v" in " ".join(refused.err.split())) == (1, True)
    status = cli("status")
    for told in (leaked.out, status.out):
        words = " ".join(told.split())
        assert "bins need online: without it nothing can be published" in words
        assert "whoever has online-2 can still change contents" not in words
    told = commands(cli("status", "--json"))
    assert (told[0].startswith("rstuf bundle export targets-v"), "rstuf publish" in told) == (True, False)
    assert cli("key", "add", "carol", carol).code == 0
    assert cli("sign", "--yes").code == 0
    assert cli("publish").code == 0
    assert cli("status", "--check").code == 0
    for client in (warm, new_client(by_people, tmp_path / "new")):
        client.refresh()
        client.walk()
        assert client.download("new.txt") == b"goes on"


def test_what_a_renewal_proposes_anew_is_told(by_people: Path, cli: Cli, tmp_path: Path) -> None:
    """Targets that a rotation needs and somebody cancelled waits again: for whom is said, and that it does."""
    assert cli(*ROTATE, "--no-sign").code == 4
    (by_people / "keys/carol.key").rename(tmp_path / "carol.key")
    told = commands(cli("event", "cancel", "targets-v2", "--yes", "--json"))
    assert (told, commands(cli("status", "--json"))[0]) == (["rstuf renew"], "rstuf renew")
    assert cli("status", "--check").code == 7
    done = cli("renew")
    assert (done.code, "nothing is due" in done.out) == (4, False)
    words = " ".join(done.err.split())
    assert ("targets waits for the key carol" in words, "it waits as targets-v3" in words) == (True, True)
    again = cli("renew", "--json")
    assert (again.code, again.document["waiting"]) == (0, [])
    assert [view["name"] for view in cli("event", "list", "--json").document["events"]] == ["root-v2", "targets-v3"]
