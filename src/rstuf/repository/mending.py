"""What a storage lost, and how it gets it back.

Roots and roles that say who may sign others are put back byte for byte, as the state recorded them: nothing could
render them again, and those who signed them may be away. Everything else is rendered again, above its versions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from rstuf.errors import ForeignMetadata, InvalidMetadata, StateDamaged
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, root_roles
from rstuf.model.names import ROOT, TIMESTAMP
from rstuf.model.roles import RoleKind, RoleState
from rstuf.progress import step
from rstuf.repository.authority import Authority, delegator_bytes, is_recorded_file, load_authority, signed_enough
from rstuf.repository.batches import bins_by_people
from rstuf.repository.interfaces import MetadataStorage, StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.targets_signers import take_people
from rstuf.repository.visible import found, holds

# What can be rendered again from the state.
RENDERED: Final = (RoleKind.BIN, RoleKind.SNAPSHOT)
DELEGATORS: Final = (RoleKind.TARGETS, RoleKind.DELEGATED)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file whose bytes the state has, and who must have signed it.

    Attributes:
        signers: of a root, the keys before it and its own; else its delegator's.
        by_people: whether other keys than the online key sign it.
    """

    name: str
    kind: str
    data: bytes
    signers: tuple[RoleKeys, ...]
    by_people: bool

    def on(self, metadata: MetadataStorage) -> bytes | None:
        """What the storage has under its name."""
        limit = limits.ROOT_BYTES if self.kind == ROOT else limits.TARGETS_BYTES
        return found(metadata, self.name, limit=limit)

    def is_on(self, metadata: MetadataStorage) -> bool:
        """Whether the storage has it: these bytes, or for a root the same content with signatures not recorded here.

        Signatures may join a root, and a record may be damaged too: what is rightly signed is not taken away.
        """
        there = self.on(metadata)
        if there is None or there == self.data or self.kind != ROOT:
            return there == self.data
        try:
            opened = open_envelope(there, name=self.name, kind=self.kind)
        except InvalidMetadata:
            return False
        known = self._known
        more = set(opened.signatures) - set(known.signatures)
        return bool(more) and opened.payload == known.payload and self._convinces(opened)

    def refuse_other_on(self, metadata: MetadataStorage) -> None:
        """Refuse to put back what would take something else away that people have signed.

        What the online key alone has signed anybody who has it could have signed: that is damage.

        Raises:
            ForeignMetadata: something else is under its name, rightly signed.
        """
        there = self.on(metadata)
        if there is None or there == self.data or not self.by_people:
            return
        try:
            opened = open_envelope(there, name=self.name, kind=self.kind)
        except InvalidMetadata:
            return
        if opened.payload != self._known.payload and self._convinces(opened):
            raise ForeignMetadata(self.name)

    def is_rightly_signed(self) -> bool:
        """Whether what is recorded would convince clients."""
        return self._convinces(self._known)

    def _convinces(self, envelope: Envelope) -> bool:
        return all(signed_enough(envelope, keys) for keys in self.signers)

    @property
    def _known(self) -> Envelope:
        return open_envelope(self.data, name=self.name, kind=self.kind)


def recorded_files(reader: StateReader, metadata: MetadataStorage) -> Iterator[Recorded]:
    """Every file that clients may need and nothing could render again: all roots, the visible delegators, and the bins
    that people sign."""
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
        signers = (own,) if before is None else (before, own)
        yield Recorded(name, "root", root.data, signers, by_people=True)
        before = own
    delegators = _delegators(reader)
    if delegators:
        authority = load_authority(reader, metadata)
        online = authority.top_level[TIMESTAMP]
        for role in [*delegators, *_bins(reader, authority)]:
            keys = authority.role_keys(role.name, role.kind)
            data = delegator_bytes(role, reader, metadata, keys=keys)
            if data is not None:
                yield Recorded(_name(role), "targets", data, (keys,), by_people=take_people(keys, online=online))


def check_recorded(ports: Ports, reader: StateReader) -> None:
    """That the storage has every recorded file as it was written.

    Raises:
        InvalidMetadata: one is missing or differs.
    """
    for file in recorded_files(reader, ports.metadata):
        if not file.is_on(ports.metadata):
            raise InvalidMetadata(file.name, "it is missing or not what was published", hint="rstuf renew puts it back")


def record_again(ports: Ports) -> tuple[str, ...]:
    """Record again what was published of roles that delegate, where the record is damaged and the storage has it.

    Under the publication lock. Their files' names.

    Raises:
        StateDamaged: the storage has it no more.
    """
    with ports.state.read() as reader:
        there = _delegators(reader)
        authority = load_authority(reader, ports.metadata) if there else None
        lost = {
            role.name: role
            for role in [*there, *(() if authority is None else _bins(reader, authority))]
            if not is_recorded_file(role, reader.delegator(role.name, role.visible))
        }
        found_again = []
        if authority is not None:
            for role in lost.values():
                keys = authority.role_keys(role.name, role.kind)
                data = delegator_bytes(role, reader, ports.metadata, keys=keys)
                if data is not None:
                    found_again.append((role, data))
    names = [_name(role) for role, _ in found_again]
    if names:
        with ports.state.transaction(actor=ports.actor) as state:
            for role, data in found_again:
                state.record_delegator(role.name, role.visible, data)
            state.record("state.restore", {"files": names}, at=ports.clock.now())
    return tuple(names)


def put_back(ports: Ports) -> tuple[str, ...]:
    """Put back every recorded file that is missing or damaged; their names. Under the publication lock.

    Only after `recovery.recover` found no other repository there, and where what clients see is this state's.

    Raises:
        StateDamaged: what is recorded is not rightly signed itself.
    """
    with ports.state.read() as reader:
        lost = [file for file in recorded_files(reader, ports.metadata) if not file.is_on(ports.metadata)]
    for file in lost:
        restore(ports, file)
    if lost:
        with ports.state.transaction(actor=ports.actor) as state:
            state.record("metadata.restore", {"files": [file.name for file in lost]}, at=ports.clock.now())
    return tuple(file.name for file in lost)


def restore(ports: Ports, file: Recorded) -> None:
    """Put one file back; see `put_back`."""
    if not file.is_rightly_signed():
        raise StateDamaged(f"record of {file.name}", "it is not rightly signed, and was not put back")
    file.refuse_other_on(ports.metadata)
    ports.metadata.restore(file.name, file.data)


def lost_roles(ports: Ports, reader: StateReader, *, kinds: Collection[RoleKind] = RENDERED) -> list[RoleState]:
    """The roles of these kinds whose visible files are missing or not what was published. Reads every one of them."""
    lost = []
    for kind in kinds:
        with step(ports.progress, "looking", total=None, unit="files"):
            for role in reader.roles(kind=kind):
                if role.visible and role.file is not None and not holds(ports.metadata, _name(role), role.file):
                    lost.append(role)
                ports.progress.advance()
    return lost


def _delegators(reader: StateReader) -> list[RoleState]:
    return [role for kind in DELEGATORS for role in reader.roles(kind=kind) if role.visible]


def _bins(reader: StateReader, authority: Authority) -> list[RoleState]:
    """The bins that people sign."""
    return [role for name in bins_by_people(authority) if (role := reader.role(name)).visible]


def _name(role: RoleState) -> str:
    return versioned(role.name, role.visible)
