"""That every side did the same job: what clients would read of it, signatures and all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from tests.benchmarks.frame import WrongResult
from tests.benchmarks.records import Record

_BIN = re.compile(rb'\{"signatures":(\[.*?\]),"signed":(.*"targets":(\{.*\}),"version":(\d+)\})\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Published:
    """What a client that starts from timestamp finds.

    Attributes:
        versions: of each bin, as snapshot lists them.
        targets: how many artifacts there are.
        digest: over the `targets` objects of all bins, byte for byte.
    """

    versions: dict[str, int]
    targets: int
    digest: str


def look(metadata: Path, public: bytes) -> Published:
    """Read and verify all of it.

    Raises:
        WrongResult: a file is missing, of another version than snapshot says, or not signed by the key.
    """
    snapshot = _verified(metadata / f"{_snapshot_version(metadata, public)}.snapshot.json", public)
    versions = {name[:-5]: entry["version"] for name, entry in snapshot["meta"].items() if name.startswith("bins-")}
    digest, targets = hashlib.sha256(), 0
    for name, version in sorted(versions.items()):
        data = (metadata / f"{version}.{name}.json").read_bytes()
        found = _BIN.fullmatch(data)
        if found is None or int(found[4]) != version:
            raise WrongResult(f"{metadata}: {name} is not version {version}")
        _check_signature(found[2], orjson.loads(found[1]), public, name)
        digest.update(b"%b\n%b\n" % (name.encode(), found[3]))
        targets += len(orjson.loads(found[3]))
    return Published(versions, targets, digest.hexdigest())


def check_same(one: Published, other: Published, *, targets: int) -> None:
    """That both publish the same, and that it is `targets` artifacts.

    Raises:
        WrongResult: they don't.
    """
    if one.targets != targets or other.targets != targets:
        raise WrongResult(f"{one.targets} and {other.targets} artifacts where {targets} were imported")
    if one.versions.keys() != other.versions.keys() or one.digest != other.digest:
        raise WrongResult("two sides publish different bins for the same artifacts")


def check_there(metadata: Path, public: bytes, records: Collection[Record], bits: int) -> None:
    """That each of `records` is in its bin, as a client finds it.

    Raises:
        WrongResult: one isn't.
    """
    snapshot = _verified(metadata / f"{_snapshot_version(metadata, public)}.snapshot.json", public)
    width = len(f"{(1 << bits) - 1:x}")
    for each in records:
        index = int.from_bytes(hashlib.sha256(each.path.encode()).digest()[:4], "big") >> (32 - bits)
        name = f"bins-{index:0{width}x}.json"
        signed = _verified(metadata / f"{snapshot['meta'][name]['version']}.{name}", public)
        if signed["targets"].get(each.path) != {"hashes": {"sha256": each.sha256}, "length": each.length}:
            raise WrongResult(f"{metadata}: {each.path} is not in {name}")


def put_old_away(metadata: Path, attic: Path) -> None:
    """Move every version but the newest of each role to `attic`, so that directories stay as large as they were.

    Nothing is deleted: for minutes ext4 steps over each inode that was, whenever a file is made near it.
    Roots stay: clients walk over all of them.
    """
    attic.mkdir(parents=True)
    newest: dict[str, int] = {}
    files = [(name, *name.split(".", 1)) for name in (entry.name for entry in metadata.iterdir()) if name[0].isdigit()]
    for _, version, role in files:
        newest[role] = max(newest.get(role, 0), int(version))
    for name, version, role in files:
        if role != "root.json" and int(version) < newest[role]:
            (metadata / name).rename(attic / name)


def _snapshot_version(metadata: Path, public: bytes) -> int:
    version: int = _verified(metadata / "timestamp.json", public)["meta"]["snapshot.json"]["version"]
    return version


def _verified(path: Path, public: bytes) -> dict[str, Any]:
    data = path.read_bytes()
    start = data.index(b',"signed":') + len(b',"signed":')
    document = orjson.loads(data)
    _check_signature(data[start:-1], document["signatures"], public, path.name)
    signed: dict[str, Any] = document["signed"]
    return signed


def _check_signature(payload: bytes, signatures: list[dict[str, str]], public: bytes, name: str) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signatures[0]["sig"]), payload)
    except (InvalidSignature, IndexError):
        raise WrongResult(f"{name} is not signed") from None
