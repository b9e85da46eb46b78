"""The guided ceremony as a person sees it, in a real terminal of 80 columns and 24 lines.

The screens are files beside this one; RSTUF_UPDATE_SCREENS=1 writes them anew.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.person import COLUMNS, CTRL_C, CTRL_D, DOWN, ENTER, ESCAPE, LINES, UP, Person

SCREENS = Path(__file__).parent / "screens"
PASSPHRASE = "correct horse battery staple"

# What is pressed on each screen of a usual ceremony, and a text by which the screen is known.
USUAL = [
    ("name", "What is it called?", (ENTER,)),
    ("purpose", "What is it for?", (ENTER,)),
    ("contents", "Where do clients download", (ENTER,)),
    ("upkeep", "Who runs rstuf renew?", (DOWN, ENTER)),
    ("expected", "How many files will it hold", ("\x15", "200 000", ENTER)),
    ("bins", "How many bins for 200 000 files?", (ENTER,)),
    ("holders", "hold a root key?", ("\x15", "2", ENTER)),
    ("threshold", "How many of them must sign?", (UP, ENTER)),
    ("key-name", "Root key 1 of 2: what is it called?", ("\x15", "ana", ENTER)),
    ("key-place", "Root key 1 of 2, ana: where is it?", (ENTER,)),
    ("second-key-name", "Root key 2 of 2: what is it called?", (ENTER,)),
    ("second-key-place", "Root key 2 of 2, root-2: where is it?", (ENTER,)),
    ("online", "How is it kept?", (ENTER,)),
    ("expiry", "Take these?", (ENTER,)),
    ("review", "is this what you want?", (ENTER,)),
]
QUESTIONS = [name for name, _, _ in USUAL]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that will be a workspace."""
    directory = tmp_path / "acme"
    directory.mkdir(mode=0o700)
    return directory


def walk(person: Person, *, until: str) -> str:
    """Press through the usual ceremony; the screen of the question `until`, which is not answered."""
    for name, text, keys in USUAL:
        screen = person.sees(text)
        if name == until:
            return screen
        person.presses(*keys)
    raise AssertionError(f"no question is called {until}")


def choose_passphrases(person: Person, *names: str) -> None:
    """Choose the passphrases of new keys."""
    for name in names:
        person.sees(f"new passphrase for {name}:")
        person.presses(PASSPHRASE, ENTER)
        person.sees("the same once more:")
        person.presses(PASSPHRASE, ENTER)


def same_as_file(name: str, screen: str) -> None:
    """Compare a screen with its file."""
    path = SCREENS / f"{name}.txt"
    if os.environ.get("RSTUF_UPDATE_SCREENS"):
        path.write_text(screen)
    assert screen == path.read_text(), f"RSTUF_UPDATE_SCREENS=1 writes {path.name} anew"


def test_a_ceremony_from_the_first_question_to_a_repository(place: Path, cli: Cli) -> None:
    """Every screen is as its file shows it, fits the terminal, and the last answer leads to a published repository."""
    with Person.running("ceremony", cwd=place) as person:
        for name, text, keys in USUAL:
            screen = person.sees(text)
            same_as_file(name, screen)
            assert len(screen.splitlines()) <= LINES
            assert max(map(len, screen.splitlines())) <= COLUMNS
            person.presses(*keys)
        person.sees("2 new keys: a passphrase for each, typed twice")
        choose_passphrases(person, "ana", "root-2")
        assert person.ends() == 0
        result = person.scrolled
    words = r"(?:[A-Za-z]+ ?)+"
    assert re.search(rf"another way than the files:\n(    ([0-9a-f]{{4}} ?){{8}}\n){{2}}(    {words}\n)+", result)
    assert "keys/ana.key" in result
    assert "move root keys off this machine, then: rstuf key add NAME" in result
    assert not (place / "ceremony-draft.json").exists()
    assert cli("--repo", place, "status", "--check").code == 0
    assert cli("--repo", place, "verify", "--full").code == 0


