"""What lies around metadata that is served: names that a workspace has beside it, asked for as anybody could.

At the place of metadata itself, and above it where it is served as `metadata/`. What is read is judged by how it
begins, since some servers answer every name with the same page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from rstuf.repository.interfaces import AskedName
from rstuf.storage.locations import above, shown_place
from rstuf.storage.web import WebMetadataSource

_KEYS: Final = "keys"
_HEAD: Final = 512
_CONFIG: Final = re.compile(rb"^format[ \t]*=[ \t]*[0-9]", re.MULTILINE)
_LOOKS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "state.db": lambda head: head.startswith(b"SQLite format 3\0"),
    "rstuf.toml": lambda head: _CONFIG.search(head) is not None,
}


class PlacesAround:
    """`ServedSurroundings` of metadata at a URL, as `place_of` gives it."""

    def __init__(self, place: str) -> None:
        """Nothing is asked yet."""
        self._places = [place for place in (place, above(place)) if place is not None]

    def ask(self) -> Iterator[AskedName]:
        """See `ServedSurroundings.ask`."""
        for place in self._places:
            shown = shown_place(place)
            with WebMetadataSource(place) as level:
                yield AskedName(f"{shown}{_KEYS}/", level.has_directory(_KEYS))
                for name, is_ours in _LOOKS.items():
                    head = level.head(name, size=_HEAD)
                    yield AskedName(f"{shown}{name}", head is not None and is_ours(head))
