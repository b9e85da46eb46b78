"""How each role stands: by the state, and by the file that clients read of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rstuf.errors import InvalidMetadata, StorageError
from rstuf.metadata.render import versioned
from rstuf.metadata.views import open_envelope, read_signatures
from rstuf.model.keys import KeyEntry, KeyId
from rstuf.model.names import TARGETS, TIMESTAMP, TOP_LEVEL, RoleName
from rstuf.model.publication import Publication
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import Authority, is_recorded_file
from rstuf.repository.beyond_reach import beyond_reach
from rstuf.repository.dates import due_roles, lives, true_expiry, visible_file
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.reports import Health, RoleStatus
from rstuf.repository.visits import state_of
from rstuf.repository.who_signs import SignedBy, every_role


def statuses(
    ports: Ports, reader: StateReader, authority: Authority, *, now: datetime, lost: Set[KeyId] = frozenset()
) -> Iterator[RoleStatus]:
    """Every role: root, targets and what it delegates to in the order in which clients look, snapshot and timestamp.

    Reads the file of each role that has a name, and of bins, which come together, their lengths.

    Args:
        lost: the keys of people that are lost.

    Raises:
        StateDamaged: a role that is delegated to is not in the state.
    """
    files = {name: _file(ports, reader.role(name)) for name in TOP_LEVEL}
    due = frozenset(role.id for role in due_roles(reader, now=now, files=files))
    shown = tuple(each for each in reader.publications() if each.timestamp is not None)
    brought = {name: (version, lives(reader, name)) for name, version in reader.brought_versions().items()}
    look = _Look(ports, now, due, shown, brought, lost, reader.keys() if lost else ())
    bins: dict[int | None, list[RoleState]] = {}
    for role in reader.roles(kind=RoleKind.BIN):
        bins.setdefault(role.holder, []).append(role)
    for each in every_role(authority):
        if each.kind is not RoleKind.BIN:
            state = state_of(reader, RoleName(each.name))
            data = files[state.name] if state.name in files else _file(ports, state)
            yield look.one(each, state, data)
        elif own := bins.get(state_of(reader, each.parent or TARGETS).id):
            yield look.together(each, own)


def _file(ports: Ports, role: RoleState) -> bytes | None:
    try:
        return visible_file(ports, role)
    except StorageError:
        # A look at the rest must still be possible.
        return None


def _signers_in(data: bytes, role: RoleState) -> tuple[KeyId, ...]:
    """
    Raises:
        InvalidMetadata: it is none.
    """
    try:
        return tuple(each.keyid for each in read_signatures(data))
    except (ValueError, KeyError, TypeError):
        # Others may have written it, in another form.
        kind = TARGETS if role.kind is RoleKind.DELEGATED else role.name
        return tuple(each.keyid for each in open_envelope(data, name=role.name, kind=kind).signatures)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look, at one instant.

    Attributes:
        due: the ids of roles that are due.
        shown: the publications whose timestamps clients may see.
        brought: versions that were made elsewhere, by role, and how long each lives.
        lost: the keys of people that are lost; known: all keys, where any is.
    """

    ports: Ports
    now: datetime
    due: Set[int]
    shown: tuple[Publication, ...]
    brought: Mapping[RoleName, tuple[int, timedelta]]
    lost: Set[KeyId]
    known: Collection[KeyEntry]

    def one(self, each: SignedBy, role: RoleState, data: bytes | None) -> RoleStatus:
        """A role that has a name, and its file."""
        seen = self._status(each, [replace(role, expires=true_expiry(role, data) or role.expires)])
        version, lives = self.brought.get(role.name, (0, None))
        beyond = beyond_reach(role.name, each.keys, self.lost, known=self.known)
        seen = replace(seen, elsewhere=lives if version == role.visible else None, beyond=beyond)
        # A timestamp becomes visible before the state says so, and may stay so when its publication is given up.
        ours = role.name == TIMESTAMP and any(data == publication.timestamp for publication in self.shown)
        if data is None or not (is_recorded_file(role, data) or ours):
            seen = replace(seen, health=Health.DAMAGED)
        try:
            return replace(seen, signed_by=() if data is None else _signers_in(data, role))
        except InvalidMetadata:
            return replace(seen, health=Health.DAMAGED)

    def together(self, each: SignedBy, bins: list[RoleState]) -> RoleStatus:
        """All bins of a role."""
        seen, lost = replace(self._status(each, bins), signed_by=each.keys.keyids), self._lost(bins)
        return replace(seen, health=Health.DAMAGED, lost=lost) if lost else seen

    def _lost(self, bins: list[RoleState]) -> tuple[str, ...]:
        """Which of these files are not there with their lengths. None is read: there can be 16 384 of them."""
        seen = [role for role in bins if role.visible]
        lengths = self.ports.metadata.lengths(versioned(role.name, role.visible) for role in seen)
        try:
            found = list(zip(seen, lengths, strict=True))
        except StorageError:
            return tuple(role.name for role in seen)
        return tuple(
            role.name for role, length in found if length is None or (role.file and role.file.length != length)
        )

    def _status(self, each: SignedBy, roles: list[RoleState]) -> RoleStatus:
        now, keys = self.now, each.keys
        expires = min(role.expires or now for role in roles)
        sign_by = min(min(role.sign_by or now, now) if role.id in self.due else role.sign_by or now for role in roles)
        alive = Health.DUE if sign_by <= now else Health.HEALTHY
        return RoleStatus(
            name=each.name,
            kind=each.kind,
            parent=each.parent,
            depth=each.depth,
            version=max(role.visible for role in roles),
            count=len(roles),
            signed_at=min(role.signed_at or now for role in roles),
            expires=expires,
            sign_by=sign_by,
            threshold=keys.threshold,
            keyids=keys.keyids,
            signed_by=(),
            health=Health.OVERDUE if expires <= now else alive,
        )
