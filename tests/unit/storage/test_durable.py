"""The one place that makes files."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from tests.support.file_calls import CALLS, broken, open_descriptors, watched
from tests.support.files import mode, names, umask

from rstuf import durable
from rstuf.durable import (
    PUBLIC_FILE,
    SECRET_DIRECTORY,
    SECRET_FILE,
    How,
    equal_bytes,
    make_directory,
    storage_error,
    write_file,
)
from rstuf.errors import FileMissing, NameTaken, StorageError


def test_a_file_is_created_once(tmp_path: Path) -> None:
    """Equal bytes may come again, other bytes are refused and change nothing."""
    path = tmp_path / "key.pem"
    write_file(path, b"first", mode=SECRET_FILE, how=How.CREATE)
    write_file(path, b"first", mode=SECRET_FILE, how=How.CREATE)
    with pytest.raises(NameTaken):
        write_file(path, b"other", mode=SECRET_FILE, how=How.CREATE)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["key.pem"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """Replacing takes the place of any file, whatever its bytes and bits."""
    path = tmp_path / "rstuf.toml"
    write_file(path, b"first, longer", mode=PUBLIC_FILE, how=How.REPLACE)
    write_file(path, b"second", mode=SECRET_FILE, how=How.REPLACE)
    assert (path.read_bytes(), mode(path)) == (b"second", 0o600)
    assert names(tmp_path) == ["rstuf.toml"]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("how", How)
def test_permissions_do_not_hang_on_the_umask(tmp_path: Path, mask: int, how: How) -> None:
    """A file has exactly the bits that were asked for."""
    with umask(mask):
        write_file(tmp_path / "secret", b"s", mode=SECRET_FILE, how=how)
        write_file(tmp_path / "public", b"p", mode=PUBLIC_FILE, how=how)
    assert (mode(tmp_path / "secret"), mode(tmp_path / "public")) == (0o600, 0o644)


def test_a_secret_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its temporary name, and before its bits are set, a secret is its owner's alone."""
    seen: list[int] = []
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        seen.extend(mode(entry) for entry in tmp_path.iterdir())
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with umask(0):
        write_file(tmp_path / "secret", b"s", mode=SECRET_FILE, how=How.CREATE)
    assert seen == [0o600]


@pytest.mark.parametrize("how", How)
@pytest.mark.parametrize("staging", [False, True])
def test_a_name_is_given_to_durable_bytes_only(tmp_path: Path, how: How, staging: bool) -> None:
    """The bytes are flushed before the name is given, and the directory after it."""
    place = tmp_path / ".staging" if staging else None
    if place is not None:
        place.mkdir()
    with watched() as watch:
        write_file(tmp_path / "file", b"data", mode=PUBLIC_FILE, how=how, staging=place)
    assert watch.faults == []
    assert watch.dirty == set()
    assert watch.flushes == 2


def test_an_equal_file_is_made_durable_too(tmp_path: Path) -> None:
    """A file that is there already may not be durable yet: it is flushed before it counts."""
    path = tmp_path / "file"
    with watched() as watch:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"data")
        os.close(descriptor)
        write_file(path, b"data", mode=PUBLIC_FILE, how=How.CREATE)
    assert watch.dirty == set()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes only part of the bytes is no end."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:7])))
    data = bytes(range(256)) * 3
    write_file(tmp_path / "file", data, mode=PUBLIC_FILE, how=How.CREATE)
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize("how", How)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", CALLS)
def test_every_failure_is_told_and_leaves_old_or_new(tmp_path: Path, call: str, error: int, how: How) -> None:
    """Whichever call fails, the error is ours, the file is the old or the new one, and no other file is left."""
    path = tmp_path / "file"
    reached = 0
    while True:
        if how is How.REPLACE:
            path.write_bytes(b"old")
        else:
            path.unlink(missing_ok=True)
        before = open_descriptors()
        with broken(call, at=reached, error=error) as fault:
            failure = None
            try:
                write_file(path, b"new", mode=PUBLIC_FILE, how=how)
            except StorageError as error_:
                failure = error_
        content = path.read_bytes() if path.exists() else None
        if not fault.happened:
            break
        reached += 1
        assert failure is None or failure.name == str(path)
        assert open_descriptors() == before
        assert names(tmp_path) in ([], ["file"])
        assert content in ((b"old", b"new") if how is How.REPLACE else (None, b"new"))
        assert failure is not None or content == b"new"
        if call in {"write", "fchmod", "link", "replace"}:
            assert failure is not None
    assert content == b"new"
    if call in {"open", "write", "fchmod", "fsync"}:
        assert reached > 0


def test_a_failed_flush_is_not_tried_again(tmp_path: Path) -> None:
    """After a flush failed, nothing gets its name, however well the next flush would go."""
    with broken("fsync", at=0, error=errno.EIO) as fault, pytest.raises(StorageError):
        write_file(tmp_path / "file", b"new", mode=PUBLIC_FILE, how=How.CREATE)
    assert fault.count == 1
    assert names(tmp_path) == []


def test_a_reader_sees_old_or_new(tmp_path: Path) -> None:
    """While a file is replaced over and over, every read of it is whole."""
    path = tmp_path / "timestamp.json"
    wanted = [bytes([65 + index]) * (5000 + 1000 * index) for index in range(4)]
    write_file(path, wanted[0], mode=PUBLIC_FILE, how=How.REPLACE)
    torn, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            data = path.read_bytes()
            if data not in wanted:
                torn.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    for round_ in range(100):
        write_file(path, wanted[round_ % 4], mode=PUBLIC_FILE, how=How.REPLACE)
    done.set()
    reader.join()
    assert torn == []


