"""Events that expire or are cancelled: what else that concerns, who is told of it, and the command that leads on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, opened
from tests.cli.test_recover_keys import thief_in
from tests.cli.test_root import away, refreshed
from tests.support.thieves import Depth

from rstuf.clock import SystemClock
from rstuf.model.events import EventPhase
from rstuf_cli import prompts

Later = Callable[[timedelta], None]
_LONG = timedelta(days=400)


@pytest.fixture
def pair(filled: Path, cli: Cli) -> Path:
    """Tia is to sign targets in the place of the online key: root v2 and targets v2 wait, and tia signed the latter."""
    assert cli("key", "generate", "tia", "--unencrypted").code == 0
    opening = cli("root", "update", "--role", "targets", "--add", "tia", "--remove", "online", "--no-sign", "--yes")
    assert opening.code == 4, opening.err
    assert cli("sign", "targets-v2", "--key", "tia", "--yes").code == 4
    return filled


def waiting(cli: Cli) -> list[str]:
    """The names of the events that are open."""
    return [event["name"] for event in cli("event", "list", "--json").document["events"]]


def commands(cli: Cli, *argv: str) -> list[str]:
    """The next commands that a command tells."""
    return [step["command"] for step in cli(*argv, "--json").document["next_steps"]]


@pytest.mark.parametrize(("named", "other"), [("root-v2", "targets-v2"), ("targets-v2", "root-v2")])
def test_one_of_a_pair_goes_with_the_other(
    pair: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, named: str, other: str
) -> None:
    """Before either is dropped, it is said that the other goes too, with whose signatures; then both are gone."""
    (seen,) = [each for each in cli("event", "list", "--json").document["events"] if each["name"] == named]
    assert seen["companions"] == [other]
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    monkeypatch.setattr(prompts, "ask", lambda question: "no")
    asked = cli("event", "cancel", named)
    assert (asked.code, f"! {other} is cancelled, too, since" in asked.err) == (2, True)
    assert asked.err.count("the signature of tia is dropped") == 1
    assert waiting(cli) == ["root-v2", "targets-v2"]
    done = cli("event", "cancel", named, "--yes", "--json").document
    signed = {named: done["dropped"], **{each["event"]: each["signed"] for each in done["with_it"]}}
    assert signed == {"root-v2": [], "targets-v2": ["tia"]}
    assert waiting(cli) == []
    dropped = [
        entry["details"]["event"] for entry in cli("log", "--action", "event.cancel", "--json").document["entries"]
    ]
    assert sorted(dropped) == ["root-v2", "targets-v2"]


def test_another_root_drops_both(pair: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that has nothing to do with targets takes the place of the pair once a person knows what both lose."""
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    typed: list[str] = []
    monkeypatch.setattr(prompts, "ask", lambda question: typed.append(question) or "targets-v2")
    monkeypatch.setattr(prompts, "show", lambda lines, unless: None)
    done = cli("root", "update", "--threshold", "2", "--no-sign")
    assert done.code == 4, done.err
    assert "! targets-v2 goes with root-v2, with the signature of tia\n" in done.err
    assert typed == ["type targets-v2 to drop it:"]
    assert waiting(cli) == ["root-v2"]


def test_a_root_that_lacks_its_targets_is_never_ready(pair: Path, cli: Cli, tmp_path: Path) -> None:
    """Signed by everybody it says what it lacks, and renew proposes just that, for the signers of both roots."""
    with opened(pair) as repository, repository._ports.state.transaction(actor="test") as state:
        # As versions before this one could leave it.
        state.close_event(repository.events.view("targets-v2").event.id, EventPhase.CANCELLED, at=SystemClock().now())
    signed = cli("sign", "--yes", "--json")
    assert (signed.code, signed.document["completed"]) == (4, [])
    (event,) = signed.document["events"]
    assert (event["lacking"], event["lacks_targets"]) == (0, True)
    assert "rstuf renew has nothing to do" not in cli("status").out
    for argv in (("status",), ("event", "show", "root-v2"), ("sign",)):
        told = " ".join(cli(*argv).out.split())
        assert "root v2 has all its signatures, and cannot come out before targets that its keys have signed" in told
        assert commands(cli, *argv) == ["rstuf renew"]
    (finding,) = [each for each in cli("doctor", "--json").document["findings"] if each["code"] == "event-stuck"]
    assert (finding["severity"], finding["mend"]) == ("warning", "rstuf renew")
    renewed = cli("renew")
    assert (renewed.code, "targets is proposed anew, for the root that needs it" in renewed.err) == (4, True)
    assert waiting(cli) == ["root-v2", "targets-v3"]
    assert commands(cli, "status") == ["rstuf sign targets-v3"]
    assert cli("sign", "--yes").code == 0
    assert refreshed(pair, tmp_path).refresh().root == 2
    assert cli("renew").out.startswith("nothing is due")


