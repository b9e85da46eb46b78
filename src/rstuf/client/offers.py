"""What is signed of an artifact, as far as a download needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rstuf.errors import Refusal, RepositoryRefused, shorten
from rstuf.model.names import TargetPath
from rstuf.storage.contents import Digest, digest_of

# Repositories of other makers name more than rstuf writes; what is weak or unknown proves nothing.
_KNOWN: Final[Mapping[str, int]] = {"sha256": 64, "sha384": 96, "sha512": 128, "blake2b-256": 64}
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Offer:
    """An artifact that a trusted repository offers.

    Attributes:
        length: bytes.
        hashes: algorithm to lower-case hex; every one is checked.
        stored: under which name its content is served.
        custom: what its publisher says of it, as JSON; None if nothing.
    """

    path: TargetPath
    length: int
    hashes: Mapping[str, str]
    stored: str
    custom: Mapping[str, Any] | None = None

    def digests(self) -> dict[str, Digest]:
        """New digests for all its hashes."""
        return {algorithm: digest_of(algorithm) for algorithm in self.hashes}


def offer_of(
    path: TargetPath, length: int, hashes: Mapping[str, str], *, custom: Mapping[str, Any] | None, hashed: bool
) -> Offer:
    """An offer, from the words of verified metadata.

    Args:
        hashed: contents are served under their hash and the last segment of their path (TUF §7.2), else under the path.

    Raises:
        RepositoryRefused: its hashes prove nothing.
    """
    for algorithm, digest in hashes.items():
        wanted = _KNOWN.get(algorithm)
        if wanted is None or len(digest) != wanted or not _HEX.issuperset(digest):
            raise RepositoryRefused(
                "targets",
                Refusal.MALFORMED,
                f"{shorten(path)} is signed with {shorten(algorithm, limit=40)}, which rstuf cannot check",
                hint=f"known are {', '.join(_KNOWN)}; tell the publisher",
            )
    directories, slash, last = path.rpartition("/")
    stored = f"{directories}{slash}{next(iter(hashes.values()))}.{last}" if hashed else path
    return Offer(path, length, dict(hashes), stored, custom)
