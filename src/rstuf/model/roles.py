"""Roles as the state knows them: versions, dates and how far each is published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rstuf.model.names import RoleName


class RoleKind(StrEnum):
    """What a role is for."""

    ROOT = "root"
    TARGETS = "targets"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"
    BIN = "bin"
    DELEGATED = "delegated"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is recorded of one metadata file: length in bytes and SHA-256 in hex."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class NewRole:
    """A role that enters the state.

    Attributes:
        name: unique without regard to case, forever.
        kind: what it is for.
        holder: for a bin, the name of the role whose artifacts it shares out; else None.
        index: for a bin, which one it is; else None.
        bin_bits: the role's artifacts are shared out over 2^bin_bits bins; None where it holds them itself.
        retired: the version at which snapshot lists a bin that its holder has no more, or a role that nobody delegates
            to; 0 for one that is in use.
        listed: whether snapshot lists one that is retired; else no publication with it was ever finished.
    """

    name: RoleName
    kind: RoleKind
    holder: RoleName | None = None
    index: int | None = None
    bin_bits: int | None = None
    retired: int = 0
    listed: bool = True


@dataclass(frozen=True, slots=True)
class BinWeight:
    """What a bin would hold: how many artifacts, bytes of their entries, and the number of the newest of them."""

    index: int
    newest: int
    artifacts: int
    payload: int


@dataclass(frozen=True, slots=True)
class Resize:
    """A role's artifacts are about to be shared out over another number of bins.

    Attributes:
        bits: over 2^bits of them.
        number: the change number up to which they were there when it began.
        publication: the one that brings the new bins; None before it is staged.
    """

    bits: int
    number: int
    publication: int | None


@dataclass(frozen=True, slots=True)
class RoleState:
    """One role: what was ever intended for it, and what clients see.

    Attributes:
        id: the state's number for it.
        version: the highest version ever intended, visible or not; the next one is above it.
        visible: the version that the visible snapshot (or timestamp, or root chain) names; 0 before the first.
        number: the change number up to which its artifacts are visible.
        newest: the number of the newest change to its artifacts.
        forced: its next publication must bring a new version of it, whatever else changes.
        shown: the change number up to which clients may have seen its artifacts before that; 0 where it is `number`.
        expires, signed_at, sign_by: of the visible version, UTC; None before the first.
        file: length and hash of the visible version; None before the first.
        artifacts: how many artifacts it holds after the newest change.
        payload: bytes of their entries, with separators.
        retired: it is a bin that its holder shares nothing out to any more; snapshot lists it, and nothing else.
    """

    id: int
    name: RoleName
    kind: RoleKind
    holder: int | None
    index: int | None
    bin_bits: int | None
    version: int
    visible: int
    number: int
    newest: int
    forced: bool
    shown: int
    expires: datetime | None
    signed_at: datetime | None
    sign_by: datetime | None
    file: FileFacts | None
    artifacts: int
    payload: int
    retired: bool = False

    @property
    def dirty(self) -> bool:
        """Whether clients do not see yet what it should hold."""
        return self.forced or self.newest > self.number
