"""Keys that something published listed before, and nothing does now: what a state that was made anew can know of them.

Why they were dropped is not in the metadata: one that leaked looks like one that was replaced in good order. So they
are noted as the state is made, and none is let in again unless somebody says that it is well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rstuf.errors import InvalidMetadata, StorageError
from rstuf.metadata.limits import TARGETS_BYTES
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, open_envelope, root_roles
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository.authority import signed_enough
from rstuf.repository.bridge import bin_signers, unlisted_keys
from rstuf.repository.interfaces import MetadataStorage, StateReader, StateTransaction
from rstuf.repository.published import Published

_TARGETS: Final = re.compile(r"([1-9][0-9]{0,15})\.targets\.json", re.ASCII)
# Each renewal makes one.
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class DroppedKeys:
    """What earlier roots and earlier targets tell.

    Attributes:
        dropped: the keys that they listed, and that root does not name now.
        handed: the keys that bins were handed to from one that a root named, and that no root ever did.
    """

    dropped: tuple[KeyId, ...]
    handed: tuple[KeyId, ...]


def find_dropped_keys(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> DroppedKeys:
    """Look at every root, and at the targets that are there still and were rightly signed.

    Args:
        files: the names of all files that lie where metadata is published.
    """
    by_roots = {
        keyid for root in published.roots for keys in root_roles(root.envelope).values() for keyid in keys.keyids
    }
    by_targets = {KeyId(each) for old in _earlier_targets(metadata, published, files) for each in bin_signers(old)}
    now = {keyid for keys in published.top_level.values() for keyid in keys.keyids}
    unlisted = unlisted_keys(published.top_level, published.targets.envelope.signed)
    handed = tuple(keyid for keyid in unlisted if keyid not in by_roots)
    handed = handed if by_targets & by_roots else ()
    # One that signs bins yet is about to be taken out of them.
    dropped = (by_roots - now) | (by_targets - now - set(published.delegation.signers.keyids)) | set(handed)
    return DroppedKeys(tuple(sorted(dropped)), handed)


def _earlier_targets(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> Iterator[dict[str, Any]]:
    matches = filter(None, map(_TARGETS.fullmatch, files))
    versions = sorted((int(match[1]) for match in matches), reverse=True)
    signers = [root_roles(root.envelope)[TARGETS] for root in published.roots]
    for version in [each for each in versions if each < published.targets.envelope.version][:_MOST]:
        name = versioned(TARGETS, version)
        try:
            old = open_envelope(metadata.read(name, limit=TARGETS_BYTES), name=name, kind=TARGETS)
        except (InvalidMetadata, StorageError):
            # It tells nothing then; no client reads it any more.
            continue
        if any(signed_enough(old, keys) for keys in signers):
            yield dict(old.signed)


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
