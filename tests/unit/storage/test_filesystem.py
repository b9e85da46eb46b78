"""Storages on a file system: who may read what is published, what is behind links, and how contents lie there."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import tracemalloc
from pathlib import Path

import pytest
from tests.support.file_calls import open_descriptors, watched
from tests.support.files import mode, umask
from tests.support.storages import BOTH, ignore, keep, publish, stored, tree, unfinished

from rstuf.errors import NameTaken, NotAFile, StorageError
from rstuf.model.names import target_path
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage

# --- permissions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_everyone_can_read_what_is_published(tmp_path: Path, mask: int) -> None:
    """Files are 0644 and directories 0755 whatever the umask; only unfinished files are private."""
    with umask(mask):
        metadata, artifacts = FilesystemMetadataStorage(tmp_path / "a/m"), FilesystemArtifactStorage(tmp_path / "a/t")
        metadata.prepare()
        artifacts.prepare()
        publish(metadata, {"1.root.json": b"{}"})
        metadata.replace("timestamp.json", b"{}")
        keep(artifacts, {"x/y/z": b"z"}, BOTH)
        with metadata.batch() as batch:
            batch.create("2.root.json", b"{}")
            (room,) = (tmp_path / "a/m/.staging").iterdir()
            assert mode(room) == 0o700
    for path in (tmp_path / "a").rglob("*"):
        expected = 0o700 if path.name == ".staging" else 0o755 if path.is_dir() else 0o644
        assert (path, oct(mode(path))) == (path, oct(expected))


def test_an_open_staging_directory_is_closed(metadata: FilesystemMetadataStorage, tmp_path: Path) -> None:
    """A staging directory that others could enter becomes private again."""
    staging = tmp_path / "metadata/.staging"
    staging.chmod(0o777)
    metadata.prepare()
    assert mode(staging) == 0o700


# --- links and other inodes ------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["x", "x/y"])
def test_no_content_goes_through_a_link(artifacts: FilesystemArtifactStorage, tmp_path: Path, depth: str) -> None:
    """A symbolic link in the place of a directory is refused for writing and reading, and nothing appears behind it."""
    outside = tmp_path / "outside"
    (outside / "y").mkdir(parents=True)
    link = tmp_path / "targets" / depth
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    behind = outside if depth == "x/y" else outside / "y"
    (behind / stored("z", b"bait")).write_bytes(b"bait")
    before = tree(outside)
    with pytest.raises(StorageError) as caught:
        keep(artifacts, {"x/y/z": b"z", "other": b"o"})
    assert "symbolic link" in caught.value.reason
    assert tree(outside) == before
    hashes = {"sha256": hashlib.sha256(b"bait").hexdigest()}
    with pytest.raises(StorageError, match="symbolic link"):
        artifacts.open(target_path("x/y/z"), hashes)
    with pytest.raises(StorageError, match="symbolic link"):
        artifacts.exists(target_path("x/y/z"), hashes)
    assert stored("other", b"o") not in tree(tmp_path / "targets")


def test_a_link_under_a_content_name_is_not_followed(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """A link to equal bytes is not the content: it is neither taken for it nor written through."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"z")
    place = tmp_path / "targets" / stored("z", b"z")
    with pytest.raises(NameTaken):
        keep(artifacts, {"z": b"z"}, meanwhile=lambda: place.symlink_to(outside))
    with pytest.raises(StorageError):
        artifacts.open(target_path("z"), {"sha256": hashlib.sha256(b"z").hexdigest()})


