"""`rstuf bins advise, resize`: over how many bins the artifacts are shared out, and what that costs clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import proposing
from rstuf_cli.commands.publish import Compat
from rstuf_cli.console import Console, Style
from rstuf_cli.exits import ExitCode
from rstuf_cli.reports import publication_document, sign, tell_clock, tell_recovery
from rstuf_cli.review_document import review_document
from rstuf_cli.run import Run, run_of
from rstuf_cli.sitting import Sitting
from rstuf_cli.steps import Step, show_steps, steps_document
from rstuf_cli.waiting import dropped_document, tell_dropped
from rstuf_cli.wording import count, listed, number, seconds, size

EXAMPLES = {
    "bins advise": """
rstuf bins advise                  this number and others
rstuf bins advise 1024 4096        this number and these
rstuf bins advise --role team      of a delegated role
""",
    "bins resize": """
rstuf bins resize 1024
rstuf bins resize 1024 --yes       from a script
rstuf bins resize 16 --role team   split a delegated role into bins
rstuf bins resize 16 --role team --signed-by role   that its own people sign
""",
}
_HEADS = ("bins", "first", "after", "one more", "largest bin")
_WHO = {
    None: "",
    rstuf.BinSigners.ONLINE: ", which the online key signs: whoever has it controls what they list",
    rstuf.BinSigners.ROLE: ", each of which the people sign who sign that role",
}
_ANSWERS = "--yes says that it is"


def advise(
    ctx: typer.Context,
    *,
    counts: Annotated[
        list[int] | None, typer.Argument(metavar="[COUNT]...", help="Numbers to compare; by default a few.", min=2)
    ] = None,
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="ROLE", help="Whose artifacts: a delegated role's; by default all others'."),
    ] = None,
) -> None:
    """Compare numbers of bins: what clients download, and which can read.

    By the artifacts that are here. A client that has nothing but the newest root downloads "first" to find an
    artifact; "after", after another publication; "one more", while nothing was published. More bins make each of them
    smaller, and the list of all of them larger, which every client fetches after each publication.
    """
    run = run_of(ctx)
    with run.open() as repository:
        advice = repository.advise_bins(tuple(counts or ()), role=None if role is None else rstuf.RoleName(role))
    run.progress.close()
    current = next(choice.bins for choice in advice.choices if choice.current)
    steps, whose = [], "" if role is None else f" --role {role}"
    if advice.advised != current:
        command = f"rstuf bins resize {advice.advised}{whose}"
        steps.append(Step(command, "costs clients less, and keeps none of them out"))
    run.console.document({**_advice_document(advice), "next_steps": steps_document(steps)})
    if run.console.is_json:
        return
    of_role = "" if role is None else f" of {role}"
    where = f"in {count(current, 'bin')}" if current > 1 else "which it lists itself"
    run.console.line(f"{count(advice.artifacts, 'artifact')}{of_role}{' ' if current > 1 else ', '}{where}")
    run.console.line()
    _show(run.console, advice.choices, advised=advice.advised)
    show_steps(run.console, steps, now=SystemClock().now())


def resize(
    ctx: typer.Context,
    *,
    bins: Annotated[int, typer.Argument(metavar="COUNT", help="How many: a power of two from 2 to 16384.")],
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="ROLE", help="Whose artifacts: a delegated role's; by default all others'."),
    ] = None,
    signed_by: Annotated[
        rstuf.BinSigners | None,
        typer.Option(
            "--signed-by",
            metavar="WHO",
            help="online: the online key; whoever has it controls what the bins list. role: the people who sign ROLE, "
            "and nobody else. By default those who do now; at first the online key.",
        ),
    ] = None,
    allow_large: Annotated[
        bool, typer.Option("--allow-large", help="Up to 65536, with a snapshot that some clients cannot read.")
    ] = False,
    compat: Compat = None,
    no_sign: Annotated[
        bool, typer.Option("--no-sign", help="Where people sign the role: let it wait, and sign nothing.")
    ] = False,
) -> int:
    """Share the artifacts out over another number of bins.

    Clients read on: one publication brings all new bins, with everything that was accepted before it, and until it is
    there they see what they saw. Names of bins that are not used any more stay listed, because clients refuse a list
    that drops one. Where people sign targets, or ROLE, they sign that first; exit code 4 says that it waits for them.

    With --signed-by role they sign each bin, too, now and whenever what it lists changes: all bins that change wait in
    one signing event, and come out together. The online key alone can change nothing of them then. --signed-by online
    gives them back to it, which those who sign ROLE have to sign.
    """
    run = run_of(ctx)
    run.clients = tuple(compat or ())
    with run.open() as repository:
        rstuf.check_bin_count(bins, allow_large=allow_large, role=role)
        holder = None if role is None else rstuf.RoleName(role)
        waiting = repository.bins_in_the_way(holder)
        if repository.bin_count(holder) == bins and signed_by in {None, repository.bin_signers(holder)}:
            waiting = []
        elif not _ask(run, repository, bins, role=holder, waiting=waiting, signed_by=signed_by):
            run.console.note("nothing was changed")
            return ExitCode.REFUSED
        lasted = run.lasted()
        run.interrupted = (
            "clients see the bins that there were, or all of the new ones; rstuf publish goes on from there"
        )
        dropped_for = [view.event for view in waiting]
        report = repository.resize_bins(bins, role=holder, signers=signed_by, allow_large=allow_large, drop=dropped_for)
        run.progress.close()
        gone = repository.events.replaced(waiting)
        tell_dropped(run.console, gone)
        dropped = dropped_document(gone)
        if report.waits is not None:
            return _let_people_sign(run, repository, report, keys_sign=not no_sign, dropped=dropped)
    _tell(run, report, dropped=dropped, took=seconds(lasted()))
    return ExitCode.DONE


def _tell(run: Run, report: rstuf.ResizeReport, *, dropped: Sequence[Any], took: str) -> None:
    publication = report.publication
    run.console.document({**_report_document(report, proposing.Standing(), [], []), "dropped": dropped})
    if publication is None:
        run.console.result(f"there are {count(report.after, 'bin')} already")
        return
    tell_clock(run.console, publication.clock_behind)
    tell_recovery(run.console, publication)
    run.console.result(
        f"{sign(run.console, ok=True)} {count(report.before, 'bin')} → {number(report.after)}, published as "
        f"timestamp v{number(publication.timestamp_version)}; {size(publication.length)} of metadata, {took}"
    )


def _ask(
    run: Run,
    repository: rstuf.Repository,
    bins: int,
    *,
    role: rstuf.RoleName | None,
    waiting: Sequence[rstuf.EventView],
    signed_by: rstuf.BinSigners | None,
) -> bool:
    """Show what it costs and what gives way to it; whether somebody agrees.

    Raises:
        UsageFault: nobody can be asked, and --yes was not said.
    """
    proposing.refuse_unasked(run, hint=_ANSWERS)
    if not run.options.yes:
        # It looks at every artifact, which nobody waits for who does not read it.
        _show_cost(run, repository.advise_bins((bins,), role=role), bins)
    if proposing.ask_drop(run, repository, waiting):
        return True
    whose = "the artifacts" if role is None else f"the artifacts of {role}"
    return proposing.agrees(run, f"share {whose} out over {count(bins, 'bin')}{_WHO[signed_by]}?")


def _show_cost(run: Run, advice: rstuf.BinAdvice, bins: int) -> None:
    run.progress.close()
    _show(run.console, advice.choices, advised=0)
    chosen = next(choice for choice in advice.choices if choice.bins == bins)
    current = {name for choice in advice.choices if choice.current for name, _ in choice.excluded}
    for name, why in chosen.excluded:
        if name not in current:
            run.console.warning(f"{name} can read this repository now, and not then: {why}")


def _let_people_sign(
    run: Run, repository: rstuf.Repository, report: rstuf.ResizeReport, *, keys_sign: bool, dropped: Sequence[Any]
) -> int:
    event = report.waits.event.name if report.waits is not None else ""
    run.keeps(f"{event}, as far as signed")
    run.interrupted = f"rstuf sign {event} does what is left"
    sitting = Sitting.begin(run, repository)
    review = sitting.review(repository.events.bundle(event))
    sitting.show(review)
    sign_now = keys_sign and proposing.agrees(run, f"sign {event} with the keys that are here?")
    standing = proposing.sign_here(sitting, [review], keys=sign_now)
    steps = proposing.steps_of(standing)
    run.console.document({**_report_document(report, standing, [review], steps), "dropped": dropped})
    proposing.tell_standing(run.console, standing)
    show_steps(run.console, steps, now=SystemClock().now())
    return standing.exit_code


def _report_document(
    report: rstuf.ResizeReport, standing: proposing.Standing, reviews: Sequence[rstuf.Review], steps: Sequence[Step]
) -> dict[str, Any]:
    publication = report.publication
    return {
        "before": report.before,
        "after": report.after,
        "publication": None if publication is None else publication_document(publication),
        "event": None if report.waits is None else report.waits.event.name,
        **proposing.standing_document(standing),
        "reviews": [review_document(review) for review in reviews],
        "next_steps": steps_document(steps),
    }


def _advice_document(advice: rstuf.BinAdvice) -> dict[str, Any]:
    return {
        "role": advice.role,
        "artifacts": advice.artifacts,
        "advised": advice.advised,
        "choices": [
            {
                "bins": choice.bins,
                "current": choice.current,
                "first": choice.first,
                "after": choice.after,
                "more": choice.more,
                "largest": choice.largest,
                "most_artifacts": choice.artifacts,
                "possible": not choice.too_large,
                "excluded": dict(choice.excluded),
            }
            for choice in advice.choices
        ],
    }


def _show(console: Console, choices: Sequence[rstuf.BinChoice], *, advised: int) -> None:
    """Numbers of bins beside each other."""
    rows = [
        _HEADS,
        *((_called(each.bins), *map(size, (each.first, each.after, each.more, each.largest))) for each in choices),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    for row, choice in zip(rows, (None, *choices), strict=True):
        line = "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        if choice is None:
            console.line(console.paint(f"  {line}", Style.FAINT))
            continue
        said = [word for word, holds in (("now", choice.current), ("advised", choice.bins == advised)) if holds]
        if choice.too_large:
            said.append("a bin would be larger than clients read")
        console.line(f"  {line}  {', '.join(said)}".rstrip())
    together: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, why in dict.fromkeys(each for choice in choices for each in choice.excluded):
        where = tuple(choice.bins for choice in choices if (name, why) in choice.excluded)
        together.setdefault((why, where), []).append(name)
    for (why, where), names in together.items():
        several = f"{listed([number(each) for each in where if each > 1])} bins"
        at = "any of these" if len(where) == len(choices) else "the role itself" if where == (1,) else several
        console.folded_result(f"  {at} cannot be read by {listed(names, last='or')}: {why}", indent=4)


def _called(bins: int) -> str:
    """A number of bins; 1 is what a role has that lists its artifacts itself."""
    return number(bins) if bins > 1 else "none"
