"""A repository that lies in directories of this machine: a copy for networks that have no other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol

from rstuf.durable import storage_error
from rstuf.errors import FileTooLarge
from rstuf.model.names import TargetPath
from rstuf.storage.inside import close_quietly, open_regular, open_top, reached
from rstuf.storage.names import check_metadata_name

# What is asked for at once is made room for at once, and a limit may come from metadata: it can be any number.
_CHUNK: Final = 1 << 20


class Body(Protocol):
    """Bytes as they come."""

    def read(self, size: int, /) -> bytes:
        """At most `size` more of them; none at the end.

        Raises:
            StorageError: they cannot be read, or end too early.
        """


@dataclass(frozen=True, slots=True)
class Piece:
    """A content from some byte on.

    Attributes:
        start: where it begins: as it was asked for, or 0 where the other side cannot begin elsewhere.
        length: how many bytes are said to follow; None where nothing is said.
        body: these bytes.
    """

    start: int
    length: int | None
    body: Body


class _Mirror:
    """One directory, which may be reached through links; what lies in it may not."""

    def __init__(self, directory: Path) -> None:
        """Nothing is opened yet."""
        self.shown = f"{directory}{os.sep}"
        self._directory = directory

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        shown = f"{self.shown}{name}"
        try:
            *parents, last = name.encode().split(b"/")
            top = open_top(self._directory)
            try:
                with reached(top, tuple(parents)) as directory:
                    descriptor = open_regular(last, shown=shown, directory=directory)
            finally:
                close_quietly(top)
        except OSError as error:
            raise storage_error("read", shown, error) from error
        with os.fdopen(descriptor, "rb") as file:
            yield file


class MirroredMetadata(_Mirror):
    """Metadata in a directory, as clients fetch it."""

    def __enter__(self) -> MirroredMetadata:
        return self

    def read(self, name: str, *, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            FileMissing: there is none of this name.
            FileTooLarge: it is longer than `limit` bytes.
            StorageError: it cannot be read.
        """
        with self._opened(check_metadata_name(name)) as file:
            found = bytearray()
            try:
                while len(found) <= limit and (chunk := file.read(min(_CHUNK, limit + 1 - len(found)))):
                    found += chunk
            except OSError as error:
                raise storage_error("read", f"{self.shown}{name}", error) from error
        if len(found) > limit:
            raise FileTooLarge(f"{self.shown}{name}", limit=limit)
        return bytes(found)


class MirroredContents(_Mirror):
    """Contents in a directory and those below it."""

    def __enter__(self) -> MirroredContents:
        return self

    @contextmanager
    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> Iterator[BinaryIO]:
        """The content that is stored under the first of `hashes` (TUF §7.2).

        Raises:
            FileMissing: it is not there.
            StorageError: it cannot be read.
        """
        directory, slash, last = path.rpartition("/")
        with self._opened(f"{directory}{slash}{next(iter(hashes.values()))}.{last}") as file:
            yield file

    @contextmanager
    def open_piece(self, name: str, *, start: int, total: int) -> Iterator[Piece]:
        """A content from byte `start` on; `total` is how long it should be.

        Raises:
            FileMissing: there is none of this name.
            StorageError: it cannot be read.
        """
        with self._opened(name) as file:
            try:
                length = os.fstat(file.fileno()).st_size
                begin = start if length == total else 0
                file.seek(begin)
            except OSError as error:
                raise storage_error("read", f"{self.shown}{name}", error) from error
            yield Piece(begin, length - begin, _Told(file, f"{self.shown}{name}"))


class _Told:
    """A file whose errors are told in our words."""

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self._file, self._shown = file, shown

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise storage_error("read", self._shown, error) from error
