"""One question, one screen: its title and place, what it teaches, the choices, and the keys that do something."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from rstuf_cli.console import escape
from rstuf_cli.guide.interview import Move, Place
from rstuf_cli.guide.questions import Question, Refused
from rstuf_cli.prompts import terminal

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.output import Output

_WIDEST: Final = 100
_NARROWEST: Final = 40
_CLEAR: Final = "\x1b[H\x1b[2J"
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_WHY: Final = "\0why"


def page(question: Question, place: Place, *, width: int, explained: bool) -> list[str]:
    """What stands above a question's prompt, as lines of at most `width` columns; the first is the title."""
    where = f"step {place.step} of {place.steps}"
    title = f" {question.step}"
    lines = [f"{title}{where:>{max(len(where) + 1, width - len(title))}}", ""]
    for paragraph in filter(None, question.teaches.split("\n\n")):
        lines += [*_folded(paragraph, width), ""]
    if explained:
        lines += [*_folded(question.why, width, mark="why: "), ""]
    if question.table:
        lines += [*(f"   {line}" for line in question.table), ""]
    return lines


def keys_line(question: Question, place: Place) -> str:
    """The keys that do something, in one line."""
    choose = ["↑↓ choose"] if question.choices else []
    back = [] if place.first else ["esc back"]
    return "   ".join([*choose, "⏎ continue", *back, "? why", "ctrl-c leave"])


class Screen:
    """The terminal of a person, as `interview.Asker`."""

    def ask(self, question: Question, *, offered: str, place: Place) -> str | Move:
        """Show one question until it is answered; see `interview.Asker`.

        Raises:
            KeyboardInterrupt, EOFError: the person leaves.
        """
        explained = False
        while True:
            with terminal() as (keyboard, screen, paper):
                self._show(page(question, place, width=_width(), explained=explained), paper)
                found = self._choose(question, offered, place, keyboard, screen)
            if found != _WHY:
                return found
            explained = True

    def _show(self, lines: Sequence[str], paper: TextIO) -> None:
        plain = os.environ.get("TERM", "") in {"", "dumb"}
        title, *rest = lines
        paper.write("\n" if plain else _CLEAR)
        paper.write(f"{title}\n" if plain else f"{_BOLD}{title}{_PLAIN}\n")
        paper.write("".join(f"{escape(line)}\n" for line in rest))
        paper.flush()

    def _choose(self, question: Question, offered: str, place: Place, keyboard: Input, screen: Output) -> str | Move:
        import questionary

        keys = {"input": keyboard, "output": screen, "style": _style()}
        if not question.choices:
            asked = questionary.text(
                question.prompt,
                default=offered,
                qmark="",
                validate=lambda text: _judge(question, text),
                validate_while_typing=False,
                bottom_toolbar=f" {keys_line(question, place)}",
                key_bindings=_keys(place, typed=True),
                **keys,
            )
        else:
            asked = questionary.select(
                question.prompt,
                choices=[*_heading(question), *_choices(question), *_footer(question, place)],
                default=offered,
                qmark="",
                instruction=" ",
                **keys,
            )
            _join(asked.application, _keys(place, typed=False))
        answer = asked.unsafe_ask()
        return answer if isinstance(answer, Move) else str(answer)


def _judge(question: Question, text: str) -> bool | str:
    try:
        question.accept(text)
    except Refused as refused:
        return escape(refused.reason)
    return True


def _choices(question: Question) -> Iterator[Any]:
    import questionary

    width = max(len(choice.title) for choice in question.choices)
    for choice in question.choices:
        line = f"{choice.title:<{width}}   {choice.detail}" if choice.detail else choice.title
        yield questionary.Choice(escape(line), value=choice.value)


def _heading(question: Question) -> Iterator[Any]:
    import questionary

    if question.heading:
        yield questionary.Separator(question.heading)


def _footer(question: Question, place: Place) -> Iterator[Any]:
    import questionary

    yield questionary.Separator(" ")
    yield questionary.Separator(f" {keys_line(question, place)}")


def _keys(place: Place, *, typed: bool) -> KeyBindings:
    """Our keys beside the library's: Esc (and b in a list) goes back, ? explains, Ctrl-D leaves."""
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    def leave(event: Any) -> None:
        event.app.exit(exception=EOFError)

    def back(event: Any) -> None:
        if not place.first:
            event.app.exit(result=Move.BACK)

    def why(event: Any) -> None:
        event.app.exit(result=_WHY)

    bindings.add("escape")(back)
    if typed:
        from prompt_toolkit.application import get_app

        untouched = Condition(
            lambda: not get_app().current_buffer.text or get_app().current_buffer.cursor_position == 0
        )
        bindings.add("?", filter=untouched)(why)
        bindings.add("f1")(why)
    else:
        bindings.add("b")(back)
        bindings.add("?")(why)
        bindings.add("c-d")(leave)
    return bindings


def _join(application: Any, bindings: KeyBindings) -> None:
    from prompt_toolkit.key_binding import merge_key_bindings

    application.key_bindings = merge_key_bindings([application.key_bindings, bindings])


def _style() -> Any:
    """No colours: what is chosen is bold, what cannot be is faint, in whatever colours the terminal has."""
    from questionary import Style

    return Style(
        [
            ("question", "bold"),
            ("answer", "nobold"),
            ("pointer", "bold"),
            ("highlighted", "bold"),
            ("selected", ""),
            ("separator", ""),
            ("disabled", ""),
            ("bottom-toolbar", "noreverse"),
            ("validation-toolbar", "bold noreverse"),
        ]
    )


def _folded(text: str, width: int, *, mark: str = "") -> list[str]:
    return textwrap.wrap(text, width - 1, initial_indent=f" {mark}", subsequent_indent=" " * (len(mark) + 1))


def _width() -> int:
    return max(_NARROWEST, min(shutil.get_terminal_size().columns, _WIDEST) - 1)
