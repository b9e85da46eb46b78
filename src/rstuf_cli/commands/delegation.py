"""`rstuf delegation add, update, remove, list, why`: roles with keys of their own, for some of the paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import InvalidInput
from rstuf_cli import proposing
from rstuf_cli.commands.publish import Compat
from rstuf_cli.console import Console, Style, escape, pad
from rstuf_cli.delegated_again import steps_to_propose_again
from rstuf_cli.delegation_documents import change_document, view_document
from rstuf_cli.event_steps import steps_of
from rstuf_cli.exits import ExitCode
from rstuf_cli.leaks_dropped import steps_of_leaks_dropped, warn_of_leaks_dropped
from rstuf_cli.losses import LetBack, ask_back
from rstuf_cli.reports import sign, tell_clock, tell_recovery
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import merged, show_steps, steps_document
from rstuf_cli.visiting import beyond_in_words, reasons, way_document
from rstuf_cli.waiting import dropped_document, event_document, tell_waiting
from rstuf_cli.wording import both, count, listed, number, period, seconds, size

EXAMPLES = {
    "delegation add": """
rstuf delegation add team --path 'team/*' --path 'team/*/*'
rstuf delegation add vendor --path 'vendor/*' --signer vera --expires 180d
""",
    "delegation update": """
rstuf delegation update team --path 'team/*' --path 'shared/*'
rstuf delegation update vendor --signer vera --signer victor --threshold 2
""",
    "delegation remove": """
rstuf delegation remove team
""",
    "delegation list": """
rstuf delegation list
rstuf delegation list --json
""",
    "delegation why": """
