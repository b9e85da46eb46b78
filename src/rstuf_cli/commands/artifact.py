"""`rstuf artifact …`: the files that clients download, in and out, and what there is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import rstuf
from rstuf.errors import InvalidJson
from rstuf_cli.changes import NoPublish, accept_and_publish
from rstuf_cli.console import escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import expanded, read_small
from rstuf_cli.imports import Contents, ImportFormat, take_in
from rstuf_cli.listing import artifact_document, check_limit, show_listing, show_one
from rstuf_cli.run import run_of

EXAMPLES = {
    "artifact add": """
rstuf artifact add dist/app-1.2.whl    its path is app-1.2.whl
rstuf artifact add dist/               a directory: paths from inside it
rstuf artifact add 'dist/*.whl'        a pattern that no shell expanded
rstuf artifact add --prefix releases/1.2 dist/
rstuf artifact add --replace app.whl   on purpose, another content
rstuf artifact add --custom '{"channel": "beta"}' app.whl
rstuf artifact add --path app.whl --length 4211774 --hash sha256:1b0c...
""",
    "artifact list": """
rstuf artifact list
rstuf artifact list --prefix releases/1.2/
rstuf artifact list --json --limit 1000 --after releases/1.2/z.bin
""",
    "artifact show": """
rstuf artifact show app-1.2.whl
""",
    "artifact import": """
rstuf artifact import records.ndjson
    {"path": "app.whl", "length": 4211774, "hashes": {"sha256": "1b0c..."}}
