"""How far an online key's rotation or replacement came, and what is to be done next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf_cli import proposing
from rstuf_cli.console import escape
from rstuf_cli.event_steps import steps_of
from rstuf_cli.exits import ExitCode
from rstuf_cli.must_go import steps_of_leaks_left
from rstuf_cli.named_keys import find_key, names_of
from rstuf_cli.reports import sign
from rstuf_cli.run import Run
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.waiting import ROTATING, tell_waiting
from rstuf_cli.waiting_status import going_in_words, holding_up, until_signed
from rstuf_cli.wording import day, listed, period


@dataclass(frozen=True, slots=True)
class Ending:
    """What it comes to in the end: the key that goes, what is said then, and what is to be done."""

    goes: rstuf.KeyEntry
    told: str
    steps: tuple[Step, ...]


def tell_ending(
    run: Run,
    repository: rstuf.Repository,
    standing: proposing.Standing,
    document: dict[str, Any],
    *,
    ending: Ending,
) -> int:
    """Say how far it came and what is to be done next; the exit code."""
    console, now, rotation = run.console, SystemClock().now(), repository.rotations.current()
    before = _root_before(repository, rotation)
    first = [] if before is None else steps_of(before)
    seen = repository.status()
    if rotation is not None and rotation.is_over(now):
        standing = _with_what_holds_up(standing, holding_up(seen))
    outdated = [view for view in seen.events if view.outdated is not None]
    steps = merged([*proposing.steps_of(standing), *first, *steps_of_leaks_left(repository)])
    steps = merged([*steps, *(step for view in outdated for step in steps_of(view))])
    still = _may_sign_yet(repository, ending.goes, seen)
    until = None
    if rotation is None and not still:
        steps += ending.steps
    roles = [view for view in standing.waiting if view.event.role != "root"]
    if rotation is not None and rotation.rooted is not None:
        until = rotation.rooted + rotation.overlap
    if until is not None and not roles:
        steps.append(Step("rstuf renew", "then ends it; a timer that runs it does so by itself", by=until))
    console.document(
        {
            **document,
            **proposing.standing_document(standing),
            "rotation": None if rotation is None else _document(rotation, names_of(repository)),
            "may_sign_yet": still,
            "next_steps": steps_document(steps),
        }
    )
    proposing.tell_standing(console, standing)
    if not console.is_json:
        tell_waiting(console, outdated)
    done = sign(console, ok=True)
    if rotation is None and still:
        console.warning(f"{escape(ending.goes.name)} may sign {listed(still)} yet, until what waits is signed")
    elif rotation is None:
        console.folded_result(f"{done} {ending.told}", indent=2)
    else:
        names = {keyid: escape(name) for keyid, name in names_of(repository).items()}
        old, new = names.get(rotation.old, rotation.old[:12]), names.get(rotation.new, rotation.new[:12])
        if until is not None:
            told = _until(seen, rotation, until, waits=roles)
            console.folded_result(f"{done} root v{rotation.root_version} names {new} alone; {told}", indent=2)
        elif before is not None:
            told = f"{before.event.name} comes first: the root that names {new} alone follows once it is out, or gone"
            console.folded_result(f"  {told}", indent=2)
        elif rotation.kind is rstuf.RotationKind.PLANNED:
            span = period(rotation.overlap)
            console.folded_result(
                f"{done} {old} and {new} both sign now; once root names {new} alone they go on for {span}", indent=2
            )
        else:
            root = next((view for view in standing.waiting if view.event.role == "root"), None)
            signed = "root is" if root is None or root.after is None else f"root and {escape(root.after)} are"
            console.folded_result(f"  {new} signs everything anew as soon as {signed} signed", indent=2)
    show_steps(console, steps, now=now)
    left = standing.waiting or before is not None or (rotation is None and still)
    return ExitCode.WAITING if left else standing.exit_code


def _root_before(repository: rstuf.Repository, rotation: rstuf.Rotation | None) -> rstuf.EventView | None:
    """The root that waits and is none of a rotation, whose own is proposed after that."""
    if rotation is None or rotation.root_version is not None:
        return None
    roots = (view for view in repository.events.views() if view.event.role == "root")
    return next((view for view in roots if view.event.kind not in ROTATING), None)


def _with_what_holds_up(standing: proposing.Standing, held: Sequence[rstuf.EventView]) -> proposing.Standing:
    """How far events came, with those that are no part of a rotation and must come out before it can end."""
    told = {*(view.event.name for view in standing.waiting), *(name for name, _ in standing.obstacles)}
    return replace(standing, waiting=(*standing.waiting, *(view for view in held if view.event.name not in told)))


def _may_sign_yet(repository: rstuf.Repository, goes: rstuf.KeyEntry, seen: rstuf.Status) -> list[str]:
    """The roles that list the key which goes, or another that goes with it."""
    roles = [use.role for use in find_key(repository, goes.name).uses]
    roles += [role.name for role in seen.roles if not set(seen.going).isdisjoint(role.keyids)]
    return list(dict.fromkeys(roles))


def _until(seen: rstuf.Status, rotation: rstuf.Rotation, until: datetime, *, waits: Sequence[rstuf.EventView]) -> str:
    """How long the old key has a say yet, once root does not name it any more."""
    if rotation.kind is rstuf.RotationKind.PLANNED and seen.now < until:
        return f"both sign until {day(until, seen.now)}"
    if waits:
        return "; ".join(until_signed(seen, view) for view in waits)
    return f"what is left is to let go of {going_in_words(seen)}"


def _document(rotation: rstuf.Rotation, names: dict[Any, str]) -> dict[str, Any]:
    return {
        "kind": rotation.kind.value,
        "old": {"keyid": rotation.old, "name": names.get(rotation.old)},
        "new": {"keyid": rotation.new, "name": names.get(rotation.new)},
        "root_version": rotation.root_version,
        "until": None if rotation.rooted is None else iso(rotation.rooted + rotation.overlap),
    }
