"""Bridges: what an online role is signed with beside its own keys, so that it verifies from two roots at once.

A client fetches the next root before it fetches timestamp, and the two may change between its requests. So while one
online key takes the place of another, timestamp, snapshot and online-signed targets carry the signatures of both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, bin_delegation, open_envelope, root_roles
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.rotation import Rotation
from rstuf.repository.authority import SUCCESSOR, current_root, is_recorded_file
from rstuf.repository.interfaces import StateReader

ONLINE = (TIMESTAMP, SNAPSHOT, TARGETS)


def bridges(reader: StateReader, *, now: datetime) -> Mapping[RoleName, RoleKeys]:
    """For each top-level role that is bridged at `now`: who must sign it beside those whom root names.

    Only where the new key has the place of the old one: whoever else began to sign a role meanwhile did so by a root
    before which that role came out, signed for both.
    """
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
    return {
        name: old[name] for name in ONLINE if rotation.old in old[name].keyids and rotation.new in roles[name].keyids
    }


def bridging_keys(reader: StateReader, *, now: datetime) -> frozenset[KeyId]:
    """The keys of a rotation that must sign what comes out at `now` beside those whom root names."""
    rotation = reader.rotation()
    if rotation is None:
        return frozenset()
    also = {keyid for keys in bridges(reader, now=now).values() for keyid in keys.keyids}
    return frozenset(also & {rotation.old, rotation.new})


def bridged_root(reader: StateReader) -> int:
    """The version of the other root from which what is bridged must verify: the next one, or the one before."""
    rotation, newest = reader.rotation(), reader.newest_root()
    if rotation is not None and rotation.root_version is not None:
        return rotation.root_version - 1
    return 1 if newest is None else newest.version + 1


def proposed_roles(
    reader: StateReader, roles: Mapping[RoleName, RoleKeys], rotation: Rotation
) -> Mapping[RoleName, RoleKeys]:
    """The online roles that list the old key, as they are to be with the new one in its place."""
    return {
        name: replaced(reader, roles[name], old=rotation.old, new=rotation.new)
        for name in ONLINE
        if rotation.old in roles[name].keyids
    }


def replaced(reader: StateReader, keys: RoleKeys, *, old: KeyId, new: KeyId) -> RoleKeys:
    """`keys` with the new key in the place of the old one."""
    entry = reader.key(new)
    keyids = tuple(new if keyid == old else keyid for keyid in keys.keyids)
    known = {keyid: key for keyid, key in keys.keys.items() if keyid != old}
    if entry is not None and new in keyids:
        known[new] = entry.key
    return replace(keys, keyids=keyids, keys=known)


def delegating_to_both(said: Mapping[str, Any], *, old: KeyId, new: PublicKey) -> dict[str, Any]:
    """What a role says, with whatever the old key signs below it signed by either key."""
    return _with_signers(said, without=(), beside=(old,), new=new)


def delegating_to_new(said: Mapping[str, Any], *, gone: Collection[KeyId], new: PublicKey) -> dict[str, Any]:
    """What a role says, with the new key in the place of those that go, wherever they sign below it."""
    return _with_signers(said, without=gone, beside=gone, new=new)


def _with_signers(
    said: Mapping[str, Any], *, without: Collection[KeyId], beside: Collection[KeyId], new: PublicKey
) -> dict[str, Any]:
    delegations = said.get("delegations")
    if not isinstance(delegations, Mapping):
        return dict(said)

    def changed(place: Mapping[str, Any]) -> dict[str, Any]:
        keyids = list(place["keyids"])
        at = next((index for index, keyid in enumerate(keyids) if keyid in beside), None)
        if at is not None and new.keyid not in keyids:
            keyids.insert(at + 1, new.keyid)
        return {**place, "keyids": [keyid for keyid in keyids if keyid not in without]}

    other = dict(delegations)
    if "succinct_roles" in delegations:
        other["succinct_roles"] = changed(delegations["succinct_roles"])
    if "roles" in delegations:
        other["roles"] = [changed(role) for role in delegations["roles"]]
    listed = {keyid for place in _places({"delegations": other}) for keyid in place["keyids"]}
    keys = {keyid: key for keyid, key in delegations["keys"].items() if keyid in listed}
    if new.keyid in listed:
        keys.setdefault(new.keyid, new.to_dict())
    return {**said, "delegations": {**other, "keys": keys}}


def lists_key(said: Mapping[str, Any], keyid: KeyId) -> bool:
    """Whether a role lets a key sign something below it."""
    return any(keyid in place["keyids"] for place in _places(said))


def gone_keys(reader: StateReader, delegators: Iterable[Mapping[str, Any]], rotation: Rotation) -> tuple[KeyId, ...]:
    """The keys that roles let sign online yet, and must not once a rotation is over; see `keys_to_go`."""
    return keys_to_go(reader, delegators, old=rotation.old, new=rotation.new)


def keys_to_go(
    reader: StateReader, delegators: Iterable[Mapping[str, Any]], *, old: KeyId, new: KeyId | None
) -> tuple[KeyId, ...]:
    """The keys that roles let sign online below them, and must not once one key has the place of another.

    More than the old key: where the new one of an earlier rotation turned out to be lost or in the wrong hands, that
    one and the one before it may be named, too.
    """
    listed = _online_keys(root_roles(current_root(reader)))
    named = [keyid for keyid in online_signers(reader, delegators) if keyid != new]
    return tuple(each for each in named if each == old or each not in listed or _is_reported(reader, each))


def stray_keys(
    reader: StateReader, roles: Mapping[RoleName, RoleKeys], delegators: Iterable[Mapping[str, Any]]
) -> tuple[KeyId, ...]:
    """The keys that roles let sign online though root, with these roles, lets them sign nothing.

    A rotation takes them out at its end; where the state that knew of it was lost, nothing would: snapshot lists bins
    by their versions alone, so that whoever has such a key could put another bin in the place of one, for good. Bins
    that have had keys of their own from the beginning, as other tools make them, keep these, while nobody says that
    they are lost or leaked.
    """
    signers = online_signers(reader, delegators)
    gone = unlisted_keys(roles, signers)
    if reader.rotation() is not None or not gone:
        return ()
    ever = listed_before(reader)
    return gone if any(keyid in ever for keyid in signers) else out_of_place(reader, gone)


def unlisted_keys(roles: Mapping[RoleName, RoleKeys], signers: Iterable[KeyId]) -> tuple[KeyId, ...]:
    """Those of some keys that root, with these roles, lets sign nothing that is signed online."""
    listed = _online_keys(roles)
    return tuple(keyid for keyid in signers if keyid not in listed)


def out_of_place(reader: StateReader, keyids: Collection[KeyId]) -> tuple[KeyId, ...]:
    """Those of some keys that root does not name which are not the own keys of bins, as other tools make them.

    A root named it once, a rotation let it in whose root never came out, or it is lost or leaked.
    """
    known = listed_before(reader) | reader.rotated_keys()
    return tuple(keyid for keyid in keyids if keyid in known or _is_reported(reader, keyid))


def listed_before(reader: StateReader) -> frozenset[str]:
    """The ids of keys that any published root let sign something."""
    found: set[str] = set()
    for version in reader.root_versions():
        root = reader.root(version)
        if root is not None:
            roles = root_roles(open_envelope(root.data, name=versioned(ROOT, version), kind="root"))
            found.update(keyid for keys in roles.values() for keyid in keys.keyids)
    return frozenset(found)


def _online_keys(roles: Mapping[RoleName, RoleKeys]) -> frozenset[KeyId]:
    return frozenset(keyid for name in ONLINE for keyid in roles[name].keyids)


def _is_reported(reader: StateReader, keyid: KeyId) -> bool:
    entry = reader.key(keyid)
    return entry is not None and entry.report is not None


def online_signers(reader: StateReader, delegators: Iterable[Mapping[str, Any]]) -> tuple[KeyId, ...]:
    """The keys that sign online what some roles delegate: bins, and roles that none but online keys ever signed.

    Bins that the people of a delegated role sign are none of these.
    """
    online = once_online(reader)
    people, found = _people_below(reader, online), dict[KeyId, None]()
    for said in delegators:
        if not people.issuperset(signers := bin_signers(said)):
            found |= dict.fromkeys(signers)
        for place in _places(said):
            if online.issuperset(place["keyids"]):
                found |= dict.fromkeys(place["keyids"])
    return tuple(found)


def _people_below(reader: StateReader, online: frozenset[KeyId]) -> frozenset[KeyId]:
    """The keys that sign roles which are delegated to by name, and that never signed online."""
    found = set[KeyId]()
    for role in map(reader.role, {TARGETS, *reader.delegating_roles()}):
        data = reader.delegator(role.name, role.visible)
        if data is None or not is_recorded_file(role, data):
            continue
        opened = open_envelope(data, name=role.name, kind="targets")
        if bin_delegation(opened) is None:
            places = [each for each in _places(opened.signed) if each["name"] != SUCCESSOR]
            found.update(keyid for each in places for keyid in each["keyids"])
    return frozenset(found - online)


def once_online(reader: StateReader) -> frozenset[KeyId]:
    """The keys that any published root let sign timestamp, and those of rotations."""
    found = set(reader.rotated_keys())
    for version in reader.root_versions():
        root = reader.root(version)
        if root is not None:
            opened = open_envelope(root.data, name=versioned(ROOT, version), kind="root")
            found.update(root_roles(opened)[TIMESTAMP].keyids)
    return frozenset(found)


def bin_signers(said: Mapping[str, Any]) -> tuple[KeyId, ...]:
    """The keys that a role lets sign bins, or the role that has them."""
    delegation = bin_delegation(Envelope(name="targets.json", signed=said, payload=b"", signatures=()))
    if delegation is not None:
        return delegation.signers.keyids
    return tuple(keyid for place in _places(said) if place.get("name") == SUCCESSOR for keyid in place["keyids"])


def delegated_keys(said: Mapping[str, Any]) -> dict[RoleName, tuple[KeyId, ...]]:
    """The keys that a role lets sign each that it delegates to; bins go by their prefix, as the role that has them."""
    return {RoleName(each.get("name", each.get("name_prefix"))): tuple(each["keyids"]) for each in _places(said)}


def _places(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a role delegates, each with the keys that sign it."""
    delegations = said.get("delegations") or {}
    places = list(delegations.get("roles") or ())
    succinct = delegations.get("succinct_roles")
    return places if succinct is None else [*places, succinct]
