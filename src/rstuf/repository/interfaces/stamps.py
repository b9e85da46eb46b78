"""A memory of files that were hashed. It saves reading them once more, and nothing is wrong where it is empty."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

from rstuf.model.names import TargetPath
from rstuf.model.stamps import Stamp


class KnownStamps(Protocol):
    """What is remembered."""

    def sha256(self, path: TargetPath, stamp: Stamp) -> str | None:
        """What the file that became `path` hashed to (hex) when it had this very stamp; None where that is unknown."""


class StampNotes(Protocol):
    """What is to be remembered; memory stays flat."""

    def note(self, path: TargetPath, stamp: Stamp, sha256: str) -> None:
        """The file that becomes `path` hashed to this while it had this stamp."""

    def keep(self, *, forget: Iterable[TargetPath] = ()) -> None:
        """Remember all that was noted; `forget` is what no file becomes any more. What goes wrong is passed over."""


class Stamps(Protocol):
    """The memory of one workspace."""

    def known(self) -> AbstractContextManager[KnownStamps]:
        """A look at it."""

    def notes(self) -> AbstractContextManager[StampNotes]:
        """New notes; leaving the block without `keep` lets go of them."""


class Forgetful:
    """The `Stamps` of who remembers nothing."""

    def known(self) -> AbstractContextManager[KnownStamps]:
        return nullcontext(self)

    def notes(self) -> AbstractContextManager[StampNotes]:
        return nullcontext(self)

    def sha256(self, path: TargetPath, stamp: Stamp) -> str | None:
        return None

    def note(self, path: TargetPath, stamp: Stamp, sha256: str) -> None:
        return

    def keep(self, *, forget: Iterable[TargetPath] = ()) -> None:
        return


FORGETFUL: Final = Forgetful()
