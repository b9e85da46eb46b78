"""Signer URIs: where a private key lives and how it signs, `SCHEME:REST`. What each scheme means, `schemes` says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rstuf.errors import SignerUnavailable, shorten
from rstuf.model.keys import KeyEntry

FILE_SCHEME: Final = "file"
_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class SignerUri:
    """A signer URI in its two parts. Nothing in it is percent-decoded: what is written is what is meant.

    Attributes:
        scheme: in lower case.
        rest: what stands after the first colon, as it is; its meaning is the scheme's.
    """

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


def parse_uri(text: str, *, key: str) -> SignerUri:
    """`text`, a signer URI of the key named `key`, in its parts.

    Raises:
        SignerUnavailable: it is not of the form.
    """
    match = _URI.fullmatch(text)
    uri = SignerUri(match[1].lower(), match[2]) if match is not None and text.isprintable() else None
    # Of other schemes, nothing behind the colon may mean something: securesystemslib has `hsm:` and `sigstore:`.
    if uri is None or (uri.scheme == FILE_SCHEME and not uri.rest):
        raise SignerUnavailable(key, f"{shorten(text)!r} is not a signer URI", hint="write file:PATH")
    return uri


def is_file(entry: KeyEntry) -> bool:
    """Whether an entry's signer is a key file."""
    return entry.signer is not None and entry.signer.lower().startswith(f"{FILE_SCHEME}:")


def file_path(uri: SignerUri, *, base: Path, key: str) -> Path:
    """The place that a `file:` URI names; a relative one lies under `base`.

    `file:keys/a.key`, `file:/abs/a.key` and `file:///abs/a.key` are understood.

    Raises:
        SignerUnavailable: it names a directory; or a host or a home directory, which would mean another file for
            another reader.
    """
    path = uri.rest
    if path.startswith("//"):
        if not path.startswith("///"):
            raise SignerUnavailable(
                key, f"{shorten(str(uri))!r} names a host", hint="write file:PATH, or file:///PATH with a whole path"
            )
        path = "/" + path.lstrip("/")
    if path.endswith("/"):
        raise SignerUnavailable(key, f"{shorten(str(uri))!r} names a directory", hint="name the key's file in it")
    if path.startswith("~"):
        raise SignerUnavailable(key, f"{shorten(str(uri))!r} names a home directory", hint="write the whole path")
    return base / path
