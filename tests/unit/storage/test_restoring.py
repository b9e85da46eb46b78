"""Restoring kept contents in a directory: what may stand in their place, and what a failure in between leaves."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.file_calls import CALLS, broken, open_descriptors, watched
from tests.support.storages import tree, unfinished

from rstuf.errors import StorageError
from rstuf.model.names import target_path
from rstuf.repository.interfaces import Kept
from rstuf.storage import flushing, kept
from rstuf.storage.filesystem import FilesystemArtifactStorage

GOOD = b"the good bytes"
PATH = target_path("d/e/a.bin")
BOTH = ("sha256", "sha512")


def stored(path: str, data: bytes = GOOD, algorithm: str = "sha256") -> str:
    directories, slash, last = path.rpartition("/")
    return f"{directories}{slash}{hashlib.new(algorithm, data).hexdigest()}.{last}"


@pytest.fixture
def targets(tmp_path: Path) -> Path:
    """A storage directory with the directories of one content, and no content."""
    (tmp_path / "targets/d/e").mkdir(parents=True)
    return tmp_path / "targets"


def restore(targets: Path, *paths: str, algorithms: tuple[str, ...] = ("sha256",)) -> list[Kept]:
    storage = FilesystemArtifactStorage(targets)
    storage.prepare()
    with storage.batch(algorithms) as batch:
        found = [batch.receive(target_path(path), io.BytesIO(GOOD), lambda _: None).kept for path in paths or (PATH,)]
        batch.commit()
    return found


# --- what stands in the place of a content ---------------------------------------------------------------


@pytest.mark.parametrize("leads_to", ["equal", "other", "nothing", "itself"])
def test_a_link_is_replaced_and_not_followed(targets: Path, tmp_path: Path, leads_to: str) -> None:
    """A symbolic link is no content, even to equal bytes; what it leads to is neither read nor changed."""
    outside = tmp_path / "outside"
    if leads_to in {"equal", "other"}:
        outside.write_bytes(GOOD if leads_to == "equal" else b"private")
    place = targets / stored(PATH)
    place.symlink_to(place if leads_to == "itself" else outside)
    before = outside.read_bytes() if outside.exists() else None
    assert restore(targets) == [Kept.DAMAGED]
    assert (place.is_symlink(), place.read_bytes()) == (False, GOOD)
    assert (outside.read_bytes() if outside.exists() else None) == before


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_what_is_no_file_is_replaced(targets: Path, kind: str) -> None:
    """A pipe is not waited for, a device not read: the good bytes take their places."""
    place = targets / stored(PATH)
    listener = socket.socket(socket.AF_UNIX)
    try:
        if kind == "fifo":
            os.mkfifo(place)
        elif kind == "socket":
            before = Path.cwd()
            os.chdir(place.parent)  # names of sockets are short
            try:
                listener.bind(place.name)
            finally:
                os.chdir(before)
        else:
            try:
                os.mknod(place, 0o20666, os.makedev(1, 5))
            except PermissionError:
                pytest.skip("devices are made by root")
        assert restore(targets) == [Kept.DAMAGED]
        assert (place.is_file(), place.read_bytes()) == (True, GOOD)
    finally:
        listener.close()


@pytest.mark.parametrize("inside", [[], ["file"]])
def test_a_directory_is_left_and_named(targets: Path, inside: list[str]) -> None:
    """A directory cannot be replaced in one step, and what is in it may be somebody's: refused, with what to do."""
    place = targets / stored(PATH)
    place.mkdir()
    for name in inside:
        (place / name).write_bytes(b"somebody's")
    before, descriptors = tree(targets), open_descriptors()
    with pytest.raises(StorageError, match="a directory stands in its place") as caught:
        restore(targets)
    assert (caught.value.name, caught.value.hint) == (stored(PATH), "move it away, then run the same command again")
    assert (tree(targets), unfinished(targets), open_descriptors()) == (before, [], descriptors)


