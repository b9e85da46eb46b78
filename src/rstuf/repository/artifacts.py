"""Artifacts come and go: accepted durably here, visible after the next publication."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Any, BinaryIO, Final, Protocol, cast

from rstuf.errors import ArtifactConflict, ArtifactNotFound, HashMismatch, Lines
from rstuf.metadata.fragments import row_of
from rstuf.metadata.limits import TARGETS_PAYLOAD_BYTES
from rstuf.model.artifacts import Artifact, ArtifactRow, ArtifactState, ListedArtifact, ListedHash
from rstuf.model.names import TARGETS, TargetPath
from rstuf.progress import step
from rstuf.repository.interfaces import ArtifactBatch, Kept, PutResult, ReceivedContent, RowSpool, StateTransaction
from rstuf.repository.ports import Ports
from rstuf.repository.reports import AcceptedChange
from rstuf.repository.visible import refuse_to_accept
from rstuf.repository.warnings import Warnings

_GROUP: Final = 256
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

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Its bytes. Leaving the block raises `SourceChanged` where it was changed meanwhile."""


class Conflict(Enum):
    """What becomes of a known path that is offered with another content."""

    REFUSE = auto()
    REPLACE = auto()


class _Rehearsed(Exception):
    """Ends a transaction that was never meant to stay."""


@dataclass(slots=True)
class _Intake:
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
                known = _staying(reader.artifact(offered.path))
                artifact = _with_what_is_recorded(known, offered, self.conflict)
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

    def rehearse(self) -> None:
        """Have the state refuse what it must (twins, limits) before any content is kept, and record nothing."""
        ports = self.ports
        if len(self.spool) == 0:
            return
        with (
            step(ports.progress, "comparing", total=len(self.spool), unit="artifacts"),
            suppress(_Rehearsed),
            ports.state.transaction(actor=ports.actor) as state,
        ):
            self._put(state, self.spool.look_through(), number=state.next_number())
            raise _Rehearsed

    def _put(self, state: StateTransaction, rows: Iterable[_Row], *, number: int) -> PutResult:
        return state.put_artifacts(
            TARGETS,
            _counted(rows, self.ports),
            number=number,
            replace=self.conflict is Conflict.REPLACE,
            role_limit=TARGETS_PAYLOAD_BYTES,
        )

    def accept(self, action: str) -> AcceptedChange:
        """Record everything that was taken, in one transaction."""
        ports = self.ports
        if len(self.spool) == 0:
            return AcceptedChange(number=0)
        with (
            step(ports.progress, "recording", total=len(self.spool), unit="artifacts"),
            ports.state.transaction(actor=ports.actor) as state,
        ):
            number = state.next_number()
            result = self._put(state, self.spool, number=number)
            changed = result.added + result.replaced > 0
            if changed:
                details = {"added": result.added, "number": number, "replaced": result.replaced}
                state.record(action, details, at=ports.clock.now())
            if self.restored:
                state.record("artifacts.restore", {"restored": len(self.restored)}, at=ports.clock.now())
        return AcceptedChange(
            number=number if changed else 0,
            added=result.added,
            replaced=result.replaced,
            unchanged=result.unchanged,
            repeated=result.repeated,
            restored=len(self.restored),
            length=self.length,
            warnings=tuple(self.warnings.told),
            more_warnings=self.warnings.more,
        )


def add_files(
    ports: Ports,
    sources: Sequence[Source],
    *,
    conflict: Conflict = Conflict.REFUSE,
    custom: Mapping[str, Any] | None = None,
) -> AcceptedChange:
    """Accept files: hashed, their contents copied where this repository keeps contents, and recorded; all or nothing.

    Where the copy of a content that is known already is missing or damaged, it is put back.

    Args:
        custom: the publisher's data for each of them; None leaves what is recorded beside the same content.

    Raises:
        InvalidPath, InvalidArtifact, ArtifactConflict, PathTwin, LimitExceeded: one is refused; nothing was taken.
        HashMismatch: one is not what its listing says; nothing was taken.
        SourceChanged: one was changed while it was read; nothing was taken.
        StateBehind, ForeignMetadata: it could not be published from here; nothing was taken.
        StorageError: contents could not be stored.
    """
    with ports.state.read() as reader:
        reader.settings()
    refuse_to_accept(ports)
    if ports.artifacts is not None:
        # What an interrupted command left half-copied goes first.
        ports.artifacts.prepare()
    keeping: AbstractContextManager[ArtifactBatch] = nullcontext(_HashOnly())
    if ports.artifacts is not None:
        keeping = ports.artifacts.batch()
    with ports.state.spool() as spool, keeping as batch:
        intake = _Intake(ports, spool, conflict)
        total = sum(source.size for source in sources)
        with step(ports.progress, "hashing", total=total, unit="bytes"):
            for start in range(0, len(sources), _GROUP):
                group = [_receive(ports, batch, each, custom) for each in sources[start : start + _GROUP]]
                intake.take(group, batch)
        if ports.artifacts is not None:
            intake.rehearse()
        # Contents are durable before the state says that they are here.
        batch.commit()
        return intake.accept("artifacts.add")


