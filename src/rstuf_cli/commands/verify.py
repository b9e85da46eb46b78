"""`rstuf verify`: an audit with the eyes of clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock, parse_iso
from rstuf_cli.auditing import TrustedRoot, Url, audit, show_clients
from rstuf_cli.console import Console, Style, escape, escape_message
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.remedies import remedies, remedies_from_outside, unseen_in_words
from rstuf_cli.reports import sign
from rstuf_cli.run import run_of
from rstuf_cli.steps import Step, show_steps, steps_document
from rstuf_cli.wording import both, count, listed, number, seconds

EXAMPLES = {
    "verify": """
rstuf verify                what this workspace publishes, and its state
rstuf verify --artifacts    and the bytes of every artifact
rstuf verify --full         and a stock client that visits every role
rstuf verify --url https://updates.example.org/ --trusted-root 1.root.json
rstuf verify --url /media/mirror/metadata --artifacts-url /media/files
"""
}

_MAX_SHOWN: Final = 20
_FEW_ROLES: Final = 4

# What each part of an audit is about, by the stable words of its problems; all others are about roles.
_ARTIFACTS: Final = frozenset({"bad-path", "bad-target", "wrong-bin", "not-delegated", "unreachable", "shadowed"})
_AREAS: Final[Mapping[str, frozenset[str]]] = {
    "artifacts": _ARTIFACTS,
    "contents": frozenset({"content-missing", "content-mismatch"}),
    "state": frozenset(
        {"state-disagrees", "state-damaged", "state-behind", "loose-root-out", "state-ahead", "log-broken"}
    ),
    "served": frozenset({"served-private", "served-shared", "served-workspace"}),
    "client": frozenset({"client-refuses", "client-disagrees"}),
}


def verify(
    ctx: typer.Context,
    *,
    url: Url = None,
    trusted_root: TrustedRoot = None,
    artifacts_url: Annotated[
        str | None,
        typer.Option(
            "--artifacts-url",
            metavar="URL",
            help="With --url: where contents are; by default at targets/ below URL, or beside a URL that ends in "
            "metadata/.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also the contents, and a stock client that visits every role.")
    ] = False,
    artifacts: Annotated[bool, typer.Option("--artifacts", help="Also the bytes of every artifact.")] = False,
) -> int:
    """Audit what is published, with the eyes of clients.

    Every role, signature, version, expiry, size limit and artifact. The audit shares no code with what writes metadata,
    and a stock client looks as well. In a workspace, its state is compared too. Exit code 3 says that something is
    wrong; nothing is ever changed.
    """
    run = run_of(ctx)
    if artifacts_url is not None and url is None:
        raise UsageFault("--artifacts-url goes with --url", hint="--artifacts reads the contents of this workspace")
    depth = rstuf.Depth.FULL if full else rstuf.Depth.CONTENTS if artifacts else rstuf.Depth.ROLES
    lasted = run.lasted()
    report = audit(run, url, trusted_root, depth=depth, artifacts=artifacts_url)
    steps = remedies(report) if url is None else remedies_from_outside(report)
    run.console.document({**_document(report), "next_steps": steps_document(steps)})
    if not run.console.is_json:
        _show(run.console, report, steps, took=seconds(lasted()))
    return ExitCode.DONE if report.ok else ExitCode.UNVERIFIED


def _document(report: rstuf.VerifyReport) -> dict[str, Any]:
    problems = []
    for problem in report.problems:
        place = {"role": problem.role, "path": problem.path}
        given = {name: value for name, value in place.items() if value is not None}
        problems.append({**given, "code": problem.code, "message": problem.message})
    return {
        "ok": report.ok,
        "checked": dict(report.checked),
        "problems": problems,
        "more_problems": report.more_problems,
        "facts": dict(report.facts),
    }


def _show(console: Console, report: rstuf.VerifyReport, steps: Sequence[Step], *, took: str) -> None:
    checked, facts, now = report.checked, report.facts, SystemClock().now()
    by_area = _by_area(report.problems)
    unseen = unseen_in_words(facts.get("unseen", 0), checked["roles"])
    roots = facts.get("roots") or {}
    _area(console, "root", _span(roots), by_area)
    _area(console, "roles", f"{number(checked['roles'])}: signatures, versions, expiry, sizes", by_area, unseen)
    whole = f"{number(checked['artifacts'])}, each where clients look for it, none twice" if checked["roles"] else ""
    _area(console, "artifacts", whole, by_area, unseen)
    if "contents" in checked or "contents" in by_area:
        read = f"{number(checked.get('contents', 0))} read and hashed" if checked["roles"] else ""
        _area(console, "contents", read, by_area, unseen)
    if "state_roles" in checked or "state" in by_area:
        compared = f"{count(checked.get('state_roles', 0), 'role')}, "
        compared += count(checked.get("state_artifacts", 0), "artifact")
        log = count(checked.get("log_entries", 0), "log entry", "log entries")
        _area(console, "state", f"agrees: {compared}, {log}", by_area, unseen)
    if "served" in checked:
        partly = any(note["code"] == "served-not-listed" for note in facts.get("notes", ()))
        unlisted = "some of it could not be listed" if partly else None
        names = count(checked["served"], "name")
        _area(console, "served", f"{names}, nothing private, all ours alone", by_area, unlisted)
    elif "asked" in checked:
        told = any(note["code"] == "served-not-listed" for note in facts.get("notes", ()))
        unasked = "not all that must not be served could be asked for" if told else None
        _area(console, "served", "no keys/, state.db or rstuf.toml is there for whoever asks", by_area, unasked)
    _show_client(console, checked, by_area)
    _show_expiry(console, facts, now, unseen)
    if report.ok:
        show_clients(console, facts)
    show_notes(console, facts.get("notes", ()))
    show_steps(console, steps, now=now)
    console.line()
    total = len(report.problems) + report.more_problems
    if report.ok:
        console.line(f"{console.paint('nothing is wrong', Style.GOOD)}, {took}")
    else:
        console.line(f"{console.paint(count(total, 'problem'), Style.BAD)}, {took}")


def show_notes(console: Console, notes: Iterable[Mapping[str, Any]]) -> None:
    """What is worth knowing; what is true of many roles stands there once."""
    together: dict[str, dict[str, None]] = {}
    for note in notes:
        roles = together.setdefault(note["message"], {})
        if note.get("role"):
            roles[note["role"]] = None
    for message, roles in together.items():
        names = [*roles] if len(roles) <= _FEW_ROLES else [*roles][: _FEW_ROLES - 1]
        more = [] if len(roles) <= _FEW_ROLES else [f"{number(len(roles) - len(names))} more"]
        place = f"{listed([*names, *more])}: " if roles else ""
        console.prose(f"{console.paint('!', Style.WARN)} {'note':<10}  {escape_message(place + message)}", indent=14)


def _show_client(console: Console, checked: Mapping[str, int], by_area: Mapping[str, Sequence[rstuf.Problem]]) -> None:
    if "client_artifacts" not in checked and "client" not in by_area:
        why = "not checked: there is no snapshot that a client could begin with"
        console.line(f"{console.paint('!', Style.WARN)} {'client':<10}  {why}")
        return
    looked, downloaded = checked.get("client_artifacts", 0), checked.get("client_downloads", 0)
    downloads = f" and downloaded {number(downloaded)}" if downloaded else ""
    missing = any(problem.code == "content-missing" for problem in by_area.get("contents", ()))
    text = f"python-tuf, from that root, looked up {count(looked, 'path')}{downloads}"
    _area(console, "client", text, by_area, "contents that are not there" if missing else None)


def _span(roots: Mapping[str, int]) -> str:
    """From which root to which trust goes."""
    if not roots:
        return "none could be read"
    first, last = roots["trusted"], roots["newest"]
    return f"v{first}" if first == last else f"v{first} → v{last}, every step signed by both sides"


def _by_area(problems: Sequence[rstuf.Problem]) -> dict[str, list[rstuf.Problem]]:
    found: dict[str, list[rstuf.Problem]] = {}
    for problem in problems:
        default = "root" if problem.role == "root" or problem.code == "root-differs" else "roles"
        area = next((name for name, codes in _AREAS.items() if problem.code in codes), default)
        found.setdefault(area, []).append(problem)
    return found


def _area(
    console: Console,
    name: str,
    text: str,
    by_area: Mapping[str, Sequence[rstuf.Problem]],
    unseen: str | None = None,
) -> None:
    """A line for one part of the audit, and its problems below.

    Args:
        text: what was found in order; empty where nothing was looked at.
        unseen: why not all of it was looked at; None where all was.
    """
    problems = by_area.get(name, ())
    if not problems:
        mark = sign(console, ok=True) if unseen is None else console.paint("!", Style.WARN)
        said = [text] if text else []
        said += [] if unseen is None else [f"not checked: {unseen}"]
        console.prose(f"{mark} {name:<10}  {'; '.join(said)}", indent=14)
        return
    console.line(f"{sign(console, ok=False)} {name:<10}  {count(len(problems), 'problem')}")
    if unseen is not None:
        console.prose(f"    not all was checked: {unseen}", indent=6)
    for problem in problems[:_MAX_SHOWN]:
        place = " ".join(part for part in (problem.role, problem.path) if part is not None)
        message = problem.message if not place or place in problem.message else f"{place}: {problem.message}"
        console.prose(f"    {escape(problem.code)}  {escape_message(message)}", indent=6)
    if len(problems) > _MAX_SHOWN:
        console.line(f"    and {number(len(problems) - _MAX_SHOWN)} more; --json lists them")


def _show_expiry(console: Console, facts: Mapping[str, Any], now: datetime, unseen: str | None) -> None:
    soonest = facts.get("soonest_expiry")
    if soonest is None:
        return
    expires = parse_iso(soonest["expires"])
    seen = all((facts.get("versions") or {}).values()) and unseen is None
    mark = sign(console, ok=True) if seen else console.paint("!", Style.WARN)
    mark = mark if expires > now else sign(console, ok=False)
    of_those = "" if seen else " of those that could be read"
    console.line(f"{mark} {'expiry':<10}  {escape(soonest['role'])} is the soonest{of_those}, {both(expires, now)}")
