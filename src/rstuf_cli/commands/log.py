"""`rstuf log`: who did what and when, and whether that was changed since."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf_cli.actions import WORDS, in_words
from rstuf_cli.console import Console, Style, escape, escape_message, pad, width_of
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.wording import ahead, both, count, fingerprint, number

EXAMPLES = {
    "log": """
rstuf log
rstuf log --limit 20           the newest 20
rstuf log --since 7d --action artifacts
rstuf log --json --after 0 --limit 1000
rstuf log --verify             the chain of hashes, and the newest of them
rstuf log --verify --head "1b0c 77e1 ..."
"""
}

# Lines that are written together, with columns of the same width.
_GROUP: Final = 512
_WIDEST_ACTOR: Final = 24
_INDENT: Final = 7


def log(
    ctx: typer.Context,
    *,
    after: Annotated[int | None, typer.Option("--after", metavar="N", help="Begin behind entry N.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="At most N entries: the newest, or with --after those that follow."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="Not older: 2026-11-20, 2026-11-20T16:00:00Z, or 7d ago. UTC."),
    ] = None,
    action: Annotated[
        str | None,
        typer.Option("--action", metavar="ACTION", help="Of one kind: publish, artifacts, artifacts.add and others."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no entry was changed, and none is missing.")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="DIGEST", help="With --verify: the digest that was written down earlier."),
    ] = None,
) -> int:
    """Show who did what and when, the newest last, or check that nobody changed it.

    Every change of a repository leaves an entry that holds the hash of the one before. A digest that is written down
    elsewhere vouches for every entry up to its own: --verify prints the newest, and later --head finds it again.
    """
    run = run_of(ctx)
    if head is not None and not verify:
        raise UsageFault("--head goes with --verify", hint="rstuf log --verify --head DIGEST")
    if verify:
        if (after, limit, since, action) != (None, None, None, None):
            raise UsageFault("--verify looks at all of the log; give it no selection", hint="rstuf log --verify")
        return _verify(run, None if head is None else rstuf.parse_fingerprint(head))
    if limit == 0:
        raise UsageFault("--limit needs a number above 0", hint="leave it out to see all: rstuf log")
    now = SystemClock().now()
    begin, kind = None if since is None else _instant(since, now), _kind(action)
    with run.open(looking=True) as repository:
        found = repository.log(after=after or 0, since=begin, action=kind)
        pages = after is not None
        if limit is not None and not pages:
            found = iter(deque(found, maxlen=limit))
        _show(run.console, found, limit if pages else None, now=now)
    return ExitCode.DONE


def _instant(text: str, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    try:
        return now - rstuf.parse_duration(text)
    except rstuf.errors.InvalidDuration:
        hint = "a day (2026-11-20), an instant (2026-11-20T16:00:00Z), or how long ago (7d, 12h)"
        raise UsageFault(f"--since: {text[:40]!r} is no date", hint=hint) from None


def _kind(action: str | None) -> str:
    if action is None:
        return ""
    kinds = dict.fromkeys(each.partition(".")[0] for each in WORDS)
    if action not in WORDS and action not in kinds:
        from rstuf.errors import nearest, shorten

        meant = nearest(action, (*WORDS, *kinds))
        guess = f"did you mean {meant}? " if meant is not None else ""
        raise UsageFault(
            f"--action: no entry is called {shorten(action)!r}", hint=f"{guess}the actions: {', '.join(WORDS)}"
        )
    return action


# --- entries ---------------------------------------------------------------------------------------------


def _show(console: Console, found: Iterator[rstuf.AuditEntry], limit: int | None, *, now: datetime) -> None:
    """Entries as they come from the state; one more than the limit tells whether there are more."""
    wanted = islice(found, limit)
    if console.is_json:
        last = _write_documents(console, wanted)
        more = limit is not None and next(found, None) is not None
        console.document({"next": last} if more else {})
        return
    shown, last = _write_lines(console, wanted, now)
    # What is said of the lines comes after them, and not at all where they could not be written.
    console.flush()
    if limit is not None and next(found, None) is not None:
        console.note(f"there are more: --after {last}")
    else:
        console.note(count(shown, "entry", "entries") if shown else "there are no such entries")


def _groups(entries: Iterable[rstuf.AuditEntry]) -> Iterator[list[rstuf.AuditEntry]]:
    entries = iter(entries)
    while group := list(islice(entries, _GROUP)):
        yield group


def _write_documents(console: Console, entries: Iterable[rstuf.AuditEntry]) -> int:
    """The one JSON document, a piece at a time; the number of the last entry."""
    from rstuf_cli.console import to_json

    console.begin_list("entries")
    last, before = 0, "\n"
    for group in _groups(entries):
        console.list_items(before + ",\n".join(to_json(_document(entry)) for entry in group))
        last, before = group[-1].sequence, ",\n"
    console.list_items("\n")
    return last


def _write_lines(console: Console, entries: Iterable[rstuf.AuditEntry], now: datetime) -> tuple[int, int]:
    """How many there were, and the number of the last."""
    shown = last = 0
    for group in _groups(entries):
        rows = [_row(entry, now) for entry in group]
        widths = [max(width_of(row[column]) for row in rows) for column in range(4)]
        widths[3] = min(widths[3], _WIDEST_ACTOR)
        for order, absolute, relative, actor, what in rows:
            head = f"{order:>{widths[0]}}  {absolute}  {pad(relative, widths[2])}  {pad(actor, widths[3])}"
            console.prose(f"{head}  {what}", indent=_INDENT)
        console.check_reader()
        shown, last = shown + len(group), group[-1].sequence
    return shown, last


def _row(entry: rstuf.AuditEntry, now: datetime) -> tuple[str, str, str, str, str]:
    absolute = f"{entry.at:%Y-%m-%d %H:%M}"
    return str(entry.sequence), absolute, ahead(entry.at, now), escape(entry.actor), escape_message(in_words(entry))


def _document(entry: rstuf.AuditEntry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "at": iso(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "details": entry.details,
        "previous": entry.previous,
        "digest": entry.digest,
    }


# --- the check -------------------------------------------------------------------------------------------


def _verify(run: Run, sought: str | None) -> int:
    with run.open(looking=True) as repository:
        report = repository.check_log(sought=sought)
    console = run.console
    console.document(_report_document(report, sought))
    if not console.is_json:
        _show_report(console, report, sought)
    return ExitCode.DONE if report.ok else ExitCode.UNVERIFIED


def _report_document(report: rstuf.LogReport, sought: str | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "ok": report.ok,
        "checked": {"entries": report.entries, "publications": report.publications},
        "head": None if report.head is None else _mark(report.head),
        "problems": [{"code": each.code, "message": each.message} for each in report.problems],
        "more_problems": report.more_problems,
    }
    if sought is not None:
        document["known"] = None if report.known is None else _mark(report.known)
    return document


def _mark(entry: rstuf.AuditEntry) -> dict[str, Any]:
    return {"sequence": entry.sequence, "at": iso(entry.at), "digest": entry.digest}


def _show_report(console: Console, report: rstuf.LogReport, sought: str | None) -> None:
    now = SystemClock().now()
    mark, entries = sign(console, ok=report.ok), count(report.entries, "entry", "entries")
    if report.ok:
        console.prose(f"{mark} {entries}: none changed, none missing, and all that the state knows is told", indent=2)
    else:
        console.line(f"{mark} {entries}: {count(len(report.problems) + report.more_problems, 'problem')}")
    for problem in report.problems:
        console.prose(f"    {problem.code}  {escape_message(problem.message)}", indent=6)
    if report.more_problems:
        console.line(f"    and {number(report.more_problems)} more")
    if report.known is not None and report.head is not None:
        newer = report.head.sequence - report.known.sequence
        since = count(newer, "entry", "entries") if newer > 0 else "nothing"
        told = f"your digest is that of entry {report.known.sequence}, {both(report.known.at, now)}; {since} since"
        console.prose(f"{sign(console, ok=True)} {told}", indent=2)
    console.line()
    if not report.ok:
        _show_remedy(console, lost=sought is not None and report.known is None)
    elif report.head is not None:
        head = report.head
        console.prose(f"the newest is entry {head.sequence}, {both(head.at, now)}; its digest:", indent=2)
        for line in _digest_lines(head.digest):
            console.line(f"  {console.paint(line, Style.STRONG)}")
        console.prose("Write it down elsewhere: rstuf log --verify --head DIGEST finds it again.", indent=2)


def _show_remedy(console: Console, *, lost: bool) -> None:
    if lost:
        console.prose("Compare the digest with what was written down. If it is right:", indent=2)
    why = "The state was changed by something else than rstuf, or is an old copy, or its disk failed."
    console.prose(f"{why} Publish nothing more from it; put the newest copy that is sound in its place.", indent=2)


def _digest_lines(digest: str) -> list[str]:
    groups = fingerprint(digest)
    half = len(groups) // 2
    return [groups[:half].strip(), groups[half:].strip()]
