"""Keys that sign bins though root names them no more: what is left of a rotation whose state was lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_recover_keys import new_client
from tests.cli.test_root import away, refreshed


def lose_state(workspace: Path, cli: Cli, *former: str) -> dict[str, str]:
    """What `recover state` says is to be done, by command, once the state was lost; these keys are answered for."""
    keyids = [cli("key", "show", name, "--json").document["keyid"] for name in former]
    for path in workspace.glob("state.db*"):
        path.unlink()
    options = [option for keyid in keyids for option in ("--former-key", keyid)]
    if former:
        # Nobody answers for them by saying that the root is theirs.
        before = tree(workspace)
        asked = cli("recover", "state", "--yes")
        assert (asked.code, [keyid[:16] in asked.err for keyid in keyids]) == (2, [True] * len(keyids)), asked.err
        assert tree(workspace) == before
    done = cli("recover", "state", "--yes", "--json", *options)
    assert done.code == 0, done.err
    return {step["command"]: step["why"] for step in done.document["next_steps"]}


def is_noted(cli: Cli) -> bool:
    """Whether an audit notes that a key signs bins that root does not name."""
    return "though root does not name them: online" in cli("verify", "--json").out


@pytest.mark.parametrize(
    "command",
    [
        ("renew",),
        ("key", "revoke", "online", "--leaked", "--yes"),
        ("recover", "online-key", "online", "--leaked", "--yes"),
        ("key", "rotate", "online", "--yes"),
    ],
)
def test_a_state_that_is_lost_in_the_overlap(filled: Path, cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Every face says that the old key signs bins yet; each of the commands takes it out, and clients come along."""
    warm = refreshed(filled, tmp_path)
    assert cli("key", "rotate", "online", "--yes").code == 0
    assert not is_noted(cli)
    assert "takes online out" in lose_state(filled, cli, "online")["rstuf renew"]
    assert keys_of(cli)["online"] == ["bins"]
    seen = cli("status", "--json").document
    assert (seen["state"], [step["command"] for step in seen["next_steps"]]) == ("due", ["rstuf renew"])
    assert [key["name"] for key in seen["signers"] if key.get("stray")] == ["online"]
    assert is_noted(cli)
    assert "stray-key" in cli("doctor").out
    done = cli(*command)
    assert done.code == 0, done.err
    assert keys_of(cli)["online"] == []
    assert cli("status", "--check").code == 0
    assert not is_noted(cli)
    for client in (warm, new_client(filled, tmp_path / "new")):
        client.refresh()
        client.walk()
        assert client.download("a.txt") == b"alpha\n"


def test_a_bin_that_was_swapped_meanwhile_is_signed_anew(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Whoever has the old key may name any key in its place, in as many bytes: it is not believed."""
    assert cli("key", "rotate", "online", "--yes").code == 0
    lose_state(filled, cli, "online")
    old, new = (cli("key", "show", name, "--json").document["keyid"].encode() for name in ("online", "online-2"))
    (served,) = (path for path in filled.glob("metadata/*.bins-*.json") if b'"a.txt"' in path.read_bytes())
    served.write_bytes(served.read_bytes().replace(old, new).replace(b'"length":6', b'"length":1'))
    assert cli("renew").code == 0
    client = new_client(filled, tmp_path / "new")
    client.refresh()
    assert client.download("a.txt") == b"alpha\n"


def test_where_people_sign_targets_they_take_it_out(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leaked key whose replacement was forgotten is let go by an event, and is never let in again."""
    plan, place = tmp_path / "plan.toml", tmp_path / "shop"
    plan.write_text(PLAN + '[targets]\nthreshold = 2\nsigners = ["alice", "bob"]\n')
    assert cli("--repo", place, "ceremony", "--plan", plan).code == 0
    monkeypatch.chdir(place)
    away(place, "bob", tmp_path)
    assert cli("recover", "online-key", "online", "--leaked", "--yes").code == 4
    lose_state(place, cli, "online")
    assert cli("recover", "online-key", "online", "--leaked", "--yes").code == 4
    renewed = cli("renew", "--json")
    assert (renewed.code, [role["event"] for role in renewed.document["waiting"]]) == (4, ["targets-v10002"])
    (event,) = cli("event", "list", "--json").document["events"]
    assert keys_of(cli)["online"] == ["bins"]
    assert cli("key", "add", "bob", tmp_path / "bob.key").code == 0
    assert cli("sign", event["name"], "--yes").code == 0
    assert keys_of(cli)["online"] == []
    assert cli("status", "--check").code == 0
    assert cli("key", "show", "online", "--json").document["report"]["loss"] == "leaked"
    new_client(place, tmp_path / "new").walk()


def test_until_people_have_signed_targets_a_leaked_key_has_a_say(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the command nor status promises more; with the last signature the rotation ends by itself."""
    plan, place = tmp_path / "plan.toml", tmp_path / "shop"
    plan.write_text(PLAN + '[targets]\nthreshold = 2\nsigners = ["alice", "bob"]\n')
    assert cli("--repo", place, "ceremony", "--plan", plan).code == 0
    monkeypatch.chdir(place)
    away(place, "bob", tmp_path)
    done = cli("recover", "online-key", "online", "--leaked", "--yes")
    said = "until targets-v2 is signed, whoever has online can still change contents"
    for told in (done, cli("status")):
        words = " ".join(told.out.split())
        assert (said in words, "both" in words, "renew ends it" in words) == (True, False, False)
    (tmp_path / "bob.key").rename(place / "keys/bob.key")
    assert cli("sign", "targets-v2", "--yes").code == 0
    assert cli("status", "--check").code == 0
    assert cli("recover", "online-key", "online-2", "--leaked", "--yes").code == 0
    assert cli("status", "--check").code == 0
