"""The plain way: the same job with python-tuf's own objects, which is what every peer does.

The metadata files are the state: a bin is read, changed, signed and written again. Files are made durable as the floor
does it, so that what is compared is the way of making them.
"""

from __future__ import annotations

import ctypes
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.keys import load_key, make_key
from tests.benchmarks.records import Record

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import Metadata, SuccinctRoles

_EXPIRES = datetime(2036, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Plain:
    """A place where the plain way works, open."""

    metadata: Path
    signer: CryptoSigner
    bins: SuccinctRoles


def make(place: Path, *, bits: int) -> None:
    """An empty place."""
    (place / "metadata").mkdir(parents=True)
    (place / "bits").write_text(str(bits))
    make_key(place)


def opened(place: Path) -> Plain:
    """The plain way in `place`."""
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import SuccinctRoles

    signer = CryptoSigner(load_key(place))
    bins = SuccinctRoles([signer.public_key.keyid], 1, int((place / "bits").read_text()), "bins")
    return Plain(place / "metadata", signer, bins)


def import_and_publish(plain: Plain, records: Path) -> None:
    """P1."""
    from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

    bins = {name: Metadata(Targets(expires=_EXPIRES)) for name in plain.bins.get_roles()}
    with records.open("rb") as stream:
        for line in stream:
            said = json.loads(line)
            file = TargetFile(said["length"], said["hashes"], said["path"])
            bins[plain.bins.get_role_for_target(file.path)].signed.targets[file.path] = file
    for name, metadata in bins.items():
        _write(plain, f"1.{name}.json", _signed(plain, metadata))
    snapshot = Metadata(Snapshot(expires=_EXPIRES, meta={f"{name}.json": MetaFile(1) for name in ("targets", *bins)}))
    timestamp = Metadata(Timestamp(expires=_EXPIRES))
    _bring_out(plain, snapshot, timestamp)


def publish_one(plain: Plain, new: Record) -> None:
    """P2."""
    from tuf.api.metadata import TargetFile

    snapshot, timestamp = _visible(plain)
    name = plain.bins.get_role_for_target(new.path)
    listed = snapshot.signed.meta[f"{name}.json"]
    metadata = _read(plain, f"{listed.version}.{name}.json")
    metadata.signed.targets[new.path] = TargetFile(new.length, {"sha256": new.sha256}, new.path)
    listed.version = metadata.signed.version = listed.version + 1
    metadata.signed.expires = _EXPIRES
    _write(plain, f"{listed.version}.{name}.json", _signed(plain, metadata), durable=True)
    _bring_out(plain, snapshot, timestamp, renewing=True, together=False)


def renew_bins(plain: Plain) -> None:
    """P3."""
    snapshot, timestamp = _visible(plain)
    for name in plain.bins.get_roles():
        listed = snapshot.signed.meta[f"{name}.json"]
        metadata = _read(plain, f"{listed.version}.{name}.json")
        listed.version = metadata.signed.version = listed.version + 1
        metadata.signed.expires = _EXPIRES
        _write(plain, f"{listed.version}.{name}.json", _signed(plain, metadata))
    _bring_out(plain, snapshot, timestamp, renewing=True)


# --- parts -----------------------------------------------------------------------------------------------


def _visible(plain: Plain) -> tuple[Metadata[Any], Metadata[Any]]:
    timestamp = _read(plain, "timestamp.json")
    return _read(plain, f"{timestamp.signed.snapshot_meta.version}.snapshot.json"), timestamp


def _read(plain: Plain, name: str) -> Metadata[Any]:
    from tuf.api.metadata import Metadata

    return Metadata.from_file(str(plain.metadata / name))


def _signed(plain: Plain, metadata: Metadata[Any]) -> bytes:
    from tuf.api.serialization.json import JSONSerializer

    metadata.sign(plain.signer)
    return metadata.to_bytes(JSONSerializer(compact=True))


def _write(plain: Plain, name: str, data: bytes, *, durable: bool = False) -> None:
    with (plain.metadata / name).open("wb") as stream:
        stream.write(data)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())


def _bring_out(
    plain: Plain, snapshot: Metadata[Any], timestamp: Metadata[Any], *, renewing: bool = False, together: bool = True
) -> None:
    if renewing:
        snapshot.signed.version += 1
        timestamp.signed.version += 1
        snapshot.signed.expires = timestamp.signed.expires = _EXPIRES
    data = _signed(plain, snapshot)
    directory = os.open(plain.metadata, os.O_RDONLY)
    _write(plain, f"{snapshot.signed.version}.snapshot.json", data, durable=not together)
    if together and ctypes.CDLL(None, use_errno=True).syncfs(directory) != 0:
        raise OSError(ctypes.get_errno(), "syncfs")
    os.fsync(directory)
    named = timestamp.signed.snapshot_meta
    named.version, named.length = snapshot.signed.version, len(data)
    named.hashes = {"sha256": sha256(data).hexdigest()}
    _write(plain, "timestamp.new", _signed(plain, timestamp), durable=True)
    os.replace(plain.metadata / "timestamp.new", plain.metadata / "timestamp.json")
    os.fsync(directory)
    os.close(directory)
