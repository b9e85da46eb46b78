"""Storages in a directory of a local file system, as a web server serves it.

What clients fetch appears under its final name whole and durable: see `durable` for the order in which a file comes to
be, and `staging` for where it stands before. A name is written once; only names without a version are replaced.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from rstuf.durable import PUBLIC_FILE, How, flush_directory, storage_error, write_all, write_file
from rstuf.errors import FileMissing, FileTooLarge, NameTaken, NotAFile, StorageError
from rstuf.model.names import TargetPath
from rstuf.repository.interfaces import ArtifactBatch, Kept, MetadataBatch, ReceivedContent, ignored
from rstuf.storage.contents import check_algorithms, take_in
from rstuf.storage.inside import Parents, close_quietly, open_regular, open_top, reached
from rstuf.storage.kept import Look, close_all, look, worst
from rstuf.storage.names import (
    STAGING,
    check_content_path,
    check_discardable,
    check_metadata_name,
    check_replaceable,
    content_names,
)
from rstuf.storage.placing import Placement, Placements, Placing, StagedFiles, split
from rstuf.storage.staging import Room, make_ready, room

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENAMETOOLONG})
# What opening a symbolic link or a socket ends with.
_NOT_FILES: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})
_PIECE: Final = 1 << 20


class FilesystemMetadataStorage:
    """A `MetadataStorage` in one directory."""

    def __init__(self, directory: Path) -> None:
        """The storage in `directory`, which `prepare` makes."""
        self._directory = directory
        self._top = os.fsencode(directory) + b"/"

    def read(self, name: str, *, limit: int) -> bytes:
        path = self._top + check_metadata_name(name).encode()
        try:
            descriptor = open_regular(path, shown=name)
            try:
                data = _read_at_most(descriptor, limit + 1)
            finally:
                close_quietly(descriptor)
        except FileNotFoundError:
            # Asked for often, and often expected: names are probed for what others may have published.
            raise FileMissing(name) from None
        except OSError as error:
            if error.errno in _NOT_FILES:
                raise NotAFile(name, directory=error.errno == errno.EISDIR) from error
            raise storage_error("read", name, error) from error
        if len(data) > limit:
            raise FileTooLarge(name, limit=limit)
        return data

    def lengths(self, names: Iterable[str]) -> Iterator[int | None]:
        try:
            top = open_top(self._directory)
        except FileNotFoundError:
            yield from (None for _ in names)
            return
        except OSError as error:
            raise storage_error("read", str(self._directory), error) from error
        try:
            for name in names:
                try:
                    status = os.stat(check_metadata_name(name), dir_fd=top, follow_symlinks=False)
                except FileNotFoundError:
                    yield None
                    continue
                except OSError as error:
                    raise storage_error("read", name, error) from error
                yield status.st_size if stat.S_ISREG(status.st_mode) else None
        finally:
            close_quietly(top)

    @contextmanager
    def batch(self) -> Iterator[MetadataBatch]:
        with room(self._directory) as entered:
            yield _MetadataBatch(entered)

    def replace(self, name: str, data: bytes) -> None:
        self._put(check_replaceable(name), data)

    def restore(self, name: str, data: bytes) -> None:
        self.prepare()
        self._put(check_metadata_name(name), data)

    def _put(self, name: str, data: bytes) -> None:
        write_file(
            self._directory / name,
            data,
            mode=PUBLIC_FILE,
            how=How.REPLACE,
            staging=self._directory / STAGING,
            name=name,
        )

    def discard(self, names: Iterable[str]) -> None:
        current = str(self._directory)
        try:
            top = open_top(self._directory)
            try:
                for name in names:
                    current = check_discardable(name)
                    _unlink(current, top)
                flush_directory(top)
            finally:
                close_quietly(top)
        except OSError as error:
            raise storage_error("remove", current, error) from error

    def prepare(self) -> None:
        make_ready(self._directory)


class _Batch:
    """What both batches share: after a failed write nothing more is committed."""

    def __init__(self, entered: Room) -> None:
        self._room = entered
        self._failure: StorageError | None = None

    def _fail(self, action: str, name: str, error: OSError) -> StorageError:
        self._failure = storage_error(action, name, error)
        return self._failure

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._fail("write", name, error) from error

    def _check(self) -> None:
        if self._failure is not None:
            raise StorageError("finish", "the batch", f"an earlier write failed: {self._failure.message}")

    def _place(
        self,
        placements: Placements,
        what: str,
        *,
        relied: Collection[Parents] = (),
        on_named: Callable[[int], None] = ignored,
    ) -> None:
        if len(placements) or relied:
            placing = Placing(self._room, what)
            try:
                placing.place(placements, relied=relied, on_named=on_named)
            except OSError as error:
                raise self._fail("create", placing.current, error) from error


class _MetadataBatch(_Batch):
    def __init__(self, entered: Room) -> None:
        super().__init__(entered)
        self._staged: dict[str, bytes] = {}

    def create(self, name: str, data: bytes) -> None:
        self._check()
        known = self._staged.get(check_metadata_name(name))
        try:
            if known is None:
                self._staged[name] = self._room.add(data)
            elif not self._room.holds(known, data):
                raise NameTaken(name)
        except OSError as error:
            raise self._fail("write", name, error) from error

    def commit(self) -> None:
        self._check()
        placements = [Placement((), name.encode(), staged, name) for name, staged in self._staged.items()]
        self._place(placements, "new metadata")
        self._staged.clear()


class FilesystemArtifactStorage:
    """An `ArtifactStorage` in one directory and those below it."""

    def __init__(self, directory: Path) -> None:
        """The storage in `directory`, which `prepare` makes."""
        self._directory = directory

    @contextmanager
    def batch(self, algorithms: tuple[str, ...] = ("sha256",)) -> Iterator[ArtifactBatch]:
        known = check_algorithms(algorithms)
        with room(self._directory) as entered:
            yield _ArtifactBatch(entered, known)

    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> AbstractContextManager[BinaryIO]:
        try:
            return os.fdopen(self._opened(content_names(path, hashes)[0]), "rb")
        except OSError as error:
            if error.errno in _ABSENT:
                raise FileMissing(path) from error
            raise storage_error("read", path, error) from error

    def exists(self, path: TargetPath, hashes: Mapping[str, str]) -> bool:
        try:
            for name in content_names(path, hashes):
                close_quietly(self._opened(name))
        except OSError as error:
            if error.errno in _ABSENT:
                return False
            raise storage_error("read", path, error) from error
        return True

    def prepare(self) -> None:
        make_ready(self._directory)

    def _opened(self, name: str) -> int:
        parents, last = split(name)
        top = open_top(self._directory)
        try:
            with reached(top, parents) as directory:
                return open_regular(last, shown=name, directory=directory)
        finally:
            close_quietly(top)


class _ArtifactBatch(_Batch):
    def __init__(self, entered: Room, algorithms: tuple[str, ...]) -> None:
        super().__init__(entered)
        self._algorithms = algorithms
        self._staged = StagedFiles(self._room)
        self._relied: set[Parents] = set()
        # Contents are received side by side; what becomes of them is noted one after the other.
        self._noting = threading.Lock()

    def receive(self, path: TargetPath, source: BinaryIO, on_bytes: Callable[[int], None]) -> ReceivedContent:
        self._check()
        check_content_path(path, self._algorithms)
        with self._failing(path):
            staged, descriptor = self._room.open()
        try:
            write = partial(self._write, path, descriptor)
            length, hashes = take_in(path, source, algorithms=self._algorithms, write=write, on_bytes=on_bytes)
            looks = self._look(path, hashes, length)
        except BaseException:
            self._room.drop(staged, descriptor)
            raise
        kept = worst(found.kept for found in looks.values())
        try:
            with self._failing(path), self._noting:
                if kept is Kept.WHOLE:
                    self._room.drop(staged, descriptor)
                    self._rely_on(looks)
                else:
                    self._room.keep(staged, descriptor)
                    self._note(staged, looks)
        finally:
            close_all(looks.values())
        return ReceivedContent(length, hashes, kept)

    def _write(self, path: TargetPath, descriptor: int, data: bytes) -> None:
        with self._failing(path):
            write_all(descriptor, data)

    def _look(self, path: TargetPath, hashes: Mapping[str, str], length: int) -> dict[str, Look]:
        """What stands under each name of a content."""
        looks: dict[str, Look] = {}
        for name, (algorithm, digest) in zip(content_names(path, hashes), hashes.items(), strict=True):
            parents, last = split(name)
            try:
                looks[name] = look(self._room.root, parents, last, algorithm=algorithm, digest=digest, length=length)
            except OSError as error:
                close_all(looks.values())
                raise storage_error("restore", name, error) from error
        return looks

    def _rely_on(self, looks: dict[str, Look]) -> None:
        """Whoever put it there may have been killed before it was durable, so `commit` sees to that."""
        while looks:
            name, found = looks.popitem()
            self._relied.add(split(name)[0])
            if found.descriptor is not None:
                self._room.rely_on(found.descriptor)

    def _note(self, staged: bytes, looks: Mapping[str, Look]) -> None:
        """What `commit` is to do for one content: a file of its own for each of its names."""
        for index, (name, found) in enumerate(looks.items()):
            each = self._room.twin(staged) if index else staged
            self._staged.add(each, name, How.REPLACE if found.kept is Kept.DAMAGED else How.CREATE)

    def __len__(self) -> int:
        return len(self._staged)

    def commit(self, on_kept: Callable[[int], None] = ignored) -> None:
        self._check()
        self._place(self._staged, "new contents", relied=self._relied, on_named=on_kept)
        self._staged = StagedFiles(self._room)
        self._relied.clear()


def _unlink(name: str, top: int) -> None:
    try:
        mode = os.stat(name, dir_fd=top, follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFile(name, directory=stat.S_ISDIR(mode))
        os.unlink(name, dir_fd=top)
    except FileNotFoundError:
        return


def _read_at_most(descriptor: int, size: int) -> bytes:
    # A buffer far larger than the file would cost more than the reading.
    expected = min(os.fstat(descriptor).st_size + 1, _PIECE)
    pieces = []
    while size > 0 and (piece := os.read(descriptor, min(size, expected))):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
