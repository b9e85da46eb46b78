"""Artifact records as others write them: NDJSON, RSTUF's CSV and SHA256SUMS, read line by line.

A record is refused with its line; reading never takes more memory than a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, BinaryIO, Final

from rstuf.errors import InvalidArtifact, InvalidInput, InvalidJson, InvalidPath, InvalidRecord
from rstuf.metadata.canonical import strict_loads
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact, ArtifactRow
from rstuf.model.names import MAX_LAST_SEGMENT_BYTES, PLAIN_PATH, TargetPath, target_path

MAX_LINE_BYTES: Final = 1 << 20
# The most common record, as most writers write it: nothing in it is escaped, and no key can stand twice.
_PLAIN_RECORD: Final = re.compile(
    rb'\{"path": ?"(%b)", ?"length": ?(0|[1-9][0-9]{0,14}), ?"hashes": ?\{"sha256": ?"([0-9a-f]{64})"\}\}'
    % PLAIN_PATH.encode()
)
_CHECKSUM: Final = re.compile(r"(?P<hash>[0-9A-Fa-f]{64}) [ *](?P<path>[^\r\n]+)")
_CSV_FIELDS: Final = 4
# What Windows tools write at the start of a text: U+FEFF in UTF-8, which says nothing, and in UTF-16.
_MARK: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class RecordFormat(StrEnum):
    """The forms of an import that say everything of an artifact in a line."""

    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Checksum:
    """A line of SHA256SUMS: a file beside it, and what it must hash to."""

    line: int
    path: TargetPath
    sha256: str


def read_records(stream: BinaryIO, *, form: RecordFormat, source: str) -> Iterator[ArtifactRow]:
    """The artifacts of a stream of records, as the state keeps them.

    NDJSON: `{"path", "length", "hashes": {algorithm: hex}, "custom"?}` a line; RSTUF's `{"path", "info": {…}}` too.
    CSV: RSTUF's `path;size;algorithm;hash` a line.

    Args:
        source: what to call the stream in messages.

    Raises:
        InvalidRecord: a line is not such a record; with its number.
        InvalidInput: it is no UTF-8 at all.
    """
    read = _READERS[form]
    for number, line in _lines(stream, source):
        try:
            yield read(line)
        except InvalidJson as error:
            raise InvalidRecord(source, number, f"not acceptable JSON: {error.reason}") from None
        except InvalidInput as error:
            raise InvalidRecord(source, number, error.message) from None


def read_checksums(stream: BinaryIO, *, source: str) -> Iterator[Checksum]:
    """The lines of a `sha256sum` listing (text or binary mode; one leading `./` is what `sha256sum ./*` writes).

    Raises:
        InvalidRecord: a line is not of that form.
        InvalidInput: it is no UTF-8 at all.
    """
    for number, line in _lines(stream, source):
        match = _CHECKSUM.fullmatch(_decoded(line, source, number))
        if match is None:
            raise InvalidRecord(source, number, "not of the form 'SHA256  PATH' (names with escapes are not read)")
        try:
            path = target_path(match["path"].removeprefix("./"))
        except InvalidPath as error:
            raise InvalidRecord(source, number, error.message) from None
        yield Checksum(line=number, path=path, sha256=match["hash"].lower())


def _lines(stream: BinaryIO, source: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = _unmarked(line, source)
        if len(line) > MAX_LINE_BYTES:
            raise InvalidRecord(source, number, f"the line is longer than {MAX_LINE_BYTES} bytes")
        line = line.strip(b" \t\r\n")
        if line:
            yield number, line


def _unmarked(start: bytes, source: str) -> bytes:
    """The first line without a byte-order mark."""
    if start.startswith(_UTF_16) or b"\0" in start[:2]:
        raise InvalidInput(
            f"{source} cannot be read: it is UTF-16 text, or none at all, and not UTF-8",
            hint="nothing was taken; write it again as UTF-8 (PowerShell: Set-Content -Encoding utf8)",
        )
    return start.removeprefix(_MARK)


def _decoded(line: bytes, source: str, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InvalidRecord(source, number, "it is not UTF-8") from None


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
    unknown = record.keys() - {"path", "info", "length", "hashes", "custom"}
    if unknown:
        raise InvalidInput(f"the record has the unknown field {sorted(unknown)[0][:40]!r}")
    info = record.get("info", record)
    if not isinstance(info, dict):
        raise InvalidInput("the record's info is not a JSON object")
    path = record.get("path")
    if not isinstance(path, str):
        raise InvalidInput("the record has no path")
    missing: Mapping[str, Any] = {"length": None, "hashes": {}}
    fields = {**missing, **info}
    return Artifact(
        path=target_path(path), length=fields["length"], hashes=fields["hashes"], custom=fields.get("custom")
    )


def _read_csv(line: bytes) -> ArtifactRow:
    try:
        fields = line.decode().split(";")
    except UnicodeDecodeError:
        raise InvalidInput("the line is not UTF-8") from None
    if len(fields) != _CSV_FIELDS:
        raise InvalidInput(f"{len(fields)} fields where path;size;algorithm;hash are 4")
    path, size, algorithm, digest = fields
    if not size.isascii() or not size.isdigit() or len(size) > 16:
        raise InvalidArtifact(path, "length", f"{size[:40]!r} is not a whole number of bytes")
    return row_of(Artifact(path=target_path(path), length=int(size), hashes={algorithm: digest}))


_READERS: Final[Mapping[RecordFormat, Callable[[bytes], ArtifactRow]]] = {
    RecordFormat.NDJSON: _read_json,
    RecordFormat.CSV: _read_csv,
}
