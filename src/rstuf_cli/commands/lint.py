"""`rstuf lint`: which clients can read a repository, by the bytes that it publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.errors import nearest
from rstuf_cli.auditing import TrustedRoot, Url, audit
from rstuf_cli.console import Console, Style, escape, escape_message, pad
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.reports import sign
from rstuf_cli.run import run_of
from rstuf_cli.wording import count, listed, size

EXAMPLES = {
    "lint": """
rstuf lint                             who can read what this workspace publishes
rstuf lint --compat tuf-js --compat go-tuf      exit code 3 where one of them cannot
rstuf lint --url https://updates.example.org/ --trusted-root 1.root.json
"""
}
_SIZES: Final = ("root", "timestamp", "snapshot", "targets")


def lint(
    ctx: typer.Context,
    *,
    url: Url = None,
    trusted_root: TrustedRoot = None,
    compat: Annotated[
        list[str] | None,
        typer.Option("--compat", metavar="CLIENT", help="One that must be able to read it. Repeatable."),
    ] = None,
) -> int:
    """Say which clients can read a repository, and what keeps others out.

    By the bytes that are published: their sizes, the kinds of delegations, keys and hashes, and how many bins and
    artifacts there are, held against what releases of each client were measured to read. Exit code 3 says that one that
    is named by --compat cannot; that others cannot is no fault. Whether what is published is right, rstuf verify says.
    """
    run = run_of(ctx)
    report = audit(run, url, trusted_root, depth=rstuf.Depth.ROLES)
    clients: Mapping[str, Mapping[str, Any]] = report.facts.get("clients") or {}
    wanted = [_client(name, clients) for name in compat or ()]
    # Where nothing could be read, nobody is told to be able.
    unable = [name for name in wanted if not clients.get(name, {}).get("ok")]
    run.console.document(
        {
            "ok": not unable,
            "clients": {name: dict(verdict) for name, verdict in clients.items()},
            "sizes": dict(report.facts.get("sizes") or {}),
            "bins": report.facts.get("bins", 0),
            "most_artifacts": report.facts.get("most_artifacts_in_a_role", 0),
            "unable": unable,
            "problems": len(report.problems) + report.more_problems,
        }
    )
    if not run.console.is_json:
        _show(run.console, report, clients, wanted=wanted)
    return ExitCode.UNVERIFIED if unable else ExitCode.DONE


def _client(name: str, clients: Mapping[str, Any]) -> str:
    if clients and name not in clients:
        meant = nearest(name, clients)
        hint = f"did you mean {meant}?" if meant is not None else f"those that were measured: {', '.join(clients)}"
        raise UsageFault(f"no client is called {name}", hint=hint)
    return name


def _show(
    console: Console, report: rstuf.VerifyReport, clients: Mapping[str, Mapping[str, Any]], *, wanted: Sequence[str]
) -> None:
    width = max((len(name) for name in clients), default=0)
    for name, verdict in clients.items():
        faint = not verdict["ok"] and name not in wanted
        mark = console.paint("-", Style.FAINT) if faint else sign(console, ok=bool(verdict["ok"]))
        said = "reads it" if verdict["ok"] else escape_message(str(verdict["reason"]))
        console.prose(f"{mark} {pad(escape(name), width)}  {said}", indent=width + 4)
    sizes: Mapping[str, Any] = report.facts.get("sizes") or {}
    told = [f"{name} {size(sizes[name])}" for name in _SIZES if sizes.get(name)]
    if sizes.get("largest_role_name") not in {None, "", *_SIZES}:
        told.append(f"{escape(str(sizes['largest_role_name']))}, the largest role, {size(sizes['largest_role'])}")
    console.line()
    if told:
        console.prose(f"  {listed(told)}", indent=2)
    most = report.facts.get("most_artifacts_in_a_role", 0)
    bins = f" in {count(report.facts['bins'], 'bin')}" if report.facts.get("bins") else ""
    console.line(f"  {count(report.checked.get('artifacts', 0), 'artifact')}{bins}, at most {most} in one role")
    if report.problems:
        total = count(len(report.problems) + report.more_problems, "problem")
        console.warning(f"what is published has {total} besides, which keep every client out: rstuf verify")