def test_a_link_in_the_place_of_a_directory_is_refused(targets: Path, tmp_path: Path) -> None:
    """Restoring goes through no link, and leaves what lies behind it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / stored("a.bin")).write_bytes(b"bait")
    (targets / "d/e").rmdir()
    (targets / "d/e").symlink_to(outside)
    with pytest.raises(StorageError, match="symbolic link"):
        restore(targets)
    assert tree(outside) == {stored("a.bin"): b"bait"}


@pytest.mark.parametrize(("call", "error"), [("open", errno.EACCES), ("read", errno.EIO)])
def test_what_cannot_be_read_is_replaced(targets: Path, call: str, error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that the disk has lost, or that we may not read, is damage too; too few descriptors are none."""
    (targets / stored(PATH)).write_bytes(GOOD)
    inode = (targets / stored(PATH)).stat().st_ino
    real = getattr(os, call)

    def failing(first: object, *rest: object, **options: object) -> object:
        if first == stored(PATH).rpartition("/")[2].encode() or call == "read":
            raise OSError(number, os.strerror(number))
        return real(first, *rest, **options)

    for number in (errno.EMFILE, error):
        with monkeypatch.context() as patch:
            patch.setattr(kept.os, call, failing)
            if number == errno.EMFILE:
                with pytest.raises(StorageError, match="too many files"):
                    restore(targets)
                assert (targets / stored(PATH)).stat().st_ino == inode
            else:
                assert restore(targets) == [Kept.DAMAGED]
    assert (targets / stored(PATH)).stat().st_ino != inode
    assert (targets / stored(PATH)).read_bytes() == GOOD


def test_twins_that_are_one_file_are_mended_under_both_names(targets: Path) -> None:
    """Hard links share their damage; restored, they are one file again, which everyone can read."""
    restore(targets, algorithms=BOTH)
    first, second = (targets / stored(PATH, algorithm=each) for each in BOTH)
    assert first.stat().st_ino == second.stat().st_ino
    with first.open("r+b") as file:
        file.write(b"XXX")
    assert restore(targets, algorithms=BOTH) == [Kept.DAMAGED]
    assert (first.read_bytes(), second.read_bytes()) == (GOOD, GOOD)
    assert first.stat().st_ino == second.stat().st_ino
    assert (first.stat().st_mode & 0o7777, first.stat().st_nlink) == (0o644, 2)
    assert unfinished(targets) == []


def test_a_foreign_link_to_the_damage_keeps_it(targets: Path, tmp_path: Path) -> None:
    """The damaged file is replaced, never written to: who else holds it keeps what they have."""
    (tmp_path / "evidence").write_bytes(b"damage")
    os.link(tmp_path / "evidence", targets / stored(PATH))
    assert restore(targets) == [Kept.DAMAGED]
    assert (tmp_path / "evidence").read_bytes() == b"damage"


def test_a_content_and_a_directory_of_its_name(targets: Path) -> None:
    """A directory that is called like a stored content takes that content's place: refused, and nothing is lost."""
    name = stored("x")
    assert restore(targets, f"{name}/y") == [Kept.MISSING]
    before = tree(targets)
    with pytest.raises(StorageError, match="a directory stands in its place"):
        restore(targets, "x")
    assert tree(targets) == before


# --- durability and failures -----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 20, 40])
@pytest.mark.parametrize("reporting", [True, False])
def test_restored_contents_are_durable(
    targets: Path, monkeypatch: pytest.MonkeyPatch, count: int, reporting: bool
) -> None:
    """The good bytes are durable before they replace the damage, and the names when the commit returns."""
    if not reporting:
        monkeypatch.setattr(flushing, "_whole_flush_reports_errors", lambda _: False)
    paths = [f"d{index % 3}/f{index}" for index in range(count)]
    for path in paths:
        (targets / stored(path)).parent.mkdir(exist_ok=True)
        (targets / stored(path)).write_bytes(b"damage")
    with watched() as watch:
        assert set(restore(targets, *paths)) == {Kept.DAMAGED}
    assert (watch.faults, watch.dirty) == ([], set())


