"""Artifacts on their way in: read, held against what is known of them, and recorded, all or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Any, BinaryIO, Final, Protocol, cast

from rstuf.errors import ArtifactConflict, HashMismatch, Lines
from rstuf.metadata.fragments import row_of
from rstuf.metadata.limits import TARGETS_PAYLOAD_BYTES
from rstuf.model.artifacts import Artifact, ArtifactRow, ArtifactState, ListedArtifact, ListedHash
from rstuf.model.names import TARGETS, TargetPath
from rstuf.model.stamps import Stamp
from rstuf.progress import step
from rstuf.repository.interfaces import (
    ArtifactBatch,
    Kept,
    PutResult,
    ReceivedContent,
    RowSpool,
    StateTransaction,
    ignored,
)
from rstuf.repository.ports import Ports
from rstuf.repository.reports import AcceptedChange
from rstuf.repository.warnings import Warnings

_CHUNK: Final = 1 << 18
_TOGETHER: Final = 1000

_Row = tuple[int, TargetPath, bytes]


class Source(Protocol):
    """A file on its way in."""

    @property
    def path(self) -> TargetPath:
        """The artifact path it will have."""

    @property
    def size(self) -> int:
        """Bytes it had when it was found, for progress."""

    @property
    def listed(self) -> ListedHash | None:
        """What it must hash to, where a listing says so."""

    @property
    def stamp(self) -> Stamp | None:
        """What it was known by when it was found, where that was looked at."""

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Its bytes. Leaving the block raises `SourceChanged` where it was changed meanwhile."""


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
    counted: set[TargetPath] = field(default_factory=set)
    restored: set[TargetPath] = field(default_factory=set)
    warnings: Warnings = field(default_factory=Warnings)

    def take(self, artifacts: Iterable[Artifact], batch: ArtifactBatch) -> None:
        """Queue artifacts whose contents were received; refuse another content before any content is kept.

        What is kept of a content must be whole, whatever the record says: what is not is mended by `batch.commit`.
        """
        with self.ports.state.read() as reader:
            for offered in artifacts:
                known = staying(reader.artifact(offered.path))
                artifact = with_what_is_recorded(known, offered, self.conflict)
                row = row_of(artifact)
                same = known is not None and row_of(known).fragment == row.fragment
                if known is not None and not same:
                    self._refuse_other(known, artifact)
                kept = batch.reconcile(artifact.path)
                if kept is Kept.DAMAGED or (same and kept is Kept.MISSING):
                    self.restored.add(artifact.path)
                if not same and artifact.path not in self.counted:
                    self.counted.add(artifact.path)
                    self.length += artifact.length
                self.queue(row)

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
        return state.put_artifacts(
            TARGETS,
            _counted(rows, self.ports),
            number=number,
            replace=self.conflict is not Conflict.REFUSE,
            role_limit=TARGETS_PAYLOAD_BYTES,
        )

    def _remove(self, state: StateTransaction, gone: Iterable[TargetPath], *, number: int) -> int:
        here = [path for path in gone if staying(state.artifact(path)) is not None]
        return state.remove_artifacts(TARGETS, here, number=number) if here else 0

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
            changed = result.added + result.replaced + removed > 0
            if changed:
                details = {"added": result.added, "number": number, "replaced": result.replaced}
                state.record(action, details | ({"removed": removed} if removed else {}), at=ports.clock.now())
            if self.restored:
                state.record("artifacts.restore", {"restored": len(self.restored)}, at=ports.clock.now())
        return AcceptedChange(
            number=number if changed else 0,
            added=result.added,
            replaced=result.replaced,
            unchanged=result.unchanged,
            repeated=result.repeated,
            removed=removed,
            restored=len(self.restored),
            length=self.length,
            warnings=tuple(self.warnings.told),
            more_warnings=self.warnings.more,
        )


def receive(ports: Ports, batch: ArtifactBatch, source: Source, custom: Mapping[str, Any] | None) -> Artifact:
    """Read one file to its end, kept by `batch` where that keeps contents.

    Raises:
        HashMismatch: it is not what its listing says.
        SourceChanged: it was changed while it was read.
    """
    listed = source.listed
    with source.open() as stream:
        if listed is None or listed.algorithm == "sha256":
            content = batch.receive(source.path, stream, ports.progress.advance)
            found = content.hashes["sha256"]
        else:
            passed = _Hashed(stream, hashlib.new(listed.algorithm))
            content = batch.receive(source.path, cast("BinaryIO", passed), ports.progress.advance)
            found = passed.digest.hexdigest()
    if listed is not None and found != listed.digest:
        place = Lines(listed.source, (listed.line,))
        raise HashMismatch(source.path, algorithm=listed.algorithm, listed=listed.digest, found=found, lines=place)
    return Artifact(path=source.path, length=content.length, hashes=content.hashes, custom=custom)


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


@dataclass(slots=True)
class _Hashed:
    """Bytes on their way to a batch, which does nothing but read them, hashed in a way that the batch does not know."""

    stream: BinaryIO
    digest: hashlib._Hash

    def read(self, size: int = -1, /) -> bytes:
        chunk = self.stream.read(size)
        self.digest.update(chunk)
        return chunk


@dataclass(slots=True)
class HashOnly:
    """Where contents are served from elsewhere: they are hashed and left where they are."""

    def receive(self, path: TargetPath, source: BinaryIO, on_bytes: Callable[[int], None]) -> ReceivedContent:
        digest, length = hashlib.sha256(), 0
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            length += len(chunk)
            on_bytes(len(chunk))
        return ReceivedContent(length=length, hashes={"sha256": digest.hexdigest()})

    def discard(self, path: TargetPath) -> None:
        return

    def reconcile(self, path: TargetPath) -> Kept:
        return Kept.WHOLE

    def __len__(self) -> int:
        return 0

    def commit(self, on_kept: Callable[[int], None] = ignored) -> None:
        return


def _counted(rows: Iterable[_Row], ports: Ports) -> Iterator[_Row]:
    remaining = iter(rows)
    while some := list(islice(remaining, _TOGETHER)):
        yield from some
        ports.progress.advance(len(some))
