"""Roots for tests: the one that a signer trusts, and whatever is proposed after it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.signing import keyring

from rstuf.clock import iso
from rstuf.metadata.canonical import canonical, compact
from rstuf.metadata.root_changes import RootChanges, compare_roots
from rstuf.metadata.views import Envelope
from rstuf.model.keys import PublicKey
from rstuf.model.names import TOP_LEVEL

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
Signed = dict[str, Any]


def key(number: int) -> PublicKey:
    """One of any number of Ed25519 keys."""
    return keyring.public("ed25519", number)


def keyid(number: int) -> str:
    return key(number).keyid


def root(
    *,
    version: int = 3,
    expires: datetime = NOW + timedelta(days=20),
    root: tuple[int, ...] = (0, 1, 2),
    threshold: int = 2,
    online: int = 3,
) -> Signed:
    """The signed part of a root: three root keys of which two must sign, and one online key for the other roles."""
    return {
        "_type": "root",
        "consistent_snapshot": True,
        "expires": iso(expires),
        "keys": {keyid(number): key(number).to_dict() for number in (*root, online)},
        "roles": {
            name: {"keyids": [keyid(number) for number in root], "threshold": threshold}
            if name == "root"
            else {"keyids": [keyid(online)], "threshold": 1}
            for name in TOP_LEVEL
        },
        "spec_version": "1.0.31",
        "version": version,
    }


def following(signed: Signed, **changes: Any) -> Signed:
    """The next root, a year on, else the same."""
    later = copy.deepcopy(signed)
    return {**later, "version": signed["version"] + 1, "expires": iso(NOW + YEAR), **changes}


def envelope(signed: Signed) -> Envelope:
    """A root that nobody looked at yet: unlike `open_envelope`, this takes anything."""
    return Envelope(name="root", signed=signed, payload=canonical(compact(signed)), signatures=())


def compare(trusted: Signed | None, proposed: Signed, **options: Any) -> RootChanges:
    """`compare_roots`, today."""
    before = None if trusted is None else envelope(copy.deepcopy(trusted))
    return compare_roots(before, envelope(proposed), **{"now": NOW, **options})


def codes(changes: RootChanges, *, grave: bool) -> set[str]:
    """The codes of its concerns of one level."""
    return {concern.code for concern in changes.concerns if concern.grave is grave}


def add_key(signed: Signed, added: PublicKey, *roles: str, keyid: str | None = None) -> str:
    """List a key, and let it sign some roles."""
    called = keyid or added.keyid
    signed["keys"][called] = added.to_dict()
    for role in roles:
        signed["roles"][role]["keyids"].append(called)
    return called