@pytest.mark.parametrize("count", [1, 40])
def test_what_is_found_whole_is_durable(targets: Path, count: int) -> None:
    """Whoever put a content there may have been killed before it was durable; when it is relied on, it is."""
    paths = [f"d{index % 3}/f{index}" for index in range(count)]
    with watched() as watch:
        for path in paths:
            (targets / stored(path)).parent.mkdir(exist_ok=True)
            descriptor = os.open(targets / "scratch", os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, GOOD)
            os.close(descriptor)
            os.replace(targets / "scratch", targets / stored(path))
        watch.faults.clear()
        assert set(restore(targets, *paths)) == {Kept.WHOLE}
    visible = {path.stat().st_ino for path in (targets, *targets.rglob("*"))}
    assert (watch.faults, watch.dirty & visible) == ([], set())


@pytest.mark.parametrize("call", [*CALLS, "read"])
@pytest.mark.parametrize("kind", ["few", "many", "groups"])
def test_every_failing_call(targets: Path, monkeypatch: pytest.MonkeyPatch, call: str, kind: str) -> None:
    """Each call fails once: every name has the damage or the good bytes, and the rerun restores the rest."""
    if kind != "few":
        monkeypatch.setattr(flushing, "FEW", 2)
        monkeypatch.setattr(flushing, "_whole_flush_reports_errors", lambda _: kind == "many")
    paths = [f"d/f{index}" for index in range(5)]
    wanted = {stored(path, algorithm=each): GOOD for path in paths for each in BOTH}
    reached, happened = 0, True
    while happened:
        for index, name in enumerate(wanted):
            (targets / name).unlink(missing_ok=True)
            if index % 4:
                (targets / name).write_bytes(GOOD if index % 4 == 1 else b"damage")
        before = tree(targets)
        descriptors = open_descriptors()
        failed = False
        with broken(call, at=reached, error=errno.EIO) as fault:
            try:
                restore(targets, *paths, algorithms=BOTH)
            except StorageError:
                failed = True
        assert open_descriptors() == descriptors
        visible = tree(targets)
        assert all(data in {GOOD, before.get(name)} for name, data in visible.items())
        assert failed or visible == wanted
        restore(targets, *paths, algorithms=BOTH)
        assert (tree(targets), unfinished(targets)) == (wanted, [])
        reached, happened = reached + 1, fault.happened
    assert reached > 1


_KILLED = """
import io, os, signal, sys
from pathlib import Path
from rstuf.model.names import target_path
from rstuf.storage.filesystem import FilesystemArtifactStorage
call, when = sys.argv[2], int(sys.argv[3])
real = getattr(os, call)
def kill(*arguments, **options):
    global when
    when -= 1
    if when < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)
storage = FilesystemArtifactStorage(Path(sys.argv[1]))
storage.prepare()
with storage.batch(("sha256", "sha512")) as batch:
    batch.receive(target_path("d/e/a.bin"), io.BytesIO(b"the good bytes"), lambda _: None)
    setattr(os, call, kill)
    batch.commit()
"""


@pytest.mark.parametrize(("call", "when"), [("fsync", 0), ("replace", 0), ("replace", 1), ("fsync", 1), ("fsync", 2)])
def test_a_kill_in_between_is_healed_by_a_rerun(targets: Path, call: str, when: int) -> None:
    """A process that dies while it restores leaves damage or good bytes, nothing else, and the rerun restores all."""
    names = [stored(PATH, algorithm=each) for each in BOTH]
    for name in names:
        (targets / name).write_bytes(b"damage")
    done = subprocess.run([sys.executable, "-c", _KILLED, targets, call, str(when)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert set(tree(targets).values()) <= {b"damage", GOOD}
    restore(targets, algorithms=BOTH)
    assert (tree(targets), unfinished(targets)) == (dict.fromkeys(names, GOOD), [])
