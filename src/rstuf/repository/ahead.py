"""What lies beside what is published and is newer: snapshots that are rightly signed, and that nothing visible names.

Either an older timestamp was put in the place of a newer one, and clients have seen more than it leads to; or a
publication was given up before its timestamp came out. Nothing that lies there tells which, so a person has to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rstuf.errors import InvalidMetadata
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import open_envelope, root_roles
from rstuf.model.names import SNAPSHOT
from rstuf.repository.authority import signed_enough
from rstuf.repository.interfaces import MetadataStorage
from rstuf.repository.published import Published
from rstuf.repository.published_files import named_versions
from rstuf.repository.seen import listed_in
from rstuf.repository.visible import found


@dataclass(frozen=True, slots=True)
class Ahead:
    """Snapshots above the one that the visible timestamp names.

    Attributes:
        snapshot: the highest version of them; 0 where there is none.
        listed: the highest version that they list of each role, by its name.
    """

    snapshot: int
    listed: Mapping[str, int]


def find_ahead(metadata: MetadataStorage, published: Published, files: Iterable[str]) -> Ahead:
    """Look at every snapshot above the visible one; only what is rightly signed counts, since clients refuse the rest.

    Args:
        files: the names of all files that lie where metadata is published.

    Raises:
        StorageError: the storage fails.
    """
    # What an earlier root let sign, clients of what is published may have followed.
    since = published.roots[published.verifies_from.envelope.version - 1 :]
    signers = [root_roles(root.envelope)[SNAPSHOT] for root in since]
    highest, listed = 0, defaultdict[str, int](int)
    for version in named_versions(files, SNAPSHOT):
        name = versioned(SNAPSHOT, version)
        if version <= published.snapshot.envelope.version:
            continue
        data = found(metadata, name, limit=limits.SNAPSHOT_WITH_LENGTH_BYTES)
        if data is None:
            continue
        try:
            envelope = open_envelope(data, name=name, kind=SNAPSHOT)
        except InvalidMetadata:
            continue
        if envelope.version == version and any(signed_enough(envelope, keys) for keys in signers):
            highest = max(highest, version)
            for role, at in listed_in(envelope):
                listed[role] = max(listed[role], at)
    return Ahead(highest, dict(listed))
