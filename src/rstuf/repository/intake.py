"""Artifacts on their way in: read, held against what is known of them, and recorded, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Final, Protocol

from rstuf.errors import ArtifactConflict
from rstuf.metadata.fragments import row_of
from rstuf.metadata.limits import TARGETS_PAYLOAD_BYTES
from rstuf.model.artifacts import Artifact, ArtifactRow, ArtifactState, ListedArtifact
from rstuf.model.names import RoleName, TargetPath
from rstuf.progress import step
from rstuf.repository.interfaces import Kept, PutResult, RowSpool, StateTransaction
from rstuf.repository.ports import Ports
from rstuf.repository.reading import Offered, Source
from rstuf.repository.reports import AcceptedChange
from rstuf.repository.routing import router_of, shared_out
from rstuf.repository.warnings import Warnings

_TOGETHER: Final = 1000
NAMED: Final = 10
"""So many artifacts that a change removed are named in the log: nothing else remembers them."""

_Row = tuple[int, TargetPath, bytes]


class Paths(Protocol):
    """Any number of paths, to be gone through more than once."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[TargetPath]:
        """Each of them."""


class Conflict(Enum):
    """What becomes of a known path that is offered with another content."""

    REFUSE = auto()
    REPLACE = auto()
    UPDATE = auto()
    """It replaces what is here. Of the same content all that is recorded stays, further hashes too."""


class _Rehearsed(Exception):
    """Ends a transaction that was never meant to stay."""


@dataclass(slots=True)
class Intake:
    """One batch of artifacts on its way in."""

    ports: Ports
    spool: RowSpool
    conflict: Conflict
    length: int = 0
    restored: int = 0
    warnings: Warnings = field(default_factory=Warnings)
    roles: set[RoleName] = field(default_factory=set)
    unseen: set[RoleName] = field(default_factory=set)
    _looked: bool = False
    # Only a listing may name a file twice, and it is in memory anyway.
    _listed: set[TargetPath] = field(default_factory=set)

    def take(self, offers: Iterable[Offered]) -> None:
        """Queue artifacts whose contents were received; refuse another content before any content is kept.

        What is kept of a content must be whole, whatever the record says: what is not is mended by `batch.commit`.
        """
        self._looked = True
        with self.ports.state.read() as reader:
            for source, offered, kept in offers:
                here = reader.artifact(offered.path)
                known = staying(here)
                artifact = with_what_is_recorded(known, offered, self.conflict)
                row = row_of(artifact)
                same = known is not None and row_of(known).fragment == row.fragment
                if known is not None and not same:
                    self._refuse_other(known, artifact)
                if same:
                    self.find_again(here)
                if self._is_first(source):
                    self.restored += kept is Kept.DAMAGED or (same and kept is Kept.MISSING)
                    self.length += 0 if same else artifact.length
                self.queue(row)

    def find_again(self, here: ListedArtifact | None) -> None:
        """Note of an artifact that stays as it is whether clients see it."""
        if here is not None and here.state is not ArtifactState.PUBLISHED:
            self.unseen.add(RoleName(here.role))

    def _is_first(self, source: Source) -> bool:
        if source.listed is None:
            return True
        first = source.path not in self._listed
        self._listed.add(source.path)
        return first

    def queue(self, row: ArtifactRow) -> None:
        """Queue an artifact."""
        self.warnings.look(row.path)
        self.spool.append(row)

    def _refuse_other(self, known: Artifact, offered: Artifact) -> None:
        if self.conflict is Conflict.REFUSE:
            signed, other = describe(known), describe(offered)
            if signed == other:
                other += " with other custom data or hashes"
            raise ArtifactConflict(known.path, signed=signed, offered=other)

    def rehearse(self, *, gone: Paths = ()) -> None:
        """Have the state refuse what it must (twins, limits) before any content is kept, and record nothing.

        Args:
            gone: see `accept`.
        """
        ports = self.ports
        if len(self.spool) == 0 and not gone:
            return
        with (
            step(ports.progress, "comparing", total=len(self.spool), unit="artifacts"),
            suppress(_Rehearsed),
            ports.state.transaction(actor=ports.actor) as state,
        ):
            number = state.next_number()
            self._remove(state, gone, number=number)
            self._put(state, self.spool.look_through(), number=number)
            raise _Rehearsed

    def _put(self, state: StateTransaction, rows: Iterable[_Row], *, number: int) -> PutResult:
        """Each to the role that has to list it."""
        total = PutResult(added=0, replaced=0, unchanged=0, repeated=0)
        with ExitStack() as stack:
            router = router_of(self.ports, state)
            for holder, some in shared_out(self.ports, router, _counted(rows, self.ports), stack):
                result = state.put_artifacts(
                    holder,
                    some,
                    number=number,
                    replace=self.conflict is not Conflict.REFUSE,
                    role_limit=TARGETS_PAYLOAD_BYTES,
                )
                if result.added or result.replaced:
                    self.roles.add(holder)
                if result.unchanged and not self._looked:
                    # Nobody looked at each of them: some may wait.
                    self.unseen.add(holder)
                total += result
        return total

    def _remove(self, state: StateTransaction, gone: Iterable[TargetPath], *, number: int) -> list[TargetPath]:
        here = [path for path in gone if staying(state.artifact(path)) is not None]
        self.roles |= remove_from_roles(self.ports, state, here, number=number)
        return here

    def accept(self, action: str, *, gone: Paths = ()) -> AcceptedChange:
        """Record everything that was taken, in one transaction.

        Args:
            gone: what is removed with it, and before: another path that differs in case alone may be its successor.
        """
        ports = self.ports
        if len(self.spool) == 0 and not gone:
            return AcceptedChange(number=0)
        with (
            step(ports.progress, "recording", total=len(self.spool), unit="artifacts"),
            ports.state.transaction(actor=ports.actor) as state,
        ):
            number = state.next_number()
            removed = self._remove(state, gone, number=number)
            result = self._put(state, self.spool, number=number)
            changed = result.added + result.replaced + len(removed) > 0
            if changed:
                details = {"added": result.added, "number": number, "replaced": result.replaced}
                lost = {"paths": removed[:NAMED], "removed": len(removed)} if removed else {}
                state.record(action, details | lost, at=ports.clock.now())
            if self.restored:
                state.record("artifacts.restore", {"restored": self.restored}, at=ports.clock.now())
        return AcceptedChange(
            number=number if changed else 0,
            added=result.added,
            replaced=result.replaced,
            unchanged=result.unchanged,
            repeated=result.repeated,
            removed=len(removed),
            restored=self.restored,
            length=self.length,
            warnings=tuple(self.warnings.told),
            more_warnings=self.warnings.more,
            roles=frozenset(self.roles),
            unseen=frozenset(self.unseen),
        )


