"""`rstuf recover loose-root`: go on from a root that was proposed here, and that somebody else published."""

from __future__ import annotations

from typing import Any

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import proposing
from rstuf_cli.commands.roots import summary_of
from rstuf_cli.commands.status import next_steps
from rstuf_cli.console import Console, escape, escape_message
from rstuf_cli.exits import ExitCode
from rstuf_cli.reports import publication_document, roles_in_words, sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.transcript import Transcript, TranscriptFile
from rstuf_cli.waiting import (
    dropped_document,
    error_document,
    gives_in_words,
    signers_of,
    tell_dropped,
    tell_waiting,
    with_signatures,
)
from rstuf_cli.wording import day, listed, number

EXAMPLES = {
    "recover loose-root": """
rstuf recover loose-root
rstuf recover loose-root --yes   without the question, in a script
"""
}


def loose_root(ctx: typer.Context, *, transcript: TranscriptFile = None) -> int:
    """Go on from a root that was proposed here, and that somebody published.

    Whoever has the signatures of a root can publish it, though it was cancelled here or still waits. Clients follow it,
    so it is taken over as it lies there, and all that this state knows is kept: artifacts, and which keys leaked. What
    waits over the root before cannot come out any more: whose signatures go with it is said first, and what the
    replacement of an online key needs is proposed anew. Then you are told what is left to do. You are asked before;
    --yes answers beforehand. Where no such root is published, nothing is changed.
    """
    run = run_of(ctx)
    record = Transcript(run, transcript)
    run.interrupted = "run it again; nothing is left to do where it says that this state knows every root"
    with run.open() as repository:
        loose = repository.events.loose_root()
        proposing.refuse_unasked(run)
        names: dict[Any, str] = {entry.keyid: entry.name for entry in repository.keys()}
        _show(run, loose, names)
        if not proposing.agrees(run, f"Go on from root v{number(loose.version)}?"):
            run.console.note("nothing was changed")
            return record.end(ExitCode.REFUSED)
        taken = repository.events.take_over(loose)
        waiting = repository.events.views()
        steps = merged(next_steps(repository.status()))
    run.progress.close()
    run.console.document(_document(loose, taken, waiting, steps))
    if not run.console.is_json:
        _tell(run.console, taken, waiting)
        show_steps(run.console, steps, now=SystemClock().now())
    return record.end(ExitCode.WAITING if waiting or steps else ExitCode.DONE)


def _show(run: Run, loose: rstuf.LooseRoot, names: dict[Any, str]) -> None:
    """What lies there, who can have put it there, and what goes with it."""
    console, view = run.console, loose.event
    if console.is_json:
        return
    root, closed = f"root v{number(loose.version)}", view.event.closed
    became = "waits here yet" if closed is None else f"was cancelled here, {day(closed, SystemClock().now())}"
    signers = listed([escape(name) for name in loose.signed])
    console.warning(f"{root} is published, and not by this state: it is {view.event.name}, which {became}")
    console.note(f"it changes: {escape(summary_of(loose.changes, names))}")
    console.note(
        f"{signers} signed it; whoever had their signatures could publish it: who took part, who was given a bundle or "
        "a signature, and who can read this workspace"
    )
    if view.leaks:
        console.warning(f"it {gives_in_words(view, s='s')}")
    for each in loose.drops:
        told = with_signatures(signers_of(each, each.event))
        console.warning(f"{each.event.name} waits, {told}, and cannot come out any more: it is dropped")


def _document(
    loose: rstuf.LooseRoot, taken: rstuf.TakenOver, waiting: list[rstuf.EventView], steps: list[Step]
) -> dict[str, Any]:
    view = loose.event
    return {
        "version": taken.version,
        "event": view.event.name,
        "signed": list(loose.signed),
        "leaks": [{"keyid": keyid, "key": view.name_of(keyid)} for keyid in view.leaks],
        "leaves": list(view.leaves),
        "dropped": dropped_document(taken.dropped),
        "publication": None if taken.publication is None else publication_document(taken.publication),
        "obstacle": None if taken.obstacle is None else error_document(taken.obstacle),
        "waiting": [each.event.name for each in waiting],
        "next_steps": steps_document(steps),
    }


def _tell(console: Console, taken: rstuf.TakenOver, waiting: list[rstuf.EventView]) -> None:
    console.folded_result(
        f"{sign(console, ok=True)} root v{number(taken.version)} is taken over as it lies there; this state is kept",
        indent=2,
    )
    tell_dropped(console, taken.dropped)
    publication = taken.publication
    if publication is not None and publication.roles:
        roles = roles_in_words(role.name for role in publication.roles)
        version = number(publication.timestamp_version)
        console.folded_result(f"  {roles} signed anew, and published as timestamp v{version}", indent=2)
    if taken.obstacle is not None:
        console.warning(f"what follows from it is not done yet: {escape_message(taken.obstacle.message)}")
        if taken.obstacle.hint:
            console.error(console.fold(f"    {escape_message(taken.obstacle.hint)}", indent=4))
    tell_waiting(console, waiting)
