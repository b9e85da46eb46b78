"""`rstuf artifact why`: which role is responsible for a path, and what a client makes of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import iso
from rstuf_cli.console import Console, Style, escape
from rstuf_cli.reports import sign
from rstuf_cli.run import run_of
from rstuf_cli.steps import Step, show_steps, steps_document
from rstuf_cli.visiting import beyond_in_words, reasons, way_document
from rstuf_cli.wording import ago, both, day, listed, number, size

EXAMPLES = {
    "artifact why": """
rstuf artifact why app-1.2.whl
rstuf artifact why --json 1.2/app.tar.gz
"""
}

_LABEL: Final = 9
_OBSTACLES: Final[Mapping[rstuf.Obstacle, str]] = {
    rstuf.Obstacle.UNKNOWN: "there is no such artifact",
    rstuf.Obstacle.WAITING: "it waits for a publication",
    rstuf.Obstacle.REMOVED: "it was removed; clients see it until the next publication",
    rstuf.Obstacle.OUTDATED: "clients see the content before, until the next publication",
    rstuf.Obstacle.NO_CONTENT: "its content is not where contents are kept",
    rstuf.Obstacle.UNSIGNED: "it waits for signatures",
    rstuf.Obstacle.NOT_DELEGATED: "no delegation is for it",
    rstuf.Obstacle.DISPUTED: "they differ in where they look for it",
}


def why(
    ctx: typer.Context, path: Annotated[str, typer.Argument(metavar="PATH", help="A path, be it here or not.")]
) -> None:
    """Explain which role is responsible for a path, and what clients find.

    The first delegation that is for a path decides on its role, and among bins its hash does; the metadata of that role
    names the artifact, or does not. Shown are the way there, what was changed and when, and every file that a client
    fetches which holds the newest root.
    """
    run = run_of(ctx)
    with run.open() as repository:
        found = repository.explain(path)
    steps = _steps(found)
    run.console.document(_document(found, steps))
    if not run.console.is_json:
        _show(run.console, found, steps)


def _show(console: Console, found: rstuf.Explanation, steps: list[Step]) -> None:
    console.line(console.paint(escape(found.path), Style.STRONG))
    for label, text in _rows(console, found):
        for part in console.folded(f"  {label:<{_LABEL}}{text}", indent=_LABEL + 2):
            console.line(part)
    if found.near:
        console.line()
        console.line("did you mean")
        for path in found.near:
            console.line(f"  {escape(path)}")
    console.line()
    console.line("a client fetches" if found.found else "a client would fetch")
    for each in found.fetched:
        # Names with a hash in them are long, so sizes stand first.
        length = "" if each.length is None else size(each.length)
        console.line(f"  {length:>8}  {escape(each.name)}")
    show_steps(console, steps, now=found.now)


def _rows(console: Console, found: rstuf.Explanation) -> Iterator[tuple[str, str]]:
    words = [_OBSTACLES[each] for each in found.obstacles if each in _OBSTACLES]
    if found.expired:
        words.append(f"{listed([escape(name) for name in found.expired])} expired, so clients refuse")
    yield "clients", f"{sign(console, ok=found.found)} {'; '.join(words) or 'find it'}"
    if found.listed is not None:
        artifact = found.listed.artifact
        algorithm, digest = next(iter(artifact.hashes.items()))
        yield "state", f"{found.listed.state}: {number(artifact.length)} B, {algorithm} {digest[:8]}…{digest[-4:]}"
    if found.changed is not None:
        change = found.changed
        yield "changed", f"{_when(found, change)} by {escape(change.actor)} (change {number(change.number)})"
        if change.next_version is not None:
            yield "", f"the next publication was timestamp v{number(change.next_version)}"
    expiry = f", expires {both(found.expires, found.now)}" if found.expires is not None else ""
    yield "role", f"{escape(found.role)} {f'v{number(found.version)}' if found.version else 'unpublished'}{expiry}"
    yield from zip_longest(["because"], reasons(found.way), fillvalue="")
    besides = beyond_in_words(found.way)
    if besides is not None and found.visible is None:
        yield "", besides


def _when(found: rstuf.Explanation, change: rstuf.Change) -> str:
    return f"{ago(change.at, found.now)}, {day(change.at, found.now)},"


def _steps(found: rstuf.Explanation) -> list[Step]:
    steps = []
    waits = {rstuf.Obstacle.WAITING, rstuf.Obstacle.REMOVED, rstuf.Obstacle.OUTDATED}
    if rstuf.Obstacle.EXPIRED in found.obstacles:
        steps.append(Step("rstuf renew", "sign again what has expired"))
    if rstuf.Obstacle.UNSIGNED in found.obstacles:
        steps.append(Step("rstuf event list", "shows whose signatures are missing"))
    if not waits.isdisjoint(found.obstacles):
        steps.append(Step("rstuf publish", "let clients see what was accepted"))
    if rstuf.Obstacle.NO_CONTENT in found.obstacles:
        above, _, _ = found.path.rpartition("/")
        prefix = f"--prefix {shlex.quote(above)} " if above else ""
        steps.append(Step(f"rstuf artifact add {prefix}FILE", "put its content back, by adding the same file"))
    return steps


def _document(found: rstuf.Explanation, steps: list[Step]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "path": found.path,
        "found": found.found,
        "obstacles": [str(each) for each in found.obstacles],
        "path_sha256": found.path_sha256,
        "role": {
            "name": found.role,
            "version": found.version,
            "signed_at": iso(found.signed_at) if found.signed_at is not None else None,
            "expires": iso(found.expires) if found.expires is not None else None,
        },
        "expired": list(found.expired),
        **way_document(found.way),
        "fetched": [{"name": each.name, "bytes": each.length} for each in found.fetched],
        "near": list(found.near),
        "next_steps": steps_document(steps),
    }
    if found.bins is not None:
        document["bin"] = {"first": found.bins.first, "last": found.bins.last, "bits": found.bins.bits}
    if found.listed is not None:
        document["state"] = str(found.listed.state)
        document["artifact"] = rstuf.record_of(found.listed.artifact)
    if found.visible is not None:
        document["visible"] = rstuf.record_of(found.visible)
    if found.changed is not None:
        change = found.changed
        document["changed"] = {
            "number": change.number,
            "at": iso(change.at),
            "actor": change.actor,
            "action": change.action,
            "next_timestamp_version": change.next_version,
            "next_published_at": iso(change.next_at) if change.next_at is not None else None,
        }
    return document
