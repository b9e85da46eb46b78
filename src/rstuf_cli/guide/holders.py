"""The part of the guided ceremony that is about keys: whose they are, and where they sign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import rstuf
from rstuf.errors import InvalidKey
from rstuf_cli.guide.delegations import delegation_keys, files_of_keys, names_of_keys
from rstuf_cli.guide.interview import Answers
from rstuf_cli.guide.keyfiles import KEPT_ELSEWHERE, ONLINE, file_question, key_table
from rstuf_cli.guide.questions import Choice, Question, Refused
from rstuf_cli.wording import listed

_MOST_HOLDERS: Final = 20
_USUAL_HOLDERS: Final = 3
_FEW: Final = 4


def holder_questions(answers: Answers, *, step: str) -> Iterator[Question]:
    """How many hold a root key, how many of them must sign, and who they are."""
    yield Question(
        "root.count",
        step,
        "How many people, or machines, hold a root key?",
        default=str(_USUAL_HOLDERS),
        teaches="Root says who may sign everything else, and clients begin with it. Its keys are for people: kept "
        "offline, apart from each other, and used about once a year.",
        why="With several keys, of which some must agree, one can be lost and one stolen, and nothing happens.",
        check=_holders,
    )
    holders = int(answers.get("root.count", _USUAL_HOLDERS))
    yield Question(
        "root.threshold",
        step,
        "How many of them must sign?",
        default=str(holders // 2 + 1 if holders > 1 else 1),
        choices=tuple(
            Choice(str(each), f"{each} of {holders}", _consequence(each, holders)) for each in _up_to(holders)
        ),
        why="Fewer than this can do nothing, not even together. Keys may be lost only down to it: below that, "
        "the repository can never be changed again, and every client must be given a new root by hand.",
    )
    for place in _up_to(holders):
        yield from _holder(answers, place, holders, step=step)


def _holder(answers: Answers, place: int, holders: int, *, step: str) -> Iterator[Question]:
    key = f"root.{place}"
    others = {answers.get(f"root.{each}.name", "").casefold() for each in range(1, place)}
    delegated = names_of_keys(answers)
    proposed = (f"root-{each}" for each in range(place, 2 * place + len(delegated)))
    free = next(name for name in proposed if name not in others | delegated)
    whose = f"Root key {place} of {holders}"
    yield Question(
        f"{key}.name",
        step,
        f"{whose}: what is it called?",
        default=free,
        teaches="A name that its holder and the others know it by: who has it, or where it is.",
        why="Names are shown to signers, beside the fingerprint of the key. They stand in no metadata: a key can get "
        "another name without anybody signing.",
        check=lambda text: _key_name(text, others | {ONLINE} | delegated),
    )
    name = answers.get(f"{key}.name", free)
    yield Question(
        f"{key}.how",
        step,
        f"{whose}, {name}: where is it?",
        default="make",
        choices=(
            Choice("make", "make it now, protected by a passphrase", f"in keys/{name}.key"),
            Choice("private", "it exists, and its file is here", "OpenSSH or PEM"),
            Choice("public", "its holder gave me the public half", "they cannot sign here today"),
        ),
        why="A key that is made here should not stay here: move its file to where its holder keeps it. Best, each "
        "holder makes their own (rstuf key generate) and hands over the public half only.",
    )
    how = answers.get(f"{key}.how")
    if how in KEPT_ELSEWHERE:
        yield file_question(f"{key}.file", name, how, _used(answers, range(1, place)), step=step)


def online_questions(answers: Answers, *, step: str) -> Iterator[Question]:
    """How the key that signs without a person is kept."""
    alone = answers.get("upkeep", rstuf.Upkeep.PERSON) != rstuf.Upkeep.PERSON
    yield Question(
        "online.how",
        step,
        "How is it kept?",
        default="open" if alone else "make",
        teaches="The online key signs at each publication: what files there are, and that this is the newest list of "
        "them. It lies on this machine. Whoever steals it can publish files in your name, until root replaces it; root "
        "itself it cannot change.",
        choices=(
            Choice("open", "make it now, without a passphrase", "needed where no person renews"),
            Choice("make", "make it now, protected by a passphrase", "asked for at each publication"),
            Choice("private", "it exists, and its file is here", "OpenSSH or PEM"),
        ),
        why="A timer or a program cannot type a passphrase. Without one, the key is as safe as the files of this user.",
    )
    if answers.get("online.how") == "private":
        used = _used(answers, _up_to(int(answers.get("root.count", _USUAL_HOLDERS))))
        yield file_question("online.file", ONLINE, "private", used, step=step)


def _used(answers: Answers, places: range) -> dict[str, str]:
    """The key files that are taken already, and by whom: by delegations, and by some of the root keys."""
    return files_of_keys(answers) | {
        answers[f"root.{each}.file"]: answers[f"root.{each}.name"]
        for each in places
        if answers.get(f"root.{each}.how") in KEPT_ELSEWHERE and f"root.{each}.file" in answers
    }


def names_of(answers: Answers) -> list[str]:
    """The names of the root keys."""
    return [answers[f"root.{place}.name"] for place in _up_to(int(answers["root.count"]))]


def key_tables(answers: Answers) -> dict[str, Any]:
    """The plan's `[keys.…]` tables."""
    tables = {
        answers[f"root.{place}.name"]: key_table(answers, f"root.{place}", answers[f"root.{place}.name"])
        for place in _up_to(int(answers["root.count"]))
    }
    return {**tables, **delegation_keys(answers), ONLINE: key_table(answers, "online", ONLINE)}


def _consequence(threshold: int, holders: int) -> str:
    lost, stolen = holders - threshold, threshold - 1
    if threshold == 1:
        return "! whoever steals one key owns the repository"
    if threshold == holders:
        return "! losing one key loses the repository"
    advised = ", advised" if threshold == holders // 2 + 1 else ""
    return f"{lost} may be lost, {stolen} stolen{advised}"


def _holders(text: str) -> str:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= _MOST_HOLDERS):
        raise Refused(f"write a number from 1 to {_MOST_HOLDERS}")
    return str(int(text))


def _key_name(text: str, taken: set[str]) -> str:
    text = text.strip()
    try:
        rstuf.check_key_name(text)
    except InvalidKey as error:
        raise Refused(error.reason) from None
    if text.casefold() in taken:
        raise Refused(f"{text} is the name of another key; names differ in more than case")
    return text


def _up_to(holders: int) -> range:
    return range(1, holders + 1)


def explain_away(answers: Answers) -> str | None:
    """For whom the ceremony will wait with these answers, where too few can sign here; None where enough can."""
    away = [
        answers[f"root.{place}.name"]
        for place in _up_to(int(answers["root.count"]))
        if answers[f"root.{place}.how"] == "public"
    ]
    present, threshold = int(answers["root.count"]) - len(away), int(answers["root.threshold"])
    if present >= threshold:
        return None
    others = away if len(away) <= _FEW else [*away[:_FEW], f"{len(away) - _FEW} more"]
    return f"{threshold} must sign and {present} can here: the ceremony will wait for {listed(others)}"
