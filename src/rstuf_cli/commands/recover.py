"""`rstuf recover …`: ways back for a repository that something serious has happened to."""

from __future__ import annotations

import typer

from rstuf_cli import prompts
from rstuf_cli.commands.renew import renewal_document, tell_renewal
from rstuf_cli.console import escape
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.must_go import leaks_that_stay
from rstuf_cli.run import Run, run_of
from rstuf_cli.transcript import Transcript, TranscriptFile
from rstuf_cli.wording import seconds

EXAMPLES = {
    "recover copy": """
rstuf recover copy
rstuf recover copy --yes   without the question, in a script
"""
}


def copy(ctx: typer.Context, *, transcript: TranscriptFile = None) -> int:
    """Go on from a copy of the workspace that was put back.

    Clients may have seen what came after it, and refuse whatever is older. So all that can be signed here is signed
    again, far above the copy and above all that is published, and then published over it. What was accepted after the
    copy was taken is not in it: clients find it no more, until it is added again. The repository's name is asked for;
    --yes answers beforehand.
    """
    run = run_of(ctx)
    record = Transcript(run, transcript)
    lasted = run.lasted()
    run.interrupted = "run it again: it signs everything once more, further up"
    with run.open() as repository:
        if not run.options.yes:
            _ask(run, repository.status().repository)
        report = repository.publish_from_copy()
        leaks = leaks_that_stay(repository, report.leaked)
    run.progress.close()
    run.console.document(renewal_document(report, leaks))
    tell_renewal(run.console, report, leaks, took=seconds(lasted()))
    return record.end(ExitCode.WAITING if report.waiting else ExitCode.DONE)


def _ask(run: Run, name: str) -> None:
    if not prompts.person_is_there():
        raise UsageFault("there is nobody to ask whether that is meant", hint="--yes says that it is")
    run.console.note("whatever was accepted after this copy was taken will be gone for clients")
    run.console.note(
        "if no copy was put back here, somebody else has the online key: rstuf recover online-key NAME --leaked instead"
    )
    if prompts.ask(f"type {escape(name)} to publish from it:").strip() != name:
        raise UsageFault("that is not its name; nothing was changed", hint="rstuf status shows the name")
