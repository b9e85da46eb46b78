"""What a state knows of metadata files that others took the place of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from rstuf.model.names import RoleName
from rstuf.model.superseded import Retention, SupersededFile


class SupersededReader(Protocol):
    """The part of one view of a state that tells of them."""

    def retention(self) -> Retention:
        """How long they stay."""

    def superseded_files(
        self, retention: Retention, *, now: datetime, limit: int, after: SupersededFile | None = None
    ) -> list[SupersededFile]:
        """At most `limit` of the files that may go at an instant, the longest superseded first.

        Costs what is found, not what there is.

        Args:
            after: those that come after this one.
        """

    def count_superseded(self, retention: Retention, *, now: datetime, most: int) -> tuple[int, int]:
        """How many files may go, counted up to `most`, and how many bytes these have as far as that is recorded."""

    def noted_files(self) -> int:
        """How many files are noted, whether or not they may go."""


class SupersededNotes(Protocol):
    """The part of a write to a state that notes them. Most notes come with publications: see `settle_publication`."""

    def set_retention(self, retention: Retention) -> None:
        """Let them stay for so long from now on."""

    def note_superseded(self, files: Iterable[tuple[RoleName, int]]) -> None:
        """Note files by role and version of which nothing else is known; they are superseded with the next publication
        that is settled. Those of roles that are not here, or that are noted already, count for nothing.
        """

    def forget_superseded(self, files: Iterable[SupersededFile]) -> None:
        """Let the notes go of files that are gone."""
