"""Artifact records as CSV: `path;size;algorithm;hash` as RSTUF writes them, or whatever a header says.

The first line decides: which of `;` and `,` separates its fields, and whether it names the columns. What it leaves open
is refused. Quotes mean what they mean to Python's csv module.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Final

from rstuf.errors import InvalidArtifact, InvalidInput
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import HASH_HEX_LENGTH, Artifact, ArtifactRow
from rstuf.model.names import target_path

_DELIMITERS: Final = (";", ",")
# Without a header.
_COLUMNS: Final = ("path", "length", "algorithm", "hash")
# Column names as others write them.
_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("path",), "path"),
    **dict.fromkeys(("length", "size"), "length"),
    **dict.fromkeys(("algorithm", "hash-type"), "algorithm"),
    **dict.fromkeys(("hash", "digest"), "hash"),
    **{name: name for name in HASH_HEX_LENGTH},
}
_LENGTH_DIGITS: Final = 16
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_ASKED_FOR: Final = "path, length, algorithm and hash, or path, length and sha256 (sha512, blake2b-256)"


class CsvReader:
    """Reads one stream of lines; its first one decides how the others are read."""

    def __init__(self) -> None:
        self._delimiter = ""
        self._columns: Sequence[str] = _COLUMNS

    def __call__(self, line: bytes) -> ArtifactRow | None:
        """The artifact of a line; None of a header or a blank line.

        Raises:
            InvalidInput: it is no such line.
        """
        if line.isspace():
            return None
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise InvalidInput("the line is not UTF-8") from None
        if not self._delimiter:
            self._delimiter = _delimiter_of(text)
            header = _header(_fields(text, self._delimiter))
            if header is not None:
                self._columns = header
                return None
        fields = _fields(text, self._delimiter)
        if len(fields) != len(self._columns):
            form = self._delimiter.join(self._columns)
            raise InvalidInput(f"{len(fields)} fields where {form} are {len(self._columns)}")
        return row_of(_artifact(dict(zip(self._columns, fields, strict=True))))


def _artifact(said: Mapping[str, str]) -> Artifact:
    path, size = said["path"], said["length"]
    if not size.isascii() or not size.isdigit() or len(size) > _LENGTH_DIGITS:
        raise InvalidArtifact(path, "length", f"{size[:40]!r} is not a whole number of bytes")
    if "hash" in said:
        hashes = {said["algorithm"]: said["hash"]}
    else:
        # An artifact need not have each of the hashes that have a column.
        hashes = {name: said[name] for name in HASH_HEX_LENGTH if said.get(name)}
    return Artifact(path=target_path(path), length=int(size), hashes=hashes)


def _fields(text: str, delimiter: str) -> list[str]:
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        # Quotes do not reach over lines here: no path has a line end in it.
        reason = "a quote is not closed on its line" if "end of data" in str(error) else str(error)
        raise InvalidInput(f"not acceptable CSV: {reason}") from None


def _delimiter_of(text: str) -> str:
    """What separates the fields of a first line.

    Raises:
        InvalidInput: it is a header or a record either way, or neither way.
    """
    split = {each: _fields_or_none(text, each) for each in _DELIMITERS}
    found = [each for each, fields in split.items() if _is_record(fields) or _is_header(fields)]
    found = found or [each for each, fields in split.items() if len(fields) == len(_COLUMNS)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInput(f"both ; and , could separate its fields; begin with a header: {_ASKED_FOR}")
    raise InvalidInput(f"neither path;size;algorithm;hash nor a header that names its columns: {_ASKED_FOR}")


def _fields_or_none(text: str, delimiter: str) -> list[str]:
    try:
        return _fields(text, delimiter)
    except InvalidInput:
        return []


def _is_record(fields: Sequence[str]) -> bool:
    return len(fields) == len(_COLUMNS) and fields[1].isdigit() and _HEX.issuperset(fields[3])


def _is_header(fields: Sequence[str]) -> bool:
    # One name alone may be a record's algorithm, or its path.
    return len({_NAMES[name] for name in map(_name, fields) if name in _NAMES}) > 1 and not fields[1][:1].isdigit()


def _header(fields: Sequence[str]) -> Sequence[str] | None:
    """The columns that a first line names; None where it is a record.

    Raises:
        InvalidInput: it names a column that nobody knows, one twice, or not all that are needed.
    """
    if not _is_header(fields):
        return None
    for field in fields:
        if _name(field) not in _NAMES:
            raise InvalidInput(f"the header has the unknown column {field[:40]!r}; known are {_ASKED_FOR}")
    columns = [_NAMES[_name(field)] for field in fields]
    if len(set(columns)) < len(columns):
        raise InvalidInput("the header names a column twice (size is length, and digest is hash)")
    hashes = set(columns) - {"path", "length"}
    paired = hashes == {"algorithm", "hash"} or (hashes and not hashes & {"algorithm", "hash"})
    if not {"path", "length"} <= set(columns) or not paired:
        raise InvalidInput(f"the header names {', '.join(columns)}; what is needed is {_ASKED_FOR}")
    return columns


def _name(field: str) -> str:
    return field.strip().lower().replace("_", "-").replace(" ", "-")
