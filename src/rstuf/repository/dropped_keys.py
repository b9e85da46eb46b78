"""Keys that something published listed before, and nothing does now: what a state that was made anew can know of them.

Why they were dropped is not in the metadata: one that leaked looks like one that was replaced in good order. So they
are noted as the state is made, and none is let in again unless somebody says that it is well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rstuf.errors import InvalidKey, InvalidMetadata, StorageError
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, bin_delegation, open_envelope, root_roles
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository.authority import signed_enough
from rstuf.repository.bridge import bin_signers, unlisted_keys
from rstuf.repository.interfaces import MetadataStorage, StateReader, StateTransaction
from rstuf.repository.published import Published

_TARGETS: Final = re.compile(r"([1-9][0-9]{0,15})\.targets\.json", re.ASCII)
# Each renewal makes one.
_MOST: Final = 1000
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
    """What earlier roots and earlier targets tell.

    Attributes:
        dropped: the keys that they listed, by the ids that they had there, and that root does not name now, under no
            spelling.
        handed: the keys that bins were handed to, for all that is known, and that no root ever named.
        signing: the keys that may sign bins yet, though root does not name them; without those that the very first
            targets let sign them, where nothing tells that bins ever had keys of root's: these are their own.
    """

    dropped: Mapping[KeyId, DroppedKey]
    handed: tuple[KeyId, ...]
    signing: tuple[KeyId, ...]

    @property
    def keyids(self) -> frozenset[KeyId]:
        """The ids of those that were dropped, as they were listed and as rstuf writes them."""
        return frozenset(self.dropped) | {each.key.keyid for each in self.dropped.values() if each.key is not None}


def find_dropped_keys(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> DroppedKeys:
    """Look at every root, and at the targets that are there still and were rightly signed.

    Args:
        files: the names of all files that lie where metadata is published.
    """
    by_roots: dict[KeyId, DroppedKey] = {}
    for root in published.roots:
        for role, keys in root_roles(root.envelope).items():
            by_roots |= _listed(_ONLINE if role in {TIMESTAMP, SNAPSHOT} else role, keys)
    by_targets: dict[KeyId, DroppedKey] = {}
    first = published.delegation.signers if published.targets.envelope.version == 1 else None
    for version, signers in _earlier_signers(metadata, published, files):
        by_targets |= _listed(_ONLINE, signers)
        first = signers if version == 1 else first
    now = {keyid for keys in published.top_level.values() for keyid in keys.keyids}
    signers = published.delegation.signers
    unlisted = unlisted_keys(published.top_level, bin_signers(published.targets.envelope.signed))
    mixed = any(keyid in by_roots for keyid in (*by_targets, *signers.keyids))
    # That earlier targets are missing proves nothing: somebody may have taken them away.
    own = () if mixed or first is None else first.keyids
    signing = tuple(keyid for keyid in unlisted if keyid not in own)
    handed = tuple(keyid for keyid in signing if keyid not in by_roots)
    # One that signs bins yet is about to be taken out of them.
    gone = (by_roots.keys() - now) | (by_targets.keys() - now - set(signers.keyids)) | set(handed)
    known = _listed(_ONLINE, signers) | by_targets | by_roots
    current = [_readable(key) for keys in published.top_level.values() for key in keys.keys.values()]
    values = {key_identity(key) for key in current if key is not None}
    dropped = {keyid: known[keyid] for keyid in sorted(gone)}
    return DroppedKeys(
        {keyid: each for keyid, each in dropped.items() if each.key is None or key_identity(each.key) not in values},
        handed,
        signing,
    )


def _listed(role: str, keys: RoleKeys) -> dict[KeyId, DroppedKey]:
    return {keyid: DroppedKey(_readable(keys.keys.get(keyid)), role) for keyid in keys.keyids}


def _readable(key: PublicKey | None) -> PublicKey | None:
    with suppress(InvalidKey):
        if key is not None and key_identity(key):
            return key
    return None


def _earlier_signers(
    metadata: MetadataStorage, published: Published, files: Iterable[str]
) -> Iterator[tuple[int, RoleKeys]]:
    """The versions of targets that came before, and who might sign their bins; the first one is always among them."""
    matches = filter(None, map(_TARGETS.fullmatch, files))
    versions = sorted((int(match[1]) for match in matches), reverse=True)
    signers = [root_roles(root.envelope)[TARGETS] for root in published.roots]
    earlier = [each for each in versions if each < published.targets.envelope.version]
    for version in [*earlier[:_MOST], *(each for each in earlier[_MOST:] if each == 1)]:
        name = versioned(TARGETS, version)
        try:
            old = open_envelope(metadata.read(name, limit=TARGETS_BYTES), name=name, kind=TARGETS)
            delegation = bin_delegation(old)
        except (InvalidMetadata, StorageError):
            # It tells nothing then; no client reads it any more.
            continue
        # Under the name of an earlier version a later one tells nothing of that.
        ours = old.version == version and any(signed_enough(old, keys) for keys in signers)
        if delegation is not None and ours:
            yield version, delegation.signers


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
