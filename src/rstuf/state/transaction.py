"""A write to a SQLite state. What is written here is there together once the store's `transaction` block is left."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from rstuf.clock import to_seconds
from rstuf.errors import InvalidKey, InvalidRoleName, StateDamaged, StateError
from rstuf.model.artifacts import SLOT_BITS
from rstuf.model.audit import GENESIS, entry_digest
from rstuf.model.events import CollectedSignature, EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.handover import Handover, Move
from rstuf.model.keys import KeyEntry, KeyId, LossReport
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.model.publication import Publication, SignedRole
from rstuf.model.roles import BinWeight, NewRole, RoleKind, RoleState
from rstuf.model.rotation import RotationKind
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.model.superseded import Retention, SupersededFile
from rstuf.repository.interfaces import PutResult
from rstuf.state import events, handovers, postponing, publications, resizes, rows, superseded
from rstuf.state.artifacts import Additions, Holder, Removals, all_or_nothing
from rstuf.state.reader import SqliteReader
from rstuf.state.spaces import SPACE

if TYPE_CHECKING:
    from sqlite_utils import Database

_LEAVING: Final = (RoleKind.BIN, RoleKind.DELEGATED)


class SqliteTransaction(SqliteReader):
    """`StateTransaction` over the writing connection. A call that raises has written nothing."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, actor: str) -> None:
        """A transaction in which `actor` acts."""
        super().__init__(connection, path)
        self._actor = actor

    @property
    def _database(self) -> Database:
        # For tables that change rarely: whoever only adds and publishes does not pay for the import.
        from sqlite_utils import Database

        return Database(self._connection, recursive_triggers=False, execute_plugins=False)

    def begin_repository(self, settings: RepositorySettings) -> None:
        if self.begun():
            raise StateError(f"a ceremony has begun in the state {self._where} before")
        self._database.table("repository").insert(
            {
                "id": 1,
                "name": settings.name,
                "phase": settings.phase.value,
                "created": to_seconds(settings.created),
                "plan_digest": settings.plan_digest,
                "newest_evidence": to_seconds(settings.newest_evidence),
                "layout": settings.layout.value,
            }
        )

    def set_phase(self, phase: Phase) -> None:
        self.settings()
        self._connection.execute("UPDATE repository SET phase = ?", (phase.value,))

    def note_evidence(self, instant: datetime) -> None:
        self.settings()
        self._connection.execute(
            "UPDATE repository SET newest_evidence = max(newest_evidence, ?)", (to_seconds(instant),)
        )

    def add_roles(self, roles: Iterable[NewRole]) -> None:
        latest: list[NewRole] = []
        with all_or_nothing(self._connection):
            try:
                self._connection.executemany(
                    "INSERT INTO role (name, name_key, kind, holder, bin_index, bin_bits, retired, version, visible) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    self._role_rows(roles, latest),
                )
            except sqlite3.IntegrityError as error:
                raise self._role_refused(latest[-1]) from error

    def _role_rows(self, roles: Iterable[NewRole], latest: list[NewRole]) -> Iterator[rows.Row]:
        holders: dict[RoleName, Holder] = {}
        for role in roles:
            latest[:] = [role]
            holder: Holder | None = None
            if role.holder is not None:
                holder = holders.get(role.holder) or self._holder(role.holder)
                holders[role.holder] = holder
            if (role.kind is RoleKind.BIN) != (
                holder is not None and (role.retired > 0 or _is_place(holder, role.index))
            ):
                raise StateError(f"{role.name} is no bin of a role that shares out its artifacts")
            if role.retired and role.kind not in _LEAVING:
                raise StateError(f"{role.name} is a {role.kind}, which never leaves")
            place = (None if holder is None else holder.id, role.index, role.bin_bits)
            visible = role.retired if role.listed else 0
            yield (role.name, role.name.lower(), role.kind.value, *place, role.retired > 0, role.retired, visible)

    def _role_refused(self, role: NewRole) -> InvalidRoleName | StateError:
        taken = self._connection.execute("SELECT name FROM role WHERE name_key = ?", (role.name.lower(),)).fetchone()
        if taken is None:
            return StateError(f"{role.holder} has a bin {role.index} already, so {role.name} cannot be it")
        return InvalidRoleName(role.name, f"there is a role {taken[0]} already")

    def add_key(self, entry: KeyEntry) -> None:
        found = self._connection.execute(
            "SELECT name, keyid FROM key WHERE keyid = ? OR name_key = ?", (entry.keyid, entry.name.lower())
        ).fetchone()
        if found is not None:
            what = "this key is here already, named" if found[1] == entry.keyid else "another key is named"
            raise InvalidKey(entry.name, f"{what} {found[0]}")
        self._database.table("key").insert(
            {
                "keyid": entry.keyid,
                "name": entry.name,
                "name_key": entry.name.lower(),
                "keytype": entry.key.keytype,
                "scheme": entry.key.scheme,
                "public": entry.key.public,
                "signer": entry.signer,
                "added": to_seconds(entry.added),
            }
        )

    def move_key(self, keyid: KeyId, signer: str | None) -> None:
        moved = self._connection.execute("UPDATE key SET signer = ? WHERE keyid = ?", (signer, keyid)).rowcount
        if moved != 1:
            raise StateError(f"the key {keyid[:16]} is not here", hint="rstuf key list shows those that are")

    def report_key(self, keyid: KeyId, report: LossReport | None) -> None:
        if report is None:
            self._connection.execute("DELETE FROM key_loss WHERE keyid = ?", (keyid,))
            return
        row = {"keyid": keyid, "loss": report.loss.value, "at": to_seconds(report.at)}
        self._database.table("key_loss").upsert(row, pk="keyid")

    def set_periods(self, role: str, periods: Periods) -> None:
        self._database.table("periods").upsert(
            {
                "role": role,
                "expires_seconds": int(periods.expires.total_seconds()),
                "renew_before_seconds": int(periods.renew_before.total_seconds()),
            },
            pk="role",
        )

    def next_number(self) -> int:
        self._connection.execute("UPDATE counter SET value = value + 1")
        return self.newest_number()

    def put_artifacts(
        self,
        holder: RoleName,
        rows: Iterable[tuple[int, TargetPath, bytes]],
        *,
        number: int,
        replace: bool,
        role_limit: int,
    ) -> PutResult:
        with all_or_nothing(self._connection):
            batch = Additions(self._connection, self._holder(holder), number=number, replace=replace)
            return batch.put(rows, role_limit=role_limit)

    def remove_artifacts(self, holder: RoleName, paths: Iterable[TargetPath], *, number: int) -> int:
        with all_or_nothing(self._connection):
            return Removals(self._connection, self._holder(holder), number).remove(paths)

    def postpone(self, holder: RoleName, paths: Iterable[TargetPath], *, number: int) -> int:
        with all_or_nothing(self._connection):
            return postponing.postpone(self._connection, self._holder(holder), paths, number=number)

    def begin_resize(self, holder: RoleName, bits: int, bins: Iterable[NewRole]) -> int:
        number = self.newest_number()
        with all_or_nothing(self._connection):
            resizes.begin(self._connection, self._holder(holder).id, bits, bins, number=number)
        return number

    def enter_bins(self, holder: RoleName, bins: Iterable[NewRole]) -> None:
        with all_or_nothing(self._connection):
            for _ in resizes.enter(self._connection, self._holder(holder).id, bins):
                pass

    def fill_resize(self, holder: RoleName, weights: Iterable[BinWeight]) -> None:
        with all_or_nothing(self._connection):
            resizes.fill(self._connection, self._holder(holder).id, weights)

    def drop_resize(self, holder: RoleName) -> None:
        resizes.drop(self._connection, self._holder(holder).id)

    def begin_handover(self, handover: Handover) -> None:
        with all_or_nothing(self._connection):
            handovers.begin(self._connection, handover, number=self.newest_number())

    def enter_role(self, name: RoleName) -> None:
        with all_or_nothing(self._connection):
            handovers.enter(self._connection, name)

    def add_moves(self, moves: Iterable[Move]) -> None:
        with all_or_nothing(self._connection):
            handovers.add_moves(self._connection, moves)

    def end_handover(self, moves: Iterable[Move]) -> None:
        with all_or_nothing(self._connection):
            handovers.end(self._connection, moves)

    def drop_handover(self) -> None:
        handovers.drop(self._connection)

    def stage_publication(
        self,
        roles: Iterable[tuple[RoleState, int]],
        *,
        begun: datetime,
        reserved: Mapping[int, int] | None = None,
        resized: RoleName | None = None,
        handover: bool = False,
    ) -> Publication:
        with all_or_nothing(self._connection):
            number = self.newest_number()
            staged = publications.stage(self._connection, roles, begun=begun, number=number, reserved=reserved or {})
            if resized is not None:
                resizes.take_along(self._connection, self._holder(resized).id, staged.id)
            if handover:
                handovers.take_along(self._connection, staged.id)
        return staged

    def record_files(self, publication: int, roles: Iterable[SignedRole]) -> None:
        with all_or_nothing(self._connection):
            publications.record_files(self._connection, publication, list(roles))

    def record_delegator(self, name: RoleName, version: int, data: bytes) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO delegator (role, version, data) VALUES (?, ?, ?)",
            (self.role(name).id, version, data),
        )

    def commit_publication(self, publication: int, *, timestamp: bytes) -> None:
        publications.commit(self._connection, publication, timestamp=timestamp)

    def settle_publication(self, publication: int, *, committed: datetime) -> None:
        publications.settle(self._connection, publication, committed=committed)

    def abandon_publication(self, publication: int, *, carried: Iterable[int] = ()) -> None:
        with all_or_nothing(self._connection):
            publications.abandon(self._connection, publication, carried=carried)

    def set_retention(self, retention: Retention) -> None:
        changed = self._connection.execute(
            "UPDATE retention SET publications = ?, days = ?", (retention.publications, retention.days)
        ).rowcount
        if changed != 1:
            raise StateDamaged(self._where, "it does not say how long superseded files stay")

    def note_superseded(self, files: Iterable[tuple[RoleName, int]]) -> None:
        with all_or_nothing(self._connection):
            superseded.note(self._connection, files)

    def forget_superseded(self, files: Iterable[SupersededFile]) -> None:
        with all_or_nothing(self._connection):
            superseded.forget(self._connection, files)

    def force_roles(self, roles: Iterable[int]) -> None:
        ids = [(role,) for role in roles]
        with all_or_nothing(self._connection):
            forced = self._connection.executemany("UPDATE role SET forced = forced + 1 WHERE id = ?", ids).rowcount
            if ids and forced != len(ids):
                raise StateError("a role that is to be forced is not here")

    def burn_versions(self, name: RoleName, count: int) -> None:
        self._connection.execute("UPDATE role SET version = version + ? WHERE id = ?", (count, self.role(name).id))

    def record_root(
        self, version: int, data: bytes, *, signed_at: datetime, expires: datetime, sign_by: datetime
    ) -> None:
        known = self.root(version)
        if known is not None:
            if known.data != data:
                raise StateError(f"root version {version} is recorded with other bytes")
            return
        self._database.table("root").insert({"version": version, "data": data, "settled": 0})
        dates = (to_seconds(signed_at), to_seconds(expires), to_seconds(sign_by))
        facts = (len(data), hashlib.sha256(data).hexdigest())
        self._connection.execute(
            "UPDATE role SET version = ?, visible = ?, signed_at = ?, expires = ?, sign_by = ?, length = ?, "
            "sha256 = ?, forced = 0 WHERE kind = ? AND version <= ?",
            (version, version, *dates, *facts, RoleKind.ROOT.value, version),
        )

    def settle_root(self, version: int) -> None:
        if self._connection.execute("UPDATE root SET settled = 1 WHERE version = ?", (version,)).rowcount != 1:
            raise StateError(f"root version {version} is not recorded")

    def open_event(
        self, parts: Sequence[EventPart], *, kind: EventKind, opened: datetime, periods: Periods | None = None
    ) -> SigningEvent:
        with all_or_nothing(self._connection):
            number = events.open_event(
                self._connection, parts, kind=kind, periods=periods, opened=opened, actor=self._actor
            )
        found = self.event(number)
        if found is None:
            raise StateError(f"the signing event {number} is not here", hint="rstuf event list shows those that are")
        return found

    def add_signature(self, event: int, role: RoleName, *, keyid: KeyId, sig: str, at: datetime) -> bool:
        return events.add_signature(self._connection, event, role, CollectedSignature(keyid, sig, at, self._actor))

    def complete_part(self, event: int, role: RoleName, file: bytes, *, number: int | None = None) -> None:
        events.complete_part(self._connection, event, role, file, number=number)

    def close_event(self, event: int, phase: EventPhase, *, at: datetime) -> None:
        events.close_event(self._connection, event, phase, closed=at)

    def begin_rotation(
        self, *, kind: RotationKind, old: KeyId, new: KeyId, overlap: timedelta, begun: datetime
    ) -> None:
        events.begin_rotation(self._connection, kind=kind, old=old, new=new, overlap=overlap, begun=begun)

    def note_rooted(self, rotation: int, *, version: int, at: datetime) -> None:
        events.note_rooted(self._connection, rotation, version=version, at=at)

    def end_rotation(self, rotation: int, *, at: datetime) -> None:
        events.end_rotation(self._connection, rotation, at=at)

    def record(self, action: str, details: Mapping[str, Any], *, at: datetime) -> None:
        last = self._connection.execute("SELECT sequence, digest FROM audit ORDER BY sequence DESC LIMIT 1").fetchone()
        sequence, previous = (1, GENESIS) if last is None else (last[0] + 1, last[1])
        stored = orjson.dumps(dict(details), option=orjson.OPT_SORT_KEYS)
        # Over what will be read back, so that the chain can be checked from the table alone.
        digest = entry_digest(
            sequence=sequence,
            at=at,
            actor=self._actor,
            action=action,
            details=orjson.loads(stored),
            previous=previous,
        )
        self._connection.execute(
            "INSERT INTO audit (sequence, at, actor, action, details, previous, digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (sequence, to_seconds(at), self._actor, action, stored.decode(), previous, digest),
        )

    def _holder(self, name: RoleName) -> Holder:
        row = self._connection.execute(
            f"SELECT role.id, name, bin_bits, kind, bits, {SPACE} FROM role "  # noqa: S608 - a constant
            "LEFT JOIN resize ON resize.holder = role.id WHERE name_key = ? AND name = ?",
            (name.lower(), name),
        ).fetchone()
        if row is None or row[3] not in {RoleKind.TARGETS, RoleKind.DELEGATED}:
            raise StateError(f"{name} is no role that holds artifacts")
        for bits in (row[2], row[4]):
            if bits is not None and not 0 <= bits <= SLOT_BITS:
                raise StateDamaged(self._where, f"{bits} cannot be the bits of a bin's number")
        return Holder(id=row[0], name=RoleName(row[1]), space=row[5], bin_bits=row[2], coming_bits=row[4])


def _is_place(holder: Holder, index: int | None) -> bool:
    if index is None or holder.bin_bits is None:
        return False
    return 0 <= index < 1 << holder.bin_bits
