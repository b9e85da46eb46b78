"""`rstuf doctor`: what is wrong with a workspace, be it one that every other command refuses."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer

import rstuf
from rstuf_cli.console import Console, Style, escape, escape_message
from rstuf_cli.diagnosis import all_findings, contents_document, findings_document, in_order
from rstuf_cli.exits import ExitCode
from rstuf_cli.reports import sign
from rstuf_cli.run import run_of
from rstuf_cli.wording import count, listed, seconds

EXAMPLES = {
    "doctor": """
rstuf doctor
rstuf doctor --json    for monitoring: exit 1 or 3 when somebody is needed
"""
}

_COLUMN: Final = 13
_WORST: Final = (rstuf.Severity.NOTE, rstuf.Severity.WARNING, rstuf.Severity.PROBLEM)


def doctor(ctx: typer.Context) -> int:
    """Say what is wrong with a workspace, whatever it is, and what helps.

    It looks at permissions, configuration, disk, leftovers of killed commands, locks, state, keys, clock and everything
    that is published (contents by their lengths), and goes as far as it can where other commands refuse to begin.
    Nothing is changed. Exit code 0 says that nothing needs you, 3 that what is published is not as it should be, 1 that
    something else is.
    """
    run = run_of(ctx)
    lasted = run.lasted()
    named = bool(run.options.repo or os.environ.get("RSTUF_REPO"))
    search = rstuf.Search.HERE if named else rstuf.Search.UPWARDS
    diagnosis = rstuf.examine(run.directory, run.session_that_asks_nobody(), search=search)
    run.progress.close()
    findings = all_findings(diagnosis)
    needed = [each for each in findings if each.severity != rstuf.Severity.NOTE]
    run.console.document(_document(diagnosis, findings, ok=not needed))
    if not run.console.is_json:
        _show(run.console, diagnosis, findings, took=seconds(lasted()))
    if any(each.area == rstuf.Area.PUBLISHED for each in needed):
        return ExitCode.UNVERIFIED
    return ExitCode.REFUSED if needed else ExitCode.DONE


def _document(diagnosis: rstuf.Diagnosis, findings: Sequence[rstuf.Ailment], *, ok: bool) -> dict[str, Any]:
    return {
        "directory": diagnosis.directory,
        "ok": ok,
        "findings": findings_document(findings),
        "examined": [str(area) for area in diagnosis.examined],
        "not_examined": {str(area): why for area, why in diagnosis.unseen.items()},
        "contents": contents_document(diagnosis),
        "disks": [
            {"path": disk.path, "kind": disk.kind, "free": disk.free, "files": disk.files} for disk in diagnosis.disks
        ],
        "versions": dict(diagnosis.versions),
    }


def _show(console: Console, diagnosis: rstuf.Diagnosis, findings: Sequence[rstuf.Ailment], *, took: str) -> None:
    console.line(f"{console.paint(escape(diagnosis.directory), Style.STRONG)}")
    console.line()
    for area in rstuf.Area:
        here = [each for each in findings if each.area == area]
        if area in diagnosis.unseen:
            console.prose(
                f"{console.paint('!', Style.WARN)} {area:<{_COLUMN}}  not looked at: {diagnosis.unseen[area]}",
                indent=17,
            )
        elif here:
            console.line(f"{_mark(console, here)} {area:<{_COLUMN}}  {_counts(here)}")
        else:
            console.prose(f"{sign(console, ok=True)} {area:<{_COLUMN}}  {in_order(area, diagnosis)}", indent=17)
        for each in here:
            _show_finding(console, each)
    console.line()
    _show_versions(console, diagnosis.versions)
    if any(each.severity != rstuf.Severity.NOTE for each in findings):
        console.line(f"{console.paint(_counts(findings), Style.BAD)}, {took}")
    else:
        notes = f"; {_counts(findings)}" if findings else ""
        console.line(f"{console.paint('nothing needs you', Style.GOOD)}{notes}, {took}")


def _show_finding(console: Console, each: rstuf.Ailment) -> None:
    console.prose(f"    {escape(each.code)}  {escape_message(each.message)}", indent=6)
    console.prose(f"      {escape_message(each.meaning)}", indent=6)
    if each.mend is not None:
        console.prose(f"      → {escape_message(each.mend)}", indent=8)


def _show_versions(console: Console, versions: Mapping[str, str]) -> None:
    console.prose(", ".join(f"{name} {escape(found)}" for name, found in versions.items()), indent=2)


def _mark(console: Console, findings: Sequence[rstuf.Ailment]) -> str:
    worst = max((each.severity for each in findings), key=_WORST.index)
    if worst == rstuf.Severity.PROBLEM:
        return sign(console, ok=False)
    return console.paint("!", Style.WARN) if worst == rstuf.Severity.WARNING else console.paint("·", Style.FAINT)


def _counts(findings: Sequence[rstuf.Ailment]) -> str:
    """`2 problems, 1 warning`: the worst first."""
    found = Counter(each.severity for each in findings)
    return listed([count(found[severity], str(severity)) for severity in reversed(_WORST) if found[severity]])
