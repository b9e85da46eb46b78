"""Files that were found, set aside until they are read: in their order, any number of them, with flat memory."""

from __future__ import annotations

import os
import struct
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rstuf.durable import storage_error
from rstuf.model.names import TargetPath
from rstuf.model.stamps import Stamp
from rstuf.storage.local_files import LocalFile

_HEAD: Final = struct.Struct("<HIqqqQ")
_IN_MEMORY: Final = 1 << 20


class Pile:
    """Local files, to be gone through any number of times. A scratch file without a name takes those that are many."""

    def __init__(self) -> None:
        """None yet."""
        self._scratch = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="rstuf-")  # noqa: SIM115
        weakref.finalize(self, self._scratch.close)
        self._count = 0
        self._end = 0

    def add(self, file: LocalFile) -> None:
        """Set one aside. Its stamp must be known, and no listing speak of it.

        Raises:
            StorageError: there is no room for it.
        """
        assert file.stamp is not None  # noqa: S101 - what was found by looking has one
        path, place = file.path.encode(), os.fsencode(file.location)
        try:
            self._scratch.seek(self._end)
            self._end += self._scratch.write(_HEAD.pack(len(path), len(place), *file.stamp) + path + place)
        except OSError as error:
            raise storage_error("write a scratch file in", tempfile.gettempdir(), error) from error
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[LocalFile]:
        position = 0
        while position < self._end:
            try:
                self._scratch.seek(position)
                path_length, place_length, *numbers = _HEAD.unpack(self._scratch.read(_HEAD.size))
                path, place = self._scratch.read(path_length), self._scratch.read(place_length)
            except OSError as error:
                raise storage_error("read a scratch file in", tempfile.gettempdir(), error) from error
            position += _HEAD.size + path_length + place_length
            stamp = Stamp(*numbers)
            yield LocalFile(TargetPath(path.decode()), Path(os.fsdecode(place)), stamp.size, stamp=stamp)
