"""Making many files durable together, and seeing every write error."""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import Final

from rstuf.durable import flush, flush_directory, system_library
from rstuf.storage.inside import close_quietly

# Single flushes cost 0.2 to 4 ms each. One of the whole file system costs less from two files on when the disk is idle,
# but waits for whatever everyone else has written there, so a handful of files is not made to wait for that.
FEW: Final = 32
# ext2/3/4, XFS, Btrfs, F2FS, tmpfs: statfs(2). Overlay and FUSE file systems do not pass on the errors of those below.
_REPORTING: Final = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994})


class Flusher:
    """Makes many files durable together: one by one while they are few, the whole file system at once from then on.

    Few descriptors stay open until they are flushed, because a descriptor that was open while its file was written is
    sure to hear of every error. For many, `syncfs(2)` on a descriptor that is older than the first write hears of them
    all; where it would not (before Linux 5.8, other systems, layered file systems) they are flushed in groups.
    """

    def __init__(self, anchor: int) -> None:
        """A flusher for the file system of `anchor`, a descriptor opened before anything is written."""
        self._anchor = anchor
        self._open: dict[object, int] = {}
        self._whole = False
        self._reports: bool | None = None

    def take(self, key: object, descriptor: int) -> None:
        """Own a descriptor from now on, under a key of its own; its file is durable after the next `flush`."""
        self._open[key] = descriptor
        if self._whole:
            self._close()
        elif len(self._open) > FEW:
            if self._reports is None:
                self._reports = _whole_flush_reports_errors(self._anchor)
            if self._reports:
                self._whole = True
                self._close()
            else:
                self._flush_open()

    def flush(self) -> None:
        """Make all durable that was taken."""
        if self._whole:
            self._whole = False
            _flush_file_system(self._anchor)
        else:
            self._flush_open()

    def _flush_open(self) -> None:
        for descriptor in self._open.values():
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                flush_directory(descriptor)
            else:
                flush(descriptor)
        self._close()

    def _close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def forget(self, key: object) -> None:
        """Let go of a descriptor whose file is not wanted any more, so that its space is free again."""
        descriptor = self._open.pop(key, None)
        if descriptor is not None:
            close_quietly(descriptor)

    def abandon(self) -> None:
        """Let go of every descriptor that is still open, flushed or not."""
        for key in list(self._open):
            self.forget(key)


def _whole_flush_reports_errors(descriptor: int) -> bool:
    if sys.platform != "linux":
        return False
    version = re.match(r"(\d+)\.(\d+)", os.uname().release, re.ASCII)
    if version is None or (int(version[1]), int(version[2])) < (5, 8):
        return False
    import ctypes

    libc = system_library()
    answer = ctypes.create_string_buffer(512)
    if not hasattr(libc, "syncfs") or libc.fstatfs(ctypes.c_int(descriptor), answer) != 0:
        return False
    return int.from_bytes(answer.raw[:4], sys.byteorder) in _REPORTING


def _flush_file_system(descriptor: int) -> None:
    import ctypes

    if system_library().syncfs(ctypes.c_int(descriptor)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
