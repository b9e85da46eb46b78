"""`rstuf publish`: every accepted change becomes visible to clients, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import typer

import rstuf
from rstuf_cli import prompts, proposing
from rstuf_cli.console import Console, escape, pad
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import (
    role_document,
    tell_clock,
    tell_publication,
    tell_waiting_roles,
    waiting_document,
)
from rstuf_cli.run import Run, run_of
from rstuf_cli.waiting import published_document, tell_dropped
from rstuf_cli.wording import count, number, seconds

EXAMPLES = {
    "publish": """
rstuf artifact add --no-publish build/
rstuf publish --dry-run
rstuf publish
"""
}

Compat = Annotated[
    list[str] | None,
    typer.Option("--compat", metavar="CLIENT", help="One that must be able to read it, such as tuf-js; repeatable."),
]

# A table of more roles than this says less than their number.
_MAX_ROWS: Final = 20


def publish(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")] = False,
    compat: Compat = None,
) -> int:
    """Make accepted changes visible to clients, all at once.

    Signs the roles whose artifacts changed, then snapshot and timestamp. Until the timestamp is replaced, clients see
    what they saw; after that, all of it. A publication that was interrupted is brought to its end first. A role that
    nobody here can sign waits for its people in a signing event, and keeps nothing else back; exit code 4 says so. What
    would outdate delegations that others have signed waits for these; --yes gives their signatures up instead.
    """
    run = run_of(ctx)
    run.clients = tuple(compat or ())
    with run.open() as repository:
        if dry_run:
            return _show_plan(run.console, repository.plan_publication())
        lasted = run.lasted()
        report = publish_now(run, repository)
    run.console.document(published_document(report))
    tell_publication(run.console, report, took=seconds(lasted()))
    tell_waiting_roles(run.console, report.waiting)
    return ExitCode.WAITING if report.waiting else ExitCode.DONE


def publish_now(run: Run, repository: rstuf.Repository, *, yes_drops: bool = True) -> rstuf.PublicationReport:
    """Publish, for whichever command does it.

    Where others have signed what waits, and more was accepted since, whoever is there is asked whether to drop that.

    Args:
        yes_drops: whether --yes answers that; where it answers something else, the signatures stay.
    """
    run.interrupted = "clients see all of the publication or none of it; rstuf publish goes on from there"
    report = repository.publish()
    run.progress.close()
    tell_clock(run.console, report.clock_behind)
    tell_dropped(run.console, report.dropped)
    drop = _given_up(run, repository, report) if yes_drops or not run.options.yes else []
    if not drop:
        return report
    anew = repository.publish(drop=drop)
    run.progress.close()
    return replace(anew if anew.published else report, waiting=anew.waiting, dropped=(*report.dropped, *anew.dropped))


def _given_up(run: Run, repository: rstuf.Repository, report: rstuf.PublicationReport) -> list[rstuf.SigningEvent]:
    """The events whose signatures a person gives up, so that all that was accepted is proposed in their place."""
    names = dict.fromkeys(each.event for each in report.waiting if each.behind and each.event is not None)
    # Other bins are asked for by nothing but the event in which they wait: what came since comes after them.
    views = [view for view in map(repository.events.view, names) if view.is_void or not _brings_bins(view)]
    if not views or not (run.options.yes or (prompts.person_is_there() and not run.console.is_json)):
        return []
    try:
        proposing.ask_drop(run, repository, views)
    except UsageFault as fault:
        run.console.note(f"note:  {fault.message}")
        return []
    return [view.event for view in views]


def _brings_bins(view: rstuf.EventView) -> bool:
    return view.event.kind is rstuf.EventKind.RESIZE


def _show_plan(console: Console, plan: rstuf.PublicationPlan) -> int:
    console.document(
        {
            "published": False,
            "dry_run": True,
            "timestamp_version": plan.timestamp_version,
            "roles": [role_document(role) for role in plan.roles],
            "bytes": 0,
            **({"waiting": waiting_document(plan.waiting)} if plan.waiting else {}),
        }
    )
    if plan.roles:
        _show_roles(console, plan)
    else:
        console.line("nothing that could be signed here" if plan.waiting else "nothing to publish")
    tell_waiting_roles(console, plan.waiting)
    if plan.roles or plan.waiting:
        console.note("nothing was written; without --dry-run it is")
    return ExitCode.WAITING if plan.waiting else ExitCode.DONE


def _show_roles(console: Console, plan: rstuf.PublicationPlan) -> None:
    console.line(f"would publish as timestamp v{number(plan.timestamp_version)}")
    console.line()
    width = max(len(role.name) for role in plan.roles)
    for role in _shown(plan.roles):
        versions = f"v{number(role.previous)} → v{number(role.version)}"
        console.line(f"  {pad(escape(role.name), width)}  {pad(versions, 16)}  {role.reason}")
    hidden = len(plan.roles) - len(_shown(plan.roles))
    if hidden:
        console.line(f"  and {count(hidden, 'bin')} more")
    console.line()


def _shown(roles: Sequence[rstuf.RoleChange]) -> Sequence[rstuf.RoleChange]:
    """All roles, or the first and the last ones: the last are snapshot and timestamp."""
    return roles if len(roles) <= _MAX_ROWS else (*roles[: _MAX_ROWS - 2], *roles[-2:])
