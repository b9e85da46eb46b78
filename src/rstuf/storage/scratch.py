"""Records that are set aside: in their order, any number of them, to be gone through any number of times.

Memory stays flat: a scratch file without a name takes those that are many.
"""

from __future__ import annotations

import io
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import IO, Final

from rstuf.durable import storage_error, write_all

_IN_MEMORY: Final = 1 << 20
_BLOCK: Final = 1 << 16


def _temporary() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="rstuf-", buffering=0)


class Scratch:
    """Records of a fixed number of parts, each of any bytes."""

    def __init__(
        self, parts: int, *, make: Callable[[], IO[bytes]] = _temporary, where: str = "a directory for temporary files"
    ) -> None:
        """None yet.

        Args:
            parts: how many each will have.
            make: makes the scratch file, unbuffered and without a name, once it is needed.
            where: where that is, for messages.
        """
        self._lengths = struct.Struct(f"<{parts}I")
        self._make, self._where = make, where
        self._file: IO[bytes] = io.BytesIO()
        self._waiting = bytearray()
        self._count = 0
        self._end = 0

    def add(self, *parts: bytes) -> None:
        """Set one aside.

        Raises:
            StorageError: there is no room for it.
        """
        self._waiting += self._lengths.pack(*map(len, parts))
        for part in parts:
            self._waiting += part
        self._count += 1
        if len(self._waiting) >= _BLOCK:
            self._write()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[bytes]]:
        """
        Raises:
            StorageError: the scratch file cannot be written or read.
        """
        self._write()
        position, size = 0, _BLOCK
        while position < self._end:
            records, used = self._records(self._read(position, size))
            yield from records
            position += used
            # A record that is larger than the block is read with a larger one.
            size = _BLOCK if used else 2 * size

    def _records(self, block: bytes) -> tuple[list[list[bytes]], int]:
        """The whole records of a block, and where the last one ends."""
        records: list[list[bytes]] = []
        end, head = 0, self._lengths.size
        while end + head <= len(block):
            lengths = self._lengths.unpack_from(block, end)
            start = end + head
            if start + sum(lengths) > len(block):
                break
            parts = []
            for length in lengths:
                parts.append(block[start : start + length])
                start += length
            records.append(parts)
            end = start
        return records, end

    def _write(self) -> None:
        try:
            if self._end + len(self._waiting) > _IN_MEMORY and isinstance(self._file, io.BytesIO):
                self._roll_over(self._file)
            self._file.seek(self._end)
            self._put(self._waiting)
        except OSError as error:
            raise storage_error("write a scratch file in", self._where, error) from error
        self._end += len(self._waiting)
        self._waiting = bytearray()

    def _roll_over(self, memory: io.BytesIO) -> None:
        self._file = self._make()
        weakref.finalize(self, self._file.close)
        self._put(memory.getbuffer())

    def _put(self, data: bytearray | memoryview) -> None:
        if isinstance(self._file, io.BytesIO):
            self._file.write(data)
        else:
            # Unbuffered, it may take less than all at once.
            write_all(self._file.fileno(), data)

    def _read(self, position: int, size: int) -> bytes:
        try:
            self._file.seek(position)
            return self._file.read(size)
        except OSError as error:
            raise storage_error("read a scratch file in", self._where, error) from error
