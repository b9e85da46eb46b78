"""The order of an interview: forward, back, and on again where it was left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from rstuf_cli.guide.questions import Question

Answers = Mapping[str, str]
Script = Callable[[Answers], Sequence[Question]]
"""All questions of an interview in their order, as the answers so far make them."""


class Move(Enum):
    """What a person did instead of answering."""

    BACK = auto()


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the interview a question stands: the number of its step, of how many; and whether one came before."""

    step: int
    steps: int
    first: bool


class Asker(Protocol):
    """Shows one question and takes the answer."""

    def ask(self, question: Question, *, offered: str, place: Place) -> str | Move:
        """An answer that `question.accept` takes, as it came; `offered` is what Enter gives.

        Raises:
            KeyboardInterrupt, EOFError: the person leaves.
        """


class Interview:
    """Asks what is not answered yet.

    Args:
        script: the questions.
        steps: the titles of all steps, in order; one may follow that is not of the interview (a review).
        answers: what is known from before, whoever wrote it; what cannot be taken any more is asked again.
        keep: told all answers after each.
    """

    def __init__(
        self,
        script: Script,
        *,
        steps: Sequence[str],
        answers: Answers,
        keep: Callable[[Answers], None],
    ) -> None:
        self._script, self._steps, self._keep = script, steps, keep
        self._answers = _sound(script, answers)

    @property
    def answers(self) -> Answers:
        """What was answered so far."""
        return dict(self._answers)

    def run(self, asker: Asker, *, step: str | None = None) -> None:
        """Ask until nothing is open; with `step`, that step's questions first, answered or not."""
        current = self._first(step)
        while current is not None:
            questions = self._script(self._answers)
            position = next(place for place, question in enumerate(questions) if question.name == current)
            question = questions[position]
            offered = question.taken(self._answers.get(question.name)) or question.default
            answer = asker.ask(question, offered=offered, place=self._place(question, first=position == 0))
            if isinstance(answer, Move):
                current = questions[max(0, position - 1)].name
                continue
            self._answers[question.name] = question.accept(answer)
            self._keep(self.answers)
            current = self._next(question)

    def _first(self, step: str | None) -> str | None:
        if step is None:
            return self._open()
        return next((each.name for each in self._script(self._answers) if each.step == step), None)

    def _next(self, answered: Question) -> str | None:
        """The question after this one in its step; past it, whatever is still open.

        So whoever came back to change one thing is not asked again about all that follows.
        """
        questions = self._script(self._answers)
        names = [question.name for question in questions]
        position = names.index(answered.name) + 1
        if position < len(questions) and questions[position].step == answered.step:
            return names[position]
        return self._open()

    def _open(self) -> str | None:
        for question in self._script(self._answers):
            if question.taken(self._answers.get(question.name)) is None:
                return question.name
        return None

    def _place(self, question: Question, *, first: bool) -> Place:
        return Place(step=self._steps.index(question.step) + 1, steps=len(self._steps), first=first)


def _sound(script: Script, answers: Answers) -> dict[str, str]:
    """Those of `answers` that their questions take: a script makes its next questions of what it was told."""
    sound: dict[str, str] = {}
    seen: set[str] = set()
    while True:
        question = next((each for each in script(sound) if each.name not in seen), None)
        if question is None:
            return sound
        seen.add(question.name)
        taken = question.taken(answers.get(question.name))
        if taken is not None:
            sound[question.name] = taken
