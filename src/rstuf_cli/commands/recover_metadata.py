"""`rstuf recover metadata`: what is lost of the metadata comes back from the state."""

from __future__ import annotations

from collections.abc import Sequence

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import prompts
from rstuf_cli.commands.renew import renewal_document, tell_renewal
from rstuf_cli.console import Console, escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.must_go import LeakThatStays, leaks_that_stay
from rstuf_cli.reports import sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import Step, show_steps, steps_document
from rstuf_cli.wording import count, seconds

EXAMPLES = {
    "recover metadata": """
rstuf recover metadata
rstuf recover metadata --yes   without the question, in a script
"""
}


def metadata(ctx: typer.Context) -> int:
    """Bring back what is lost of the metadata, from the state.

    Roots and targets are put back as they were signed. Every bin that is lost, snapshot and timestamp are signed again,
    far above every version that clients can have seen. What was accepted and not published stays pending. You are asked
    first; --yes answers beforehand. Where nothing is lost, it does what rstuf renew does.
    """
    run = run_of(ctx)
    lasted = run.lasted()
    run.interrupted = "run it again: it goes on with what is still lost"
    with run.open() as repository:
        if not run.options.yes:
            _ask(run, repository.status().repository)
        report = repository.recover_metadata()
        leaks = leaks_that_stay(repository, report.renewal.leaked)
    run.progress.close()
    steps = _steps(report)
    run.console.document(
        {
            **renewal_document(report.renewal, leaks),
            "lost": list(report.lost),
            "pending": report.pending,
            "missing_contents": report.missing,
            "next_steps": steps_document(steps),
        }
    )
    if not run.console.is_json:
        _tell(run.console, report, leaks, took=seconds(lasted()))
        show_steps(run.console, steps, now=SystemClock().now())
    return ExitCode.WAITING if report.renewal.waiting else ExitCode.DONE


def _ask(run: Run, name: str) -> None:
    if not prompts.person_is_there():
        raise UsageFault("there is nobody to ask whether that is meant", hint="--yes says that it is")
    run.console.note("if metadata/ is only somewhere else (a mount, another disk), have it back instead")
    with run.pondering():
        agreed = prompts.agrees(f"put back and sign again what is lost of {escape(name)}?")
    if not agreed:
        raise UsageFault("nothing was changed", hint="rstuf verify shows what is lost")


def _steps(report: rstuf.MetadataRecovery) -> list[Step]:
    steps = []
    if report.missing:
        why = f"{count(report.missing, 'content')} missing: each good file once more puts its content back"
        steps.append(Step("rstuf artifact add FILE…", why))
        steps.append(Step("rstuf artifact sync DIR", "the same, where all of them lie in one directory"))
    if report.pending:
        steps.append(Step("rstuf publish", "changes were accepted that clients do not see yet"))
    return [*steps, Step("rstuf verify", "whether everything is as it should be")]


def _tell(console: Console, report: rstuf.MetadataRecovery, leaks: Sequence[LeakThatStays], *, took: str) -> None:
    restored = report.renewal.publication.restored
    if restored:
        console.result(f"{sign(console, ok=True)} {count(len(restored), 'file')} put back as signed before")
    if not restored and not report.lost:
        console.result("nothing of the metadata is lost")
    tell_renewal(console, report.renewal, leaks, took=took)
