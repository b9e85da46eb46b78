"""Metadata files taken apart: strictly, with what they do not know kept.

A view reads the fields rstuf needs from a `signed` object and leaves the object itself as it is, so that foreign fields
survive when a role is signed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from rstuf.clock import parse_iso
from rstuf.errors import InvalidJson, InvalidMetadata
from rstuf.metadata.bins import Bins
from rstuf.metadata.canonical import canonical, compact, strict_loads
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import TOP_LEVEL, RoleName

# Bins are two at least.
_FEWEST: Final = 2


@dataclass(frozen=True, slots=True)
class Signature:
    """One entry of `signatures`: which key, and the signature in hex."""

    keyid: KeyId
    sig: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """A metadata file: its `signed` object, the canonical bytes that were signed, and the signatures."""

    name: str
    signed: Mapping[str, Any]
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def version(self) -> int:
        """The metadata's version."""
        return int(self.signed["version"])

    @property
    def expires(self) -> datetime:
        """When it expires, UTC."""
        return parse_iso(self.signed["expires"])


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Who may sign a role: key ids, the keys themselves, and how many must."""

    keyids: tuple[KeyId, ...]
    threshold: int
    keys: Mapping[KeyId, PublicKey]


def open_envelope(data: bytes, *, name: str, kind: str) -> Envelope:
    """Take a metadata file apart.

    Args:
        name: the file's name, for messages.
        kind: the `_type` it must have.

    Raises:
        InvalidMetadata: it is not strict JSON of the shape that TUF §4.2 and §4.3 describe.
    """
    try:
        whole = strict_loads(data, what=name)
    except InvalidJson as error:
        raise InvalidMetadata(name, f"it is not acceptable JSON: {error.reason}") from None
    signed = whole.get("signed") if isinstance(whole, dict) else None
    if not isinstance(signed, dict):
        raise InvalidMetadata(name, "it has no signed object")
    if signed.get("_type") != kind:
        raise InvalidMetadata(name, f"it is not {kind} metadata")
    version = signed.get("version")
    if type(version) is not int or not 1 <= version <= MAX_INTEGER:
        raise InvalidMetadata(name, "its version is not a whole number from 1 on")
    try:
        parse_iso(signed["expires"])
        signatures = tuple(_signature(each) for each in whole["signatures"])
    except (KeyError, TypeError, ValueError):
        raise InvalidMetadata(name, "its expiry or signatures are not of the form they must have") from None
    return Envelope(name=name, signed=signed, payload=canonical(compact(signed)), signatures=signatures)


def _signature(entry: Any) -> Signature:
    keyid, sig = entry["keyid"], entry["sig"]
    if not isinstance(keyid, str) or not isinstance(sig, str):
        raise TypeError
    return Signature(KeyId(keyid), sig)


def root_roles(root: Envelope) -> Mapping[RoleName, RoleKeys]:
    """Who may sign each top-level role, by a root.

    Raises:
        InvalidMetadata: a role or a key is missing or misshapen.
    """
    keys = _keys(root.name, root.signed.get("keys"))
    roles = root.signed.get("roles")
    if not isinstance(roles, dict):
        raise InvalidMetadata(root.name, "it has no roles")
    return {name: role_keys_of(roles.get(name), name, keys, where=root.name) for name in TOP_LEVEL}


@dataclass(frozen=True, slots=True)
class BinDelegation:
    """A delegation to bins: these, and who may sign each of them."""

    bins: Bins
    signers: RoleKeys


def bin_delegation(targets: Envelope) -> BinDelegation | None:
    """The bins of a targets role, succinct (TAP 15) or each by its hash prefixes; None where it has none.

    Raises:
        InvalidMetadata: it is misshapen.
    """
    delegations = targets.signed.get("delegations")
    if delegations is None:
        return None
    succinct = delegations.get("succinct_roles") if isinstance(delegations, dict) else None
    if succinct is None:
        return _classic_bins(delegations, where=targets.name)
    keys = _keys(targets.name, delegations.get("keys"))
    signers = role_keys_of(succinct, "succinct_roles", keys, where=targets.name)
    bits, prefix = succinct.get("bit_length"), succinct.get("name_prefix")
    if type(bits) is not int or not 1 <= bits <= 32 or not isinstance(prefix, str) or not prefix:
        raise InvalidMetadata(targets.name, "its succinct delegation is not of the form of TAP 15")
    return BinDelegation(Bins(bits=bits, prefix=prefix), signers)


def _classic_bins(delegations: object, *, where: str) -> BinDelegation | None:
    """Bins by hash prefixes, if delegations are these and nothing else: as `Bins.hash_prefixes` has them."""
    roles = delegations.get("roles") if isinstance(delegations, dict) else None
    if not isinstance(delegations, dict) or not isinstance(roles, list) or len(roles) < _FEWEST or not _is_power(roles):
        return None
    if not all(isinstance(role, dict) and isinstance(role.get("name"), str) for role in roles):
        return None
    first = roles[0]
    bins = Bins(len(roles).bit_length() - 1, first["name"].rpartition("-")[0], classic=True)
    signers = (first.get("keyids"), first.get("threshold"))
    for index, role in enumerate(roles):
        is_bin = role["name"] == bins.name(index) and role.get("path_hash_prefixes") == [*bins.hash_prefixes(index)]
        if not bins.prefix or not is_bin or (role.get("keyids"), role.get("threshold")) != signers:
            return None
    keys = _keys(where, delegations.get("keys"))
    return BinDelegation(bins, role_keys_of(first, first["name"], keys, where=where))


def _is_power(roles: Sequence[object]) -> bool:
    return len(roles) & (len(roles) - 1) == 0


def delegated_keys(signed: Mapping[str, Any], *, where: str) -> Mapping[KeyId, PublicKey]:
    """The keys that the delegations of a targets role list.

    Raises:
        InvalidMetadata: one is misshapen.
    """
    delegations = signed.get("delegations")
    return _keys(where, delegations.get("keys") if isinstance(delegations, dict) else None)


def _keys(where: str, keys: object) -> Mapping[KeyId, PublicKey]:
    if not isinstance(keys, dict):
        raise InvalidMetadata(where, "it has no keys")
    found: dict[KeyId, PublicKey] = {}
    for keyid, key in keys.items():
        try:
            # A kind of key whose value is not one text (Sigstore identities) signs nothing here, and stays.
            if isinstance(key["keyval"].get("public"), str):
                found[KeyId(keyid)] = PublicKey.from_dict(key)
        except (KeyError, TypeError, AttributeError):
            raise InvalidMetadata(where, f"its key {keyid[:16]} is misshapen") from None
    return found


def role_keys_of(role: object, name: str, keys: Mapping[KeyId, PublicKey], *, where: str) -> RoleKeys:
    """Who may sign a role, by a role object of TUF §4.3 or §4.5; `keys` are those that its metadata lists.

    Raises:
        InvalidMetadata: it is misshapen.
    """
    keyids = role.get("keyids") if isinstance(role, dict) else None
    threshold = role.get("threshold") if isinstance(role, dict) else None
    if not isinstance(keyids, list) or not all(isinstance(each, str) for each in keyids):
        raise InvalidMetadata(where, f"its role {name} has no key ids")
    if type(threshold) is not int or threshold < 1:
        raise InvalidMetadata(where, f"its role {name} has no threshold from 1 on")
    ids = tuple(KeyId(each) for each in keyids)
    return RoleKeys(keyids=ids, threshold=threshold, keys={each: keys[each] for each in ids if each in keys})


def split_signed(data: bytes) -> bytes:
    """The `signed` part of a file that rstuf wrote (signatures first, compact), as it stands there.

    Raises:
        InvalidMetadata: the file is not of our form.
    """
    start = data.find(b',"signed":')
    if not data.startswith(b'{"signatures":') or start < 0 or not data.endswith(b"}"):
        raise InvalidMetadata("metadata", "it is not in the form rstuf writes")
    return data[start + len(b',"signed":') : -1]


def read_signatures(data: bytes) -> Sequence[Signature]:
    """The signatures of a file that rstuf wrote, without reading the rest."""
    start = data.find(b',"signed":')
    entries = orjson.loads(data[len(b'{"signatures":') : start])
    return [Signature(KeyId(each["keyid"]), each["sig"]) for each in entries]
