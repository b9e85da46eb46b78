"""Sorts any number of artifact rows on their way in, with flat memory.

Rows are dealt into buckets by the top bits of their slots. When they weigh too much, all buckets go to the end of one
scratch file, each as a block of columns; at the end the buckets come back one by one, each sorted in memory.

The scratch file has no name (it is made unlinked, or unlinked at once), so that nothing of it outlives the process.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import IO, Final

from rstuf.durable import storage_error
from rstuf.model.artifacts import SLOT_BITS, ArtifactRow
from rstuf.model.names import TargetPath

# An `ArtifactRow`, or a tuple that is cheaper to make.
_Row = tuple[int, TargetPath, bytes]

_BUCKET_BITS: Final = 8
_SHIFT: Final = SLOT_BITS - _BUCKET_BITS
# What Python keeps of a row beside the bytes of its path and fragment, roughly.
_ROW_OVERHEAD: Final = 200
# So few are sorted at once, without going from bucket to bucket.
_FEW: Final = 1000
MEMORY_BOUND: Final = 32 * 1024 * 1024


class FileSpool:
    """`RowSpool` with its scratch file in `directory`, which appears only when memory does not do."""

    def __init__(self, directory: Path, *, memory_bound: int = MEMORY_BOUND) -> None:
        """A spool that keeps about `memory_bound` bytes of rows in memory."""
        self._directory = directory
        self._bound = memory_bound
        self._buckets: list[list[_Row]] = [[] for _ in range(1 << _BUCKET_BITS)]
        self._blocks: list[list[tuple[int, int, int]]] = [[] for _ in range(1 << _BUCKET_BITS)]
        self._weight = 0
        self._count = 0
        self._file: IO[bytes] | None = None

    def append(self, row: ArtifactRow) -> None:
        """Take one row.

        Raises:
            StorageError: there is no room for it.
        """
        self._buckets[row[0] >> _SHIFT].append(row)
        self._count += 1
        self._weight += len(row[1]) + len(row[2]) + _ROW_OVERHEAD
        if self._weight >= self._bound:
            self._spill()

    def extend(self, rows: Iterable[ArtifactRow]) -> int:
        """Take these rows, sooner than one by one; how many there were.

        Raises:
            StorageError: there is no room for them.
        """
        buckets, bound = self._buckets, self._bound
        weight, count = self._weight, 0
        for row in rows:
            buckets[row[0] >> _SHIFT].append(row)
            count += 1
            weight += len(row[1]) + len(row[2]) + _ROW_OVERHEAD
            if weight >= bound:
                self._spill()
                weight = 0
        self._weight = weight
        self._count += count
        return count

    def __len__(self) -> int:
        return self._count

    def look_through(self) -> Iterator[_Row]:
        """All rows, sorted by slot, then path; they stay.

        Raises:
            StorageError: the scratch file cannot be read.
        """
        return self._walk(keep=True)

    def __iter__(self) -> Iterator[_Row]:
        return self._walk(keep=False)

    def _walk(self, *, keep: bool) -> Iterator[_Row]:
        if self._count <= _FEW and self._file is None:
            yield from _sorted([row for bucket in self._buckets for row in bucket])
            return
        for bucket, blocks in zip(self._buckets, self._blocks, strict=True):
            rows: list[_Row] = []
            for block in blocks:
                rows.extend(self._load(*block))
            rows.extend(bucket)
            if not keep:
                bucket.clear()
            yield from _sorted(rows)

    def close(self) -> None:
        """Let go of all rows and of the scratch file."""
        self._buckets, self._blocks = [], []
        if self._file is not None:
            # What cannot be flushed any more is not wanted any more.
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(  # noqa: SIM115 - it is closed in `close`
                    dir=self._directory, prefix=".spool-", buffering=0
                )
            position = self._file.seek(0, 2)
            for bucket, blocks in zip(self._buckets, self._blocks, strict=True):
                if not bucket:
                    continue
                block = _packed(bucket)
                _write_all(self._file, block)
                blocks.append((position, len(block), len(bucket)))
                position += len(block)
                bucket.clear()
        except OSError as error:
            raise storage_error("write a scratch file in", str(self._directory), error) from error
        self._weight = 0

    def _load(self, position: int, length: int, count: int) -> Iterable[_Row]:
        assert self._file is not None  # noqa: S101 - a block is only there once the file is
        try:
            self._file.seek(position)
            block = _read_all(self._file, length)
        except OSError as error:
            raise storage_error("read a scratch file in", str(self._directory), error) from error
        return _unpacked(block, count)


def _sorted(rows: list[_Row]) -> list[_Row]:
    # Slots are nearly always different, and whole numbers sort faster than pairs.
    if len({row[0] for row in rows}) == len(rows):
        rows.sort(key=itemgetter(0))
    else:
        rows.sort(key=itemgetter(0, 1))
    return rows


def _packed(rows: list[_Row]) -> bytes:
    paths = [row[1].encode() for row in rows]
    fragments = [row[2] for row in rows]
    numbers = array("I", [row[0] for row in rows])
    numbers.extend(map(len, paths))
    numbers.extend(map(len, fragments))
    return b"".join([numbers.tobytes(), *paths, *fragments])


def _unpacked(block: bytes, count: int) -> Iterable[_Row]:
    numbers = array("I")
    position = 3 * count * numbers.itemsize
    numbers.frombytes(block[:position])
    paths: list[str] = []
    for length in numbers[count : 2 * count]:
        end = position + length
        paths.append(block[position:end].decode())
        position = end
    fragments: list[bytes] = []
    for length in numbers[2 * count :]:
        end = position + length
        fragments.append(block[position:end])
        position = end
    return zip(numbers[:count], paths, fragments, strict=True)  # type: ignore[arg-type]  # they were target paths


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _read_all(file: IO[bytes], length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = file.read(length - len(data))
        if not piece:
            raise OSError("it is shorter than what was written")
        data += piece
    return bytes(data)
