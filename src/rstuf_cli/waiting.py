"""Signing events in words and as data: who has signed, who is missing, what comes of it, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import rstuf
from rstuf.clock import iso
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.delegated_again import command_that_delegates
from rstuf_cli.exits import ExitCode, exit_code_of
from rstuf_cli.failures import failure_of, show_failure
from rstuf_cli.reports import publication_document, roles_in_words
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.review_document import side_document
from rstuf_cli.wording import count, listed, number

KINDS: Final = {
    rstuf.EventKind.CEREMONY: "the first root",
    rstuf.EventKind.UPDATE: "other keys, thresholds or periods",
    rstuf.EventKind.RENEWAL: "the same for longer",
    rstuf.EventKind.ROTATION: "another online key, step by step",
    rstuf.EventKind.REPLACEMENT: "another online key, at once",
    rstuf.EventKind.HANDBACK: "the bins back to the online key that stays",
    rstuf.EventKind.RESIZE: "another number of bins",
    rstuf.EventKind.CONTENTS: "what it lists",
    rstuf.EventKind.DELEGATION: "other delegations",
    rstuf.EventKind.BROUGHT: "what it lists, as it was made elsewhere",
}

ROTATING: Final = (rstuf.EventKind.ROTATION, rstuf.EventKind.REPLACEMENT)
"""The kinds of events by which an online key changes."""
_RESIZE: Final = "rstuf bins resize"
_WHY: Final = {
    rstuf.DropReason.EXPIRED: "expired before everybody had signed it, and is",
    rstuf.DropReason.OUTRUN: "was proposed over the root before, and another has its number: it is",
    rstuf.DropReason.BESIDE: "goes with it: it is",
    rstuf.DropReason.GAVE_WAY: (
        "was not signed in time by those whom a proposed root lets sign: what is in force runs out, so this is"
    ),
    rstuf.DropReason.OUTDATED: "could come out no more, since something newer was published: it is",
    rstuf.DropReason.REPLACED: "gave its place to another one, and is",
}


def signer_in_words(view: rstuf.EventView, keyid: str) -> str:
    """`dora, which leaked`: whose signature is there, or is missing."""
    lost = ", which is lost" if keyid in view.lost else ""
    return f"{escape(view.name_of(keyid))}{', which leaked' if keyid in view.leaked else lost}"


def named(view: rstuf.EventView, keyids: Iterable[str], *, last: str = "and") -> str:
    """Keys by their names, in words."""
    return listed([escape(view.name_of(keyid)) for keyid in keyids], last=last)


def what(event: rstuf.SigningEvent) -> str:
    """`root v4`: what an event would bring."""
    return f"{escape(event.role)} v{number(event.version)}"


def about(view: rstuf.EventView) -> str:
    """`another number of bins: 4`: what an event is for."""
    told = KINDS[view.event.kind]
    if view.resizes_to is not None:
        return f"{told}: {number(view.resizes_to)}{', signed with it' if view.batched else ''}"
    return f"{told}, in {count(view.batched, 'bin')}" if view.batched else told


def waits_in_words(view: rstuf.EventView) -> str:
    """`root v4 waits for 1 more signature (signed: laptop; missing: yubikey or vault)`."""
    told = _waits(view)
    return told if view.is_void or not view.keeps else f"{told}; {keeps_in_words(view)}"


def keeps_in_words(view: rstuf.EventView) -> str:
    """`it lets bob sign on, which leaked`; of a key that it takes out of one role and not of another, that."""
    partly = [keyid for keyid in view.keeps if view.out_of(keyid)]
    wholly = [keyid for keyid in view.keeps if keyid not in partly]
    told = [f"it lets {named(view, wholly)} sign on, which leaked"] if wholly else []
    return "; ".join([*told, *(f"it takes {out_of_in_words(view, keyid)}" for keyid in partly)])


def out_of_in_words(view: rstuf.EventView, keyid: str) -> str:
    """`tara, which leaked, out of team, and not out of ops yet`."""
    out, rest = (listed([escape(role) for role in roles]) for roles in (view.out_of(keyid), view.signs_on(keyid)))
    return f"{escape(view.name_of(keyid))}, which leaked, out of {out}, and not out of {rest} yet"


def gives_in_words(view: rstuf.EventView, *, s: str = "") -> str:
    """`let carol sign, which leaked`, `leave root to bob, which leaked`: what comes of a root that must never come out.

    Args:
        s: the ending of the verb.
    """
    leaked = f"{named(view, view.leaks)}{{}}, which leaked"
    return (
        f"leave{s} {listed(view.leaves)} to {leaked.format('')}" if view.leaves else f"let{s} {leaked.format(' sign')}"
    )


def _waits(view: rstuf.EventView) -> str:
    if view.expired:
        return f"{what(view.event)} expired before everybody had signed it: nobody can use it any more"
    if view.outdated is not None:
        return f"{what(view.event)} is outdated: {escape(view.outdated.why)}; nobody should sign it"
    if view.leaks and view.leaks_by != view.event.name:
        return f"{what(view.event)} was proposed for {view.leaks_by}, which must never come out: nobody should sign it"
    if view.leaks:
        return f"{what(view.event)} would {gives_in_words(view)}: it must never come out"
    if view.ready:
        return f"{what(view.event)} has all its signatures, and is not published yet"
    stuck = "cannot come out before targets that its keys have signed, too: none waits for them"
    if not view.lacking:
        how = stuck if view.lacks_targets else _after(view)
        return f"{what(view.event)} has all its signatures, and {how}"
    signed = listed([signer_in_words(view, keyid) for keyid in view.counted]) or "nobody"
    asked = [
        signer_in_words(view, keyid) if keyid in view.lost else escape(view.name_of(keyid)) for keyid in view.asked
    ]
    missing = listed(asked, last="and" if view.lacking >= len(asked) else "or")
    waits = f"waits for {count(view.lacking, 'more signature')}"
    told = f"{what(view.event)} {waits} (signed: {signed}; missing: {missing})"
    return f"{told}, and {stuck}" if view.lacks_targets else told


def _after(view: rstuf.EventView) -> str:
    """What must come before an event that everybody has signed."""
    before = escape(view.after or "")
    if view.event.role == "root" and view.event.kind is rstuf.EventKind.REPLACEMENT:
        # That follows it at once, so it need not be out, but signed.
        return f"comes out once {before} has them, too"
    return f"comes out after {before}"


def sides_of(part: rstuf.PartView) -> Iterator[tuple[str, rstuf.PartSide]]:
    """Who must sign a part: whose keys they are, and they; sides that are the same stand together."""
    together: dict[tuple[int, frozenset[str]], tuple[list[str], rstuf.PartSide]] = {}
    for side in part.sides:
        together.setdefault((side.threshold, frozenset(side.keyids)), ([], side))[0].append(side.label)
    for labels, side in together.values():
        yield listed(labels), side


def event_document(view: rstuf.EventView) -> dict[str, Any]:
    """An event as data. Who must still sign is only said of one that is open."""
    event = view.event
    is_open = event.phase is rstuf.EventPhase.OPEN
    return {
        "name": event.name,
        "role": event.role,
        "version": event.version,
        "kind": str(event.kind),
        "bins": view.resizes_to,
        "state": str(event.phase),
        "opened": iso(event.opened),
        "opened_by": event.actor,
        "closed": None if event.closed is None else iso(event.closed),
        "parts": [_part_document(part, is_open=is_open) for part in view.parts],
        "signatures": [
            {
                "role": part.role,
                "keyid": each.keyid,
                "key": view.name_of(each.keyid),
                "at": iso(each.at),
                "brought_by": each.actor,
                **({"leaked": True} if each.keyid in view.leaked else {}),
            }
            for part in event.parts
            for each in part.signatures
        ],
        "lacking": view.lacking if is_open else 0,
        "missing": [{"keyid": keyid, "key": view.name_of(keyid)} for keyid in (view.wanted if is_open else ())],
        "here": list(view.here),
        "after": view.after,
        "lacks_targets": view.lacks_targets,
        "gives_way": view.gives_way,
        "companions": [each.name for each in view.companions],
        "expires": iso(view.expires),
        "expired": view.expired,
        "outdated": None if view.outdated is None else view.outdated.why,
        "leaks": [{"keyid": keyid, "key": view.name_of(keyid)} for keyid in view.leaks],
        "keeps": [{"keyid": keyid, "key": view.name_of(keyid)} for keyid in view.keeps],
        "instead": None if view.beyond is None else view.beyond.way,
    }


def _part_document(part: rstuf.PartView, *, is_open: bool) -> dict[str, Any]:
    document = {"role": part.part.role, "version": part.part.version, "sha256": part.digest}
    if not is_open:
        return document
    return {**document, "sides": [side_document(side) for side in part.sides]}


def reception_document(reception: rstuf.Reception) -> dict[str, Any]:
    """What became of a signature, as data."""
    document: dict[str, Any] = {
        "event": reception.event,
        "key": reception.who,
        "keyid": reception.keyid,
        "outcome": str(reception.outcome),
    }
    if reception.leaked:
        document["leaked"] = True
    if reception.found:
        document["found"] = True
    if reception.error is not None:
        document["error"] = error_document(reception.error)
    return document


def error_document(error: BaseException) -> dict[str, Any]:
    """Why something was refused, beside what was not."""
    failure = failure_of(error)
    hint = {"hint": failure.hint} if failure.hint is not None else {}
    return {"code": failure.code, "message": failure.message, **hint}


def completion_document(completion: rstuf.Completion) -> dict[str, Any]:
    """What became of an event that everybody has signed, as data."""
    document: dict[str, Any] = {
        "event": completion.event.name,
        "role": completion.event.role,
        "version": completion.event.version,
        "published": completion.obstacle is None,
    }
    if completion.publication is not None:
        document["publication"] = publication_document(completion.publication)
    if completion.obstacle is not None:
        document["obstacle"] = error_document(completion.obstacle)
    if completion.leaked:
        document["leaked"] = list(completion.leaked)
    return document


def signers_of(view: rstuf.EventView, event: rstuf.SigningEvent) -> list[str]:
    """Who has signed the event of a view, or one beside it, by name."""
    return list(dict.fromkeys(view.name_of(each.keyid) for part in event.parts for each in part.signatures))


def dropped_document(dropped: Iterable[rstuf.DroppedEvent]) -> list[dict[str, Any]]:
    """Events that were dropped, as data."""
    return [
        {
            "event": each.name,
            "signed": list(each.signed),
            "why": str(each.why),
            "propose_again": again_of(each),
            "after": each.after,
        }
        for each in dropped
    ]


def published_document(report: rstuf.PublicationReport) -> dict[str, Any]:
    """What a publication did, as data, with the events that it dropped, if any."""
    document = publication_document(report)
    return {**document, "dropped": dropped_document(report.dropped)} if report.dropped else document


def again_of(dropped: rstuf.DroppedEvent) -> list[str]:
    """The commands that propose again what was lost, in turn: each once the root of the one before it is out."""
    if dropped.delegation is not None:
        return [command_that_delegates(dropped.delegation)]
    role = dropped.name.rpartition("-v")[0]
    whose = "" if role == "targets" else f" --role {role}"
    by = "" if dropped.signers is None else f" --signed-by {dropped.signers}"
    commands = [] if dropped.bins is None else [f"{_RESIZE} {dropped.bins}{whose}{by}"]
    if dropped.lost is None:
        return commands
    at_once = _taking_out(dropped.lost)
    return [*commands, at_once] if at_once else [*commands, *map(command_of, (dropped.lost, *dropped.lost.others))]


def _taking_out(update: rstuf.RootUpdate) -> str | None:
    """The command that takes one key out of all that people sign, and may let another in; None where it is not that."""
    changes = {each.role: (each.add, each.remove) for each in (update, *update.others)}
    if len(changes) < 2 or len(set(changes.values())) > 1 or update.periods is not None:
        return None
    add, remove = changes[update.role]
    if len(remove) != 1 or len(add) > 1:
        return None
    why = "" if update.loss is None else f" --{update.loss.value}"
    command = f"rstuf recover root-key {remove[0]}{why} --to {add[0]}" if add else f"rstuf key revoke {remove[0]}{why}"
    options = {"root": "--threshold", "targets": "--targets-threshold"}
    said = [f" {options[each.role]} {each.threshold}" for each in (update, *update.others) if each.threshold]
    return command + "".join(said)


def command_of(update: rstuf.RootUpdate) -> str:
    """The command that proposes what an update says of its own role."""
    words = ["rstuf root update"]
    if update.role != "root":
        words.append(f"--role {update.role}")
    words += [f"--add {name}" for name in update.add] + [f"--remove {name}" for name in update.remove]
    if update.threshold is not None:
        words.append(f"--threshold {update.threshold}")
    if update.periods is not None:
        words.append(f"--expires {rstuf.format_duration(update.periods.expires)}")
        if update.periods != rstuf.Periods.of(update.periods.expires):
            words.append(f"--renew-before {rstuf.format_duration(update.periods.renew_before)}")
    return " ".join(words)


def tell_dropped(console: Console, dropped: Iterable[rstuf.DroppedEvent]) -> None:
    """The events that were dropped though nobody named them, for people; of what was replaced, what is lost with it."""
    if console.is_json:
        return
    for each in dropped:
        again = again_of(each)
        if each.why is rstuf.DropReason.REPLACED and not again:
            # What took its place was shown, and asked about.
            continue
        lost = f", {with_signatures(each.signed)}" if each.signed else ""
        console.warning(f"{escape(each.name)} {_WHY[each.why]} dropped{lost}")
        if again:
            once = "" if each.after is None else f" once the {escape(each.after)} that waits now is out"
            told = f"to propose that again{once}: {escape('; and once that root is out: '.join(again))}"
            console.error(console.fold(f"    what it was to change is lost; {told}", indent=4))


def with_signatures(signed: Sequence[str]) -> str:
    """`with the signatures of alice and bob`: what goes with an event."""
    if not signed:
        return "with no signature yet"
    return (
        f"with the {'signature' if len(signed) == 1 else 'signatures'} of {listed([escape(each) for each in signed])}"
    )


def tell_leaked(
    console: Console, receptions: Iterable[rstuf.Reception], completions: Iterable[rstuf.Completion] = ()
) -> None:
    """The signatures that count and that somebody else may have made, now and before, for people."""
    if console.is_json:
        return
    receptions = list(receptions)
    for each in receptions:
        if each.found:
            told = f"{escape(each.who)} was said to be lost, and has signed {escape(each.event or '')}"
            console.warning(f"{told}: see that its holder has found it")
    found = {(each.event or "", each.who): None for each in receptions if each.leaked}
    found |= {(each.event.name, who): None for each in completions for who in each.leaked}
    for event, who in found:
        console.warning(
            f"{escape(who)} leaked, and its signature of {escape(event)} counts: see that its holder made it"
        )


def tell_completions(console: Console, completions: Sequence[rstuf.Completion]) -> None:
    """What came out, and what keeps the rest, for people."""
    if console.is_json:
        return
    for each in completions:
        if each.obstacle is not None:
            # Of a ceremony root is out then, and what follows it is not.
            first = each.event.kind == rstuf.EventKind.CEREMONY
            kept = "its ceremony cannot end yet" if first else "cannot be published yet"
            console.warning(f"{what(each.event)} has all its signatures, and {kept}")
            show_failure(console, failure_of(each.obstacle), data={})
            continue
        console.result(f"{done_sign(console, ok=True)} {what(each.event)} has all its signatures, and is published")
        publication = each.publication
        if publication is not None and publication.roles:
            roles = roles_in_words(role.name for role in publication.roles)
            console.folded_result(
                f"  {roles} published with it, as timestamp v{number(publication.timestamp_version)}", indent=2
            )


def tell_waiting(console: Console, views: Iterable[rstuf.EventView]) -> None:
    """Who is missing, for people: part of the answer."""
    for view in views:
        first, *rest = console.folded(f"! {waits_in_words(view)}", indent=2)
        console.line(console.paint("!", Style.WARN) + first[1:])
        for line in rest:
            console.line(line)


def exit_of(completions: Iterable[rstuf.Completion], waiting: Iterable[rstuf.EventView]) -> int:
    """How a command ends after which these came out, or could not, and those still wait."""
    obstacle = next((each.obstacle for each in completions if each.obstacle is not None), None)
    if obstacle is not None:
        return exit_code_of(obstacle)
    return ExitCode.WAITING if any(True for _ in waiting) else ExitCode.DONE
