"""Map files and what repositories said by them, for the commands that read maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import rstuf
from rstuf.durable import is_failing
from rstuf.errors import FileTooLarge, InvalidMap, Said, StorageError
from rstuf_cli.console import escape, escape_message
from rstuf_cli.files import open_regular, read_small
from rstuf_cli.wording import listed, number

_MAX_BYTES: Final = 1 << 18
_SHORT: Final = 16


def read_map_file(file: Path) -> rstuf.RepositoryMap:
    """The map in a file.

    Raises:
        InputMissing: it is not there.
        InvalidMap: it is none, or no file of that size that may be read.
        StorageError: the disk fails.
    """
    try:
        data = read_small(file, limit=_MAX_BYTES, opener=open_regular)
    except FileTooLarge:
        raise InvalidMap(str(file), [f"it has more than {_MAX_BYTES} bytes"]) from None
    except StorageError as error:
        if not isinstance(error.__context__, OSError) or is_failing(error.__context__):
            raise
        raise InvalidMap(str(file), [error.reason]) from None
    return rstuf.read_map(data, what=str(file))


def map_document(chart: rstuf.RepositoryMap) -> dict[str, Any]:
    """A map as data, without what stands in its URLs for servers alone."""
    return {
        "repositories": {name: [rstuf.shown_place(url) for url in urls] for name, urls in chart.repositories.items()},
        "mapping": [entry_document(entry) for entry in chart.entries],
    }


def entry_document(entry: rstuf.MapEntry) -> dict[str, Any]:
    """A mapping as data."""
    return {
        "paths": list(entry.paths),
        "repositories": list(entry.repositories),
        "threshold": entry.threshold,
        "terminating": entry.terminating,
    }


def notes_document(notes: Iterable[rstuf.MapNote]) -> list[dict[str, Any]]:
    """What is to be known of a map, as data."""
    return [
        {
            "code": note.code,
            "message": note.message,
            **({"mapping": note.mapping} if note.mapping is not None else {}),
        }
        for note in notes
    ]


def note_in_words(note: rstuf.MapNote) -> str:
    """The same for people."""
    where = f"mapping {note.mapping}: " if note.mapping is not None else ""
    return f"{where}{escape_message(note.message)}"


def entry_in_words(entry: rstuf.MapEntry) -> str:
    """`2 of acme, beta and gamma; else nothing`: who is asked, and what happens where too few agree."""
    names = [escape(name) for name in entry.repositories]
    who = f"{number(entry.threshold)} of {listed(names)}" if len(names) > 1 else names[0]
    return f"{who}; else {'nothing' if entry.terminating else 'the next'}"


def said_document(said: Iterable[Said]) -> list[dict[str, Any]]:
    """What repositories said, as data."""
    return [_said_document(each) for each in said]


def _said_document(said: Said) -> dict[str, Any]:
    document: dict[str, Any] = {"mapping": said.mapping, "repository": said.repository}
    if said.length is not None:
        document |= {"length": said.length, "hashes": dict(said.hashes)}
    if said.problem is not None:
        document |= {"code": said.problem.code, "message": said.problem.message}
    if said.twin is not None:
        document |= {"same_as": said.twin}
    return document


def said_in_words(said: Said) -> str:
    """What a repository said, for people."""
    if said.problem is not None:
        return said.problem.message
    if said.length is None:
        return "signs no such path"
    content = signed_in_words(said.length, said.hashes)
    return content if said.twin is None else f"{content}; it is the repository {said.twin}, and counts once"


def signed_in_words(length: int, hashes: Mapping[str, str]) -> str:
    """`4 211 774 B, sha256 1b0c5e…`: enough to tell contents apart."""
    digests = [f"{name} {digest[:_SHORT]}…" for name, digest in hashes.items()]
    return ", ".join((f"{number(length)} B", *digests))


def said_lines(said: Sequence[Said]) -> list[str]:
    """What each repository said, one a line."""
    width = max((len(each.repository) for each in said), default=0)
    several = len({each.mapping for each in said}) > 1
    return [
        f"{f'mapping {each.mapping}  ' if several else ''}{each.repository:<{width}}  {said_in_words(each)}"
        for each in said
    ]
