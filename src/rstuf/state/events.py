"""Signing events and rotations of online keys in the state."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from rstuf.clock import from_seconds, to_seconds
from rstuf.errors import StateError
from rstuf.model.events import CollectedSignature, EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName
from rstuf.model.policy import Periods
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.state.rows import Row

_SHOW: Final = "rstuf event list --all shows what became of it"
_EVENT: Final = "SELECT id, kind, phase, opened, closed, actor, expires_seconds, renew_before_seconds FROM event"
_ROTATION: Final = (
    "SELECT id, kind, old, new, overlap_seconds, begun, root_version, rooted, ended FROM rotation "
    "WHERE ended IS NULL ORDER BY id DESC LIMIT 1"
)


def open_event(
    connection: sqlite3.Connection,
    parts: Sequence[EventPart],
    *,
    kind: EventKind,
    periods: Periods | None,
    opened: datetime,
    actor: str,
) -> int:
    """Record an open event; its id.

    Raises:
        StateError: an event of one of its roles is open.
    """
    taken = connection.execute(
        "SELECT part.role FROM event_part AS part JOIN event ON event.id = part.event WHERE phase = 'open' "  # noqa: S608
        f"AND part.role IN ({', '.join('?' * len(parts))})",
        [part.role for part in parts],
    ).fetchone()
    if taken is not None:
        raise StateError(f"a signing event of {taken[0]} is open already", hint="rstuf event list shows it")
    seconds = (None, None) if periods is None else (_seconds(periods.expires), _seconds(periods.renew_before))
    event = connection.execute(
        "INSERT INTO event (kind, phase, opened, actor, expires_seconds, renew_before_seconds) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (kind.value, EventPhase.OPEN.value, to_seconds(opened), actor, *seconds),
    ).lastrowid
    assert event is not None  # noqa: S101 - an INSERT has one
    connection.executemany(
        "INSERT INTO event_part (event, place, role, version, signed, number) VALUES (?, ?, ?, ?, ?, ?)",
        [(event, place, part.role, part.version, part.signed, part.number) for place, part in enumerate(parts)],
    )
    return event


def read_events(connection: sqlite3.Connection, where: str, values: Row = ()) -> Iterator[SigningEvent]:
    """The events that an SQL condition names, oldest first."""
    for row in connection.execute(f"{_EVENT} {where} ORDER BY id", values).fetchall():
        yield _event(connection, row)


def read_brought_versions(connection: sqlite3.Connection) -> dict[RoleName, int]:
    """The version of each role of which the last event that is done brought what was made elsewhere."""
    found = connection.execute(
        "SELECT role, version FROM event_part AS part JOIN event ON event.id = part.event WHERE kind = ? "
        "AND event.id = (SELECT max(other.event) FROM event_part AS other JOIN event AS done ON done.id = other.event "
        "WHERE other.role = part.role AND done.phase = ?)",
        (EventKind.BROUGHT.value, EventPhase.DONE.value),
    )
    return {RoleName(role): version for role, version in found}


def add_signature(connection: sqlite3.Connection, event: int, role: RoleName, signature: CollectedSignature) -> bool:
    """Add a signature to a part of an open event; whether it is new.

    Raises:
        StateError: the event is not open, or has no such part, or that part is whole.
    """
    open_part = connection.execute(
        "SELECT part.file FROM event_part AS part JOIN event ON event.id = part.event "
        "WHERE event.id = ? AND part.role = ? AND phase = 'open'",
        (event, role),
    ).fetchone()
    if open_part is None or open_part[0] is not None:
        raise StateError(f"no signature can join the signing event {event} of {role} any more", hint=_SHOW)
    row = (event, role, signature.keyid, signature.sig, to_seconds(signature.at), signature.actor)
    return (
        connection.execute(
            "INSERT OR IGNORE INTO event_signature (event, role, keyid, sig, at, actor) VALUES (?, ?, ?, ?, ?, ?)", row
        ).rowcount
        == 1
    )


def complete_part(
    connection: sqlite3.Connection, event: int, role: RoleName, file: bytes, *, number: int | None = None
) -> None:
    """Record the file that a part became; the first one stays.

    Raises:
        StateError: the event is not open, or has no such part.
    """
    done = connection.execute(
        "UPDATE event_part SET file = coalesce(file, ?), "
        "number = CASE WHEN file IS NULL THEN coalesce(?, number) ELSE number END "
        "WHERE event = ? AND role = ? AND event IN (SELECT id FROM event WHERE phase = 'open')",
        (file, number, event, role),
    ).rowcount
    if done != 1:
        raise StateError(f"the signing event {event} of {role} is not open", hint=_SHOW)


def close_event(connection: sqlite3.Connection, event: int, phase: EventPhase, *, closed: datetime) -> None:
    """End an open event.

    Raises:
        StateError: it is not open.
    """
    done = connection.execute(
        "UPDATE event SET phase = ?, closed = ? WHERE id = ? AND phase = 'open'",
        (phase.value, to_seconds(closed), event),
    ).rowcount
    if done != 1:
        raise StateError(f"the signing event {event} is not open", hint=_SHOW)


def begin_rotation(
    connection: sqlite3.Connection,
    *,
    kind: RotationKind,
    old: KeyId,
    new: KeyId,
    overlap: timedelta,
    begun: datetime,
) -> None:
    """Record that a rotation begins.

    Raises:
        StateError: another one goes on.
    """
    if read_rotation(connection) is not None:
        raise StateError("the rotation of an online key goes on already", hint="rstuf status shows it")
    connection.execute(
        "INSERT INTO rotation (kind, old, new, overlap_seconds, begun) VALUES (?, ?, ?, ?, ?)",
        (kind.value, old, new, _seconds(overlap), to_seconds(begun)),
    )


def read_rotation(connection: sqlite3.Connection) -> Rotation | None:
    """The rotation that goes on, if one does."""
    row = connection.execute(_ROTATION).fetchone()
    return None if row is None else _rotation(row)


def read_rotated_keys(connection: sqlite3.Connection) -> frozenset[KeyId]:
    """Every key that ever was one of the two of a rotation."""
    return frozenset(
        KeyId(keyid) for (keyid,) in connection.execute("SELECT old FROM rotation UNION SELECT new FROM rotation")
    )


def note_rooted(connection: sqlite3.Connection, rotation: int, *, version: int, at: datetime) -> None:
    """Root `version` names the new key alone."""
    connection.execute(
        "UPDATE rotation SET root_version = ?, rooted = ? WHERE id = ?", (version, to_seconds(at), rotation)
    )


def end_rotation(connection: sqlite3.Connection, rotation: int, *, at: datetime) -> None:
    """It is over, whether it came to its end or was called off."""
    connection.execute("UPDATE rotation SET ended = ? WHERE id = ?", (to_seconds(at), rotation))


def _event(connection: sqlite3.Connection, row: Row) -> SigningEvent:
    event, kind, phase, opened, closed, actor, expires, renew_before = row
    signatures: dict[str, list[CollectedSignature]] = {}
    for role, keyid, sig, at, who in connection.execute(
        "SELECT role, keyid, sig, at, actor FROM event_signature WHERE event = ? ORDER BY at, keyid", (event,)
    ):
        signatures.setdefault(role, []).append(CollectedSignature(KeyId(keyid), sig, from_seconds(at), who))
    parts = [
        EventPart(
            RoleName(role),
            version,
            bytes(signed),
            tuple(signatures.get(role, ())),
            None if file is None else bytes(file),
            number,
        )
        for role, version, signed, file, number in connection.execute(
            "SELECT role, version, signed, file, number FROM event_part WHERE event = ? ORDER BY place", (event,)
        )
    ]
    if not parts:
        raise ValueError(f"the signing event {event} is about nothing")
    periods = None if expires is None else Periods(timedelta(seconds=expires), timedelta(seconds=renew_before))
    return SigningEvent(
        id=event,
        kind=EventKind(kind),
        phase=EventPhase(phase),
        opened=from_seconds(opened),
        closed=None if closed is None else from_seconds(closed),
        actor=actor,
        periods=periods,
        parts=tuple(parts),
    )


def _rotation(row: Row) -> Rotation:
    rotation, kind, old, new, overlap, begun, root_version, rooted, ended = row
    return Rotation(
        id=rotation,
        kind=RotationKind(kind),
        old=KeyId(old),
        new=KeyId(new),
        overlap=timedelta(seconds=overlap),
        begun=from_seconds(begun),
        root_version=root_version,
        rooted=None if rooted is None else from_seconds(rooted),
        ended=None if ended is None else from_seconds(ended),
    )


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
