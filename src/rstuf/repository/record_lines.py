"""Artifact records as others read them, one a line: what `read_records` and `read_checksums` take in again."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Final

from rstuf.model.artifacts import HASH_HEX_LENGTH, Artifact

_COLUMNS: Final = ("path", "length", *HASH_HEX_LENGTH)
# What must stand between quotes in CSV: either delimiter, quotes, and spaces that programs would take off.
_SPECIAL: Final = frozenset(',;"')


class ExportForm(StrEnum):
    """The forms of an export."""

    NDJSON = "ndjson"
    CSV = "csv"
    SHA256SUMS = "sha256sums"


class RecordLines:
    """Writes artifacts in one form.

    Attributes:
        without_custom: how many came with custom data that the form cannot say.
        left_out: how many the form cannot say at all.
    """

    def __init__(self, form: ExportForm) -> None:
        """Nothing is written yet."""
        self._form = form
        self.without_custom = self.left_out = 0

    @property
    def head(self) -> str:
        """What stands before the first line: the names of the columns of CSV."""
        return ",".join(_COLUMNS) + "\n" if self._form is ExportForm.CSV else ""

    def line(self, artifact: Artifact) -> str:
        """The artifact as a line with its end; "" where the form cannot say it: listings know SHA-256 alone."""
        if self._form is ExportForm.NDJSON:
            return json.dumps(record_of(artifact), separators=(", ", ": ")) + "\n"
        if self._form is ExportForm.SHA256SUMS and "sha256" not in artifact.hashes:
            self.left_out += 1
            return ""
        self.without_custom += artifact.custom is not None
        if self._form is ExportForm.SHA256SUMS:
            return f"{artifact.hashes['sha256']}  {artifact.path}\n"
        hashes = (artifact.hashes.get(name, "") for name in HASH_HEX_LENGTH)
        return ",".join((_field(artifact.path), str(artifact.length), *hashes)) + "\n"


def record_of(artifact: Artifact) -> dict[str, object]:
    """The artifact as one record of NDJSON says it."""
    record: dict[str, object] = {
        "path": artifact.path,
        "length": artifact.length,
        "hashes": dict(artifact.hashes),
    }
    if artifact.custom is not None:
        record["custom"] = artifact.custom
    return record


def _field(path: str) -> str:
    if _SPECIAL.isdisjoint(path):
        return path
    quoted = path.replace('"', '""')
    return f'"{quoted}"'
