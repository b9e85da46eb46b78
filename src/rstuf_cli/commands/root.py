"""`rstuf root update`: who signs what from then on, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import proposing
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.losses import LetBack, ask_back
from rstuf_cli.must_go import enough_leaked, leaks_document, steps_of_leaks_left, steps_where_root_leaked, warn_of_left
from rstuf_cli.reports import sign
from rstuf_cli.review_document import review_document
from rstuf_cli.run import Run, run_of
from rstuf_cli.sitting import Sitting, list_review
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.transcript import Transcript, TranscriptFile, refuse_without_result
from rstuf_cli.waiting import dropped_document, tell_dropped
from rstuf_cli.wording import listed, period

EXAMPLES = {
    "root update": """
rstuf root update --add carol --threshold 2
rstuf root update --remove bob --add bob-2   in one root, and one event
rstuf root update --expires 365d --renew-before 60d
rstuf root update --add carol --dry-run      shows it, and opens nothing
rstuf root update --role timestamp --expires 1d
""",
}

_HELP: Final = "rstuf root update --help"
_UNASKED: Final = "--dry-run shows it, and --yes says that it is"


class RoleChoice(StrEnum):
    """Roles that an update is about."""

    ROOT = "root"
    TARGETS = "targets"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"
    BINS = "bins"


_BY_PEOPLE: Final = (RoleChoice.ROOT, RoleChoice.TARGETS)


def update(
    ctx: typer.Context,
    *,
    role: Annotated[
        RoleChoice,
        typer.Option("--role", metavar="ROLE", help="Whose: root, the default; targets; or for periods any."),
    ] = RoleChoice.ROOT,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="NAME", help="Let this key sign it, too. Repeatable.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="NAME", help="Let this key sign it no more. Repeatable.")
    ] = None,
    threshold: Annotated[
        int | None, typer.Option("--threshold", metavar="N", help="How many of its keys must sign.", min=1)
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="PERIOD", help="How long it lives from when it is signed: 365d.")
    ] = None,
    renew_before: Annotated[
        str | None,
        typer.Option("--renew-before", metavar="PERIOD", help="Renew it when less is left; by default a third."),
    ] = None,
    no_sign: Annotated[
        bool, typer.Option("--no-sign", help="Only open the event; rstuf sign signs it, or bundles do.")
    ] = False,
    let_back: LetBack = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would change, and open nothing.")] = False,
    transcript: TranscriptFile = None,
) -> int:
    """Change who signs root or targets, how many must, and how long roles live.

    You see what the new root changes against the one in force, and are asked; --yes answers beforehand. Then it waits
    for its signatures in an event: the keys that are here sign at once, and once those of both roots have, it is
    published. What the online key signs alone lives for another time from its next version on, without an event. Exit
    code 4 says that it waits.
    """
    run = run_of(ctx)
    changed = rstuf.RootUpdate(
        role=rstuf.RoleName(role.value), add=tuple(add or ()), remove=tuple(remove or ()), threshold=threshold
    )
    keys = bool(changed.add or changed.remove or threshold is not None)
    spans = expires is not None or renew_before is not None
    if not keys and not spans:
        raise UsageFault("nothing is to change: name a key, a threshold or a period", hint=_HELP)
    if role not in _BY_PEOPLE and keys:
        raise UsageFault(f"the online key signs {role}", hint="rstuf key rotate NAME lets another take its place")
    if role is RoleChoice.TARGETS and keys and spans:
        raise UsageFault("change the keys of targets and its periods one after the other", hint=_HELP)
    if not dry_run and keys:
        proposing.refuse_unasked(run, hint=_UNASKED)
    if dry_run:
        refuse_without_result(run, transcript)
    record = Transcript(run, transcript)
    with run.open() as repository:
        if not dry_run:
            repository.events.catch_up()
        periods = _periods(repository, role, expires, renew_before) if spans else None
        if role is not RoleChoice.ROOT and periods is not None:
            return record.end(_set_periods(run, repository, role, periods, dry_run=dry_run))
        changed = rstuf.RootUpdate(changed.role, changed.add, changed.remove, changed.threshold, periods)
        signs = not no_sign
        code = propose(run, repository, changed, keys_sign=signs, dry_run=dry_run, unasked=_UNASKED, let_back=let_back)
    return record.end(code)


def propose(
    run: Run,
    repository: rstuf.Repository,
    update: rstuf.RootUpdate,
    *,
    keys_sign: bool,
    dry_run: bool = False,
    unasked: str = "--yes says that it is",
    let_back: bool = False,
    then: Sequence[Step] = (),
) -> int:
    """Show what an update changes, ask, open its event, sign with the keys that are here, and tell how far it came.

    Args:
        then: what is to be done after it.
    """
    if not dry_run:
        repository.events.take_up()
    proposal = repository.events.propose(update)
    sitting = Sitting.begin(run, repository)
    reviews = [sitting.review(bundle) for bundle in repository.events.preview(proposal)]
    if not dry_run:
        proposing.refuse_unasked(run, hint=unasked)
    if dry_run:
        run.console.document({"opened": False, "reviews": [review_document(review) for review in reviews]})
        for review in reviews:
            list_review(run.console, review)
        run.console.result("nothing was opened: --dry-run")
        return ExitCode.DONE
    for review in reviews:
        sitting.show(review)
    stays = _warn_of_leaks(run, repository, proposal)
    what = "Open and sign" if keys_sign else "Open"
    question = f"{what} {listed([review.event for review in reviews])}?"
    if not proposing.ask_drop(run, repository, proposal.drops) and not proposing.agrees(run, question):
        run.console.note("nothing was changed")
        return ExitCode.REFUSED
    added = [name for each in (update, *update.others) for name in each.add]
    ask_back(run, repository, added, let_back=let_back)
    run.interrupted = f"rstuf event list tells whether {listed([review.event for review in reviews])} waits"
    names = [view.event.name for view in repository.events.open(proposal, drop=bool(proposal.drops))]
    # Once another root is out, what those could do by the one in force shows no more.
    before = repository.status() if proposal.losses else None
    dropped = repository.events.replaced(proposal.drops)
    tell_dropped(run.console, dropped)
    run.keeps(f"{listed(names)}, as far as signed")
    run.interrupted = "rstuf sign does what is left"
    # What targets says must be visible before the root that changes who signs it.
    standing = proposing.sign_here(sitting, reviews[::-1], keys=keys_sign)
    # What was dropped may have been about to take out another key.
    left = () if then else steps_of_leaks_left(repository)
    steps = merged([*proposing.steps_of(standing), *then, *left, *steps_where_root_leaked(before)])
    run.console.document(
        {
            "opened": True,
            "events": names,
            "dropped": dropped_document(dropped),
            **proposing.standing_document(standing),
            "reviews": [review_document(review) for review in reviews],
            "leaked": leaks_document(stays),
            "next_steps": steps_document(steps),
        }
    )
    proposing.tell_standing(run.console, standing)
    for told in () if before is None else dict.fromkeys([*enough_leaked(before), *enough_leaked(repository.status())]):
        run.console.warning(told)
    show_steps(run.console, steps, now=SystemClock().now())
    return standing.exit_code


def _warn_of_leaks(run: Run, repository: rstuf.Repository, proposal: rstuf.RootProposal) -> list[rstuf.KeyStatus]:
    """Say which keys that leaked stay, since what takes them out is to be dropped."""
    if not proposal.drops:
        return []
    removed = {keyid for role in proposal.changes.roles.values() for keyid in role.removed}
    return warn_of_left(run.console, repository.status(), proposal.drops, going=removed - proposal.lists)


def _periods(
    repository: rstuf.Repository, role: RoleChoice, expires: str | None, renew_before: str | None
) -> rstuf.Periods:
    before = None if renew_before is None else rstuf.parse_duration(renew_before)
    if expires is not None:
        return rstuf.Periods.of(rstuf.parse_duration(expires), before)
    return rstuf.Periods.of(repository.events.periods(role.value).expires, before)


def _set_periods(
    run: Run, repository: rstuf.Repository, role: RoleChoice, periods: rstuf.Periods, *, dry_run: bool
) -> int:
    before = repository.events.periods(role.value)
    if not dry_run and periods != before:
        repository.events.set_periods(role.value, periods)
    console = run.console
    console.document(
        {
            "opened": False,
            "role": role.value,
            "changed": periods != before and not dry_run,
            "before": _periods_document(before),
            "periods": _periods_document(periods),
        }
    )
    told = f"{_span(before.expires)} → {_span(periods.expires)}"
    if before == periods:
        console.result(f"{role.value} lives for {_span(periods.expires)} already")
        return ExitCode.DONE
    mark = "  " if dry_run else f"{sign(console, ok=True)} "
    console.result(f"{mark}{role.value} lives for {told}, renewed when {_span(periods.renew_before)} are left")
    if dry_run:
        console.result("nothing was changed: --dry-run")
    else:
        console.result("  that holds from its next version on")
        show_steps(console, [Step(f"rstuf renew --force {role.value}", "makes it now")], now=SystemClock().now())
    return ExitCode.DONE


def _periods_document(periods: rstuf.Periods) -> dict[str, str]:
    return {
        "expires": rstuf.format_duration(periods.expires),
        "renew_before": rstuf.format_duration(periods.renew_before),
    }


def _span(duration: timedelta) -> str:
    return period(duration)
