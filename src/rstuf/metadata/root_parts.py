"""A root taken apart with nothing left over, so that whoever is asked to sign it can be shown all of it.

`views` reads what rstuf needs from metadata and leaves the rest; here the rest is told too, field by field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rstuf.errors import InvalidKey, InvalidMetadata
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.views import Envelope
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import TOP_LEVEL, RoleName

_FIELDS: Final = frozenset({"_type", "consistent_snapshot", "expires", "keys", "roles", "spec_version", "version"})
_KEY_FIELDS: Final = frozenset({"keytype", "keyval", "scheme"})
_VALUE_FIELDS: Final = frozenset({"public"})
_ROLE_FIELDS: Final = frozenset({"keyids", "threshold"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SHORT: Final = 8
_MOST_NAMED: Final = 6


@dataclass(frozen=True, slots=True)
class RoleParts:
    """A role of a root: the key ids that it lists, in the file's order, and how many keys must sign."""

    keyids: tuple[KeyId, ...]
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootParts:
    """All that a root says.

    Attributes:
        expires: UTC.
        spec_version: as text; empty where it is none.
        consistent_snapshot: None where it is no truth value.
        keys: by key id; None for a key object without the three texts that rstuf's kinds of keys have.
        identities: which key each key id stands for; None for one that cannot be read.
        roles: the four top-level roles.
        foreign: every field that TUF does not know, by its path, as JSON in ASCII; also key objects
            that are None in `keys`.
    """

    version: int
    expires: datetime
    spec_version: str
    consistent_snapshot: bool | None
    keys: Mapping[KeyId, PublicKey | None]
    identities: Mapping[KeyId, bytes | None]
    roles: Mapping[RoleName, RoleParts]
    foreign: Mapping[str, str]

    @property
    def unused(self) -> tuple[KeyId, ...]:
        """Keys that no role lists, by key id."""
        used = {keyid for role in self.roles.values() for keyid in role.keyids}
        return tuple(sorted(keyid for keyid in self.keys if keyid not in used))

    def value(self, keyid: KeyId) -> bytes | None:
        """Which key a key id stands for, whatever its spelling (`key_identity`); None where it cannot be read."""
        return self.identities.get(keyid)

    def values(self, role: RoleName) -> Mapping[bytes, KeyId]:
        """The distinct keys of a role. One that cannot be read is only itself: its key id stands for it."""
        found: dict[bytes, KeyId] = {}
        for keyid in self.roles[role].keyids:
            found.setdefault(self.value(keyid) or b"id:" + keyid.encode(), keyid)
        return found

    def countable(self, role: RoleName) -> int:
        """How many distinct keys of a role can be read: no threshold above it can be met."""
        return len({value for keyid in self.roles[role].keyids if (value := self.value(keyid)) is not None})


def take_apart(root: Envelope) -> RootParts:
    """All that a root says; what it may say is for `root_rules`.

    Raises:
        InvalidMetadata: its keys or roles are not of the form of TUF §4.3.
    """
    signed = root.signed
    keys, roles = signed.get("keys"), signed.get("roles")
    if not isinstance(keys, Mapping) or not all(isinstance(key, Mapping) for key in keys.values()):
        raise InvalidMetadata(root.name, "its keys are not of the form they must have")
    if not isinstance(roles, Mapping):
        raise InvalidMetadata(root.name, "it has no roles")
    objects = {KeyId(keyid): _key(key) for keyid, key in keys.items()}
    version, snapshot = signed.get("spec_version"), signed.get("consistent_snapshot")
    return RootParts(
        version=root.version,
        expires=root.expires,
        spec_version=version if isinstance(version, str) else "",
        consistent_snapshot=snapshot if isinstance(snapshot, bool) else None,
        keys=objects,
        identities={keyid: _identity(key) for keyid, key in objects.items()},
        roles={name: _role(root, name, roles.get(name)) for name in TOP_LEVEL},
        foreign=dict(sorted(_foreign(signed))),
    )


def _key(key: Mapping[str, Any]) -> PublicKey | None:
    try:
        return PublicKey.from_dict(key)
    except (KeyError, TypeError):
        return None


def _identity(key: PublicKey | None) -> bytes | None:
    try:
        return None if key is None else key_identity(key)
    except InvalidKey:
        return None


def _role(root: Envelope, name: RoleName, role: object) -> RoleParts:
    keyids = role.get("keyids") if isinstance(role, Mapping) else None
    threshold = role.get("threshold") if isinstance(role, Mapping) else None
    if not isinstance(keyids, list) or not all(isinstance(each, str) for each in keyids):
        raise InvalidMetadata(root.name, f"its role {name} has no list of key ids")
    if type(threshold) is not int:
        raise InvalidMetadata(root.name, f"the threshold of its role {name} is not a whole number")
    return RoleParts(tuple(map(KeyId, keyids)), threshold)


def _foreign(signed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Whatever stands in a root and is nothing that TUF §4.3 names: path and JSON."""
    yield from _others(signed, _FIELDS)
    for keyid, key in signed["keys"].items():
        if _key(key) is None:
            yield path_of("keys", keyid), _json(key)
            continue
        yield from _others(key, _KEY_FIELDS, "keys", keyid)
        yield from _others(key["keyval"], _VALUE_FIELDS, "keys", keyid, "keyval")
    for name, role in signed["roles"].items():
        if name in TOP_LEVEL:
            yield from _others(role, _ROLE_FIELDS, "roles", name)
        else:
            yield path_of("roles", name), _json(role)


def _others(fields: Mapping[str, Any], known: frozenset[str], *above: str) -> Iterator[tuple[str, str]]:
    return ((path_of(*above, name), _json(value)) for name, value in fields.items() if name not in known)


def _json(value: Any) -> str:
    # Only ASCII: what cannot be seen, or looks like something else, shows as an escape.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def path_of(*names: str) -> str:
    """Where a field stands: its names with dots between, each that is not a plain word in quotes."""
    return ".".join(name if _PLAIN.fullmatch(name) else json.dumps(name) for name in names)


def short_id(keyid: KeyId) -> str:
    """The beginning of a key id, as people tell keys apart."""
    text = keyid if _PLAIN.fullmatch(keyid) else json.dumps(keyid)
    return text if len(text) <= _SHORT + 1 else f"{text[:_SHORT]}…"


def some(texts: Iterable[str]) -> str:
    """A few texts with commas between, and how many more there are."""
    every = list(texts)
    more = len(every) - _MOST_NAMED
    named = ", ".join(every[:_MOST_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def short_ids(keyids: Iterable[KeyId]) -> str:
    """The beginnings of a few key ids, and how many more there are."""
    return some(short_id(keyid) for keyid in keyids)


def count(number: int, word: str) -> str:
    """A number and what is counted, as "1 key" and "2 keys"."""
    return f"{number} {word}{'' if number == 1 else 's'}"
