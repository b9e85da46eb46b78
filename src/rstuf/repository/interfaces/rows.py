"""Artifact rows on their way into a state, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from rstuf.model.artifacts import ArtifactRow
from rstuf.model.names import TargetPath


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of a batch of artifacts: how many are new, replaced another content, or were there already.

    Attributes:
        repeated: rows that said once more what another one of the batch did; they count for nothing else.
    """

    added: int
    replaced: int
    unchanged: int
    repeated: int = 0

    def __add__(self, other: PutResult) -> PutResult:
        """What became of both."""
        return PutResult(
            added=self.added + other.added,
            replaced=self.replaced + other.replaced,
            unchanged=self.unchanged + other.unchanged,
            repeated=self.repeated + other.repeated,
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over the whole repository, without walking its artifacts."""

    artifacts: int
    pending_roles: int


class RowSpool(Protocol):
    """Takes artifact rows in any order and any number, gives them back sorted; memory stays flat.

    Used once: append, look through where that is needed, then iterate. Rows with the same path stay in the order in
    which they came.
    """

    def append(self, row: ArtifactRow) -> None:
        """Take one row."""

    def extend(self, rows: Iterable[ArtifactRow]) -> int:
        """Take these rows; how many there were."""

    def __len__(self) -> int:
        """How many rows were taken."""

    def look_through(self) -> Iterator[tuple[int, TargetPath, bytes]]:
        """All rows, sorted by slot, then path; they stay."""

    def __iter__(self) -> Iterator[tuple[int, TargetPath, bytes]]:
        """The same, each let go of once it was given."""
