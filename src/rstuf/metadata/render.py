"""The `signed` parts that rstuf publishes, as compact JSON, and the files around them.

A file holds its `signed` part unchanged, so bytes are written as they were hashed and signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from rstuf.clock import iso
from rstuf.metadata.canonical import canonical, compact
from rstuf.metadata.fragments import join_entries
from rstuf.metadata.listing import Listing
from rstuf.metadata.views import Signature
from rstuf.model.names import RoleName
from rstuf.model.roles import FileFacts

SPEC_VERSION: Final = "1.0.31"


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A role's `signed` part, ready to be signed.

    Attributes:
        name: the role.
        version: its version.
        expires: UTC.
        data: the `signed` object as compact JSON with sorted keys.
    """

    name: RoleName
    version: int
    expires: datetime
    data: bytes

    @property
    def payload(self) -> bytes:
        """The canonical bytes that signatures are made over."""
        return canonical(self.data)


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A metadata file: its exact bytes, and what must be recorded of them."""

    name: RoleName
    version: int
    expires: datetime
    data: bytes
    facts: FileFacts

    @classmethod
    def of_bytes(cls, unsigned: Unsigned, data: bytes) -> SignedFile:
        """The file of a role that was signed before, with these bytes."""
        facts = FileFacts(length=len(data), sha256=hashlib.sha256(data).hexdigest())
        return cls(unsigned.name, unsigned.version, unsigned.expires, data, facts)

    @property
    def file_name(self) -> str:
        """Its versioned name (consistent snapshots, TUF §6.2); timestamp has none."""
        return versioned(self.name, self.version)


def versioned(name: RoleName, version: int) -> str:
    """The name under which a role's version is written, once."""
    return f"{version}.{name}.json"


def sign_with(unsigned: Unsigned, signatures: Iterable[Signature]) -> SignedFile:
    """The file of a role and the signatures made over its payload."""
    head = b",".join(b'{"keyid":"%b","sig":"%b"}' % (each.keyid.encode(), each.sig.encode()) for each in signatures)
    data = b'{"signatures":[%b],"signed":%b}' % (head, unsigned.data)
    return SignedFile.of_bytes(unsigned, data)


def bin_part(name: RoleName, *, version: int, expires: datetime, entries: list[tuple[str, bytes]]) -> Unsigned:
    """A role that holds artifacts and delegates nothing; `entries` are (path, fragment), in any order."""
    data = b'{"_type":"targets","expires":"%b","spec_version":"%b","targets":{%b},"version":%d}' % (
        iso(expires).encode(),
        SPEC_VERSION.encode(),
        join_entries(entries),
        version,
    )
    return Unsigned(name=name, version=version, expires=expires, data=data)


def delegator_part(
    name: RoleName,
    said: Mapping[str, Any],
    *,
    version: int,
    expires: datetime,
    entries: Iterable[tuple[str, bytes]],
) -> Unsigned:
    """A role that delegates and may list artifacts itself: `said` with these; foreign fields stay as they are."""
    targets = {path: orjson.loads(fragment) for path, fragment in entries}
    return renewed_part(name, {**said, "targets": targets}, version=version, expires=expires)


def snapshot_part(*, version: int, expires: datetime, listing: Listing) -> Unsigned:
    """Snapshot over `listing`: versions only, so that many bins fit (TUF §4.4)."""
    data = b'{"_type":"snapshot","expires":"%b","meta":%b,"spec_version":"%b","version":%d}' % (
        iso(expires).encode(),
        listing.meta,
        SPEC_VERSION.encode(),
        version,
    )
    return Unsigned(name=RoleName("snapshot"), version=version, expires=expires, data=data)


def timestamp_part(*, version: int, expires: datetime, snapshot_version: int, snapshot: FileFacts) -> Unsigned:
    """Timestamp over a snapshot, with its length and hash (TUF §4.6): the length lifts every client's cap."""
    meta = {"hashes": {"sha256": snapshot.sha256}, "length": snapshot.length, "version": snapshot_version}
    return part_of(
        RoleName("timestamp"),
        {
            "_type": "timestamp",
            "expires": iso(expires),
            "meta": {"snapshot.json": meta},
            "spec_version": SPEC_VERSION,
            "version": version,
        },
        expires=expires,
    )


def renewed_part(name: RoleName, signed: Mapping[str, Any], *, version: int, expires: datetime) -> Unsigned:
    """What a role says now, at a new version and expiry; foreign fields stay as they are."""
    return part_of(name, {**signed, "version": version, "expires": iso(expires)}, expires=expires)


def part_of(name: RoleName, signed: Mapping[str, Any], *, expires: datetime) -> Unsigned:
    """A `signed` object as it will be written."""
    return Unsigned(name=name, version=signed["version"], expires=expires, data=compact(dict(signed)))