def test_a_linked_staging_directory_is_refused(tmp_path: Path) -> None:
    """Unfinished files go nowhere else, even if someone put a link in the place of their directory."""
    (tmp_path / "metadata").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "metadata/.staging").symlink_to(tmp_path / "outside")
    storage = FilesystemMetadataStorage(tmp_path / "metadata")
    with pytest.raises(StorageError):
        storage.prepare()
    with pytest.raises(StorageError), storage.batch():
        pass
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_storage_itself_may_lie_behind_a_link(tmp_path: Path) -> None:
    """Where the storage lies is its owner's choice."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "metadata").symlink_to(tmp_path / "disk")
    storage = FilesystemMetadataStorage(tmp_path / "metadata")
    storage.prepare()
    publish(storage, {"1.root.json": b"{}"})
    assert tree(tmp_path / "disk") == {"1.root.json": b"{}"}


@pytest.mark.parametrize("kind", ["link", "fifo", "socket", "directory"])
def test_only_regular_files_are_read(metadata: FilesystemMetadataStorage, tmp_path: Path, kind: str) -> None:
    """Anything else under a name is an error, at once, and leaves no descriptor open."""
    path = tmp_path / "metadata/1.root.json"
    listener = socket.socket(socket.AF_UNIX)
    if kind == "link":
        (tmp_path / "secret").write_text("secret")
        path.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        listener.bind(str(path))
    else:
        path.mkdir()
    before = open_descriptors()
    with pytest.raises(NotAFile):
        metadata.read("1.root.json", limit=100)
    assert open_descriptors() == before
    listener.close()
    if kind != "directory":
        metadata.restore("1.root.json", b"{}")
        assert tree(tmp_path / "metadata") == {"1.root.json": b"{}"}
        assert kind != "link" or (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_only_regular_files_are_let_go(metadata: FilesystemMetadataStorage, tmp_path: Path, kind: str) -> None:
    """Anything else under a name is an error that names it, stays, and keeps what comes after it."""
    publish(metadata, {"1.a.json": b"a", "1.c.json": b"c"})
    path = tmp_path / "metadata/1.b.json"
    (tmp_path / "elsewhere").write_text("kept")
    {"link": lambda: path.symlink_to(tmp_path / "elsewhere"), "fifo": lambda: os.mkfifo(path), "directory": path.mkdir}[
        kind
    ]()
    before = open_descriptors()
    with pytest.raises(NotAFile, match=r"1\.b\.json"):
        metadata.discard(["1.a.json", "1.b.json", "1.c.json"])
    assert open_descriptors() == before
    assert sorted(os.listdir(tmp_path / "metadata")) == [".staging", "1.b.json", "1.c.json"]
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_a_directory_that_is_a_file_is_refused(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """Where a file stands in the place of a directory, nothing is changed, and directories made on the way go."""
    (tmp_path / "targets/b").write_bytes(b"file")
    with pytest.raises(StorageError, match="where a directory should be"):
        keep(artifacts, {"a/new/z": b"z", "b/c": b"c"})
    assert [entry.name for entry in (tmp_path / "targets").iterdir() if entry.name != ".staging"] == ["b"]


def test_a_storage_that_was_never_made_says_so(tmp_path: Path) -> None:
    """A directory that is not there is an error, not made by accident."""
    with pytest.raises(StorageError), FilesystemArtifactStorage(tmp_path / "none").batch():
        pass
    with pytest.raises(StorageError):
        FilesystemMetadataStorage(tmp_path / "none").replace("timestamp.json", b"")
    with pytest.raises(StorageError):
        FilesystemMetadataStorage(tmp_path / "none").discard(["1.a.json"])
    assert list(tmp_path.iterdir()) == []


# --- contents --------------------------------------------------------------------------------------------


def test_a_content_is_stored_once(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """The names of all its hashes lead to one inode."""
    keep(artifacts, {"x/z": b"z"}, BOTH)
    inodes = {(tmp_path / "targets" / stored("x/z", b"z", algorithm)).stat().st_ino for algorithm in BOTH}
    assert len(inodes) == 1


def test_memory_stays_flat(artifacts: FilesystemArtifactStorage) -> None:
    """A large content passes through in small pieces."""

    class Zeros(io.RawIOBase):
        left = 48 << 20

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    tracemalloc.start()
    try:
        with artifacts.batch() as batch:
            assert batch.receive(target_path("big"), Zeros(), ignore).length == 48 << 20
            batch.commit()
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_contents(artifacts: FilesystemArtifactStorage) -> None:
    """Four thousand new ones, of which each would otherwise be remembered with its path and hash, need one megabyte."""
    keep(artifacts, {"first": b"x"})
    tracemalloc.start()
    try:
        with artifacts.batch() as batch:
            for index in range(4000):
                batch.receive(target_path(f"{'d' * 150}/{index}"), io.BytesIO(b"%d" % index), ignore)
            assert len(batch) == 4000
            assert tracemalloc.get_traced_memory()[1] < 1.3 * (1 << 20)
    finally:
        tracemalloc.stop()


def test_what_is_kept_already_frees_its_space(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """What was received and is not needed is gone at once, not only when its batch ends."""
    with artifacts.batch() as batch:
        batch.receive(target_path("z"), io.BytesIO(b"z"), ignore)
        batch.commit()
    with artifacts.batch() as batch:
        for _ in range(5):
            batch.receive(target_path("z"), io.BytesIO(b"z"), ignore)
        assert len(unfinished(tmp_path / "targets")) == 1, "only the room itself"


def refuse_links(*_: object, **__: object) -> None:
    raise OSError(1, "no links here")


def test_where_there_are_no_links_contents_are_copied(
    artifacts: FilesystemArtifactStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without hard links each hash has a copy, and names are still given once."""
    monkeypatch.setattr(os, "link", refuse_links)
    data = os.urandom(3 << 20)
    with watched() as watch:
        monkeypatch.setattr(os, "link", refuse_links)
        keep(artifacts, {"x/z": data}, BOTH)
    assert watch.dirty <= {(tmp_path / "targets/x").stat().st_ino, (tmp_path / "targets").stat().st_ino}
    keep(artifacts, {"x/z": data}, BOTH)
    names = [stored("x/z", data, algorithm) for algorithm in BOTH]
    assert tree(tmp_path / "targets") == dict.fromkeys(sorted(names), data)
    other = os.urandom(1 << 20)
    place = tmp_path / "targets" / stored("x/z", other, BOTH[1])
    with pytest.raises(NameTaken):
        keep(artifacts, {"x/z": other}, BOTH, meanwhile=lambda: place.write_bytes(b"by hand"))
