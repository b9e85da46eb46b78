"""Files that are to become artifacts, and disks that fail while they are looked at."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from rstuf.errors import StorageError
from rstuf.model.names import target_path
from rstuf.storage import sources
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
            patched.setattr(sources.os, "fstat", failing)
        else:
            patched.setattr(sources, "_is_private_key", failing)
        with pytest.raises(StorageError) as refused, source.open():
            pytest.fail("opened")
    assert str(refused.value) == f"cannot read {place}: input/output error"


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
