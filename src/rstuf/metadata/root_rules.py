"""What makes a proposed root one that nobody should sign, whatever they are told about it.

The signer's own copy of the last root decides, and the signer's own clock; nothing that came with the proposal does.

1. Its bytes are those of what is shown of it, a root, small enough for every client.
2. Its version is the one after the trusted root's; 1 where there is none.
3. It expires after now, and no later than the signer allows.
4. It has the four top-level roles, consistent snapshots and a version of the specification that clients read.
5. A key that the trusted root does not list is of a kind that clients read, under the key id that is its hash. One
   that it lists is the very same object as there.
6. A role lists keys that are there, each once by key id and once by value, and a threshold that they can meet.
7. What TUF does not know in it can still be read by a person, and so can the keys that are new in it.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from rstuf.clock import iso
from rstuf.errors import InvalidKey, InvalidMetadata, ProposalRefused
from rstuf.metadata.canonical import canonical, compact
from rstuf.metadata.key_identity import check_key
from rstuf.metadata.limits import ROOT_BYTES
from rstuf.metadata.root_parts import RootParts, path_of, short_id, take_apart
from rstuf.metadata.views import Envelope
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.durations import format_duration
from rstuf.model.keys import KeyId
from rstuf.model.names import TOP_LEVEL, RoleName

MAX_FOREIGN_CHARACTERS: Final = 16_384
MAX_UNUSED_KEYS: Final = 8
MAX_NEW_KEYS: Final = 64
_SPEC_VERSION: Final = re.compile(r"1\.[0-9]{1,4}(\.[0-9]{1,4})?", re.ASCII)


def check_proposal(
    trusted: RootParts | None, proposed: Envelope, *, now: datetime, max_expiry: timedelta | None
) -> RootParts:
    """The parts of a proposed root that breaks no rule.

    Raises:
        ProposalRefused: with the first rule that it breaks.
    """
    refuse = _Refuser(proposed.name)
    _check_bytes(proposed, refuse)
    _check_version(proposed, trusted, refuse)
    _check_expiry(proposed, refuse, now=now, max_expiry=max_expiry)
    _check_form(proposed, refuse)
    try:
        parts = take_apart(proposed)
    except InvalidMetadata as error:
        raise refuse("form", error.reason) from None
    _check_keys(parts, trusted, refuse)
    for name in TOP_LEVEL:
        _check_role(parts, name, refuse)
    _check_foreign(parts, trusted, refuse)
    return parts


class _Refuser:
    """Builds the error of a rule that is broken."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, rule: str, reason: str) -> ProposalRefused:
        return ProposalRefused(self._name, rule, reason)


def _check_bytes(proposed: Envelope, refuse: _Refuser) -> None:
    if len(proposed.payload) > ROOT_BYTES:
        raise refuse("size", f"clients read roots of {ROOT_BYTES} bytes at most, and it has {len(proposed.payload)}")
    try:
        same = canonical(compact(dict(proposed.signed))) == proposed.payload
    except (TypeError, ValueError):
        same = False
    if not same:
        raise refuse("bytes", "the bytes to sign do not say what stands in it")
    if proposed.signed.get("_type") != "root":
        raise refuse("type", "it is not a root")


def _check_version(proposed: Envelope, trusted: RootParts | None, refuse: _Refuser) -> None:
    version = proposed.signed.get("version")
    if type(version) is not int or not 1 <= version <= MAX_INTEGER:
        raise refuse("version", "its version is not a whole number from 1 to 2^53 - 1")
    following = 1 if trusted is None else trusted.version + 1
    if version != following:
        why = "the first root is version 1" if trusted is None else f"the root you trust is version {trusted.version}"
        raise refuse("version", f"it is version {version}, where {following} must follow: {why}")


