"""What one artifact row weighs in its role's metadata, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from rstuf.model.artifacts import Artifact
from rstuf.model.names import TargetPath

# Two quotes, a colon and a comma around `"path":{…},`.
SEPARATORS: Final = 4
_TOLD_FIRST: Final = ("sha256", "sha512", "blake2b-256")


def payload(path: str, fragment: bytes) -> int:
    """Bytes that an artifact takes in the `targets` object of its role: its path as canonical JSON (which escapes
    nothing but quote and backslash), its fragment, and what stands around them."""
    length = len(path) if path.isascii() else len(path.encode())
    return length + path.count('"') + path.count("\\") + len(fragment) + SEPARATORS


def payloads(paths: Sequence[str], fragments: Sequence[bytes], *, text: str) -> Iterable[int]:
    """`payload` of each; `text` is all paths together, so that plain ones are measured without looking at each."""
    if text.isascii() and '"' not in text and "\\" not in text:
        return (first + second + SEPARATORS for first, second in zip(map(len, paths), map(len, fragments), strict=True))
    return map(payload, paths, fragments)


def artifact(path: str, fragment: bytes) -> Artifact:
    """The artifact that a row describes.

    Raises:
        ValueError, KeyError, TypeError, InvalidInput: the fragment is none of ours.
    """
    said = orjson.loads(fragment)
    return Artifact(path=TargetPath(path), length=said["length"], hashes=said["hashes"], custom=said.get("custom"))


def differences(signed: bytes, offered: bytes) -> tuple[str, str]:
    """Two different fragments as short texts that differ too: ("sha256 1b0c…e1, 4211774 B", …)."""
    first, second = _said(signed), _said(offered)
    texts = _text(first, full=False), _text(second, full=False)
    if texts[0] == texts[1]:
        texts = _text(first, full=True), _text(second, full=True)
    if texts[0] == texts[1]:
        return texts[0], f"{texts[1]} with other custom data or hashes"
    return texts


def _said(fragment: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(fragment)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _text(said: Mapping[str, Any], *, full: bool) -> str:
    hashes = said.get("hashes")
    known = hashes if isinstance(hashes, dict) else {}
    length = f"{said.get('length', '?')} B"
    for algorithm in _TOLD_FIRST:
        if algorithm in known:
            value = str(known[algorithm])
            return f"{algorithm} {value if full else f'{value[:4]}…{value[-2:]}'}, {length}"
    return length