def test_what_expired_is_told_by_every_command(pair: Path, cli: Cli, later: Later) -> None:
    """Nobody can sign it: each says so as a fact, with the one command that helps, which status says once."""
    later(_LONG)
    signed = cli("sign")
    assert (signed.code, signed.out.count("expired before everybody had signed it")) == (4, 4)
    assert [event["expired"] for event in cli("sign", "--json").document["events"]] == [True, True]
    assert commands(cli, "sign") == ["rstuf renew"]
    assert commands(cli, "status") == ["rstuf renew"]
    found = [each for each in cli("doctor", "--json").document["findings"] if each["code"] == "event-expired"]
    assert [each["message"].split(" expired ")[0] for each in found] == ["root v2", "targets v2"]
    assert {(each["severity"], each["mend"]) for each in found} == {("warning", "rstuf renew")}


def test_what_only_waits_is_not_for_a_renewal(team: Path, cli: Cli, later: Later) -> None:
    """A root that is due and waits in an event already is brought on by its signers, and monitors still hear of it."""
    later(timedelta(days=300))
    assert cli("renew").code == 4
    steps = cli("status", "--json").document["next_steps"]
    assert [step["command"] for step in steps] == ["rstuf bundle export root-v2"]
    assert steps[0]["why"].startswith("root: time to sign again; for bob")
    assert cli("status", "--check").code == 7
    assert [each["code"] for each in cli("doctor", "--json").document["findings"]].count("due") == 1


