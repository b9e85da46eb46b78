"""Downloading one content: it goes on where it stopped, and has its name only when every byte is what was signed."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from rstuf.client.destination import Destination, Part, held_part, opened_existing, refuse_special
from rstuf.client.offers import Offer
from rstuf.client.places import ContentSource
from rstuf.durable import How, storage_error
from rstuf.errors import ContentRefused, DestinationTaken, StorageError, shorten
from rstuf.locks import OnWait
from rstuf.progress import Progress, Silent, step
from rstuf.storage.contents import Digest

# How often a connection that broke is taken up again, as long as each brings something.
TRIES: Final = 4
_CHUNK: Final = 1 << 18


class DownloadState(StrEnum):
    """What became of a download: fetched, or it was there already and was verified."""

    DOWNLOADED = "downloaded"
    PRESENT = "present"


class Existing(Enum):
    """What becomes of another file that has the name of a download: it stays, and is an error, or it is replaced."""

    KEEP = "keep"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is what was signed.

    Attributes:
        file: where it is.
        resumed_from: how many bytes of it an earlier download had left; 0 for none.
    """

    offer: Offer
    file: Path
    state: DownloadState
    resumed_from: int = 0


def save(
    offer: Offer,
    source: ContentSource,
    destination: Destination,
    *,
    existing: Existing,
    progress: Progress,
    wait: timedelta,
    on_wait: OnWait | None,
) -> Download:
    """Download to a file; see `Client.save`."""
    file, shown = destination.file, str(destination.part)
    with destination.entered() as directory:
        if _is_done(offer, directory, destination, existing=existing, progress=progress):
            return Download(offer, file, DownloadState.PRESENT)
        with held_part(directory, destination.name, shown=shown, wait=wait, on_wait=on_wait) as part:
            # Whoever held it before may have finished it.
            if _is_done(offer, directory, destination, existing=existing, progress=progress):
                return Download(offer, file, DownloadState.PRESENT)
            filling = _Filling(offer, source, part, progress)
            filling.fill()
            how = How.REPLACE if existing is Existing.REPLACE else How.CREATE
            try:
                part.finish(destination.name, directory=directory, how=how)
            except FileExistsError:
                raise DestinationTaken(str(file), offer.path) from None
    return Download(offer, file, DownloadState.DOWNLOADED, filling.resumed_from)


def spool(offer: Offer, source: ContentSource, *, progress: Progress) -> BinaryIO:
    """Download to a file without a name; see `Client.spool`."""
    place = os.path.join(tempfile.gettempdir(), "a temporary file")  # noqa: PTH118  (no path: words for messages)
    try:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (its reader closes it)
    except OSError as error:
        raise storage_error("write", place, error) from error
    try:
        _Filling(offer, source, Part(file.fileno(), shown=place), progress).fill()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _is_done(offer: Offer, directory: int, destination: Destination, *, existing: Existing, progress: Progress) -> bool:
    """Whether the file is there, as it is signed.

    Raises:
        DestinationTaken: to be created, and another is there.
        StorageError: what is there is nothing to be replaced.
    """
    shown = str(destination.file)
    with opened_existing(directory, destination.name, shown=shown) as found:
        if found is None:
            return False
        if found >= 0 and os.fstat(found).st_size == offer.length:
            there = Part(found, shown=shown)
            with step(progress, "checking what is here", total=offer.length, unit="bytes"):
                if _agrees(offer, _hashed(offer, there.chunks(), progress)[0]):
                    return True
        if found < 0:
            refuse_special(directory, destination.name, shown=shown)
        if existing is Existing.REPLACE and found < 0 and destination.file.is_dir():
            raise storage_error("write", shown, IsADirectoryError(errno.EISDIR, "is a directory"))
    if existing is Existing.KEEP:
        raise DestinationTaken(shown, offer.path)
    return False


class _Room(Protocol):
    """Where the bytes go: a `Part`."""

    def size(self) -> int: ...
    def chunks(self) -> Iterator[bytes]: ...
    def empty(self) -> None: ...
    def write(self, data: bytes) -> None: ...


