"""Roots and the top-level targets role: who may sign what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from rstuf.clock import iso
from rstuf.metadata.bins import Bins
from rstuf.metadata.render import SPEC_VERSION, Unsigned, part_of
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, TOP_LEVEL, RoleName


@dataclass(frozen=True, slots=True)
class Signatories:
    """The keys that may sign a role, and how many of them must."""

    keys: Sequence[PublicKey]
    threshold: int

    def role(self) -> dict[str, Any]:
        """The role object of TUF §4.3, key ids in the order of `keys`."""
        return {"keyids": [key.keyid for key in self.keys], "threshold": self.threshold}


def first_root(roles: Mapping[RoleName, Signatories], *, expires: datetime) -> Unsigned:
    """Root version 1 (TUF §4.3), with consistent snapshots."""
    keys = {key.keyid: key.to_dict() for name in TOP_LEVEL for key in roles[name].keys}
    signed = {
        "_type": "root",
        "consistent_snapshot": True,
        "expires": iso(expires),
        "keys": keys,
        "roles": {name: roles[name].role() for name in (ROOT, SNAPSHOT, TARGETS, TIMESTAMP)},
        "spec_version": SPEC_VERSION,
        "version": 1,
    }
    return part_of(ROOT, signed, expires=expires)


def root_keyids(root: Unsigned) -> list[KeyId]:
    """Who may sign a root, by itself."""
    keyids: list[KeyId] = orjson.loads(root.data)["roles"][ROOT]["keyids"]
    return keyids


def with_role_keys(
    signed: Mapping[str, Any], changed: Mapping[RoleName, RoleKeys], *, version: int, expires: datetime
) -> dict[str, Any]:
    """A root's `signed` object with other keys for some roles. Keys that no role lists go; whatever else it says stays.

    Objects of keys that stay are kept as they are, foreign fields included: their key ids may depend on that.
    """
    roles = dict(signed["roles"])
    for name, keys in changed.items():
        roles[name] = {**roles[name], "keyids": list(keys.keyids), "threshold": keys.threshold}
    new = {keyid: key.to_dict() for each in changed.values() for keyid, key in each.keys.items()}
    listed = {keyid for role in roles.values() for keyid in role["keyids"]}
    known = {keyid: key for keyid, key in {**new, **signed["keys"]}.items() if keyid in listed}
    return {**signed, "keys": known, "roles": roles, "version": version, "expires": iso(expires)}


def with_bins(signed: Mapping[str, Any], bins: Bins, *, signers: RoleKeys | None = None) -> dict[str, Any]:
    """The `signed` object of a targets role whose bins are to be others; whatever else it says stays.

    Args:
        signers: who is to sign them; None for those who do.
    """
    if signers is not None:
        signed = with_bin_signers(signed, signers)
    delegations = signed["delegations"]
    if bins.classic:
        first = delegations["roles"][0]
        roles = [{**first, **_classic_role(bins, index)} for index in range(bins.count)]
        return {**signed, "delegations": {**delegations, "roles": roles}}
    succinct = {**delegations["succinct_roles"], "bit_length": bins.bits, "name_prefix": bins.prefix}
    return {**signed, "delegations": {**delegations, "succinct_roles": succinct}}


def with_bin_signers(signed: Mapping[str, Any], signers: RoleKeys) -> dict[str, Any]:
    """The same with others who sign its bins. Objects of keys that stay are kept as they are."""
    delegations, who = signed["delegations"], {"keyids": list(signers.keyids), "threshold": signers.threshold}
    known = delegations["keys"]
    keys = {keyid: known.get(keyid, key.to_dict()) for keyid, key in signers.keys.items()}
    if "succinct_roles" in delegations:
        succinct = {**delegations["succinct_roles"], **who}
        return {**signed, "delegations": {**delegations, "keys": keys, "succinct_roles": succinct}}
    roles = [{**role, **who} for role in delegations["roles"]]
    return {**signed, "delegations": {**delegations, "keys": keys, "roles": roles}}


def targets_over_bins(bins: Bins, signatories: Signatories) -> dict[str, Any]:
    """The `signed` object of a targets role that only delegates, to bins; undated, unversioned."""
    keys = {key.keyid: key.to_dict() for key in signatories.keys}
    if bins.classic:
        who = {**signatories.role(), "terminating": False}
        roles = [{**who, **_classic_role(bins, index)} for index in range(bins.count)]
        return {**plain_targets(), "delegations": {"keys": keys, "roles": roles}}
    succinct = {**signatories.role(), "bit_length": bins.bits, "name_prefix": bins.prefix}
    return {**plain_targets(), "delegations": {"keys": keys, "succinct_roles": succinct}}


def plain_targets() -> dict[str, Any]:
    """The `signed` object of a targets role that delegates nothing and lists nothing yet; undated, unversioned."""
    return {"_type": "targets", "spec_version": SPEC_VERSION, "targets": {}}


def _classic_role(bins: Bins, index: int) -> dict[str, Any]:
    return {"name": bins.name(index), "path_hash_prefixes": list(bins.hash_prefixes(index))}
