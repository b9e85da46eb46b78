"""What a client in JavaScript (tuf-js) reads otherwise than all others, as it was seen with its releases.

It keeps roles and artifacts in objects, sorts by UTF-16 units where canonical JSON sorts by code points, and fetches
what the URL standard makes of a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from rstuf.model.names import IN_EVERY_OBJECT, TARGETS, misread_path

_BEYOND: Final = re.compile(rb"[\xf0-\xf4]")
"""A character beyond U+FFFF begins with one of these in UTF-8, in UTF-16 with less than what follows has."""
_BEHIND: Final = re.compile(rb"[\xee\xef]")
"""One from U+E000 to U+FFFF, which comes before these for all others."""

_ANY_OBJECT: Final = re.compile(b'"(?:%s)":' % "|".join(sorted(IN_EVERY_OBJECT)).encode())


def misreading(name: str, data: bytes) -> str | None:
    """Why tuf-js could not use all of a role that lists artifacts; None where it can.

    Args:
        data: the file, compact.
    """
    disordered = not data.isascii() and _BEYOND.search(data) is not None and _BEHIND.search(data) is not None
    if not disordered and b' ":{' not in data and not _may_be_found_elsewhere(name, data):
        return None
    signed = orjson.loads(data)["signed"]
    if disordered and _is_disordered(signed):
        return f"it puts what {name} lists in another order, and takes its signatures for wrong"
    for path in signed["targets"]:
        why = misread_path(path)
        # What targets lists itself is found before anything else.
        if why is not None and (name != TARGETS or path.endswith(" ")):
            return f"it does not find {path!r}: {why}"
    return None


def _may_be_found_elsewhere(name: str, data: bytes) -> bool:
    return name != TARGETS and _ANY_OBJECT.search(data) is not None


def _is_disordered(value: Any) -> bool:
    if isinstance(value, Mapping):
        keys = [*value]
        if sorted(keys) != sorted(keys, key=lambda key: key.encode("utf-16-be")):
            return True
        return any(map(_is_disordered, value.values()))
    return isinstance(value, list) and any(map(_is_disordered, value))
