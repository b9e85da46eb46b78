"""`rstuf map make, show, check`: which repositories are asked for what, and how many must say the same (TAP 4)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

import rstuf
from rstuf.errors import InvalidInput, InvalidTrustName, NameTaken
from rstuf_cli.console import escape, pad, width_of
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import as_argument
from rstuf_cli.maps import (
    entry_document,
    entry_in_words,
    map_document,
    note_in_words,
    notes_document,
    read_map_file,
)
from rstuf_cli.reports import sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.trusting import TrustDir, open_store
from rstuf_cli.wording import count

_HELP: Final = "rstuf map make --help"
_STDOUT: Final = Path("-")
_WIDEST: Final = 40

EXAMPLES = {
    "map make": """
rstuf map make -o map.json --url https://updates.example.org/    this workspace
rstuf map make -o map.json --repository a=https://a.example/ --path 'fw/*'
rstuf map make -o map.json --append --repository a    for everything else
""",
    "map show": """
rstuf map show map.json
rstuf map show map.json --json
""",
    "map check": """
rstuf map check map.json
""",
}

MapFile = Annotated[Path, typer.Argument(metavar="FILE", help="A map of repositories.")]


def make(
    ctx: typer.Context,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it; by default to stdout.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Put the mapping behind those of the map that is there.")
    ] = False,
    url: Annotated[
        list[str] | None,
        typer.Option("--url", metavar="URL", help="Where this workspace's metadata is served, to name it. Repeatable."),
    ] = None,
    repository: Annotated[
        list[str] | None,
        typer.Option(
            "--repository",
            metavar="NAME[=URL]",
            help="Another repository; its URL too where the map does not know it. Repeatable.",
        ),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATTERN", help="What it is for; by default *, everything. Repeatable."),
    ] = None,
    threshold: Annotated[
        int | None, typer.Option("--threshold", metavar="N", help="How many must say the same; by default all.", min=1)
    ] = None,
    not_terminating: Annotated[
        bool, typer.Option("--not-terminating", help="Where too few agree, let the mappings behind it decide.")
    ] = False,
) -> None:
    """Write a map of repositories, or add a mapping to one.

    A mapping says for which artifacts which repositories are asked, in this order, and how many of them must sign the
    same length and hashes. Mappings are searched in their order. What a client trusts is no part of a map: it pins the
    root of each repository under its name.
    """
    run = run_of(ctx)
    target = None if output == _STDOUT else output
    if append and target is None:
        raise UsageFault("--append needs the map that is there", hint="name it: -o FILE")
    if target is None and run.console.is_json:
        raise UsageFault("--json writes its document to stdout, and so does the map", hint="name a file: -o FILE")
    known = read_map_file(target) if append and target is not None else rstuf.RepositoryMap({}, ())
    named = [*_own(run, url or ()), *map(_named, repository or ())]
    if not named:
        raise UsageFault("a mapping names repositories", hint="--repository NAME=URL, or --url URL in a workspace")
    repositories = dict(known.repositories)
    for name, place in named:
        if place is None and name not in repositories:
            raise UsageFault(f"nothing says where {name} is", hint=f"--repository {name}=URL")
        urls = repositories.get(name, ())
        repositories[name] = (*urls, place) if place is not None and place not in urls else urls
    names = tuple(dict.fromkeys(name for name, _ in named))
    paths = tuple(rstuf.map_pattern(rstuf.path_pattern(text)) for text in path or ("*",))
    entry = rstuf.MapEntry(paths, names, threshold if threshold is not None else len(names), not not_terminating)
    chart = rstuf.checked_map(
        rstuf.RepositoryMap(repositories, (*known.entries, entry)), what=str(target) if target else "the map"
    )
    if target is None:
        run.console.raw(rstuf.render_map(chart))
    else:
        _write(run, target, chart, append=append)
    _tell(run, chart, target)


def _own(run: Run, urls: Sequence[str]) -> list[tuple[str, str | None]]:
    """This workspace, where it is to be named."""
    if not urls:
        return []
    with run.open() as repository:
        name = repository.name
    run.progress.close()
    try:
        rstuf.trusted_as(name)
    except InvalidTrustName as error:
        raise InvalidInput(
            f"{error.message}, and this one is called so", hint="name it here: --repository NAME=URL"
        ) from None
    return [(name, url) for url in urls]


def _named(text: str) -> tuple[str, str | None]:
    name, equals, url = text.partition("=")
    if not name or (equals and not url):
        raise UsageFault(f"{text} does not name a repository", hint="--repository NAME=URL")
    return name, url if equals else None


def _write(run: Run, target: Path, chart: rstuf.RepositoryMap, *, append: bool) -> None:
    run.interrupted = f"{target} is whole, with the new mapping or without"
    if append:
        # A link goes on leading there.
        rstuf.write_map(Path(os.path.realpath(target)), chart, existing=rstuf.Existing.REPLACE)
        return
    run.interrupted = f"{target} is whole if it is there, and not there else"
    try:
        rstuf.write_map(target, chart, existing=rstuf.Existing.KEEP)
    except NameTaken:
        hint = "--append adds a mapping to the map that is there; or name another file with -o FILE"
        raise InvalidInput(f"{target} is there already, with other contents", hint=hint) from None


def _tell(run: Run, chart: rstuf.RepositoryMap, target: Path | None) -> None:
    console, notes = run.console, rstuf.notes_on_map(chart)
    console.document({"file": str(target), **map_document(chart), "notes": notes_document(notes)})
    last = len(chart.entries)
    for note in notes:
        if note.mapping in {None, last}:
            for line in console.fold(f"note:  {note_in_words(note)}", indent=7):
                console.note(line)
    if target is None:
        return
    entry = chart.entries[-1]
    console.folded_result(
        f"{sign(console, ok=True)} {escape(str(target))}, mapping {last}: {_patterns(entry)} from "
        f"{entry_in_words(entry)}",
        indent=2,
    )
    console.result("")
    console.result("those who have pinned the roots of these repositories download by")
    console.result(f"  rstuf download PATH --map {escape(as_argument(str(target)))}")


def show(ctx: typer.Context, file: MapFile, *, trust_dir: TrustDir = None) -> None:
    """Show which repositories a map names, and for what each is asked.

    Nothing is fetched. Beside each repository stands whether its root is pinned here, without which nothing that it
    says counts.
    """
    run = run_of(ctx)
    chart = read_map_file(file)
    pinned = set(open_store(run, trust_dir).names())
    repositories = [
        {
            "name": name,
            "urls": [rstuf.shown_place(url) for url in urls],
            "trusted": rstuf.trusted_as(name) in pinned,
        }
        for name, urls in chart.repositories.items()
    ]
    run.console.document({"repositories": repositories, "mapping": [entry_document(entry) for entry in chart.entries]})
    console = run.console
    width = max(map(len, chart.repositories))
    for name, urls in chart.repositories.items():
        there = "pinned" if rstuf.trusted_as(name) in pinned else "not pinned here"
        places = ", ".join(escape(rstuf.shown_place(url)) for url in urls)
        console.prose(f"{pad(escape(name), width)}  {there}  {places}", indent=width + 2)
    console.line()
    patterns = [_patterns(entry) for entry in chart.entries]
    width = min(_WIDEST, max(map(width_of, patterns)))
    for place, (shown, entry) in enumerate(zip(patterns, chart.entries, strict=True), 1):
        console.prose(f"{place:>3}  {pad(shown, width)}  {entry_in_words(entry)}", indent=7 + width)


def _patterns(entry: rstuf.MapEntry) -> str:
    return ", ".join(map(escape, entry.paths))


def check(ctx: typer.Context, file: MapFile) -> None:
    """Say whether a map can be relied on, and what to know of it.

    What clients would refuse of it is an error. What they take, and not all alike, or otherwise than its maker may
    mean, is said and is none. Nothing is fetched.
    """
    run = run_of(ctx)
    chart = read_map_file(file)
    notes = rstuf.notes_on_map(chart)
    repositories, mappings = len(chart.repositories), len(chart.entries)
    run.console.document(
        {"ok": True, "repositories": repositories, "mappings": mappings, "notes": notes_document(notes)}
    )
    console = run.console
    what = f"{count(repositories, 'repository', 'repositories')}, {count(mappings, 'mapping')}"
    console.line(f"{sign(console, ok=True)} {escape(str(file))}: {what}")
    for note in notes:
        console.prose(f"  ! {note_in_words(note)}", indent=4)
