"""Roots that trust may begin with: read, and held against the fingerprint that somebody was given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rstuf.client.places import hinting, new_place
from rstuf.client.records import Pin
from rstuf.client.rollback import MAX_VERSION
from rstuf.errors import FingerprintDiffers, InvalidMetadata
from rstuf.storage.outside import metadata_at

MAX_ROOT_BYTES: Final = 512_000
"""What a stock client reads of a root."""

_ASK: Final = "ask the publisher for the root to begin with"


@dataclass(frozen=True, slots=True)
class RoleOfRoot:
    """Who signs a role, by a root: so many of these keys."""

    threshold: int
    keyids: Sequence[str]


@dataclass(frozen=True, slots=True)
class RootFacts:
    """What a root says, for a person who is about to trust it.

    Attributes:
        pin: its version, and the digest and length of its file.
        expires: UTC; a newer root may be found in its place, so that an expired one is still a beginning.
        roles: root, timestamp, snapshot and targets.
        keys: the scheme of each key ("ed25519"), by key id.
    """

    pin: Pin
    expires: datetime
    roles: Mapping[str, RoleOfRoot]
    keys: Mapping[str, str]


def read_root(data: bytes) -> RootFacts:
    """What a root says, which is signed by as many of its own keys as it asks for.

    Raises:
        InvalidMetadata: it is not such a root.
    """
    from tuf.api._payload import Root
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata

    if len(data) > MAX_ROOT_BYTES:
        raise InvalidMetadata("the root", f"it has more than {MAX_ROOT_BYTES} bytes", hint=_ASK)
    try:
        envelope = Metadata[Root].from_bytes(data)
        root = envelope.signed
        if root.type != Root.type:
            raise InvalidMetadata("the root", f"it is {root.type} metadata", hint=_ASK)
        if root.version > MAX_VERSION:
            raise InvalidMetadata("the root", f"its version is beyond {MAX_VERSION}", hint=_ASK)
        root.verify_delegate(Root.type, envelope.signed_bytes, envelope.signatures)
    except (RepositoryError, ValueError) as error:
        raise InvalidMetadata("the root", f"no client can begin with it: {_reason(error)}", hint=_ASK) from None
    return RootFacts(
        pin=Pin(root.version, hashlib.sha256(data).hexdigest(), len(data)),
        expires=root.expires,
        roles={name: RoleOfRoot(role.threshold, tuple(role.keyids)) for name, role in root.roles.items()},
        keys={keyid: key.scheme for keyid, key in root.keys.items()},
    )


def fetch_root(url: str, *, version: int = 1) -> bytes:
    """The root of this version that is served at `url`; nothing of it may be trusted yet.

    Raises:
        InvalidInput: `url` is neither a URL nor a directory.
        StorageError: it is not served, or too long.
    """
    with metadata_at(new_place(url)) as source, hinting(url):
        return source.read(f"{version}.root.json", limit=MAX_ROOT_BYTES)


def check_fingerprint(data: bytes, fingerprint: str, *, where: str) -> None:
    """See that a root's bytes have this SHA-256.

    Args:
        fingerprint: lower-case hex, as `parse_fingerprint` gives it.
        where: names the root in messages.

    Raises:
        FingerprintDiffers: they have another.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != fingerprint:
        raise FingerprintDiffers(where, wanted=fingerprint, found=found)


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
