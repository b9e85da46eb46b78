"""How every command that changes artifacts goes on: accept, publish, tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

import rstuf
from rstuf_cli.commands.publish import publish_now
from rstuf_cli.exits import ExitCode
from rstuf_cli.imports import Contents
from rstuf_cli.reports import (
    accepted_in_words,
    change_document,
    restored_in_words,
    tell_change,
    tell_warnings,
)
from rstuf_cli.run import Run
from rstuf_cli.waiting import published_document
from rstuf_cli.wording import count, listed, seconds

NoPublish = Annotated[
    bool, typer.Option("--no-publish", help="Accept only; rstuf publish makes it visible to clients.")
]


def accept_and_publish(
    run: Run,
    accept: Callable[[rstuf.Repository], tuple[rstuf.AcceptedChange, Contents]],
    *,
    publish: bool,
    known: str = "already here with the same content",
) -> int:
    """Accept a change, then publish it; what was accepted is kept whatever becomes of the publication.

    Args:
        known: what an artifact is that needed no change.

    Returns:
        The exit code: whether any of it waits for somebody who is not here.
    """
    lasted = run.lasted()
    run.interrupted = "nothing was taken"
    with run.open() as repository:
        change, contents = accept(repository)
        unseen = contents is Contents.ELSEWHERE and change.number and repository.keeps_contents
        publication = None
        if publish:
            if change.number or change.restored:
                run.keeps(_kept(change), accepted=change_document(change))
            # Whoever says yes to a removal has said nothing about the signatures of others.
            publication = publish_now(run, repository, yes_drops=False)
    run.progress.close()
    document = published_document(publication) if publication is not None else None
    run.console.document({**change_document(change), "publication": document})
    tell_change(run.console, change, publication, took=seconds(lasted()), known=known)
    tell_warnings(run.console, change)
    if unseen and not run.console.is_json:
        run.console.note("note:  these contents were not copied here; serve them under their hash-prefixed names")
    return ExitCode.WAITING if publication is not None and _waits(change, publication) else ExitCode.DONE


def _waits(change: rstuf.AcceptedChange, publication: rstuf.PublicationReport) -> bool:
    """Whether what a command is about waits for somebody who is not here; what others left waiting is none of it."""
    own = change.roles | change.unseen
    kept = max((each.kept for each in publication.waiting), default=0)
    if any((each.holder or each.name) in own for each in publication.waiting):
        return True
    # What is kept back is in the role where it was until then; its changes are the last of all.
    return 0 < change.number <= kept or bool(kept and change.unseen)


def _kept(change: rstuf.AcceptedChange) -> str:
    parts = [restored_in_words(change)] if change.restored else []
    if change.number:
        new = change.added + change.replaced
        what = [count(new, "artifact")] if new else []
        what += [count(change.removed, "removal")] if change.removed else []
        parts.append(f"{accepted_in_words(change, listed(what))} to clients")
    return "; ".join(parts)
