"""Storages in memory: for tests, simulations and the newcomer's tour, with the guarantees of the real ones.

Each name that becomes visible is one change, told to an observer in order, so that a test can let a client fetch
between any two of them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import BinaryIO

from rstuf.errors import FileMissing, FileTooLarge, NameTaken
from rstuf.model.names import TargetPath
from rstuf.repository.interfaces import Kept, ReceivedContent, ignored
from rstuf.storage.contents import check_algorithms, take_in
from rstuf.storage.names import (
    check_content_path,
    check_discardable,
    check_metadata_name,
    check_replaceable,
    content_names,
)

OnChange = Callable[[str, bytes | None], None]


class _Files:
    """What is visible, and who is told of each change, after it."""

    def __init__(self, on_change: OnChange | None) -> None:
        self._files: dict[str, bytes] = {}
        self._on_change = on_change

    @property
    def files(self) -> Mapping[str, bytes]:
        """What clients can fetch now, by name."""
        return MappingProxyType(self._files)

    def remove(self, name: str) -> None:
        """Make a file disappear, as damage would."""
        del self._files[name]
        self._tell(name, None)

    def show(self, name: str, data: bytes) -> None:
        """Make a file visible, in the place of another if there is one. For the storages here, and to do damage."""
        self._files[name] = data
        self._tell(name, data)

    def create(self, staged: Mapping[str, bytes], *, instead_of: Collection[str] = ()) -> None:
        """Make new files visible, one after the other, also in the place of others; none if another name is taken."""
        for name, data in staged.items():
            if self._files.get(name, data) != data and name not in instead_of:
                raise NameTaken(name)
        for name, data in staged.items():
            if self._files.get(name) != data:
                self.show(name, data)

    def _tell(self, name: str, data: bytes | None) -> None:
        if self._on_change is not None:
            self._on_change(name, data)


class MemoryMetadataStorage(_Files):
    """A `MetadataStorage` in memory."""

    def __init__(self, on_change: OnChange | None = None) -> None:
        """An empty storage; `on_change` is told of each change: the name, and its new bytes or None."""
        super().__init__(on_change)

    def read(self, name: str, *, limit: int) -> bytes:
        data = self._files.get(check_metadata_name(name))
        if data is None:
            raise FileMissing(name)
        if len(data) > limit:
            raise FileTooLarge(name, limit=limit)
        return data

    def lengths(self, names: Iterable[str]) -> Iterator[int | None]:
        for name in names:
            data = self._files.get(check_metadata_name(name))
            yield None if data is None else len(data)

    @contextmanager
    def batch(self) -> Iterator[_MetadataBatch]:
        yield _MetadataBatch(self)

    def replace(self, name: str, data: bytes) -> None:
        self.show(check_replaceable(name), bytes(data))

    def restore(self, name: str, data: bytes) -> None:
        self.show(check_metadata_name(name), bytes(data))

    def discard(self, names: Iterable[str]) -> None:
        for name in map(check_discardable, names):
            if name in self._files:
                self.remove(name)

    def prepare(self) -> None:
        return


class _MetadataBatch:
    def __init__(self, files: _Files) -> None:
        self._visible = files
        self._staged: dict[str, bytes] = {}

    def create(self, name: str, data: bytes) -> None:
        if self._staged.setdefault(check_metadata_name(name), bytes(data)) != data:
            raise NameTaken(name)

    def commit(self) -> None:
        self._visible.create(self._staged)
        self._staged.clear()


class MemoryArtifactStorage(_Files):
    """An `ArtifactStorage` in memory; its names are `<directories>/<hash>.<last segment>`."""

    def __init__(self, on_change: OnChange | None = None) -> None:
        """An empty storage; `on_change` is told of each change: the name, and its new bytes or None."""
        super().__init__(on_change)

    @contextmanager
    def batch(self, algorithms: tuple[str, ...] = ("sha256",)) -> Iterator[_ArtifactBatch]:
        yield _ArtifactBatch(self, check_algorithms(algorithms))

    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> AbstractContextManager[BinaryIO]:
        data = self._files.get(content_names(path, hashes)[0])
        if data is None:
            raise FileMissing(path)
        return io.BytesIO(data)

    def exists(self, path: TargetPath, hashes: Mapping[str, str]) -> bool:
        return all(name in self._files for name in content_names(path, hashes))

    def prepare(self) -> None:
        return


class _ArtifactBatch:
    def __init__(self, files: _Files, algorithms: tuple[str, ...]) -> None:
        self._visible = files
        self._algorithms = algorithms
        self._staged: list[tuple[str, bytes]] = []
        self._damaged: set[str] = set()

    def receive(self, path: TargetPath, source: BinaryIO, on_bytes: Callable[[int], None]) -> ReceivedContent:
        check_content_path(path, self._algorithms)
        kept = bytearray()
        length, hashes = take_in(path, source, algorithms=self._algorithms, write=kept.extend, on_bytes=on_bytes)
        data, names = bytes(kept), content_names(path, hashes)
        damaged = {name for name in names if self._visible.files.get(name, data) != data}
        if not damaged and all(name in self._visible.files for name in names):
            return ReceivedContent(length, hashes, Kept.WHOLE)
        self._staged += [(name, data) for name in names]
        self._damaged |= damaged
        return ReceivedContent(length, hashes, Kept.DAMAGED if damaged else Kept.MISSING)

    def __len__(self) -> int:
        return len(self._staged)

    def commit(self, on_kept: Callable[[int], None] = ignored) -> None:
        self._visible.create(dict(self._staged), instead_of=self._damaged)
        on_kept(len(self._staged))
        self._staged.clear()