def remove_from_roles(
    ports: Ports, state: StateTransaction, paths: Sequence[TargetPath], *, number: int
) -> set[RoleName]:
    """Remove artifacts that are here from the roles that hold them; these."""
    router, by_holder = router_of(ports, state), dict[RoleName, list[TargetPath]]()
    for path in paths:
        by_holder.setdefault(router.holder(path), []).append(path)
    for holder, some in by_holder.items():
        state.remove_artifacts(holder, some, number=number)
    return {*by_holder}


def staying(known: ListedArtifact | None) -> Artifact | None:
    """What is here and not about to go."""
    return known.artifact if known is not None and known.state is not ArtifactState.REMOVING else None


def with_what_is_recorded(known: Artifact | None, offered: Artifact, conflict: Conflict) -> Artifact:
    """What is offered; of the content that is known, with what was said of it before and is not now.

    That is its custom data; and further hashes, unless replacing is meant: they may be what has to be replaced.
    """
    if known is None or known.length != offered.length or not known.hashes.items() >= offered.hashes.items():
        return offered
    return Artifact(
        path=offered.path,
        length=offered.length,
        hashes=offered.hashes if conflict is Conflict.REPLACE else known.hashes,
        custom=known.custom if offered.custom is None else offered.custom,
    )


def describe(artifact: Artifact) -> str:
    """A content in a few words: its first hash, shortened, and its length."""
    algorithm, digest = next(iter(artifact.hashes.items()))
    return f"{algorithm} {digest[:8]}…{digest[-4:]}, {artifact.length} B"


def _counted(rows: Iterable[_Row], ports: Ports) -> Iterator[_Row]:
    remaining = iter(rows)
    while some := list(islice(remaining, _TOGETHER)):
        yield from some
        ports.progress.advance(len(some))
