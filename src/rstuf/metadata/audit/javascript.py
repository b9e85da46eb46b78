"""What tuf-js makes of names and of their order, where that is not what was signed.

It keeps roles and artifacts as properties of objects: these have some of their own, and numbers before all others. It
sorts by UTF-16 units before it verifies a signature, and takes a space off the end of a URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_OWN: Final = frozenset(
    [
        *("constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"),
        *("toLocaleString", "toString", "valueOf", "__proto__"),
        *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
    ]
)
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_INDICES: Final = (1 << 32) - 1
_HIGH: Final = re.compile(rb"[\xf0-\xf4]")
_LATE: Final = re.compile(rb"[\xee\xef]")


def lost_paths(role: str, payload: bytes, targets: Mapping[str, Any]) -> int:
    """How many artifacts of a role, whose canonical bytes these are, it does not find."""
    # What targets lists stands where it looks first, and hides what an object has of its own.
    own = 0 if role == "targets" else len(_OWN & targets.keys())
    return own + (sum(path.endswith(" ") for path in targets) if b' ":{' in payload else 0)


def lost_order(payload: bytes, signed: Mapping[str, Any]) -> bool:
    """Whether it would sort what was signed otherwise, so that no signature holds.

    Args:
        payload: the canonical bytes of it.
    """
    if payload.isascii() or _HIGH.search(payload) is None or _LATE.search(payload) is None:
        return False
    return _is_sorted_otherwise(signed)


def lost_roles(names: Sequence[str]) -> str | None:
    """The name of a role by which it loses the delegations of another, or that role itself; None without one."""
    own = next((name for name in names if name in _OWN), None)
    numbers = [name for name in names if _INDEX.fullmatch(name) and int(name) < _INDICES]
    if own is not None or numbers == names[: len(numbers)] == sorted(numbers, key=int):
        return own
    return numbers[0]


def _is_sorted_otherwise(value: object) -> bool:
    if isinstance(value, list):
        return any(_is_sorted_otherwise(each) for each in value)
    if not isinstance(value, dict):
        return False
    units = sorted(value, key=lambda text: text.encode("utf-16-be", "surrogatepass"))
    return units != sorted(value) or any(_is_sorted_otherwise(each) for each in value.values())