class _Filling:
    """One content on its way into a part."""

    def __init__(self, offer: Offer, source: ContentSource, part: _Room, progress: Progress) -> None:
        self._offer, self._source, self._part, self._progress = offer, source, part, progress
        self._digests: Mapping[str, Digest] = {}
        self._have = 0
        self._pieced = False
        self.resumed_from = 0

    def fill(self) -> None:
        """Fetch what is missing, and see that the whole is what was signed.

        Raises:
            ContentRefused: it is not; the part is empty then.
            StorageError: it could not be fetched or written; the part has what came.
        """
        self._take_up()
        self._fetch()
        if _agrees(self._offer, self._digests):
            return
        self._begin_again()
        if self._pieced:
            # What was there before may have been another content: the server gets one chance with all of it.
            self._pieced = False
            self._fetch()
            if _agrees(self._offer, self._digests):
                return
            self._begin_again()
        raise ContentRefused(self._offer.path, f"{_names(self._offer)} of its {self._offer.length} bytes differs")

    def _take_up(self) -> None:
        """Hash what an earlier download left."""
        size = self._part.size()
        if size > self._offer.length:
            self._part.empty()
            size = 0
        self._pieced = size > 0
        progress = self._progress if size else Silent()
        with step(progress, "checking what is here", total=size, unit="bytes"):
            self._digests, self._have = _hashed(self._offer, self._part.chunks(), progress)
        self.resumed_from = self._have

    def _begin_again(self) -> None:
        self._part.empty()
        self._digests, self._have, self.resumed_from = self._offer.digests(), 0, 0

    def _fetch(self) -> None:
        missing = self._offer.length - self._have
        if not missing:
            return
        with step(self._progress, "downloading", total=missing, unit="bytes"):
            for remaining in range(TRIES - 1, -1, -1):
                before = self._have
                try:
                    self._fetch_piece()
                except _Broken as broken:
                    # Without progress the next try would bring no more.
                    if not remaining or self._have == before:
                        raise broken.error from broken
                    self._pieced = True
                    continue
                return

    def _fetch_piece(self) -> None:
        """From where we are to the end.

        Raises:
            _Broken: the connection ended before that.
        """
        offer = self._offer
        with self._source.open_piece(offer.stored, start=self._have, total=offer.length) as piece:
            if piece.length is not None and piece.start + piece.length != offer.length:
                whole = piece.start + piece.length
                raise ContentRefused(offer.path, f"it has {whole} bytes, and {offer.length} are signed")
            if piece.start != self._have:
                self._begin_again()
                self._pieced = False
                self._progress.end()
                self._progress.begin("downloading", total=offer.length, unit="bytes")
            while True:
                try:
                    chunk = piece.body.read(_CHUNK)
                except StorageError as error:
                    raise _Broken(error) from error
                if self._have + len(chunk) > offer.length:
                    self._begin_again()
                    raise ContentRefused(offer.path, f"it has more than the {offer.length} bytes that are signed")
                if not chunk:
                    break
                self._part.write(chunk)
                for digest in self._digests.values():
                    digest.update(chunk)
                self._have += len(chunk)
                self._progress.advance(len(chunk))
        if self._have < offer.length:
            raise _Broken(_ended(offer, self._have))


class _Broken(Exception):
    """A connection that ended too early."""

    def __init__(self, error: StorageError) -> None:
        self.error = error


def _ended(offer: Offer, have: int) -> StorageError:
    return StorageError(
        "read",
        shorten(offer.stored),
        f"the server ended after {have} of {offer.length} bytes",
        hint="run the same command again; it goes on where it stopped",
    )


def _hashed(offer: Offer, chunks: Iterator[bytes], progress: Progress) -> tuple[Mapping[str, Digest], int]:
    """The digests of these bytes, and how many there are."""
    digests, length = offer.digests(), 0
    for chunk in chunks:
        for digest in digests.values():
            digest.update(chunk)
        length += len(chunk)
        progress.advance(len(chunk))
    return digests, length


def _agrees(offer: Offer, digests: Mapping[str, Digest]) -> bool:
    return all(digests[algorithm].hexdigest() == wanted for algorithm, wanted in offer.hashes.items())


def _names(offer: Offer) -> str:
    return " or ".join(offer.hashes)
