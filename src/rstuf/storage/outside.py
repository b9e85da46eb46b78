"""A repository as those see it who did not make it: its files at a place, be that a URL or a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rstuf.storage.locations import place_of
from rstuf.storage.mirrors import MirroredContents, MirroredMetadata

if TYPE_CHECKING:
    from rstuf.storage.web import WebContentSource, WebMetadataSource


def metadata_at(place: str) -> MirroredMetadata | WebMetadataSource:
    """The metadata at a place. Use it as a context manager.

    Raises:
        InvalidInput: it is no place.
    """
    place = place_of(place)
    if "://" not in place:
        return MirroredMetadata(Path(place))
    from rstuf.storage.web import WebMetadataSource

    return WebMetadataSource(place)


def contents_at(place: str) -> MirroredContents | WebContentSource:
    """The contents at a place. Use it as a context manager.

    Raises:
        InvalidInput: it is no place.
    """
    place = place_of(place)
    if "://" not in place:
        return MirroredContents(Path(place))
    from rstuf.storage.web import WebContentSource

    return WebContentSource(place)
