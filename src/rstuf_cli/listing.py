"""Artifacts on the screen and as data, one at a time: a listing of a million takes no more memory than one of ten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import rstuf
from rstuf_cli.console import Console, Style, escape, to_json
from rstuf_cli.wording import count, number

_LENGTH_COLUMNS: Final = 15
_STATE_COLUMNS: Final = 9
# Lines that are written together; a reader who left is noticed between them.
_GROUP: Final = 512


def artifact_document(listed: rstuf.ListedArtifact) -> dict[str, Any]:
    """An artifact as data."""
    artifact = listed.artifact
    document: dict[str, Any] = {
        "path": artifact.path,
        "length": artifact.length,
        "hashes": dict(artifact.hashes),
        "role": listed.role,
        "state": str(listed.state),
    }
    if artifact.custom is not None:
        document["custom"] = artifact.custom
    return document


def show_listing(console: Console, repository: rstuf.Repository, *, prefix: str, after: str, limit: int | None) -> None:
    """List artifacts, as they come from the state.

    Raises:
        ReaderGone: nobody reads the rest.
    """
    # One more than asked for tells whether there is a next page.
    wanted = limit + 1 if limit is not None else None
    found = repository.artifacts(prefix=prefix, after=after, limit=wanted)
    if console.is_json:
        _write_documents(console, found, limit)
    else:
        _write_lines(console, found, limit)


def show_one(console: Console, listed: rstuf.ListedArtifact) -> None:
    """All that is signed of one artifact, for people."""
    artifact = listed.artifact
    console.line(console.paint(escape(artifact.path), Style.STRONG))
    rows = [("length", f"{number(artifact.length)} B")]
    rows += list(artifact.hashes.items())
    rows += [("role", listed.role), ("state", str(listed.state))]
    if artifact.custom is not None:
        rows.append(("custom", to_json(artifact.custom)))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.line(f"  {name:<{width}}  {escape(value)}")


def _write_lines(console: Console, found: Iterator[rstuf.ListedArtifact], limit: int | None) -> None:
    shown, last, lines = 0, "", list[str]()
    for listed in found:
        if shown == limit:
            console.line("\n".join(lines))
            console.flush()
            console.note(f"there are more: --after {escape(last)}")
            return
        artifact = listed.artifact
        shown, last = shown + 1, artifact.path
        length = f"{number(artifact.length)} B"
        lines.append(f"{length:>{_LENGTH_COLUMNS}}  {listed.state:<{_STATE_COLUMNS}}  {escape(last)}")
        if len(lines) == _GROUP:
            console.line("\n".join(lines))
            console.check_reader()
            lines.clear()
    if lines:
        console.line("\n".join(lines))
    # What is said of the lines comes after them, and not at all where they could not be written.
    console.flush()
    console.note(count(shown, "artifact") if shown else "there are no artifacts")


def _write_documents(console: Console, found: Iterator[rstuf.ListedArtifact], limit: int | None) -> None:
    """The one JSON document, a piece at a time."""
    console.begin_list("artifacts")
    shown, last, pieces, end = 0, "", list[str](), dict[str, str]()
    for listed in found:
        if shown == limit:
            end["next"] = last
            break
        pieces.append((",\n" if shown else "\n") + to_json(artifact_document(listed)))
        shown, last = shown + 1, listed.artifact.path
        if len(pieces) == _GROUP:
            console.list_items("".join(pieces))
            pieces.clear()
    console.list_items("".join(pieces) + "\n")
    console.document(end)
