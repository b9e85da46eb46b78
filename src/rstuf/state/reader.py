"""One consistent view of a state database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from rstuf.clock import from_seconds, to_seconds
from rstuf.errors import StateDamaged, StateError
from rstuf.model.artifacts import MAX_INTEGER, SLOT_BITS, ListedArtifact, View
from rstuf.model.audit import AuditEntry
from rstuf.model.events import SigningEvent
from rstuf.model.keys import KeyEntry, KeyId
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, Publication, RootVersion
from rstuf.model.roles import BinWeight, FileFacts, Resize, RoleKind, RoleState
from rstuf.model.rotation import Rotation
from rstuf.model.settings import RepositorySettings
from rstuf.model.superseded import Retention, SupersededFile
from rstuf.repository.interfaces import Totals
from rstuf.state import damage, events, handovers, listing, resizes, rows, superseded
from rstuf.state.rows import Row, Value
from rstuf.state.schema import DIRTY, FEW, UNFINISHED
from rstuf.state.spaces import CHANGED, space_of

_AFTER_SETTINGS = ("role", "root", "key", "audit")
_BY_PLACE = "ORDER BY holder, bin_index, id"
# What the name of a bin begins with: without its number in hex, and the dash before that.
_PREFIX = "substr(name, 1, length(rtrim(name, '0123456789abcdef')) - 1)"


class SqliteReader:
    """`StateReader` over one connection inside one SQL transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._open_connection: sqlite3.Connection | None = connection
        self._where = str(path)
        self._streams = 0

    def end(self) -> bool:
        """The block is left: nothing goes through this view any more. Whether no iterator still holds it open."""
        self._open_connection = None
        return self._streams == 0

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._open_connection is None:
            raise RuntimeError("this view of the state has ended with its block")
        return self._open_connection

    def settings(self) -> RepositorySettings:
        found = self._one(rows.settings, rows.SETTINGS)
        if found is None:
            self.begun()
            raise StateError(f"no ceremony has begun in the state {self._where}", hint="begin one: rstuf ceremony")
        return found

    def begun(self) -> bool:
        execute = self._connection.execute
        if execute("SELECT 1 FROM repository").fetchone() is not None:
            return True
        # Settings come first, and in one transaction with what is below them.
        if any(execute(f"SELECT 1 FROM {table}").fetchone() for table in _AFTER_SETTINGS):  # noqa: S608
            raise StateDamaged(self._where, "its settings are gone, and what follows from them is there")
        return False

    def role(self, name: RoleName) -> RoleState:
        found = self._one(rows.role, f"{rows.ROLE} WHERE name_key = ? AND name = ?", (name.lower(), name))
        if found is None:
            raise KeyError(name)
        return found

    def roles(self, *, kind: RoleKind | None = None) -> Iterator[RoleState]:
        if kind is None:
            return self._stream(rows.role, f"{rows.ROLE} ORDER BY id")
        few = f"AND {FEW}" if kind is not RoleKind.BIN else ""
        return self._stream(rows.role, f"{rows.ROLE} WHERE kind = ? {few} AND NOT retired ORDER BY id", (kind.value,))

    def dirty_roles(self) -> list[RoleState]:
        return list(
            self._stream(rows.role, f"{rows.ROLE} INDEXED BY role_dirty WHERE {DIRTY} AND NOT retired {_BY_PLACE}")
        )

    def due_roles(self, now: datetime) -> list[RoleState]:
        sql = f"{rows.ROLE} INDEXED BY role_due WHERE sign_by <= ? AND NOT retired {_BY_PLACE}"
        return list(self._stream(rows.role, sql, (to_seconds(now),)))

    def overlooked_roles(self, now: datetime) -> list[RoleState]:
        # No index: dates that cannot be are rare, and looking for them is a pass over one row a role.
        latest = "sign_by > expires - coalesce(renew_before_seconds, 0)"
        sql = (
            f"{rows.ROLE} LEFT JOIN periods ON periods.role = CASE kind WHEN 'bin' THEN {_PREFIX} ELSE name END "
            f"WHERE visible > 0 AND (expires IS NULL OR sign_by IS NULL OR expires <= ? OR {latest}) AND NOT retired "
            f"{_BY_PLACE}"
        )
        return list(self._stream(rows.role, sql, (to_seconds(now),)))

    def next_due(self) -> datetime | None:
        return self._one(lambda row: None if row[0] is None else from_seconds(row[0]), "SELECT min(sign_by) FROM role")

    def snapshot_entries(self) -> list[tuple[RoleName, int]]:
        listed = (RoleKind.TARGETS.value, RoleKind.BIN.value, RoleKind.DELEGATED.value)
        sql = "SELECT name, visible FROM role WHERE kind IN (?, ?, ?) AND visible > 0 ORDER BY id"
        return self._connection.execute(sql, listed).fetchall()

    def listed_roles(self) -> int:
        listed = (RoleKind.TARGETS.value, RoleKind.BIN.value, RoleKind.DELEGATED.value)
        sql = "SELECT count(*) FROM role WHERE kind IN (?, ?, ?) AND visible > 0"
        found: tuple[int] = self._connection.execute(sql, listed).fetchone()
        return found[0]

    def contents(self, holder: int, low: int, high: int, *, number: int) -> Iterator[tuple[int, TargetPath, bytes]]:
        # The hottest read. SQLite hands over each version in key order; the last one of a path counts. Doing that
        # here takes half the time of any SQL that does it.
        cursor = self._connection.execute(
            "SELECT slot, path, fragment FROM artifact "
            "WHERE holder = ? AND slot BETWEEN ? AND ? AND number <= ? ORDER BY slot, path, number",
            (space_of(self._connection, holder), low, high, number),
        )
        return self._newest(cursor)

    def coming_contents(
        self, holder: int, low: int, high: int, *, number: int
    ) -> Iterator[tuple[int, TargetPath, bytes]]:
        space = space_of(self._connection, holder)
        where = {"holder": holder, "space": space, "low": low, "high": high, "number": number}
        return self._newest(self._connection.execute(handovers.COMING, where))

    def _newest(self, cursor: sqlite3.Cursor) -> Iterator[tuple[int, TargetPath, bytes]]:
        """The last version of each path, if it is none of nothing."""
        held = cursor.fetchone()
        if held is None:
            return
        self._streams += 1
        try:
            for row in cursor:
                if row[1] != held[1] and held[2]:
                    yield held
                held = row
            if held[2]:
                yield held
        finally:
            self._streams -= 1

    def versions(self, holder: int, low: int, high: int) -> Iterator[tuple[int, TargetPath, int, bytes]]:
        # As hot as `contents`, so rows go out as they come.
        return self._counted(
            self._connection.execute(
                "SELECT slot, path, number, fragment FROM artifact "
                "WHERE holder = ? AND slot BETWEEN ? AND ? ORDER BY slot, path, number",
                (space_of(self._connection, holder), low, high),
            )
        )

    def resize(self, holder: RoleName) -> Resize | None:
        return resizes.read(self._connection, self.role(holder).id)

    def coming_bins(self, holder: RoleName) -> Iterator[RoleState]:
        return self._counted(resizes.coming_bins(self._connection, self.role(holder).id, where=self._where))

    def weigh(self, holder: RoleName, *, bits: int, number: int) -> Iterator[BinWeight]:
        found = self.versions(self.role(holder).id, 0, (1 << SLOT_BITS) - 1)
        return resizes.weigh(found, bits=bits, number=number)

    def artifact(self, path: TargetPath) -> ListedArtifact | None:
        return listing.find(self._connection, path, where=self._where)

    def artifacts(self, *, prefix: str = "", after: str = "", view: View = View.ACCEPTED) -> Iterator[ListedArtifact]:
        found = listing.walk(self._connection, prefix=prefix, after=after, view=view, where=self._where)
        return self._counted(found)

    def keys(self) -> list[KeyEntry]:
        return list(self._stream(rows.key, f"{rows.KEY} ORDER BY name_key"))

    def key(self, keyid: KeyId) -> KeyEntry | None:
        return self._one(rows.key, f"{rows.KEY} WHERE keyid = ?", (keyid,))

    def periods(self) -> Mapping[str, Periods]:
        return dict(self._stream(rows.periods, f"{rows.PERIODS} ORDER BY role"))

    def root(self, version: int) -> RootVersion | None:
        return self._one(rows.root, f"{rows.ROOT} WHERE version = ?", (version,))

    def root_versions(self) -> list[int]:
        return [version for (version,) in self._connection.execute("SELECT version FROM root ORDER BY version")]

    def newest_root(self) -> RootVersion | None:
        return self._one(rows.root, f"{rows.ROOT} ORDER BY version DESC LIMIT 1")

    def delegator(self, name: RoleName, version: int) -> bytes | None:
        return self._one(
            lambda row: bytes(row[0]),
            "SELECT data FROM delegator JOIN role ON role.id = delegator.role "
            "WHERE name_key = ? AND name = ? AND delegator.version = ?",
            (name.lower(), name, version),
        )

    def changed_paths(self, *, after: int) -> Iterator[tuple[RoleName, TargetPath]]:
        return self._counted(self._connection.execute(CHANGED, {"after": after, "bits": SLOT_BITS}))

    def handover_number(self, publication: int) -> int | None:
        return handovers.number_of(self._connection, publication)

    def delegating_roles(self) -> frozenset[RoleName]:
        sql = (
            f"SELECT name FROM role LEFT JOIN delegator ON delegator.role = id AND delegator.version = visible "  # noqa: S608
            f"WHERE kind = ? AND {FEW} AND visible > 0 AND NOT retired AND coalesce(delegates, 1)"
        )
        return frozenset(name for (name,) in self._connection.execute(sql, (RoleKind.DELEGATED.value,)))

    def publications(self) -> Iterator[Publication]:
        return self._stream(rows.publication, f"{rows.PUBLICATION} ORDER BY id")

    def unfinished_publication(self) -> Publication | None:
        return self._one(rows.publication, f"{rows.PUBLICATION} WHERE {UNFINISHED}")

    def last_publication(self) -> Publication | None:
        return self._one(rows.publication, f"{rows.PUBLICATION} WHERE phase = 'done' ORDER BY id DESC LIMIT 1")

    def publication_of_timestamp(self, version: int) -> Publication | None:
        return self._one(rows.publication, f"{rows.PUBLICATION} WHERE timestamp_version = ?", (version,))

    def publication_roles(self, publication: int) -> Iterator[tuple[PlannedRole, FileFacts | None]]:
        sql = f"{rows.PUBLICATION_ROLE} WHERE part.publication = ? ORDER BY part.role"
        return self._stream(rows.publication_role, sql, (publication,))

    def first_expiry(self, publication: int) -> datetime | None:
        sql = "SELECT min(expires) FROM publication_role WHERE publication = ?"
        found = self._connection.execute(sql, (publication,)).fetchone()[0]
        return None if found is None else from_seconds(found)

    def retention(self) -> Retention:
        found = self._one(superseded.retention, superseded.RETENTION)
        if found is None:
            raise StateDamaged(self._where, "it does not say how long superseded files stay")
        return found

    def superseded_files(
        self, retention: Retention, *, now: datetime, limit: int, after: SupersededFile | None = None
    ) -> list[SupersededFile]:
        found = superseded.read(self._connection, retention, now=now, after=after, limit=limit, where=self._where)
        return list(found)

    def count_superseded(self, retention: Retention, *, now: datetime, most: int) -> tuple[int, int]:
        return superseded.count(self._connection, retention, now=now, most=most)

    def noted_files(self) -> int:
        return superseded.total(self._connection)

    def totals(self) -> Totals:
        execute = self._connection.execute
        artifacts = execute("SELECT coalesce(sum(artifacts), 0) FROM role").fetchone()[0]
        pending = execute(f"SELECT count(*) FROM role INDEXED BY role_dirty WHERE {DIRTY}").fetchone()[0]  # noqa: S608
        return Totals(artifacts=artifacts, pending_roles=pending)

    def open_events(self) -> list[SigningEvent]:
        return list(self._events("WHERE phase = 'open'"))

    def events(self) -> Iterator[SigningEvent]:
        return self._counted(self._events(""))

    def event(self, number: int) -> SigningEvent | None:
        return next(iter(self._events("WHERE id = ?", (number,))), None)

    def rotation(self) -> Rotation | None:
        return rows.converted(lambda _: events.read_rotation(self._connection), (), where=self._where)

    def rotated_keys(self) -> frozenset[KeyId]:
        return events.read_rotated_keys(self._connection)

    def brought_versions(self) -> Mapping[RoleName, int]:
        return events.read_brought_versions(self._connection)

    def _events(self, condition: str, values: Row = ()) -> Iterator[SigningEvent]:
        found = rows.converted(
            lambda _: list(events.read_events(self._connection, condition, values)), (), where=self._where
        )
        return iter(found)

    def audit(self, *, after: int = 0) -> Iterator[AuditEntry]:
        return self._stream(rows.audit, f"{rows.AUDIT} WHERE sequence > ? ORDER BY sequence", (after,))

    def damage(self) -> Iterator[str]:
        return self._counted(damage.look(self._connection))

    def newest_number(self) -> int:
        found: tuple[int] | None = self._connection.execute("SELECT value FROM counter").fetchone()
        if found is None:
            raise StateDamaged(self._where, "its counter of changes is gone")
        if type(found[0]) is not int or not 0 <= found[0] <= MAX_INTEGER:
            raise StateDamaged(self._where, f"its counter of changes cannot be at {found[0]}")
        return found[0]

    def _one(self, convert: Callable[[Row], Value], sql: str, values: Row = ()) -> Value | None:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else rows.converted(convert, row, where=self._where)

    def _stream(self, convert: Callable[[Row], Value], sql: str, values: Row = ()) -> Iterator[Value]:
        self._streams += 1
        try:
            for row in self._connection.execute(sql, values):
                yield rows.converted(convert, row, where=self._where)
        finally:
            self._streams -= 1

    def _counted(self, found: Iterator[Value]) -> Iterator[Value]:
        self._streams += 1
        try:
            yield from found
        finally:
            self._streams -= 1
