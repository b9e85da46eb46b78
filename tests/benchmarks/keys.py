"""The online key of the yardsticks: one Ed25519 key in a plain file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_NAME = "online.key"


def make_key(place: Path) -> Ed25519PrivateKey:
    """A new key, kept in `place`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    (place / _NAME).write_bytes(key.private_bytes_raw())
    return key


def load_key(place: Path) -> Ed25519PrivateKey:
    """The key that is kept in `place`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes((place / _NAME).read_bytes())
