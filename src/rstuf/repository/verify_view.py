"""One publication to look at, while others may become visible: the files of it, and the view of the state beside them.

Files of metadata are written once under names of their own; only timestamp is replaced, and roots are added. Whoever
keeps to the timestamp and the newest root that were there at first sees one publication, however long it takes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Protocol

import orjson

from rstuf.errors import FileMissing, FileTooLarge, InvalidMetadata, StateError, StorageError
from rstuf.metadata.audit.walk import READ_LIMIT
from rstuf.metadata.views import open_envelope
from rstuf.model.names import TIMESTAMP
from rstuf.repository.interfaces import StateReader

_TIMESTAMP: Final = "timestamp.json"
_ROOT: Final = ".root.json"


class MetadataSource(Protocol):
    """Where metadata is read from: a storage, or a URL as clients see it."""

    def read(self, name: str, *, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            FileMissing: no such name.
            FileTooLarge: more than `limit` bytes.
            StorageError: it cannot be read.
        """


class StillSource:
    """A source as it was when it was first looked at. May be shared by threads."""

    def __init__(self, source: MetadataSource) -> None:
        self._source = source
        self._timestamp: bytes | None = None
        self._absent: set[str] = set()

    def read(self, name: str, *, limit: int) -> bytes:
        """See `MetadataSource.read`."""
        if name == _TIMESTAMP:
            if self._timestamp is None:
                self._timestamp = self._source.read(name, limit=limit)
            if len(self._timestamp) > limit:
                raise FileTooLarge(name, limit=limit)
            return self._timestamp
        if name in self._absent:
            raise FileMissing(name)
        try:
            return self._source.read(name, limit=limit)
        except FileMissing:
            if name.endswith(_ROOT):
                self._absent.add(name)
            raise

    def moved_on(self) -> bool:
        """Whether another timestamp became visible since."""
        if self._timestamp is None:
            return False
        try:
            return self._source.read(_TIMESTAMP, limit=READ_LIMIT) != self._timestamp
        except StorageError:
            return True


def go_together(state: StateReader, source: StillSource) -> bool:
    """Whether a view of the state and what clients see are of one publication, as far as can be told at a glance.

    They are not where something became visible between the one look and the other. Nothing is trusted for it: a file
    that anybody put there makes them differ once more when both are looked at again.
    """
    try:
        return not _has_newer_root(state, source) and not _has_newer_timestamp(state, source)
    except Exception:  # whatever is wrong with either of them is for the audit to say
        return True


def _has_newer_root(state: StateReader, source: StillSource) -> bool:
    newest = state.newest_root()
    if newest is None:
        return False
    try:
        source.read(f"{newest.version + 1}{_ROOT}", limit=READ_LIMIT)
    except FileMissing:
        return False
    return True


def _has_newer_timestamp(state: StateReader, source: StillSource) -> bool:
    data = source.read(_TIMESTAMP, limit=READ_LIMIT)
    version: int = orjson.loads(data)["signed"]["version"]
    if version <= state.role(TIMESTAMP).visible:
        return False
    unfinished = state.unfinished_publication()
    return unfinished is None or unfinished.timestamp != data


def trusted_root(state: StateReader) -> bytes:
    """The oldest root of a state that is one: where trust begins. Those that are not are for the audit to miss.

    Raises:
        StateError: there is none.
    """
    for version in state.root_versions():
        with suppress(InvalidMetadata, StateError):
            root = state.root(version)
            if root is None:
                continue
            open_envelope(root.data, name=f"root version {version}", kind="root")
            return root.data
    raise StateError(
        "the state has no usable root, though its ceremony has ended", hint="put a backup of the state in its place"
    )
