"""Where a repository is: behind an http or https URL, or in a directory, by its path or a file URL."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from rstuf.errors import InvalidInput, shorten
from rstuf.storage.mirrors import MirroredContents, MirroredMetadata, Piece

_WEB: Final = frozenset({"http", "https"})


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


def place_of(text: str) -> str:
    """A URL or a path as it is kept: with a slash at its end, a path absolute.

    Raises:
        InvalidInput: it is neither an http, https or file URL nor a path.
    """
    text = text.strip()
    scheme, colon, _ = text.partition("://")
    if not colon:
        if not text or not text.isprintable():
            raise InvalidInput("the URL is neither a URL nor the path of a directory", hint=_HINT)
        return _ended(str(Path(text).absolute()))
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise InvalidInput("the URL cannot be read", hint=_HINT) from None
    if parts.query or parts.fragment:
        raise InvalidInput("a base URL has no ? and no #", hint="give the URL that metadata lies below")
    if scheme.lower() in _WEB and parts.hostname and text.isprintable():
        return _ended(text)
    if scheme.lower() == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return place_of(unquote(parts.path))
    raise InvalidInput("it is not an http, https or file URL", hint=_HINT)


_HINT: Final = "write it like https://updates.example.org/, or name a directory"


def new_place(text: str) -> str:
    """The same for a place that nobody has named before: a directory must be there.

    Raises:
        InvalidInput: as `place_of` says, or a URL without its scheme is meant.
    """
    place = place_of(text)
    if "://" not in place and not Path(place).is_dir():
        raise InvalidInput(f"there is no directory {shorten(text)}, and it is no URL", hint=_HINT)
    return place


def shown_place(place: str) -> str:
    """A place without the name and password that may stand in a URL."""
    if "://" not in place:
        return place
    parts = urlsplit(place)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def metadata_at(place: str) -> AbstractContextManager[MetadataSource]:
    """The metadata at a place. Use it as a context manager.

    Raises:
        InvalidInput: it is no place.
    """
    place = place_of(place)
    if "://" not in place:
        return MirroredMetadata(Path(place))
    from rstuf.storage.web import WebMetadataSource

    return WebMetadataSource(place)


def contents_at(place: str) -> AbstractContextManager[ContentSource]:
    """The contents at a place. Use it as a context manager.

    Raises:
        InvalidInput: it is no place.
    """
    place = place_of(place)
    if "://" not in place:
        return MirroredContents(Path(place))
    from rstuf.storage.web import WebContentSource

    return WebContentSource(place)


def _ended(text: str) -> str:
    return text if text.endswith("/") else f"{text}/"