rstuf artifact import legacy.csv        path;size;algorithm;hash, or a header
rstuf artifact import dist/SHA256SUMS   takes and checks the files it names
generate | rstuf artifact import - --format ndjson
""",
}

_ADD_HELP = "rstuf artifact add --help"
_CUSTOM_HINT = """write it like '{"channel": "beta"}', or name its file: @FILE"""
_MAX_CUSTOM_FILE = 1 << 20

_Replace = Annotated[bool, typer.Option("--replace", help="Put another content in the place of a known path's.")]


def add(
    ctx: typer.Context,
    *,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files, patterns, directories with all in them."),
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", metavar="P", help="Begin every artifact path with P.")] = "",
    replace: _Replace = False,
    no_publish: NoPublish = False,
    custom: Annotated[
        str | None, typer.Option("--custom", metavar="JSON|@FILE", help="An object that clients read beside each.")
    ] = None,
    path: Annotated[
        str | None, typer.Option("--path", metavar="P", help="Without a file: the path of what is served elsewhere,")
    ] = None,
    length: Annotated[int | None, typer.Option("--length", metavar="N", help="its length in bytes,")] = None,
    hashes: Annotated[
        list[str] | None, typer.Option("--hash", metavar="ALGORITHM:HEX", help="and what it hashes to. Repeatable.")
    ] = None,
) -> int:
    """Take files in, sign them and publish.

    A file's artifact path is its name; a directory's files keep their paths from inside it. The same content for a
    known path is no change, and without --custom its custom data stay; but it restores the copy that is kept for
    clients where that is missing or damaged. All files are taken, or none.
    """
    run = run_of(ctx)
    described = [name for name, value in (("--path", path), ("--length", length), ("--hash", hashes)) if value]
    if described and paths:
        raise UsageFault(f"{described[0]} describes an artifact without its file; give it no PATH", hint=_ADD_HELP)
    if not described and not paths:
        raise UsageFault("missing PATH: the files to add", hint="rstuf artifact add --help")
    conflict = rstuf.Conflict.REPLACE if replace else rstuf.Conflict.REFUSE
    data = custom_of(custom)
    if paths:

        def accept(repository: rstuf.Repository) -> tuple[rstuf.AcceptedChange, Contents]:
            sources = rstuf.find_files(expanded(paths), prefix=prefix, progress=run.progress)
            return repository.add_files(sources, conflict=conflict, custom=data), Contents.TAKEN
    else:
        described_one = _described(path, length, hashes or [], prefix=prefix, custom=data)

        def accept(repository: rstuf.Repository) -> tuple[rstuf.AcceptedChange, Contents]:
            return repository.add_described(described_one, conflict=conflict), Contents.ELSEWHERE

    return accept_and_publish(run, accept, publish=not no_publish)


def list_(
    ctx: typer.Context,
    *,
    prefix: Annotated[str, typer.Option("--prefix", metavar="P", help="Only paths that begin with P.")] = "",
    after: Annotated[str, typer.Option("--after", metavar="PATH", help="Begin behind PATH.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="At most N artifacts.")] = None,
) -> None:
    """List artifacts by path: length in bytes, state, path."""
    run = run_of(ctx)
    check_limit(limit, command="rstuf artifact list")
    with run.open() as repository:
        show_listing(run.console, repository, prefix=prefix, after=after, limit=limit)


def show(ctx: typer.Context, path: Annotated[str, typer.Argument(metavar="PATH", help="The artifact's path.")]) -> None:
    """Show all that is signed of one artifact."""
    run = run_of(ctx)
    with run.open() as repository:
        found = repository.artifact(path)
    run.console.document(artifact_document(found))
    show_one(run.console, found)


def import_(
    ctx: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Records of artifacts; - reads them from stdin.")],
    form: Annotated[
        ImportFormat | None,
        typer.Option(
            "--format", metavar="FORMAT", help="ndjson, csv or sha256sums; by default the file's name or start tells."
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option("--base", metavar="DIR", help="For sha256sums: what its names start from."),
    ] = None,
    replace: _Replace = False,
    no_publish: NoPublish = False,
) -> int:
    """Take in artifacts by their records, however many.

    Records say path, length and hashes; contents are served from wherever they are. A SHA256SUMS or SHA512SUMS listing
    is different: the files that it names are added, from beside it (from stdin: from the current directory), and must
    hash to what it says. All are taken, or none.
    """
    conflict = rstuf.Conflict.REPLACE if replace else rstuf.Conflict.REFUSE
    return accept_and_publish(
        run_of(ctx),
        lambda repository: take_in(repository, file, form=form, base=base, conflict=conflict),
        publish=not no_publish,
    )


def _described(
    path: str | None, length: int | None, hashes: list[str], *, prefix: str, custom: Mapping[str, Any] | None
) -> rstuf.Artifact:
    if path is None or length is None or not hashes:
        raise UsageFault("--path, --length and --hash go together", hint="rstuf artifact add --help")
    found: dict[str, str] = {}
    for each in hashes:
        algorithm, colon, digest = each.partition(":")
        if not colon or algorithm in found:
            reason = f"--hash {escape(each[:80])}: write ALGORITHM:HEX, each algorithm once"
            raise UsageFault(reason, hint="sha256sum FILE prints what goes behind --hash sha256:")
        found[algorithm] = digest
    whole = f"{prefix.rstrip('/')}/{path}" if prefix else path
    return rstuf.Artifact(path=rstuf.target_path(whole), length=length, hashes=found, custom=custom)


def custom_of(text: str | None) -> Mapping[str, Any] | None:
    """The publisher's data that a command line gives, or the file that it names.

    Raises:
        InvalidJson, UsageFault: it is no JSON object.
    """
    if text is None:
        return None
    if text.startswith("@"):
        data = read_small(Path(text[1:]), limit=_MAX_CUSTOM_FILE)
    else:
        data = text.encode("utf-8", "surrogateescape")
    try:
        value = rstuf.strict_loads(data, what="--custom")
    except InvalidJson as error:
        raise InvalidJson("--custom", error.reason, hint=_CUSTOM_HINT) from None
    if not isinstance(value, dict):
        raise UsageFault("--custom must be a JSON object", hint=_CUSTOM_HINT)
    return value
