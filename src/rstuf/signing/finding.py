"""Every key that could sign from this machine: in files, and wherever else signer URIs lead. Nobody is asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rstuf.errors import InvalidKey, RstufError, SigningError, StorageError, UnsafeDirectory
from rstuf.metadata.key_identity import check_key
from rstuf.model.keys import PublicKey
from rstuf.signing.keyfiles import read_private
from rstuf.signing.looking import look_at_key
from rstuf.signing.schemes import HOMES, FoundKey, Scheme, load_scheme
from rstuf.signing.uris import FILE_SCHEME, SignerUri

_SUFFIX: Final = ".key"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A place where keys may be, and which cannot be looked at.

    Attributes:
        scheme: of the URIs of its keys.
        fault: why not. Text from outside may be in it.
        hint: what helps, or None.
    """

    scheme: str
    fault: str
    hint: str | None = None


def find_keys(
    directories: Iterable[Path], *, workspace: Path | None = None, schemes: Mapping[str, Scheme | str] = HOMES
) -> Iterator[FoundKey | Unreachable]:
    """Keys that are there, and places of keys that cannot be looked at: files first, by directory and name.

    Args:
        directories: where key files (`*.key`) are looked for; one that is not there holds none.
        workspace: files in it are named from there, as its signer URIs are; others by their whole paths.
        schemes: see `schemes.load_scheme`.
    """
    seen: set[str] = set()
    for directory in directories:
        try:
            paths = _key_files(directory)
        except OSError as error:
            yield Unreachable(FILE_SCHEME, f"{directory} cannot be read: {(error.strerror or str(error)).lower()}")
            continue
        for path in paths:
            real = os.path.realpath(path)
            if real in seen:
                continue
            seen.add(real)
            found = _in_file(path, workspace)
            if found is not None:
                yield found
    for name in schemes:
        try:
            yield from load_scheme(SignerUri(name, ""), schemes, key=name).found()
        except SigningError as error:
            yield Unreachable(name, getattr(error, "reason", error.message), error.hint)


def _key_files(directory: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        # `..` may lead out of a workspace that the path begins with.
        place = directory.resolve() if ".." in directory.parts else directory.absolute()
        return sorted(place / entry.name for entry in entries if entry.name.endswith(_SUFFIX))
    return []


def _in_file(path: Path, workspace: Path | None) -> FoundKey | None:
    """The private key in a file; None where it is a public one."""
    uri, label = _uri(path, workspace), path.name
    try:
        container = read_private(path)
        public = container.told()
        if public is not None:
            check_key(public, where=str(path))
    except (InvalidKey, UnsafeDirectory, StorageError) as error:
        private, public = _looked_at(path)
        fault = getattr(error, "reason", error.message)
        return FoundKey(FILE_SCHEME, uri, public, label, fault=fault) if private else None
    if uri is None:
        return FoundKey(FILE_SCHEME, None, public, label, fault="no URI can name a file that is called so")
    note = "asks for a passphrase" if container.encrypted else None
    if public is None:
        note = "asks for a passphrase, and tells only then whose it is"
    return FoundKey(FILE_SCHEME, uri, public, label, note=note)


def _looked_at(path: Path) -> tuple[bool, PublicKey | None]:
    """Whether a file that cannot sign here is, for all that shows, no public key; and what it tells of itself."""
    try:
        look = look_at_key(path)
    except RstufError:
        return True, None
    return look.private, look.public


def _uri(path: Path, workspace: Path | None) -> str | None:
    inside = workspace is not None and path.is_relative_to(workspace)
    place = str(path.relative_to(workspace) if inside and workspace is not None else path)
    # Those that nobody could type again, `uris.parse_uri` refuses.
    return f"{FILE_SCHEME}:{place}" if place.isprintable() and not place.startswith("~") else None
