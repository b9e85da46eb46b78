"""The guided ceremony as a person sees it, in a real terminal of 80 columns and 24 lines.

The screens are files beside this one; RSTUF_UPDATE_SCREENS=1 writes them anew.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
    ("delegations", "does somebody else answer?", (ENTER,)),
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


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The draft as it lies on the disk while a question of the usual ceremony is asked; at the first there is none."""
    directory = tmp_path_factory.mktemp("drafts")
    directory.chmod(0o700)
    draft, found = directory / "ceremony-draft.json", {}
    with Person.running("ceremony", cwd=directory) as person:
        for name, text, keys in USUAL:
            person.sees(text)
            if draft.exists():
                found[name] = draft.read_bytes()
            if name != QUESTIONS[-1]:
                person.presses(*keys)
        person.presses(CTRL_C)
        assert person.ends() == 130
    assert list(found) == QUESTIONS[1:]
    return found


Arrive = Callable[..., AbstractContextManager[Person]]


@pytest.fixture
def arrive(place: Path, drafts: dict[str, bytes]) -> Arrive:
    """Begins one question before the wanted one, from a draft, and answers that: `arrive("bins", "--dry-run")`."""

    @contextmanager
    def begun(question: str, *options: str) -> Iterator[Person]:
        previous = before(question) if question != QUESTIONS[0] else question
        if previous in drafts:
            (place / "ceremony-draft.json").write_bytes(drafts[previous])
        with Person.running("ceremony", *options, cwd=place) as person:
            walk(person, until=question, start=previous)
            yield person

    return begun


def walk(person: Person, *, until: str, start: str = QUESTIONS[0]) -> str:
    """Press through the usual ceremony; the screen of the question `until`, which is not answered."""
    for name, text, keys in USUAL[QUESTIONS.index(start) :]:
        screen = person.sees(text)
        if name == until:
            return screen
        person.presses(*keys)
    raise AssertionError(f"no question is called {until}")


def text_of(question: str) -> str:
    """The text by which a question is known."""
    return next(text for name, text, _ in USUAL if name == question)


def before(question: str) -> str:
    """The question before this one."""
    return QUESTIONS[QUESTIONS.index(question) - 1]


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
def test_leaving_keeps_the_answers_and_makes_nothing(question: str, place: Path, arrive: Arrive) -> None:
    """Ctrl-C at any question leaves the draft alone behind; the ceremony goes on at that question, and says so."""
    with arrive(question) as person:
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
        screen = person.sees(text_of(question))
        assert "goes on from the answers given before; --restart forgets them" in screen
        assert "step" in screen.splitlines()[0]
        person.presses(ESCAPE)
        assert "--restart" not in person.sees(text_of(before(question)))


@pytest.mark.parametrize(
    ("question", "typed"),
    [(question, "") for question in QUESTIONS]
    + [(question, "\x15") for question in ("name", "purpose", "expected", "review")],
)
def test_the_end_of_input_is_leaving_too(question: str, typed: str, place: Path, arrive: Arrive) -> None:
    """Ctrl-D ends the ceremony as Ctrl-C does: in a list, on an empty line, and behind what a line offers."""
    with arrive(question) as person:
        person.presses(typed, CTRL_D)
        assert person.ends() == 130
    assert set(tree(place)) <= {"ceremony-draft.json"}


@pytest.mark.parametrize("question", QUESTIONS[1:])
def test_back_shows_the_question_before(question: str, arrive: Arrive) -> None:
    """Esc goes back by one screen, with the answer that was given there, and Enter comes forward again."""
    with arrive(question) as person:
        person.presses(ESCAPE)
        person.sees(text_of(before(question)))
        person.presses(ENTER)
        person.sees(text_of(question))


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("name", " ", "a name has 1 to 200 printable characters"),
        ("expected", "many", "write a number above 0"),
        ("holders", "0", "write a number from 1 to 20"),
        ("key-name", "../ana", "key names are 1 to 64 letters"),
        ("second-key-name", "ANA", "is the name of another key"),
    ],
)
def test_a_wrong_answer_is_told_why_and_asked_again(question: str, answer: str, reason: str, arrive: Arrive) -> None:
    """The reason stands above the answer, which can be corrected where it is."""
    with arrive(question) as person:
        text = person.screen.splitlines()[0]
        person.types(answer)
        assert text.split()[0] in person.sees(reason)


