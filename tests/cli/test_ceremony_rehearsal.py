"""`rstuf ceremony --rehearse`: the whole ceremony with keys that are thrown away, and nothing of it is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.cli.guide.test_review import eight_answered
from tests.support.person import ENTER, Person
from tests.support.plans import plan_text

import rstuf
from rstuf.errors import InvalidInput, StorageError


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files of this test are, and of no other."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Two of three sign root; one makes a key, one is away, and the file of one is nowhere."""
    text = plan_text(name="acme", signers=("alice", "bob", "cleo"), threshold=2)
    for name, instead in (("bob", 'public = "bob.pub"\n'), ("cleo", 'public = "cleo.pub"\nsigner = "file:cleo.key"\n')):
        made = f'[keys.{name}]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/{name}.key"\n'
        assert made in text
        text = text.replace(made, f"[keys.{name}]\n{instead}")
    place = tmp_path / "plan.toml"
    place.write_text(text.replace("encrypt = false\n", "", 1))
    return place


def test_a_rehearsal_is_a_ceremony(cli: Cli, plan: Path) -> None:
    """Keys, root, publication and a client are told one after the other, and that nothing was kept."""
    done = cli("ceremony", "--plan", plan, "--rehearse")
    assert (done.code, done.err) == (0, "")
    steps = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ") and line[2] != " "]
    assert steps == ["keys", "signed", "published", "client"]
    assert "root v1, threshold 2 of 3, by alice, bob and cleo" in done.out
    assert "root v1, targets v1, snapshot v1 and timestamp v1\n" in done.out
    assert "✓ acme: it was held as the ceremony will be; nothing was kept, " in done.out


def test_a_rehearsal_that_is_told_to_end_leaves_nothing(plan: Path, scratch: Path) -> None:
    """SIGTERM removes what Ctrl-C would, keys among it, and the process still ends by it."""
    command = [sys.executable, "-m", "rstuf_cli", "ceremony", "--plan", plan, "--rehearse"]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(scratch)}, stderr=subprocess.DEVNULL) as held:
        until = time.monotonic() + 30
        while not any(scratch.glob("*/*")):
            assert time.monotonic() < until
            time.sleep(0.01)
        held.send_signal(signal.SIGTERM)
        assert held.wait(30) == -signal.SIGTERM
    assert list(scratch.iterdir()) == []


def test_a_rehearsal_as_data(cli: Cli, plan: Path) -> None:
    """The document has who signed, what the client trusts, how long it took and what there is to know of the policy."""
    done = cli("ceremony", "--plan", plan, "--rehearse", "--json")
    document = done.document
    assert (done.code, document["rehearsed"], document["signed_by"]) == (0, True, ["alice", "bob", "cleo"])
    assert document["client"] == {
        "accepted": True,
        "reason": "",
        "versions": dict.fromkeys(("root", "targets", "snapshot", "timestamp"), 1),
    }
    assert document["seconds"] > 0


def test_nothing_is_kept(cli: Cli, plan: Path, tmp_path: Path) -> None:
    """Neither where the person stands, nor beside the plan, nor among temporary files is anything afterwards."""
    before = tree(tmp_path)
    assert cli("ceremony", "--plan", plan, "--rehearse").code == 0
    assert tree(tmp_path) == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_two_rehearsals_share_no_key(cli: Cli, plan: Path) -> None:
    """Each makes keys of its own, so their roots differ."""
    roots = [cli("ceremony", "--plan", plan, "--rehearse", "--json").document["root"]["sha256"] for _ in range(2)]
    assert roots[0] != roots[1]


def test_a_repository_that_is_there_is_left_alone(cli: Cli, tmp_path: Path, workspace: Path) -> None:
    """Where a ceremony would be refused, one can be rehearsed: it has nothing to do with what is there."""
    (tmp_path / "plan.toml").write_text(PLAN)
    before = tree(workspace)
    assert cli("ceremony", "--plan", tmp_path / "plan.toml", "--rehearse").code == 0
    assert tree(workspace) == before


