"""Batches on a disk that fails: the error is told, nothing is torn, nothing is left over, and a second try succeeds."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.file_calls import CALLS, broken, open_descriptors
from tests.support.storages import tree, unfinished

from rstuf.errors import StorageError
from rstuf.model.names import target_path
from rstuf.storage import flushing
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage
from rstuf.storage.names import content_names

FILES = {f"{index}.root.json": b"root %d" % index for index in range(1, 6)}
CONTENTS = {target_path(f"a/b{index % 2}/f{index}"): b"content %d" % index for index in range(5)}
FAILURES = dict.fromkeys(("fsync", "close", "stat", "fstat", "unlink"), errno.EIO)
# Until these are called, no file of a batch has its name.
BEFORE_NAMES = frozenset({"write", "fchmod"})


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory on a file system in memory where there is one: hundreds of flushes, and none is waited for."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(directory)


def put_metadata(directory: Path) -> None:
    storage = FilesystemMetadataStorage(directory)
    storage.prepare()
    with storage.batch() as batch:
        for name, data in FILES.items():
            batch.create(name, data)
        batch.commit()


def put_contents(directory: Path) -> None:
    storage = FilesystemArtifactStorage(directory)
    storage.prepare()
    with storage.batch(("sha256", "sha512")) as batch:
        for path, data in CONTENTS.items():
            batch.receive(path, io.BytesIO(data), lambda _: None)
        batch.commit()


def wanted_of(put: Callable[[Path], None], directory: Path) -> dict[str, bytes]:
    put(directory)
    return tree(directory)


@pytest.mark.parametrize("put", [put_metadata, put_contents])
@pytest.mark.parametrize("kind", ["few", "many", "groups"])
@pytest.mark.parametrize("call", CALLS)
def test_every_failing_call(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    kind: str,
    put: Callable[[Path], None],
) -> None:
    """Each call of a whole batch fails once, in each way of flushing: nothing is torn, and the rerun is whole."""
    if kind != "few":
        monkeypatch.setattr(flushing, "FEW", 2)
        monkeypatch.setattr(flushing, "_whole_flush_reports_errors", lambda _: kind == "many")
    wanted = wanted_of(put, place / "whole")
    reached = 0
    while True:
        directory = place / f"try{reached}"
        before = open_descriptors()
        failed = False
        with broken(call, at=reached, error=FAILURES.get(call, errno.ENOSPC)) as fault:
            try:
                put(directory)
            except StorageError:
                failed = True
        assert open_descriptors() == before
        visible = tree(directory)
        assert visible.items() <= wanted.items()
        assert failed or visible == wanted
        if not fault.happened:
            break
        reached += 1
        if call in BEFORE_NAMES:
            assert failed
            assert visible == {}
        if call not in {"unlink", "open"}:  # else the failed call may be the clearing up
            assert not directory.exists() or unfinished(directory) == []
        put(directory)
        assert tree(directory) == wanted
        assert unfinished(directory) == []
    assert visible == wanted
    if call not in {"replace", "fstat"}:
        assert reached > 0


@pytest.mark.parametrize("put", [put_metadata, put_contents])
def test_a_failing_whole_flush_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path], None]
) -> None:
    """When syncfs reports an error, nothing of the batch is visible and the directories it made are gone."""
    calls = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, "writeback failed")

    monkeypatch.setattr(flushing, "FEW", 2)
    monkeypatch.setattr(flushing, "_whole_flush_reports_errors", lambda _: True)
    monkeypatch.setattr(flushing, "_flush_file_system", fail)
    with pytest.raises(StorageError, match="the disk reports an error"):
        put(tmp_path / "d")
    assert len(calls) == 1
    assert [entry.name for entry in (tmp_path / "d").iterdir()] == [".staging"]
    assert unfinished(tmp_path / "d") == []


def test_after_a_failed_write_nothing_is_committed(tmp_path: Path) -> None:
    """A batch that lost a file is not committed without it, though the caller goes on."""
    storage = FilesystemMetadataStorage(tmp_path / "m")
    storage.prepare()
    with storage.batch() as batch:
        batch.create("1.root.json", b"{}")
        with broken("write", at=0, error=errno.ENOSPC), pytest.raises(StorageError, match="no space left"):
            batch.create("2.root.json", b"{}")
        with pytest.raises(StorageError):
            batch.create("3.root.json", b"{}")
        with pytest.raises(StorageError, match="no space left"):
            batch.commit()
    assert tree(tmp_path / "m") == {}


def test_a_failed_flush_is_not_tried_again(tmp_path: Path) -> None:
    """After a flush failed, committing once more fails without asking the disk."""
    storage = FilesystemArtifactStorage(tmp_path / "t")
    storage.prepare()
    with storage.batch() as batch:
        batch.receive(target_path("z"), io.BytesIO(b"z"), lambda _: None)
        with broken("fsync", at=0, error=errno.EIO) as fault:
            for _ in range(2):
                with pytest.raises(StorageError):
                    batch.commit()
        assert fault.count == 1
    assert tree(tmp_path / "t") == {}


@pytest.mark.parametrize("call", ["open", "stat", "unlink", "fsync"])
@pytest.mark.parametrize("at", range(3))
def test_a_file_that_cannot_be_let_go_is_told(place: Path, call: str, at: int) -> None:
    """Nothing is called gone then; the same once more lets go of the rest."""
    storage = FilesystemMetadataStorage(place)
    storage.prepare()
    names = [f"1.bins-{index}.json" for index in range(3)]
    with storage.batch() as batch:
        for name in [*names, "2.bins-0.json"]:
            batch.create(name, b"x")
        batch.commit()
    before = open_descriptors()
    with broken(call, at=at, error=errno.EIO) as broke, suppress(StorageError):
        storage.discard(names)
        assert not broke.happened
    assert open_descriptors() == before
    storage.discard(names)
    assert tree(place) == {"2.bins-0.json": b"x"}


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes that take only part of the bytes lose none of them."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    put_metadata(tmp_path / "m")
    put_contents(tmp_path / "t")
    assert tree(tmp_path / "m") == FILES
    assert sorted(set(tree(tmp_path / "t").values())) == sorted(CONTENTS.values())


# --- real disks ------------------------------------------------------------------------------------------

ON_A_DISK = """
import io, os, resource, subprocess, sys
from pathlib import Path
from rstuf.errors import StorageError
from rstuf.model.names import target_path
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage
from tests.support.storages import tree, unfinished

