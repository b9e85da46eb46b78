"""Passphrases at the prompt: what is asked, how often, and what is said of weak ones."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli

from rstuf.errors import PassphraseNeeded
from rstuf_cli import prompts
from rstuf_cli.console import Console
from rstuf_cli.prompts import Passphrases, weakness

STRONG = "horse battery staple"


class Person:
    """Types the next of some answers whenever asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.questions = list(answers), list[str]()

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0)


Typing = Callable[..., Person]


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Typing:
    """A person is there and types these answers."""

    def is_there(*answers: str) -> Person:
        person = Person(*answers)
        monkeypatch.setattr(prompts, "ask_hidden", person)
        monkeypatch.setattr(prompts, "person_is_there", lambda: True)
        return person

    return is_there


@pytest.fixture
def notes() -> tuple[Console, io.StringIO]:
    """A console whose stderr can be read."""
    err = io.StringIO()
    return Console(out=None, err=err), err


@pytest.fixture
def two_of_two(tmp_path: Path, cli: Cli, typing: Typing) -> Path:
    """A workspace whose root needs two keys, each with a passphrase of its own."""
    plan = tmp_path / "plan.toml"
    text = PLAN.replace("threshold = 1", "threshold = 2")
    for name in ("alice", "bob"):
        text = text.replace(f'encrypt = false\nsigner = "file:keys/{name}.key"', f'signer = "file:keys/{name}.key"')
    plan.write_text(text)
    typing("alice " + STRONG, "alice " + STRONG, "bob " + STRONG, "bob " + STRONG)
    done = cli("--repo", tmp_path / "two", "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    assert "characters" not in done.err
    return tmp_path / "two"


def test_a_new_passphrase_is_typed_twice(typing: Typing, notes: tuple[Console, io.StringIO]) -> None:
    """Two different answers are asked for again; what both say is taken, and asked for once."""
    person = typing("one", "two", "three", "three")
    asked = Passphrases(notes[0])
    assert asked.passphrase("vault", new=True) == b"three"
    assert asked.passphrase("vault", new=True) == b"three"
    assert person.questions == ["new passphrase for vault:", "the same once more:"] * 2
    assert notes[1].getvalue() == "the two are not the same\n"
    assert "three" not in repr(asked)


@pytest.mark.parametrize("answers", [("", "", ""), ("a", "b", "", "c", "d"), ("a", "", "b", "", "c", "")])
def test_a_new_passphrase_that_is_never_chosen(
    answers: tuple[str, ...], typing: Typing, notes: tuple[Console, io.StringIO]
) -> None:
    """Three times nothing, or not the same, is no passphrase; the question is not put a fourth time."""
    person = typing(*answers)
    asked = Passphrases(notes[0])
    for _ in range(2):
        with pytest.raises(PassphraseNeeded):
            asked.passphrase("vault", new=True)
    assert person.answers == []


def test_a_person_may_go_on_without_a_key(typing: Typing, notes: tuple[Console, io.StringIO]) -> None:
    """Enter alone is asked about once, and is then the answer for as long as the command runs."""
    person = typing("", "typed", "", "")
    asked = Passphrases(notes[0])
    assert asked.passphrase("alice", new=False) == b"typed"
    for _ in range(2):
        with pytest.raises(PassphraseNeeded):
            asked.passphrase("bob", new=False)
    assert person.answers == []
    assert notes[1].getvalue() == "nothing was typed; Enter once more goes on without this key\n" * 2


def test_a_question_shows_no_control_character(typing: Typing, notes: tuple[Console, io.StringIO]) -> None:
    """The name of a key comes from outside."""
    person = typing("x")
    asked = Passphrases(notes[0])
    asked.passphrase("a\x1b[31m", new=False)
    assert person.questions == ["passphrase of a\\x1b[31m:"]
    assert asked.may_try_again("a\x1b[31m")
    assert "\x1b" not in notes[1].getvalue()


def test_bytes_that_are_no_text(typing: Typing, notes: tuple[Console, io.StringIO]) -> None:
    """What a terminal in another encoding sends is a passphrase like any other."""
    typing("gr\udcfc\udcdfe")
    assert Passphrases(notes[0]).passphrase("vault", new=False) == b"gr\xfc\xdfe"


def test_one_mistyped_of_several_keys(typing: Typing, cli: Cli, two_of_two: Path) -> None:
    """A mistyped passphrase is asked for again, for that key alone, and the command goes on."""
    person = typing("alice " + STRONG, "mistyped", "bob " + STRONG)
    done = cli("--repo", two_of_two, "renew", "--force", "root")
    assert (done.code, done.err) == (0, "that does not open the key bob; try again\n")
    assert person.questions == ["passphrase of alice:", "passphrase of bob:", "passphrase of bob:"]
    assert "root v2 signed" in done.out


def test_three_wrong_tries(typing: Typing, cli: Cli, two_of_two: Path) -> None:
    """After three tries it is an error that names the key, and nobody is asked a fourth time."""
    person = typing("alice " + STRONG, "w1", "w2", "w3")
    done = cli("--repo", two_of_two, "renew", "--force", "root")
    assert done.code == 1
    assert done.err.count("that does not open the key bob; try again") == 2
    assert done.err.endswith("error: the passphrase does not open the key bob\nhint:  nothing was changed; try again\n")
    assert person.answers == []
    assert not (two_of_two / "metadata" / "2.root.json").exists()


def test_a_ceremony_goes_on_with_mistakes(typing: Typing, cli: Cli, two_of_two: Path, tmp_path: Path) -> None:
    """Keys that exist are opened with a second try, each by itself."""
    plan = tmp_path / "again.toml"
    known = (
        (tmp_path / "plan.toml")
        .read_text()
        .replace('generate = "ed25519"\nsigner = "file:keys/', 'signer = "file:two/keys/')
    )
    plan.write_text(known)
    typing("x", "alice " + STRONG, "y", "z", "bob " + STRONG)
    done = cli("--repo", tmp_path / "second", "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    assert [line for line in done.err.splitlines() if "try again" in line] == [
        "that does not open the key alice; try again",
        "that does not open the key bob; try again",
        "that does not open the key bob; try again",
    ]


def test_a_wrong_passphrase_is_mended_at_the_prompt(typing: Typing, cli: Cli, tmp_path: Path) -> None:
    """Publishing with an encrypted online key goes on after a mistake; after three, what was accepted is kept."""
    plan = tmp_path / "plan.toml"
    head, _, tail = PLAN.rpartition("encrypt = false\n")
    plan.write_text(head + tail)
    typing(STRONG, STRONG)
    assert cli("ceremony", "--plan", plan).code == 0
    for name in ("one.txt", "two.txt"):
        Path(name).write_text(name)
    typing("mistake", STRONG)
    done = cli("artifact", "add", "one.txt")
    assert (done.code, done.err) == (0, "that does not open the key online; try again\n")
    typing("a", "b", "c")
    refused = cli("artifact", "add", "two.txt")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.splitlines()[-3:] == [
        "error: the passphrase does not open the key online",
        "kept:  1 artifact accepted; rstuf publish makes it visible to clients",
        "hint:  try again; if its passphrase is lost: rstuf recover online-key online --lost",
    ]


@pytest.mark.parametrize(
    ("passphrase", "reason"),
    [
        ("abcd", "has fewer than 12 characters"),
        ("elevenchars", "has fewer than 12 characters"),
        ("éééééééééé1", "has fewer than 12 characters"),
        ("aaaaaaaaaaaaaaaaaaaa", "has fewer than 5 different characters"),
        ("twelve chars", None),
        (STRONG, None),
    ],
)
def test_weak_passphrases(passphrase: str, reason: str | None) -> None:
    """Short ones and those of few characters are weak; lengths are counted in characters."""
    assert weakness(passphrase.encode()) == reason


@pytest.mark.parametrize("given", ["typed", "file"])
def test_a_weak_new_passphrase_draws_a_warning(given: str, typing: Typing, cli: Cli, tmp_path: Path) -> None:
    """It is taken, and the reason against it stands on stderr once; a passphrase of a key that exists draws none."""
    plan, secret = tmp_path / "plan.toml", tmp_path / "secret"
    head, _, tail = PLAN.rpartition("encrypt = false\n")
    plan.write_text(head + tail)
    secret.touch(0o600)
    secret.write_text("abcd\n")
    options = ["--passphrase-file", secret] if given == "file" else []
    typing("abcd", "abcd") if given == "typed" else None
    done = cli("--repo", tmp_path / "weak", "ceremony", "--plan", plan, "--json", *options)
    assert done.code == 0, done.err
    assert done.err.count("the passphrase of online has fewer than 12 characters: whoever copies") == 1
    assert "abcd" not in done.err + done.out
    typing("abcd") if given == "typed" else None
    later = cli("--repo", tmp_path / "weak", "renew", "--force", "timestamp", *options)
    assert (later.code, later.err) == (0, "")


@pytest.mark.parametrize("option", ["--passphrase-file", "--passphrase-fd"])
def test_a_passphrase_for_no_key_is_refused(option: str, cli: Cli, workspace: Path, tmp_path: Path) -> None:
    """A name that no key of the repository, or of the plan, has is a usage error that names those that are there."""
    secret, plan = tmp_path / "secret", tmp_path / "plan.toml"
    secret.write_text(STRONG)
    secret.chmod(0o600)
    plan.write_text(PLAN)
    reading, writing = os.pipe()
    os.write(writing, f"{STRONG}\n".encode() * 8)
    os.close(writing)
    value = secret if option == "--passphrase-file" else reading
    try:
        assert cli("renew", option, f"ALICE={value}").code == 0
        for argv in (
            ["renew"],
            ["status"],
            ["--repo", tmp_path / "new", "ceremony", "--plan", plan],
            ["--repo", tmp_path / "new", "ceremony", "--plan", plan, "--dry-run"],
        ):
            done = cli(*argv, option, f"alcie={value}")
            assert done.code == 2, argv
            assert done.err.startswith("error: a passphrase is given for 'alcie', and no key has that name\n")
            assert "did you mean alice? the keys: alice, bob, online" in done.err
    finally:
        os.close(reading)
    assert not (tmp_path / "new").exists()
