"""Artifact records as others write them, NDJSON and CSV, read line by line.

A record is refused with its line; reading never takes more memory than a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from rstuf.errors import InvalidInput, InvalidJson, StorageError
from rstuf.metadata.canonical import strict_loads
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact, ArtifactRow
from rstuf.model.names import MAX_LAST_SEGMENT_BYTES, PLAIN_PATH, TargetPath, target_path
from rstuf.repository.csv_records import CsvReader
from rstuf.repository.lines import LineStream, numbered_lines, refused_line

# The most common record, as most writers write it: nothing in it is escaped, and no key can stand twice.
_PLAIN_RECORD: Final = re.compile(
    rb'\{"path": ?"(%b)", ?"length": ?(0|[1-9][0-9]{0,14}), ?"hashes": ?\{"sha256": ?"([0-9a-f]{64})"\}\}'
    % PLAIN_PATH.encode()
)
_TOLD_EVERY: Final = 1000
_DESCRIPTION: Final = frozenset({"length", "hashes", "custom"})


class RecordFormat(StrEnum):
    """The forms of an import that say everything of an artifact in a line."""

    NDJSON = "ndjson"
    CSV = "csv"


def read_records(stream: LineStream, *, form: RecordFormat, source: str) -> Iterator[ArtifactRow]:
    """The artifacts of a stream of records, as the state keeps them.

    NDJSON: `{"path", "length", "hashes": {algorithm: hex}, "custom"?}` a line; RSTUF's `{"path", "info": {…}}` too.
    CSV: RSTUF's `path;size;algorithm;hash` a line, or what a header says (`csv_records`).

    Args:
        source: what to call the stream in messages.

    Raises:
        InvalidRecord: a line is not such a record; with its number.
        InvalidInput: it is no UTF-8 at all.
    """
    read: Callable[[bytes], ArtifactRow | None] = _read_json if form is RecordFormat.NDJSON else CsvReader()
    # Spaces around JSON say nothing, and those around a field of CSV are part of it.
    strip = b" \t\r\n" if form is RecordFormat.NDJSON else b"\r\n"
    for number, line in numbered_lines(stream, source=source, strip=strip):
        try:
            row = read(line)
        except InvalidInput as error:
            reason = f"not acceptable JSON: {error.reason}" if isinstance(error, InvalidJson) else error.message
            hint = _hint_for(line) if form is RecordFormat.NDJSON else None
            raise refused_line(source, number, line, reason, hint=hint) from None
        if row is not None:
            yield row


def find_lines(
    stream: LineStream,
    *,
    form: RecordFormat,
    source: str,
    paths: Collection[str],
    most: int,
    on_lines: Callable[[int], None],
) -> tuple[int, ...]:
    """Where a stream of records speaks of `paths`: for each the first line, and the first that says something else.

    What cannot be read any more ends the search.

    Args:
        most: so many lines are enough.
        on_lines: told now and then how many more were read.
    """
    counted = _Counted(stream, on_lines)
    found: dict[tuple[str, bytes], int] = {}
    try:
        for row in read_records(counted, form=form, source=source):
            if row[1] in paths:
                found.setdefault((row[1], row[2]), counted.number)
                if len(found) == most:
                    break
    except (InvalidInput, StorageError):
        pass
    return tuple(found.values())


class _Counted:
    """Counts the lines that were read of a stream: the reader takes no more of them than it needs."""

    def __init__(self, stream: LineStream, on_lines: Callable[[int], None]) -> None:
        self._stream, self._on_lines = stream, on_lines
        self.number = 0

    def readline(self, size: int, /) -> bytes:
        self.number += 1
        if self.number % _TOLD_EVERY == 0:
            self._on_lines(_TOLD_EVERY)
        return self._stream.readline(size)


def _hint_for(line: bytes) -> str | None:
    """How JSON becomes one object a line, where it seems to be of another form."""
    query = ".[]" if line.startswith(b"[") else "." if line == b"{" else None
    if line.startswith(b'{"artifacts"'):
        query = ".artifacts[]"
    return query and f"nothing of this import was taken; one object a line is needed: jq -c '{query}' makes them"


def _read_json(line: bytes) -> ArtifactRow:
    plain = _PLAIN_RECORD.fullmatch(line)
    if plain is None or len(plain[1]) > MAX_LAST_SEGMENT_BYTES:
        return row_of(_artifact(strict_loads(line, what="the record")))
    path, length, digest = plain.groups()
    slot = int.from_bytes(sha256(path).digest()[:4], "big")
    # The pattern is that of a plain target path.
    return ArtifactRow(slot, TargetPath(path.decode()), b'{"hashes":{"sha256":"%b"},"length":%b}' % (digest, length))


def _artifact(record: object) -> Artifact:
    if not isinstance(record, dict):
        raise InvalidInput("the record is not a JSON object")
    # Either the description stands in the record, or RSTUF's info holds all of it.
    info = record.get("info", record)
    if not isinstance(info, dict):
        raise InvalidInput("the record's info is not a JSON object")
    _refuse_unknown(record, {"path", "info"} if "info" in record else {"path", *_DESCRIPTION})
    if info is not record:
        _refuse_unknown(info, _DESCRIPTION)
    path = record.get("path")
    if not isinstance(path, str):
        raise InvalidInput("the record has no path")
    for field in ("length", "hashes"):
        if field not in info:
            raise InvalidInput(f"the record has no {field}")
    return Artifact(path=target_path(path), length=info["length"], hashes=info["hashes"], custom=info.get("custom"))


def _refuse_unknown(said: Mapping[str, Any], known: Collection[str]) -> None:
    unknown = sorted(said.keys() - known)
    if not unknown:
        return
    if "info" in said and unknown[0] in _DESCRIPTION:
        raise InvalidInput(f"the record has {unknown[0]} beside info, which holds it in RSTUF's form")
    raise InvalidInput(f"the record has the unknown field {unknown[0][:40]!r}")
