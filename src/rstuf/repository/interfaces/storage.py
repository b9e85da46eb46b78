"""Where clients fetch metadata and contents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO, Protocol

from rstuf.model.names import TargetPath


class MetadataBatch(Protocol):
    """New metadata files that become durable together. Nothing has its final name before `commit`."""

    def create(self, name: str, data: bytes) -> None:
        """Take one new file.

        Raises:
            StorageError: it cannot be written.
        """

    def commit(self) -> None:
        """Make all files durable, give them their final names, make the names durable.

        A name that exists with equal bytes is fine.

        Raises:
            NameTaken: a name exists with other bytes.
            StorageError: a write failed, now or earlier; some files may be there, none is torn.
        """


class MetadataStorage(Protocol):
    """Where clients fetch metadata. Names are written once; only `timestamp.json` is replaced.

    Damage can be undone: `restore` puts the recorded bytes of a name back.
    """

    def read(self, name: str, *, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            FileMissing: no such name.
            FileTooLarge: more than `limit` bytes.
            NotAFile: something else has the name.
        """

    def lengths(self, names: Iterable[str]) -> Iterator[int | None]:
        """How many bytes each file has, in their order, without reading any; None where no file has the name.

        Raises:
            StorageError: the storage fails.
        """

    def batch(self) -> AbstractContextManager[MetadataBatch]:
        """New files; leaving the block without `commit` leaves nothing behind."""

    def replace(self, name: str, data: bytes) -> None:
        """Replace a file, atomically and durably: a reader sees the old or the new bytes, never between."""

    def restore(self, name: str, data: bytes) -> None:
        """Put back the bytes that were written under a name before, in the place of whatever stands there now.

        Atomically and durably. Only for bytes that the state has recorded: a name never has two contents.
        """

    def discard(self, names: Iterable[str]) -> None:
        """Let files go, durably on return. A name that nothing has is fine.

        Args:
            names: taken one by one, so that whoever makes them sees how far it is.

        Raises:
            InvalidInput: a name is that of a root, or carries no version: these are never let go.
            NotAFile: something else than a file has a name; those before it are gone.
            StorageError: a file stays; those before it are gone.
        """

    def prepare(self) -> None:
        """Make the place ready and clear what an interrupted batch left. Only under the publication lock."""


def ignored(_amount: int) -> None:
    """Where nobody looks how far something is."""


class Kept(Enum):
    """What a storage has under the names of a content: all of it, too little, or something else."""

    WHOLE = auto()
    MISSING = auto()
    DAMAGED = auto()


@dataclass(frozen=True, slots=True)
class ReceivedContent:
    """What the bytes of a content were while they were read, once.

    Attributes:
        length: their number.
        hashes: their digests in hex.
        kept: what was kept under their names when they had been read.
    """

    length: int
    hashes: Mapping[str, str]
    kept: Kept


class ArtifactBatch(Protocol):
    """Contents that are copied in and become durable together. None has its final name before `commit`."""

    def receive(self, path: TargetPath, source: BinaryIO, on_bytes: Callable[[int], None]) -> ReceivedContent:
        """Copy `source` to its end, hashing the very bytes that are kept; tell `on_bytes` how many at a time.

        Then hold what is kept under their names against the hashes in these names. `WHOLE`: the same is kept already;
        what was received is let go of. `DAMAGED`: something else stands under a name, and `commit` puts what was
        received in its place, atomically.

        Several threads may do this at once. Memory does not grow with the number of contents, nor with their lengths.

        Raises:
            StorageError: they cannot be written, or what is there can be neither read nor replaced.
        """

    def __len__(self) -> int:
        """How many names `commit` will give."""

    def commit(self, on_kept: Callable[[int], None] = ignored) -> None:
        """Make all durable under their hash-prefixed names (TUF §7.2), with what was found to be whole.

        A name is written once: equal content that is there stays. Only what was found to be damaged is replaced, and
        so always by bytes that have the hash in the name.

        Args:
            on_kept: told how many more names are there.

        Raises:
            NameTaken: something else stands under a name by now.
            StorageError: a write failed, now or earlier; no file is torn.
        """


class ArtifactStorage(Protocol):
    """Where clients fetch contents, by hash-prefixed names that are written once."""

    def batch(self, algorithms: tuple[str, ...] = ("sha256",)) -> AbstractContextManager[ArtifactBatch]:
        """New contents; leaving the block without `commit` leaves nothing behind."""

    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> AbstractContextManager[BinaryIO]:
        """A stored content.

        Raises:
            FileMissing: it is not kept here.
        """

    def exists(self, path: TargetPath, hashes: Mapping[str, str]) -> bool:
        """Whether a content is kept here."""

    def prepare(self) -> None:
        """Make the place ready."""


class ServedFault(Enum):
    """What should not be in a directory that is served."""

    PRIVATE = auto()
    """Whoever asks for it gets what is secret."""
    SHARED = auto()
    """Somebody else can change it."""
    LINK = auto()
    """It is a symbolic link, which serves what lies at its end, whatever that will be."""
    UNREADABLE = auto()
    """It is a directory that cannot be looked through."""


@dataclass(frozen=True, slots=True)
class ServedEntry:
    """One thing in a directory that is served.

    Attributes:
        shown: where it is, for messages.
        metadata: its name, where it lies in the place of metadata; else None.
        faults: what is wrong with it.
    """

    shown: str
    metadata: str | None
    faults: tuple[ServedFault, ...]


class ServedPlaces(Protocol):
    """All that a server would serve, where that can be listed. No rule relies on a listing alone."""

    def walk(self) -> Iterator[ServedEntry]:
        """Everything below the places of metadata and contents, in no particular order.

        Raises:
            StorageError: the storage fails.
        """


@dataclass(frozen=True, slots=True)
class AskedName:
    """What came of asking for a name that must never be served.

    Attributes:
        shown: the name, with the place that was asked.
        served: whether it is there.
    """

    shown: str
    served: bool


class ServedSurroundings(Protocol):
    """What lies around metadata that is served elsewhere, where nothing can be listed."""

    def ask(self) -> Iterator[AskedName]:
        """Ask for what is private in a workspace, under the names that it has there.

        Raises:
            StorageError: nobody answers.
        """
