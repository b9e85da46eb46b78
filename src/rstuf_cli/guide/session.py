"""The guided ceremony from its first question to the accepted plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import rstuf
from rstuf.errors import Interrupted
from rstuf_cli.guide.ceremony import STEPS, document_of, script
from rstuf_cli.guide.holders import explain_away
from rstuf_cli.guide.interview import Answers, Asker, Interview, Move, Place
from rstuf_cli.guide.questions import Choice, Question, Refused
from rstuf_cli.review import plan_lines
from rstuf_cli.run import Run

_REVIEW: Final = STEPS[-1]
_PLACE: Final = Place(step=len(STEPS), steps=len(STEPS), first=False)
_MAKE, _CHANGE, _SAVE = "make", "change", "save"
_GOES_ON: Final = "This goes on from the answers given before; --restart forgets them."


def hold_interview(run: Run, asker: Asker, *, directory: Path, make: str) -> rstuf.Plan | Path:
    """Ask, show the whole, and give the plan that was accepted; where it was saved for later instead, its file.

    Answers that were given before in this directory are not asked again.

    Args:
        make: what accepting it does, as a choice of the review says it.

    Raises:
        Interrupted: the person left; what was answered is kept.
        StorageError: answers, or the plan, cannot be kept.
    """
    answers = rstuf.read_draft(directory)
    if answers:
        _tell_kept(run)
        asker = _GoesOn(asker)

    def keep(given: Answers) -> None:
        rstuf.keep_draft(directory, given)
        _tell_kept(run)

    interview = Interview(script(directory), steps=STEPS, answers=answers, keep=keep)
    try:
        return _until_accepted(interview, asker, make)
    except EOFError:
        raise Interrupted(run.interrupted) from None


class _GoesOn:
    """Says with the first question that others were answered before."""

    def __init__(self, asker: Asker) -> None:
        self._asker, self._said = asker, False

    def ask(self, question: Question, *, offered: str, place: Place) -> str | Move:
        """See `Asker`."""
        if not self._said:
            self._said = True
            question = replace(question, lead=_GOES_ON)
        return self._asker.ask(question, offered=offered, place=place)


def _until_accepted(interview: Interview, asker: Asker, make: str) -> rstuf.Plan | Path:
    step: str | None = None
    while True:
        interview.run(asker, step=step)
        plan = rstuf.read_plan(document_of(interview.answers))
        away = explain_away(interview.answers)
        chosen = _ask(asker, _review(plan, away, make), offered=_MAKE)
        if chosen == _MAKE:
            return plan
        saved = _saved(asker, plan) if chosen == _SAVE else None
        if saved is not None:
            return saved
        if chosen is Move.BACK:
            step = STEPS[-2]
        elif chosen == _CHANGE:
            found = _ask(asker, _which_step(), offered=STEPS[0])
            step = None if isinstance(found, Move) else found


def _review(plan: rstuf.Plan, away: str | None, make: str) -> Question:
    notes = [f"! {note}" for note in rstuf.notes_on(plan)]
    if away is not None:
        notes = [f"! {away}", *notes]
    return Question(
        "review",
        _REVIEW,
        f"{plan.name}: is this what you want?",
        default=_MAKE,
        teaches="\n".join(notes),
        table=lambda width, lines: plan_lines(plan, width=width, most=lines),
        choices=(
            Choice(_MAKE, make),
            Choice(_CHANGE, "change something"),
            Choice(_SAVE, "save it as a plan, and stop"),
        ),
        why="Each role is signed by those beside it, and says who may sign the roles below it. A client begins at root "
        "and believes only what it can follow from there.",
    )


def _which_step() -> Question:
    return Question(
        "change",
        _REVIEW,
        "What do you want to change?",
        default=STEPS[0],
        choices=tuple(Choice(step, step) for step in STEPS[:-1]),
        why="You are asked that part again, with your answers to begin from; the rest stays as it is.",
    )


def _saved(asker: Asker, plan: rstuf.Plan) -> Path | None:
    """Where the plan was saved; None where the person went back instead."""
    question = Question(
        "save",
        _REVIEW,
        "Where to?",
        default="plan.toml",
        teaches="rstuf ceremony --plan FILE makes the repository from it, here or elsewhere, without questions.",
        why="It is text that can be read, changed and passed on. No secret is in it.",
        check=_new_file,
    )
    chosen = _ask(asker, question, offered=question.default)
    if isinstance(chosen, Move):
        return None
    path = Path(question.accept(chosen))
    rstuf.save_plan(plan, path, inputs=Path.cwd())
    return path


def _new_file(text: str) -> str:
    path = Path(text.strip()).expanduser().absolute()
    if not text.strip():
        raise Refused("type the name of a new file")
    if path.exists() or path.is_symlink():
        raise Refused("there is something of that name already")
    if not path.parent.is_dir():
        raise Refused(f"there is no directory {path.parent}")
    return str(path)


def _ask(asker: Asker, question: Question, *, offered: str) -> str | Move:
    return asker.ask(question, offered=offered, place=_PLACE)


def _tell_kept(run: Run) -> None:
    run.interrupted = "your answers are kept; rstuf ceremony goes on from them"
