"""`rstuf artifact export`: records of artifacts on stdout, in the forms that import reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

import rstuf
from rstuf_cli.console import Console, escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.listing import GROUP, Page, check_limit, write_list
from rstuf_cli.run import run_of
from rstuf_cli.wording import count

EXAMPLES = {
    "artifact export": """
rstuf artifact export
rstuf artifact export --prefix 1.2/ --format sha256sums
rstuf artifact export --format csv --state all   what waits, too
rstuf artifact export --limit 1000 --after 1.2/z.bin   a page
"""
}


class ExportFormat(StrEnum):
    """What an export may be."""

    NDJSON = "ndjson"
    CSV = "csv"
    SHA256SUMS = "sha256sums"


class Wanted(StrEnum):
    """Which artifacts."""

    PUBLISHED = "published"
    ALL = "all"


def export(
    ctx: typer.Context,
    *,
    prefix: Annotated[str, typer.Option("--prefix", metavar="P", help="Only paths that begin with P.")] = "",
    after: Annotated[str, typer.Option("--after", metavar="PATH", help="Begin behind PATH.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="At most N artifacts.")] = None,
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", metavar="FORMAT", help="ndjson, the default; csv, or sha256sums."),
    ] = None,
    state: Annotated[
        Wanted | None,
        typer.Option("--state", metavar="STATE", help="published, the default: what clients see; or all, as accepted."),
    ] = None,
) -> None:
    """Write records of artifacts, which artifact import reads.

    One a line, sorted by path, however many. NDJSON says all of an artifact. csv leaves custom data out, and sha256sums
    what has no SHA-256, too: how many those are is said on stderr. With --state all, what waits for a publication is
    taken for done.
    """
    run = run_of(ctx)
    if form is not None and run.console.is_json:
        raise UsageFault("--json is a form of its own", hint="leave --format out, or --json")
    check_limit(limit, command="rstuf artifact export")
    view = rstuf.View.ACCEPTED if state is Wanted.ALL else rstuf.View.VISIBLE
    with run.open() as repository:
        found = repository.exported(prefix=prefix, after=after, view=view)
        page = Page(found, limit, path=lambda artifact: artifact.path)
        if run.console.is_json:
            write_list(run.console, map(rstuf.record_of, page))
            run.console.document(page.document)
        else:
            _write_lines(run.console, page, rstuf.RecordLines(rstuf.ExportForm(str(form or ExportFormat.NDJSON))))


def _write_lines(console: Console, page: Page[rstuf.Artifact], lines: rstuf.RecordLines) -> None:
    group = [lines.head]
    for artifact in page:
        group.append(lines.line(artifact))
        if len(group) >= GROUP:
            console.raw("".join(group).encode())
            console.check_reader()
            group.clear()
    console.raw("".join(group).encode())
    # What is said of the lines comes after them, and not at all where they could not be written.
    console.flush()
    more = f"; there are more: --after {escape(page.next)}" if page.next else ""
    console.note(f"{count(page.count - lines.left_out, 'artifact')}{more}")
    if lines.left_out:
        console.warning(f"{count(lines.left_out, 'artifact')} without SHA-256 left out; --format ndjson has all")
    if lines.without_custom:
        console.warning(f"custom data of {count(lines.without_custom, 'artifact')} left out; --format ndjson has them")
