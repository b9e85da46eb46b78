"""What a client checks of a release, done to our own before any client can see it.

The rules, in the order of TUF §5.4 to §5.6, for a client that starts cold from the newest root and for one that holds
what is visible now:

1. timestamp is signed by the root's timestamp keys, newer than the visible one, and not expired;
2. snapshot is the one that timestamp names (version, length, hash), signed, not expired, not older than the visible;
3. snapshot still lists every name that it has listed, none of them at a lower version;
4. every new role file is on the storage byte for byte as it was signed, at the version that snapshot lists, signed by
   its delegator's keys, and not expired;
5. every file is within what clients read.

Each function raises `ReleaseRefused` with the rule that is broken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from rstuf.clock import parse_iso
from rstuf.errors import InvalidMetadata, ReleaseRefused
from rstuf.metadata.canonical import canonical
from rstuf.metadata.limits import SNAPSHOT_WITH_LENGTH_BYTES, TARGETS_BYTES, TIMESTAMP_BYTES
from rstuf.metadata.listing import Listing
from rstuf.metadata.render import versioned
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import RoleKeys, Signature, open_envelope, read_signatures, split_signed
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.names import TARGETS, TOP_LEVEL
from rstuf.model.publication import SignedRole


def check_timestamp(data: bytes, *, visible_version: int, keys: RoleKeys, now: datetime) -> Mapping[str, Any]:
    """Rule 1; the snapshot's entry in it."""
    signed = _check_file("timestamp", data, keys=keys, now=now, limit=TIMESTAMP_BYTES)
    if signed["version"] <= visible_version:
        raise _refused("timestamp", f"version {signed['version']} is not above the visible {visible_version}")
    entry: Mapping[str, Any] = signed["meta"]["snapshot.json"]
    return entry


def check_snapshot(
    data: bytes,
    *,
    named: Mapping[str, Any],
    visible_version: int,
    visible_listing: Listing,
    keys: RoleKeys,
    now: datetime,
) -> Mapping[str, Any]:
    """Rules 2 and 3; its `meta`. `named` is timestamp's entry of it."""
    if len(data) != named["length"] or hashlib.sha256(data).hexdigest() != named["hashes"]["sha256"]:
        raise _refused("snapshot", "it is not the file that timestamp names")
    signed = _check_file("snapshot", data, keys=keys, now=now, limit=SNAPSHOT_WITH_LENGTH_BYTES)
    if signed["version"] != named["version"] or signed["version"] < visible_version:
        raise _refused("snapshot", f"version {signed['version']} is not the one that timestamp names, or is older")
    meta: Mapping[str, Any] = signed["meta"]
    listing = Listing.in_file(data)
    # Its entries are compared as they are written, which is only what clients read where no name stands twice.
    written_once = listing is not None and listing.meta.count(b"{") == len(meta) + 1
    for name, version in visible_listing.entries_apart(listing if written_once else None).items():
        entry = meta.get(name)
        if entry is None or entry["version"] < version:
            raise _refused("snapshot", f"{name} was listed at version {version} and is dropped or set back")
    return meta


@dataclass(frozen=True, slots=True)
class Claim:
    """What a release says of one new file: the name it is under, and what it must be.

    Its content is what was rendered when its hash is the one taken then; so it is not parsed again.
    """

    file_name: str
    role: str
    version: int
    length: int
    sha256: str


def claim_of(signed: SignedRole, *, listed: Mapping[str, Any], now: datetime) -> Claim:
    """Rules 4 and 5 where they can be told without the file; what is left of them to check."""
    name, version = signed.planned.name, signed.planned.version
    entry = listed.get(name + ".json")
    if entry is None or entry["version"] != version:
        raise _refused(name, f"snapshot does not list its version {version}")
    if signed.expires <= now:
        raise _refused(name, "it would be expired")
    if signed.file.length > TARGETS_BYTES:
        raise _refused(name, f"{signed.file.length} bytes are more than the {TARGETS_BYTES} that clients read")
    return Claim(versioned(name, version), name, version, signed.file.length, signed.file.sha256)


def check_claim(claim: Claim, data: bytes, *, keys: RoleKeys | None) -> None:
    """Rules 4 and 5 of one new file, `data` as the storage gives it.

    Args:
        keys: its delegator's; None where the same bytes were found good by `check_signed` before.
    """
    if len(data) != claim.length or hashlib.sha256(data).hexdigest() != claim.sha256:
        raise _refused(claim.role, "the storage does not hold the bytes that were signed")
    if not data.endswith(b'"version":%d}}' % claim.version) and _version_in(claim, data) != claim.version:
        raise _refused(claim.role, f"it does not say that it is version {claim.version}")
    if keys is not None:
        check_signed(claim.role, data, keys=keys)


def _check_file(name: str, data: bytes, *, keys: RoleKeys, now: datetime, limit: int) -> dict[str, Any]:
    if len(data) > limit:
        raise _refused(name, f"{len(data)} bytes are more than the {limit} that clients read")
    check_signed(name, data, keys=keys)
    signed: dict[str, Any] = orjson.loads(split_signed(data))
    if signed["_type"] != name:
        raise _refused(name, "it is of another type")
    if type(signed["version"]) is not int or not 1 <= signed["version"] <= MAX_INTEGER:
        raise _refused(name, "its version is no whole number that clients read")
    if parse_iso(signed["expires"]) <= now:
        raise _refused(name, f"it expired at {signed['expires']}")
    return signed


def _version_in(claim: Claim, data: bytes) -> int | None:
    """The version that a file says which others wrote, in a form of theirs."""
    try:
        return open_envelope(data, name=claim.file_name, kind=TARGETS).version
    except InvalidMetadata:
        return None


def check_signed(name: str, data: bytes, *, keys: RoleKeys) -> None:
    """That the threshold of `keys` signed a file, in the form that rstuf writes or in that of whoever else wrote it."""

    def enough(payload: bytes, signatures: Sequence[Signature]) -> bool:
        return check_signatures(payload, signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold).ok

    with suppress(InvalidMetadata, ValueError, KeyError, TypeError):
        if enough(canonical(split_signed(data)), read_signatures(data)):
            return
    try:
        opened = open_envelope(data, name=name, kind=name if name in TOP_LEVEL else TARGETS)
    except InvalidMetadata:
        raise _refused(name, "it is not in the form that was written") from None
    if not enough(opened.payload, opened.signatures):
        raise _refused(name, f"its signatures do not meet the threshold of {keys.threshold}")


def _refused(name: str, reason: str) -> ReleaseRefused:
    return ReleaseRefused(
        [f"the new {name} would not be accepted by clients: {reason}"],
        hint="nothing of it was published; run rstuf verify to see the state of what is visible",
    )
