"""A targets role that is to be signed, taken apart with nothing left over: what it lists, and to whom it delegates.

Its artifacts are compared with what its signer signed of it last, where their record knows that; all else is told.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rstuf.clock import iso, parse_iso
from rstuf.errors import InvalidKey, InvalidRoleName, ProposalRefused
from rstuf.holder.contents import ContentsChange, as_json
from rstuf.holder.delegations import DelegatedBy, refuse_outside
from rstuf.holder.earlier import Earlier
from rstuf.holder.target_concerns import DelegatedRole, concerns_of_targets
from rstuf.metadata.bundle import BundlePart
from rstuf.metadata.canonical import compact
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.root_concerns import Concern
from rstuf.metadata.root_parts import count, path_of, short_id
from rstuf.metadata.root_rules import MAX_FOREIGN_CHARACTERS, MAX_UNUSED_KEYS
from rstuf.model.durations import format_duration
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import role_name

MAX_NEW_KEYS: Final = 256
MAX_DELEGATED: Final = 256
MAX_SEATS: Final = 1024
MAX_RULE_CHARACTERS: Final = 65_536
_FIELDS: Final = frozenset({"_type", "delegations", "expires", "spec_version", "targets", "version"})
_TOLD: Final = frozenset({"keyids", "threshold", "name", "name_prefix", "bit_length"})
_KEY_FIELDS: Final = frozenset({"keytype", "keyval", "scheme"})
_SPEC_VERSION: Final = re.compile(r"1\.[0-9]{1,4}(\.[0-9]{1,4})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsFacts:
    """All that a proposed targets role says.

    Attributes:
        expires: UTC.
        days: whole days from now until then.
        by: who lets it sign; None for targets.
        artifacts: how many it lists itself.
        changes: the first of them, against what the signer signed of it last.
        listing: SHA-256 of the canonical JSON of all of them, hex; None where there are none.
        delegated: the roles that it delegates to, in the file's order.
        keys: the keys of delegated roles; None for one of a form that rstuf does not read, which `foreign` shows.
        foreign: what is not told above, as "path = JSON" in ASCII, sorted.
        concerns: what is unusual.
    """

    version: int
    expires: datetime
    days: int
    spec_version: str
    by: DelegatedBy | None
    artifacts: int
    changes: ContentsChange
    listing: str | None
    delegated: tuple[DelegatedRole, ...]
    keys: Mapping[KeyId, PublicKey | None]
    foreign: tuple[str, ...]
    concerns: tuple[Concern, ...]


def take_targets_apart(
    part: BundlePart,
    *,
    known: Collection[KeyId],
    now: datetime,
    max_expiry: timedelta | None,
    by: DelegatedBy | None,
    earlier: Earlier,
) -> TargetsFacts:
    """All that a proposed targets role says.

    Args:
        known: the online keys of the root in force, and of one that is proposed with it.
        by: who lets it sign; None for targets itself.
        earlier: what its signer signed of it last.

    Raises:
        ProposalRefused: nobody should sign it, or nobody can read all of it.
    """
    if by is not None:
        refuse_outside(part, by)
    return _Reader(part, known, by, earlier).read(now, max_expiry)


class _Reader:
    def __init__(self, part: BundlePart, known: Collection[KeyId], by: DelegatedBy | None, earlier: Earlier) -> None:
        self._part, self._signed, self._known = part, part.signed, known
        self._by, self._earlier = by, earlier

    def read(self, now: datetime, max_expiry: timedelta | None) -> TargetsFacts:
        if len(self._part.payload) > TARGETS_BYTES:
            raise self._refuse("size", f"clients read {TARGETS_BYTES} bytes at most")
        expires = self._expiry(now, max_expiry)
        spec = self._signed.get("spec_version")
        if not isinstance(spec, str) or _SPEC_VERSION.fullmatch(spec) is None:
            raise self._refuse("spec-version", "it does not follow version 1 of the TUF specification")
        targets = self._object(self._signed.get("targets"), "targets")
        delegations = self._object(self._signed.get("delegations", {}), "delegations")
        raw = self._object(delegations.get("keys", {}), "keys")
        keys = {KeyId(keyid): _key(key) for keyid, key in raw.items()}
        delegated = tuple(self._delegated(delegations, keys))
        foreign = dict(sorted(self._foreign(delegations, raw, keys)))
        self._refuse_unreadable(delegated, keys, foreign)
        changes = self._earlier.changes(self._part, targets)
        return TargetsFacts(
            version=self._part.version,
            expires=expires,
            days=(expires - now).days,
            spec_version=spec,
            by=self._by,
            artifacts=len(targets),
            changes=changes,
            listing=hashlib.sha256(compact(targets)).hexdigest() if targets else None,
            delegated=delegated,
            keys=keys,
            foreign=tuple(f"{path} = {value}" for path, value in foreign.items()),
            concerns=tuple(
                concerns_of_targets(
                    self._part.role,
                    version=self._part.version,
                    expires=expires,
                    now=now,
                    artifacts=len(targets),
                    changes=changes,
                    keys=keys,
                    known=self._known,
                    delegated=delegated,
                    foreign=foreign,
                    others_change=self._by is not None and self._by.proposed and not self._by.of_bins,
                )
            ),
        )

    def _refuse_unreadable(
        self,
        delegated: Collection[DelegatedRole],
        keys: Mapping[KeyId, PublicKey | None],
        foreign: Mapping[str, str],
    ) -> None:
        """What is told at such length is not told: nobody reads it."""
        used = {keyid for role in delegated for keyid in role.keyids}
        new = keys.keys() - set(self._known)
        if sum(len(path) + len(value) for path, value in foreign.items()) > MAX_FOREIGN_CHARACTERS:
            raise self._refuse("foreign", "nobody can read all the fields in it that TUF does not know")
        if len(keys.keys() - used) > MAX_UNUSED_KEYS:
            raise self._refuse("unused-keys", f"it lists {len(keys.keys() - used)} keys that no role uses")
        if len(new) > MAX_NEW_KEYS:
            raise self._refuse("new-keys", f"nobody can compare the {len(new)} keys in it that root does not list")
        if len(delegated) > MAX_DELEGATED or sum(len(role.keyids) for role in delegated) > MAX_SEATS:
            raise self._refuse("delegated", f"nobody can read all the {len(delegated)} roles that it delegates to")
        texts = [text for role in delegated for text in (role.name, *role.rest, *(role.bins or ())[1:])]
        texts += [text for keyid, key in keys.items() for text in (keyid, "" if key is None else key.scheme)]
        if sum(len(str(text)) for text in texts) > MAX_RULE_CHARACTERS:
            raise self._refuse("delegated", "nobody can read all that it says of the roles that it delegates to")

    def _expiry(self, now: datetime, max_expiry: timedelta | None) -> datetime:
        try:
            expires = parse_iso(self._signed["expires"])
            written = iso(expires)
        except (KeyError, TypeError, ValueError):
            raise self._refuse("expires", "its expiry is no date") from None
        if self._signed["expires"] != written:
            raise self._refuse("expires", "its expiry is not written as 2026-11-20T16:00:00Z is")
        if expires <= now:
            raise self._refuse(
                "expires", f"it has expired already, on {written}; by this machine's clock it is {iso(now)}"
            )
        if max_expiry is not None and expires - now > max_expiry:
            most = format_duration(max_expiry)
            raise self._refuse(
                "expires",
                f"it expires on {written}, {(expires - now).days} days from now, and you sign for {most} at most",
            )
        return expires

    def _delegated(
        self, delegations: Mapping[str, Any], keys: Mapping[KeyId, PublicKey | None]
    ) -> Iterator[DelegatedRole]:
        succinct = delegations.get("succinct_roles")
        if succinct is not None:
            role = self._object(succinct, "succinct_roles")
            bits, prefix = role.get("bit_length"), role.get("name_prefix")
            if type(bits) is not int or not 1 <= bits <= 32 or not isinstance(prefix, str) or not prefix:
                raise self._refuse("form", "its bins are not of the form of TAP 15")
            yield self._role(role, "bins", keys, bins=(1 << bits, json.dumps(prefix)), names=_bin_name(prefix, bits))
        roles = delegations.get("roles", [])
        if not isinstance(roles, list):
            raise self._refuse("form", "its delegated roles are no list")
        for each in roles:
            role = self._object(each, "a delegated role")
            if not isinstance(role.get("name"), str):
                raise self._refuse("form", "a delegated role has no name")
            yield self._role(role, path_of(role["name"]), keys, bins=None, names=role["name"])

    def _role(
        self,
        role: Mapping[str, Any],
        name: str,
        keys: Mapping[KeyId, PublicKey | None],
        *,
        bins: tuple[int, str] | None,
        names: str,
    ) -> DelegatedRole:
        keyids, threshold = role.get("keyids"), role.get("threshold")
        if not isinstance(keyids, list) or not all(isinstance(each, str) for each in keyids):
            raise self._refuse("form", f"its role {name} has no list of key ids")
        if type(threshold) is not int:
            raise self._refuse("form", f"the threshold of its role {name} is not a whole number")
        ids = tuple(map(KeyId, keyids))
        missing = [keyid for keyid in ids if keyid not in keys]
        if missing:
            raise self._refuse(
                "key-missing", f"its role {name} lists the key {short_id(missing[0])}, which is not in it"
            )
        values = [value for keyid in ids if (value := _identity(keys[keyid])) is not None]
        if len(set(ids)) != len(ids) or len(set(values)) != len(values):
            raise self._refuse("key-repeated", f"its role {name} lists a key twice")
        if not 1 <= threshold <= len(values):
            have = count(len(values), "key")
            raise self._refuse(
                "threshold", f"its role {name} asks for {threshold} signatures, and has {have} that can sign"
            )
        told = _TOLD - ({"name"} if bins else {"name_prefix", "bit_length"})
        rest = tuple(f"{path_of(field)} = {as_json(role[field])}" for field in sorted(role) if field not in told)
        return DelegatedRole(name=name, keyids=ids, threshold=threshold, bins=bins, rest=rest, plain=_is_plain(names))

    def _foreign(
        self, delegations: Mapping[str, Any], raw: Mapping[str, Any], keys: Mapping[KeyId, PublicKey | None]
    ) -> Iterator[tuple[str, str]]:
        for field, value in self._signed.items():
            if field not in _FIELDS:
                yield path_of(field), as_json(value)
        for field, value in delegations.items():
            # An empty list, or null, says nothing to clients and is signed all the same.
            if field not in {"keys", "roles", "succinct_roles"} or not value:
                yield path_of("delegations", field), as_json(value)
        if "delegations" in self._signed and not delegations:
            yield "delegations", "{}"
        for keyid, key in raw.items():
            if keys[KeyId(keyid)] is None:
                yield path_of("delegations", "keys", keyid), as_json(key)
                continue
            for field in sorted(set(key) - _KEY_FIELDS):
                yield path_of("delegations", "keys", keyid, field), as_json(key[field])
            for field in sorted(set(key["keyval"]) - {"public"}):
                yield path_of("delegations", "keys", keyid, "keyval", field), as_json(key["keyval"][field])

    def _object(self, value: Any, what: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._refuse("form", f"its {what} is not an object")
        return value

    def _refuse(self, rule: str, reason: str) -> ProposalRefused:
        return ProposalRefused(self._part.role, rule, reason)


def _bin_name(prefix: str, bits: int) -> str:
    """The name of the first bin."""
    return f"{prefix}-{0:0{len(f'{(1 << bits) - 1:x}')}x}"


def _is_plain(name: str) -> bool:
    try:
        role_name(name)
    except InvalidRoleName:
        return False
    return True


def _key(key: Any) -> PublicKey | None:
    try:
        return PublicKey.from_dict(key)
    except (KeyError, TypeError):
        return None


def _identity(key: PublicKey | None) -> bytes | None:
    try:
        return None if key is None else key_identity(key)
    except InvalidKey:
        return None