def test_why_is_answered(arrive: Arrive) -> None:
    """A question mark explains a question, in a list and where an answer is typed."""
    with arrive("bins") as person:
        person.presses("?")
        person.sees("169 seconds")
        same_as_file("bins-explained", person.sees("ctrl-c leave"))
        person.presses(ENTER)
        person.sees("does somebody else answer?")
        person.presses("\x15", "?")
        person.sees("why: A role with a key of its own")


@pytest.mark.parametrize("question", ["name", "expected", "holders", "key-name"])
def test_why_is_answered_whatever_was_typed(question: str, arrive: Arrive) -> None:
    """A question mark is never typed, and what stands in the field stays there."""
    with arrive(question) as person:
        prompt = person.screen.splitlines()[-1]
        person.presses("?")
        person.sees("why: ")
        assert person.sees(prompt).splitlines()[-1] == prompt
        person.presses("7", "?")
        time.sleep(0.3)
        assert person.sees(f"{prompt}7").splitlines()[-1] == f"{prompt}7"


def test_pasted_text_keeps_its_question_marks(arrive: Arrive) -> None:
    """A terminal says what is pasted: that is no key that was pressed."""
    with arrive("name") as person:
        person.presses("\x15", "\x1b[200~what?\x1b[201~")
        assert person.sees("called? what?").count("why:") == 0


def test_esc_is_immediate(arrive: Arrive) -> None:
    """Esc waits no longer than Enter, in a list or a field; arrow keys, which begin with the same byte, still work."""
    fastest = {"typed": 9.0, "list": 9.0, "enter": 9.0}
    with arrive("expected") as person:
        for _ in range(4):
            for kind, key, text in (
                ("typed", ESCAPE, "Who runs rstuf renew?"),
                ("list", ESCAPE, "Where do clients download"),
                ("enter", ENTER, "How many files will it hold"),
            ):
                if kind == "enter":
                    person.presses(UP, DOWN)
                started = time.monotonic()
                person.presses(key)
                person.sees(text)
                fastest[kind] = min(fastest[kind], time.monotonic() - started)
    # What a terminal library waits by default, in case more of an arrow key comes, is half a second or a whole one.
    assert max(fastest["typed"], fastest["list"]) - fastest["enter"] < 0.4


@pytest.mark.parametrize("answer", ["forever", "x" * 200])
def test_a_long_reason_is_all_there(answer: str, arrive: Arrive) -> None:
    """Why an answer is not taken is told to its end, however long it is, and the answer can be corrected."""
    with arrive("expiry") as person:
        person.presses(DOWN, ENTER)
        person.sees("How long do signatures of root last?")
        person.types(answer)
        screen = person.sees("is not a period")
        assert "followed by s, m, h, d, w or y" in " ".join(screen.split())
        assert max(map(len, screen.splitlines())) <= COLUMNS
        person.types("300d")
        person.sees("How long do signatures of targets last?")


def test_saving_the_plan_instead(place: Path, arrive: Arrive, cli: Cli) -> None:
    """The review offers to save the plan, which makes the same repository without questions; answers stay till then."""
    with arrive("review") as person:
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


def test_changing_one_thing_at_the_review(arrive: Arrive) -> None:
    """A person changes one step there and is back at the review, which shows it."""
    with arrive("review") as person:
        person.presses(DOWN, ENTER)
        same_as_file("change", person.sees("What do you want to change?"))
        person.presses(DOWN, ENTER)
        person.sees("Who runs rstuf renew?")
        person.presses(DOWN, ENTER)
        assert "24 h" in person.sees("is this what you want?")