def test_of_two_creators_one_wins(tmp_path: Path) -> None:
    """When several create one name at the same time with other bytes, one of them succeeds and the rest are told."""
    path, results = tmp_path / "1.root.json", []
    barrier = threading.Barrier(8)

    def create(data: bytes) -> None:
        barrier.wait()
        try:
            write_file(path, data, mode=PUBLIC_FILE, how=How.CREATE)
            results.append(data)
        except NameTaken:
            results.append(None)

    threads = [threading.Thread(target=create, args=(b"%d" % index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [data for data in results if data is not None]
    assert winners == [path.read_bytes()]
    assert names(tmp_path) == ["1.root.json"]


def refuse_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no links here")


def test_where_there_are_no_links_a_name_is_still_created_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hard links a rename that replaces nothing does the same."""
    monkeypatch.setattr(os, "link", refuse_links)
    path = tmp_path / "file"
    for _ in range(2):
        write_file(path, b"first", mode=PUBLIC_FILE, how=How.CREATE)
    with pytest.raises(NameTaken):
        write_file(path, b"other", mode=PUBLIC_FILE, how=How.CREATE)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


def test_where_nothing_creates_a_name_once_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that can neither link nor rename without replacing is refused, not trusted."""
    monkeypatch.setattr(os, "link", refuse_links)
    monkeypatch.setattr(durable, "system_library", object)
    with pytest.raises(StorageError):
        write_file(tmp_path / "file", b"first", mode=PUBLIC_FILE, how=How.CREATE)
    assert names(tmp_path) == []


@pytest.mark.parametrize("data", [b"", b"data"])
@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory"])
def test_only_a_regular_file_can_be_equal(tmp_path: Path, kind: str, data: bytes) -> None:
    """A link, a pipe or a directory under the name is other than our file, even where it leads to equal bytes."""
    path, same = tmp_path / "file", tmp_path / "same"
    same.write_bytes(data)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(same if kind == "link" else tmp_path / "nothing")
    with pytest.raises(NameTaken):
        write_file(path, data, mode=PUBLIC_FILE, how=How.CREATE)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere/file", "a directory on the way to it does not exist"),
        ("plain/file", "a file or a symbolic link stands where a directory should be"),
        ("x" * 256, "its name is too long for this file system"),
        ("here", "a directory stands in its place"),
    ],
)
def test_reasons_are_plain(tmp_path: Path, name: str, reason: str) -> None:
    """What went wrong is said in words, not in numbers."""
    (tmp_path / "plain").touch()
    (tmp_path / "here").mkdir()
    with pytest.raises(StorageError) as caught:
        write_file(tmp_path / name, b"", mode=PUBLIC_FILE, how=How.REPLACE)
    assert caught.value.reason == reason
    assert caught.value.name == str(tmp_path / name)


def test_an_error_can_carry_a_shorter_name(tmp_path: Path) -> None:
    """Whoever knows the file by another name is told that name."""
    with pytest.raises(StorageError) as caught:
        write_file(tmp_path / "no" / "file", b"", mode=PUBLIC_FILE, how=How.CREATE, name="timestamp.json")
    assert caught.value.name == "timestamp.json"


@pytest.mark.parametrize("number", [*range(1, 134), None])
def test_every_error_of_the_system_has_words(number: int | None) -> None:
    """Each error number becomes a sentence with a hint."""
    error = storage_error("write", "file", OSError(number, "x") if number else OSError("strange"))
    assert error.reason
    assert error.hint
    assert "Errno" not in error.message


def test_errors_find_their_class() -> None:
    """A missing file and a taken name are errors of their own."""
    assert isinstance(storage_error("read", "f", FileNotFoundError(errno.ENOENT, "")), FileMissing)
    assert isinstance(storage_error("create", "f", FileExistsError(errno.EEXIST, "")), NameTaken)
    assert not isinstance(storage_error("write", "f", FileNotFoundError(errno.ENOENT, "")), FileMissing)


# --- directories -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_directories_are_made_durable_with_their_bits(tmp_path: Path, mask: int) -> None:
    """All missing directories are made with the bits asked for, and each name in its parent is durable."""
    with umask(mask), watched() as watch:
        make_directory(tmp_path / "a" / "b" / "c", mode=SECRET_DIRECTORY)
    assert [mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3
    # What is in the last one is flushed by whoever puts something there.
    assert watch.dirty <= {(tmp_path / "a/b/c").stat().st_ino}
    assert watch.flushes == 3


def test_a_directory_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """Neither its bits nor what is in it change."""
    (tmp_path / "a").mkdir(mode=0o750)
    (tmp_path / "a" / "file").touch()
    make_directory(tmp_path / "a", mode=SECRET_DIRECTORY)
    assert mode(tmp_path / "a") == 0o750
    assert names(tmp_path / "a") == ["file"]


def test_a_file_in_the_way_of_a_directory_is_told(tmp_path: Path) -> None:
    """Where a file has the name, no directory is made."""
    (tmp_path / "a").touch()
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(StorageError):
            make_directory(path, mode=SECRET_DIRECTORY)


# --- bytes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_files_are_compared_to_their_end(tmp_path: Path, size: int) -> None:
    """Equal files are equal, and one other byte, wherever it is, makes them differ."""
    one, two = tmp_path / "one", tmp_path / "two"
    data = bytes(size)

    def compared() -> bool:
        with one.open("rb") as first, two.open("rb") as second:
            return equal_bytes(first.fileno(), second.fileno())

    one.write_bytes(data)
    two.write_bytes(data)
    assert compared()
    two.write_bytes(data + b"\0")
    assert not compared()
    for at in {0, size // 2, size - 1} if size else ():
        two.write_bytes(data[:at] + b"\1" + data[at + 1 :])
        assert not compared()
