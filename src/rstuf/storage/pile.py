"""Files that were found, set aside until they are read: in their order, any number of them, with flat memory."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rstuf.model.names import TargetPath
from rstuf.model.stamps import Stamp
from rstuf.storage.local_files import LocalFile
from rstuf.storage.scratch import Scratch

_NUMBERS: Final = struct.Struct("<qqqQ")


class Pile:
    """Local files, to be gone through any number of times."""

    def __init__(self) -> None:
        """None yet."""
        self._scratch = Scratch(3)

    def add(self, file: LocalFile) -> None:
        """Set one aside. Its stamp must be known, and no listing speak of it.

        Raises:
            StorageError: there is no room for it.
        """
        assert file.stamp is not None  # noqa: S101 - what was found by looking has one
        self._scratch.add(file.path.encode(), os.fsencode(file.location), _NUMBERS.pack(*file.stamp))

    def __len__(self) -> int:
        return len(self._scratch)

    def __iter__(self) -> Iterator[LocalFile]:
        for path, place, numbers in self._scratch:
            stamp = Stamp(*_NUMBERS.unpack(numbers))
            yield LocalFile(TargetPath(path.decode()), Path(os.fsdecode(place)), stamp.size, stamp=stamp)
