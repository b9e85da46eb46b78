"""Several batches in one storage: what a killed one left is cleared, and none takes anything from another."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.storages import keep, publish, tree, unfinished

from rstuf.errors import StorageError
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage

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
    way = tmp_path / "targets/zz"
    done, errors, failed = threading.Event(), [], []

    def fail() -> None:
        while not done.is_set():
            try:
                contents = {f"d{turn}/sub/bad": b"b" for turn in range(20)} | {"zz/bad": b"b"}
                keep(artifacts, contents, meanwhile=way.touch)
            except StorageError as error:
                failed.append(error)
            way.unlink()

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
    assert len(tree(tmp_path / "targets")) == 20


def test_directories_that_another_batch_may_rely_on_stay(artifacts: FilesystemArtifactStorage, tmp_path: Path) -> None:
    """While any other batch gives names, a failing one leaves the directories it made; else it takes them back."""
    targets = tmp_path / "targets"
    other = os.open(targets, os.O_RDONLY)
    for held in (True, False):
        fcntl.flock(other, fcntl.LOCK_SH if held else fcntl.LOCK_UN)
        with pytest.raises(StorageError):
            keep(artifacts, {f"{held}/sub/bad": b"b", "zz/bad": b"b"}, meanwhile=(targets / "zz").touch)
        (targets / "zz").unlink()
    os.close(other)
    assert sorted(str(path.relative_to(targets)) for path in targets.rglob("[TFs]*")) == ["True", "True/sub"]
