"""Taking in a content: hashing exactly the bytes that are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol

from rstuf.durable import storage_error
from rstuf.errors import InvalidInput
from rstuf.model.artifacts import HASH_HEX_LENGTH
from rstuf.model.names import TargetPath

# Small enough to be hashed from the processor's cache, large enough that calls do not count.
_CHUNK: Final = 1 << 18
_BLAKE2B_256: Final = "blake2b-256"


def check_algorithms(algorithms: tuple[str, ...]) -> tuple[str, ...]:
    """`algorithms` if there is at least one and all are known.

    Raises:
        InvalidInput: otherwise.
    """
    if not algorithms or not HASH_HEX_LENGTH.keys() >= set(algorithms):
        raise InvalidInput(f"contents are hashed with {', '.join(HASH_HEX_LENGTH)}, not {', '.join(algorithms)}")
    return algorithms


class Digest(Protocol):
    """A digest that grows with every piece."""

    def update(self, data: bytes, /) -> None:
        """Take in one more piece."""

    def hexdigest(self) -> str:
        """What the pieces so far come to."""


def digest_of(algorithm: str) -> Digest:
    """A new digest of a known algorithm."""
    return hashlib.blake2b(digest_size=32) if algorithm == _BLAKE2B_256 else hashlib.new(algorithm)


def take_in(
    path: TargetPath,
    source: BinaryIO,
    *,
    algorithms: tuple[str, ...],
    write: Callable[[bytes], object],
    on_bytes: Callable[[int], None],
) -> tuple[int, dict[str, str]]:
    """Read `source` to its end, hand each piece to `write`, hash it, and tell `on_bytes` its length.

    Returns:
        How many bytes there were, and their digests in hex, by algorithm.

    Raises:
        StorageError: `source` cannot be read.
        OSError: `write` failed.
    """
    digests = {algorithm: digest_of(algorithm) for algorithm in algorithms}
    length = 0
    while chunk := _read(path, source):
        write(chunk)
        for digest in digests.values():
            digest.update(chunk)
        length += len(chunk)
        on_bytes(len(chunk))
    return length, {algorithm: digest.hexdigest() for algorithm, digest in digests.items()}


def _read(path: TargetPath, source: BinaryIO) -> bytes:
    try:
        return source.read(_CHUNK)
    except OSError as error:
        raise storage_error("take", path, error) from error
