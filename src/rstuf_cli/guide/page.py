"""What one question has on the screen, as lines: its title and place, what it teaches, and the keys that do something.

Nothing here knows of a terminal but its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from rstuf_cli.console import escape
from rstuf_cli.guide.interview import Place
from rstuf_cli.guide.questions import Question

_TABLE_INDENT: Final = 3
# What a list has before each choice, and how much further in a choice goes on below itself.
_POINTER, _BELOW = 3, 2


def page(
    question: Question,
    place: Place,
    *,
    width: int,
    lines: int | None = None,
    explained: bool = False,
    refused: str | None = None,
) -> list[str]:
    """What stands above a question's prompt, as lines of at most `width` columns; the first is the title.

    Args:
        lines: how many the terminal has, the prompt's among them: a table that can be shortened is. None for all.
        explained: whether it says why it is asked.
        refused: why the last answer was not taken.
    """
    above, below = _above(question, place, width=width, explained=explained), _about(refused, width)
    # Below a table is an empty line.
    room = None if lines is None else lines - len(above) - 1 - len(below) - prompt_lines(question, width)
    table = [" " * _TABLE_INDENT + line for line in question.table(width - _TABLE_INDENT, room)]
    return [*above, *table, *([""] if table else []), *below]


def prompt_lines(question: Question, width: int) -> int:
    """How many lines the prompt takes below its page: the question, its choices, and the keys."""
    listed = sum(text.count("\n") + 1 for text in choice_texts(question, width))
    return 1 + (listed + bool(question.heading) + 1 if question.choices else 0) + 1


def choice_texts(question: Question, width: int) -> list[str]:
    """The choices as they stand in the list: each with what follows from it, below it where it is too wide for that."""
    choices = [(escape(choice.title), escape(choice.detail)) for choice in question.choices]
    titles = max((len(title) for title, _ in choices), default=0)
    beside = [f"{title:<{titles}}   {detail}".rstrip() for title, detail in choices]
    room = width - _POINTER
    if all(len(text) <= room for text in beside):
        return beside
    # What stands below a heading keeps its columns.
    return [
        ("\n" + " " * (_POINTER + _BELOW)).join(
            [*([title] if question.heading else wrap(title, room - _BELOW)), *wrap(detail, room - _BELOW)]
        )
        for title, detail in choices
    ]


def keys_line(question: Question, place: Place, width: int) -> str:
    """The keys that do something, in one line."""
    choose = ["↑↓ choose"] if question.choices else []
    back = [] if place.first else ["esc back"]
    line = "   ".join([*choose, "⏎ continue", *back, "? why", "ctrl-c leave"])
    if len(line) <= width - _POINTER:
        return line
    return "  ".join([*(["↑↓"] if question.choices else []), "⏎", *back, "? why", "ctrl-c leave"])


def leaves(lines: Sequence[str], height: int) -> list[list[str]]:
    """A page in parts of at most `height` lines, each below the first lines again."""
    head = lines.index("") + 1
    rest, step = lines[head:], max(1, height - head)
    return [[*lines[:head], *rest[start : start + step]] for start in range(0, len(rest), step)]


def _above(question: Question, place: Place, *, width: int, explained: bool) -> list[str]:
    where = f"step {place.step} of {place.steps}"
    title = f" {question.step}"
    lines = [f"{title}{where:>{max(len(where) + 1, width - len(title))}}", *_folded(question.lead, width), ""]
    for paragraph in filter(None, question.teaches.split("\n\n")):
        lines += [*(line for part in paragraph.split("\n") for line in _folded(part, width)), ""]
    if explained:
        lines += [*_folded(question.why, width, mark="why: "), ""]
    return lines


def _about(refused: str | None, width: int) -> list[str]:
    return [] if refused is None else [*_folded(escape(refused), width, mark="! "), ""]


def _folded(text: str, width: int, *, mark: str = "") -> list[str]:
    return wrap(text, width - 1, initial_indent=f" {mark}", subsequent_indent=" " * (len(mark) + 1))