def add_artifacts(
    ports: Ports, rows: Iterable[ArtifactRow], *, conflict: Conflict = Conflict.REFUSE, action: str = "artifacts.add"
) -> AcceptedChange:
    """Accept artifacts by what is known of them, streaming; all or nothing. Contents are served from elsewhere.

    Raises:
        InvalidInput: one of `rows` cannot be read; nothing was taken.
        ArtifactConflict, PathTwin, LimitExceeded: one is refused; nothing was taken.
        StateBehind, ForeignMetadata: it could not be published from here; nothing was taken.
    """
    with ports.state.read() as reader:
        reader.settings()
    refuse_to_accept(ports)
    with ports.state.spool() as spool:
        intake = _Intake(ports, spool, conflict)
        with step(ports.progress, "reading", unit="artifacts"):
            remaining = intake.warnings.over(rows)
            while taken := spool.extend(islice(remaining, _TOGETHER)):
                ports.progress.advance(taken)
        return intake.accept(action)


def add_described(ports: Ports, artifact: Artifact, *, conflict: Conflict = Conflict.REFUSE) -> AcceptedChange:
    """Accept one artifact by what is known of it; what it does not say stays as it is recorded beside the same content.

    Raises:
        ArtifactConflict, PathTwin, LimitExceeded: it is refused; nothing was taken.
    """
    with ports.state.read() as reader:
        known = _staying(reader.artifact(artifact.path))
    row = row_of(_with_what_is_recorded(known, artifact, conflict))
    return add_artifacts(ports, [row], conflict=conflict)


def remove_artifacts(ports: Ports, paths: Iterable[TargetPath]) -> AcceptedChange:
    """Accept removals; all or nothing. Contents stay where clients of older metadata look for them.

    A removal that was accepted and is not visible yet is no change, so an interrupted command can be run again.

    Raises:
        ArtifactNotFound: one is not here; nothing was removed.
        StateBehind, ForeignMetadata: it could not be published from here; nothing was removed.
    """
    distinct = sorted(set(paths))
    refuse_to_accept(ports)
    with ports.state.transaction(actor=ports.actor) as state:
        wanted = []
        for path in distinct:
            known = state.artifact(path)
            if known is None:
                raise ArtifactNotFound(path)
            if known.state is not ArtifactState.REMOVING:
                wanted.append(path)
        before = len(distinct) - len(wanted)
        if not wanted:
            return AcceptedChange(number=0, unchanged=before)
        number = state.next_number()
        removed = state.remove_artifacts(TARGETS, wanted, number=number)
        state.record("artifacts.remove", {"number": number, "removed": removed}, at=ports.clock.now())
    return AcceptedChange(number=number, removed=removed, unchanged=before)


def _receive(ports: Ports, batch: ArtifactBatch, source: Source, custom: Mapping[str, Any] | None) -> Artifact:
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


def _staying(known: ListedArtifact | None) -> Artifact | None:
    return known.artifact if known is not None and known.state is not ArtifactState.REMOVING else None


def _with_what_is_recorded(known: Artifact | None, offered: Artifact, conflict: Conflict) -> Artifact:
    """What is offered; of the content that is known, with what was said of it before and is not now.

    That is its custom data; and further hashes, unless replacing is meant: they may be what has to be replaced.
    """
    if known is None or known.length != offered.length or not known.hashes.items() >= offered.hashes.items():
        return offered
    return Artifact(
        path=offered.path,
        length=offered.length,
        hashes=known.hashes if conflict is Conflict.REFUSE else offered.hashes,
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
class _HashOnly:
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

    def commit(self) -> None:
        return


def _counted(rows: Iterable[_Row], ports: Ports) -> Iterator[_Row]:
    remaining = iter(rows)
    while some := list(islice(remaining, _TOGETHER)):
        yield from some
        ports.progress.advance(len(some))
