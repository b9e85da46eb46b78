"""Storages of each kind for the tests, with what clients see of them, and short ways to fill them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rstuf.model.names import target_path
from rstuf.repository.interfaces import ArtifactStorage, MetadataStorage
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage
from rstuf.storage.memory import MemoryArtifactStorage, MemoryMetadataStorage
from rstuf.storage.names import STAGING

BOTH = ("sha256", "sha512")
"""Two hashes for each content."""


@dataclass(frozen=True)
class Metadata:
    """A metadata storage, what clients see of it, and a way to put a file there by hand."""

    storage: MetadataStorage
    visible: Callable[[], Mapping[str, bytes]]
    put: Callable[[str, bytes], None]


@dataclass(frozen=True)
class Artifacts:
    """An artifact storage, what clients see of it, and a way to put a file there by hand."""

    storage: ArtifactStorage
    visible: Callable[[], Mapping[str, bytes]]
    put: Callable[[str, bytes], None]


def filesystem_metadata(directory: Path) -> Metadata:
    """In a directory that is not there yet."""
    return Metadata(FilesystemMetadataStorage(directory), lambda: tree(directory), _putter(directory))


def filesystem_artifacts(directory: Path) -> Artifacts:
    """In a directory that is not there yet."""
    return Artifacts(FilesystemArtifactStorage(directory), lambda: tree(directory), _putter(directory))


def memory_metadata(_: Path) -> Metadata:
    """In memory."""
    storage = MemoryMetadataStorage()
    return Metadata(storage, lambda: dict(storage.files), storage.show)


def memory_artifacts(_: Path) -> Artifacts:
    """In memory."""
    storage = MemoryArtifactStorage()
    return Artifacts(storage, lambda: dict(storage.files), storage.show)


METADATA: Mapping[str, Callable[[Path], Metadata]] = {"filesystem": filesystem_metadata, "memory": memory_metadata}
ARTIFACTS: Mapping[str, Callable[[Path], Artifacts]] = {"filesystem": filesystem_artifacts, "memory": memory_artifacts}


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below a storage directory that a web server could serve, by its relative name."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.relative_to(directory).parts[0] != STAGING
    }


def unfinished(directory: Path) -> list[str]:
    """What stands in a storage's staging directory."""
    return sorted(str(path.relative_to(directory)) for path in (directory / STAGING).rglob("*"))


def _putter(directory: Path) -> Callable[[str, bytes], None]:
    def put(name: str, data: bytes) -> None:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return put


def ignore(_: int) -> None:
    """What a person who asked for no progress is told."""


def publish(storage: FilesystemMetadataStorage, files: dict[str, bytes]) -> None:
    """Create files in one batch."""
    with storage.batch() as batch:
        for name, data in files.items():
            batch.create(name, data)
        batch.commit()


def keep(
    storage: FilesystemArtifactStorage,
    contents: dict[str, bytes],
    algorithms: tuple[str, ...] = ("sha256",),
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Receive contents in one batch; `meanwhile` happens before they are committed."""
    with storage.batch(algorithms) as batch:
        for path, data in contents.items():
            batch.receive(target_path(path), io.BytesIO(data), ignore)
        meanwhile()
        batch.commit()


def stored(path: str, data: bytes, algorithm: str = "sha256") -> str:
    """The hash-prefixed name of a content."""
    directories, slash, last = path.rpartition("/")
    return f"{directories}{slash}{hashlib.new(algorithm, data).hexdigest()}.{last}"
