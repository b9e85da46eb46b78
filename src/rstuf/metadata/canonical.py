"""Strict JSON in, canonical JSON out (OLPC canonical JSON, TUF §4.1).

Compact JSON with sorted keys, as orjson writes it, *is* canonical JSON unless a string holds a character that JSON must
escape and canonical JSON must not (below U+0020). So metadata is kept and written in that compact form, and only where
such an escape occurs the bytes to sign are made by the library's encoder.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

import orjson

from rstuf.errors import InvalidJson
from rstuf.model.artifacts import MAX_INTEGER

MAX_DEPTH: Final = 64


def compact(value: Any) -> bytes:
    """`value` as compact JSON with sorted keys, UTF-8. It holds no floats and no number beyond 2^53 - 1."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def canonical(data: bytes) -> bytes:
    """The canonical form of what `data`, compact JSON with sorted keys, says: the bytes that are signed."""
    if b"\\" not in data or not _has_foreign_escape(data):
        return data
    from securesystemslib.formats import encode_canonical

    encoded = encode_canonical(json.loads(data))
    return encoded.encode() if encoded is not None else b""


def _has_foreign_escape(data: bytes) -> bool:
    # Every escape that canonical JSON shares is taken away in pairs; what is left begins another one.
    return b"\\" in data.replace(b"\\\\", b"").replace(b'\\"', b"")


def strict_loads(data: bytes, *, what: str) -> Any:
    """The value of a JSON text, refusing everything that two readers could understand differently.

    Raises:
        InvalidJson: not UTF-8, not JSON, a duplicate key, a fraction, exponent, NaN or Infinity, a number beyond
            2^53 - 1, a lone surrogate, or more than 64 levels.
    """
    try:
        value = orjson.loads(data)
        # What is written again to the same bytes had no duplicate key to lose.
        if compact(value) != data:
            _refuse_duplicates(data, what)
    except orjson.JSONDecodeError as error:
        line = f"line {error.lineno}, " if b"\n" in data else ""
        reason = f"{error.msg} ({line}column {error.colno})" if _is_utf_8(data) else "it is not UTF-8"
        raise InvalidJson(what, reason) from None
    except (orjson.JSONEncodeError, RecursionError):
        raise InvalidJson(what, "it cannot be written again as JSON") from None
    _check_values(value, what)
    return value


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse_duplicates(data: bytes, what: str) -> None:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            twice = next(key for key, times in Counter(key for key, _ in items).items() if times > 1)
            raise InvalidJson(what, f"the key {twice[:80]!r} stands twice in one object")
        return found

    def whole(text: str) -> int:
        if len(text) > 17:
            raise InvalidJson(what, "a number lies beyond 2^53 - 1")
        return int(text)

    json.loads(data, object_pairs_hook=pairs, parse_int=whole)


def _check_values(value: Any, what: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                following.extend(node.values())
            elif isinstance(node, list):
                following.extend(node)
            elif isinstance(node, float):
                raise InvalidJson(what, f"{node!r} is not a whole number")
            elif isinstance(node, int) and abs(node) > MAX_INTEGER:
                raise InvalidJson(what, "a number lies beyond 2^53 - 1")
        if not following:
            return
        level = following
    raise InvalidJson(what, f"it is nested deeper than {MAX_DEPTH} levels")
