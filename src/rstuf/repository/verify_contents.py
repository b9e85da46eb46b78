"""The contents of artifacts: each is stored under each of its hashes, with that length and those bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, BinaryIO, Final, Protocol

from rstuf.errors import FileMissing, InvalidInput, StorageError
from rstuf.metadata.audit.findings import Code, Findings
from rstuf.model.names import TargetPath

_CHUNK: Final = 1024 * 1024
# Hashing lets other threads run, opening does not: only large contents gain from a second core.
_LARGE: Final = 4 * _CHUNK
_WINDOW: Final = 256
_MAX_ERRORS_IN_A_ROW: Final = 16


class _ContentSource(Protocol):
    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> AbstractContextManager[BinaryIO]: ...


_Outcome = tuple[str, list[tuple[Code, str]], int, StorageError | None]


class ContentCheck:
    """Checks contents, some at a time, and reports what is wrong with them.

    Attributes:
        reads: whether it reads them to their ends.
    """

    reads = True

    def __init__(
        self, source: _ContentSource, findings: Findings, *, readers: int = 1, where: str | None = None
    ) -> None:
        """
        Args:
            where: what to call the place that contents are looked for in; None where everybody knows it.
        """
        self._source = source
        self._there = "there" if where is None else f"below {where}"
        self._findings = findings
        self._readers = readers
        self._errors = 0
        self.checked = 0
        self.missing: frozenset[str] = frozenset()

    def check(self, role: str, targets: Mapping[str, Any], on_bytes: Callable[[int], None]) -> None:
        """Check the contents of one role's artifacts; tell `on_bytes` how many bytes were read.

        Afterwards `missing` are those of its paths that have no content.

        Raises:
            StorageError: the storage went away.
        """
        missing = set()
        for path, faults, length, error in self._outcomes(targets):
            self.checked += 1
            on_bytes(length)
            self._errors = 0 if error is None else self._errors + 1
            if error is not None and self._errors >= _MAX_ERRORS_IN_A_ROW:
                raise error
            for code, message in faults:
                self._findings.problem(code, message, role=role, path=path)
                if code is Code.CONTENT_MISSING:
                    missing.add(path)
        self.missing = frozenset(missing)

    def _outcomes(self, targets: Mapping[str, Any]) -> Iterator[_Outcome]:
        if self._readers == 1 and not (self.reads and any(entry["length"] >= _LARGE for entry in targets.values())):
            for item in targets.items():
                yield self._one(item)
            return
        rest = iter(targets.items())
        with ThreadPoolExecutor(max(self._readers, os.cpu_count() or 1), thread_name_prefix="rstuf-hash") as pool:
            while window := list(islice(rest, _WINDOW)):
                yield from pool.map(self._one, window)

    def _one(self, item: tuple[str, Any]) -> _Outcome:
        path, entry = item
        faults: list[tuple[Code, str]] = []
        read = 0
        failure = None
        # Each hash is a name of its own, and clients differ in which one they ask for.
        for algorithm, value in entry["hashes"].items():
            try:
                with self._source.open(TargetPath(path), {algorithm: value}) as file:
                    length, digest = self._facts(file, algorithm, limit=entry["length"])
            except FileMissing:
                faults.append((Code.CONTENT_MISSING, f"its content is not {self._there} under its {algorithm}"))
                continue
            except StorageError as error:
                failure = error
                faults.append((Code.UNREADABLE, error.message))
                continue
            except OSError as error:
                failure = StorageError("read", path, error.strerror or str(error))
                faults.append((Code.UNREADABLE, failure.message))
                continue
            except InvalidInput as error:  # a storage that is choosier with names than we are
                faults.append((Code.CONTENT_MISSING, error.message))
                continue
            read += length if self.reads else 0
            if length != entry["length"]:
                more = "more than " if length > entry["length"] else ""
                message = (
                    f"its content has {more}{min(length, entry['length'])} bytes and should have {entry['length']}"
                )
                faults.append((Code.CONTENT_MISMATCH, message))
            elif digest is not None and digest != value:
                faults.append((Code.CONTENT_MISMATCH, f"its content does not have its {algorithm}"))
        return path, faults, read, failure

    def _facts(self, file: BinaryIO, algorithm: str, *, limit: int) -> tuple[int, str | None]:
        return _digest(file, algorithm, limit=limit)


class LengthCheck(ContentCheck):
    """Sees whether contents are there with their lengths. None is read where their place tells how long they are."""

    reads = False

    def _facts(self, file: BinaryIO, algorithm: str, *, limit: int) -> tuple[int, str | None]:
        if file.seekable():
            return file.seek(0, os.SEEK_END), None
        return _digest(file, algorithm, limit=limit)[0], None


def _digest(file: BinaryIO, algorithm: str, *, limit: int) -> tuple[int, str]:
    """How many bytes there are, counted up to one more than `limit`, and their digest."""
    digest = hashlib.blake2b(digest_size=32) if algorithm == "blake2b-256" else hashlib.new(algorithm)
    length = 0
    while length <= limit and (chunk := file.read(min(_CHUNK, limit + 1 - length))):
        digest.update(chunk)
        length += len(chunk)
    return length, digest.hexdigest()
