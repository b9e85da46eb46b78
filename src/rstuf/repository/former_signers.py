"""Keys that root does not name, and that alone signed bins, or delegated roles that are signed online, which lie there:
somebody may have put them there.

Snapshot lists them by their versions, so that whoever has such a key can put another one in the place of one. While the
state is there its digests tell; where it is lost, only people can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId
from rstuf.repository.authority import signed_enough
from rstuf.repository.dropped_keys import find_dropped_keys
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.published import Published, holders, read_bins, read_holder
from rstuf.repository.published_files import PublishedFile


def former_signers(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> tuple[KeyId, ...]:
    """Those keys; all that is signed online is read only where something lists such a one.

    Args:
        files: the names of all files that lie where metadata is published.

    Raises:
        InvalidMetadata: a bin or another role is not the one that is published.
    """
    going, found = set(find_dropped_keys(metadata, published, files).signing), set[KeyId]()
    for file, keys in _listing(metadata, published, going):
        found |= signed_alone(file, keys, going)
        if found == going:
            break
    return tuple(sorted(found))


def signed_alone(file: PublishedFile, keys: RoleKeys, going: Collection[KeyId]) -> set[KeyId]:
    """Those of some keys without which a file would not be signed as its delegator says."""
    envelope, going = file.envelope, set(going).intersection(keys.keyids)
    left = replace(keys, keyids=tuple(keyid for keyid in keys.keyids if keyid not in going))
    if not going or signed_enough(envelope, left):
        return set()
    signed = check_signatures(
        envelope.payload, envelope.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
    ).signed
    return set(signed) & going


def _listing(
    metadata: MetadataStorage, published: Published, going: Collection[KeyId]
) -> Iterator[tuple[PublishedFile, RoleKeys]]:
    """What some keys may sign, as far as it is delegated to, with all that may sign it."""
    authority = published.authority
    for holder in holders(published):
        if holder in authority.named and not set(going).isdisjoint(authority.named[holder].keyids):
            yield read_holder(metadata, published, holder), authority.named[holder]
        shared = authority.shared.get(holder)
        if shared is not None and not set(going).isdisjoint(shared.signers.keyids):
            for file in read_bins(metadata, published, holder):
                yield file, shared.signers
