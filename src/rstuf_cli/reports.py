"""What publications and changes of artifacts come to, in words and as data: several commands end with them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import rstuf
from rstuf.clock import iso
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.wording import count, day, listed, number, period, size

_TOP_LEVEL = ("root", "targets", "snapshot", "timestamp")
_NAMED = 3
_PATHS = 5
_BIN = re.compile(r"(?:.*-)?bins-[0-9a-f]+")


def publication_document(report: rstuf.PublicationReport) -> dict[str, Any]:
    """A publication as the one JSON document says it."""
    document: dict[str, Any] = {
        "published": report.published,
        "timestamp_version": report.timestamp_version,
        "roles": [role_document(role) for role in report.roles],
        "bytes": report.length,
    }
    if report.recovery != rstuf.Recovery.NOTHING:
        document["recovery"] = str(report.recovery)
    if report.restored:
        document["restored"] = list(report.restored)
    if report.recorded:
        document["recorded"] = list(report.recorded)
    if report.clock_behind is not None:
        document["clock_behind"] = clock_document(report.clock_behind)
    if report.waiting:
        document["waiting"] = waiting_document(report.waiting)
    return document


def waiting_document(waiting: Iterable[rstuf.WaitingRole]) -> list[dict[str, Any]]:
    """The roles with changes that nobody here can sign, as data."""
    return [
        {
            "role": each.name,
            "missing": dict(each.missing),
            "lacking": each.lacking,
            "event": each.event,
            "behind": each.behind,
            **more_document(each),
        }
        for each in waiting
    ]


def more_document(role: rstuf.WaitingRole) -> dict[str, Any]:
    """What is not so of every role that waits, as data: of bins which, and whose; and what lets others sign."""
    bins = {} if role.holder is None else {"bins": list(role.bins), "bins_of": role.holder}
    return {**bins, **({} if role.instead is None else {"instead": role.instead})}


def clock_document(behind: rstuf.ClockBehind) -> dict[str, str]:
    """A clock that is behind what was signed, as data."""
    return {"now": iso(behind.now), "newest": iso(behind.newest)}


def clock_in_words(behind: rstuf.ClockBehind) -> str:
    """`says 2026-11-20, 8 days before the newest signature here (2026-11-28)`: what the clock does."""
    says, newest = day(behind.now, behind.newest), day(behind.newest, behind.now)
    return f"says {says}, {period(behind.newest - behind.now)} before the newest signature here ({newest})"


def role_document(role: rstuf.RoleChange) -> dict[str, Any]:
    """A role's part in a publication."""
    document: dict[str, Any] = {
        "name": role.name,
        "version": role.version,
        "previous": role.previous,
        "reason": str(role.reason),
    }
    if role.length is not None:
        document["bytes"] = role.length
    return document


def change_document(change: rstuf.AcceptedChange) -> dict[str, Any]:
    """A change of artifacts as the one JSON document says it."""
    return {
        "number": change.number,
        "added": change.added,
        "replaced": change.replaced,
        "unchanged": change.unchanged,
        "repeated": change.repeated,
        "removed": change.removed,
        "restored": change.restored,
        "bytes": change.length,
        "warnings": [{"path": each.path, "code": each.code, "message": each.message} for each in change.warnings],
        "more_warnings": change.more_warnings,
    }


def accepted_in_words(change: rstuf.AcceptedChange, what: str) -> str:
    """`2 artifacts accepted; rstuf publish makes them visible`: `what` waits for a publication."""
    alone = change.added + change.replaced + change.removed == 1
    return f"{what} accepted; rstuf publish makes {'it' if alone else 'them'} visible"


def restored_in_words(change: rstuf.AcceptedChange) -> str:
    """`1 kept copy restored, which was missing or damaged`: what was mended beside."""
    copies = count(change.restored, "kept copy", "kept copies")
    return f"{copies} restored, which {'was' if change.restored == 1 else 'were'} missing or damaged"


def some_paths(paths: Sequence[str]) -> str:
    """`vendor/app.bin, vendor/lib.bin and 7 more`: the first of them."""
    named = [escape(path) for path in paths[:_PATHS]]
    return listed([*named, f"{number(len(paths) - _PATHS)} more"] if len(paths) > _PATHS else named)


def is_bin(name: str) -> bool:
    """Whether a role is one of some bins, by its name."""
    return _BIN.fullmatch(name) is not None


def roles_in_words(names: Iterable[str]) -> str:
    """`3 bins, vendor, snapshot and timestamp`: bins are counted, and so are others where they are many."""
    names = list(names)
    top = [name for name in _TOP_LEVEL if name in names]
    bins = sum(map(is_bin, names))
    others = [escape(name) for name in names if name not in top and not _BIN.fullmatch(name)]
    if len(others) > _NAMED:
        others = [count(len(others), "delegated role")]
    return listed([*([count(bins, "bin")] if bins else []), *others, *top])


def sign(console: Console, *, ok: bool) -> str:
    """`✓` or `✗`."""
    return console.paint("✓", Style.GOOD) if ok else console.paint("✗", Style.BAD)


def tell_clock(console: Console, behind: rstuf.ClockBehind | None) -> None:
    """That the clock is behind what was signed here, if it is."""
    if behind is not None and not console.is_json:
        dated = "what is signed now is dated from that signature"
        console.warning(f"the clock {clock_in_words(behind)}; set it: {dated}")


def tell_interrupted(console: Console, recovery: rstuf.Recovery) -> None:
    """What became of a publication that had been interrupted before this command."""
    words: Mapping[rstuf.Recovery, str] = {
        rstuf.Recovery.COMPLETED: "an interrupted publication was brought to its end first",
        rstuf.Recovery.ABANDONED: "what an interrupted publication had left was set aside first; nobody had seen it",
        rstuf.Recovery.REDONE: "an interrupted publication was found damaged or expired, and made anew",
    }
    if recovery in words:
        console.note(f"note:  {words[recovery]}")