def test_people_who_sign_targets_are_rehearsed(cli: Cli, tmp_path: Path) -> None:
    """Where people sign targets, their throw-away keys do."""
    text = plan_text(name="acme", signers=("alice", "bob"), threshold=2) + '[targets]\nsigners = ["bob"]\n'
    (tmp_path / "plan.toml").write_text(text)
    assert cli("ceremony", "--plan", tmp_path / "plan.toml", "--rehearse").code == 0


def test_a_client_that_refuses_is_told(cli: Cli, plan: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client does not take is told in its words: exit 1, and nothing is kept."""
    look = rstuf.Practice.look

    def spoilt(practice: rstuf.Practice) -> rstuf.ClientView:
        (place,) = scratch.glob("*/workspace/metadata/timestamp.json")
        place.chmod(0o600)
        place.write_bytes(place.read_bytes().replace(b'"version":1', b'"version":2'))
        return look(practice)

    monkeypatch.setattr(rstuf.Practice, "look", spoilt)
    done = cli("ceremony", "--plan", plan, "--rehearse")
    assert done.code == 1
    assert "timestamp was signed by 0/1 keys" in done.out
    assert "✗ acme: a client refuses what it makes; nothing was kept" in done.out
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("other", [("--dry-run",), ("--out", "payload.json")])
def test_it_goes_with_nothing_that_makes_something(cli: Cli, plan: Path, other: tuple[str, ...]) -> None:
    """A rehearsal is neither a dry run nor a payload, and says so."""
    assert cli("ceremony", "--plan", plan, "--rehearse", *other).code == 2


def test_a_wrong_plan_is_refused(cli: Cli, plan: Path, scratch: Path) -> None:
    """What is wrong with a plan is said as ever."""
    plan.write_text(plan.read_text().replace("threshold = 2", "threshold = 4"))
    done = cli("ceremony", "--plan", plan, "--rehearse")
    assert (done.code, done.out) == (1, "")
    assert list(scratch.iterdir()) == []


def test_no_room_for_it(cli: Cli, plan: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a place for temporary files it says what is wrong."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    done = cli("ceremony", "--plan", plan, "--rehearse")
    assert (done.code, "temporary files" in done.err) == (6, True)


def practice_of(plan: Path) -> rstuf.Practice:
    """A rehearsal as a program has it."""
    session = rstuf.Session(purpose="test", actor="test", secrets=rstuf.load_secrets((), (), None))
    return rstuf.Practice(rstuf.read_plan_file(plan), session)


def test_a_client_looks_at_what_was_held(plan: Path) -> None:
    """Before anything is published there is nothing to look at."""
    with practice_of(plan) as practice, pytest.raises(InvalidInput, match="nothing was published"):
        practice.look()


def test_what_stays_is_named(plan: Path, monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """A directory that cannot be removed is named: nobody believes that it is gone."""

    def stays(*_: object, **__: object) -> None:
        raise OSError(5, "input/output error")

    practice = practice_of(plan)
    with monkeypatch.context() as patch, pytest.raises(StorageError, match="rstuf-rehearsal-"), practice:
        patch.setattr("rstuf.rehearsing.shutil.rmtree", stays)
    assert len(list(scratch.iterdir())) == 1


def test_a_rehearsal_after_the_questions(tmp_path: Path) -> None:
    """The review offers it; what was answered is kept for the ceremony, and nothing else."""
    place = tmp_path / "acme"
    place.mkdir()
    rstuf.keep_draft(place, eight_answered(5))
    with Person.running("ceremony", "--rehearse", cwd=place) as person:
        assert "yes; rehearse it" in person.sees("is this what you want?")
        person.presses(ENTER)
        person.sees("your answers alone are kept")
    assert not (place / "rstuf.toml").exists()
    assert rstuf.read_draft(place)
