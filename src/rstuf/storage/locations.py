"""Where a repository's files are: behind an http or https URL, or in a directory, by its path or a file URL."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from rstuf.errors import InvalidInput

HOW_TO_WRITE: Final = "write it like https://updates.example.org/, or name a directory"
_WEB: Final = frozenset({"http", "https"})
# What rstuf and most other makers of repositories call the two directories that are served.
_METADATA: Final = "metadata"
_CONTENTS: Final = "targets"


def place_of(text: str) -> str:
    """A URL or a path as it is kept: with a slash at its end, a path absolute.

    Raises:
        InvalidInput: it is neither an http, https or file URL nor a path.
    """
    text = text.strip()
    scheme, colon, _ = text.partition("://")
    if not colon:
        if not text or not text.isprintable():
            raise InvalidInput("the URL is neither a URL nor the path of a directory", hint=HOW_TO_WRITE)
        return _ended(str(Path(text).absolute()))
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise InvalidInput("the URL cannot be read", hint=HOW_TO_WRITE) from None
    if parts.query or parts.fragment:
        raise InvalidInput("a base URL has no ? and no #", hint="give the URL that metadata lies below")
    if scheme.lower() in _WEB and parts.hostname and text.isprintable():
        return _ended(text)
    if scheme.lower() == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return place_of(unquote(parts.path))
    raise InvalidInput("it is not an http, https or file URL", hint=HOW_TO_WRITE)


def shown_place(place: str) -> str:
    """A place without the name and password that may stand in a URL."""
    if "://" not in place:
        return place
    parts = urlsplit(place)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def contents_of(place: str) -> str:
    """Where contents are unless somebody says otherwise, of metadata at a place as `place_of` gives it.

    They are at `targets/` below it. Beside it where it is called `metadata` itself: so both lie in a workspace, and in
    most repositories of other makers.
    """
    return f"{above(place) or place}{_CONTENTS}/"


def above(place: str) -> str | None:
    """The place that holds a `metadata/` which is served as such; None where metadata is called otherwise."""
    head, path = _split(place)
    parent, slash, last = path.rstrip("/").rpartition("/")
    return f"{head}{parent}/" if slash and last == _METADATA else None


def metadata_below(place: str) -> str | None:
    """Where metadata more likely is than at a place that has none; None where that is called so already."""
    place = place_of(place)
    return f"{place}{_METADATA}/" if above(place) is None else None


def _split(place: str) -> tuple[str, str]:
    """What stands before a place's path, and its path."""
    if "://" not in place:
        return "", place
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _ended(text: str) -> str:
    return text if text.endswith("/") else f"{text}/"