def tell_recovery(console: Console, report: rstuf.PublicationReport) -> None:
    """What became of a publication that had been interrupted before this command, and what was put back."""
    tell_interrupted(console, report.recovery)
    if report.restored:
        names = listed([escape(name) for name in report.restored])
        console.note(f"note:  {names} had been lost or damaged, put back as signed")
    if report.recorded:
        names = listed([escape(name) for name in report.recorded])
        console.note(f"note:  the state's own copy of {names} was damaged, taken again from what is published")


def tell_change(
    console: Console,
    change: rstuf.AcceptedChange,
    publication: rstuf.PublicationReport | None,
    *,
    took: str,
    known: str,
) -> None:
    """The end of every command that changes artifacts; `known` is said of those that needed no change."""
    done = sign(console, ok=True)
    new = change.added + change.replaced
    what = count(new, "artifact") + (f" ({size(change.length)})" if change.length else "") if new else ""
    if change.removed:
        alone = "removal" if publication is None or publication.waiting or new else "artifact removed"
        gone = count(change.removed, alone, "artifacts removed" if alone == "artifact removed" else None)
        what = f"{what} and {gone}" if new else gone
    if publication is None or publication.waiting:
        if what:
            # What waits for signatures, no publication makes visible before.
            said = accepted_in_words(change, what) if publication is None else f"{what} accepted"
            console.result(f"{done} {said}, {took}")
        if publication is not None:
            tell_publication(console, publication, took=took)
            tell_waiting_roles(console, publication.waiting)
    elif publication.published:
        tell_recovery(console, publication)
        others = [role.name for role in publication.roles if role.name not in _TOP_LEVEL]
        what_kind = "bin" if all(_BIN.fullmatch(name) for name in others) else "role"
        into = f"signed into {count(len(others), what_kind)} and " if others and new else ""
        name = what or "earlier changes"
        # A removal is a verb already, and what it leads to is one more.
        joint = ";" if change.removed else ""
        console.result(
            f"{done} {name}{joint} {into}published as timestamp v{number(publication.timestamp_version)}, {took}"
        )
    if change.replaced and change.added:
        verb = "replaces" if change.replaced == 1 else "replace"
        console.result(f"  {number(change.replaced)} of them {verb} another content")
    if change.restored:
        console.result(f"{' ' if what else done} {restored_in_words(change)}")
    if change.unchanged:
        console.result(_unchanged_in_words(change.unchanged, known, alone=not what))
    elif not what:
        console.result("nothing new: no artifact was named")
    if change.repeated:
        console.result(f"  {count(change.repeated, 'repeat')} in the same input counted for nothing")


def _unchanged_in_words(unchanged: int, known: str, *, alone: bool) -> str:
    if alone:
        return f"nothing new: {count(unchanged, 'artifact')} {'is' if unchanged == 1 else 'are'} {known}"
    return f"  {number(unchanged)} {'was' if unchanged == 1 else 'were'} {known}"


def tell_warnings(console: Console, change: rstuf.AcceptedChange) -> None:
    """What some clients cannot do with artifacts that were accepted."""
    if console.is_json:
        return
    for each in change.warnings:
        for line in console.fold(f"note:  {escape(each.path or '')}: {each.message}", indent=7):
            console.note(line)
    if change.more_warnings:
        console.note(f"note:  and {count(change.more_warnings, 'more such path')}")


def tell_publication(console: Console, report: rstuf.PublicationReport, *, took: str) -> None:
    """What `publish` ends with."""
    tell_recovery(console, report)
    version = f"timestamp v{number(report.timestamp_version)}"
    if not report.published:
        nothing = "nothing that can be signed here" if report.waiting else "nothing to publish"
        console.result(f"{nothing}; clients see {version}")
        return
    if not report.roles:
        console.result(f"{sign(console, ok=True)} clients see {version}, {took}")
        return
    roles = roles_in_words(role.name for role in report.roles)
    console.result(
        f"{sign(console, ok=True)} published as {version}: {roles}; {size(report.length)} of metadata, {took}"
    )
    for role in report.roles:
        console.detail(f"  {escape(role.name)} v{role.previous} → v{role.version} ({role.reason})")


def prepare_command(role: str, lives: timedelta) -> str:
    """What a delegate runs on their own machine to make the next version of their role, which lives for so long."""
    return f"rstuf delegation prepare {shlex.quote(role)} --expires {rstuf.format_duration(lives)} --key KEY"


def tell_waiting_roles(console: Console, waiting: Iterable[rstuf.WaitingRole]) -> None:
    """The roles with changes that nobody here can sign, and the way of each to those who can."""
    for each in waiting:
        console.warning(
            f"{escape(each.name)} waits for {count(each.lacking, 'signature')}: clients do not see its changes yet"
        )
        for name, why in each.missing.items():
            console.note(f"  {escape(name)}: {why}")
        if each.event is None:
            continue
        event = escape(each.event)
        way = f"it waits as {event}: rstuf sign {event} where such a key is; for who is elsewhere: rstuf bundle export"
        way = f"{way} {event}"
        if each.instead is not None:
            way = f"it waits as {event}, and cannot come out without what is lost; {escape(each.instead)} lets others"
            way += " sign instead"
        lines = console.fold(f"    {way}", indent=4)
        if each.behind:
            since = f"what was accepted since {event} was opened is not in it, and comes after it: rstuf publish then"
            lines += console.fold(f"    {since}", indent=4)
        console.error(lines)
