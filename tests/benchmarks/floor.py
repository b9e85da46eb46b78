"""The floor: the least that must happen, written as plainly as possible.

Lines are parsed and believed, paths hashed, rows inserted by `sqlite3` alone, read back in order and joined; one
signature a role; files written under their names and made durable together; snapshot; timestamp. What a publication
takes of versions is committed with the rows, durably, before the first file. There is nothing else: no validation, no
bound on memory, no second commit, no check of what was written, no way back after a kill.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from tests.benchmarks.keys import load_key, make_key
from tests.benchmarks.records import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_EXPIRES = b"2036-01-01T00:00:00Z"
_HOLDER, _NUMBER = 1, 1
# The same key as the state of rstuf has, so that a bin is a range.
_TABLES = """
    CREATE TABLE artifact (holder INTEGER NOT NULL, slot INTEGER NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL,
        fragment BLOB NOT NULL, PRIMARY KEY (holder, slot, path, number)) WITHOUT ROWID;
    CREATE TABLE role (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
"""
_INSERT = f"INSERT INTO artifact VALUES ({_HOLDER}, ?, ?, {_NUMBER}, ?)"


@dataclass(frozen=True, slots=True)
class Floor:
    """A place where the floor works, open."""

    metadata: Path
    connection: sqlite3.Connection
    key: Ed25519PrivateKey
    keyid: bytes
    bits: int


def make(place: Path, *, bits: int) -> None:
    """An empty place."""
    (place / "metadata").mkdir(parents=True)
    make_key(place)
    connection = _connect(place)
    connection.executescript(_TABLES)
    roles = ["snapshot", "targets", "timestamp", *(_bin_name(index, bits) for index in range(1 << bits))]
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO role VALUES (?, 0)", [(role,) for role in roles])
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA user_version={bits}")
    connection.close()


def opened(place: Path) -> Floor:
    """The floor in `place`."""
    connection = _connect(place)
    key = load_key(place)
    keyid = sha256(key.public_key().public_bytes_raw()).hexdigest().encode()
    bits = connection.execute("PRAGMA user_version").fetchone()[0]
    return Floor(place / "metadata", connection, key, keyid, bits)


def import_and_publish(floor: Floor, records: Path) -> None:
    """P1."""
    rows = []
    with records.open("rb") as stream:
        for line in stream:
            said = orjson.loads(line)
            rows.append(_row(Record(said["path"], said["length"], said["hashes"]["sha256"])))
    rows.sort()
    floor.connection.execute("BEGIN IMMEDIATE")
    floor.connection.executemany(_INSERT, rows)
    _take_versions(floor, "name <> 'targets'")
    floor.connection.execute("COMMIT")
    _bring_out_all(floor)


def publish_one(floor: Floor, new: Record) -> None:
    """P2."""
    row = _row(new)
    shift = 32 - floor.bits
    index = row[0] >> shift
    name = _bin_name(index, floor.bits)
    floor.connection.execute("BEGIN IMMEDIATE")
    floor.connection.execute(_INSERT, row)
    _take_versions(floor, "name IN (?, 'snapshot', 'timestamp')", name)
    floor.connection.execute("COMMIT")
    versions = _versions(floor)
    found = floor.connection.execute(
        "SELECT path, fragment FROM artifact WHERE holder = ? AND slot BETWEEN ? AND ?",
        (_HOLDER, index << shift, (index + 1 << shift) - 1),
    )
    written = [_write(floor, f"{versions[name]}.{name}.json", _bin(floor, sorted(found), versions[name]))]
    data, length = _snapshot(floor, versions)
    written.append(_write(floor, f"{versions['snapshot']}.snapshot.json", data))
    for descriptor in written:
        os.fsync(descriptor)
        os.close(descriptor)
    _replace_timestamp(floor, versions, data, length)


def renew_bins(floor: Floor) -> None:
    """P3."""
    floor.connection.execute("BEGIN IMMEDIATE")
    _take_versions(floor, "name <> 'targets'")
    floor.connection.execute("COMMIT")
    _bring_out_all(floor)


# --- parts -----------------------------------------------------------------------------------------------


def _connect(place: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(place / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _bin_name(index: int, bits: int) -> str:
    return f"bins-{index:0{len(f'{(1 << bits) - 1:x}')}x}"


def _row(new: Record) -> tuple[int, str, bytes]:
    slot = int.from_bytes(sha256(new.path.encode()).digest()[:4], "big")
    return slot, new.path, b'{"hashes":{"sha256":"%b"},"length":%d}' % (new.sha256.encode(), new.length)


def _take_versions(floor: Floor, which: str, *names: str) -> None:
    floor.connection.execute(f"UPDATE role SET version = version + 1 WHERE {which}", names)


def _versions(floor: Floor) -> dict[str, int]:
    return dict(floor.connection.execute("SELECT name, version FROM role ORDER BY name"))


def _bring_out_all(floor: Floor) -> None:
    versions = _versions(floor)
    directory = os.open(floor.metadata, os.O_RDONLY)
    for index, entries in _all_bins(floor):
        name = _bin_name(index, floor.bits)
        os.close(_write(floor, f"{versions[name]}.{name}.json", _bin(floor, entries, versions[name])))
    data, length = _snapshot(floor, versions)
    os.close(_write(floor, f"{versions['snapshot']}.snapshot.json", data))
    if ctypes.CDLL(None, use_errno=True).syncfs(directory) != 0:
        raise OSError(ctypes.get_errno(), "syncfs")
    os.close(directory)
    _replace_timestamp(floor, versions, data, length)


def _all_bins(floor: Floor) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    shift = 32 - floor.bits
    rows = floor.connection.execute(
        "SELECT slot, path, fragment FROM artifact WHERE holder = ? ORDER BY slot, path", (_HOLDER,)
    )
    row = rows.fetchone()
    for index in range(1 << floor.bits):
        entries = []
        while row is not None and row[0] >> shift == index:
            entries.append(row[1:])
            row = rows.fetchone()
        entries.sort()
        yield index, entries


def _bin(floor: Floor, entries: list[tuple[str, bytes]], version: int) -> bytes:
    inside = b",".join([b'"%b":%b' % (path.encode(), fragment) for path, fragment in entries])
    return _signed(
        floor,
        b'{"_type":"targets","expires":"%b","spec_version":"1.0.31","targets":{%b},"version":%d}'
        % (_EXPIRES, inside, version),
    )


def _snapshot(floor: Floor, versions: dict[str, int]) -> tuple[bytes, int]:
    inside = ",".join(
        [
            f'"{name}.json":{{"version":{version}}}'
            for name, version in versions.items()
            if name not in {"snapshot", "timestamp"}
        ]
    )
    data = _signed(
        floor,
        b'{"_type":"snapshot","expires":"%b","meta":{%b},"spec_version":"1.0.31","version":%d}'
        % (_EXPIRES, inside.encode(), versions["snapshot"]),
    )
    return data, len(data)


def _signed(floor: Floor, part: bytes) -> bytes:
    signature = floor.key.sign(part).hex().encode()
    return b'{"signatures":[{"keyid":"%b","sig":"%b"}],"signed":%b}' % (floor.keyid, signature, part)


def _write(floor: Floor, name: str, data: bytes) -> int:
    descriptor = os.open(floor.metadata / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(descriptor, data)
    return descriptor


def _replace_timestamp(floor: Floor, versions: dict[str, int], snapshot: bytes, length: int) -> None:
    """The directory is flushed before, for the names that timestamp leads to, and after, for timestamp itself."""
    data = _signed(
        floor,
        b'{"_type":"timestamp","expires":"%b","meta":{"snapshot.json":{"hashes":{"sha256":"%b"},"length":%d,'
        b'"version":%d}},"spec_version":"1.0.31","version":%d}'
        % (_EXPIRES, sha256(snapshot).hexdigest().encode(), length, versions["snapshot"], versions["timestamp"]),
    )
    directory = os.open(floor.metadata, os.O_RDONLY)
    os.fsync(directory)
    descriptor = _write(floor, "timestamp.new", data)
    os.fsync(descriptor)
    os.close(descriptor)
    os.replace(floor.metadata / "timestamp.new", floor.metadata / "timestamp.json")
    os.fsync(directory)
    os.close(directory)
