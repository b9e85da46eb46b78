"""What people must sign: it is shown and asked about, signed with the keys that are here, and told how far it came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import rstuf
from rstuf.errors import RstufError
from rstuf_cli import prompts
from rstuf_cli.console import Console, escape, escape_message
from rstuf_cli.event_steps import steps_of as steps_of_event
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import Declined, UsageFault
from rstuf_cli.reports import sign
from rstuf_cli.run import Run
from rstuf_cli.sitting import Sitting, closed_document, tell_closed
from rstuf_cli.steps import Step, merged
from rstuf_cli.waiting import signers_of, tell_waiting, with_signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far events came.

    Attributes:
        done: the events that are visible to clients now.
        waiting: those that wait for more signatures.
        obstacles: what keeps events that everybody has signed from becoming visible, by name.
        closed: the keys that they still wait for, that were to sign here, and did not.
    """

    done: tuple[str, ...] = ()
    waiting: tuple[rstuf.EventView, ...] = ()
    obstacles: tuple[tuple[str, RstufError], ...] = ()
    closed: tuple[rstuf.ClosedKey, ...] = ()

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
        Declined: they typed something else.
    """
    if run.options.yes:
        return
    with run.pondering():
        typed = prompts.ask(f"type {escape(word)} to {to}:").strip()
    if typed != word:
        raise Declined(f"that is not {word}; nothing was changed", hint="run it again when you are sure")


def ask_drop(run: Run, repository: rstuf.Repository, dropped: Sequence[rstuf.EventView]) -> bool:
    """Say what open events would lose, and let a person type their names where that is a signature.

    Returns:
        Whether anything was asked.

    Raises:
        Declined: they typed something else.
    """
    rotation, named = repository.rotations.current(), {view.event.id for view in dropped}
    gone = dict[str, list[str]]()
    for view in dropped:
        gone[view.event.name] = signed_in(view)
        told = with_signatures(gone[view.event.name])
        run.console.warning(f"{view.event.name} waits already, {told}; this takes its place and drops it")
        if rotation is not None and rotation.root_version is None and view.event.role == "root" and _is_its(view):
            run.console.warning("with it ends the rotation of the online key that it belongs to")
        for each in (each for each in replaced_with(view) if each.id not in named):
            gone[each.name] = signers_of(view, each)
            run.console.warning(f"{each.name} goes with {view.event.name}, {with_signatures(gone[each.name])}")
    asked = [name for name, signed in gone.items() if signed]
    for name in asked:
        ask_typed(run, name, to="drop it")
    return bool(asked)


def _is_its(view: rstuf.EventView) -> bool:
    """Whether an event belongs to the replacement of an online key."""
    return view.event.kind in {rstuf.EventKind.ROTATION, rstuf.EventKind.REPLACEMENT}


def replaced_with(view: rstuf.EventView) -> tuple[rstuf.SigningEvent, ...]:
    """What goes with an event whose place another takes: new targets are as good to a root that waits for them."""
    return view.companions if view.event.role == "root" else ()


def agrees(run: Run, question: str) -> bool:
    """Whether a person says yes; --yes answers beforehand."""
    if run.options.yes:
        return True
    with run.pondering():
        return prompts.agrees(question)


# --- signing


def sign_here(sitting: Sitting, reviews: Iterable[rstuf.Review], *, keys: bool) -> Standing:
    """How far events come with the keys that are here, once they were shown; without `keys` they are only opened."""
    desk, reviews = sitting.repository.events, tuple(reviews)
    done, obstacles = list[str](), dict[str, RstufError]()
    for review in reviews:
        if not keys or review.event in done:
            continue
        for each in sitting.sign(review).completions:
            if each.obstacle is None:
                done.append(each.event.name)
                obstacles.pop(each.event.name, None)
            else:
                obstacles[each.event.name] = each.obstacle
    sitting.run.progress.close()
    waiting = tuple(view for view in desk.views() if view.event.name not in obstacles and _is_among(view, reviews))
    wanted = {keyid for view in waiting for keyid in view.wanted}
    closed = tuple(each for each in sitting.closed if each.keyid in wanted)
    return Standing(done=tuple(dict.fromkeys(done)), waiting=waiting, obstacles=tuple(obstacles.items()), closed=closed)


def _is_among(view: rstuf.EventView, reviews: Iterable[rstuf.Review]) -> bool:
    """Whether an event is what was shown, and not another one that has its name by now."""
    digests = {part.digest for part in view.parts}
    return any(
        review.event == view.event.name and digests <= {part.digest for part in review.parts} for review in reviews
    )


# --- telling


def standing_document(standing: Standing) -> dict[str, Any]:
    """How far events came, as data."""
    return {
        "published": list(standing.done),
        "waiting": [
            {
                "event": view.event.name,
                "signed": signed_in(view),
                "missing": view.lacking,
                "wanted": _wanted(view),
                "expired": view.expired,
                "outdated": None if view.outdated is None else view.outdated.why,
                "lacks_targets": view.lacks_targets,
            }
            for view in standing.waiting
        ],
        "obstacles": [
            {"event": name, "code": error.code, "message": error.message} for name, error in standing.obstacles
        ],
        "closed": closed_document(standing.closed),
    }


def tell_standing(console: Console, standing: Standing) -> None:
    """How far events came, for people."""
    for name in standing.done:
        role, _, version = name.rpartition("-")
        console.result(f"{sign(console, ok=True)} {escape(role)} {version} is signed and published")
    tell_waiting(console, standing.waiting)
    tell_closed(console, standing.closed)
    for name, error in standing.obstacles:
        console.warning(f"{name} is signed, and cannot come out yet: {escape_message(error.message)}")
        if error.hint:
            console.error(console.fold(f"    {escape_message(error.hint)}", indent=4))


def steps_of(standing: Standing) -> list[Step]:
    """What to do next about events that wait."""
    return merged(step for view in standing.waiting for step in steps_of_event(view))


def signed_in(view: rstuf.EventView) -> list[str]:
    """Who has signed an event, by name."""
    keyids = dict.fromkeys(keyid for part in view.parts for side in part.sides for keyid in side.signed)
    return [view.names.get(keyid, keyid[:12]) for keyid in keyids]


def _wanted(view: rstuf.EventView) -> list[str]:
    keyids = dict.fromkeys(keyid for part in view.parts for keyid in part.wanted)
    return [view.names.get(keyid, keyid[:12]) for keyid in keyids]
