"""`rstuf prune`: metadata files that others took the place of go, once the policy has kept them long enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf_cli import prompts
from rstuf_cli.console import Console, escape, pad
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import sign, tell_interrupted
from rstuf_cli.run import Run, run_of
from rstuf_cli.wording import count, number, seconds, size

EXAMPLES = {
    "prune": """
rstuf prune --dry-run                     exactly what would go
rstuf prune --yes                         safe beside all others, and from cron:
47 4 * * *  cd /srv/tuf && rstuf prune --yes --quiet
rstuf prune --keep 10 --days 60 --save    another policy, from now on
"""
}

# More names than this say less than their number.
_SHOWN: Final = 20
_TOLD: Final = 5
_STAYS: Final = {
    rstuf.StayReason.DIFFERENT: "it is not what was written under that name; move it away, if it is nothing of yours",
    rstuf.StayReason.NEEDED: "clients ask for it, though the state says that none does: rstuf verify tells more",
}


def prune(
    ctx: typer.Context,
    *,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", min=1, help="Keep what the last N publications brought; 5 by default."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", metavar="D", min=0, help="Keep it for D days as well; 30 by default."),
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Let --keep and --days hold from now on.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show exactly what would go, and remove nothing.")] = False,
) -> int:
    """Remove metadata files that no client needs any more.

    A publication takes the place of the files before it, and clients that are in the middle of a download may still ask
    for these. So they stay for as many publications and as many days as the policy says, both, from when others took
    their place. Every root stays for ever, and so does whatever the current timestamp leads to. Contents of artifacts
    are not touched.

    A person is asked; --yes answers. Exit code 1 says that something was left, because it is not what rstuf wrote.
    """
    run = run_of(ctx)
    if save and keep is None and days is None:
        raise UsageFault("--save needs a policy to save: --keep N, --days D, or both", hint="rstuf prune --help")
    with run.open() as repository:
        before = repository.retention()
        policy = rstuf.Retention(before.publications if keep is None else keep, before.days if days is None else days)
        if dry_run:
            plan = repository.plan_prune(retention=policy)
            run.progress.close()
            return _show_plan(run.console, plan)
        if not _agrees(run, policy, *repository.prunable(retention=policy)):
            raise UsageFault("not confirmed; nothing was changed", hint="rstuf prune --dry-run names what would go")
        lasted = run.lasted()
        run.interrupted = "what went is gone for good, and nobody needs it; rstuf prune removes the rest"
        if save:
            repository.set_retention(policy)
            run.keeps("the policy")
        report = repository.prune(retention=policy)
    run.progress.close()
    document = _document(policy, dry_run=False, files=report.removed, length=report.length)
    document |= {"saved": save, "missing": report.missing, "kept": report.kept, "left": _left_document(report.left)}
    if report.recovery != rstuf.Recovery.NOTHING:
        document["recovery"] = str(report.recovery)
    run.console.document(document)
    if not run.console.is_json:
        _tell(run.console, report, took=seconds(lasted()), saved=save)
    return ExitCode.REFUSED if report.left else ExitCode.DONE


def _agrees(run: Run, policy: rstuf.Retention, files: int, length: int) -> bool:
    """Whether somebody agrees that so much goes.

    Raises:
        UsageFault: nobody can be asked.
    """
    if run.options.yes or not files:
        return True
    what = f"{count(files, 'file')}, {size(length)}"
    if run.console.is_json or not prompts.person_is_there():
        raise UsageFault(
            f"{what} may go, and nobody can be asked",
            hint="nothing was changed; --yes removes them, --dry-run names them",
        )
    with run.pondering():
        run.console.note(f"{what}: {_why(policy)}")
        return prompts.agrees("remove them?" if files > 1 else "remove it?")


def _why(policy: rstuf.Retention) -> str:
    if policy.publications == 1:
        needed = "no part of what is published"
    else:
        needed = f"no part of the last {count(policy.publications, 'publication')}"
    return f"{needed}, and superseded for {count(policy.days, 'day')}" if policy.days else needed


def _show_plan(console: Console, plan: rstuf.PrunePlan) -> int:
    document = _document(plan.retention, dry_run=True, files=len(plan.files), length=plan.length)
    document |= {
        "files": [{"name": file.name, "bytes": file.length} for file in plan.files],
        "kept": plan.kept,
        "left": _left_document(plan.left),
    }
    console.document(document)
    if console.is_json:
        return ExitCode.REFUSED if plan.left else ExitCode.DONE
    if plan.files:
        console.line(f"would remove {count(len(plan.files), 'file')}, {size(plan.length)}: {_why(plan.retention)}")
        console.line()
        shown = plan.files[:_SHOWN]
        width = max(len(file.name) for file in shown)
        for file in shown:
            console.line(f"  {pad(escape(file.name), width)}  {size(file.length):>7}")
        if len(shown) < len(plan.files):
            console.line(f"  and {number(len(plan.files) - len(shown))} more; --json names all of them")
        console.line()
    else:
        console.line(f"nothing to remove{_kept(plan.kept)}")
    _tell_left(console, plan.left)
    if plan.files:
        console.note("nothing was removed; without --dry-run it is")
    return ExitCode.REFUSED if plan.left else ExitCode.DONE


def _tell(console: Console, report: rstuf.PruneReport, *, took: str, saved: bool) -> None:
    if report.recovery is rstuf.Recovery.REDONE:
        console.warning("an interrupted publication is damaged or has expired: rstuf publish makes it anew")
    else:
        tell_interrupted(console, report.recovery)
    if saved:
        policy = report.retention
        publications, days = count(policy.publications, "publication"), count(policy.days, "day")
        console.result(f"{sign(console, ok=True)} from now on superseded files stay for {publications} and {days}")
    if report.removed:
        console.result(
            f"{sign(console, ok=True)} {count(report.removed, 'file')} removed, {size(report.length)}, {took}"
            f"{_kept(report.kept)}"
        )
    else:
        console.result(f"nothing to remove{_kept(report.kept)}")
    _tell_left(console, report.left)


def _kept(files: int) -> str:
    if not files:
        return ""
    return f"; {count(files, 'superseded file')} {'stays' if files == 1 else 'stay'} for now"


def _tell_left(console: Console, left: Sequence[tuple[str, rstuf.StayReason]]) -> None:
    for name, why in left[:_TOLD]:
        console.warning(f"{escape(name)} stays: {_STAYS[why]}")
    if len(left) > _TOLD:
        console.warning(f"and {count(len(left) - _TOLD, 'more file')} like that; --json names them")


def _document(policy: rstuf.Retention, *, dry_run: bool, files: int, length: int) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "policy": {"publications": policy.publications, "days": policy.days},
        "count": files,
        "bytes": length,
    }


def _left_document(left: Sequence[tuple[str, rstuf.StayReason]]) -> list[dict[str, str]]:
    return [{"name": name, "why": str(why)} for name, why in left]
