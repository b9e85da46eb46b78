"""The guided ceremony's questions, without a terminal: every way through them ends in a plan that holds together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rstuf
from rstuf_cli.guide.ceremony import STEPS, document_of, script
from rstuf_cli.guide.holders import explain_away
from rstuf_cli.guide.interview import Answers, Interview, Move, Place
from rstuf_cli.guide.questions import Question, Refused

HERE = Path("/somewhere/acme")
FILES = Path(__file__).parents[2] / "unit" / "signing" / "fixtures"


DELEGATED = {"delegations.count": "2", "delegation.1.name": "team", "delegation.1.how": "make"}


class Scripted:
    """Answers by the names of questions, and Enter for all others; remembers what was asked, and on which step."""

    def __init__(self, replies: Iterable[tuple[str, str | Move]] = ()) -> None:
        self._replies = list(replies)
        self.asked: list[str] = []
        self.places: list[Place] = []

    def ask(self, question: Question, *, offered: str, place: Place) -> str | Move:
        self.asked.append(question.name)
        self.places.append(place)
        if self._replies and self._replies[0][0] == question.name:
            return self._replies.pop(0)[1]
        return offered


def interview(answers: Answers | None = None, keep: Callable[[Answers], None] = lambda _: None) -> Interview:
    return Interview(script(HERE), steps=STEPS, answers=answers or {}, keep=keep)


def plan_of(asked: Interview) -> rstuf.Plan:
    return rstuf.read_plan(document_of(asked.answers))


def test_enter_all_the_way_is_a_sound_repository() -> None:
    """Whoever knows nothing and presses Enter gets two of three for root, encrypted keys and room to renew."""
    asked = interview()
    asked.run(Scripted())
    plan = plan_of(asked)
    assert (plan.name, plan.root_threshold, len(plan.root_signers), plan.bins) == ("acme", 2, 3, 256)
    assert all(key.encrypt for key in plan.keys.values())
    assert rstuf.notes_on(plan) == ()
    assert plan.periods["timestamp"] == rstuf.proposed_periods(rstuf.Upkeep.PERSON)["timestamp"]


def test_what_was_answered_before_is_not_asked_again() -> None:
    """An interview goes on with the first open question, and each answer is kept as soon as it is given."""
    kept: list[Answers] = []
    first = interview(keep=kept.append)
    with pytest.raises(KeyboardInterrupt):
        first.run(_leaving_at("bins"))
    assert list(kept[-1]) == ["name", "purpose", "contents", "upkeep", "expected"]
    second = Scripted()
    interview(kept[-1]).run(second)
    assert second.asked[0] == "bins"


def test_back_is_one_question_and_keeps_what_was_said() -> None:
    """Going back offers the answer that was given; at the first question there is nowhere to go."""
    person = Scripted([("name", Move.BACK), ("name", "other"), ("purpose", Move.BACK), ("name", "third")])
    asked = interview()
    asked.run(person)
    assert person.asked[:5] == ["name", "name", "purpose", "name", "purpose"]
    assert [place.first for place in person.places[:3]] == [True, True, False]
    assert asked.answers["name"] == "third"


def test_changing_one_part_asks_that_part_alone() -> None:
    """From the review a person changes one step and is back at the review, unless more must be known because of it."""
    asked = interview()
    asked.run(Scripted())
    person = Scripted([("root.count", "2")])
    asked.run(person, step="Who signs root")
    assert set(person.asked) == {
        *("root.count", "root.threshold", "root.1.name", "root.1.how", "root.2.name", "root.2.how")
    }
    person = Scripted([("upkeep", "daemon")])
    asked.run(person, step="Who keeps it fresh")
    assert person.asked == ["upkeep"]


def test_an_answer_that_no_longer_fits_is_asked_for_again() -> None:
    """Three of three cannot be asked of two holders."""
    asked = interview()
    asked.run(Scripted([("root.threshold", "3")]))
    person = Scripted([("root.count", "2")])
    asked.run(person, step="Who signs root")
    assert asked.answers["root.threshold"] == "2"


@pytest.mark.parametrize(
    ("text", "files"),
    [("1000", 1000), (" 200 000 ", 200_000), ("200k", 200_000), ("1.5 million", 1_500_000), ("about 20", 20)],
)
def test_numbers_as_people_write_them(text: str, files: int) -> None:
    """However it is written, it is a number of files."""
    assert _question("expected").accept(text) == str(files)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expected", "lots"),
        ("expected", "0"),
        ("expected", "-5"),
        ("expected", "1e400"),
        ("expected", "9" * 30),
        ("name", "  "),
        ("name", "a\x1b[2Jb"),
        ("name", "x" * 201),
        ("root.count", "0"),
        ("root.count", "21"),
        ("root.count", "٣"),
        ("root.1.name", "../x"),
        ("root.1.name", "ONLINE"),
        ("root.2.name", "Root-1"),
        ("purpose", "other"),
        ("delegations.count", "21"),
        ("delegations.count", "-1"),
        ("delegation.1.name", "bins-3f"),
        ("delegation.1.name", "online"),
        ("delegation.2.name", "TEAM"),
        ("delegation.1.paths", " , "),
        ("delegation.1.paths", "team/** x"),
        ("delegation.1.paths", "team/[ab]"),
        ("root.1.name", "Team"),
    ],
)
def test_wrong_answers_are_refused(name: str, text: str) -> None:
    """Each with a reason; a name of another key too, whatever its case."""
    with pytest.raises(Refused):
        _question(name, {"root.1.name": "root-1", **DELEGATED}).accept(text)


@pytest.mark.parametrize(
    ("how", "file", "reason"),
    [
        ("public", "ssl-ed25519.key", "PRIVATE"),
        ("public", "nothing", "no such file"),
        ("public", "ssl-p384.pub", "secp384r1|P-384|nistp384"),
        ("public", "ssl-dsa.key", "more than one PEM block"),
        ("private", "ssl-ed25519.pub", "cannot sign"),
        ("private", "ssh-dsa.key", "ssh-dss keys are not used"),
        ("private", "make.sh", "not a public key"),
        ("private", "", "type the path"),
    ],
)
def test_key_files_are_looked_at_at_once(how: str, file: str, reason: str) -> None:
    """A file that cannot be that key is refused where it is named, with the reason."""
    question = _question("root.1.file", {"root.1.how": how})
    with pytest.raises(Refused, match=f"(?i){reason}"):
        question.accept(str(FILES / file) if file else "")


def test_one_key_cannot_be_two() -> None:
    """The same key in another file, or as its other half, is found before anything is made."""
    answers = {
        "root.1.name": "ana",
        "root.1.how": "public",
        "root.1.file": str(FILES / "ssl-ed25519.pub"),
        "root.2.how": "private",
    }
    with pytest.raises(Refused, match="the same key as ana"):
        _question("root.2.file", answers).accept(str(FILES / "ssl-ed25519.key"))
    online = {**answers, "online.how": "private"}
    with pytest.raises(Refused, match="the same key as ana"):
        _question("online.file", online).accept(str(FILES / "ssl-ed25519.key"))


def test_delegations_are_asked_for() -> None:
    """Each has a name, patterns however they are parted, and a key that is called like it, or the online one."""
    asked, replies = (
        interview(),
        [
            *(("delegations.count", "2"), ("delegation.1.name", "team"), ("delegation.1.paths", "team/*,  shared/? ")),
            *(("delegation.1.how", "make"), ("delegation.2.name", "docs")),
        ],
    )
    person = Scripted(replies)
    asked.run(person)
    plan = plan_of(asked)
    team, docs = plan.delegations
    assert (team.name, team.paths, team.signers) == ("team", ("team/*", "shared/?"), ("team",))
    assert (docs.name, docs.paths, docs.signers) == ("docs", ("docs/*",), ())
    assert plan.keys["team"].signer == "file:keys/team.key"
    assert plan.bins == 256
    assert {place.step for name, place in zip(person.asked, person.places, strict=True) if "delegation" in name} == {4}


def test_a_key_of_a_delegation_is_no_other_key() -> None:
    """A file that a delegation is signed with cannot be root's too, nor that of another delegation."""
    file = str(FILES / "ssl-ed25519.key")
    answers = {**DELEGATED, "delegation.1.how": "private", "delegation.1.file": file, "delegation.2.how": "private"}
    answers |= {"root.1.how": "public", "online.how": "private"}
    for question in ("delegation.2.file", "root.1.file", "online.file"):
        with pytest.raises(Refused, match="the same key as team"):
            _question(question, answers).accept(str(FILES / f"ssl-ed25519.{'pub' if 'root' in question else 'key'}"))


