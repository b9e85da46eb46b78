"""Publications: one atomic change of what clients see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rstuf.model.names import RoleName
from rstuf.model.roles import FileFacts, RoleKind


class PublicationPhase(StrEnum):
    """How far a publication has come. Only `STAGED` and `COMMITTING` are unfinished."""

    STAGED = "staged"
    COMMITTING = "committing"
    DONE = "done"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class PlannedRole:
    """A role's part of a publication: the version it takes and the change number it is rendered at."""

    id: int
    name: RoleName
    kind: RoleKind
    index: int | None
    version: int
    number: int


@dataclass(frozen=True, slots=True)
class SignedRole:
    """A planned role whose file is written: its facts and dates.

    Attributes:
        data: the file's exact bytes, where the role may say who signs others: nothing could render them again.
        delegates: whether it does.
    """

    planned: PlannedRole
    file: FileFacts
    signed_at: datetime
    expires: datetime
    sign_by: datetime
    data: bytes | None = None
    delegates: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication as the state records it.

    Attributes:
        id: grows from 1; never used twice.
        phase: how far it has come.
        number: the newest change number when it began.
        begun: when, UTC.
        committed: when the visible timestamp was replaced, UTC; None before.
        timestamp_version: the version of the timestamp it brings.
        timestamp: the timestamp's exact bytes, from `COMMITTING` on.
    """

    id: int
    phase: PublicationPhase
    number: int
    begun: datetime
    committed: datetime | None
    timestamp_version: int
    timestamp: bytes | None


@dataclass(frozen=True, slots=True)
class RootVersion:
    """A root whose thresholds are met: its exact bytes, and whether its file is known to be on the storage."""

    version: int
    data: bytes
    settled: bool
