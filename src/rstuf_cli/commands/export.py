"""`rstuf artifact export`: records of artifacts on stdout, in the forms that import reads."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

import typer

import rstuf
from rstuf_cli.console import Console, to_json
from rstuf_cli.failures import UsageFault
from rstuf_cli.run import run_of
from rstuf_cli.wording import count

EXAMPLES = {
    "artifact export": """
rstuf artifact export
rstuf artifact export --prefix 1.2/ --format sha256sums
rstuf artifact export --format csv --state all   what waits, too
"""
}

# Lines that are written together; a reader who left is noticed between them.
_GROUP: Final = 512


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
    view = rstuf.View.ACCEPTED if state is Wanted.ALL else rstuf.View.VISIBLE
    with run.open() as repository:
        artifacts = repository.exported(prefix=prefix, view=view)
        if run.console.is_json:
            _write_document(run.console, artifacts)
        else:
            _write_lines(run.console, artifacts, rstuf.RecordLines(rstuf.ExportForm(str(form or ExportFormat.NDJSON))))


def _write_lines(console: Console, artifacts: Iterator[rstuf.Artifact], lines: rstuf.RecordLines) -> None:
    group, total = [lines.head], 0
    for artifact in artifacts:
        group.append(lines.line(artifact))
        total += 1
        if len(group) >= _GROUP:
            console.raw("".join(group).encode())
            console.check_reader()
            group.clear()
    console.raw("".join(group).encode())
    # What is said of the lines comes after them, and not at all where they could not be written.
    console.flush()
    console.note(count(total - lines.left_out, "artifact"))
    if lines.left_out:
        console.warning(f"{count(lines.left_out, 'artifact')} without SHA-256 left out; --format ndjson has all")
    if lines.without_custom:
        console.warning(f"custom data of {count(lines.without_custom, 'artifact')} left out; --format ndjson has them")


def _write_document(console: Console, artifacts: Iterator[rstuf.Artifact]) -> None:
    console.begin_list("artifacts")
    pieces, first = list[str](), True
    for artifact in artifacts:
        pieces.append(("\n" if first else ",\n") + to_json(rstuf.record_of(artifact)))
        first = False
        if len(pieces) == _GROUP:
            console.list_items("".join(pieces))
            pieces.clear()
    console.list_items("".join(pieces) + "\n")
    console.document({})
