"""`rstuf event list, show, cancel`: what waits for signatures, who has signed, who is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import prompts
from rstuf_cli.behind import first_of
from rstuf_cli.commands.status import next_steps
from rstuf_cli.console import Console, Style, escape, pad, width_of
from rstuf_cli.delegated_again import steps_to_propose_again
from rstuf_cli.event_steps import step_after_cancelled_ceremony, steps_among
from rstuf_cli.failures import UsageFault
from rstuf_cli.must_go import ENOUGH, LOOSE, USABLE, leaks_document, loose_in_words, warn_of_left
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.waiting import about, event_document, named, sides_of, signers_of, tell_waiting, waits_in_words
from rstuf_cli.wording import ago, day, listed

EXAMPLES = {
    "event list": """
rstuf event list
rstuf event list --all    those that ended, too
""",
    "event show": """
rstuf event show root-v4
""",
    "event cancel": """
rstuf event cancel root-v4
rstuf event cancel root-v4 --yes   without the question, in a script
""",
}

_COLUMN: Final = 12
_Event = Annotated[str, typer.Argument(metavar="EVENT", help="Its name, or its role alone.")]


def list_(
    ctx: typer.Context, *, all_: Annotated[bool, typer.Option("--all", help="Show those that ended, too.")] = False
) -> None:
    """List what waits for signatures, the oldest first."""
    run = run_of(ctx)
    with run.open(looking=True) as repository:
        views = repository.events.views(ended=all_)
    now, console = SystemClock().now(), run.console
    console.document({"events": [event_document(view) for view in views]})
    if not views:
        console.note("nothing waits for a signature" if not all_ else "there was no signing event yet")
    width = max((width_of(view.event.name) for view in views), default=0)
    for view in views:
        event = view.event
        head = f"{pad(escape(event.name), width)}  {about(view)}"
        if event.phase is rstuf.EventPhase.OPEN:
            console.line(f"{head}, opened {ago(event.opened, now)}, {day(event.opened, now)}")
            tell_waiting(console, [view])
            continue
        ended = event.closed or event.opened
        word = "published" if event.phase is rstuf.EventPhase.DONE else "cancelled"
        console.line(f"{head}, {word} {ago(ended, now)}, {day(ended, now)}")
        console.line(f"  signed: {named(view, view.signed) or 'nobody'}")


def show(ctx: typer.Context, event: _Event) -> None:
    """Show who must sign something that waits, who has, and what to do next."""
    run = run_of(ctx)
    with run.open(signing=True) as repository:
        view = repository.events.view(event)
        code = repository.events.code_of(view.event)
        steps = first_of(repository, steps_among(view, repository.events.views()))
    run.console.document({**event_document(view), "code": code, "next_steps": steps_document(steps)})
    if not run.console.is_json:
        _show(run.console, view, code)
    show_steps(run.console, steps, now=SystemClock().now())


def _show(console: Console, view: rstuf.EventView, code: str) -> None:
    event, now = view.event, SystemClock().now()
    console.line(f"{console.paint(escape(event.name), Style.STRONG)}  {about(view)}")
    console.line()
    _field(console, "opened", f"{ago(event.opened, now)}, {day(event.opened, now)}, by {escape(event.actor)}")
    for part in view.parts:
        if not _is_as_before(view, part):
            _show_sides(console, view, part, now=now)
        whose = f"  {escape(part.part.role)}" if part.batch is not None else ""
        _field(console, "sha256", f"{part.digest}{whose}")
    _field(console, "code", f"{code}   every signer must see the same")
    console.line()
    tell_waiting(console, [view])


def _is_as_before(view: rstuf.EventView, part: rstuf.PartView) -> bool:
    """Whether the same have signed, and must yet, as of a bin of the same role that was shown already."""
    before = view.parts[: view.parts.index(part)]
    return part.batch is not None and any((each.batch, each.sides) == (part.batch, part.sides) for each in before)


def _show_sides(console: Console, view: rstuf.EventView, part: rstuf.PartView, *, now: datetime) -> None:
    """Who must sign a part, or the bins that are signed together, and who has."""
    brought = {each.keyid: each for each in part.part.signatures}
    for labels, side in sides_of(part):
        told = f", {side.missing} missing" if side.missing else ", signed"
        whose = f"{escape(part.batch or part.part.role)}: " if len(view.parts) > 1 else ""
        _field(console, "must sign", f"{whose}{side.threshold} of {len(side.keyids)} of {escape(labels)}{told}")
        width = max(width_of(escape(view.name_of(keyid))) for keyid in side.keyids)
        for keyid in side.keyids:
            name = pad(escape(view.name_of(keyid)), width)
            each = brought.get(keyid) if keyid in side.signed else None
            if each is not None:
                when = f"{ago(each.at, now)}, {day(each.at, now)}, by {escape(each.actor)}"
                leaked = "; it leaked: see that its holder did" if keyid in view.leaked else ""
                mark = console.paint("!", Style.WARN) if leaked else done_sign(console, ok=True)
                console.line(f"    {mark} {name}  signed {when}{leaked}")
            else:
                here = "; its key is here" if keyid in view.here else ""
                console.line(f"    - {name}  has not signed{here}")


def _field(console: Console, name: str, value: str) -> None:
    console.line(f"  {name:<{_COLUMN - 2}}{value}")


def cancel(ctx: typer.Context, event: _Event) -> None:
    """Drop something that waits, with the signatures that it has.

    What could not come out without it, or was proposed for it alone, goes with it, which is said before. What is
    published stays as it is: a key that leaked and would go with it may sign on, and you are told so. The event's name
    is asked for; --yes answers beforehand.
    """
    run = run_of(ctx)
    with run.open(signing=True) as repository:
        desk = repository.events
        view = desk.view(event)
        # Of a first root nothing is published yet that a key could be left in.
        first = view.event.kind is rstuf.EventKind.CEREMONY
        stays = [] if first else warn_of_left(run.console, repository.status(), [view])
        if view.leaks and view.signed and view.event.role == "root":
            run.console.warning(escape(loose_in_words(view)))
        elif view.signed and view.event.role == "root" and not first:
            run.console.note(f"{view.event.name} was signed: {USABLE}")
        shown = None
        if not run.options.yes:
            _ask(run, view)
            shown = (view.event, *view.companions)
        run.interrupted = f"rstuf event list tells whether {view.event.name} still waits"
        rotating = repository.rotations.current() is not None
        gone, *beside = desk.cancel(view.event.name, shown=shown)
        rotation = repository.rotations.current()
        steps = _steps_after(repository, view)
    console, dropped = run.console, signers_of(view, gone)
    console.document(
        {
            "cancelled": view.event.name,
            "dropped": dropped,
            "with_it": [{"event": each.name, "signed": signers_of(view, each)} for each in beside],
            "rotation_ended": rotating and rotation is None,
            "leaked": leaks_document(stays),
            "next_steps": steps_document(steps),
        }
    )
    console.result(f"{done_sign(console, ok=True)} {view.event.name} is cancelled; {_loss(dropped)}")
    for each in beside:
        console.result(f"  {each.name} is cancelled with it; {_loss(signers_of(view, each))}")
    if rotating and rotation is None:
        console.result("  the online key stays as it is: its replacement is cancelled with it")
    show_steps(console, steps, now=SystemClock().now())


def _steps_after(repository: rstuf.Repository, view: rstuf.EventView) -> list[Step]:
    """What to do where something cannot end without what was cancelled, or a key that must go stays without it."""
    if view.event.kind is rstuf.EventKind.CEREMONY:
        # There is nothing published yet that a key could be left in.
        return [step_after_cancelled_ceremony()]
    steps = steps_to_propose_again(repository, view.event)
    left = next_steps(repository.status())
    abouts = {"leaked-key", "stray-key", "rotation", LOOSE, ENOUGH}
    return merged([*steps, *(step for step in left if step.about in abouts)])


def _ask(run: Run, view: rstuf.EventView) -> None:
    name = view.event.name
    if run.console.is_json or not prompts.person_is_there():
        raise UsageFault(f"there is nobody to ask whether to drop {name}", hint="--yes says that it is meant")
    run.console.note(waits_in_words(view))
    run.console.note(_loss(signers_of(view, view.event)))
    for each in view.companions:
        why = f"{name} was proposed with it" if each.role != "root" else f"it cannot come out without {name}"
        run.console.warning(f"{each.name} is cancelled, too, since {why}; {_loss(signers_of(view, each))}")
    with run.pondering():
        typed = prompts.ask(f"type {escape(name)} to drop it:").strip()
    if typed != name:
        raise UsageFault("that is not its name; nothing was changed", hint="rstuf event list shows the names")


def _loss(signed: Sequence[str]) -> str:
    """Whose signatures are dropped."""
    names = [escape(name) for name in signed]
    if not names:
        return "nobody had signed it"
    if len(names) == 1:
        return f"the signature of {names[0]} is dropped"
    return f"the signatures of {listed(names)} are dropped"
