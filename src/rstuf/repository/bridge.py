"""Bridges: what an online role is signed with beside its own keys, so that it verifies from two roots at once.

A client fetches the next root before it fetches timestamp, and the two may change between its requests. So while one
online key takes the place of another, timestamp, snapshot and online-signed targets carry the signatures of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope, root_roles
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.rotation import Rotation
from rstuf.repository.authority import current_root
from rstuf.repository.interfaces import StateReader

ONLINE = (TIMESTAMP, SNAPSHOT, TARGETS)


def bridges(reader: StateReader, *, now: datetime) -> Mapping[RoleName, RoleKeys]:
    """For each top-level role that is bridged at `now`: who must sign it beside those whom root names."""
    rotation = reader.rotation()
    if rotation is None or not rotation.is_bridged(now):
        return {}
    roles = root_roles(current_root(reader))
    if rotation.root_version is None:
        return proposed_roles(reader, roles, rotation)
    before = reader.root(rotation.root_version - 1)
    if before is None:
        return {}
    old = root_roles(open_envelope(before.data, name=versioned(ROOT, before.version), kind="root"))
    return {name: old[name] for name in ONLINE if old[name] != roles[name]}


def proposed_roles(
    reader: StateReader, roles: Mapping[RoleName, RoleKeys], rotation: Rotation
) -> Mapping[RoleName, RoleKeys]:
    """The online roles that list the old key, as they are to be with the new one in its place."""
    return {name: replaced(reader, roles[name], rotation) for name in ONLINE if rotation.old in roles[name].keyids}


def replaced(reader: StateReader, keys: RoleKeys, rotation: Rotation) -> RoleKeys:
    """`keys` with the new key in the place of the old one."""
    entry = reader.key(rotation.new)
    keyids = tuple(rotation.new if keyid == rotation.old else keyid for keyid in keys.keyids)
    known = {keyid: key for keyid, key in keys.keys.items() if keyid != rotation.old}
    if entry is not None:
        known[rotation.new] = entry.key
    return replace(keys, keyids=keyids, keys=known)


def delegating_to_both(targets: Mapping[str, Any], *, old: KeyId, new: PublicKey) -> dict[str, Any]:
    """What targets says, with its bins signed by either key."""
    return _with_signers(targets, without=None, old=old, new=new)


def delegating_to_new(targets: Mapping[str, Any], *, old: KeyId, new: PublicKey) -> dict[str, Any]:
    """What targets says, with its bins signed by the new key alone."""
    return _with_signers(targets, without=old, old=old, new=new)


def _with_signers(targets: Mapping[str, Any], *, without: KeyId | None, old: KeyId, new: PublicKey) -> dict[str, Any]:
    delegations = targets.get("delegations")
    if not isinstance(delegations, Mapping) or "succinct_roles" not in delegations:
        return dict(targets)
    succinct = delegations["succinct_roles"]
    keyids = list(succinct["keyids"])
    if old in keyids and new.keyid not in keyids:
        keyids.insert(keyids.index(old) + 1, new.keyid)
    keyids = [keyid for keyid in keyids if keyid != without]
    keys = {keyid: key for keyid, key in delegations["keys"].items() if keyid in keyids}
    if new.keyid in keyids:
        keys.setdefault(new.keyid, new.to_dict())
    return {**targets, "delegations": {**delegations, "keys": keys, "succinct_roles": {**succinct, "keyids": keyids}}}


def lists_key(targets: Mapping[str, Any], keyid: KeyId) -> bool:
    """Whether the bins of targets may be signed with a key."""
    delegations = targets.get("delegations") or {}
    return keyid in (delegations.get("succinct_roles") or {}).get("keyids", ())
