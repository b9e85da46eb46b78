"""Who signed what earlier, by the versions of roles that delegate which lie there yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rstuf.errors import InvalidMetadata, StorageError
from rstuf.metadata.delegations import named_delegations
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, bin_delegation, open_envelope, root_roles
from rstuf.model.keys import KeyId
from rstuf.model.names import TARGETS, RoleName
from rstuf.repository.authority import SUCCESSOR, Authority, signed_enough
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.published import Published
from rstuf.repository.published_files import versions_in

# Each renewal makes one.
_MOST: Final = 1000
# What does not say it delegates to nobody: most of what lies there is known by that without being taken apart.
_MARK: Final = b'"delegations"'


@dataclass(frozen=True, slots=True)
class Place:
    """Something that one role lets others sign.

    Attributes:
        parent, version: the role, and the version of it that says so.
        name: the role that they sign; None for bins.
        keys: who they are.
    """

    parent: RoleName
    version: int
    name: RoleName | None
    keys: RoleKeys

    def is_online(self, online: Collection[KeyId]) -> bool:
        """Whether it is signed as most bins are: it is these, or the role that has them, or online keys alone sign it.

        Bins of a delegated role that no such key signs are its people's.
        """
        if self.name is None and not self.catches_all:
            return not set(online).isdisjoint(self.keys.keyids)
        return self.name in {None, SUCCESSOR} or set(self.keys.keyids) <= set(online)

    @property
    def catches_all(self) -> bool:
        """Whether it is for whatever no named delegation is for."""
        return self.name == SUCCESSOR or (self.name is None and self.parent in {TARGETS, SUCCESSOR})


def places_of(authority: Authority) -> Iterator[Place]:
    """All of them, as they are now."""
    for name, signed in authority.delegators.items():
        yield from _places(name, Envelope(name=f"{name}.json", signed=signed, payload=b"", signatures=()))


def earlier_places(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> Iterator[Place]:
    """All that earlier versions say which are rightly signed, by whoever might sign that role then or later.

    Roles that have left are among them, where those that delegated to them lie there.

    Args:
        files: the names of all files that lie where metadata is published.
    """
    versions, signers = _earlier_versions(published, files), defaultdict[RoleName, list[RoleKeys]](list)
    signers[TARGETS] = [root_roles(root.envelope)[TARGETS] for root in published.roots]
    for name, keys in published.authority.named.items():
        signers[name].append(keys)
    todo = list(signers)
    for name in todo:
        for version in versions.get(name, ()):
            for place in _read(metadata, name, version, signers[name]):
                yield place
                if place.name is not None and place.keys not in signers[place.name]:
                    signers[place.name].append(place.keys)
                if place.name is not None and place.name not in todo:
                    # The loop goes on with it.
                    todo.append(place.name)


def _earlier_versions(published: Published, files: Iterable[str]) -> Mapping[str, list[int]]:
    """The versions of each role that lie there and are older than the published one, the newest first; few enough.

    The first targets is always among them.
    """
    found = defaultdict[str, list[int]](list)
    for name, version in versions_in(files):
        if f"{name}.json" in published.listed and version < published.version_of(RoleName(name)):
            found[name].append(version)
    for name in published.left:
        # Of what has left, the last one is earlier, too.
        found[name].append(published.version_of(name))
    return {
        name: [*newest[:_MOST], *(each for each in newest[_MOST:] if name == TARGETS and each == 1)]
        for name, all_there in found.items()
        if (newest := sorted(all_there, reverse=True))
    }


def _read(metadata: MetadataStorage, name: RoleName, version: int, signers: Iterable[RoleKeys]) -> list[Place]:
    file = versioned(name, version)
    try:
        data = metadata.read(file, limit=TARGETS_BYTES)
        if _MARK not in data:
            return []
        old = open_envelope(data, name=file, kind=TARGETS)
        # Under the name of an earlier version a later one tells nothing of that.
        ours = old.version == version and any(signed_enough(old, keys) for keys in signers)
        return list(_places(name, old)) if ours else []
    except (InvalidMetadata, StorageError):
        # It tells nothing then; no client reads it any more.
        return []


def _places(parent: RoleName, envelope: Envelope) -> Iterator[Place]:
    bins = bin_delegation(envelope)
    if bins is not None:
        yield Place(parent, envelope.version, None, bins.signers)
        return
    for each in named_delegations(envelope.signed, where=envelope.name):
        yield Place(parent, envelope.version, each.name, each.keys)
