"""`rstuf delegation accept`: a role that somebody signed elsewhere is shown, and published byte for byte as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import DeliveryRefused, FileTooLarge
from rstuf_cli import prompts, proposing
from rstuf_cli.commands.publish import Compat
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.delegated_again import steps_to_propose_again
from rstuf_cli.event_steps import steps_among
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import open_regular, read_small
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.reports import some_paths
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import show_steps, steps_document
from rstuf_cli.waiting import (
    completion_document,
    dropped_document,
    event_document,
    exit_of,
    tell_completions,
    tell_waiting,
    with_signatures,
)
from rstuf_cli.wording import both, count, listed, number

EXAMPLES = {
    "delegation accept": """
rstuf delegation accept 4.vendor.json --contents delivered/
rstuf delegation accept vendor.json --dry-run
rstuf delegation accept metadata.json --role vendor --no-contents
"""
}

# The largest that clients read; a bundle is larger by all that leads there.
_MAX_BYTES: Final = 8_000_000
_LABEL: Final = 11


def accept(
    ctx: typer.Context,
    *,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The role's file, signed by whatever tool; or a signed bundle of it.")
    ],
    role: Annotated[
        str | None, typer.Option("--role", metavar="NAME", help="The role; by default the file's name says it.")
    ] = None,
    contents: Annotated[
        Path | None,
        typer.Option("--contents", metavar="DIR", help="Where the contents of its artifacts are, by their paths."),
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="P", help="Begin the path of every file below DIR with P.")
    ] = "",
    no_contents: Annotated[
        bool, typer.Option("--no-contents", help="Contents that are not here are served from elsewhere.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it changes, and write nothing.")] = False,
    compat: Compat = None,
) -> int:
    """Publish a role that somebody signed elsewhere, byte for byte as it is.

    Whoever may sign it needs no rstuf for that, and this repository needs no key of theirs. It is held against what
    clients see: who may sign it, a version that nothing else ever had, an expiry that the policy allows, and paths that
    clients look for in it. What it changes is shown. Signed by too few, it waits for the others in a signing event;
    exit code 4 says so. The same file again is no harm.
    """
    run = run_of(ctx)
    run.clients = tuple(compat or ())
    if contents is not None and no_contents:
        raise UsageFault("--contents and --no-contents do not go together", hint="leave one of them out")
    name = None if role is None else rstuf.role_name(role)
    brought = rstuf.read_brought(_read(file), file=str(file), name=name)
    with run.open() as repository:
        desk = repository.delegations
        delivery = desk.look_at(brought)
        run.progress.close()
        if not run.console.is_json:
            _show(run.console, delivery)
        _warn(run.console, delivery)
        if dry_run:
            return _end_dry(run, delivery)
        lose = bool(delivery.lost) and _may(run, "let them go?")
        leaked = delivery.rests_on_leaked and not delivery.published and _may(run, "is it really theirs?")
        if any(map(proposing.signed_in, delivery.drops)):
            proposing.refuse_unasked(run, hint="--yes says that it is meant")
        proposing.ask_drop(run, repository, delivery.drops)
        sources = None if contents is None else rstuf.find_files([contents], prefix=prefix, progress=run.progress)
        run.interrupted = "clients see what they saw, or all of it; run it again: the same file twice is no harm"
        drop = [view.event for view in delivery.drops]
        report = desk.accept(delivery, contents=sources, elsewhere=no_contents, drop=drop, lose=lose, leaked=leaked)
        run.progress.close()
        dropped = repository.events.replaced(delivery.drops)
        return _end(run, repository, report, dropped)


def _read(file: Path) -> bytes:
    try:
        return read_small(file, limit=_MAX_BYTES, opener=open_regular)
    except FileTooLarge:
        reason = f"it has more than {number(_MAX_BYTES)} bytes, and clients read fewer"
        raise DeliveryRefused(str(file), "size", reason) from None


def _may(run: Run, question: str) -> bool:
    """Whether somebody says yes; where nobody can say, it is a no, and the engine tells what for."""
    if not run.options.yes and (run.console.is_json or not prompts.person_is_there()):
        return False
    return proposing.agrees(run, question)


def _end_dry(run: Run, delivery: rstuf.Delivery) -> int:
    dropped = [
        rstuf.DroppedEvent(view.event.name, tuple(proposing.signed_in(view)), rstuf.DropReason.REPLACED)
        for view in delivery.drops
    ]
    for each in dropped:
        run.console.warning(f"{each.name} waits already, {with_signatures(each.signed)}; this would drop it")
    nothing: dict[str, Any] = {"contents": 0, "completed": None, "event": None}
    document = {**_document(delivery), "dry_run": True, **nothing, "dropped": dropped_document(dropped)}
    run.console.document({**document, "next_steps": []})
    run.console.note("nothing was written; without --dry-run it is")
    return ExitCode.DONE


def _end(
    run: Run, repository: rstuf.Repository, report: rstuf.DeliveryReport, dropped: list[rstuf.DroppedEvent]
) -> int:
    completions = [] if report.completion is None else [report.completion]
    blocked = any(each.obstacle is not None for each in completions)
    waiting = [] if report.waits is None or blocked else [report.waits]
    steps = [step for view in waiting for step in steps_among(view, repository.events.views())]
    if not report.delivery.lost:
        # What was dropped is in it, or is pending still.
        again = [step for view in report.delivery.drops for step in steps_to_propose_again(repository, view.event)]
        steps += [step for step in again if step.about != "pending"]
    run.console.document(
        {
            **_document(report.delivery),
            "dry_run": False,
            "contents": report.contents,
            "completed": None if report.completion is None else completion_document(report.completion),
            "event": None if report.waits is None else event_document(report.waits),
            "dropped": dropped_document(dropped),
            "next_steps": steps_document(steps),
        }
    )
    if report.delivery.published and not run.console.is_json:
        run.console.result(f"{done_sign(run.console, ok=True)} clients see just that already")
    if report.contents and not run.console.is_json:
        run.console.result(f"  {count(report.contents, 'content')} taken in")
    tell_completions(run.console, completions)
    if not run.console.is_json:
        tell_waiting(run.console, waiting)
    show_steps(run.console, steps, now=SystemClock().now())
    return exit_of(completions, waiting)


def _document(delivery: rstuf.Delivery) -> dict[str, Any]:
    brought = delivery.brought
    return {
        "role": brought.name,
        "version": brought.version,
        "previous": delivery.before,
        "sha256": brought.digest,
        "expires": iso(brought.expires),
        "signed_by": [{"keyid": each, "key": _called(delivery, each)} for each in delivery.signed],
        "lacking": delivery.lacking,
        "added": list(delivery.added),
        "replaced": list(delivery.replaced),
        "removed": list(delivery.removed),
        "unchanged": delivery.unchanged,
        "lost": list(delivery.lost),
        "leaked": [{"keyid": each, "key": _called(delivery, each)} for each in delivery.leaked],
        "already_published": delivery.published,
        "due_at_once": delivery.late,
    }


def _called(delivery: rstuf.Delivery, keyid: rstuf.KeyId) -> str:
    return delivery.names.get(keyid, keyid[:12])


def _show(console: Console, delivery: rstuf.Delivery) -> None:
    brought, now = delivery.brought, SystemClock().now()
    head = f"{escape(brought.name)} v{number(brought.version)}"
    seen = f"clients see v{number(delivery.before)}" if delivery.before else "clients see none yet"
    console.result(f"{console.paint(head, Style.STRONG)}, {seen}")
    signed = listed([escape(_called(delivery, each)) for each in delivery.signed])
    of = "" if len(delivery.keyids) == 1 else f" ({delivery.threshold} of {len(delivery.keyids)} must)"
    rows = [("signed by", f"{signed}{of}"), ("expires", both(brought.expires, now))]
    for label, paths in (("adds", delivery.added), ("replaces", delivery.replaced), ("removes", delivery.removed)):
        if paths:
            rows.append((label, f"{count(len(paths), 'artifact')}: {some_paths(paths)}"))
    if delivery.unchanged:
        rows.append(("keeps", count(delivery.unchanged, "artifact")))
    for label, text in rows:
        console.folded_result(f"  {label:<{_LABEL}}{text}", indent=_LABEL + 2)


def _warn(console: Console, delivery: rstuf.Delivery) -> None:
    """What whoever accepts it should know."""
    for keyid in delivery.leaked:
        console.warning(f"{escape(_called(delivery, keyid))} leaked, and its signature counts: see who made it")
    if delivery.lost:
        told = f"{count(len(delivery.lost), 'change')} accepted here, of {some_paths(delivery.lost)}"
        console.warning(f"{told}: not in it, and gone with it")
    if delivery.late:
        lives, before = map(rstuf.format_duration, (delivery.periods.expires, delivery.periods.renew_before))
        name = escape(delivery.brought.name)
        console.warning(
            f"it is due at once: {name} is due {before} before its end. Have it signed for {lives}, or let it live for "
            f"less: rstuf delegation update {name} --expires PERIOD"
        )
