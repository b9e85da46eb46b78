"""What is kept of a trusted repository, as values and as the small JSON files that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeVar

from rstuf.clock import iso, parse_iso
from rstuf.errors import InvalidJson
from rstuf.metadata.canonical import strict_loads
from rstuf.model.names import TOP_LEVEL, TrustName

T = TypeVar("T")
FORMAT: Final = 1
_PLACES: Final = {str(name): place for place, name in enumerate(TOP_LEVEL)}


class Naming(Enum):
    """Under which names a repository serves its contents.

    `HASHED`: the hash before the last segment, where root asks for consistent snapshots (TUF §7.2). `PLAIN`: the
    artifact's path, whatever root says.
    """

    HASHED = "hashed"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Pin:
    """The root that trust comes from: its version, and the SHA-256 and length in bytes of its file."""

    version: int
    sha256: str
    length: int


@dataclass(frozen=True, slots=True)
class Trusted:
    """A repository that is trusted by a pinned root.

    Attributes:
        name: what it is called here.
        url, artifacts: where its metadata and its contents are: URLs, or directories of this machine.
        added: when it was pinned, UTC.
    """

    name: TrustName
    url: str
    artifacts: str
    naming: Naming
    pin: Pin
    added: datetime


@dataclass(frozen=True, slots=True)
class SeenRole:
    """A role as a client saw it last."""

    version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """What a client saw of a repository when it looked last: it never goes back behind that.

    Attributes:
        updated: when that was, UTC.
        roles: root, timestamp, snapshot and targets.
    """

    updated: datetime
    roles: Mapping[str, SeenRole]


def trusted_document(trusted: Trusted) -> dict[str, Any]:
    """The JSON of a `Trusted`, without its name, which its directory has."""
    return {
        "format": FORMAT,
        "url": trusted.url,
        "artifacts": trusted.artifacts,
        "naming": trusted.naming.value,
        "pin": {"version": trusted.pin.version, "sha256": trusted.pin.sha256, "length": trusted.pin.length},
        "added": iso(trusted.added),
    }


def read_trusted(data: bytes, name: TrustName) -> Trusted:
    """The inverse of `trusted_document`.

    Raises:
        ValueError: it is not of that form.
    """
    document = _document(data)
    try:
        pin = document["pin"]
        return Trusted(
            name,
            _of(str, document["url"]),
            _of(str, document["artifacts"]),
            Naming(document["naming"]),
            Pin(_of(int, pin["version"]), _of(str, pin["sha256"]), _of(int, pin["length"])),
            parse_iso(document["added"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("it lacks something") from error


def memory_document(memory: Memory) -> dict[str, Any]:
    """The JSON of a `Memory`."""
    roles = {name: {"version": role.version, "expires": iso(role.expires)} for name, role in memory.roles.items()}
    return {"format": FORMAT, "updated": iso(memory.updated), "roles": roles}


def read_memory(data: bytes) -> Memory:
    """The inverse of `memory_document`.

    Raises:
        ValueError: it is not of that form.
    """
    document = _document(data)
    try:
        roles = {
            str(name): SeenRole(_of(int, role["version"]), parse_iso(role["expires"]))
            for name, role in sorted(document["roles"].items(), key=lambda item: _PLACES.get(item[0], len(_PLACES)))
        }
        return Memory(parse_iso(document["updated"]), roles)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it lacks something") from error


def _of(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError
    return value


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = strict_loads(data, what="it")
    except InvalidJson as error:
        raise ValueError(error.message) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("it is not of a format that this rstuf knows")
    return document
