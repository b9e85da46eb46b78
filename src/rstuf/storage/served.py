"""What lies in the directories that are served, whoever put it there.

A web server serves whatever is in them: a key that was copied there by mistake as well, and what a link leads to.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from rstuf.durable import is_failing, storage_error
from rstuf.repository.interfaces import ServedEntry, ServedFault
from rstuf.storage.inside import close_quietly, open_regular
from rstuf.storage.names import STAGING
from rstuf.ways import is_ours

# Files that rstuf puts there, by their names: contents under a hash, metadata.
_OURS: Final = re.compile(r"[0-9a-f]{64}(?:[0-9a-f]{64})?\.|(?:[0-9]+\.[^/]+|timestamp)\.json\Z", re.ASCII)
_SECRET_NAMES: Final = re.compile(
    r"\.(?:env|netrc|pypirc|htpasswd|git|ssh|gnupg|aws)(?:\..*)?|rstuf\.toml|state\.db(?:-.*)?|id_(?:rsa|ecdsa|ed25519)",
    re.ASCII | re.IGNORECASE,
)
_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_HEAD: Final = 4096
_SQLITE: Final = b"SQLite format 3\0"
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH


class ServedDirectories:
    """`ServedPlaces` of a local file system."""

    def __init__(self, metadata: Path, artifacts: Path | None, *, private: Sequence[Path]) -> None:
        """What is below `metadata` and `artifacts`, of which one may lie in the other.

        Args:
            private: files and directories that nobody may be led to.
        """
        self._metadata = metadata
        self._tops = [top for top in (metadata, artifacts) if top is not None]
        self._private = private

    def walk(self) -> Iterator[ServedEntry]:
        """See `ServedPlaces.walk`."""
        private = tuple(os.path.realpath(path) for path in self._private)
        seen: set[tuple[int, int]] = set()
        waiting = list(self._tops)
        while waiting:
            directory = waiting.pop()
            try:
                about = directory.stat()
                if (about.st_dev, about.st_ino) in seen:
                    continue
                seen.add((about.st_dev, about.st_ino))
                for name, found in self._listed(directory):
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(directory / name)
                    yield self._judged(directory, name, found, private)
            except FileNotFoundError:
                continue
            except OSError as error:
                if is_failing(error):
                    raise storage_error("look through", str(directory), error) from error
                yield ServedEntry(str(directory), None, (ServedFault.UNREADABLE,))

    def _listed(self, directory: Path) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name == STAGING and directory in self._tops:
                    continue
                # What goes away meanwhile was not there.
                with suppress(FileNotFoundError):
                    yield entry.name, entry.stat(follow_symlinks=False)

    def _judged(self, directory: Path, name: str, found: os.stat_result, private: Sequence[str]) -> ServedEntry:
        path, faults = directory / name, list[ServedFault]()
        if stat.S_ISLNK(found.st_mode):
            end = os.path.realpath(path)
            leads = any(
                end == each or end.startswith(each + os.sep) or each.startswith(end + os.sep) for each in private
            )
            faults.append(ServedFault.PRIVATE if leads else ServedFault.LINK)
        else:
            if _is_secret(path, name, found):
                faults.append(ServedFault.PRIVATE)
            if os.name == "posix" and (found.st_mode & _WRITABLE or not is_ours(found)):
                faults.append(ServedFault.SHARED)
        return ServedEntry(str(path), name if directory == self._metadata else None, tuple(faults))


def _is_secret(path: Path, name: str, found: os.stat_result) -> bool:
    """Whether something that is not of rstuf's making is secret by its name or by what it begins with."""
    if _OURS.match(name):
        return False
    if _SECRET_NAMES.fullmatch(name):
        return True
    if not stat.S_ISREG(found.st_mode):
        return False
    try:
        descriptor = open_regular(os.fsencode(path), shown=name)
        try:
            head = os.read(descriptor, _HEAD)
        finally:
            close_quietly(descriptor)
    except OSError:
        return False
    return _PRIVATE_KEY.search(head) is not None or (head.startswith(_SQLITE) and head[68:72] == b"rstu")
