"""How far up clients may have been taken, by whoever could sign: the versions that nothing may go below.

Two things tell: what is visible now, and files that were written once under names with versions and still lie there.
Only what is rightly signed counts, since clients refuse the rest; but what a signed snapshot lists counts whether or
not it is there, because clients remember the listing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from rstuf.errors import InvalidMetadata
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope
from rstuf.model.names import SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.roles import RoleKind
from rstuf.repository.authority import Authority, load_authority, signed_enough
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.visible import TIMESTAMP_FILE, found

_SUFFIX: Final = ".json"
_VERSIONED: Final = re.compile(r"([1-9][0-9]{0,15})\.([^/]+)\.json", re.ASCII)


def seen_versions(ports: Ports, reader: StateReader) -> Mapping[str, int]:
    """The highest version of each role but root that clients can have met, by its name; roles that are not here, too.

    Raises:
        StorageError: what is published cannot be read.
    """
    authority = load_authority(reader, ports.metadata)
    roles = [role for role in reader.roles() if role.kind is not RoleKind.ROOT]
    ahead = lying_above(ports, {role.name: role.version for role in roles})
    highest: defaultdict[str, int] = defaultdict(int)
    for name, version in _listed_or_named(ports, authority, ahead[SNAPSHOT]):
        highest[name] = max(highest[name], version)
    for role in roles:
        if role.kind in {RoleKind.SNAPSHOT, RoleKind.TIMESTAMP}:
            continue
        # Of one that nobody delegates to any more, what is listed says all.
        with suppress(InvalidMetadata):
            keys = authority.role_keys(role.name, role.kind)
            signed = _highest_signed(ports, role.name, ahead[role.name], keys=keys)
            highest[role.name] = max(highest[role.name], signed)
    return {name: version for name, version in highest.items() if version}


def _listed_or_named(ports: Ports, authority: Authority, snapshots: Collection[int]) -> Iterator[tuple[str, int]]:
    """What the visible timestamp says, and every snapshot that it or a name leads to."""
    versions = set(snapshots)
    timestamp = _signed_file(ports, TIMESTAMP_FILE, kind=TIMESTAMP, keys=authority.top_level[TIMESTAMP])
    if timestamp is not None:
        yield TIMESTAMP, timestamp.version
        listed = list(listed_in(timestamp))
        versions |= {version for _, version in listed}
        yield from listed
    for version in versions:
        name = versioned(SNAPSHOT, version)
        snapshot = _signed_file(ports, name, kind=SNAPSHOT, keys=authority.top_level[SNAPSHOT])
        if snapshot is not None:
            yield SNAPSHOT, snapshot.version
            yield from listed_in(snapshot)


def _highest_signed(ports: Ports, role: RoleName, versions: Collection[int], *, keys: RoleKeys) -> int:
    """The highest of these versions of which a rightly signed file is there; 0 where none is."""
    for version in sorted(versions, reverse=True):
        if _signed_file(ports, versioned(role, version), kind=TARGETS, keys=keys) is not None:
            return version
    return 0


def lying_above(ports: Ports, known: Mapping[RoleName, int]) -> defaultdict[str, set[int]]:
    """The versions above the known ones under which something lies, of each role; none where nothing can be listed."""
    ahead: defaultdict[str, set[int]] = defaultdict(set)
    if ports.served is not None:
        for entry in ports.served.walk():
            named = _VERSIONED.fullmatch(entry.metadata or "")
            if named is not None and int(named[1]) > known.get(RoleName(named[2]), int(named[1])):
                ahead[named[2]].add(int(named[1]))
    return ahead


def _signed_file(ports: Ports, name: str, *, kind: str, keys: RoleKeys) -> Envelope | None:
    limit = {TIMESTAMP: limits.TIMESTAMP_BYTES, SNAPSHOT: limits.SNAPSHOT_WITH_LENGTH_BYTES}
    data = found(ports.metadata, name, limit=limit.get(RoleName(kind), limits.TARGETS_BYTES))
    if data is None:
        return None
    try:
        envelope = open_envelope(data, name=name, kind=kind)
    except InvalidMetadata:
        return None
    return envelope if signed_enough(envelope, keys) else None


def listed_in(envelope: Envelope) -> Iterator[tuple[str, int]]:
    """What a timestamp or a snapshot lists, as far as it is of the form that clients read."""
    meta: Any = envelope.signed.get("meta")
    for name, entry in meta.items() if isinstance(meta, dict) else ():
        version = entry.get("version") if isinstance(entry, dict) else None
        if type(version) is int and name.endswith(_SUFFIX):
            yield name.removesuffix(_SUFFIX), version
