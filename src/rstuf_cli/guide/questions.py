"""What a question is: a value, with its teaching, its choices and its check. Nothing here knows of a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Table = Callable[[int, int | None], Sequence[str]]
"""Lines that keep their columns, for a width and for a number of lines; None for as many as there are."""


class Refused(Exception):
    """An answer that cannot be taken, and why, in a phrase for whoever gave it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _no_table(width: int, lines: int | None) -> Sequence[str]:
    del width, lines
    return ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several answers.

    Attributes:
        value: the answer.
        title: how it reads in the list.
        detail: what follows from it; shown beside the title.
    """

    value: str
    title: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to decide.

    Attributes:
        name: what its answer is kept under; stable, a draft lives on between versions.
        step: the title of the part of the interview it belongs to.
        prompt: the question itself, one line.
        lead: what stands below the title at once.
        teaches: what stands above it; an empty line between paragraphs, whose lines begin anew where they are broken.
        table: lines above it that keep their columns; more of them than there is room for only if it cannot be helped.
        heading: a line above the choices, in the columns of their titles.
        why: what a person reads who asks why it is asked.
        default: the answer that Enter gives where there is none yet.
        choices: the answers to choose from; none of them: the answer is typed.
        check: the answer in the form in which it is kept; raises `Refused`.
    """

    name: str
    step: str
    prompt: str
    default: str
    why: str
    lead: str = ""
    teaches: str = ""
    table: Table = _no_table
    heading: str = ""
    choices: tuple[Choice, ...] = ()
    check: Callable[[str], str] = field(default=str.strip)

    def taken(self, answer: str | None) -> str | None:
        """`answer` as it is kept, or None where there is none that can be taken."""
        if answer is None:
            return None
        try:
            return self.accept(answer)
        except Refused:
            return None

    def accept(self, answer: str) -> str:
        """`answer` as it is kept.

        Raises:
            Refused: it cannot be taken.
        """
        if self.choices:
            if answer not in {choice.value for choice in self.choices}:
                raise Refused("it is none of the choices")
            return answer
        return self.check(answer)
