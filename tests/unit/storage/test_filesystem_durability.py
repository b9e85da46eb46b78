"""Durable storages: contents before their names, names and directories when the commit returns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.file_calls import watched
from tests.support.storages import BOTH, keep, publish

from rstuf.storage import flushing
from rstuf.storage.filesystem import FilesystemArtifactStorage, FilesystemMetadataStorage


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


def test_what_was_let_go_is_gone_after_a_power_cut(metadata: FilesystemMetadataStorage, tmp_path: Path) -> None:
    """The directory is flushed once, when all names are gone."""
    publish(metadata, {f"1.bins-{index}.json": b"x" for index in range(5)})
    with watched() as watch:
        os.unlink(tmp_path / "metadata/1.bins-4.json")
        assert watch.dirty
        metadata.discard([f"1.bins-{index}.json" for index in range(4)])
    assert (watch.dirty, watch.flushes) == (set(), 1)