def test_who_is_away_is_told_before_the_end() -> None:
    """A ceremony that lacks signers here says for whom it will wait, and one that has enough does not."""
    answers = {"root.count": "2", "root.threshold": "2", "root.1.name": "ana", "root.2.name": "ben"}
    away = {**answers, "root.1.how": "make", "root.2.how": "public"}
    assert explain_away(away) == "2 must sign and 1 can here: the ceremony will wait for ben"
    assert explain_away({**away, "root.threshold": "1"}) is None


class Anyone:
    """Answers anything that can be chosen, or a typed answer that is offered, and goes back now and then."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw, self._left = draw, 120

    def ask(self, question: Question, *, offered: str, place: Place) -> str | Move:
        self._left -= 1
        assert question.taken(offered) is not None or question.name.endswith("file")
        if self._left > 0 and self._draw(st.integers(0, 9)) == 0:
            return Move.BACK
        if question.name == "delegations.count":
            return self._draw(st.sampled_from(["0", "1", "3"]))
        if question.name.startswith("delegation.") and question.name.endswith(".how"):
            return self._draw(st.sampled_from(["online", "make"]))
        if question.name.endswith(".how"):
            return self._draw(st.sampled_from(["make", "open"] if question.name == "online.how" else ["make"]))
        if question.name == "root.count":
            return self._draw(st.sampled_from(["1", "2", "3", "5"]))
        if question.name == "expected":
            return str(self._draw(st.integers(1, 10**9)))
        return self._draw(st.sampled_from([each.value for each in question.choices])) if question.choices else offered


@given(data=st.data())
def test_any_way_through_ends_in_a_plan(data: st.DataObject) -> None:
    """Whatever is chosen and however often a person goes back: the answers are a plan, and it is saved and read."""
    asked = interview()
    asked.run(Anyone(data.draw))
    plan = plan_of(asked)
    assert len(plan.root_signers) == int(asked.answers["root.count"])
    assert len(plan.delegations) == int(asked.answers["delegations.count"])
    assert rstuf.compare_bins(int(asked.answers["expected"]))
    assert rstuf.render_plan(plan)


def _question(name: str, answers: Answers | None = None) -> Question:
    return next(question for question in script(HERE)(answers or {}) if question.name == name)


def _leaving_at(name: str) -> Scripted:
    class Leaving(Scripted):
        def ask(self, question: Question, *, offered: str, place: Place) -> str | Move:
            if question.name == name:
                raise KeyboardInterrupt
            return super().ask(question, offered=offered, place=place)

    return Leaving()


def test_a_draft_that_is_damaged_is_no_obstacle(tmp_path: Path) -> None:
    """Whatever is in its place, the questions are asked again."""
    for data in (b"", b"{", b"[]", b'{"format": 2, "answers": {}}', b'{"format": 1, "answers": {"name": 1}}', b"\xff"):
        (tmp_path / "ceremony-draft.json").write_bytes(data)
        assert rstuf.read_draft(tmp_path) == {}


@pytest.mark.parametrize("value", ["", "abc", "-1", "9" * 40, "\x1b[31m"])
def test_answers_that_no_question_takes_are_asked_for_again(value: str) -> None:
    """A draft that somebody edited, or that another rstuf wrote, leads to a sound plan whatever stands in it."""
    first = interview()
    first.run(Scripted())
    for name in first.answers:
        asked, person = interview({**first.answers, name: value, f"other.{name}": value}), Scripted()
        asked.run(person)
        assert plan_of(asked)
        assert not any(other.startswith("other.") for other in asked.answers)


def test_a_pipe_in_the_place_of_a_draft_is_not_waited_for(tmp_path: Path) -> None:
    """What is no file holds no answers, and nobody waits for one."""
    os.mkfifo(tmp_path / "ceremony-draft.json")
    assert rstuf.read_draft(tmp_path) == {}


def test_a_draft_comes_back_as_it_was(tmp_path: Path) -> None:
    """What was kept is read again, by its owner alone, and gone when it is let go of."""
    answers = {"name": "séc \u202e", "purpose": "software"}
    path = rstuf.keep_draft(tmp_path / "new", answers)
    assert path.stat().st_mode & 0o777 == 0o600
    assert rstuf.read_draft(tmp_path / "new") == answers
    rstuf.forget_draft(tmp_path / "new")
    assert rstuf.read_draft(tmp_path / "new") == {}


def test_every_question_can_be_explained() -> None:
    """Each has a reason to be asked, a default that can be taken, and choices that differ."""
    answers = {"root.1.how": "public", "online.how": "private", "expiry": "own", **DELEGATED}
    for question in script(HERE)(answers):
        assert len(question.why) > 40, question.name
        assert question.name.endswith(".file") or question.taken(question.default) is not None, question.name
        assert len({choice.value for choice in question.choices}) == len(question.choices)
