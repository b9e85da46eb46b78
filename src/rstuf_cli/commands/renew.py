"""`rstuf renew`: what is due is signed again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf_cli.console import Console, escape, escape_message
from rstuf_cli.exits import ExitCode
from rstuf_cli.must_go import LeakThatStays, leaks_document, leaks_that_stay
from rstuf_cli.reports import (
    more_document,
    prepare_command,
    publication_document,
    roles_in_words,
    sign,
    tell_clock,
    tell_recovery,
)
from rstuf_cli.run import run_of
from rstuf_cli.waiting import dropped_document, tell_dropped
from rstuf_cli.wording import both, listed, number, seconds, size

EXAMPLES = {
    "renew": """
rstuf renew                        safe at any time, and from cron:
17 * * * *  cd /srv/tuf && rstuf renew --quiet
rstuf renew --force timestamp      sign it now, due or not
rstuf renew --force bins           every bin, and the role that has them
"""
}


_WAITS: Final = {
    rstuf.Reason.DUE: "is due and waits for",
    rstuf.Reason.CHANGED: "is proposed anew, for the root that needs it, and waits for",
}


def renew(
    ctx: typer.Context,
    *,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="ROLE", help="Sign this role now, due or not; bins: all of them. Repeatable."),
    ] = None,
) -> int:
    """Sign again what is due, before it expires.

    Roles are signed as clients see them: changes that are not published yet stay so. Doing it twice does nothing the
    second time. Exit code 4 says that a role waits for keys that are not at hand.
    """
    run = run_of(ctx)
    lasted = run.lasted()
    run.interrupted = "what clients see is whole; rstuf renew does what is left"
    with run.open() as repository:
        report = repository.renew(force=force or ())
        leaks = leaks_that_stay(repository, report.leaked)
    run.progress.close()
    run.console.document(renewal_document(report, leaks))
    tell_renewal(run.console, report, leaks, took=seconds(lasted()))
    return ExitCode.WAITING if report.waiting else ExitCode.DONE


def renewal_document(report: rstuf.RenewalReport, leaks: Sequence[LeakThatStays]) -> dict[str, Any]:
    """A renewal as the one JSON document says it."""
    return {
        **publication_document(report.publication),
        "root_version": report.root_version,
        "waiting": [
            {
                "role": role.name,
                "expires": iso(role.expires) if role.expires is not None else None,
                "reason": str(role.reason),
                "lacking": role.lacking,
                "missing": dict(role.missing),
                "event": role.event,
                "after": role.after,
                "elsewhere": role.elsewhere is not None,
                **more_document(role),
            }
            for role in report.waiting
        ],
        "dropped": dropped_document(report.dropped),
        "leaked": leaks_document(each.key for each in leaks),
        "next_due": iso(report.next_due) if report.next_due is not None else None,
    }


def tell_renewal(console: Console, report: rstuf.RenewalReport, leaks: Sequence[LeakThatStays], *, took: str) -> None:
    """What a renewal did and what it could not do, for people."""
    if console.is_json:
        return
    now = SystemClock().now()
    publication = report.publication
    tell_clock(console, publication.clock_behind)
    tell_recovery(console, publication)
    tell_dropped(console, report.dropped)
    names = [role.name for role in publication.roles]
    if report.root_version is not None:
        console.result(f"{sign(console, ok=True)} root v{number(report.root_version)} signed and published")
    if names:
        version = f"timestamp v{number(publication.timestamp_version)}"
        console.result(
            f"{sign(console, ok=True)} {roles_in_words(names)} signed again and published as {version}; "
            f"{size(publication.length)} of metadata, {took}"
        )
    elif report.root_version is None and not report.waiting:
        console.result("nothing is due")
    for role in report.waiting:
        when = f"; it {_tense(role.expires, now)} {both(role.expires, now)}" if role.expires is not None else ""
        keys = f"the {'key' if len(role.missing) == 1 else 'keys'} {listed([escape(name) for name in role.missing])}"
        if role.lacking < len(role.missing):
            keys = f"{number(role.lacking)} of {keys}"
        due = _WAITS.get(role.reason, "waits for" if role.event is not None else "cannot be signed again without")
        told = f"{due} {keys}" if role.missing else "waits, and all who must sign it have"
        console.warning(f"{escape(role.name)} {told}{when}")
        for name, reason in role.missing.items():
            console.error(console.fold(f"    {escape(name)}: {escape_message(reason)}", indent=6))
        if role.elsewhere is not None:
            command = escape(prepare_command(role.name, role.elsewhere))
            theirs = f"whoever signs it makes it on their own machine: {command}"
            console.error(console.fold(f"    {theirs}; then here: rstuf delegation accept FILE", indent=6))
        if role.event is not None:
            console.error(console.fold(f"    it waits as {_way_of(role, escape(role.event))}", indent=6))
    for leak in leaks:
        console.warning(leak.why)
        if leak.way is not None:
            console.error([f"    {leak.way}"])
    if report.next_due is not None and report.next_due > now:
        console.result(f"  the next renewal is due {both(report.next_due, now)}")


def _way_of(role: rstuf.WaitingRole, event: str) -> str:
    """An event in which a role waits, and what brings it on."""
    if role.instead is not None:
        return f"{event}, and cannot come out without what is lost; {escape(role.instead)} lets others sign instead"
    if role.missing:
        return f"{event}: rstuf sign {event} where such a key is; for who is elsewhere: rstuf bundle export {event}"
    if role.after is not None:
        return f"{event}, and comes out after {escape(role.after)}: rstuf event show {event} tells what to do"
    return f"{event}: rstuf event show {event} tells what to do"


def _tense(expires: datetime, now: datetime) -> str:
    return "expires" if expires > now else "expired"
