"""Keys that something published listed before, and nothing does now: what a state that was made anew can know of them.

Why they were dropped is not in the metadata: one that leaked looks like one that was replaced in good order. So they
are noted as the state is made, and none is let in again unless somebody says that it is well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rstuf.errors import InvalidKey
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, root_roles
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository.bridge import unlisted_keys
from rstuf.repository.earlier_places import Place, earlier_places, places_of
from rstuf.repository.interfaces import MetadataStorage, StateReader, StateTransaction
from rstuf.repository.published import Published

_ONLINE: Final = "online"


@dataclass(frozen=True, slots=True)
class DroppedKey:
    """A key that was listed once.

    Attributes:
        key: None where nothing can be read from what was listed.
        role: what it signed; "online" for what comes out with each publication.
    """

    key: PublicKey | None
    role: str


@dataclass(frozen=True, slots=True)
class DroppedKeys:
    """What earlier roots and earlier delegations tell.

    Attributes:
        dropped: the keys that they listed, by the ids that they had there, and that nothing lets sign now, under no
            spelling.
        handed: the keys that what is signed online was handed to, for all that is known, and that no root ever named.
        signing: the keys that may sign bins, or delegated roles online, yet, though root does not name them; without
            those that the very first targets let sign bins, where nothing tells that these ever had keys of root's:
            they are their own.
    """

    dropped: Mapping[KeyId, DroppedKey]
    handed: tuple[KeyId, ...]
    signing: tuple[KeyId, ...]

    @property
    def keyids(self) -> frozenset[KeyId]:
        """The ids of those that were dropped, as they were listed and as rstuf writes them."""
        return frozenset(self.dropped) | {each.key.keyid for each in self.dropped.values() if each.key is not None}


def find_dropped_keys(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> DroppedKeys:
    """Look at every root, and at what delegated before, is there still and was rightly signed.

    Args:
        files: the names of all files that lie where metadata is published.
    """
    online = online_ever(published)
    by_roots: dict[KeyId, DroppedKey] = {}
    for root in published.roots:
        for role, keys in root_roles(root.envelope).items():
            by_roots |= _listed(_ONLINE if role in {TIMESTAMP, SNAPSHOT} else role, keys)
    before = list(earlier_places(metadata, published, files))
    by_places: dict[KeyId, DroppedKey] = {}
    for place in before:
        by_places |= _listed(_ONLINE if place.is_online(online) else str(place.name), place.keys)
    places = list(places_of(published.authority))
    signers = _keys([place for place in places if place.is_online(online)])
    by_people = _keys([place for place in places if not place.is_online(online)])
    now = {keyid for keys in published.top_level.values() for keyid in keys.keyids}
    # One that once signed online and signs online yet is about to be taken out of that.
    now |= by_people.keys() - online
    unlisted = unlisted_keys(published.top_level, signers)
    own = _own_from_the_beginning(published, before, by_roots)
    signing = tuple(keyid for keyid in unlisted if keyid not in own)
    handed = tuple(keyid for keyid in signing if keyid not in by_roots)
    gone = (by_roots.keys() - now) | (by_places.keys() - now - signers.keys()) | set(handed)
    known = {keyid: DroppedKey(_readable(key), _ONLINE) for keyid, key in signers.items()} | by_places | by_roots
    current = [key for keys in published.top_level.values() for key in keys.keys.values()]
    current += [key for keyid, key in by_people.items() if key is not None and keyid in now]
    values = {key_identity(key) for key in current if _readable(key) is not None}
    dropped = {keyid: known[keyid] for keyid in sorted(gone)}
    return DroppedKeys(
        {keyid: each for keyid, each in dropped.items() if each.key is None or key_identity(each.key) not in values},
        handed,
        signing,
    )


def online_ever(published: Published) -> frozenset[KeyId]:
    """The keys that any root let sign timestamp."""
    return frozenset(keyid for root in published.roots for keyid in root_roles(root.envelope)[TIMESTAMP].keyids)


def _own_from_the_beginning(published: Published, before: Iterable[Place], by_roots: Collection[KeyId]) -> set[KeyId]:
    """The keys that the very first targets let sign its bins, if bins never had any of root's."""
    shared = [place for place in (*before, *places_of(published.authority)) if place.catches_all]
    first = [place for place in shared if place.parent == TARGETS and place.version == 1]
    # That earlier targets are missing proves nothing: somebody may have taken them away.
    mixed = any(keyid in by_roots for keyid in _keys(shared))
    return set() if mixed else set(_keys(first))


def _keys(places: Iterable[Place]) -> dict[KeyId, PublicKey | None]:
    return {keyid: place.keys.keys.get(keyid) for place in places for keyid in place.keys.keyids}


def _listed(role: str, keys: RoleKeys) -> dict[KeyId, DroppedKey]:
    return {keyid: DroppedKey(_readable(keys.keys.get(keyid)), role) for keyid in keys.keyids}


def _readable(key: PublicKey | None) -> PublicKey | None:
    with suppress(InvalidKey):
        if key is not None and key_identity(key):
            return key
    return None


def note_handed(state: StateTransaction, published: Published, earlier: DroppedKeys, *, at: datetime) -> None:
    """Bins were handed to a key that root does not name: a rotation did that, and is not going on any more."""
    for keyid in earlier.handed:
        online = published.top_level[TIMESTAMP].keyids[0]
        state.begin_rotation(kind=RotationKind.PLANNED, old=online, new=keyid, overlap=timedelta(0), begun=at)
        rotation = state.rotation()
        if rotation is not None:
            state.end_rotation(rotation.id, at=at)


def suspects(reader: StateReader) -> frozenset[KeyId]:
    """The keys that were dropped before the state was made anew, and that no root has let in since."""
    first = next(iter(reader.audit()), None)
    if first is None or first.action != "state.rebuild":
        return frozenset()
    since = [version for version in reader.root_versions() if version > int(first.details.get("version", 0))]
    roots: list[Envelope] = [
        open_envelope(root.data, name=versioned(ROOT, version), kind="root")
        for version in since
        if (root := reader.root(version)) is not None
    ]
    back = {keyid for root in roots for keys in root_roles(root).values() for keyid in keys.keyids}
    return frozenset(map(KeyId, first.details.get("dropped", ()))) - back
