"""Signing events: metadata that waits for signatures, with those collected so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName
from rstuf.model.policy import Periods
from rstuf.model.rotation import Rotation, RotationKind


class EventPhase(StrEnum):
    """Where an event stands. At most one event of a role is `OPEN`."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class EventKind(StrEnum):
    """What an event is for, which says what becomes of it once it is signed.

    `CEREMONY`: the first root. `UPDATE`: other keys, thresholds or periods. `RENEWAL`: the same for longer.
    `ROTATION`: another online key, in steps that disturb no client. `REPLACEMENT`: another online key at once, because
    the old one is lost or in the wrong hands. `HANDBACK`: targets that lets the online key that stays sign the bins
    again, where people had let another one and its rotation is called off. `RESIZE`: targets with another number of
    bins. `CONTENTS`: what a role lists. `DELEGATION`: other delegations, with every role that must be signed for them.
    `BROUGHT`: what a role lists, as somebody who may sign it made it elsewhere: it is proposed by nobody here.
    """

    CEREMONY = "ceremony"
    UPDATE = "update"
    RENEWAL = "renewal"
    ROTATION = "rotation"
    REPLACEMENT = "replacement"
    HANDBACK = "handback"
    RESIZE = "resize"
    CONTENTS = "contents"
    DELEGATION = "delegation"
    BROUGHT = "brought"


ROTATING: Final = frozenset({EventKind.ROTATION, EventKind.REPLACEMENT})
"""The kinds of events that belong to a rotation of an online key."""


def rotating_kind(rotation: Rotation) -> EventKind:
    """The kind of events that a rotation waits for."""
    return EventKind.ROTATION if rotation.kind is RotationKind.PLANNED else EventKind.REPLACEMENT


@dataclass(frozen=True, slots=True)
class CollectedSignature:
    """A signature that was verified when it came: when that was (UTC), and who brought it."""

    keyid: KeyId
    sig: str
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class EventPart:
    """What is to be signed of one role.

    Attributes:
        version: the one that its metadata has.
        signed: the `signed` object, compact JSON with sorted keys.
        file: the file's exact bytes, from the moment it was first made whole; then no signature joins any more.
        number: the change number up to which it lists its artifacts; 0 where it lists none.
    """

    role: RoleName
    version: int
    signed: bytes
    signatures: tuple[CollectedSignature, ...] = ()
    file: bytes | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class SigningEvent:
    """Metadata that waits, or waited, for signatures. Its first part is what it is named for.

    Attributes:
        id: grows from 1; never used twice.
        opened, closed: when, UTC; `closed` is None while it is open.
        actor: who opened it.
        periods: what the periods of its first part's role become with it; None where they stay.
    """

    id: int
    kind: EventKind
    phase: EventPhase
    opened: datetime
    closed: datetime | None
    actor: str
    periods: Periods | None
    parts: tuple[EventPart, ...]

    @property
    def role(self) -> RoleName:
        """What it is about."""
        return self.parts[0].role

    @property
    def version(self) -> int:
        """The version of that role that it would bring."""
        return self.parts[0].version

    @property
    def name(self) -> str:
        """What people call it: "root-v4". Only one event of a name is open."""
        return f"{self.role}-v{self.version}"
