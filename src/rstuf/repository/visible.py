"""What clients see now, held against what this state published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from rstuf.errors import (
    FileMissing,
    FileTooLarge,
    ForeignMetadata,
    InvalidMetadata,
    LooseRootOut,
    NotAFile,
    StateBehind,
    StateDamaged,
    StateError,
    StorageError,
)
from rstuf.metadata import limits
from rstuf.metadata.listing import Listing
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope, root_roles
from rstuf.model.names import ROOT, SNAPSHOT, TIMESTAMP, RoleName
from rstuf.model.roles import FileFacts, RoleKind
from rstuf.repository.authority import current_root, signed_enough
from rstuf.repository.interfaces import MetadataStorage, StateReader
from rstuf.repository.loose_roots import event_of
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Blocker

TIMESTAMP_FILE: Final = "timestamp.json"
# How many versions ahead a file is looked for that this state does not know of: versions may have gaps.
_FAR: Final = 16
_CARRIED: Final = (RoleKind.TARGETS, RoleKind.DELEGATED)
_LIMITS: Final = {
    ROOT: limits.ROOT_BYTES,
    SNAPSHOT: limits.SNAPSHOT_WITH_LENGTH_BYTES,
    TIMESTAMP: limits.TIMESTAMP_BYTES,
}


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
    data = found(ports.metadata, TIMESTAMP_FILE, limit=limits.TIMESTAMP_BYTES)
    return _accepted(data, TIMESTAMP_FILE, kind=TIMESTAMP, keys=keys)


def refuse_older_state(ports: Ports) -> None:
    """Refuse to act where clients see more than this state knows of. Needs no lock.

    A publication may end between the look at the state and that at the storage. It took its versions before any file
    of it had a name: so what was found is asked for once more, in a state that is looked at after it.

    Raises:
        StateBehind: this state is an old copy.
    """
    newer = _find_newer(ports)
    if newer is None:
        return
    with ports.state.read() as reader:
        known = _known_of(reader, newer)
        if known is not None:
            raise _behind(reader, newer, known=known)


def refuse_newer_root(ports: Ports) -> None:
    """Refuse to act below a root that this state does not know: who may sign is not known here then.

    For what must act though clients see a timestamp that this state does not know: whoever has its key may have made
    that, and another key is what ends it.

    Raises:
        StateBehind: such a root is published.
    """
    with ports.state.read() as reader:
        if reader.newest_root() is None:
            return
        newer = newer_root(ports, reader)
        if newer is not None:
            raise _behind(reader, newer, known=current_root(reader).version)


def refuse_to_accept(ports: Ports) -> None:
    """Refuse changes that could not be published from this state, before any of them is taken. Waits for nobody.

    What is missing or damaged on the storage, or cannot be read, says nothing against a change: publishing mends it, or
    says what is wrong with it.

    Raises:
        StateBehind: this state is an old copy.
        ForeignMetadata: another repository is published where this one would be.
        StateDamaged: nothing could be published from it.
    """
    try:
        refuse_foreign_storage(ports)
        refuse_older_state(ports)
    except ForeignMetadata:
        raise
    except StorageError:
        return
    except KeyError as error:
        raise StateDamaged("of this repository", f"it has no role {error.args[0]}") from None


def newer_than_known(ports: Ports) -> StateBehind | None:
    """What is published that this state does not know of; None where it knows all. Without the publication lock."""
    try:
        refuse_older_state(ports)
    except StateBehind as error:
        return error
    except (StateError, StorageError, InvalidMetadata, KeyError):
        # Whoever reads them for themselves says so.
        return None
    return None


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


def refuse_junk_root(ports: Ports) -> None:
    """Refuse to call anything published while no client can get past what is under the next root's name.

    Raises:
        InvalidMetadata: something is there that is no root of this repository.
        StateBehind: what is there is one, signed by both sides, and clients follow it.
    """
    with ports.state.read() as reader:
        root = current_root(reader)
        name = versioned(ROOT, root.version + 1)
        if not is_taken(ports.metadata, name):
            return
        if newer := newer_root(ports, reader):
            raise _behind(reader, newer, known=root.version)
    raise junk_root(name)


def junk_root(name: str) -> InvalidMetadata:
    """The error for what is under the name of a root that is to come."""
    return InvalidMetadata(
        name,
        "every client takes it for the next root, and stops there: it is none",
        hint=f"move {name} away from the served metadata, then run this again",
    )


def is_taken(metadata: MetadataStorage, name: str) -> bool:
    """Whether anything at all is under a name, readable or not.

    Raises:
        StorageError: the storage fails.
    """
    try:
        metadata.read(name, limit=0)
    except FileMissing:
        return False
    except (FileTooLarge, NotAFile):
        return True
    return True


def blockers(ports: Ports, reader: StateReader) -> tuple[Blocker, ...]:
    """What lies where a file of ours is or will be, and nothing that is written replaces: see `Blocker`.

    A next root that is signed by both sides is not in the way: clients have followed it, and whoever took it away would
    lose them for good.
    """
    written = [(TIMESTAMP, TIMESTAMP_FILE), *((ROOT, versioned(ROOT, version)) for version in reader.root_versions())]
    written += [
        (role.name, versioned(role.name, role.visible)) for kind in _CARRIED for role in reader.roles(kind=kind)
    ]
    found_there = [Blocker(name, role, directory=True) for role, name in written if _is_directory(ports.metadata, name)]
    following = versioned(ROOT, current_root(reader).version + 1)
    try:
        junk = is_taken(ports.metadata, following) and not newer_root(ports, reader)
    except StorageError:
        junk = False
    return tuple([*found_there, Blocker(following, ROOT, directory=False)] if junk else found_there)


def refuse_directory(metadata: MetadataStorage, name: str) -> None:
    """Refuse to begin what would end with a file that cannot be replaced.

    Raises:
        StorageError: a directory stands in its place.
    """
    try:
        metadata.read(name, limit=0)
    except NotAFile as error:
        if error.directory:
            raise
    except StorageError:
        return


def _is_directory(metadata: MetadataStorage, name: str) -> bool:
    try:
        refuse_directory(metadata, name)
    except NotAFile:
        return True
    return False


def visible_listing(ports: Ports, reader: StateReader) -> Listing:
    """What the visible snapshot lists: the file's own bytes where it is what was published, else what the state says.

    Both say the same, and reading a file is sooner done than reading every role; but for roles that were carried over
    from a publication that was given up, and bins that only a newer snapshot than ours listed: clients may have seen
    these, so nothing is listed below them.
    """
    snapshot = reader.role(SNAPSHOT)
    if snapshot.visible and snapshot.file is not None:
        data = found(ports.metadata, versioned(SNAPSHOT, snapshot.visible), limit=snapshot.file.length)
        if data is not None and sha256(data).hexdigest() == snapshot.file.sha256:
            listing = Listing.in_file(data)
            if listing is not None and listing.count == reader.listed_roles():
                carried = (role for kind in _CARRIED for role in reader.roles(kind=kind))
                return listing.with_versions({role.name: role.visible for role in carried if role.visible})
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


def _behind(reader: StateReader, newer: Newer, *, known: int) -> StateBehind:
    """The error for it: a root that was proposed here is told as what it is."""
    if newer.role == ROOT and newer.version == known + 1:
        event = event_of(reader, open_envelope(newer.data, name=versioned(ROOT, newer.version), kind=ROOT))
        if event is not None:
            return LooseRootOut(event.name, visible=newer.version, known=known)
    return StateBehind(newer.role, visible=newer.version, known=known)


@dataclass(frozen=True, slots=True)
class Newer:
    """A file that is rightly signed and newer than what a view of the state knew."""

    role: RoleName
    version: int
    data: bytes


def _find_newer(ports: Ports) -> Newer | None:
    with ports.state.read() as reader:
        root, snapshot, timestamp = current_root(reader), reader.role(SNAPSHOT), reader.role(TIMESTAMP)
        keys = root_roles(root)
        # What was taken for a timestamp and never became visible, another may have published.
        known = {TIMESTAMP: timestamp.visible, ROOT: root.version, SNAPSHOT: snapshot.version}
        for role, name in _newer_names(known):
            data = found(ports.metadata, name, limit=_LIMITS[role])
            version = _accepted(data, name, kind=role, keys=keys[role], above=known[role])
            if data is not None and version and (role != ROOT or _signs_itself(data, name)):
                newer = Newer(role, version, data)
                if _known_of(reader, newer) is not None:
                    return newer
    return None


def _known_of(reader: StateReader, newer: Newer) -> int | None:
    """The version that the state knows of a role, where `newer` is above it; None where it is one of ours."""
    if newer.role == ROOT:
        known = current_root(reader).version
        return known if newer.version > known else None
    role = reader.role(newer.role)
    if newer.role != TIMESTAMP:
        return role.version if newer.version > role.version else None
    ours = reader.publication_of_timestamp(newer.version)
    if newer.version <= role.visible or (ours is not None and ours.timestamp == newer.data):
        return None
    return role.visible


def newer_root(ports: Ports, reader: StateReader) -> Newer | None:
    """A published root that this state does not have, signed by both sides; None where there is none."""
    root = current_root(reader)
    for version in range(root.version + 1, root.version + 1 + _FAR):
        name = versioned(ROOT, version)
        data = found(ports.metadata, name, limit=limits.ROOT_BYTES)
        accepted = _accepted(data, name, kind=ROOT, keys=root_roles(root)[ROOT], above=root.version)
        if data is not None and accepted and _signs_itself(data, name):
            return Newer(ROOT, version, data)
    return None


def _signs_itself(data: bytes, name: str) -> bool:
    """Whether a root is signed by its own keys too: without them no client follows it (TUF §5.3.4)."""
    try:
        root = open_envelope(data, name=name, kind=ROOT)
        return signed_enough(root, root_roles(root)[ROOT])
    except InvalidMetadata:
        return False


def _newer_names(known: Mapping[RoleName, int]) -> Iterator[tuple[RoleName, str]]:
    # Another root says who may sign the rest, so it is told first.
    # Timestamp may have been put back together with the state; what was written once beside it was not.
    for role in (ROOT, TIMESTAMP, SNAPSHOT):
        if role == TIMESTAMP:
            yield TIMESTAMP, TIMESTAMP_FILE
            continue
        for version in range(known[role] + 1, known[role] + 1 + _FAR):
            yield role, versioned(role, version)


def _accepted(data: bytes | None, name: str, *, kind: str, keys: RoleKeys, above: int = 0) -> int:
    """The version of a file that is signed as it must be; 0 where there is none above `above`."""
    if data is None:
        return 0
    try:
        envelope = open_envelope(data, name=name, kind=kind)
    except InvalidMetadata:
        return 0
    # Who signed what is known matters to nobody, and finding out is what costs.
    return envelope.version if envelope.version > above and signed_enough(envelope, keys) else 0
