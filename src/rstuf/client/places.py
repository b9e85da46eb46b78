"""What a client reads from, and the places that its user names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from rstuf.errors import FileMissing, InvalidInput, shorten
from rstuf.storage.locations import HOW_TO_WRITE, metadata_below, place_of, shown_place
from rstuf.storage.mirrors import Piece


class MetadataSource(Protocol):
    """Metadata by file names, none of which may be believed."""

    def read(self, name: str, *, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            FileMissing: there is none.
            FileTooLarge: it is longer than `limit` bytes.
            StorageError: it cannot be had.
        """


class ContentSource(Protocol):
    """Contents by file names, from any byte on."""

    def open_piece(self, name: str, *, start: int, total: int) -> AbstractContextManager[Piece]:
        """The content of this name from byte `start` on, or from its beginning; `total` is how long it should be.

        Raises:
            FileMissing: there is none.
            StorageError: it cannot be had.
        """


def new_place(text: str) -> str:
    """The same for a place that nobody has named before: a directory must be there.

    Raises:
        InvalidInput: as `place_of` says, or a URL without its scheme is meant.
    """
    place = place_of(text)
    if "://" not in place and not Path(place).is_dir():
        raise InvalidInput(f"there is no directory {shorten(text)}, and it is no URL", hint=HOW_TO_WRITE)
    return place


@contextmanager
def hinting(place: str) -> Iterator[None]:
    """Where nothing at all is found at a place that somebody chose: say where metadata more likely is.

    Raises:
        FileMissing: the block did.
    """
    try:
        yield
    except FileMissing as error:
        below = metadata_below(place)
        if below is not None:
            error.hint = f"is metadata one level further down? Then its place is {shown_place(below)}"
        raise
