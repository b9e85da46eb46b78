"""One question, one screen, and the keys that a person presses there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

from rstuf_cli.console import escape
from rstuf_cli.guide.interview import Move, Place
from rstuf_cli.guide.page import choice_texts, keys_line, leaves, page, prompt_lines
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
# Bytes of one key come at once: what follows Esc later than this is another key.
_ESCAPE_SECONDS: Final = 0.03


@dataclass(frozen=True, slots=True)
class _Why:
    """The person asks why. `typed` stands in the field meanwhile."""

    typed: str = ""


class Screen:
    """The terminal of a person, as `interview.Asker`."""

    def ask(self, question: Question, *, offered: str, place: Place) -> str | Move:
        """Show one question until it is answered; see `interview.Asker`.

        Raises:
            KeyboardInterrupt, EOFError: the person leaves.
        """
        explained, refused, field = False, None, offered
        while True:
            with terminal() as (keyboard, screen, paper):
                lines = page(question, place, width=_width(), lines=_height(), explained=explained, refused=refused)
                self._show(lines, paper)
                found = self._choose(question, field, place, keyboard, screen)
            if isinstance(found, _Why):
                field, explained = found.typed or offered, self._explain(question, place)
                continue
            refused = None if isinstance(found, Move) else _refusal(question, found)
            if refused is None:
                return found
            field = str(found)

    def _explain(self, question: Question, place: Place) -> bool:
        """Whether there is room to explain a question where it is asked; where not, all of it was shown by itself."""
        import questionary

        whole = page(question, place, width=_width(), explained=True)
        if len(whole) + prompt_lines(question, _width()) <= _height():
            return True
        for leaf in leaves(whole, _height() - 2):
            with terminal() as (keyboard, screen, paper):
                self._show(leaf, paper)
                asked = questionary.press_any_key_to_continue(
                    "any key goes on", input=keyboard, output=screen, style=_style()
                )
                _hasten(asked.application)
                asked.unsafe_ask()
        return False

    def _show(self, lines: Sequence[str], paper: TextIO) -> None:
        plain = os.environ.get("TERM", "") in {"", "dumb"}
        title, *rest = lines
        paper.write("\n" if plain else _CLEAR)
        paper.write(f"{title}\n" if plain else f"{_BOLD}{title}{_PLAIN}\n")
        paper.write("".join(f"{escape(line)}\n" for line in rest))
        paper.flush()

    def _choose(
        self, question: Question, offered: str, place: Place, keyboard: Input, screen: Output
    ) -> str | Move | _Why:
        import questionary

        keys = {"input": keyboard, "output": screen, "style": _style()}
        if not question.choices:
            asked = questionary.text(
                question.prompt,
                default=offered,
                qmark="",
                bottom_toolbar=f" {keys_line(question, place, _width())}",
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
        _hasten(asked.application)
        answer = asked.unsafe_ask()
        return answer if isinstance(answer, Move | _Why) else str(answer)


def _refusal(question: Question, text: str) -> str | None:
    """Why an answer cannot be taken; None where it can."""
    try:
        question.accept(text)
    except Refused as refused:
        return refused.reason
    return None


def _hasten(application: Any) -> None:
    """Wait no longer than a terminal needs for what may follow an Esc, be it bytes or another key."""
    application.ttimeoutlen = application.timeoutlen = _ESCAPE_SECONDS


def _choices(question: Question) -> Iterator[Any]:
    import questionary

    for choice, text in zip(question.choices, choice_texts(question, _width()), strict=True):
        yield questionary.Choice(text, value=choice.value)


def _heading(question: Question) -> Iterator[Any]:
    import questionary

    if question.heading:
        yield questionary.Separator(question.heading)


def _footer(question: Question, place: Place) -> Iterator[Any]:
    import questionary

    yield questionary.Separator(" ")
    yield questionary.Separator(f" {keys_line(question, place, _width())}")


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
        event.app.exit(result=_Why(event.current_buffer.text if typed else ""))

    bindings.add("escape")(back)
    # Pasted text comes as one key: its question marks stay in it.
    bindings.add("?")(why)
    if typed:
        bindings.add("f1")(why)
        # Where nothing is left to delete, it means what it means on an empty line.
        bindings.add("c-d", filter=Condition(_is_at_the_end))(leave)
    else:
        bindings.add("b")(back)
        bindings.add("c-d")(leave)
    return bindings


def _is_at_the_end() -> bool:
    from prompt_toolkit.application import get_app

    return bool(get_app().current_buffer.document.is_cursor_at_the_end)


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


def _width() -> int:
    return max(_NARROWEST, min(shutil.get_terminal_size().columns, _WIDEST) - 1)


def _height() -> int:
    return shutil.get_terminal_size().lines
