"""`rstuf ceremony`: a new repository from a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

import typer

import rstuf
from rstuf_cli.console import Console, Style, Verbosity, escape, escape_message, pad, width_of
from rstuf_cli.plans import SAMPLE
from rstuf_cli.reports import publication_document, sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.wording import count, fingerprint, number, period, seconds

EXAMPLES = {
    "ceremony": f"""
rstuf ceremony --plan plan.toml --dry-run      review it; nothing is made
rstuf ceremony --plan plan.toml                a workspace in this directory
rstuf --repo acme ceremony --plan plan.toml    or in another one

a plan to copy into plan.toml:

{indent(SAMPLE, "  ")}"""
}


def ceremony(
    ctx: typer.Context,
    *,
    plan: Annotated[Path, typer.Option("--plan", metavar="FILE", help="The plan, a TOML file; see above.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be made, and make nothing.")] = False,
) -> None:
    """Make a repository of your own, by a plan.

    Every root signer that the threshold needs must be present, as a key to open or to make. Keys that are made now are
    encrypted with a passphrase that you choose, unless the plan says otherwise. A ceremony that was interrupted goes
    on when the same plan is run again.

    With --dry-run everything is checked that the ceremony checks before it writes, but passphrases that were not given:
    nobody is asked for one.
    """
    run = run_of(ctx)
    read = rstuf.read_plan_file(plan)
    run.refuse_unknown_keys(lambda: read.keys)
    if dry_run:
        rehearsed = rstuf.rehearse_ceremony(plan, run.directory, run.session_that_asks_nobody())
        run.console.document({"dry_run": True, **_plan_document(read, run.directory), "notes": list(rehearsed.notes)})
        _show_plan(run.console, read, run.directory)
        _tell_notes(run.console, rehearsed.notes)
        goes_on = "a ceremony of this plan was interrupted here, and goes on; " if rehearsed.goes_on else ""
        run.console.note(f"{goes_on}nothing was made; without --dry-run it is")
        return
    lasted = run.lasted()
    run.interrupted = run.unsigned = "nothing was made"
    report = _hold(run, plan)
    run.progress.close()
    run.console.document(_document(report, read, run.directory))
    _show_result(run, report, read, took=seconds(lasted()))


def _hold(run: Run, plan: Path) -> rstuf.CeremonyReport:
    try:
        return rstuf.make_repository(plan, run.directory, run.session())
    except KeyboardInterrupt:
        if (run.directory / "rstuf.toml").exists():
            run.interrupted = "run the same ceremony again; it goes on where it stopped"
        raise


def _document(report: rstuf.CeremonyReport, plan: rstuf.Plan, directory: Path) -> dict[str, Any]:
    return {
        "repository": report.repository,
        "directory": str(directory),
        "root": {"version": 1, "sha256": hashlib.sha256(report.root).hexdigest(), "file": _root_file(plan)},
        "keys": [{"name": name, "keyid": entry.keyid, "signer": entry.signer} for name, entry in report.keys.items()],
        "publication": publication_document(report.publication),
        "notes": list(report.notes),
    }


def _plan_document(plan: rstuf.Plan, directory: Path) -> dict[str, Any]:
    return {
        "repository": plan.name,
        "directory": str(directory),
        "bins": plan.bins,
        "roles": {
            role: {
                "threshold": threshold,
                "signers": list(signers),
                "expires": rstuf.format_duration(plan.periods[role].expires),
                "renew_before": rstuf.format_duration(plan.periods[role].renew_before),
            }
            for role, (threshold, signers) in _signers(plan).items()
        },
    }


def _signers(plan: rstuf.Plan) -> Mapping[str, tuple[int, Sequence[str]]]:
    """For each role, how many must sign and who may."""
    online: tuple[int, Sequence[str]] = (1, (plan.online,))
    targets = (plan.targets_threshold, plan.targets_signers) if plan.targets_signers else online
    return {
        "root": (plan.root_threshold, plan.root_signers),
        "targets": targets,
        "bins": online,
        "snapshot": online,
        "timestamp": online,
    }


def _show_plan(console: Console, plan: rstuf.Plan, directory: Path) -> None:
    console.line(
        f"{console.paint(escape(plan.name), Style.STRONG)}: what this ceremony makes in {escape(str(directory))}"
    )
    console.line()
    rows = [("role", "signed by", "lives", "signed again when this is left")]
    for role, (threshold, signers) in _signers(plan).items():
        periods = plan.periods[role]
        who = signers[0] if len(signers) == 1 else f"{threshold} of {', '.join(signers)}"
        name = role if role != "bins" else f"{number(plan.bins)} bins"
        rows.append((name, who, period(periods.expires), period(periods.renew_before)))
    _table(console, rows)
    console.line()
    keys = [("key", "public half", "private half")]
    for name, key in plan.keys.items():
        encrypted = "encrypted" if key.encrypt else "not encrypted"
        public = f"{key.generate}, made now, {encrypted}" if key.generate else key.public or "as its private half says"
        keys.append((name, public, key.signer or "elsewhere"))
    _table(console, keys)
    console.line()
    contents = f"contents in {escape(plan.artifacts)}/" if plan.artifacts else "contents are served from elsewhere"
    console.line(f"  metadata in {escape(plan.metadata)}/, {contents}")


def _table(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Columns under their headings, which are the first row."""
    cells = [[escape(cell) for cell in row] for row in rows]
    widths = [max(width_of(row[column]) for row in cells) for column in range(len(cells[0]))]
    for position, row in enumerate(cells):
        line = "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        console.line(f"  {line if position else console.paint(line, Style.FAINT)}")


def _show_result(run: Run, report: rstuf.CeremonyReport, plan: rstuf.Plan, *, took: str) -> None:
    console = run.console
    if console.is_json:
        return
    digest = hashlib.sha256(report.root).hexdigest()
    half = fingerprint(digest)
    version = f"timestamp v{number(report.publication.timestamp_version)}"
    console.result(
        f"{sign(console, ok=True)} {escape(report.repository)}: root v1 and {count(plan.bins, 'bin')} published as "
        f"{version}, {took}"
    )
    console.result("")
    for key in plan.keys.values():
        if key.generate is not None:
            how = "encrypted" if key.encrypt else "not encrypted"
            console.result(f"  key {escape(key.name)}, {how}: {escape((key.signer or '').removeprefix('file:'))}")
    console.result(f"  root v1 is what clients begin with: {escape(_root_file(plan))}")
    console.result(f"  its sha256  {half[:39]}")
    console.result(f"              {half[40:]}")
    _tell_notes(console, report.notes)
    where = "" if run.options.repo is None else f"--repo {escape(run.options.repo)} "
    console.result("")
    console.result("next")
    console.result(f"  rstuf {where}artifact add FILE...")
    console.result(f"  rstuf {where}status")


def _tell_notes(console: Console, notes: Sequence[str]) -> None:
    if console.verbosity is not Verbosity.QUIET and not console.is_json:
        for note in notes:
            console.warning(escape_message(note))


def _root_file(plan: rstuf.Plan) -> str:
    return f"{plan.metadata}/1.root.json"
