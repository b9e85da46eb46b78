"""`rstuf key find`: every key that could sign from this machine, and what to write for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import CeremonyUnfinished, InputMissing, InvalidInput, WorkspaceNotFound
from rstuf_cli.console import Console, escape, pad, width_of
from rstuf_cli.run import Run, keep_to_itself, run_of
from rstuf_cli.steps import Step, show_steps
from rstuf_cli.wording import fingerprint

EXAMPLES = {
    "key find": """
rstuf key find
rstuf key find --in /media/usb   on another disk, too
rstuf key find --json
""",
}


_Found = rstuf.FoundKey | rstuf.Unreachable


def find(
    ctx: typer.Context,
    *,
    where: Annotated[
        list[Path] | None, typer.Option("--in", metavar="DIR", help="Look for key files there, too; repeatable.")
    ] = None,
) -> None:
    """Find keys that could sign from here: in files, agents and tokens.

    Key files (*.key) are looked for in keys/ of the workspace and in the current directory. Nobody is asked for a
    passphrase or a PIN, and no cloud service is asked at all. Behind each key stands what names it as a signer.
    """
    run = run_of(ctx)
    keep_to_itself()
    for directory in where or ():
        if not directory.is_dir():
            if directory.exists():
                raise InvalidInput(f"{directory} is no directory", hint="rstuf key show --file FILE looks at a file")
            raise InputMissing(str(directory), hint="name a directory that is there")
    workspace = _workspace(run)
    keys = [] if workspace is None else [workspace / "keys"]
    found = list(rstuf.find_keys([*keys, Path.cwd(), *(where or ())], workspace=workspace))
    names = None if workspace is None else _names(run, found)
    rows = list(zip(found, names or [None] * len(found), strict=True))
    run.console.document({"keys": [_document(each, name) for each, name in rows]})
    if not run.console.is_json:
        _show(run.console, rows, known=names is not None)
        steps = _steps(rows, known=names is not None)
        show_steps(run.console, steps, now=SystemClock().now())


def _workspace(run: Run) -> Path | None:
    """The workspace that the person stands in; None where they stand in none, and named none."""
    try:
        return rstuf.find_workspace(run.directory)
    except WorkspaceNotFound:
        if run.names_workspace:
            raise WorkspaceNotFound(str(run.directory), only=True) from None
        return None


def _names(run: Run, found: Sequence[_Found]) -> list[str | None] | None:
    """What the repository calls each of them; None before its ceremony has ended."""
    try:
        with run.open() as repository:
            by_signer = {entry.signer: entry.name for entry in repository.keys()}
            return [_name(repository, each, by_signer) for each in found]
    except CeremonyUnfinished:
        return None


def _name(repository: rstuf.Repository, found: _Found, by_signer: Mapping[str | None, str]) -> str | None:
    if isinstance(found, rstuf.Unreachable):
        return None
    if found.key is None:
        # A key that tells nothing of itself is the one that is said to sign from there.
        return by_signer.get(found.uri) if found.uri is not None else None
    entry = repository.entry_of(found.key)
    return entry.name if entry is not None else None


def _show(console: Console, rows: Sequence[tuple[_Found, str | None]], *, known: bool) -> None:
    keys = [(each, name) for each, name in rows if isinstance(each, rstuf.FoundKey)]
    cells = [([escape(name or "-")] if known else []) + _key_cells(key) for key, name in keys]
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    for row, (key, _) in zip(cells, keys, strict=True):
        indent = widths[0] + 2
        head = "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True))
        console.prose(f"{head}  {escape(key.uri or f'{key.scheme}: {key.label}')}", indent=indent)
        for line in _remarks(key):
            console.prose(f"{' ' * indent}{line}", indent=indent + 2)
    if not keys:
        console.line("no key that could sign is here")
    for each, _ in rows:
        if isinstance(each, rstuf.Unreachable):
            hint = f" ({escape(each.hint)})" if each.hint is not None else ""
            console.prose(f"! {each.scheme}: {escape(each.fault)}{hint}", indent=2)


def _key_cells(found: rstuf.FoundKey) -> list[str]:
    """Its kind, and the beginning of its key id."""
    if found.key is None:
        return ["-", "-"]
    return [escape(found.key.keytype), f"{fingerprint(found.key.keyid[:8])} …"]


def _remarks(found: rstuf.FoundKey) -> Iterator[str]:
    """What stands below a key: what it is called there, where its URI does not say so, its fault and its note."""
    if found.uri is not None and found.label and not found.uri.endswith(found.label):
        yield escape(found.label)
    if found.fault is not None:
        yield f"! {escape(found.fault)}"
    if found.note is not None:
        yield escape(found.note)


def _steps(rows: Sequence[tuple[_Found, str | None]], *, known: bool) -> list[Step]:
    """Naming a key that is not known, in a repository that is there; making one, where there is none at all."""
    if not any(isinstance(found, rstuf.FoundKey) for found, _ in rows):
        return [Step("rstuf key generate NAME", "make one")]
    new = [found.uri for found, name in rows if name is None and isinstance(found, rstuf.FoundKey) and not found.fault]
    if not known or not any(new):
        return []
    if len(new) == 1:
        return [Step(f"rstuf key add NAME --signer {quote(new[0] or '')}", "let this repository know it by a name")]
    return [Step("rstuf key add NAME --signer URI", "let this repository know one by a name")]


def _document(found: _Found, name: str | None) -> dict[str, Any]:
    document: dict[str, Any] = {"scheme": found.scheme, "uri": None, "keyid": None, "kind": None, "label": None}
    if isinstance(found, rstuf.FoundKey):
        document |= {"uri": found.uri, "label": found.label}
        if found.key is not None:
            document |= {"keyid": found.key.keyid, "kind": found.key.keytype}
    note = found.note if isinstance(found, rstuf.FoundKey) else found.hint
    more = {"name": name, "fault": found.fault, "note": note}
    return document | {field: text for field, text in more.items() if text is not None}
