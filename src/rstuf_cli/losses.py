"""Keys that are lost or leaked: why one must go, how that is said, and the question before a lost one comes back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import iso
from rstuf_cli import proposing
from rstuf_cli.console import escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.run import Run
from rstuf_cli.steps import Step
from rstuf_cli.waiting import steps_of

Lost = Annotated[bool, typer.Option("--lost", help="It is gone, and nobody else has it.")]
Leaked = Annotated[bool, typer.Option("--leaked", help="Somebody else has it, or may have it.")]


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


def steps_of_leaky(repository: rstuf.Repository) -> list[Step]:
    """What to do about proposals that wait and would let a key in which leaked."""
    return [step for view in repository.events.views() if view.leaks for step in steps_of(view)]


def ask_found(run: Run, entries: Iterable[rstuf.KeyEntry]) -> None:
    """Let a person type the names of lost keys that are to sign again, once they know what that means.

    Raises:
        UsageFault: they typed something else.
    """
    for entry in entries:
        if entry.report is None or not entry.is_lost:
            continue
        name = escape(entry.name)
        run.console.warning(
            f"{name} was lost, as was said on {entry.report.at:%Y-%m-%d}: whoever found it before you can sign with it "
            "as well, and nothing would show that"
        )
        proposing.ask_typed(run, entry.name, to="let it sign again")
