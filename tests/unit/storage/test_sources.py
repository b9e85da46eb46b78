"""Files that are to become artifacts, and disks that fail while they are looked at."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from rstuf import own_files
from rstuf.config import Config, read_config, render_config
from rstuf.errors import InputMissing, InvalidInput, SourceChanged, StorageError
from rstuf.model.names import target_path
from rstuf.own_files import OwnFiles
from rstuf.storage import local_files, sources
from rstuf.storage.sources import LocalFile


@pytest.mark.parametrize("step", ["fstat", "first read"])
def test_a_source_on_a_failing_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whichever look at a file fails, before the first byte is taken, the error says which file it was."""
    place = tmp_path / "a.bin"
    place.write_bytes(b"a")

    def failing(*_: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    source = LocalFile(target_path("a.bin"), place, 1)
    with monkeypatch.context() as patched:
        if step == "fstat":
            patched.setattr(os, "fstat", failing)
        else:
            patched.setattr(local_files, "_is_private_key", failing)
        with pytest.raises(StorageError) as refused, source.open():
            pytest.fail("opened")
    assert str(refused.value) == f"cannot read {place}: input/output error"


@pytest.mark.parametrize("what", ["link", "directory's link", "another file", "longer", "same length"])
def test_what_is_not_what_was_found_is_refused(tmp_path: Path, what: str) -> None:
    """Whoever can write in a directory cannot have a file taken that only we can read, nor one nobody looked at."""
    for name in ("dir/sub", "other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.bin").write_bytes(b"public")
    (tmp_path / "other/a.bin").write_bytes(b"secret")
    place = tmp_path / "dir/sub/a.bin"
    (found,) = sources.find_files([tmp_path / "dir"], guard=lambda _: None, on_found=lambda _: None)
    match what:
        case "link":
            place.unlink()
            place.symlink_to(tmp_path / "other/a.bin")
        case "directory's link":
            place.parent.rename(tmp_path / "aside")
            place.parent.symlink_to(tmp_path / "other")
        case "another file":
            (tmp_path / "other/a.bin").replace(place)
        case "longer":
            place.write_bytes(b"public and more")
        case "same length":
            place.write_bytes(b"PUBLIC")
            os.utime(place, ns=(1, found.stamp.mtime_ns if found.stamp is not None else 1))
    with pytest.raises(SourceChanged) as refused, found.open():
        pytest.fail("opened")
    assert str(place) in str(refused.value)


def test_a_directory_that_becomes_a_link_leads_nowhere(tmp_path: Path) -> None:
    """Whoever can write in a directory, and puts a link in place of one below it, shows us nothing from elsewhere."""
    for name in ("dir/sub", "other"):
        (tmp_path / name).mkdir(parents=True)
        for file in ("a", "b"):
            (tmp_path / name / file).write_bytes(b"public")
    (tmp_path / "other/b").write_bytes(b"for our eyes only")
    coming = sources.Tree(tmp_path / "dir", guard=lambda _: None, on_found=lambda _: None).files()
    assert next(coming).path == "sub/a"
    (tmp_path / "dir/sub").rename(tmp_path / "aside")
    (tmp_path / "dir/sub").symlink_to(tmp_path / "other")
    found = next(coming)
    assert (found.path, found.size) == ("sub/b", len(b"public"))
    with pytest.raises(SourceChanged), found.open():
        pytest.fail("opened")


def test_a_directory_that_becomes_a_link_once_it_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a link that stands there by the time that the directory is entered; nothing stays open."""
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/b").write_bytes(b"for our eyes only")
    place = tmp_path / "dir/sub"
    looking = os.stat

    def stat(name: str | Path, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        found = looking(name, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        if name == "sub":
            place.rmdir()
            place.symlink_to(tmp_path / "other")
        return found

    tree = sources.Tree(tmp_path / "dir", guard=lambda _: None, on_found=lambda _: None)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(SourceChanged) as refused:
        list(tree.files())
    assert str(place) in str(refused.value)
    assert not before or len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("year", [1500, 2400])
def test_dates_that_no_one_has_seen(tmp_path: Path, year: int) -> None:
    """A file may say that it is of any year that its file system knows, and is taken as any other."""
    place = tmp_path / "a.bin"
    place.write_bytes(b"a")
    try:
        os.utime(place, ns=(0, (year - 1970) * 31_556_952 * 10**9))
    except OSError:
        pytest.skip("the file system does not know this year")
    (found,) = sources.find_files([tmp_path], guard=lambda _: None, on_found=lambda _: None)
    with found.open() as file:
        assert file.read(5) == b"a"


def test_a_link_that_is_named_by_hand_is_followed(tmp_path: Path) -> None:
    """It is known by what it leads to."""
    (tmp_path / "real").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (found,) = sources.find_files([tmp_path / "link"], guard=lambda _: None, on_found=lambda _: None)
    with found.open() as file:
        assert file.read(100) == b"bytes"


def test_a_source_begins_at_its_first_byte(tmp_path: Path) -> None:
    """What was looked at to tell a private key from an artifact is read again."""
    (tmp_path / "a.bin").write_bytes(b"abc" * 1000)
    file: BinaryIO
    with LocalFile(target_path("a.bin"), tmp_path / "a.bin", 3000).open() as file:
        assert file.read(5000) == b"abc" * 1000


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_named_and_let_go(tmp_path: Path, kind: str) -> None:
    """What became of a file since it was found is refused by name, and nothing stays open."""
    place = tmp_path / "odd"
    if kind == "directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(StorageError) as refused, LocalFile(target_path("odd"), place, 1).open():
        pytest.fail("opened")
    assert str(refused.value) == f"cannot take {place}: it is not a regular file"
    assert not before or len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_is_gone_or_closed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A directory that may not be read, or a file that goes while its directory is looked through, is named."""
    (tmp_path / "sub").mkdir()
    place = tmp_path / "sub" / "a.bin"
    place.write_bytes(b"a")
    looking = os.scandir

    @contextmanager
    def scandir(directory: int) -> Iterator[list[os.DirEntry[str]]]:
        is_sub = os.path.samestat(os.fstat(directory), place.parent.stat())
        if what == "directory" and is_sub:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with looking(directory) as entries:
            found = list(entries)
        if is_sub:
            place.unlink()
        yield found

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises((StorageError, InputMissing)) as refused:
        sources.find_files([tmp_path], guard=lambda _: None, on_found=lambda _: None)
    expected = f"{place.parent}: permission denied" if what == "directory" else f"{place}: it does not exist"
    assert str(refused.value) == f"cannot read {expected}"


def test_a_workspace_is_read_once_for_all_files_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files beside a workspace's own are many: what is its own is looked up once, and still refused, also by a link."""
    (tmp_path / "rstuf.toml").write_text(render_config(state="state.db", metadata="metadata", artifacts="targets"))
    for name in ("a/1", "a/2", "b/c/3", "keys/one.key", "targets/x/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in ("state.db", "state.db-wal"):
        (tmp_path / name).touch()
    (tmp_path / "b" / "link").symlink_to(tmp_path / "keys")
    read: list[Path] = []

    def counted(directory: Path) -> Config:
        read.append(directory)
        return read_config(directory)

    monkeypatch.setattr(own_files, "read_config", counted)
    own = OwnFiles()
    for name in ("a/1", "a/2", "b/c/3"):
        own.refuse(tmp_path / name)
    for name in ("keys/one.key", "b/link/one.key", "targets/x/y", "state.db", "state.db-wal", "rstuf.toml"):
        with pytest.raises(InvalidInput, match="belongs to the workspace"):
            own.refuse(tmp_path / name)
    assert read == [tmp_path]
