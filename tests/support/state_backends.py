"""Ways to make, open and reopen a state for the contract suite, and the values its tests put in.

Each adapter has one `StateBackend`; `BACKENDS` names them for fixtures and for `tests.support.state_worker`, which
opens the same state in another process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Protocol

import orjson

from rstuf.model.artifacts import ArtifactRow, ArtifactState, slot_of
from rstuf.model.names import RoleName, TargetPath, target_path
from rstuf.model.publication import PlannedRole, Publication, SignedRole
from rstuf.model.roles import FileFacts, NewRole, RoleKind, RoleState
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.repository.interfaces import StateReader, StateStore, StateTransaction
from rstuf.state.sqlite import SqliteStateStore

NOW = datetime(2026, 11, 20, 16, 0, 0, tzinfo=UTC)
WAIT = timedelta(seconds=20)
DAY = timedelta(days=1)
TARGETS = RoleName("targets")
BINS = [f"bins-{index}" for index in range(4)]
LIMIT = 5_000_000
FULL = (0, 2**32 - 1)
"""The range of all slots."""
NAMES = [f"dist/package-{index}.tar.gz" for index in range(40)]
SETTINGS = RepositorySettings(
    name="Contract Ltd", phase=Phase.CEREMONY, created=NOW, plan_digest="ab" * 32, newest_evidence=NOW
)


class StateBackend(Protocol):
    """One adapter with one place for a state."""

    @property
    def kind(self) -> str:
        """Its name among `BACKENDS`."""

    @property
    def location(self) -> str:
        """Where its state is."""

    def create(self) -> StateStore:
        """A new, empty state."""

    def open(self, *, wait: timedelta = WAIT, purpose: str = "contract") -> StateStore:
        """The same state again, as another process would open it."""


@dataclass(frozen=True, slots=True)
class SqliteBackend:
    """The SQLite adapter; `location` is a directory."""

    location: str
    kind: str = "sqlite"

    @property
    def path(self) -> Path:
        return Path(self.location) / "state.db"

    def create(self) -> StateStore:
        return SqliteStateStore.create(self.path, wait=WAIT, purpose="contract")

    def open(self, *, wait: timedelta = WAIT, purpose: str = "contract") -> StateStore:
        return SqliteStateStore.open(self.path, wait=wait, purpose=purpose)


BACKENDS: dict[str, type[SqliteBackend]] = {"sqlite": SqliteBackend}


def fragment(content: object, *, length: int = 1, custom: object = None) -> bytes:
    """The fragment of an artifact whose sha256 is made of `content`."""
    digest = f"{hash_of(content):064x}"
    said: dict[str, object] = {"hashes": {"sha256": digest}, "length": length}
    if custom is not None:
        said["custom"] = custom
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def hash_of(content: object) -> int:
    """A number that stands for a content."""
    return int.from_bytes(str(content).encode()[:32], "big")


def row(path: str, content: object = 1, **said: int) -> ArtifactRow:
    """A row for `path` in its slot."""
    name = target_path(path)
    return ArtifactRow(slot_of(name), name, fragment(content, **said))


def sorted_rows(rows: Iterable[ArtifactRow]) -> list[ArtifactRow]:
    """Rows as `put_artifacts` wants them."""
    return sorted(rows, key=lambda each: each[:2])


def far_apart(early: str, late: str) -> int:
    """A number that, put into both templates, makes a path of the lowest slots and one of the highest."""
    return next(
        number
        for number in count()
        if slot_of(early.format(number)) < 2**28 and slot_of(late.format(number)) > 15 * 2**28
    )


def new_roles(bits: int | None) -> Iterator[NewRole]:
    """The top-level roles, and the bins of targets if there are any."""
    yield NewRole(RoleName("root"), RoleKind.ROOT)
    yield NewRole(TARGETS, RoleKind.TARGETS, bin_bits=bits)
    yield NewRole(RoleName("snapshot"), RoleKind.SNAPSHOT)
    yield NewRole(RoleName("timestamp"), RoleKind.TIMESTAMP)
    for index in range(0 if bits is None else 1 << bits):
        yield NewRole(RoleName(f"bins-{index:x}"), RoleKind.BIN, holder=TARGETS, index=index)


def begin(store: StateStore, *, bits: int | None = 2) -> None:
    """A repository with its roles."""
    with store.transaction(actor="maria@laptop") as transaction:
        transaction.begin_repository(SETTINGS)
        transaction.add_roles(new_roles(bits))


def put(
    store: StateStore, *rows: ArtifactRow, replace: bool = False, holder: RoleName = TARGETS, limit: int = LIMIT
) -> int:
    """Accept rows in a transaction of their own; the number they got."""
    with store.transaction(actor="maria@laptop") as transaction:
        number = transaction.next_number()
        transaction.put_artifacts(holder, sorted_rows(rows), number=number, replace=replace, role_limit=limit)
    return number


def remove(store: StateStore, *paths: str, holder: RoleName = TARGETS) -> int:
    """Remove artifacts in a transaction of their own; the number they got."""
    with store.transaction(actor="maria@laptop") as transaction:
        number = transaction.next_number()
        transaction.remove_artifacts(holder, [TargetPath(path) for path in paths], number=number)
    return number


def stage(store: StateStore, *names: str, number: int | None = None) -> Publication:
    """A staged publication of roles by name, with snapshot and timestamp; rendered at the newest number."""
    wanted = {*names, "snapshot", "timestamp"}
    with store.transaction(actor="maria@laptop") as transaction:
        newest = transaction.newest_number() if number is None else number
        roles = [(role, newest) for role in transaction.roles() if role.name in wanted]
        return transaction.stage_publication(roles, begun=NOW)


def signed(planned: PlannedRole, *, days: int = 7) -> SignedRole:
    """A planned role as if its file were written."""
    return SignedRole(
        planned=planned,
        file=FileFacts(length=100 + planned.version, sha256=f"{planned.id:064x}"),
        signed_at=NOW,
        expires=NOW + timedelta(days=days),
        sign_by=NOW + timedelta(days=days - 1),
    )


def record_all(transaction: StateTransaction, publication: int) -> None:
    """Facts for every role of a publication."""
    planned = [part for part, _ in transaction.publication_roles(publication)]
    transaction.record_files(publication, [signed(part) for part in planned])


def commit(store: StateStore, publication: int) -> None:
    """From staged to committing."""
    with store.transaction(actor="maria@laptop") as transaction:
        record_all(transaction, publication)
        transaction.commit_publication(publication, timestamp=b"timestamp %d" % publication)


def settle(store: StateStore, publication: int) -> None:
    """From committing to done."""
    with store.transaction(actor="maria@laptop") as transaction:
        transaction.settle_publication(publication, committed=NOW)


def publish(store: StateStore, *names: str, number: int | None = None) -> Publication:
    """A whole publication: of roles by name, or of the dirty ones."""
    if not names:
        with store.read() as reader:
            names = tuple(role.name for role in reader.dirty_roles())
    staged = stage(store, *names, number=number)
    commit(store, staged.id)
    settle(store, staged.id)
    return staged


def role(store: StateStore, name: str) -> RoleState:
    """One role, read on its own."""
    with store.read() as reader:
        return reader.role(RoleName(name))


def bin_name(path: str, *, bits: int = 2) -> str:
    """The bin of targets that holds `path`."""
    return f"bins-{slot_of(path) >> (32 - bits):x}"


def contents(reader: StateReader, *, number: int, name: str = "targets") -> list[ArtifactRow]:
    """Everything a role holds at a number."""
    return [ArtifactRow(*each) for each in reader.contents(reader.role(RoleName(name)).id, *FULL, number=number)]


def states(store: StateStore) -> dict[str, ArtifactState]:
    """The state of each artifact, by path."""
    with store.read() as reader:
        return {listed.artifact.path: listed.state for listed in reader.artifacts()}


def dirty(store: StateStore) -> list[str]:
    """The roles that a publication would take."""
    with store.read() as reader:
        return [each.name for each in reader.dirty_roles()]


def state_of(store: StateStore, path: str) -> ArtifactState | None:
    """The state of one artifact."""
    with store.read() as reader:
        found = reader.artifact(TargetPath(path))
        return None if found is None else found.state
