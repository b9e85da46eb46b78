"""What a storage lost, and how it gets it back.

Roots and roles that say who may sign others are put back byte for byte, as the state recorded them: nothing could
render them again, and those who signed them may be away. Everything else is rendered again, above its versions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from rstuf.errors import InvalidMetadata, NameTaken
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope, root_roles
from rstuf.model.names import ROOT
from rstuf.model.roles import FileFacts, RoleKind, RoleState
from rstuf.progress import step
from rstuf.repository.authority import load_authority, signed_enough
from rstuf.repository.interfaces import MetadataStorage, StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.visible import found

# What can be rendered again from the state.
RENDERED: Final = (RoleKind.BIN, RoleKind.SNAPSHOT)
_DELEGATORS: Final = (RoleKind.TARGETS, RoleKind.DELEGATED)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file whose bytes the state has, and who must have signed any other that claims its name."""

    name: str
    kind: str
    data: bytes
    signers: RoleKeys

    def on(self, metadata: MetadataStorage) -> bytes | None:
        """What the storage has under its name."""
        limit = limits.ROOT_BYTES if self.kind == ROOT else limits.TARGETS_BYTES
        return found(metadata, self.name, limit=limit)


def recorded_files(reader: StateReader) -> Iterator[Recorded]:
    """Every file that clients may need and nothing could render again: all roots, and the visible delegators."""
    newest = reader.newest_root()
    if newest is None:
        return
    before: RoleKeys | None = None
    for version in range(1, newest.version + 1):
        root = reader.root(version)
        if root is None:
            continue
        name = versioned(ROOT, version)
        own = root_roles(open_envelope(root.data, name=name, kind="root"))[ROOT]
        yield Recorded(name, "root", root.data, before or own)
        before = own
    delegators = [role for kind in _DELEGATORS for role in reader.roles(kind=kind) if role.visible]
    if delegators:
        authority = load_authority(reader)
        for role in delegators:
            data = reader.delegator(role.name, role.visible)
            if data is not None:
                signers = authority.role_keys(role.name, role.kind)
                yield Recorded(versioned(role.name, role.visible), "targets", data, signers)


def check_recorded(ports: Ports, reader: StateReader) -> None:
    """That the storage has every recorded file as it was written.

    Raises:
        InvalidMetadata: one is missing or differs.
    """
    for file in recorded_files(reader):
        if file.on(ports.metadata) != file.data:
            raise InvalidMetadata(file.name, "it is missing or not what was published", hint="rstuf renew puts it back")


def put_back(ports: Ports) -> tuple[str, ...]:
    """Put back every recorded file that is missing or damaged; their names. Under the publication lock.

    Only where what clients see was found to be this state's (`visible.refuse_older_state`).

    Raises:
        NameTaken: another file of that version is there, rightly signed: it is no damage, and nothing is touched.
    """
    with ports.state.read() as reader:
        lost = [file for file in recorded_files(reader) if file.on(ports.metadata) != file.data]
    for file in lost:
        restore(ports, file)
    if lost:
        with ports.state.transaction(actor=ports.actor) as state:
            state.record("metadata.restore", {"files": [file.name for file in lost]}, at=ports.clock.now())
    return tuple(file.name for file in lost)


def restore(ports: Ports, file: Recorded) -> None:
    """Put one file back, unless what stands there is somebody's own version of it.

    Raises:
        NameTaken: it is.
    """
    there = file.on(ports.metadata)
    if there is not None and _is_rival(there, file):
        raise NameTaken(file.name)
    ports.metadata.restore(file.name, file.data)


def lost_roles(ports: Ports, reader: StateReader, *, kinds: Collection[RoleKind] = RENDERED) -> list[RoleState]:
    """The roles of these kinds whose visible files are missing or not what was published. Reads every one of them."""
    lost = []
    for kind in kinds:
        with step(ports.progress, "looking", total=None, unit="files"):
            for role in reader.roles(kind=kind):
                if role.visible and role.file is not None and not _is_there(ports.metadata, role, role.file):
                    lost.append(role)
                ports.progress.advance()
    return lost


def _is_there(metadata: MetadataStorage, role: RoleState, file: FileFacts) -> bool:
    data = found(metadata, versioned(role.name, role.visible), limit=file.length)
    return data is not None and sha256(data).hexdigest() == file.sha256


def _is_rival(data: bytes, file: Recorded) -> bool:
    """Whether `data` says something else than what was recorded, and clients would believe it."""
    try:
        there = open_envelope(data, name=file.name, kind=file.kind)
    except InvalidMetadata:
        return False
    known = open_envelope(file.data, name=file.name, kind=file.kind)
    same_version = there.version == known.version
    return same_version and there.payload != known.payload and signed_enough(there, file.signers)
