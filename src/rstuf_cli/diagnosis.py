"""An examination as people and programs read it: what status and verify know joins what was found around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import rstuf
from rstuf_cli.commands.status import steps_beside_events
from rstuf_cli.must_go import is_of_thief, steps_in_turn, steps_where_enough_leaked, taken_out_by
from rstuf_cli.remedies import remedies
from rstuf_cli.waiting import waits_in_words
from rstuf_cli.waiting_status import UNSIGNED, overtaken_in_words, steps_of_event
from rstuf_cli.wording import count, number, size

_NOTES: Final = frozenset({"pending", "event", "prunable"})
_WARNINGS: Final = frozenset(
    {
        "due",
        "rebuilt",
        "clock-behind",
        "interrupted",
        "rotation",
        "event-expired",
        "event-outdated",
        "event-stuck",
        "event-lost",
        "leaked-proposal",
    }
)
# What an audit finds as well, and says more of.
_FOUND_TWICE: Final = frozenset({"old-copy", "loose-root-out", "in-the-way", "damaged", "expired"})
MEANINGS: Final = {
    "clock-suspicious": "nothing is signed until it is set, or said to be right",
    "clock-behind": "what is signed is dated from the newest signature until then",
    "key-away": "what it signs waits for it",
    "old-copy": "publishing from it would take clients back",
    "loose-root-out": "nothing can be published below it",
    "in-the-way": "no client, or no command, gets past it",
    "damaged": "clients that do not have it already fail",
    "expired": "clients refuse everything until it is signed again",
    "due": "clients refuse everything once it has expired",
    "rebuilt": "clients that saw later versions than these refuse what is published until then",
    "unsigned-targets": "no client that asks anew finds anything until then",
    "overtaken": "clients that saw later versions than these refuse what is published until then",
    "interrupted": "clients see what they saw before, or all of it",
    "pending": "what was accepted is kept, and clients do not see it",
    "prunable": "they take up room, and nothing else",
    "event": "nothing of it is visible before everybody who must sign it has",
    "event-expired": "what was signed for it is worth nothing, and what it was to change did not come",
    "event-outdated": "what was signed for it is worth nothing, and what it was to change does not come by itself",
    "event-stuck": "it cannot come out, whoever signs it",
    "event-lost": "it cannot come out, for those who are left are too few to sign it",
    "stray-key": "whoever has it can put other contents in the place of what is published, under the same versions",
    "leaked-proposal": "nobody should sign it, and it is never published",
    "loose-root": "whoever has its signatures can use it, and keys that leaked can sign in your place then",
    "root-keys-lost": "no key can be replaced, and root cannot live longer; what the online key signs can be published",
    "keys-lost": "clients refuse it once it has expired, and nothing that changes in it comes out",
    "leaked-enough": "they need nobody else to sign in your place: take them out before they do",
    "leaked-key": "whoever has it can sign in your place, alone or with others",
    "rotation": "the old online key can still sign what it signed before",
}


def all_findings(diagnosis: rstuf.Diagnosis) -> list[rstuf.Ailment]:
    """Everything that was found, by its area."""
    found = list(diagnosis.ailments)
    audited = diagnosis.verified is not None and not diagnosis.verified.ok
    if diagnosis.status is not None:
        found += _of_status(diagnosis.status, audited=audited)
    if diagnosis.verified is not None:
        found += _of_verify(diagnosis.verified)
    order = list(rstuf.Area)
    return sorted(found, key=lambda each: order.index(each.area))


def findings_document(findings: Sequence[rstuf.Ailment]) -> list[dict[str, Any]]:
    """Findings as data."""
    return [
        {
            "area": str(each.area),
            "code": each.code,
            "severity": str(each.severity),
            "message": each.message,
            "meaning": each.meaning,
            **({"mend": each.mend} if each.mend is not None else {}),
        }
        for each in findings
    ]


def in_order(area: rstuf.Area, diagnosis: rstuf.Diagnosis) -> str:
    """What is said of an area in which nothing was found."""
    status, report = diagnosis.status, diagnosis.verified
    if area == rstuf.Area.DISK:
        disks = [f"{disk.kind or 'unknown kind'}, {size(disk.free)} free" for disk in diagnosis.disks]
        return "; ".join(disks)
    if area == rstuf.Area.STATUS and status is not None:
        keys = f"{count(len(status.keys), 'key')}, each where it should be"
        # What is wrong with roles is told where all that is published is.
        sound = status.health == rstuf.Health.HEALTHY and status.old_copy is None and (report is None or report.ok)
        return f"nothing is due; {keys}" if sound else keys
    if area == rstuf.Area.PUBLISHED and report is not None:
        roles, artifacts = report.checked.get("roles", 0), report.checked.get("artifacts", 0)
        seen = (
            f"{count(roles, 'role')}, {count(artifacts, 'artifact')}, as a client sees them and as the state has them"
        )
        return f"{seen}; {_of_contents(report)}" if artifacts else seen
    return _IN_ORDER[area]


def contents_document(diagnosis: rstuf.Diagnosis) -> dict[str, Any] | None:
    """What was looked at of contents, as data; None where they are kept elsewhere, or could not be looked at."""
    report = diagnosis.verified
    if report is None or "content_lengths" not in report.checked:
        return None
    return {"compared": report.checked["content_lengths"], "by": "length"}


def _of_contents(report: rstuf.VerifyReport) -> str:
    if "content_lengths" not in report.checked:
        return "contents are kept elsewhere"
    return "contents by length, rstuf verify --artifacts reads them"


_IN_ORDER: Final = {
    rstuf.Area.PERMISSIONS: "nobody else can change the workspace, or the way to it",
    rstuf.Area.CONFIGURATION: "rstuf.toml says where everything is",
    rstuf.Area.LEFTOVERS: "none",
    rstuf.Area.LOCKS: "held by nobody",
    rstuf.Area.STATE: "readable, of this rstuf's format, in a write-ahead log",
    rstuf.Area.STATUS: "nothing to do",
    rstuf.Area.PUBLISHED: "nothing is wrong",
}


def _of_status(seen: rstuf.Status, *, audited: bool) -> list[rstuf.Ailment]:
    found = []
    for step in steps_beside_events(seen):
        if step.about == "clock-suspicious" or (audited and step.about in _FOUND_TWICE):
            continue
        found.append(_ailment(step.about, step.why, step.command))
    if seen.old_copy is None or is_of_thief(seen):
        found += [_of_event(seen, view) for view in seen.events]
        others = [*steps_in_turn(seen), *steps_where_enough_leaked(seen)]
        found += [_ailment(step.about, step.why, step.command) for step in others]
    return found + [
        rstuf.Ailment(
            rstuf.Area.STATUS,
            "key-not-here",
            rstuf.Severity.NOTE,
            f"{key.name} is not here: {key.fault}",
            MEANINGS["key-away"],
        )
        for key in seen.keys
        # Those of which there is something to do are among the steps.
        if key.needed and key.fault is not None and not key.online and key.mend is None
    ]


def _of_event(seen: rstuf.Status, view: rstuf.EventView) -> rstuf.Ailment:
    """Something that waits, or does so in vain: what it is, and all that goes on with it."""
    mend = "; or ".join(step.command for step in steps_of_event(seen, view)) or None
    message, taken = waits_in_words(view), taken_out_by(seen, view)
    if view.expired:
        return _ailment("event-expired", message, mend)
    if view.outdated is not None:
        return _ailment("event-outdated", message, mend)
    if view.leaks:
        return _ailment("loose-root" if view.event.role == "root" and view.signed else "leaked-proposal", message, mend)
    if taken is not None:
        return _ailment(taken[0], message if taken[1] in message else f"{message}; {taken[1]}", mend)
    if view.event.role == "targets" and seen.unsigned_targets:
        return _ailment("unsigned-targets", f"{message}; {UNSIGNED}", mend)
    if view.event.role in seen.overtaken:
        return _ailment("overtaken", f"{message}; {overtaken_in_words([view.event.role])}", mend)
    if view.beyond is not None:
        return _ailment("event-lost", message, mend)
    return _ailment("event-stuck" if view.lacks_targets else "event", message, mend)


def _ailment(code: str, message: str, mend: str | None) -> rstuf.Ailment:
    """A finding of `status`, as severe as its code is."""
    severity = rstuf.Severity.NOTE if code in _NOTES else rstuf.Severity.PROBLEM
    severity = rstuf.Severity.WARNING if code in _WARNINGS else severity
    return rstuf.Ailment(rstuf.Area.STATUS, code, severity, message, MEANINGS[code], mend)


def _of_verify(report: rstuf.VerifyReport) -> list[rstuf.Ailment]:
    """One finding for each kind of problem, with what mends that kind."""
    found = []
    # Below what clients see already nothing is mended: then all findings have one cause, and go with it.
    together = remedies(report)
    behind = any(step.about in {"old-copy", "loose-root-out"} for step in together)
    for code in dict.fromkeys(problem.code for problem in report.problems):
        alike = tuple(problem for problem in report.problems if problem.code == code)
        first, more = alike[0], len(alike) - 1
        place = " ".join(part for part in (first.role, first.path) if part is not None)
        message = first.message if not place or place in first.message else f"{place}: {first.message}"
        message += f" (and {number(more)} more)" if more else ""
        steps = together if behind else remedies(replace(report, problems=alike))
        meaning = steps[0].why if steps else "clients may refuse it, or see something else than was published"
        mend = steps[0].command if steps else "rstuf verify"
        if len(steps) > 1 and steps[0].about == "in-the-way":
            mend += f", then {steps[1].command}"
        elif code in {"state-behind", "loose-root-out"}:
            mend += "".join(f"; or {step.command}" for step in steps[1:])
            meaning += "; rstuf verify says which of these helps when"
        found.append(rstuf.Ailment(rstuf.Area.PUBLISHED, code, rstuf.Severity.PROBLEM, message, meaning, mend))
    return found
