"""Plans of repositories to test with: as data, and as the TOML text that a person would write."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

KEY_TYPE = "ed25519"


def plan_data(
    *,
    name: str = "test",
    signers: Sequence[str] = ("one", "two"),
    threshold: int = 1,
    bins: int = 4,
    expires: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    encrypted: Collection[str] = (),
    places: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A plan as data: the signers sign root, the key `online` all the rest.

    Args:
        name: the repository's.
        signers: names of the keys of root.
        threshold: how many of them must agree.
        bins: how many there are.
        expires: the lifetime of roles that are not to have the usual one.
        kinds: the type of keys that are not to be Ed25519.
        encrypted: keys that get a passphrase.
        places: where `metadata` and `artifacts` are kept, if not at the usual place.
    """
    keys = (*signers, "online")
    document: dict[str, Any] = {
        "repository": {"name": name, **(places or {})},
        "root": {"threshold": threshold, "signers": [*signers]},
        "keys": {key: _key(key, (kinds or {}).get(key, KEY_TYPE), encrypted=key in encrypted) for key in keys},
        "online": {"key": "online"},
        "bins": {"count": bins},
    }
    for role, lifetime in (expires or {}).items():
        document[role] = {**document.get(role, {}), "expires": lifetime}
    return document


def plan_text(**options: Any) -> str:
    """The same as text; `options` are those of `plan_data`."""
    return as_text(plan_data(**options))


def as_text(document: Mapping[str, Any]) -> str:
    """A plan that is data, as text."""
    return "".join(_table(name, values) for name, values in document.items())


def _key(name: str, kind: str, *, encrypted: bool) -> dict[str, Any]:
    plain = {} if encrypted else {"encrypt": False}
    return {"generate": kind, **plain, "signer": f"file:keys/{name}.key"}


def _table(name: str, values: Mapping[str, Any]) -> str:
    """A table with its lines, or its tables."""
    if all(isinstance(value, dict) for value in values.values()):
        return "".join(_table(f"{name}.{inner}", table) for inner, table in values.items())
    return "".join([f"[{name}]\n", *(f"{key} = {json.dumps(value)}\n" for key, value in values.items())])
