"""Keys that leaked and may sign yet: what takes them out is proposed until it is done, and every face says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, Result
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_recover_keys import new_client
from tests.cli.test_stray_keys import lose_state

LEAKED = ("recover", "online-key", "online-2", "--leaked", "--yes")


@pytest.fixture
def by_people(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which two people sign root, and one of them targets; an artifact is published."""
    plan, place = tmp_path / "plan.toml", tmp_path / "shop"
    plan.write_text(
        PLAN + '[targets]\nthreshold = 1\nsigners = ["carol"]\n\n[keys.carol]\ngenerate = "ed25519"\n'
        'encrypt = false\nsigner = "file:keys/carol.key"\n'
    )
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    monkeypatch.chdir(place)
    (tmp_path / "a.txt").write_bytes(b"alpha\n")
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    assert cli("key", "generate", "online-2", "--unencrypted").code == 0
    return place


@pytest.fixture
def handed_over(by_people: Path, cli: Cli) -> Path:
    """The same where bins are handed to another key, before root names that."""
    assert cli("key", "rotate", "online", "--to", "online-2", "--no-sign").code == 4
    assert cli("sign", "targets-v2", "--yes").code == 0
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"]) == (["snapshot", "timestamp"], ["bins"])
    return by_people


def commands(done: Result) -> list[str]:
    """What is to be done next."""
    return [step["command"] for step in done.document["next_steps"]]


def problems(cli: Cli) -> dict[str, str]:
    """What the doctor calls a problem, with what mends it."""
    found = cli("doctor", "--json").document["findings"]
    return {each["code"]: each["mend"] for each in found if each["severity"] == "problem"}


@pytest.mark.parametrize("command", ["renew", "publish"])
def test_bins_that_a_leaked_key_has_are_taken_from_it(
    handed_over: Path, cli: Cli, tmp_path: Path, command: str
) -> None:
    """However often somebody cancels that: until people have signed it, it is proposed again, and is a problem."""
    assert cli(*LEAKED, "--no-sign").code == 4
    for version in (3, 4, 5):
        waits = f"targets-v{version}"
        assert problems(cli) == {"leaked-key": f"rstuf sign {waits}"}
        done = cli("event", "cancel", waits, "--yes", "--json")
        assert (done.code, commands(done)) == (0, ["rstuf renew"])
        assert [(each["key"], each["roles"]) for each in done.document["leaked"]] == [("online-2", ["bins"])]
        assert (cli("status", "--check").code, commands(cli("status", "--json"))) == (7, ["rstuf renew"])
        assert list(problems(cli).values()) == ["rstuf renew"]
        assert cli(command).code in {0, 4}
    before = sorted(handed_over.glob("keys/*"))
    done = cli(*LEAKED)
    assert done.code == 0, done.err
    assert (keys_of(cli)["online-2"], sorted(handed_over.glob("keys/*"))) == ([], before)
    assert (cli("status", "--check").code, problems(cli)) == (0, {})
    new_client(handed_over, tmp_path / "new").walk()
    again = cli(*LEAKED)
    assert (again.code, "online-2 signs nothing; noted as leaked, said on" in again.out) == (0, True)


def test_cancelled_at_once_it_is_proposed_by_the_same_command(handed_over: Path, cli: Cli) -> None:
    """The command that was cancelled goes on where it was, and makes no key."""
    assert cli(*LEAKED, "--no-sign").code == 4
    warned = cli("event", "cancel", "targets-v3", "--yes")
    assert "online-2 leaked, and may sign bins yet; without targets-v3 it stays" in warned.err
    before = sorted(handed_over.glob("keys/*"))
    assert cli("key", "revoke", "online-2", "--leaked", "--yes").code == 0
    assert (keys_of(cli)["online-2"], sorted(handed_over.glob("keys/*"))) == ([], before)
    assert cli("event", "list", "--json").document["events"] == []


def test_the_state_is_lost_while_bins_are_handed_to_a_leaked_key(handed_over: Path, cli: Cli, tmp_path: Path) -> None:
    """What was published before tells that they were another key's: every face says so, and it is taken out."""
    assert cli(*LEAKED, "--no-sign").code == 4
    assert "takes online-2 out of targets" in lose_state(handed_over, cli)["rstuf renew"]
    assert (cli("status", "--check").code, problems(cli)) == (7, {"stray-key": "rstuf renew"})
    assert cli(*LEAKED).code == 0
    assert (keys_of(cli)["online-2"], problems(cli)) == ([], {})
    new_client(handed_over, tmp_path / "new").walk()


def test_bins_that_had_keys_of_their_own(handed_over: Path, cli: Cli) -> None:
    """Where nothing tells that another key signed them, they keep theirs, until somebody says that it leaked."""
    (handed_over / "metadata/1.targets.json").unlink()
    assert "rstuf renew" not in lose_state(handed_over, cli)
    assert cli("status", "--check").code == 0
    before = sorted(handed_over.glob("keys/*"))
    assert cli(*LEAKED).code == 0
    assert (keys_of(cli)["online-2"], sorted(handed_over.glob("keys/*"))) == ([], before)