place = Path(sys.argv[1])
metadata, artifacts = FilesystemMetadataStorage(place / "m"), FilesystemArtifactStorage(place / "t")
metadata.prepare()
artifacts.prepare()
metadata.replace("timestamp.json", b"old")

def attempt(size):
    told = []
    def create():
        with metadata.batch() as batch:
            for index in range(4):
                batch.create(f"1.b{index}.json", b"x" * size)
            batch.commit()
    def receive():
        with artifacts.batch() as batch:
            for index in range(4):
                batch.receive(target_path(f"a/{index}"), io.BytesIO(b"x" * size), lambda _: None)
            batch.commit()
    for act in (create, receive, lambda: metadata.replace("timestamp.json", b"x" * size)):
        try:
            act()
        except StorageError as error:
            told.append(error.reason)
    return told
"""

FULL = """
assert attempt(1 << 20) == ["no space left on the disk"] * 3
assert tree(place / "m") == {"timestamp.json": b"old"}
assert tree(place / "t") == {}
assert unfinished(place / "m") == unfinished(place / "t") == []
assert attempt(100) == []
assert len(tree(place / "m")) == 5 and len(tree(place / "t")) == 4
"""

LIMITED = """
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
assert attempt(10_000) == ["it is larger than files may be here"] * 3
assert tree(place / "m") == {"timestamp.json": b"old"}
assert tree(place / "t") == {}
assert unfinished(place / "m") == unfinished(place / "t") == []
"""

NO_DESCRIPTORS = """
resource.setrlimit(resource.RLIMIT_NOFILE, (12, 4096))
opened = [os.open("/", os.O_RDONLY) for _ in range(12 - len(os.listdir("/proc/self/fd")) + 1)]
assert attempt(100) == ["too many files are open"] * 3
for descriptor in opened:
    os.close(descriptor)
