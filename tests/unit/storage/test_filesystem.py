"""Storages in a directory: permissions, links, leftovers, several at once, and where durability comes from."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.file_calls import open_descriptors, watched
from tests.support.storages import tree, unfinished

from rstuf.errors import NameTaken, NotAFile, StorageError
from rstuf.model.names import target_path
from rstuf.storage import flushing
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage

BOTH = ("sha256", "sha512")


@pytest.fixture
def metadata(tmp_path: Path) -> FilesystemMetadataStorage:
    storage = FilesystemMetadataStorage(tmp_path / "metadata")
    storage.prepare()
    return storage


@pytest.fixture
def artifacts(tmp_path: Path) -> FilesystemArtifactStorage:
    storage = FilesystemArtifactStorage(tmp_path / "targets")
    storage.prepare()
    return storage


def ignore(_: int) -> None:
    return


def publish(storage: FilesystemMetadataStorage, files: dict[str, bytes]) -> None:
    with storage.batch() as batch:
        for name, data in files.items():
            batch.create(name, data)
        batch.commit()


def keep(
    storage: FilesystemArtifactStorage, contents: dict[str, bytes], algorithms: tuple[str, ...] = ("sha256",)
) -> None:
    with storage.batch(algorithms) as batch:
        for path, data in contents.items():
            batch.receive(target_path(path), io.BytesIO(data), ignore)
        batch.commit()


def stored(path: str, data: bytes, algorithm: str = "sha256") -> str:
    directories, slash, last = path.rpartition("/")
    return f"{directories}{slash}{hashlib.new(algorithm, data).hexdigest()}.{last}"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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
    (tmp_path / "targets" / stored("z", b"z")).symlink_to(outside)
    with pytest.raises(NameTaken):
        keep(artifacts, {"z": b"z"})
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


def test_discarded_contents_free_their_space(artifacts: FilesystemArtifactStorage) -> None:
    """What was discarded is closed and gone at once, not only when its batch ends."""
    with artifacts.batch() as batch:
        before = open_descriptors()
        for _ in range(5):
            batch.receive(target_path("z"), io.BytesIO(b"z"), ignore)
        batch.discard(target_path("z"))
        assert open_descriptors() == before


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
    (tmp_path / "targets" / names[1]).write_bytes(b"by hand")
    with pytest.raises(NameTaken):
        keep(artifacts, {"x/z": data}, BOTH)


# --- leftovers and several at once -----------------------------------------------------------------------

KILLED = """
import io, os, signal, sys
from pathlib import Path
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage
storage = FilesystemMetadataStorage(Path(sys.argv[1]))
storage.prepare()
with storage.batch() as batch:
    for index in range(40):
        batch.create(f"1.bins-{index}.json", b"x")
    print("ready", flush=True)
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
    batch.commit()
