"""Making many files durable together."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from tests.support.file_calls import broken, open_descriptors

from rstuf.storage import flushing
from rstuf.storage.flushing import FEW, Flusher


def opened(directory: Path, count: int) -> list[int]:
    return [os.open(directory / str(index), os.O_WRONLY | os.O_CREAT) for index in range(count)]


@pytest.fixture
def anchor(tmp_path: Path) -> int:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("reporting", [True, False])
@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 5 * FEW])
def test_descriptors_are_bounded_and_closed(
    tmp_path: Path, anchor: int, monkeypatch: pytest.MonkeyPatch, count: int, reporting: bool
) -> None:
    """However many files there are, at most a few are open at a time, and none afterwards."""
    monkeypatch.setattr(flushing, "_whole_flush_reports_errors", lambda _: reporting)
    before, most = open_descriptors(), 0
    flusher = Flusher(anchor)
    for index in range(count):
        flusher.take(index, os.open(tmp_path / str(index), os.O_WRONLY | os.O_CREAT))
        most = max(most, len(os.listdir("/proc/self/fd")) - before)
    flusher.flush()
    assert most <= FEW
    assert open_descriptors() == before


def test_what_is_forgotten_is_closed(tmp_path: Path, anchor: int) -> None:
    """A forgotten file is closed at once; forgetting it again, or something unknown, is fine."""
    flusher, before = Flusher(anchor), open_descriptors()
    for descriptor in opened(tmp_path, 3):
        flusher.take(descriptor, descriptor)
    (first, *_rest) = range(before - 1, before + 2)
    for key in [*range(200), "unknown", first]:
        flusher.forget(key)
    assert open_descriptors() == before


def test_abandoning_closes_everything(tmp_path: Path, anchor: int) -> None:
    """Whatever happens to one of them, no descriptor stays open."""
    flusher, before = Flusher(anchor), open_descriptors()
    for index, descriptor in enumerate(opened(tmp_path, 4)):
        flusher.take(index, descriptor)
    with broken("close", at=1, error=errno.EIO):
        flusher.abandon()
    assert open_descriptors() == before


def test_the_whole_is_flushed_only_where_its_errors_are_seen(
    tmp_path: Path, anchor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 5.8, on other systems, and on file systems that hide errors, files are flushed one by one."""
    here = flushing._whole_flush_reports_errors(anchor)
    process = os.open("/proc/self", os.O_RDONLY)
    assert not flushing._whole_flush_reports_errors(process)
    os.close(process)
    with monkeypatch.context() as patch:
        for release, enough in (("5.7.19-lts", False), ("4.20", False), ("strange", False), ("5.8.0", True)):
            names = os.uname()
            patch.setattr(os, "uname", lambda names=names, release=release: _with_release(names, release))
            assert flushing._whole_flush_reports_errors(anchor) is (here and enough)
            patch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not flushing._whole_flush_reports_errors(anchor)


def _with_release(names: os.uname_result, release: str) -> os.uname_result:
    return os.uname_result((names.sysname, names.nodename, release, names.version, names.machine))


def test_this_file_system_is_asked_for_real(tmp_path: Path, anchor: int) -> None:
    """The call that flushes the whole file system works, and tells the error of a descriptor that is none."""
    flushing._flush_file_system(anchor)
    with pytest.raises(OSError) as caught:
        flushing._flush_file_system(-1)
    assert caught.value.errno == errno.EBADF


def test_a_directory_without_that_operation_is_taken_at_its_word(tmp_path: Path, anchor: int) -> None:
    """A file system that cannot flush directories says so with EINVAL; a file's EINVAL is an error."""
    flusher = Flusher(anchor)
    flusher.take("directory", os.open(tmp_path, os.O_RDONLY))
    with broken("fsync", at=0, error=errno.EINVAL) as fault:
        flusher.flush()
    assert fault.happened
    (descriptor,) = opened(tmp_path, 1)
    flusher.take("file", descriptor)
    with broken("fsync", at=0, error=errno.EINVAL), pytest.raises(OSError):
        flusher.flush()
    flusher.abandon()