@pytest.mark.parametrize("question", QUESTIONS)
def test_leaving_keeps_the_answers_and_makes_nothing(question: str, place: Path) -> None:
    """Ctrl-C at any question leaves the draft alone behind; the ceremony goes on at that question, and says so."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until=question)
        person.presses(CTRL_C)
        assert person.ends() == 130
        said = person.screen
    if question == QUESTIONS[0]:
        assert "nothing was changed" in said
        assert tree(place) == {}
        return
    assert "your answers are kept" in said
    assert list(tree(place)) == ["ceremony-draft.json"]
    with Person.running("ceremony", cwd=place) as person:
        screen = person.sees(next(text for name, text, _ in USUAL if name == question))
        assert "goes on from the answers given before; --restart forgets them" in screen
        assert "step" in screen.splitlines()[0]
        person.presses(ESCAPE)
        assert "--restart" not in person.sees(next(text for name, text, _ in USUAL if name == before(question)))


def before(question: str) -> str:
    """The question before this one."""
    return QUESTIONS[QUESTIONS.index(question) - 1]


@pytest.mark.parametrize("question", ["name", "purpose", "expected", "review"])
def test_the_end_of_input_is_leaving_too(question: str, place: Path) -> None:
    """Ctrl-D on an empty line or in a list ends the ceremony as Ctrl-C does."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until=question)
        person.presses("\x15", CTRL_D)
        assert person.ends() == 130
    assert set(tree(place)) <= {"ceremony-draft.json"}


@pytest.mark.parametrize(("question", "before"), list(zip(QUESTIONS[1:], QUESTIONS, strict=False)))
def test_back_shows_the_question_before(question: str, before: str, place: Path) -> None:
    """Esc goes back by one screen, with the answer that was given there, and Enter comes forward again."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until=question)
        person.presses(ESCAPE)
        person.sees(next(text for name, text, _ in USUAL if name == before))
        person.presses(ENTER)
        person.sees(next(text for name, text, _ in USUAL if name == question))


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("name", " ", "a name has 1 to 200 printable characters"),
        ("expected", "many", "write a number above 0"),
        ("holders", "0", "write a number from 1 to 20"),
        ("key-name", "../ana", "a key's name is letters"),
        ("second-key-name", "ANA", "is the name of another key"),
    ],
)
def test_a_wrong_answer_is_told_why_and_asked_again(question: str, answer: str, reason: str, place: Path) -> None:
    """The reason stands above the answer, which can be corrected where it is."""
    with Person.running("ceremony", cwd=place) as person:
        text = walk(person, until=question).splitlines()[0]
        person.types(answer)
        assert text.split()[0] in person.sees(reason)


def test_why_is_answered(place: Path) -> None:
    """A question mark explains a question, in a list and where an answer is typed."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until="bins")
        person.presses("?")
        person.sees("169 seconds")
        same_as_file("bins-explained", person.sees("ctrl-c leave"))
        person.presses(ENTER)
        person.sees("hold a root key?")
        person.presses("\x15", "?")
        person.sees("why: With several keys")


@pytest.mark.parametrize("question", ["name", "expected", "holders", "key-name"])
def test_why_is_answered_whatever_was_typed(question: str, place: Path) -> None:
    """A question mark is never typed, and what stands in the field stays there."""
    with Person.running("ceremony", cwd=place) as person:
        prompt = walk(person, until=question).splitlines()[-1]
        person.presses("?")
        person.sees("why: ")
        assert person.sees(prompt).splitlines()[-1] == prompt
        person.presses("7", "?")
        time.sleep(0.3)
        assert person.sees(f"{prompt}7").splitlines()[-1] == f"{prompt}7"


