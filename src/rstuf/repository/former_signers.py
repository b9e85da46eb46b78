"""Keys that root does not name, and that alone signed bins which lie there: somebody may have put them there.

Snapshot lists bins by their versions, so that whoever has such a key can put another bin in the place of one. While the
state is there its digests tell; where it is lost, only people can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from rstuf.metadata.thresholds import check_signatures
from rstuf.model.keys import KeyId
from rstuf.repository.authority import signed_enough
from rstuf.repository.dropped_keys import find_dropped_keys
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.published import Published, PublishedFile, read_bin


def former_signers(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> tuple[KeyId, ...]:
    """Those keys; all bins are read only where targets lists such a one.

    Args:
        files: the names of all files that lie where metadata is published.

    Raises:
        InvalidMetadata: a bin is not the one that is published.
    """
    going, found = find_dropped_keys(metadata, published, files).signing, set[KeyId]()
    for index in range(published.bins.count if going else 0):
        found |= signed_alone(read_bin(metadata, published, index), published, going)
        if found.issuperset(going):
            break
    return tuple(sorted(found))


def signed_alone(file: PublishedFile, published: Published, going: Collection[KeyId]) -> set[KeyId]:
    """Those of some keys without which a bin would not be signed as targets says."""
    keys, envelope = published.delegation.signers, file.envelope
    left = replace(keys, keyids=tuple(keyid for keyid in keys.keyids if keyid not in going))
    if signed_enough(envelope, left):
        return set()
    signed = check_signatures(
        envelope.payload, envelope.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
    ).signed
    return set(signed) & set(going)