def test_a_renewal_names_everybody_who_must_sign(pair: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """Targets that are proposed again for a root that waits need the keys of that root as well."""
    assert cli("root", "update", "--role", "targets", "--expires", "30d").code == 0
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    again = ("root", "update", "--role", "targets", "--add", "tia", "--remove", "online", "--no-sign", "--yes")
    assert cli(*again).code == 4
    away(pair, "tia", tmp_path)
    later(timedelta(days=40))
    (role,) = [each for each in cli("renew", "--json").document["waiting"] if each["role"] == "targets"]
    assert (sorted(role["missing"]), role["lacking"]) == (["online", "tia"], 2)


def test_a_renewal_that_is_refused_dropped_nothing(team: Path, cli: Cli, later: Later) -> None:
    """It looks before it drops: where a thief published above this state, what expired is there as it was."""
    assert cli("key", "rotate", "online", "--unencrypted", "--yes").code == 4
    later(_LONG)
    thief_in(team).publishes(Depth.SNAPSHOT)
    refused = cli("renew", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (1, "state-behind")
    assert "dropped" not in refused.document["error"]
    assert waiting(cli) == ["root-v2"]
    leaked = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert leaked.code == 4, leaked.err
    assert "! root-v2 expired before everybody had signed it, and is dropped, with the signature of alice" in leaked.err
    assert [event["expired"] for event in cli("event", "list", "--json").document["events"]] == [False]


def test_a_renewal_that_fails_later_says_what_it_dropped(waiting_team: Path, cli: Cli, later: Later) -> None:
    """Where the online key is gone, "nothing was changed" is not said, and whose signatures went is."""
    later(_LONG)
    (waiting_team / "keys/online.key").rename(waiting_team / "online.away")
    refused = cli("renew")
    assert refused.code == 1
    assert "root-v2 had expired, and was dropped, with what alice signed" in " ".join(refused.err.split())
    (event,) = cli("event", "list", "--json").document["events"]
    assert (event["kind"], event["expired"]) == ("renewal", False)
    assert "dropped" not in cli("renew", "--json").document["error"]


@pytest.fixture
def waiting_team(team: Path, cli: Cli) -> Path:
    """Root v2 waits, and alice has signed it."""
    assert cli("root", "update", "--threshold", "1", "--yes").code == 4
    return team


def test_a_wrong_code_is_refused_whoever_signs_here(waiting_team: Path, cli: Cli) -> None:
    """Where nobody here may sign any more, a code that stands for something else is wrong all the same."""
    code = cli("event", "show", "root-v2", "--json").document["code"]
    refused = cli("sign", "root-v2", "--yes", "--code", code[::-1])
    assert (refused.code, "its code is another one than you gave" in refused.err) == (3, True)
    assert cli("sign", "root-v2", "--yes", "--code", code).code == 4


def test_a_rotation_goes_on_without_what_expired(team: Path, cli: Cli, later: Later) -> None:
    """The same command again says whose signatures are dropped, and its steps are about the root that is new."""
    assert cli("key", "rotate", "online", "--unencrypted", "--yes").code == 4
    later(_LONG)
    again = cli("key", "rotate", "online", "--no-sign", "--json")
    assert again.code == 4, again.err
    assert again.document["dropped"] == [
        {"event": "root-v2", "signed": ["alice"], "why": "expired", "propose_again": [], "after": None}
    ]
    assert [(each["signed"], each["expired"]) for each in again.document["waiting"]] == [([], False)]


def test_targets_without_which_a_rotation_cannot_end(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its root is out, whoever cancels the targets that take the old key out is told what proposes them anew."""
    (tmp_path / "plan.toml").write_text(PLAN + '[targets]\nthreshold = 2\nsigners = ["alice", "bob"]\n')
    place = tmp_path / "shop"
    assert cli("--repo", place, "ceremony", "--plan", tmp_path / "plan.toml").code == 0
    monkeypatch.chdir(place)
    away(place, "bob", tmp_path)
    assert cli("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes").code == 4
    done = cli("event", "cancel", "targets-v2", "--yes", "--json").document
    assert (done["rotation_ended"], [step["command"] for step in done["next_steps"]]) == (False, ["rstuf renew"])
    assert cli("renew").code == 4
    assert waiting(cli) == ["targets-v3"]


def test_targets_is_renewed_without_who_does_not_sign(pair: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """While tia's place is only proposed, the online key renews what it may sign alone, before clients refuse it."""
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    assert cli("root", "update", "--expires", "900d", "--yes").code == 0
    again = ("root", "update", "--role", "targets", "--add", "tia", "--remove", "online", "--no-sign", "--yes")
    assert cli(*again).code == 4
    away(pair, "tia", tmp_path)
    assert cli("sign", "--yes").code == 4
    later(timedelta(days=280))
    assert cli("renew").code == 4, "there is time yet for tia"
    assert waiting(cli) == ["root-v3", "targets-v3"]
    later(timedelta(days=340))
    assert commands(cli, "status")[0] == "rstuf renew"
    renewed = cli("renew", "--json")
    assert renewed.code == 4, renewed.err
    assert renewed.document["dropped"] == [
        {"event": "targets-v3", "signed": ["online"], "why": "gave-way", "propose_again": [], "after": None},
    ]
    assert [(role["role"], role["reason"], role["event"]) for role in renewed.document["waiting"]] == [
        ("targets", "changed", "targets-v5")
    ]
    assert waiting(cli) == ["root-v3", "targets-v5"]
    assert cli("event", "list", "--json").document["events"][0]["lacking"] == 0
    later(timedelta(days=400))
    assert refreshed(pair, tmp_path).refresh().targets == 4
    assert cli("renew").code == 0


def test_a_root_that_waits_too_long_is_told_to_go(pair: Path, cli: Cli, later: Later, tmp_path: Path) -> None:
    """Where root runs out and its successor waits for targets of others, the cancel is told that lets it be renewed."""
    away(pair, "tia", tmp_path)
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    later(timedelta(days=200))
    opening = cli("root", "update", "--role", "targets", "--add", "tia", "--remove", "online", "--yes")
    assert opening.code == 4, opening.err
    name = waiting(cli)[1]
    export = f"rstuf bundle export {name}"
    assert commands(cli, "event", "show", "root-v2") == [f"{export} -o {name}.rstuf"]
    later(timedelta(days=366))
    renewed = " ".join(cli("renew").err.split())
    assert f"it waits as root-v2, and comes out after {name}: rstuf event show root-v2 tells what to do" in renewed
    assert commands(cli, "sign", "root-v2") == [f"{export} -o {name}.rstuf", "rstuf event cancel root-v2"]
    assert cli("bundle", "export", "root-v2").out.startswith("✓ root-v2 has all its signatures: root-v2.rstuf, ")
    assert commands(cli, "status") == [export, "rstuf event cancel root-v2"]
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    assert commands(cli, "status") == ["rstuf renew"]
    assert cli("renew").code == 0
    assert refreshed(pair, tmp_path).refresh().root == 2


@pytest.mark.parametrize(
    "meanwhile",
    [("root", "update", "--expires", "200d", "--yes"), ("sign", "root-v2", "--key", "alice", "--yes")],
    ids=("another one", "a signature"),
)
def test_only_what_was_shown_is_cancelled(
    waiting_team: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, meanwhile: tuple[str, ...]
) -> None:
    """What somebody signs or proposes under that name while the question stands is not dropped by the answer."""
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    assert cli("root", "update", "--threshold", "1", "--no-sign", "--yes").code == 4

    def typed(question: str) -> str:
        assert cli(*meanwhile).code == 4
        return "root-v2"

    monkeypatch.setattr(prompts, "ask", typed)
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    refused = cli("event", "cancel", "root-v2")
    assert refused.code == 1
    assert "root-v2 is not what you were shown any more: what waits now is signed by alice; nothing" in refused.err
    (event,) = cli("event", "list", "--json").document["events"]
    assert [each["key"] for each in event["signatures"]] == ["alice"]


@pytest.mark.parametrize(
    ("meanwhile", "became"),
    [
        (("event", "cancel", "root-v2", "--yes"), "it was cancelled"),
        (("sign", "--yes"), "everybody has signed it, and it is published"),
    ],
)
def test_what_ended_while_it_was_looked_at(
    filled: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, meanwhile: tuple[str, ...], became: str
) -> None:
    """Whoever says yes to what somebody else ended by then is told how it ended, and so is who asks for it later."""
    assert cli("root", "update", "--threshold", "2", "--no-sign", "--yes").code == 4
    monkeypatch.setattr(prompts, "agrees", lambda question: cli(*meanwhile).code == 0)
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    monkeypatch.setattr(prompts, "show", lambda lines, unless: None)
    for command in (("sign", "root-v2"), ("event", "show", "root-v2")):
        refused = cli(*command)
        assert (refused.code, f"no signing event root-v2 is open any more: {became}" in refused.err) == (1, True)


@pytest.mark.parametrize(
    "changes",
    [
        "--role targets --add tia --remove online",
        "--add tia --threshold 2 --expires 300d --renew-before 20d",
        "--remove bob --expires 20d",
    ],
)
def test_what_an_expired_update_was_to_change_is_told(
    filled: Path, cli: Cli, later: Later, tmp_path: Path, changes: str
) -> None:
    """Once it is dropped, the command is told that proposes just the same again."""
    assert cli("key", "generate", "tia", "--unencrypted").code == 0
    assert cli("root", "update", *changes.split(), "--no-sign", "--yes").code == 4
    shutil.copytree(filled, tmp_path / "copy")
    later(_LONG)
    told = " ".join(cli("renew").err.split())
    assert f"what it was to change is lost; to propose that again: rstuf root update {changes}" in told
    (root, *_) = cli("--repo", tmp_path / "copy", "renew", "--json").document["dropped"]
    assert (root["event"], root["propose_again"]) == ("root-v2", [f"rstuf root update {changes}"])


@pytest.mark.parametrize(
    "command",
    [
        "key rotate online --unencrypted",
        "recover online-key online --leaked --unencrypted",
        "key revoke bob --leaked --threshold 1",
        "recover root-key bob --leaked --to dora",
        "root update --expires 200d",
    ],
)
def test_scripts_are_told_what_another_event_replaced(pair: Path, cli: Cli, command: str) -> None:
    """Whatever takes the place of a pair names both in its document, with whose signatures went, and what is lost."""
    again = "rstuf root update --role targets --add tia --remove online"
    # The new online key has the place of the old one by then.
    again += "-2" if "online" in command else ""
    assert cli("key", "generate", "dora", "--unencrypted").code == 0
    done = cli(*command.split(), "--yes", "--json")
    assert done.code in {0, 4}, done.err
    assert done.document["dropped"] == [
        {"event": "root-v2", "signed": [], "why": "replaced", "propose_again": [again], "after": "root-v2"},
        {"event": "targets-v2", "signed": ["tia"], "why": "replaced", "propose_again": [], "after": None},
    ]
