"""The part of the guided ceremony that is about delegations: for which paths, and who signs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import rstuf
from rstuf.errors import RstufError
from rstuf_cli.guide.interview import Answers
from rstuf_cli.guide.keyfiles import KEPT_ELSEWHERE, ONLINE, file_question, key_table
from rstuf_cli.guide.questions import Choice, Question, Refused

_MOST: Final = 20
_BETWEEN: Final = re.compile(r"[\s,]+")


def delegation_questions(answers: Answers, *, step: str) -> Iterator[Question]:
    """How many there are to be, if any; and of each what it is called, for what it is, and who signs it."""
    yield Question(
        "delegations.count",
        step,
        "For how many parts does somebody else answer?",
        default="0",
        teaches="A delegation lets a role of its own sign for some of the paths: those of a team, or of a vendor. "
        "Clients look there for them; whatever no delegation is for goes into the bins.\n\n"
        "None is usual to begin with: rstuf delegation add makes one at any time, and moves what it is for.",
        why="A role with a key of its own is answered for by whoever holds that key, and that key can change nothing "
        "else. Clients in Go (go-tuf up to 2.4.2) read no repository that has both bins and delegations.",
        check=_amount,
    )
    for place in _places(answers):
        yield from _delegation(answers, place, step=step)


def delegation_tables(answers: Answers) -> list[dict[str, Any]]:
    """The plan's `[[delegations]]` tables."""
    return [_table(answers, f"delegation.{place}") for place in _places(answers)]


def delegation_keys(answers: Answers) -> dict[str, Any]:
    """The plan's `[keys.…]` tables of those that have a key of their own; it is called as they are."""
    return {answers[f"{key}.name"]: key_table(answers, key, answers[f"{key}.name"]) for key in _with_keys(answers)}


def names_of_keys(answers: Answers) -> set[str]:
    """The names that these keys take, in one case."""
    return {answers[f"{key}.name"].casefold() for key in _with_keys(answers) if f"{key}.name" in answers}


def files_of_keys(answers: Answers, *, before: int | None = None) -> dict[str, str]:
    """The key files that are taken, and by whom; of the delegations before one, or of all."""
    taken = [key for place, key in enumerate(_keys(answers), 1) if before is None or place < before]
    return {
        answers[f"{key}.file"]: answers[f"{key}.name"]
        for key in taken
        if answers.get(f"{key}.how") in KEPT_ELSEWHERE and f"{key}.file" in answers
    }


def _delegation(answers: Answers, place: int, *, step: str) -> Iterator[Question]:
    key, whose = f"delegation.{place}", f"Delegation {place} of {len(_places(answers))}"
    others = {answers.get(f"delegation.{each}.name", "").casefold() for each in range(1, place)}
    free = next(name for name in (f"team-{each}" for each in range(place, 2 * place)) if name not in others)
    yield Question(
        f"{key}.name",
        step,
        f"{whose}: what is it called?",
        default=free,
        teaches="A plain name, which clients and signers see. It is never used for anything else.",
        why="The name stands in metadata, and in the name of the role's file. It cannot be changed later, but another "
        "delegation can take its place.",
        check=lambda text: _name(text, others),
    )
    name = answers.get(f"{key}.name", free)
    yield Question(
        f"{key}.paths",
        step,
        f"{name}: for which paths?",
        default=f"{name}/*",
        teaches="* and ? stand for what varies within one segment: team/* is for team/app.whl, and team/*/* for "
        "team/old/app.whl. Write a space between several.",
        why="Clients look for a path through the delegations in their order, and find it in the first that is for it. "
        "Patterns on which clients do not agree are not taken.",
        check=_patterns,
    )
    yield Question(
        f"{key}.how",
        step,
        f"{name}: who signs it?",
        default="online",
        choices=(
            Choice("online", "the online key", "with everything else"),
            Choice("make", "a key of its own, made now", f"encrypted, in keys/{name}.key"),
            Choice("private", "a key that exists, and its file is here", "OpenSSH or PEM"),
        ),
        why="Its first version is signed today, so whoever signs it must be here. For a holder who is elsewhere, make "
        "the delegation afterwards: rstuf key add lets their key be known, and rstuf delegation add names it.",
    )
    if answers.get(f"{key}.how") in KEPT_ELSEWHERE:
        yield file_question(f"{key}.file", name, "private", files_of_keys(answers, before=place), step=step)


def _table(answers: Answers, key: str) -> dict[str, Any]:
    name = answers[f"{key}.name"]
    table: dict[str, Any] = {"name": name, "paths": answers[f"{key}.paths"].split()}
    return table if answers[f"{key}.how"] == "online" else {**table, "signers": [name]}


def _places(answers: Answers) -> range:
    return range(1, int(answers.get("delegations.count", 0)) + 1)


def _keys(answers: Answers) -> list[str]:
    return [f"delegation.{place}" for place in _places(answers)]


def _with_keys(answers: Answers) -> list[str]:
    return [key for key in _keys(answers) if answers.get(f"{key}.how", "online") != "online"]


def _amount(text: str) -> str:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and int(text[:4]) <= _MOST):
        raise Refused(f"write a number from 0 to {_MOST}")
    return str(int(text))


def _name(text: str, taken: set[str]) -> str:
    text = text.strip()
    _try(rstuf.delegated_name, text)
    if text.casefold() in {*taken, ONLINE}:
        raise Refused(f"{text} is taken already; names differ in more than case")
    return text


def _patterns(text: str) -> str:
    patterns = [each for each in _BETWEEN.split(text.strip()) if each]
    if not patterns:
        raise Refused("write at least one pattern, like team/*")
    for each in patterns:
        _try(rstuf.path_pattern, each)
    return " ".join(patterns)


def _try(check: Callable[[str], object], text: str) -> None:
    try:
        check(text)
    except RstufError as error:
        raise Refused(error.message) from None