def test_pasted_text_keeps_its_question_marks(place: Path) -> None:
    """A terminal says what is pasted: that is no key that was pressed."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until="name")
        person.presses("\x15", "\x1b[200~what?\x1b[201~")
        assert person.sees("called? what?").count("why:") == 0


def test_esc_is_immediate(place: Path) -> None:
    """Nobody waits for the screen before, in a list or a field; arrow keys, which begin with that byte, still work."""
    fastest = {}
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until="expected")
        for _ in range(4):
            for kind, text in (("typed", "Who runs rstuf renew?"), ("list", "Where do clients download")):
                started = time.monotonic()
                person.presses(ESCAPE)
                person.sees(text)
                fastest[kind] = min(fastest.get(kind, 9.0), time.monotonic() - started)
            person.presses(UP, DOWN, ENTER)
            person.sees("How many files will it hold")
    # The screen must stand still before it counts as seen, and machines are busy; a wait of its own takes a second.
    assert max(fastest.values()) < 0.8


@pytest.mark.parametrize("answer", ["forever", "x" * 200])
def test_a_long_reason_is_all_there(answer: str, place: Path) -> None:
    """Why an answer is not taken is told to its end, however long it is, and the answer can be corrected."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until="expiry")
        person.presses(DOWN, ENTER)
        person.sees("How long do signatures of root last?")
        person.types(answer)
        screen = person.sees("is not a period")
        assert "followed by s, m, h, d, w or y" in " ".join(screen.split())
        assert max(map(len, screen.splitlines())) <= COLUMNS
        person.types("300d")
        person.sees("How long do signatures of targets last?")


def test_saving_the_plan_instead(place: Path, cli: Cli) -> None:
    """The review offers to save the plan, which makes the same repository without questions; answers stay till then."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until="review")
        person.presses(DOWN, DOWN, ENTER)
        person.sees("Where to?")
        person.presses("?")
        person.sees("why: ")
        person.types("acme plan.toml")
        assert person.ends() == 0
        assert "rstuf ceremony --plan 'acme plan.toml'" in person.screen
    assert set(tree(place)) == {"ceremony-draft.json", "acme plan.toml"}
    with Person.running("ceremony", cwd=place) as person:
        person.sees("is this what you want?")
    plan = place / "acme plan.toml"
    text = plan.read_text()
    assert "renew_before" not in text
    assert "threshold = 1\n" in text
    plan.write_text(text.replace("encrypt = true", "encrypt = false"))
    assert cli("--repo", place, "ceremony", "--plan", plan).code == 0
    assert not (place / "ceremony-draft.json").exists()


def test_changing_one_thing_at_the_review(place: Path) -> None:
    """A person changes one step there and is back at the review, which shows it."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until="review")
        person.presses(DOWN, ENTER)
        same_as_file("change", person.sees("What do you want to change?"))
        person.presses(DOWN, ENTER)
        person.sees("Who runs rstuf renew?")
        person.presses(DOWN, ENTER)
        assert "24 h" in person.sees("is this what you want?")


def test_a_ceremony_that_was_killed_while_it_signed_goes_on(place: Path, cli: Cli) -> None:
    """Ctrl-C at a passphrase leaves no key, and the next run begins at the review."""
    with Person.running("ceremony", cwd=place) as person:
        walk(person, until="review")
        person.presses(ENTER)
        person.sees("new passphrase for ana:")
        person.presses(CTRL_C)
        assert person.ends() == 130
    assert list(tree(place)) == ["ceremony-draft.json"]
    with Person.running("ceremony", cwd=place) as person:
        person.sees("is this what you want?")
        person.presses(ENTER)
        choose_passphrases(person, "ana", "root-2")
        assert person.ends() == 0
    assert cli("--repo", place, "status", "--check").code == 0


def test_a_dry_run_makes_nothing(place: Path) -> None:
    """The interview is held, the review printed, and nothing but the answers kept."""
    with Person.running("ceremony", "--dry-run", cwd=place) as person:
        walk(person, until="review")
        person.presses(ENTER)
        assert person.ends() == 0
        assert "nothing was made" in person.screen
    assert list(tree(place)) == ["ceremony-draft.json"]


def test_without_a_terminal_there_are_no_questions(cli: Cli, place: Path) -> None:
    """A script is told of --plan, at once, and nothing is made."""
    done = cli("--repo", place, "ceremony")
    assert done.code == 2
    assert "--plan" in done.err
    assert tree(place) == {}


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_terminals(environment: dict[str, str], place: Path) -> None:
    """Without colours, and without a screen that can be cleared, the questions are the same."""
    with Person.running("ceremony", cwd=place, **environment) as person:
        walk(person, until="contents")
