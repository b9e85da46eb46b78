"""The short code that several signers compare by voice, before each of them signs."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Final

_CODE_SALT: Final = b"rstuf short code v1"
_CODE_CHARACTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def code_of(payloads: Sequence[bytes]) -> str:
    """The short code of what is signed together: of its payload, or of the digests of several, one after another."""
    if len(payloads) == 1:
        return short_code(payloads[0])
    return short_code(b"".join(hashlib.sha256(payload).digest() for payload in payloads))


def short_code(payload: bytes) -> str:
    """Sixteen characters that stand for `payload`, in groups of four, to read aloud: "4F2K-91XX-7Q0D-MB3E".

    Whoever makes bundles can try until two of theirs have one short digest, and so let two signers agree on different
    things. So these 80 bits are not of a plain digest but of scrypt over it: each try costs 16 MiB and some 40 ms. The
    salt is fixed, as all signers must come to the same code.
    """
    return _code(hashlib.sha256(payload).digest())


@functools.lru_cache(maxsize=256)
def _code(digest: bytes) -> str:
    number = int.from_bytes(hashlib.scrypt(digest, salt=_CODE_SALT, n=2**14, r=8, p=1, dklen=10))
    text = "".join(_CODE_CHARACTERS[number >> shift & 31] for shift in range(75, -5, -5))
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))
