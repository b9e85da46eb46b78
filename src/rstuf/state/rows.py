"""Rows of the small tables as the engine's values. A row that cannot be one says that the database is damaged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import orjson

from rstuf.clock import from_seconds
from rstuf.errors import InvalidInput, StateDamaged
from rstuf.model.artifacts import SLOT_BITS
from rstuf.model.audit import AuditEntry
from rstuf.model.keys import KeyEntry, Loss, LossReport, PublicKey
from rstuf.model.layout import Layout
from rstuf.model.names import RoleName
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, Publication, PublicationPhase, RootVersion
from rstuf.model.roles import FileFacts, RoleKind, RoleState
from rstuf.model.settings import Phase, RepositorySettings

Row = tuple[Any, ...]
Value = TypeVar("Value")

SETTINGS: Final = "SELECT name, phase, created, plan_digest, newest_evidence, layout FROM repository"
ROLE: Final = (
    "SELECT id, name, kind, holder, bin_index, bin_bits, version, visible, number, newest, forced, shown, "
    "expires, signed_at, sign_by, length, sha256, artifacts, payload, retired FROM role"
)
KEY: Final = "SELECT name, keytype, scheme, public, signer, added, loss, at FROM key LEFT JOIN key_loss USING (keyid)"
PERIODS: Final = "SELECT role, expires_seconds, renew_before_seconds FROM periods"
ROOT: Final = "SELECT version, data, settled FROM root"
PUBLICATION: Final = "SELECT id, phase, number, begun, committed, timestamp_version, timestamp FROM publication"
PUBLICATION_ROLE: Final = (
    "SELECT role.id, role.name, role.kind, role.bin_index, part.version, part.number, part.length, part.sha256 "
    "FROM publication_role AS part JOIN role ON role.id = part.role"
)
AUDIT: Final = "SELECT sequence, at, actor, action, details, previous, digest FROM audit"


def converted(convert: Callable[[Row], Value], row: Row, *, where: str) -> Value:
    """`convert(row)`; `where` is the database's path.

    Raises:
        StateDamaged: the row holds what no such row can.
    """
    try:
        return convert(row)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, InvalidInput) as error:
        raise StateDamaged(where, f"a row holds what it cannot ({type(error).__name__}: {error})") from error


def settings(row: Row) -> RepositorySettings:
    """A row of `SETTINGS`."""
    name, phase, created, plan_digest, newest_evidence, layout = row
    return RepositorySettings(
        name=name,
        phase=Phase(phase),
        created=from_seconds(created),
        plan_digest=plan_digest,
        newest_evidence=from_seconds(newest_evidence),
        layout=Layout(layout),
    )


def role(row: Row) -> RoleState:
    """A row of `ROLE`."""
    (number_of_role, name, kind, holder, index, bin_bits, version, visible, number, newest, forced, shown) = row[:12]
    expires, signed_at, sign_by, length, sha256, artifacts, payload, retired = row[12:]
    if bin_bits is not None and not 0 <= bin_bits <= SLOT_BITS:
        raise ValueError(f"{bin_bits} cannot be the bits of a bin's number")
    if type(version) is not int or type(visible) is not int:
        # Beyond 64 bits SQLite counts in fractions.
        raise ValueError(f"{version} cannot be a version")
    return RoleState(
        id=number_of_role,
        name=RoleName(name),
        kind=RoleKind(kind),
        holder=holder,
        index=index,
        bin_bits=bin_bits,
        version=version,
        visible=visible,
        number=number,
        newest=newest,
        forced=forced > 0,
        shown=shown,
        expires=_instant(expires),
        signed_at=_instant(signed_at),
        sign_by=_instant(sign_by),
        file=None if length is None else FileFacts(length=length, sha256=sha256),
        artifacts=artifacts,
        payload=payload,
        retired=retired > 0,
    )


def key(row: Row) -> KeyEntry:
    """A row of `KEY`."""
    name, keytype, scheme, public, signer, added, loss, at = row
    value = PublicKey(keytype=keytype, scheme=scheme, public=public)
    report = None if loss is None else LossReport(Loss(loss), from_seconds(at))
    return KeyEntry(name=name, key=value, signer=signer, added=from_seconds(added), report=report)


def periods(row: Row) -> tuple[str, Periods]:
    """A row of `PERIODS`."""
    name, expires, renew_before = row
    return name, Periods(expires=timedelta(seconds=expires), renew_before=timedelta(seconds=renew_before))


def root(row: Row) -> RootVersion:
    """A row of `ROOT`."""
    version, data, settled = row
    return RootVersion(version=version, data=bytes(data), settled=settled > 0)


def publication(row: Row) -> Publication:
    """A row of `PUBLICATION`."""
    number_of_publication, phase, number, begun, committed, timestamp_version, timestamp = row
    return Publication(
        id=number_of_publication,
        phase=PublicationPhase(phase),
        number=number,
        begun=from_seconds(begun),
        committed=_instant(committed),
        timestamp_version=timestamp_version,
        timestamp=timestamp,
    )


def publication_role(row: Row) -> tuple[PlannedRole, FileFacts | None]:
    """A row of `PUBLICATION_ROLE`."""
    number_of_role, name, kind, index, version, number, length, sha256 = row
    planned = PlannedRole(
        id=number_of_role, name=RoleName(name), kind=RoleKind(kind), index=index, version=version, number=number
    )
    return planned, None if length is None else FileFacts(length=length, sha256=sha256)


def audit(row: Row) -> AuditEntry:
    """A row of `AUDIT`."""
    sequence, at, actor, action, details, previous, digest = row
    for text in (actor, action, previous, digest):
        if not isinstance(text, str):
            raise TypeError(f"entry {sequence} holds {type(text).__name__} where text is")
    return AuditEntry(
        sequence=sequence,
        at=from_seconds(at),
        actor=actor,
        action=action,
        details=orjson.loads(details),
        previous=previous,
        digest=digest,
    )


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else from_seconds(seconds)
