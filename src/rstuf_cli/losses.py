"""Keys that are lost or leaked: why one must go, how that is said, and the question before a lost one comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import iso
from rstuf.errors import RstufError, StateBehind
from rstuf_cli import prompts, proposing
from rstuf_cli.console import escape
from rstuf_cli.event_steps import steps_of
from rstuf_cli.failures import Declined, UsageFault
from rstuf_cli.named_keys import find_key
from rstuf_cli.run import Run
from rstuf_cli.steps import Step
from rstuf_cli.turns import is_usable

Lost = Annotated[bool, typer.Option("--lost", help="It is gone, and nobody else has it.")]
Leaked = Annotated[bool, typer.Option("--leaked", help="Somebody else has it, or may have it.")]


LetBack = Annotated[
    bool,
    typer.Option("--let-back", help="The key that is let in is well, though it was dropped before the state was lost."),
]


def loss_of(*, lost: bool, leaked: bool) -> rstuf.Loss | None:
    """Why a key must go, if that was said.

    Raises:
        UsageFault: both were.
    """
    if lost and leaked:
        raise UsageFault(
            "a key is --lost or --leaked, not both", hint="--leaked if anybody else may have it, else --lost"
        )
    if leaked:
        return rstuf.Loss.LEAKED
    return rstuf.Loss.LOST if lost else None


def said_of(entry: rstuf.KeyEntry) -> str | None:
    """`leaked, said on 2026-11-29`; None of a key that is well."""
    return None if entry.report is None else f"{entry.report.loss.value}, said on {entry.report.at:%Y-%m-%d}"


def report_document(entry: rstuf.KeyEntry) -> dict[str, Any]:
    """The same for scripts; nothing of a key that is well."""
    if entry.report is None:
        return {}
    return {"report": {"loss": entry.report.loss.value, "at": iso(entry.report.at)}}


@contextmanager
def noting_leak(run: Run, repository: rstuf.Repository, entry: rstuf.KeyEntry, *, leaked: bool) -> Iterator[None]:
    """See that a key is noted which leaked, as somebody said with a command, also where that is refused.

    They say so again before, unless they had said it already; where nobody can be asked, nothing is noted.
    """
    before = repository.rotations.current()
    signed = _signed_by(repository, entry) if leaked and not entry.is_leaked else []
    try:
        yield
        _warn_of_signatures(run, repository, entry, signed)
    except (Declined, StateBehind):
        # Below a root that is not known here nobody knows who may sign, either.
        raise
    except (RstufError, UsageFault):
        if leaked and not entry.is_leaked and (run.options.yes or _somebody_is_there(run)):
            _note_although_refused(run, repository, entry, before, signed)
        raise


def _signed_by(repository: rstuf.Repository, entry: rstuf.KeyEntry) -> list[str]:
    """The names of what waits with a signature of a key that counts."""
    return [view.event.name for view in repository.events.views() if entry.keyid in view.counted and is_usable(view)]


def _warn_of_signatures(run: Run, repository: rstuf.Repository, entry: rstuf.KeyEntry, before: Sequence[str]) -> None:
    """Say what waits with a signature that a key gave before its leak was noted: a thief may have made that."""
    if not before or not find_key(repository, entry.name).entry.is_leaked:
        return
    name, waiting = escape(entry.name), _signed_by(repository, entry)
    for event in map(escape, (each for each in before if each in waiting)):
        told = f"see that its holder did; if not: rstuf event cancel {event}"
        run.console.warning(f"{name} has signed {event}, which waits: {told}")


def _somebody_is_there(run: Run) -> bool:
    return not run.console.is_json and prompts.person_is_there()


def _note_although_refused(
    run: Run,
    repository: rstuf.Repository,
    entry: rstuf.KeyEntry,
    before: rstuf.Rotation | None,
    signed: Sequence[str],
) -> None:
    if not find_key(repository, entry.name).entry.is_leaked:
        proposing.ask_typed(run, entry.name, to="note that it leaked, though nothing takes it out yet")
        repository.events.report_loss(entry.name, rstuf.Loss.LEAKED)
    elif repository.rotations.current() != before:
        # More than that was done.
        return
    _warn_of_signatures(run, repository, entry, signed)
    run.console.warning(f"noted that {escape(entry.name)} leaked; what would take it out is refused:")


def steps_of_leaky(repository: rstuf.Repository) -> list[Step]:
    """What to do about proposals that wait and would give more to a key which leaked."""
    return [step for view in repository.events.views() if view.leaks for step in steps_of(view)]


def ask_back(run: Run, repository: rstuf.Repository, names: Iterable[str], *, let_back: bool) -> None:
    """Let a person type the names of keys that are to sign again, once they know what that means.

    That is those that were lost, and those that were dropped before the state was made anew: they may have leaked.

    Args:
        names: of keys that are let in.
        let_back: whether it was said already that the dropped ones are well; no other option says so.

    Raises:
        UsageFault: they typed something else, or nobody can be asked.
    """
    wanted = {name.casefold() for name in names}
    for view in repository.view_keys():
        entry, name = view.entry, escape(view.entry.name)
        if entry.name.casefold() not in wanted:
            continue
        if entry.report is not None and entry.is_lost:
            run.console.warning(
                f"{name} was lost, as was said on {entry.report.at:%Y-%m-%d}: whoever found it before you can sign "
                "with it as well, and nothing would show that"
            )
            proposing.ask_typed(run, entry.name, to="let it sign again")
        elif view.suspect and not let_back:
            _ask_dropped(run, entry)


def _ask_dropped(run: Run, entry: rstuf.KeyEntry) -> None:
    told = dropped_in_words(entry)
    if run.options.yes or not _somebody_is_there(run):
        hint = f"--let-back if it is well; if it leaked: rstuf key revoke {entry.name} --leaked"
        raise UsageFault(told, hint=hint)
    run.console.warning(escape(told))
    proposing.ask_typed(run, entry.name, to="let it sign again, if you know that it is well")


def dropped_in_words(entry: rstuf.KeyEntry) -> str:
    """What is known of a key that was dropped before the state was made anew."""
    return (
        f"{entry.name} signed here, and was dropped before this state was made anew: it may have leaked, and nothing "
        "here knows that any more"
    )