def _check_expiry(proposed: Envelope, refuse: _Refuser, *, now: datetime, max_expiry: timedelta | None) -> None:
    try:
        expires = proposed.expires
        written = iso(expires)
    except (KeyError, TypeError, ValueError):
        raise refuse("expires", "its expiry is no date") from None
    if proposed.signed["expires"] != written:
        raise refuse("expires", "its expiry is not written as 2026-11-20T16:00:00Z is")
    if expires <= now:
        raise refuse("expires", f"it has expired already, on {written}; by this machine's clock it is {iso(now)}")
    if max_expiry is not None and expires - now > max_expiry:
        raise refuse(
            "expires",
            f"it expires on {written}, {(expires - now).days} days from now, and you sign for "
            f"{format_duration(max_expiry)} at most",
        )


def _check_form(proposed: Envelope, refuse: _Refuser) -> None:
    spec = proposed.signed.get("spec_version")
    if not isinstance(spec, str) or _SPEC_VERSION.fullmatch(spec) is None:
        raise refuse("spec-version", "it does not follow version 1 of the TUF specification")
    if proposed.signed.get("consistent_snapshot") is not True:
        raise refuse("consistent-snapshot", "it is without consistent snapshots, so files would be written over")
    roles = proposed.signed.get("roles")
    if not isinstance(roles, dict) or set(roles) != set(TOP_LEVEL):
        raise refuse("roles", f"its roles are not {', '.join(TOP_LEVEL)} and no other")


def _check_keys(parts: RootParts, trusted: RootParts | None, refuse: _Refuser) -> None:
    known = trusted.keys.keys() if trusted is not None else frozenset[KeyId]()
    idle, new = set(parts.unused) - known, parts.keys.keys() - known
    if len(idle) > MAX_UNUSED_KEYS:
        raise refuse("unused-keys", f"it brings {len(idle)} keys that no role uses")
    if len(new) > MAX_NEW_KEYS:
        raise refuse("new-keys", f"nobody can compare the {len(new)} keys that are new in it")
    for keyid, key in parts.keys.items():
        called = f"the key {short_id(keyid)}"
        if trusted is not None and keyid in trusted.keys:
            _check_kept(parts, trusted, keyid, refuse)
            continue
        if key is None:
            raise refuse("key", f"{called} is new and of a form that rstuf does not read")
        try:
            check_key(key, where=called)
        except InvalidKey as error:
            raise refuse("key", f"{called} is new and cannot be let in: {error.reason}") from None
        if key.keyid != keyid:
            raise refuse("key-id", f"{called} is new, and its key id is not the hash of it")


def _check_kept(parts: RootParts, trusted: RootParts, keyid: KeyId, refuse: _Refuser) -> None:
    """A key id that is known may only stand for what it stood for, down to the byte."""
    whole = path_of("keys", keyid)
    same = parts.keys[keyid] == trusted.keys[keyid]
    if not same or (parts.keys[keyid] is None and parts.foreign.get(whole) != trusted.foreign.get(whole)):
        raise refuse(
            "key-replaced", f"under the key id {short_id(keyid)} stands another key than in the root you trust"
        )


def _check_role(parts: RootParts, name: RoleName, refuse: _Refuser) -> None:
    role = parts.roles[name]
    if len(set(role.keyids)) != len(role.keyids):
        raise refuse("key-repeated", f"its role {name} lists a key id twice")
    seen: dict[bytes, KeyId] = {}
    for keyid in role.keyids:
        if keyid not in parts.keys:
            raise refuse("key-missing", f"its role {name} lists the key {short_id(keyid)}, which is not in it")
        value = parts.value(keyid)
        if value is not None and seen.setdefault(value, keyid) != keyid:
            one, other = short_id(seen[value]), short_id(keyid)
            raise refuse("key-repeated", f"its role {name} lists one key twice, as {one} and as {other}")
    if not 1 <= role.threshold <= len(seen):
        raise refuse(
            "threshold", f"its role {name} asks for {role.threshold} signatures, and has {len(seen)} keys that can sign"
        )


def _check_foreign(parts: RootParts, trusted: RootParts | None, refuse: _Refuser) -> None:
    known = {} if trusted is None else trusted.foreign
    size = sum(len(path) + len(value) for path, value in parts.foreign.items() if known.get(path) != value)
    if size > MAX_FOREIGN_CHARACTERS:
        raise refuse(
            "foreign", f"it brings {size} characters of fields that TUF does not know: nobody can read them all"
        )