assert tree(place / "t") == {}
assert tree(place / "m") == {"timestamp.json": b"old"}
"""

READ_ONLY = """
subprocess.run(["mount", "-o", "remount,ro", place], check=True)
assert attempt(100) == ["the file system is read-only"] * 3
subprocess.run(["mount", "-o", "remount,rw", place], check=True)
assert attempt(100) == []
"""

FORBIDDEN = """
os.chmod(place, 0o755)
for directory in (place / "m", place / "t"):
    for inside in (directory, directory / ".staging"):
        os.chmod(inside, 0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
told = attempt(100)
if told != ["permission denied"] * 3:
    raise SystemExit(repr(told))
"""


def run(script: str, place: Path, *wrapper: str) -> None:
    here = Path(__file__).parents[3]
    command = [*wrapper, sys.executable, "-c", ON_A_DISK + script, str(place)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=here)
    assert done.returncode == 0, done.stderr


def in_a_small_disk(script: str, place: Path) -> None:
    """Run a script on a file system of 256 KiB of its own."""
    mounted = ["unshare", "-rm", "sh", "-c"]
    if subprocess.run([*mounted, f"mount -t tmpfs none '{place}'"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of one's own")
    run(script, place, *mounted, f"mount -t tmpfs -o size=256k none '{place}' && exec \"$@\"", "sh")


def test_a_full_disk(tmp_path: Path) -> None:
    """On a disk that is really full, nothing changes, nothing is left over, and smaller files still fit."""
    in_a_small_disk(FULL, tmp_path)


def test_a_read_only_disk(tmp_path: Path) -> None:
    """On a disk that became read-only, the reason is told, and when it is writable again all goes on."""
    in_a_small_disk(READ_ONLY, tmp_path)


def test_a_limit_on_file_sizes(tmp_path: Path) -> None:
    """A write that the system cuts short is an error, not half a file."""
    run(LIMITED, tmp_path)


def test_too_few_descriptors(tmp_path: Path) -> None:
    """Without descriptors the reason is told and nothing is visible."""
    run(NO_DESCRIPTORS, tmp_path)


def test_a_directory_of_someone_else(tmp_path: Path) -> None:
    """In a directory that may not be written the reason is told."""
    place = tmp_path / "public"
    place.mkdir()
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(above.stat().st_mode | 0o011)
    run(FORBIDDEN, place)


def test_a_staging_directory_on_another_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files cannot be moved between file systems, so that is found out before there are any."""
    script = """
(place / "m2").mkdir()
(place / "m2" / ".staging").mkdir()
subprocess.run(["mount", "-t", "tmpfs", "none", place / "m2" / ".staging"], check=True)
try:
    FilesystemMetadataStorage(place / "m2").prepare()
except StorageError as error:
    assert error.reason == "it lies on another file system than its temporary files"
else:
    raise SystemExit("taken")
"""
    in_a_small_disk(script, tmp_path)


def test_a_failing_read_is_told_in_our_words(tmp_path: Path) -> None:
    """Whichever call of a read fails, nothing but our error leaves, and no descriptor stays open."""
    put_contents(tmp_path / "t")
    put_metadata(tmp_path / "m")
    artifacts, metadata = FilesystemArtifactStorage(tmp_path / "t"), FilesystemMetadataStorage(tmp_path / "m")
    path = next(iter(CONTENTS))
    (name,) = (name for name in tree(tmp_path / "t") if name.endswith(f".{path.rpartition('/')[2]}") and len(name) < 90)
    hashes = {"sha256": name.rpartition("/")[2].partition(".")[0]}
    assert content_names(path, hashes) == [name]
    reads: list[Callable[[], object]] = [
        lambda: metadata.read("1.root.json", limit=100),
        lambda: artifacts.exists(path, hashes),
        lambda: artifacts.open(path, hashes).__enter__().close(),  # type: ignore[attr-defined]
    ]
    for read in reads:
        for call in ("open", "fstat", "read", "close"):
            before = open_descriptors()
            with broken(call, at=0, error=errno.EIO), suppress(StorageError):
                read()
            assert open_descriptors() == before