rstuf delegation why team/app-1.2.whl      be it here or not
""",
}
_LABEL = 11
_PATTERN_HELP = "Paths that it is for: * and ? stand for what varies within one segment; repeatable."
_SIGNER_HELP = "A key that may sign it, by its name; repeatable. Without any the online key does."
_ANSWERS = "--yes says that it is"

_Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called: a plain name, never used otherwise.")]
_Periods = tuple[str | None, str | None]


def add(
    ctx: typer.Context,
    *,
    name: _Name,
    path: Annotated[list[str], typer.Option("--path", metavar="PATTERN", help=_PATTERN_HELP)],
    signer: Annotated[list[str] | None, typer.Option("--signer", metavar="KEY", help=_SIGNER_HELP)] = None,
    threshold: Annotated[int, typer.Option("--threshold", metavar="N", help="How many of them must sign.", min=1)] = 1,
    terminating: Annotated[
        bool, typer.Option("--terminating", help="Who looks for such a path looks nowhere else.")
    ] = False,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="PERIOD", help="How long it lives; by default as targets does.")
    ] = None,
    renew_before: Annotated[
        str | None, typer.Option("--renew-before", metavar="PERIOD", help="How long before its end it is due.")
    ] = None,
    parent: Annotated[str, typer.Option("--parent", metavar="ROLE", help="The role that delegates to it.")] = "targets",
    before: Annotated[
        str | None, typer.Option("--before", metavar="ROLE", help="The delegation that it comes before.")
    ] = None,
    let_back: LetBack = False,
    compat: Compat = None,
) -> int:
    """Delegate some of the paths to a role of their own.

    Clients look for a path through the delegations in their order, and find it in the first that is for it. Artifacts
    of such paths that are here already go to the new role with it, in one publication, and nobody misses one.
    Whatever no delegation is for stays in the bins. Where its signers are elsewhere, all of it waits for them in a
    signing event; exit code 4 says so.
    """
    run = run_of(ctx)
    run.clients = tuple(compat or ())
    plan = rstuf.DelegationPlan(
        name=rstuf.role_name(name),
        paths=tuple(map(rstuf.path_pattern, path)),
        signers=tuple(signer or ()),
        threshold=threshold,
        terminating=terminating,
        periods=_spans(expires, renew_before, None),
        parent=rstuf.RoleName(parent),
        before=None if before is None else rstuf.RoleName(before),
    )
    return _change(run, lambda desk: desk.propose(plan), question=f"delegate to {name}?", let_back=let_back)


def update(
    ctx: typer.Context,
    *,
    name: _Name,
    path: Annotated[
        list[str] | None, typer.Option("--path", metavar="PATTERN", help=f"{_PATTERN_HELP} In place of those it has.")
    ] = None,
    signer: Annotated[
        list[str] | None,
        typer.Option("--signer", metavar="KEY", help="A key that may sign it, in place of all others."),
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Let the online key sign it.")] = False,
    threshold: Annotated[
        int | None, typer.Option("--threshold", metavar="N", help="How many of them must sign.", min=1)
    ] = None,
    terminating: Annotated[
        bool | None, typer.Option("--terminating/--not-terminating", help="Whether clients look nowhere else.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="PERIOD", help="How long it lives from when it is signed.")
    ] = None,
    renew_before: Annotated[
        str | None, typer.Option("--renew-before", metavar="PERIOD", help="How long before its end it is due.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ROLE", help="The delegation that it comes before.")
    ] = None,
    let_back: LetBack = False,
    compat: Compat = None,
) -> int:
    """Let a delegation be for other paths, have other keys, or come at another place.

    Artifacts go where clients look for them from then on, in one publication. Where that is nowhere, nothing is
    changed, and they are named.
    """
    run = run_of(ctx)
    run.clients = tuple(compat or ())
    if signer and online:
        raise InvalidInput("other keys are named, and the online key", hint="say one of the two")
    role = rstuf.role_name(name)

    def propose(desk: rstuf.DelegationDesk) -> rstuf.DelegationProposal:
        there = next((each for each in desk.views() if each.delegation.name == role), None)
        change = rstuf.DelegationChange(
            paths=None if path is None else tuple(map(rstuf.path_pattern, path)),
            signers=() if online else None if signer is None else tuple(signer),
            threshold=1 if online and threshold is None else threshold,
            terminating=terminating,
            periods=_spans(expires, renew_before, None if there is None else there.periods),
            before=None if before is None else rstuf.RoleName(before),
        )
        return desk.propose_change(role, change)

    return _change(run, propose, question=f"let {name} be like that?", let_back=let_back)


def remove(ctx: typer.Context, *, name: _Name) -> int:
    """Delegate to a role no more.

    Its artifacts go where clients look for them from then on, in one publication. Snapshot goes on listing its name,
    because clients refuse a list that drops one; the name can be used again.
    """
    run = run_of(ctx)
    role = rstuf.RoleName(name)
    return _change(run, lambda desk: desk.propose_removal(role), question=f"delegate to {name} no more?")


def list_(ctx: typer.Context) -> None:
    """List the delegations, in the order in which clients look.

    Other delegations that wait for signatures, which clients do not see yet, stand below.
    """
    run = run_of(ctx)
    with run.open() as repository:
        views = repository.delegations.views()
        waits = [view for view in repository.events.views() if view.event.kind is rstuf.EventKind.DELEGATION]
    names = [view.event.name for view in waits]
    run.console.document({"delegations": [view_document(view) for view in views], "waiting": names})
    if run.console.is_json:
        return
    if not views:
        run.console.line("no role is delegated to by its name" + ("" if not waits else " yet"))
    now = SystemClock().now()
    for view in views:
        _show(run.console, view, now=now)
    for waiting in waits:
        tell_waiting(run.console, [waiting])
        run.console.line(f"    rstuf event show {escape(waiting.event.name)}")


def why(
    ctx: typer.Context, path: Annotated[str, typer.Argument(metavar="PATH", help="A path, be it here or not.")]
) -> None:
    """Explain which delegations are for a path.

    Shown are the role that has to list it, each delegation on the way there and by what it is for the path, and where
    clients look besides. What they find there, rstuf artifact why says.
    """
    run = run_of(ctx)
    with run.open() as repository:
        way = repository.delegations.way_to(path)
    now = SystemClock().now()
    role = None if way.fault is not None else way.last.role
    run.console.document({"path": way.path, "path_sha256": way.path_sha256, "role": role, **way_document(way)})
    if run.console.is_json:
        return
    run.console.line(run.console.paint(escape(way.path), Style.STRONG))
    said = {
        rstuf.WayFault.NOT_DELEGATED: "none: no delegation is for it, or more than clients look through",
        rstuf.WayFault.DISPUTED: "none: clients would differ in where they look for it",
    }
    expiry = "" if way.last.expires is None else f", expires {both(way.last.expires, now)}"
    rows = [("role", escape(way.last.role) + expiry if way.fault is None else said[way.fault])]
    rows += zip_longest(["because"], reasons(way), fillvalue="")
    besides = beyond_in_words(way)
    rows += [("besides", besides)] if besides is not None else []
    for label, text in rows:
        for part in run.console.folded(f"  {pad(label, _LABEL)}{text}", indent=_LABEL + 2):
            run.console.line(part)


def _spans(expires: str | None, renew_before: str | None, there: rstuf.Periods | None) -> rstuf.Periods | None:
    """How long it is to live; None where nothing was said."""
    if expires is None and renew_before is None:
        return None
    before = None if renew_before is None else rstuf.parse_duration(renew_before)
    if expires is not None:
        return rstuf.Periods.of(rstuf.parse_duration(expires), before)
    if there is None:
        raise InvalidInput("how long it lives is not said", hint="say it too: --expires 180d")
    return rstuf.Periods.of(there.expires, before)


def _change(
    run: Run,
    propose: Callable[[rstuf.DelegationDesk], rstuf.DelegationProposal],
    *,
    question: str,
    let_back: bool = False,
) -> int:
    with run.open() as repository:
        return change_delegation(run, repository, propose, question=question, let_back=let_back)


def change_delegation(
    run: Run,
    repository: rstuf.Repository,
    propose: Callable[[rstuf.DelegationDesk], rstuf.DelegationProposal],
    *,
    question: str,
    let_back: bool = False,
) -> int:
    """Show what is proposed, ask whether it is meant, and publish it, or let it wait for its people; the exit code."""
    proposing.refuse_unasked(run, hint=_ANSWERS)
    proposal = propose(repository.delegations)
    run.progress.close()
    if not run.console.is_json:
        _show_proposal(run.console, proposal, repository)
    ask_back(run, repository, _let_in(repository, proposal), let_back=let_back)
    stays = warn_of_leaks_dropped(run.console, repository, proposal)
    typed = proposing.ask_drop(run, repository, proposal.drops)
    if not typed and not proposing.agrees(run, question):
        run.console.note("nothing was changed")
        return ExitCode.REFUSED
    again = [
        step for view in proposal.drops for step in steps_to_propose_again(repository, view.event, instead=proposal)
    ]
    lasted = run.lasted()
    run.interrupted = "clients see the delegations that there were, or the new ones; rstuf publish goes on from there"
    report = repository.delegations.bring(proposal, drop=True)
    dropped = repository.events.replaced(proposal.drops)
    run.progress.close()
    # What a role was to list comes out with what takes the place of that.
    steps = [step for step in again if step.about != "pending"]
    if report.waits is not None:
        # It dropped them, so they would drop it: nobody is to go in a circle.
        once = f"; once {report.waits.event.name} is out, which it would drop"
        steps = [*steps_of(report.waits), *(replace(step, why=step.why + once) for step in steps)]
    left = steps_of_leaks_dropped(repository, stays)
    steps = merged([*steps, *left])
    waiting = {
        "waiting": None if report.waits is None else event_document(report.waits),
        "dropped": dropped_document(dropped),
        "next_steps": steps_document(steps),
    }
    run.console.document({**change_document(proposal, report), **waiting})
    _tell(run.console, report, took=seconds(lasted()))
    show_steps(run.console, steps, now=SystemClock().now())
    return ExitCode.DONE if report.waits is None and not left else ExitCode.WAITING


def _tell(console: Console, report: rstuf.DelegationReport, *, took: str) -> None:
    if report.waits is not None:
        tell_waiting(console, [report.waits])
    if report.publication is None:
        return
    tell_clock(console, report.publication.clock_behind)
    tell_recovery(console, report.publication)
    console.result(
        f"{sign(console, ok=True)} published as timestamp v{number(report.publication.timestamp_version)}, with "
        f"{count(report.moved, 'artifact')} at another role; {size(report.publication.length)} of metadata, {took}"
    )


def _let_in(repository: rstuf.Repository, proposal: rstuf.DelegationProposal) -> list[str]:
    """The names of the keys that are to sign what they do not sign yet."""
    after = () if proposal.after is None else proposal.after.keys.keyids
    before = () if proposal.before is None else proposal.before.keys.keyids
    return [entry.name for entry in repository.keys() if entry.keyid in after and entry.keyid not in before]


def _show_proposal(console: Console, proposal: rstuf.DelegationProposal, repository: rstuf.Repository) -> None:
    names = {str(entry.keyid): entry.name for entry in repository.keys()}
    console.result(console.paint(escape(proposal.name), Style.STRONG))
    for label, before, after in _differences(proposal, names):
        told = after if before is None or before == after else f"{before} → {after}"
        console.folded_result(f"  {label:<{_LABEL}}{told}", indent=_LABEL + 2)
    for each in proposal.moved:
        ways = f"{escape(each.giver)} → {escape(each.taker)}"
        console.result(f"  {'moves':<{_LABEL}}{count(each.artifacts, 'artifact')}: {ways}")
    if not proposal.moved:
        console.result(f"  {'moves':<{_LABEL}}no artifact")
    for name, why in proposal.excluded.items():
        console.warning(f"{name} can read this repository now, and not then: {why}")
    for role in proposal.unreached:
        console.warning(f"no path comes to {escape(role)} then: no role above it is for what it is for")


def _differences(proposal: rstuf.DelegationProposal, names: dict[str, str]) -> list[tuple[str, str | None, str]]:
    """What stands beside each label, before (None for nothing) and after."""
    if proposal.after is None:
        gone = [] if proposal.before is None else _said(proposal.before, names)
        return [(label, None, f"{text}, until now") for label, text in gone if label == "for"]
    before = None if proposal.before is None else dict(_said(proposal.before, names))
    return [(label, None if before is None else before[label], text) for label, text in _said(proposal.after, names)]


def _said(delegation: rstuf.Delegation, names: dict[str, str]) -> list[tuple[str, str]]:
    keys = [escape(names.get(str(keyid), str(keyid)[:12])) for keyid in delegation.keys.keyids]
    threshold = "" if len(keys) == 1 else f"{delegation.keys.threshold} of {len(keys)}: "
    paths = [escape(each) for each in delegation.paths] or ["everything else"]
    said = [("for", ", ".join(paths)), ("signed by", f"{threshold}{listed(keys)}")]
    return [*said, ("then", "clients look nowhere else" if delegation.terminating else "clients look on")]


def _show(console: Console, view: rstuf.DelegationView, *, now: Any) -> None:
    margin = "  " * view.depth
    each = view.delegation
    head = f"{margin}{console.paint(escape(each.name), Style.STRONG)}"
    by = "its people sign" if view.bin_signers is rstuf.BinSigners.ROLE else "the online key signs"
    whose = "" if view.online else f" that {by}"
    bins = f", in {count(view.bins, 'bin')}{whose}" if view.bins else ""
    console.line(f"{head}  {count(view.artifacts, 'artifact')}{bins}")
    names = dict(zip(map(str, each.keys.keyids), view.signers, strict=True))
    rows = [*_said(each, names)]
    if view.periods is not None:
        rows.append(("lives", period(view.periods.expires)))
    if view.role.expires is not None:
        rows.append(("expires", both(view.role.expires, now)))
    for label, text in rows:
        for part in console.folded(f"{margin}  {pad(label, _LABEL)}{text}", indent=len(margin) + _LABEL + 2):
            console.line(part)