def test_delegations_from_the_first_question_to_a_repository(place: Path, arrive: Arrive, cli: Cli) -> None:
    """Whoever wants some is asked for names, paths and signers, reviews them, and has them published at once."""
    with arrive("delegations") as person:
        person.types("2")
        same_as_file("delegation-name", person.sees("Delegation 1 of 2: what is it called?"))
        person.types("bins-1")
        person.sees("it is kept for bins")
        person.types("team")
        person.sees("team: for which paths?")
        person.types("team/**")
        person.sees("a wildcard never crosses a slash")
        person.types("team/*, team/*/*")
        same_as_file("delegation-signer", person.sees("team: who signs it?"))
        person.presses(DOWN, ENTER)
        person.sees("Delegation 2 of 2: what is it called?")
        person.types("docs")
        same_as_file("delegation-paths", person.sees("docs: for which paths?"))
        person.presses(ESCAPE)
        person.sees("Delegation 2 of 2: what is it called?")
        person.presses(ENTER)
        person.sees("docs: for which paths?")
        person.presses(ENTER)
        person.sees("docs: who signs it?")
        person.presses(ENTER)
        walk(person, until="review", start="holders")
        same_as_file("review-of-delegations", person.screen)
        person.presses(ENTER)
        choose_passphrases(person, "ana", "root-2", "team")
        assert person.ends() == 0
        assert "2 delegations and 2 048 bins" in person.scrolled
    listed = cli("--repo", place, "delegation", "list", "--json").document["delegations"]
    assert [(each["name"], each.get("paths"), each["signers"]) for each in listed] == [
        ("team", ["team/*", "team/*/*"], ["team"]),
        ("docs", ["docs/*"], ["online"]),
        ("bins", None, ["online"]),
    ]
    assert cli("--repo", place, "verify", "--full").code == 0


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


def test_a_passphrase_by_a_descriptor_is_there_at_the_end(place: Path, cli: Cli) -> None:
    """A descriptor gives its line once; the questions between its reading and the keys' making lose nothing of it."""
    (place.parent / "secret").write_text(f"{PASSPHRASE}\n")
    command = f"exec {shlex.quote(sys.executable)} -m rstuf_cli ceremony --passphrase-fd 3 3< ../secret"
    with Person.at(["sh", "-c", command], cwd=place) as person:
        walk(person, until="review")
        person.presses(ENTER)
        assert person.ends() == 0
    assert cli("--repo", place, "status", "--check").code == 0


def test_a_dry_run_makes_nothing(place: Path, arrive: Arrive) -> None:
    """The interview is held, the review printed, and nothing but the answers kept."""
    with arrive("review", "--dry-run") as person:
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


def test_nobody_is_asked_where_a_repository_is(workspace: Path) -> None:
    """Where a dozen answers would come to nothing, that is said before the first question."""
    with Person.running("ceremony", cwd=workspace) as person:
        assert person.ends() == 1
        assert "already holds the repository" in person.screen
        assert "What is it called?" not in person.screen
    assert not (workspace / "ceremony-draft.json").exists()


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_terminals(environment: dict[str, str], place: Path) -> None:
    """Without colours, and without a screen that can be cleared, the questions are the same."""
    with Person.running("ceremony", cwd=place, **environment) as person:
        walk(person, until="contents")


@pytest.mark.parametrize(("question", "consequence"), [("threshold", "repository"), ("key-place", "keys/ana.key")])
def test_a_narrow_terminal_cuts_no_consequence(question: str, consequence: str, arrive: Arrive) -> None:
    """At 40 columns what follows from a choice stands below it, whole, and all keys are still named."""
    with arrive(before(question)) as person:
        person.resizes(LINES, 40)
        person.presses(*next(keys for name, _, keys in USUAL if name == before(question)))
        screen = person.sees("ctrl-c leave")
        assert consequence in screen
        assert "esc back" in screen
        assert max(map(len, screen.splitlines())) <= 40
