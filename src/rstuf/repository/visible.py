"""What clients see now, held against what this state published."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from rstuf.errors import (
    FileMissing,
    FileTooLarge,
    ForeignMetadata,
    InvalidMetadata,
    NotAFile,
    StateBehind,
    StateError,
    StorageError,
)
from rstuf.metadata import limits
from rstuf.metadata.listing import Listing
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope, root_roles
from rstuf.model.names import ROOT, SNAPSHOT, TIMESTAMP, RoleName
from rstuf.model.roles import FileFacts
from rstuf.repository.authority import current_root, signed_enough
from rstuf.repository.interfaces import MetadataStorage, StateReader
from rstuf.repository.ports import Ports

TIMESTAMP_FILE: Final = "timestamp.json"
# How many versions ahead a file is looked for that this state does not know of: versions may have gaps.
_FAR: Final = 16


def found(metadata: MetadataStorage, name: str, *, limit: int) -> bytes | None:
    """A file's bytes; None where it is missing, or is nothing that clients could read.

    Raises:
        StorageError: the storage fails: that says nothing about the file.
    """
    try:
        return metadata.read(name, limit=limit)
    except (FileMissing, FileTooLarge, NotAFile):
        return None


def holds(metadata: MetadataStorage, name: str, file: FileFacts) -> bool:
    """Whether a storage has a file as it was recorded."""
    data = found(metadata, name, limit=file.length)
    return data is not None and sha256(data).hexdigest() == file.sha256


def visible_version(ports: Ports, reader: StateReader) -> int:
    """The version of the visible timestamp; 0 where there is none that clients accept.

    What is not signed by the root's timestamp keys is damage, not a version: anybody can write a number.
    """
    keys = root_roles(current_root(reader))[TIMESTAMP]
    return _accepted(ports, TIMESTAMP_FILE, kind=TIMESTAMP, keys=keys, limit=limits.TIMESTAMP_BYTES)


def refuse_older_state(ports: Ports) -> None:
    """Refuse to act where clients see more than this state knows of.

    Raises:
        StateBehind: this state is an old copy.
    """
    with ports.state.read() as reader:
        visible, known = visible_version(ports, reader), reader.role(TIMESTAMP)
        snapshot, root = reader.role(SNAPSHOT), current_root(reader)
    if visible > known.version:
        raise StateBehind(TIMESTAMP, visible=visible, known=known.version)
    keys = root_roles(root)
    _refuse_newer(ports, ROOT, known=root.version, keys=keys[ROOT], limit=limits.ROOT_BYTES)
    # Timestamp may have been put back together with the state; what was written once beside it was not.
    limit = limits.SNAPSHOT_WITH_LENGTH_BYTES
    _refuse_newer(ports, SNAPSHOT, known=snapshot.version, keys=keys[SNAPSHOT], limit=limit)


def newer_than_known(ports: Ports) -> str | None:
    """What is published that this state does not know of, in words. Without the publication lock.

    A publication may end between the look at the state and that at the storage: so what is found is looked at again.
    """
    found = None
    for _ in range(2):
        try:
            refuse_older_state(ports)
        except StateBehind as error:
            found = error.message
        except (StateError, StorageError, InvalidMetadata, KeyError):
            # Whoever reads them for themselves says so.
            return None
        else:
            return None
    return found


def is_as_published(ports: Ports) -> bool:
    """Whether the visible timestamp is the one that this state published last. Under the publication lock."""
    with ports.state.read() as reader:
        visible, known = visible_version(ports, reader), reader.role(TIMESTAMP)
        source = reader.publication_of_timestamp(visible)
    expected = source.timestamp if source is not None and visible >= known.visible else None
    return expected is not None and found(ports.metadata, TIMESTAMP_FILE, limit=limits.TIMESTAMP_BYTES) == expected


def check_visible(ports: Ports) -> None:
    """Compare the visible timestamp with what this state published. Under the publication lock, after recovery.

    Raises:
        StateBehind: clients see something newer: the state is an old copy.
        InvalidMetadata: the visible timestamp is missing, damaged or foreign.
    """
    refuse_older_state(ports)
    if not is_as_published(ports):
        raise InvalidMetadata(
            TIMESTAMP_FILE,
            "it is missing, damaged, or not what was published last",
            hint="rstuf verify shows what is wrong; rstuf renew --force timestamp publishes over it",
        )


def visible_listing(ports: Ports, reader: StateReader) -> Listing:
    """What the visible snapshot lists: the file's own bytes where it is what was published, else what the state says.

    Both say the same, and reading a file is sooner done than reading every role.
    """
    snapshot = reader.role(SNAPSHOT)
    if snapshot.visible and snapshot.file is not None:
        data = found(ports.metadata, versioned(SNAPSHOT, snapshot.visible), limit=snapshot.file.length)
        if data is not None and sha256(data).hexdigest() == snapshot.file.sha256:
            listing = Listing.in_file(data)
            if listing is not None:
                return listing
    return Listing.of(reader.snapshot_entries())


def refuse_foreign_storage(ports: Ports) -> None:
    """Refuse to write where another repository is published: under a name of our roots, one that is not ours.

    Raises:
        ForeignMetadata: a root that is rightly signed by its own keys and says something else than ours.
    """
    with ports.state.read() as reader:
        for version in reader.root_versions():
            recorded = reader.root(version)
            name = versioned(ROOT, version)
            there = found(ports.metadata, name, limit=limits.ROOT_BYTES)
            if recorded is None or there is None or there == recorded.data:
                continue
            try:
                root = open_envelope(there, name=name, kind=ROOT)
                own = root_roles(root)[ROOT]
            except InvalidMetadata:
                continue
            ours = open_envelope(recorded.data, name=name, kind=ROOT)
            if root.payload != ours.payload and signed_enough(root, own):
                raise ForeignMetadata(name)


def _refuse_newer(ports: Ports, role: RoleName, *, known: int, keys: RoleKeys, limit: int) -> None:
    for version in range(known + 1, known + 1 + _FAR):
        if _accepted(ports, versioned(role, version), kind=role, keys=keys, limit=limit):
            raise StateBehind(role, visible=version, known=known)


def _accepted(ports: Ports, name: str, *, kind: str, keys: RoleKeys, limit: int) -> int:
    """The version of a file that is signed as it must be; 0 where there is none."""
    data = found(ports.metadata, name, limit=limit)
    if data is None:
        return 0
    try:
        envelope = open_envelope(data, name=name, kind=kind)
    except InvalidMetadata:
        return 0
    return envelope.version if signed_enough(envelope, keys) else 0
