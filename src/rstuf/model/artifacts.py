"""Artifacts: what a TargetFile says of one file (TUF §4.5), validated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any, Final, NamedTuple

from rstuf.errors import InvalidArtifact
from rstuf.model.names import TargetPath

# The largest whole number that every client's JSON keeps exact.
MAX_INTEGER: Final = 2**53 - 1
MAX_CUSTOM_BYTES: Final = 65536
MAX_CUSTOM_DEPTH: Final = 32
HASH_HEX_LENGTH: Final[Mapping[str, int]] = {"sha256": 64, "sha512": 128, "blake2b-256": 64}
SLOT_BITS: Final = 32
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact: where it is, how long, what it hashes to, and what its publisher says of it.

    Attributes:
        path: its target path.
        length: bytes, 0 to 2^53 - 1.
        hashes: algorithm to lower-case hex; at least one of sha256, sha512, or blake2b-256 alone.
        custom: a JSON object of the publisher's, or None. No fractions; whole numbers within +-(2^53 - 1).
    """

    path: TargetPath
    length: int
    hashes: Mapping[str, str]
    custom: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_length(self.path, self.length)
        check_hashes(self.path, self.hashes)
        if self.custom is not None:
            check_custom(self.path, self.custom)


@dataclass(frozen=True, slots=True)
class ListedHash:
    """What a listing says that a file hashes to, and where it says so.

    Attributes:
        algorithm: sha256 or sha512.
        digest: lower-case hex.
        source: what to call the listing in messages.
        line: its line, from 1.
    """

    algorithm: str
    digest: str
    source: str
    line: int


class ArtifactState(StrEnum):
    """Where an artifact is on its way to clients."""

    PUBLISHED = "published"
    PENDING = "pending"
    AWAITING = "awaiting"
    REPLACING = "replacing"
    REMOVING = "removing"


class View(Enum):
    """Which content of an artifact is meant, where one waits to take the place of another."""

    ACCEPTED = auto()
    """The newest one; of what is to be removed, that which is still visible."""
    VISIBLE = auto()
    """What clients see. What they do not see yet is not there."""


class ArtifactRow(NamedTuple):
    """One version of an artifact as the state keeps it.

    Attributes:
        slot: the first 32 bits of sha256(path); a bin of any size is a range of slots.
        path: its target path.
        fragment: the compact JSON of its TargetFile, keys sorted; b"" says that it is removed.
    """

    slot: int
    path: TargetPath
    fragment: bytes


@dataclass(frozen=True, slots=True)
class ListedArtifact:
    """An artifact with the role that holds it and its state."""

    artifact: Artifact
    role: str
    state: ArtifactState


def slot_of(path: str) -> int:
    """The first 32 bits of sha256(path), the space that bins divide (TAP 15)."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big")


def digest_of(path: str) -> str:
    """sha256(path) in hex: its beginning chooses a bin (TAP 15), or a delegation by hash prefixes (TUF §4.5)."""
    return hashlib.sha256(path.encode()).hexdigest()


def check_length(path: str, length: object) -> int:
    """`length` if it is a whole number of bytes that every client can hold.

    Raises:
        InvalidArtifact: it isn't.
    """
    if type(length) is not int:
        raise InvalidArtifact(path, "length", "is not a whole number")
    if length < 0:
        raise InvalidArtifact(path, "length", "is negative")
    if length > MAX_INTEGER:
        raise InvalidArtifact(path, "length", "is larger than 2^53 - 1")
    return length


def check_hashes(path: str, hashes: object) -> Mapping[str, str]:
    """`hashes` if it names at least one known algorithm, each value of the right form.

    blake2b-256 stands alone: beside sha256 it makes widespread clients refuse the artifact.

    Raises:
        InvalidArtifact: it doesn't.
    """
    if not isinstance(hashes, Mapping) or not hashes:
        raise InvalidArtifact(path, "hashes", "is empty or not an object; one of sha256 or sha512 is needed")
    for algorithm, value in hashes.items():
        wanted = HASH_HEX_LENGTH.get(algorithm) if isinstance(algorithm, str) else None
        if wanted is None:
            known = ", ".join(HASH_HEX_LENGTH)
            raise InvalidArtifact(path, "hashes", f"names {str(algorithm)[:40]!r}; known are {known}")
        if not isinstance(value, str) or len(value) != wanted or not _HEX.issuperset(value):
            raise InvalidArtifact(path, "hashes", f"{algorithm} is not {wanted} lower-case hex digits")
    if "blake2b-256" in hashes and len(hashes) > 1:
        raise InvalidArtifact(path, "hashes", "has blake2b-256 beside another; many clients refuse that")
    return hashes


def check_custom(path: str, custom: object) -> Mapping[str, Any]:
    """`custom` if it is a JSON object that canonical JSON can hold exactly.

    The size is checked where its bytes are made (`metadata.fragments`).

    Raises:
        InvalidArtifact: fractions, numbers beyond 2^53 - 1, lone surrogates, keys that are not text, or more than
            32 levels.
    """
    if not isinstance(custom, Mapping):
        raise InvalidArtifact(path, "custom", "is not a JSON object")
    level: list[object] = [custom]
    for _ in range(MAX_CUSTOM_DEPTH):
        if not level:
            return custom
        level = [child for value in level for child in _children(path, value)]
    if level:
        raise InvalidArtifact(path, "custom", f"is nested deeper than {MAX_CUSTOM_DEPTH} levels")
    return custom


def _children(path: str, value: object) -> list[object]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()] if all(type(key) is str for key in value) else _bad_key(path)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str):
        _check_text(path, value)
    elif isinstance(value, float):
        raise InvalidArtifact(path, "custom", "has a fraction or NaN, which canonical JSON cannot hold")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
        raise InvalidArtifact(path, "custom", "has a number beyond 2^53 - 1")
    elif value is not None and not isinstance(value, int):
        raise InvalidArtifact(path, "custom", f"has a {type(value).__name__}, which is not JSON")
    return []


def _bad_key(path: str) -> list[object]:
    raise InvalidArtifact(path, "custom", "has a key that is not text")


def _check_text(path: str, text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArtifact(path, "custom", "has a lone surrogate, which is not text") from error