"""


def test_what_a_killed_batch_left_is_cleared(metadata: FilesystemMetadataStorage, tmp_path: Path) -> None:
    """Unfinished files of a process that was killed are removed when the place is made ready again."""
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "metadata", "kill"], check=False, stdout=subprocess.PIPE)
    assert len(unfinished(tmp_path / "metadata")) == 41
    (tmp_path / "metadata/.staging/.rstuf-0123456789abcdef.tmp").touch()
    metadata.prepare()
    assert unfinished(tmp_path / "metadata") == []
    assert tree(tmp_path / "metadata") == {}


def test_what_a_living_batch_has_stays(metadata: FilesystemMetadataStorage, tmp_path: Path) -> None:
    """Making the place ready leaves the unfinished files of a process that still lives, and it can commit."""
    command = [sys.executable, "-c", KILLED, tmp_path / "metadata"]
    subprocess.run([*command, "kill"], check=False, stdout=subprocess.PIPE)
    with subprocess.Popen([*command, "live"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdin is not None
        assert living.stdout is not None
        try:
            living.stdout.readline()
            living.send_signal(signal.SIGSTOP)
            metadata.prepare()
            assert len(unfinished(tmp_path / "metadata")) == 41
            living.send_signal(signal.SIGCONT)
            living.stdin.close()
            assert living.wait(30) == 0
        finally:
            living.kill()
    assert len(tree(tmp_path / "metadata")) == 40
    assert unfinished(tmp_path / "metadata") == []


def test_leftovers_that_are_not_ours_do_no_harm(metadata: FilesystemMetadataStorage, tmp_path: Path) -> None:
    """Strange things in the staging directory stop nothing."""
    staging = tmp_path / "metadata/.staging"
    (staging / "file").touch()
    (staging / "deep/deeper").mkdir(parents=True)
    (staging / "link").symlink_to(tmp_path)
    metadata.prepare()
    publish(metadata, {"1.root.json": b"{}"})
    assert tmp_path.is_dir()


def test_several_batches_at_once(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """Batches that run at the same time, with contents and directories in common, all succeed."""
    barrier, errors = threading.Barrier(6), []

    def add(number: int) -> None:
        try:
            for turn in range(10):
                barrier.wait()
                keep(artifacts, {f"t{turn}/common": b"c", f"t{turn}/x{number}/own": b"%d" % number})
                artifacts.prepare()
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(tree(tmp_path / "targets")) == 10 * 7
    assert unfinished(tmp_path / "targets") == []


def test_a_failing_batch_takes_nothing_from_another(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """While one batch fails over and over and takes back the directories it made, another's contents arrive."""
    (tmp_path / "targets/zz").write_bytes(b"a file in the way")
    done, errors, failed = threading.Event(), [], []

    def fail() -> None:
        while not done.is_set():
            try:
                keep(artifacts, {f"d{turn}/sub/bad": b"b" for turn in range(20)} | {"zz/bad": b"b"})
            except StorageError as error:
                failed.append(error)

    def succeed() -> None:
        try:
            for turn in range(20):
                keep(artifacts, {f"d{turn}/sub/good": b"%d" % turn})
        except BaseException as error:
            errors.append(error)
        done.set()

    threads = [threading.Thread(target=target) for target in (fail, succeed)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert failed
    assert len(tree(tmp_path / "targets")) == 21


def test_directories_that_another_batch_may_rely_on_stay(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """While any other batch gives names, a failing one leaves the directories it made; else it takes them back."""
    targets = tmp_path / "targets"
    (targets / "zz").write_bytes(b"a file in the way")
    other = os.open(targets, os.O_RDONLY)
    for held in (True, False):
        fcntl.flock(other, fcntl.LOCK_SH if held else fcntl.LOCK_UN)
        with pytest.raises(StorageError):
            keep(artifacts, {f"{held}/sub/bad": b"b", "zz/bad": b"b"})
    os.close(other)
    assert sorted(str(path.relative_to(targets)) for path in targets.rglob("[TFs]*")) == ["True", "True/sub"]


# --- durability ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 32, 33, 100])
@pytest.mark.parametrize("reporting", [True, False])
def test_metadata_is_durable_before_and_after_its_name(
    metadata: FilesystemMetadataStorage, monkeypatch: pytest.MonkeyPatch, count: int, reporting: bool
) -> None:
    """Bytes are durable before they have names, names when the commit returns; few, many, with syncfs and without."""
    if not reporting:
        monkeypatch.setattr(flushing, "_whole_flush_reports_errors", lambda _: False)
    with watched() as watch:
        publish(metadata, {f"1.bins-{index}.json": b"x" for index in range(count)})
    assert watch.faults == []
    assert watch.dirty == set()
    many = reporting and count > flushing.FEW
    assert (watch.whole, watch.flushes) == ((1, 1) if many else (0, count + 1))


def test_timestamp_is_durable_before_and_after_its_name(metadata: FilesystemMetadataStorage) -> None:
    """The commit point: flushed before the rename, and the directory after it."""
    with watched() as watch:
        metadata.replace("timestamp.json", b"{}")
    assert (watch.faults, watch.dirty, watch.flushes) == ([], set(), 2)


@pytest.mark.parametrize("count", [1, 20, 40])
@pytest.mark.parametrize("reporting", [True, False])
@pytest.mark.parametrize("algorithms", [("sha256",), BOTH])
def test_contents_are_durable_before_and_after_their_names(
    artifacts: FilesystemArtifactStorage,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    reporting: bool,
    algorithms: tuple[str, ...],
) -> None:
    """Contents, the directories that hold them and all above are durable when the commit returns."""
    if not reporting:
        monkeypatch.setattr(flushing, "_whole_flush_reports_errors", lambda _: False)
    with watched() as watch:
        keep(artifacts, {f"a/b{index}/c/f": b"%d" % index for index in range(count)}, algorithms)
    assert watch.faults == []
    assert watch.dirty == set()


def test_a_second_name_is_durable_though_the_first_was_there(artifacts: FilesystemArtifactStorage) -> None:
    """When a content has one of its names already, its other name leads to bytes that were flushed, too."""
    keep(artifacts, {"z": b"z"})
    with watched() as watch:
        keep(artifacts, {"z": b"z"}, BOTH)
    assert watch.faults == []
    assert watch.dirty == set()


def test_directories_that_others_made_are_flushed_too(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """A directory that another batch has just made may not be durable yet, so its parents are flushed again."""
    with watched() as watch:
        os.mkdir(tmp_path / "targets/a")
        os.mkdir(tmp_path / "targets/a/b")
        keep(artifacts, {"a/b/z": b"z"})
    assert watch.dirty == set()


def test_files_that_are_there_are_flushed_too(metadata: FilesystemMetadataStorage, tmp_path: Path) -> None:
    """A file that someone just wrote with equal bytes is durable when the commit returns."""
    with watched() as watch:
        descriptor = os.open(tmp_path / "metadata/1.root.json", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"{}")
        os.close(descriptor)
        publish(metadata, {"1.root.json": b"{}"})
    assert watch.dirty == set()
