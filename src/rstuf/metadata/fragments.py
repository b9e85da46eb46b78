"""Fragments: the compact JSON of one TargetFile, made once when an artifact comes in and joined when it is rendered."""

from __future__ import annotations

from typing import Final

import orjson

from rstuf.errors import InvalidArtifact
from rstuf.metadata.canonical import compact
from rstuf.model.artifacts import MAX_CUSTOM_BYTES, Artifact, ArtifactRow, slot_of
from rstuf.model.names import TargetPath

REMOVED: Final = b""


def fragment_of(artifact: Artifact) -> bytes:
    """The TargetFile (TUF §4.5) of a validated artifact, as compact JSON with sorted keys.

    Raises:
        InvalidArtifact: its custom data take more than 65 536 bytes.
    """
    if artifact.custom is None:
        if len(artifact.hashes) == 1 and "sha256" in artifact.hashes:
            return b'{"hashes":{"sha256":"%b"},"length":%d}' % (artifact.hashes["sha256"].encode(), artifact.length)
        return compact({"hashes": dict(artifact.hashes), "length": artifact.length})
    custom = compact(artifact.custom)
    if len(custom) > MAX_CUSTOM_BYTES:
        raise InvalidArtifact(artifact.path, "custom", f"takes {len(custom)} bytes, at most {MAX_CUSTOM_BYTES}")
    hashes = compact(dict(artifact.hashes))
    return b'{"custom":%b,"hashes":%b,"length":%d}' % (custom, hashes, artifact.length)


def row_of(artifact: Artifact) -> ArtifactRow:
    """The artifact as the state keeps it."""
    return ArtifactRow(slot_of(artifact.path), artifact.path, fragment_of(artifact))


def artifact_of(path: TargetPath, fragment: bytes) -> Artifact:
    """The artifact that a fragment of ours says."""
    fields = orjson.loads(fragment)
    return Artifact(path=path, length=fields["length"], hashes=fields["hashes"], custom=fields.get("custom"))


def join_entries(entries: list[tuple[str, bytes]]) -> bytes:
    """The `targets` object's inside: `entries` (path, fragment), in any order, sorted by path and joined."""
    # A valid path holds neither a backslash nor a control character, so a quote is all that must be escaped.
    return b",".join(
        [
            b'"%b":%b' % ((path if '"' not in path else path.replace('"', '\\"')).encode(), text)
            for path, text in sorted(entries)
        ]
    )
