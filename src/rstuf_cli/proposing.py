"""What people must sign: it is shown and asked about, signed with the keys that are here, and told how far it came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import RstufError
from rstuf_cli import prompts
from rstuf_cli.console import Console, escape, escape_message
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import sign
from rstuf_cli.review_screen import screen
from rstuf_cli.run import Run
from rstuf_cli.steps import Step
from rstuf_cli.wording import count, listed

_WORKSPACE = "what this workspace published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far events came.

    Attributes:
        done: the events that are visible to clients now.
        waiting: those that wait for more signatures.
        obstacles: what keeps events that everybody has signed from becoming visible, by name.
    """

    done: tuple[str, ...] = ()
    waiting: tuple[rstuf.EventView, ...] = ()
    obstacles: tuple[tuple[str, RstufError], ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """Waiting is no failure, and not the end either."""
        if self.obstacles:
            return ExitCode.UNVERIFIED
        return ExitCode.WAITING if self.waiting else ExitCode.DONE


# --- asking


def refuse_unasked(run: Run, *, hint: str = "--yes says that it is") -> None:
    """
    Raises:
        UsageFault: nobody can be asked, and no option answers.
    """
    if not run.options.yes and (run.console.is_json or not prompts.person_is_there()):
        raise UsageFault("there is nobody to ask whether that is meant", hint=hint)


def ask_typed(run: Run, word: str, *, to: str) -> None:
    """Let a person type `word` before something that cannot be taken back; --yes answers beforehand.

    Raises:
        UsageFault: they typed something else.
    """
    if run.options.yes:
        return
    with run.pondering():
        typed = prompts.ask(f"type {escape(word)} to {to}:").strip()
    if typed != word:
        raise UsageFault(f"that is not {word}; nothing was changed", hint="run it again when you are sure")


def ask_drop(run: Run, repository: rstuf.Repository, name: str, signed: Sequence[str]) -> None:
    """Say what an open event would lose, and let a person type its name where that is a signature.

    Raises:
        UsageFault: they typed something else.
    """
    lost = f"the signatures of {listed([escape(each) for each in signed])}" if signed else "no signature yet"
    run.console.warning(f"{name} waits already, with {lost}; this takes its place and drops it")
    rotation = repository.events.rotation()
    if rotation is not None and rotation.root_version is None:
        run.console.warning("with it ends the rotation of the online key that it belongs to")
    if signed:
        ask_typed(run, name, to="drop it")


def agrees(run: Run, question: str) -> bool:
    """Whether a person says yes; --yes answers beforehand."""
    if run.options.yes:
        return True
    with run.pondering():
        return prompts.agrees(question)


# --- showing


def review_of(repository: rstuf.Repository, bundle: rstuf.Bundle) -> rstuf.Review:
    """A bundle of this workspace, judged by the first root that it published.

    Raises:
        ProposalRefused: nobody should sign it.
    """
    review = rstuf.review_bundle(bundle, now=SystemClock().now(), trusted=repository.root(1))
    # Keys are called here what this workspace calls them.
    return replace(review, concerns=tuple(each for each in review.concerns if each.code != "names-unknown"))


def show_review(run: Run, review: rstuf.Review) -> None:
    """Show it to whoever will be asked, wherever stdout and stderr go; a document says it itself."""
    if run.console.is_json:
        return
    console, lines = run.console, screen(review, source=_WORKSPACE)
    console.error(line.painted(console, error=True) for line in lines)
    if not run.options.yes:
        prompts.show([line.text for line in lines], unless=console.error_stream)


def list_review(console: Console, review: rstuf.Review) -> None:
    """The same as the answer of a command."""
    for line in screen(review, source=_WORKSPACE):
        console.line(line.painted(console, error=False))


# --- signing


def sign_here(run: Run, repository: rstuf.Repository, names: Iterable[str], *, keys: bool) -> Standing:
    """How far events come with the keys that are here; without `keys` they are only opened."""
    names, done, obstacles = tuple(names), list[str](), dict[str, RstufError]()
    for name in names:
        if not keys or name not in {view.event.name for view in repository.events.views()}:
            continue
        signed = repository.events.sign(name)
        for each in signed.completions:
            if each.obstacle is None:
                done.append(each.event.name)
                obstacles.pop(each.event.name, None)
            else:
                obstacles[each.event.name] = each.obstacle
    run.progress.close()
    opened = [view for view in repository.events.views() if view.event.name in names]
    waiting = tuple(view for view in opened if view.event.name not in obstacles)
    return Standing(done=tuple(dict.fromkeys(done)), waiting=waiting, obstacles=tuple(obstacles.items()))


# --- telling


def standing_document(standing: Standing) -> dict[str, Any]:
    """How far events came, as data."""
    return {
        "published": list(standing.done),
        "waiting": [
            {
                "event": view.event.name,
                "signed": signed_in(view),
                "missing": max(side.missing for part in view.parts for side in part.sides),
                "wanted": _wanted(view),
            }
            for view in standing.waiting
        ],
        "obstacles": [
            {"event": name, "code": error.code, "message": error.message} for name, error in standing.obstacles
        ],
    }


def tell_standing(console: Console, standing: Standing) -> None:
    """How far events came, for people."""
    for name in standing.done:
        role, _, version = name.rpartition("-")
        console.result(f"{sign(console, ok=True)} {escape(role)} {version} is signed and published")
    for view in standing.waiting:
        signed = signed_in(view)
        console.result(f"  {view.event.name} waits{_counted(view)}")
        by = f"signed by {listed([escape(name) for name in signed])}" if signed else "nobody has signed it yet"
        wanted = _wanted(view)
        missing = f"; missing: {listed([escape(name) for name in wanted], last='or')}" if wanted else ""
        console.folded_result(f"    {by}{missing}", indent=4)
    for name, error in standing.obstacles:
        console.warning(f"{name} is signed, and cannot come out yet: {escape_message(error.message)}")
        if error.hint:
            console.error(console.fold(f"    {escape_message(error.hint)}", indent=4))


def steps_of(standing: Standing) -> list[Step]:
    """What to do next about events that wait."""
    steps = []
    for view in standing.waiting:
        name = view.event.name
        steps.append(Step(f"rstuf sign {name}", "where a key that is missing is at hand", about="event"))
        away = f"rstuf bundle export {name} -o {name}.rstuf"
        steps.append(Step(away, "for holders who are away; rstuf bundle import FILE takes in what they sign"))
    return steps


def _counted(view: rstuf.EventView) -> str:
    missing = max((side.missing for part in view.parts for side in part.sides), default=0)
    return f" for {count(missing, 'more signature')}" if missing else ""


def signed_in(view: rstuf.EventView) -> list[str]:
    """Who has signed an event, by name."""
    keyids = dict.fromkeys(keyid for part in view.parts for side in part.sides for keyid in side.signed)
    return [view.names.get(keyid, keyid[:12]) for keyid in keyids]


def _wanted(view: rstuf.EventView) -> list[str]:
    keyids = dict.fromkeys(keyid for part in view.parts for keyid in part.wanted)
    return [view.names.get(keyid, keyid[:12]) for keyid in keyids]
