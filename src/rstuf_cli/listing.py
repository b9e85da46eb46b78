"""Artifacts on the screen and as data, one at a time: a listing of a million takes no more memory than one of ten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

import rstuf
from rstuf_cli.console import Console, Style, escape, to_json
from rstuf_cli.failures import UsageFault
from rstuf_cli.wording import count, number

_LENGTH_COLUMNS: Final = 15
_STATE_COLUMNS: Final = 9
# Lines that are written together; a reader who left is noticed between them.
GROUP: Final = 512

Listed = TypeVar("Listed")


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


class Page(Generic[Listed]):
    """At most `limit` of what comes, and, once they were taken, what lies behind them.

    Attributes:
        count: how many there were so far.
        next: the last path, where more would follow: what `--after` takes.
    """

    def __init__(self, found: Iterable[Listed], limit: int | None, *, path: Callable[[Listed], str]) -> None:
        self._found, self._limit, self._path = found, limit, path
        self.count, self.next = 0, ""

    def __iter__(self) -> Iterator[Listed]:
        last = ""
        for each in self._found:
            if self.count == self._limit:
                self.next = last
                return
            self.count, last = self.count + 1, self._path(each)
            yield each

    @property
    def document(self) -> dict[str, str]:
        """What ends a document that holds a page."""
        return {"next": self.next} if self.next else {}


def check_limit(limit: int | None, *, command: str) -> None:
    """
    Raises:
        UsageFault: a page of nothing is asked for.
    """
    if limit == 0:
        raise UsageFault("--limit needs a number above 0", hint=f"leave it out for all of them: {command}")


def show_listing(console: Console, repository: rstuf.Repository, *, prefix: str, after: str, limit: int | None) -> None:
    """List artifacts, as they come from the state.

    Raises:
        ReaderGone: nobody reads the rest.
    """
    page = Page(repository.artifacts(prefix=prefix, after=after), limit, path=lambda listed: listed.artifact.path)
    if console.is_json:
        _write_documents(console, page)
    else:
        _write_lines(console, page)


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


def _write_lines(console: Console, page: Page[rstuf.ListedArtifact]) -> None:
    lines = list[str]()
    for listed in page:
        length = f"{number(listed.artifact.length)} B"
        lines.append(f"{length:>{_LENGTH_COLUMNS}}  {listed.state:<{_STATE_COLUMNS}}  {escape(listed.artifact.path)}")
        if len(lines) == GROUP:
            console.line("\n".join(lines))
            console.check_reader()
            lines.clear()
    if lines:
        console.line("\n".join(lines))
    # What is said of the lines comes after them, and not at all where they could not be written.
    console.flush()
    if page.next:
        console.note(f"there are more: --after {escape(page.next)}")
    else:
        console.note(count(page.count, "artifact") if page.count else "there are no artifacts")


def _write_documents(console: Console, page: Page[rstuf.ListedArtifact]) -> None:
    write_list(console, (artifact_document(listed) for listed in page))
    console.document(page.document)


def write_list(console: Console, documents: Iterable[Mapping[str, Any]]) -> None:
    """The list `artifacts` of the one JSON document, a piece at a time; the document is still to be ended."""
    console.begin_list("artifacts")
    pieces, first = list[str](), True
    for document in documents:
        pieces.append(("\n" if first else ",\n") + to_json(document))
        first = False
        if len(pieces) == GROUP:
            console.list_items("".join(pieces))
            pieces.clear()
    console.list_items("".join(pieces) + "\n")
