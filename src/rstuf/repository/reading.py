"""Files on their way in are read to their ends, in their order; large ones ahead of their turns, on all cores."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Protocol, Self, cast

from rstuf.errors import HashMismatch, Lines
from rstuf.model.artifacts import Artifact, ListedHash
from rstuf.model.names import TargetPath
from rstuf.model.stamps import Stamp
from rstuf.progress import Progress
from rstuf.repository.interfaces import ArtifactBatch, Kept, ReceivedContent, ignored

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_CHUNK: Final = 1 << 18
# Hashing and copying let other threads run, what is done around them does not: small files gain nothing by them.
LARGE: Final = 1 << 17
# How far ahead files are looked at. For each core so many are begun, so that none waits for the next to be handed out.
_AHEAD: Final = 256
_BEGUN: Final = 2
_LOOK_SECONDS: Final = 0.1


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


class Offered(NamedTuple):
    """A file that was read: the artifact that it makes, and what was kept of its content before."""

    source: Source
    artifact: Artifact
    kept: Kept


class Reading:
    """Reads files into a batch. Leaving its block stops what was begun ahead, before the batch is left."""

    def __init__(self, batch: ArtifactBatch, progress: Progress, *, custom: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            progress: told of the bytes that are read, as they are, by the thread that asks for them.
            custom: the publisher's data for each artifact.
        """
        self._batch, self._progress, self._custom = batch, progress, custom
        self._pool: ThreadPoolExecutor | None = None
        self._read: deque[int] = deque()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def each(self, sources: Iterable[Source]) -> Iterator[Offered]:
        """Every file in its turn, read to its end.

        Raises:
            InputMissing, StorageError: one cannot be read, or not be kept.
            HashMismatch: one is not what its listing says.
            SourceChanged: one was changed while it was read.
        """
        cores = _cores()
        remaining = iter(sources)
        coming: deque[tuple[Source, Future[Offered] | None]] = deque()
        begun = 0
        while True:
            while len(coming) < _AHEAD and begun < _BEGUN * cores and (following := next(remaining, None)) is not None:
                future = self._begin(following, cores) if cores > 1 and following.size >= LARGE else None
                begun += future is not None
                coming.append((following, future))
            if not coming:
                return
            source, ahead = coming.popleft()
            if ahead is None:
                yield self._one(source, self._progress.advance)
            else:
                begun -= 1
                yield self._result(ahead)

    def _begin(self, source: Source, cores: int) -> Future[Offered]:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(cores, thread_name_prefix="rstuf-read")
        return self._pool.submit(self._one, source, self._note)

    def _note(self, amount: int) -> None:
        """What a thread has read; it is told to the observer by whoever waits for it."""
        if self._stopped:
            raise _Stopped
        self._read.append(amount)

    def _result(self, ahead: Future[Offered]) -> Offered:
        from concurrent.futures import wait

        while True:
            done = wait([ahead], timeout=_LOOK_SECONDS).done
            for _ in range(len(self._read)):
                self._progress.advance(self._read.popleft())
            if done:
                return ahead.result()

    def _one(self, source: Source, on_bytes: Callable[[int], None]) -> Offered:
        listed = source.listed
        with source.open() as stream:
            if listed is None or listed.algorithm == "sha256":
                content = self._batch.receive(source.path, stream, on_bytes)
                found = content.hashes["sha256"]
            else:
                passed = _Hashed(stream, hashlib.new(listed.algorithm))
                content = self._batch.receive(source.path, cast("BinaryIO", passed), on_bytes)
                found = passed.digest.hexdigest()
        if listed is not None and found != listed.digest:
            place = Lines(listed.source, (listed.line,))
            raise HashMismatch(source.path, algorithm=listed.algorithm, listed=listed.digest, found=found, lines=place)
        artifact = Artifact(path=source.path, length=content.length, hashes=content.hashes, custom=self._custom)
        return Offered(source, artifact, content.kept)


class _Stopped(Exception):
    """Ends a thread whose result nobody waits for any more."""


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
        return ReceivedContent(length, {"sha256": digest.hexdigest()}, Kept.WHOLE)

    def __len__(self) -> int:
        return 0

    def commit(self, on_kept: Callable[[int], None] = ignored) -> None:
        return


def _cores() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
