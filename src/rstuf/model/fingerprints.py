"""Fingerprints: SHA-256 digests as people compare them, in hex or as words read aloud."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import Final

from rstuf.errors import InvalidFingerprint
from rstuf.model.spoken import EVEN, ODD

BYTES: Final = 32
_HEX: Final = re.compile(r"[0-9a-f]+", re.ASCII)
# What people put between the parts: spaces, colons, commas, dashes, line ends.
_BETWEEN: Final = re.compile(r"[\s:,.\-]+")


def fingerprint_words(digest: str) -> list[str]:
    """The PGP words of a hex digest, one a byte."""
    return [(EVEN, ODD)[place % 2][value] for place, value in enumerate(bytes.fromhex(digest))]


def parse_fingerprint(text: str) -> str:
    """The SHA-256 digest, in lower-case hex, that a person wrote as hex or as words, grouped in any way.

    All of it: half a fingerprint is one that an attacker may choose the other half of.

    Raises:
        InvalidFingerprint: it is neither, or not all of it, or a word is missing, doubled or misheard.
    """
    parts = [part for part in _BETWEEN.split(text.strip()) if part]
    if not parts:
        raise InvalidFingerprint("it is empty")
    joined = "".join(parts).lower().removeprefix("sha256")
    if _HEX.fullmatch(joined):
        if len(joined) != 2 * BYTES:
            raise InvalidFingerprint(f"it has {len(joined)} hex digits, and SHA-256 has {2 * BYTES}")
        return joined
    digest = bytes(_byte(word, place) for place, word in enumerate(parts))
    if len(digest) != BYTES:
        raise InvalidFingerprint(f"it has {len(digest)} words, and SHA-256 has {BYTES}")
    return digest.hex()


def _byte(word: str, place: int) -> int:
    here, beside = _values()[place % 2], _values()[1 - place % 2]
    folded = word.casefold()
    if folded in here:
        return here[folded]
    if folded in beside:
        raise InvalidFingerprint(f"{word} cannot be word {place + 1}: one before it is missing, doubled or swapped")
    near = get_close_matches(folded, here, n=1)
    meant = f"; was it {near[0]}?" if near else ""
    raise InvalidFingerprint(f"word {place + 1}, {word[:40]!r}, is not of the PGP word list{meant}")


@cache
def _values() -> Sequence[dict[str, int]]:
    return [{word.casefold(): value for value, word in enumerate(words)} for words in (EVEN, ODD)]
