"""`rstuf download`: files that are what was signed, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf_cli.console import Console, escape, pad, width_of
from rstuf_cli.failures import UsageFault
from rstuf_cli.fetching import Source, agreeing_sources, download_document, one_source
from rstuf_cli.reports import sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.streams import is_terminal
from rstuf_cli.trusting import TrustDir, only_trusted, open_store
from rstuf_cli.wording import count, seconds, size

_HELP: Final = "rstuf download --help"

EXAMPLES = {
    "download": """
rstuf download app-1.0.tar.gz                     where one repository is trusted
rstuf download dist/app.whl dist/app.sig --from acme --dir /tmp/acme
rstuf download app-1.0.tar.gz --from acme -o app.tar.gz
rstuf download config.json --from acme -o - | jq .version
rstuf download fw.bin --map map.json              what several repositories agree on
"""
}

_CHUNK = 1 << 20
_STDOUT = "-"


def download(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Artifacts, by the paths they are signed under.")],
    *,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="A trusted repository; by default the only one that is trusted."),
    ] = None,
    map_: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="A map that says which trusted repositories must agree (TAP 4)."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to put it; - for stdout, once verified.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Below which directory to put a/b.txt; by default below this one."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace another file that has the name.")] = False,
    trust_dir: TrustDir = None,
) -> None:
    """Download artifacts, verified from the root that you pinned.

    A file gets its name when every byte of it is what was signed. Until then it is NAME.part, from which the same
    command goes on after an interruption. A file that is there already and is right is left alone.

    With --map, a file is taken when as many repositories as the map asks for sign the same length and hashes, each
    verified from its own pinned root. Who is left out, and who says otherwise, is told.
    """
    run = run_of(ctx)
    lasted = run.lasted()
    _check_options(run.console, paths, output, directory)
    if map_ is not None and from_ is not None:
        raise UsageFault("--map says which repositories are asked, and so does --from", hint=_HELP)
    wanted = [rstuf.target_path(path) for path in dict.fromkeys(paths)]
    existing = rstuf.Existing.REPLACE if force else rstuf.Existing.KEEP
    store = open_store(run, trust_dir)
    source: AbstractContextManager[Source]
    if map_ is not None:
        source = agreeing_sources(run, store, map_)
    else:
        source = one_source(store, from_ if from_ is not None else only_trusted(store))
    run.interrupted = "not everything is downloaded"
    done: list[rstuf.Download] = []
    with source as goods:
        offers = goods.look_up(wanted)
        if output == _STDOUT:
            with goods.spool(offers[0]) as content:
                run.progress.close()
                _copy_out(run.console, content)
            return
        for offer in offers:
            place = _place_of(offer, output, directory)
            with _keeping(run, place, offer, done):
                done.append(goods.save(offer, place, existing=existing))
        run.progress.close()
        run.console.document(goods.document(done))
        _tell(run.console, [(each, goods.proof(each)) for each in done], took=seconds(lasted()))


def _check_options(console: Console, paths: Sequence[str], output: str | None, directory: Path | None) -> None:
    if output is not None and directory is not None:
        raise UsageFault("-o and --dir do not go together", hint=_HELP)
    if output is not None and len(paths) > 1:
        raise UsageFault("-o takes one artifact", hint="--dir DIR puts several below a directory")
    if output == "":
        raise UsageFault("-o needs the name of a file", hint=_HELP)
    if output == _STDOUT and console.is_json:
        raise UsageFault("-o - and --json both want stdout", hint=_HELP)
    if output == _STDOUT and is_terminal(sys.stdout):
        raise UsageFault(
            "stdout is a terminal, and what was downloaded could do anything to it", hint="-o FILE, or a pipe"
        )


def _place_of(offer: rstuf.Offer, output: str | None, directory: Path | None) -> rstuf.Destination:
    if output is not None:
        return rstuf.destination_at(output)
    return rstuf.destination_in(directory if directory is not None else Path(), offer.path)


@contextmanager
def _keeping(run: Run, place: rstuf.Destination, offer: rstuf.Offer, done: Sequence[rstuf.Download]) -> Iterator[None]:
    """Whatever breaks off a download: say what is there of it, and which others are complete."""
    try:
        yield
    except BaseException as error:
        kept = [f"{count(len(done), 'file')} complete"] if done else []
        there = place.unfinished()
        # Where another file has the name, the same command ends there again.
        if 0 < there <= offer.length and not isinstance(error, rstuf.errors.DestinationTaken):
            kept.append(f"{size(there)} of {size(offer.length)} in {place.part}; the same command goes on from there")
        if kept:
            run.keeps("; ".join(kept), downloads=[download_document(each) for each in done])
        raise


def _copy_out(console: Console, content: Any) -> None:
    while chunk := content.read(_CHUNK):
        console.raw(chunk)
        console.check_reader()


def _tell(console: Console, done: Sequence[tuple[rstuf.Download, str]], *, took: str) -> None:
    if console.is_json:
        return
    width = max(width_of(escape(str(each.file))) for each, _ in done)
    for each, proof in done:
        what = f"downloaded, {proof}"
        if each.state is rstuf.DownloadState.PRESENT:
            what = "already here, verified"
        elif each.resumed_from:
            what = f"resumed at {size(each.resumed_from)}, {proof}"
        file = pad(escape(str(each.file)), width)
        console.result(f"{sign(console, ok=True)} {file}  {size(each.offer.length):>7}  {what}")
    if len(done) > 1:
        total = sum(each.offer.length for each, _ in done)
        console.result(f"  {count(len(done), 'file')}, {size(total)}, {took}")
