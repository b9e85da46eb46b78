"""Small disks: a tmpfs of as many pages and inodes as is wanted, mounted where nobody else sees it.

Run as `python -m tests.crash.mounts DIRECTORY` it says whether that is possible here.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_READ_ONLY, _AGAIN, _WITH_ALL_BELOW, _PRIVATE = 1, 32, 16384, 1 << 18
_DETACHED = 2
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
AMPLE: Final = 65536
"""Pages, or inodes, that are enough for anything here."""


def private_mounts() -> None:
    """From here on, what this process and its children mount is theirs alone and goes with them.

    Raises:
        OSError: the system does not permit it.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _call("unshare", _NEW_MOUNTS)
    else:
        _call("unshare", _NEW_USERS | _NEW_MOUNTS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount(b"none", Path("/"), None, _WITH_ALL_BELOW | _PRIVATE, "")


class Disk:
    """A file system of its own."""

    def __init__(self, place: Path) -> None:
        """Mount it at `place`.

        Raises:
            OSError: that is not permitted.
        """
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        _mount(b"rstuf", place, b"tmpfs", 0, f"size={AMPLE * PAGE},nr_inodes={AMPLE},mode=755")
        # For tmpfs a size of 0 is none at all, so something is always there.
        (place / "ballast").write_bytes(bytes(PAGE))

    def close(self) -> None:
        """Let go of it."""
        _call("umount2", os.fsencode(self.place), _DETACHED)

    def leave(self, *, pages: int = AMPLE, inodes: int = AMPLE) -> None:
        """Make it so small that only this much is left."""
        found = os.statvfs(self.place)
        size = found.f_blocks - found.f_bfree + pages
        self._change(0, size=size, inodes=found.f_files - found.f_ffree + inodes)

    def freeze(self) -> None:
        """Make it read-only."""
        self._change(_READ_ONLY)

    def free(self) -> None:
        """Give it room, and let it be written."""
        self._change(0)

    def _change(self, flags: int, *, size: int = AMPLE, inodes: int = AMPLE) -> None:
        _mount(b"rstuf", self.place, b"tmpfs", _AGAIN | flags, f"size={size * PAGE},nr_inodes={inodes}")


def _mount(what: bytes, where: Path, kind: bytes | None, flags: int, options: str) -> None:
    _call("mount", what, os.fsencode(where), kind, ctypes.c_ulong(flags), options.encode())


def _call(name: str, *args: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def main() -> int:
    """Try it; say why it cannot be had."""
    try:
        private_mounts()
        disk = Disk(Path(sys.argv[1]))
        disk.leave(pages=1)
        disk.close()
    except OSError as error:
        print(error.strerror)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
