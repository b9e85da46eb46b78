"""What `rstuf status` says of signing events and of the replacement of an online key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import rstuf
from rstuf.clock import iso
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.event_steps import steps_among, steps_of
from rstuf_cli.must_go import marked
from rstuf_cli.reports import prepare_command
from rstuf_cli.steps import Step
from rstuf_cli.waiting import waits_in_words
from rstuf_cli.wording import day, listed

UNSIGNED: Final = "clients refuse targets until those whom the newest root names have signed it"


def steps_of_rotation(seen: rstuf.Status) -> list[Step]:
    """What goes on with the replacement of an online key that was cut off, or ends it when it is over."""
    rotation, roots = seen.rotation, [view for view in seen.events if view.event.role == "root"]
    if rotation is not None and rotation.root_version is None and not roots:
        old, new = _named(seen, rotation)
        why = f"the replacement of {escape(old)} by {escape(new)} was cut off before its root waited; goes on with it"
        return [Step("rstuf renew", why, about="rotation")]
    if rotation is not None and seen.unproposed:
        old, new = _named(seen, rotation)
        roles = listed([escape(role) for role in seen.unproposed])
        why = f"the replacement of {escape(old)} by {escape(new)} cannot end before {roles} is signed: proposes it anew"
        return [Step("rstuf renew", why, about=_about(rotation))]
    if rotation is None or not rotation.is_over(seen.now) or holding_up(seen):
        return []
    why = f"{escape(_named(seen, rotation)[1])} goes on without {going_in_words(seen)}"
    if rotation.kind is rstuf.RotationKind.PLANNED:
        why = f"the time of both keys is over; {why}"
    return [Step("rstuf renew", why, about=_about(rotation))]


def _about(rotation: rstuf.Rotation) -> str:
    return "leaked-key" if rotation.kind is rstuf.RotationKind.LEAKED else "rotation"


def holding_up(seen: rstuf.Status) -> list[rstuf.EventView]:
    """What waits and must come out before a rotation whose root is out can end."""
    return [view for view in seen.events if view.event.name in seen.holding_up]


def going_in_words(seen: rstuf.Status) -> str:
    """The keys that are let go of at the end of the rotation that goes on."""
    going = [escape(key.name) for key in seen.keys if key.keyid in seen.going]
    if not going and seen.rotation is not None:
        going = [escape(_named(seen, seen.rotation)[0])]
    return listed(going)


def goes_for_good(seen: rstuf.Status) -> set[str]:
    """The ids of keys that nobody is to put back: another one has their place, or is about to."""
    if seen.rotation is None:
        return {key.keyid for key in seen.keys if key.stray}
    if seen.rotation.kind is rstuf.RotationKind.PLANNED and not seen.rotation.is_over(seen.now):
        return set()
    named = next((role.keyids for role in seen.roles if role.name == "timestamp"), ())
    return {str(seen.rotation.old), *(key.keyid for key in seen.keys if key.keyid not in named)}


def steps_of_dates(seen: rstuf.Status) -> list[Step]:
    """What to do about roles that are due: of what people are to sign already, a renewal does nothing."""
    steps = [
        Step(command, f"clients refuse {names}: expired{_whose(command)}", soonest, about="expired")
        for command, names, soonest in _to_do_about(seen, rstuf.Health.OVERDUE)
    ]
    told = {step.command for step in steps}
    steps += [
        Step(command, f"{names}: time to sign again{_whose(command)}", soonest, about="due")
        for command, names, soonest in _to_do_about(seen, rstuf.Health.DUE)
        if command not in told
    ]
    return steps


def _whose(command: str) -> str:
    """Where a command is for somebody elsewhere: that it is, and what follows it here."""
    theirs = command.startswith("rstuf delegation prepare")
    return ", on the machine of whoever signs it; then here: rstuf delegation accept FILE" if theirs else ""


def _to_do_about(seen: rstuf.Status, health: rstuf.Health) -> Iterator[tuple[str, str, datetime]]:
    """For each command that helps roles of this health: their names, and when the first of them expires."""
    # Bins are shown under their prefix.
    waits = {str(part.batch or part.part.role): view for view in seen.events if not view.is_void for part in view.parts}
    found: dict[str, list[rstuf.RoleStatus]] = {}
    for role in (role for role in seen.roles if role.health == health):
        command = _first_command(waits[role.name], seen.events) if role.name in waits else _renewal_of(seen, role)
        found.setdefault(command, []).append(role)
    for command, roles in found.items():
        names = dict.fromkeys(role.name for role in roles)
        yield command, ", ".join(names), min(role.expires for role in roles)


def _renewal_of(seen: rstuf.Status, role: rstuf.RoleStatus) -> str:
    """What makes the next version of a role: a renewal here, or whoever makes it elsewhere."""
    here = sum(key.keyid in role.keyids and key.signer is not None and key.fault is None for key in seen.keys)
    if role.elsewhere is None or here >= role.threshold:
        return "rstuf renew"
    return prepare_command(role.name, role.elsewhere)


def _first_command(view: rstuf.EventView, others: Collection[rstuf.EventView]) -> str:
    """What brings an event on: where it is signed, and another must come out first, what brings that on."""
    steps = _short(steps_among(view, others))
    return steps[0].command if steps else f"rstuf event show {view.event.name}"


def steps_of_event(seen: rstuf.Status, view: rstuf.EventView) -> list[Step]:
    """What to do about an event that waits."""
    steps = marked(seen, view, _short(steps_of(view)))
    if view.is_void:
        return steps
    if view.event.role == "targets" and seen.unsigned_targets:
        return [replace(step, about="unsigned-targets", why=f"{step.why}; {UNSIGNED}") for step in steps]
    if view.event.role not in seen.overtaken:
        return steps
    why = overtaken_in_words([view.event.role])
    return [replace(step, about="overtaken", why=f"{step.why}; {why}") for step in steps]


def steps_of_unsigned(seen: rstuf.Status) -> list[Step]:
    """What brings targets that clients accept; where it waits already, that is told as its event."""
    waits = any(view.event.role == "targets" and not view.is_void for view in seen.events)
    if not seen.unsigned_targets or waits:
        return []
    return [Step("rstuf renew", f"{UNSIGNED}; signs it, or lets people sign it", about="unsigned-targets")]


def steps_of_overtaken(seen: rstuf.Status) -> list[Step]:
    """What lets people sign again of what clients may have seen more; what waits of it is told as that."""
    waits = {view.event.role for view in seen.events if not view.is_void}
    roles = [role for role in seen.overtaken if role not in waits]
    why = f"{overtaken_in_words(roles)}: signs it, or lets people sign it"
    return [Step("rstuf renew", why, about="overtaken")] if roles else []


def overtaken_in_words(roles: Sequence[str]) -> str:
    """`clients that may have seen a newer targets follow no more until it is signed above that`."""
    return (
        f"the state was made anew, and clients may have seen newer {listed([escape(role) for role in roles])}: these "
        "follow no more until that is signed anew"
    )


def _short(steps: Iterable[Step]) -> list[Step]:
    """Where much is to be said, the file of a bundle is left to the command."""
    return [replace(step, command=step.command.partition(" -o ")[0]) for step in steps]


def rotation_document(seen: rstuf.Status, rotation: rstuf.Rotation) -> dict[str, Any]:
    """A rotation as data."""
    old, new = _named(seen, rotation)
    return {
        "kind": str(rotation.kind),
        "old": old,
        "new": new,
        "begun": iso(rotation.begun),
        "root_version": rotation.root_version,
        "both_until": None if rotation.until is None else iso(rotation.until),
        "over": rotation.is_over(seen.now),
    }


def show_waiting(console: Console, seen: rstuf.Status) -> None:
    """What waits for signatures, and the replacement of an online key."""
    lines = [waits_in_words(view) for view in seen.events]
    if seen.rotation is not None:
        lines.insert(0, _in_words(seen, seen.rotation))
    for each in lines:
        first, *rest = console.folded(f"  ! {each}", indent=4)
        for part in (f"  {console.paint('!', Style.WARN)}{first[3:]}", *rest):
            console.line(part)


def _in_words(seen: rstuf.Status, rotation: rstuf.Rotation) -> str:
    old, new = (escape(name) for name in _named(seen, rotation))
    begins = f"the online key is being replaced: {old} → {new}"
    if rotation.until is None:
        both = rotation.kind is rstuf.RotationKind.PLANNED
        return f"{begins}; {'both sign until' if both else f'{new} signs once'} a root without {old} is published"
    waits = holding_up(seen)
    if waits and rotation.is_over(seen.now):
        return f"{begins}; {'; '.join(until_signed(seen, view) for view in waits)}"
    if rotation.is_over(seen.now):
        return f"{begins}; rstuf renew ends it"
    return f"{begins}; both sign until {day(rotation.until, seen.now)}, then rstuf renew ends it"


def until_signed(seen: rstuf.Status, waits: rstuf.EventView) -> str:
    """What holds while people have not signed what takes keys out of what their role delegates."""
    if waits.event.role == "targets":
        return until_targets(seen, waits)
    below = [role for role in seen.roles if role.parent == waits.event.role]
    kept = [key for key in seen.keys if key.keyid in seen.going and any(key.keyid in role.keyids for role in below)]
    leaked = [key for key in kept if key.leaked_in]
    names = listed([escape(key.name) for key in leaked or kept], last="or")
    event = escape(waits.event.name)
    signed = listed([escape(role.name) for role in below if any(key.keyid in role.keyids for key in leaked)], last="or")
    if any(waits.lists(key.keyid) for key in leaked):
        return f"{event} would let {names} sign on: whoever has it can still sign {signed} until one without it is out"
    if leaked:
        return f"until {event} is signed, whoever has {names} can still sign {signed}"
    if any(waits.lists(key.keyid) for key in kept):
        return f"{event} lets {names} sign on; one without it comes after that"
    return f"it ends once {event} is signed"


def until_targets(seen: rstuf.Status, waits: rstuf.EventView) -> str:
    """What holds while people have not signed the targets that takes keys out.

    It is about the keys that sign bins now: where a new key turned out to be lost or in the wrong hands before people
    had let it sign them, these are others than the one that goes.

    Args:
        waits: of targets, what takes them out; that may have to come after it.
    """
    event, signing = escape(waits.event.name), _signing_yet(seen)
    leaked = [key for key in signing if key.leaked_in]
    about = leaked or signing
    names = listed([escape(key.name) for key in about], last="and" if leaked else "or")
    if any(waits.lists(key.keyid) for key in about):
        if leaked:
            return (
                f"{event} would let {names} sign bins on: whoever has it can change contents until one without it is "
                "out"
            )
        return f"{event} lets {names} sign bins on; one without it comes after that"
    if leaked:
        return f"until {event} is signed, whoever has {names} can still change contents"
    planned = seen.rotation is not None and seen.rotation.kind is rstuf.RotationKind.PLANNED
    if signing and (not planned or all(key.fault is not None for key in _bin_keys(seen))):
        return f"until {event} is signed, bins need {names}: without it nothing can be published"
    return f"it ends once {event} is signed"


def _signing_yet(seen: rstuf.Status) -> list[rstuf.KeyStatus]:
    """The keys that sign bins now, without the one that is to sign them."""
    new = None if seen.rotation is None else seen.rotation.new
    return [key for key in _bin_keys(seen) if key.keyid != new]


def _bin_keys(seen: rstuf.Status) -> list[rstuf.KeyStatus]:
    signers = {keyid for role in seen.roles if role.kind == rstuf.RoleKind.BIN for keyid in role.keyids}
    return [key for key in seen.keys if key.keyid in signers]


def way_for_bins(seen: rstuf.Status) -> tuple[str, str] | None:
    """What must be done before bins can be signed, and why: none of their keys is here, and people let another sign."""
    waits = next((view for view in seen.events if view.event.role == "targets" and not view.is_void), None)
    keys = _bin_keys(seen)
    if waits is None or not keys or any(key.fault is None for key in keys):
        return None
    return _first_command(waits, seen.events), until_targets(seen, waits)


def _named(seen: rstuf.Status, rotation: rstuf.Rotation) -> tuple[str, str]:
    """What the key that goes and the one that takes its place are called."""
    names = {key.keyid: key.name for key in seen.keys}
    return names.get(rotation.old, rotation.old[:12]), names.get(rotation.new, rotation.new[:12])
