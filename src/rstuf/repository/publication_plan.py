"""The dry run of a publication: what would come out, and what would wait for people who are not here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rstuf.errors import SignerUnavailable
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import TIMESTAMP
from rstuf.repository.forced import without_unreachable
from rstuf.repository.interfaces import SignerSource, StateReader
from rstuf.repository.kept_changes import Kept, look_for_kept
from rstuf.repository.people import as_it_waits, is_to_open, who_is_here
from rstuf.repository.ports import Ports
from rstuf.repository.publish import changed_parts
from rstuf.repository.release import with_followers
from rstuf.repository.reports import RoleChange, WaitingRole
from rstuf.repository.waiting_behind import waiting_behind


@dataclass(frozen=True, slots=True)
class PublicationPlan:
    """What a publication would bring; nothing was written for it.

    Attributes:
        timestamp_version: what the visible timestamp would be afterwards; as it is where nothing would be published.
        waiting: roles with changes that nobody here can sign, as far as that shows without opening keys; `event` is the
            one that publishing would leave as it is.
    """

    roles: tuple[RoleChange, ...]
    timestamp_version: int
    waiting: tuple[WaitingRole, ...] = ()


def plan_publication(ports: Ports) -> PublicationPlan:
    """What `publish` would bring now, and what would wait. Writes nothing, waits for nobody, and opens no key."""
    looking = replace(ports, signers=_Looking(ports.signers))
    with ports.state.read() as reader:
        reader.settings()
        kept = look_for_kept(ports, reader)
        changed = without_unreachable(looking, reader, changed_parts(reader, kept))
        able, waiting = who_is_here(looking, reader, changed)
        parts = with_followers(reader, able) if able else []
        timestamp = reader.role(TIMESTAMP)
        told = [_told(ports, reader, each, kept) for each in waiting]
    behind = () if kept is None else waiting_behind(ports, kept)
    names = {each.name for each in behind}
    return PublicationPlan(
        roles=tuple(
            RoleChange(part.role.name, part.role.visible, part.role.version + 1, part.reason) for part in parts
        ),
        timestamp_version=timestamp.version + 1 if parts else timestamp.visible,
        waiting=(*(each for each in told if each.name not in names), *behind),
    )


def _told(ports: Ports, reader: StateReader, role: WaitingRole, kept: Kept | None) -> WaitingRole:
    """A role that waits, in the event that publishing would leave as it is; in none where that opens another."""
    return role if is_to_open(ports, reader, role, kept=kept) else as_it_waits(ports, reader, role, kept)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A key that looks as if it could sign here."""

    keyid: KeyId

    def sign(self, payload: bytes) -> str:
        del payload
        raise SignerUnavailable(self.keyid[:12], "it was looked at, and not opened", hint="rstuf publish opens it")


@dataclass(frozen=True, slots=True)
class _Looking:
    """A `SignerSource` that asks nobody for a passphrase."""

    source: SignerSource

    def open(self, entry: KeyEntry) -> _Seen:
        self.source.look(entry)
        return _Seen(entry.keyid)

    def look(self, entry: KeyEntry) -> bool:
        return self.source.look(entry)

    def public_of(self, name: str, uri: str) -> PublicKey:
        return self.source.public_of(name, uri)
