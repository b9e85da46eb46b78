"""Artifacts become what a directory holds, and only what may have changed is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.engine import Engine

from rstuf.clock import SystemClock
from rstuf.errors import InvalidInput, PathTwin, SourceChanged
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact
from rstuf.model.names import target_path
from rstuf.repository.artifacts import add_artifacts, add_described, add_files, remove_artifacts
from rstuf.repository.intake import Conflict
from rstuf.repository.publish import publish
from rstuf.repository.reports import AcceptedChange
from rstuf.repository.sync import Missing, StampTrust, SyncStep, compare
from rstuf.state.stamps import SqliteStamps
from rstuf.storage.local_files import LocalFile
from rstuf.storage.sources import Tree, find_files

Contents = Mapping[str, bytes]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The artifact paths of files that were opened."""
    opened: list[str] = []
    usual = LocalFile.open

    @contextmanager
    def noted(self: LocalFile) -> Iterator[BinaryIO]:
        opened.append(self.path)
        with usual(self) as stream:
            yield stream

    monkeypatch.setattr(LocalFile, "open", noted)
    return opened


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return lasting(tmp_path / "state")


def lasting(place: Path) -> Engine:
    """An engine that remembers stamps, and whose clock is an hour ahead, so that no file looks young."""
    engine = Engine.new(place)
    engine.clock.advance(SystemClock().now() - engine.clock.now() + timedelta(hours=1))
    engine.ceremony()
    engine.ports = replace(engine.ports, stamps=SqliteStamps(place / "stamps.db"))
    return engine


def fill(directory: Path, contents: Contents) -> None:
    for name, data in contents.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)


def tree_of(directory: Path, prefix: str = "") -> Tree:
    return Tree(directory, prefix=prefix, guard=lambda _: None, on_found=lambda _: None)


def sync(
    engine: Engine,
    directory: Path,
    *,
    prefix: str = "",
    missing: Missing = Missing.REMOVE,
    trust: StampTrust = StampTrust.STAMPS,
) -> AcceptedChange:
    with compare(engine.ports, tree_of(directory, prefix), trust=trust) as found:
        return found.carry_out(missing=missing)


def here(engine: Engine) -> dict[str, bytes]:
    """What the artifacts are: each path with the content that is kept for it."""
    found = {}
    with engine.ports.state.read() as reader:
        for listed in reader.artifacts():
            artifact = listed.artifact
            if str(listed.state) != "removing":
                with engine.artifacts.open(artifact.path, artifact.hashes) as stream:
                    found[str(artifact.path)] = stream.read()
    return found


def counts(change: AcceptedChange) -> tuple[int, int, int, int]:
    return change.added, change.replaced, change.removed, change.unchanged


BEFORE = {"a": b"1", "a-b": b"2", "d/a": b"3", "d/b": b"4", "d-x": b"5"}


def test_only_what_changed_is_read(engine: Engine, tmp_path: Path, read: list[str]) -> None:
    """After the first time, new and changed files are read and nothing else; all of it is one change with one entry."""
    fill(tmp_path / "dir", BEFORE)
    assert counts(sync(engine, tmp_path / "dir")) == (5, 0, 0, 0)
    publish(engine.ports)
    assert read == sorted(BEFORE)
    read.clear()
    fill(tmp_path / "dir", {"d/a": b"changed", "new": b"6"})
    (tmp_path / "dir" / "a-b").unlink()
    change = sync(engine, tmp_path / "dir")
    assert counts(change) == (1, 1, 1, 3)
    assert read == ["d/a", "new"]
    assert here(engine) == {"a": b"1", "d/a": b"changed", "d/b": b"4", "d-x": b"5", "new": b"6"}
    with engine.ports.state.read() as reader:
        last = list(reader.audit())[-1]
    assert (last.action, last.details) == (
        "artifacts.sync",
        {"added": 1, "number": change.number, "paths": ["a-b"], "removed": 1, "replaced": 1},
    )
    read.clear()
    assert counts(sync(engine, tmp_path / "dir")) == (0, 0, 0, 5)
    assert read == []


def test_adding_remembers_too(engine: Engine, tmp_path: Path, read: list[str]) -> None:
    """What came in by a plain add is not read again by the first sync."""
    fill(tmp_path / "dir", BEFORE)
    add_files(engine.ports, find_files([tmp_path / "dir"], guard=lambda _: None, on_found=lambda _: None))
    read.clear()
    assert counts(sync(engine, tmp_path / "dir")) == (0, 0, 0, 5)
    assert read == []


def test_a_change_that_hides_its_date_is_found(engine: Engine, tmp_path: Path) -> None:
    """Same length, and the date of its bytes set back: what the system notes of the file itself gives it away."""
    fill(tmp_path / "dir", BEFORE)
    sync(engine, tmp_path / "dir")
    place = tmp_path / "dir" / "a"
    before = place.stat()
    place.write_bytes(b"X")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert counts(sync(engine, tmp_path / "dir")) == (0, 1, 0, 4)
    assert here(engine)["a"] == b"X"


def test_files_as_young_as_the_look_are_read_again(engine: Engine, tmp_path: Path, read: list[str]) -> None:
    """Where a later change could have the same stamp, the stamp is not remembered."""
    fill(tmp_path / "dir", BEFORE)
    now = engine.clock.now().timestamp()
    young = (tmp_path / "dir" / "a").stat().st_ctime
    engine.clock.advance(timedelta(seconds=int(young - now)))
    sync(engine, tmp_path / "dir")
    read.clear()
    assert counts(sync(engine, tmp_path / "dir")) == (0, 0, 0, 5)
    assert read == sorted(BEFORE)


def test_a_stamp_vouches_for_what_it_was_taken_of(engine: Engine, tmp_path: Path, read: list[str]) -> None:
    """Where the state says something else than what the file hashed to, the file is read, whatever its stamp."""
    fill(tmp_path / "dir", BEFORE)
    sync(engine, tmp_path / "dir")
    read.clear()
    other = Artifact(target_path("a"), 1, {"sha256": "ab" * 32})
    add_described(engine.ports, other, conflict=Conflict.REPLACE)
    remove_artifacts(engine.ports, [target_path("d/b")])
    assert counts(sync(engine, tmp_path / "dir")) == (1, 1, 0, 3)
    assert read == ["a", "d/b"]
    assert here(engine) == BEFORE


def test_checksum_reads_all_and_restores_copies(engine: Engine, tmp_path: Path, read: list[str]) -> None:
    """Nothing is believed, and so a kept copy that was lost comes back."""
    fill(tmp_path / "dir", BEFORE)
    sync(engine, tmp_path / "dir")
    read.clear()
    for name in list(engine.artifacts.files):
        engine.artifacts.remove(name)
    change = sync(engine, tmp_path / "dir", trust=StampTrust.NOTHING)
    assert (counts(change), change.restored, read) == ((0, 0, 0, 5), 5, sorted(BEFORE))
    assert here(engine) == BEFORE


def test_a_prefix_bounds_all_of_it(engine: Engine, tmp_path: Path) -> None:
    """Artifacts beside the prefix stay, those whose names only begin like it too."""
    for name in ("1.2", "1.2-rc/a", "1.2/old", "other"):
        engine.add(name, b"x")
    fill(tmp_path / "dir", {"a": b"1"})
    assert counts(sync(engine, tmp_path / "dir", prefix="1.2")) == (1, 0, 1, 0)
    assert here(engine).keys() == {"1.2", "1.2-rc/a", "1.2/a", "other"}


def test_what_is_missing_stays_where_that_is_wanted(engine: Engine, tmp_path: Path) -> None:
    """New and changed files are taken, and nothing is removed."""
    engine.add("old", b"x")
    fill(tmp_path / "dir", {"a": b"1"})
    assert counts(sync(engine, tmp_path / "dir", missing=Missing.KEEP)) == (1, 0, 0, 0)
    assert here(engine) == {"old": b"x", "a": b"1"}


def test_what_is_said_beside_the_same_content_stays(engine: Engine, tmp_path: Path) -> None:
    """Custom data and further hashes of a file that is read again are still there."""
    fill(tmp_path / "dir", {"a": b"1"})
    sync(engine, tmp_path / "dir")
    with engine.ports.state.read() as reader:
        known = reader.artifact(target_path("a"))
    assert known is not None
    more = Artifact(known.artifact.path, 1, {**known.artifact.hashes, "sha512": "ab" * 64}, custom={"channel": "beta"})
    add_artifacts(engine.ports, [row_of(more)], conflict=Conflict.REPLACE)
    assert counts(sync(engine, tmp_path / "dir", trust=StampTrust.NOTHING)) == (0, 0, 0, 1)
    with engine.ports.state.read() as reader:
        after = reader.artifact(target_path("a"))
    assert after is not None
    assert after.artifact == more


def test_a_name_may_change_its_case(engine: Engine, tmp_path: Path) -> None:
    """The old name goes before the new one comes; while the old one stays, the two are twins and refused."""
    fill(tmp_path / "dir", {"Read.me": b"1", "b": b"2"})
    sync(engine, tmp_path / "dir")
    (tmp_path / "dir" / "Read.me").rename(tmp_path / "dir" / "read.me")
    with pytest.raises(PathTwin):
        sync(engine, tmp_path / "dir", missing=Missing.KEEP)
    assert counts(sync(engine, tmp_path / "dir")) == (1, 0, 1, 1)
    assert here(engine) == {"read.me": b"1", "b": b"2"}


def test_a_directory_without_files_is_refused(engine: Engine, tmp_path: Path) -> None:
    """It is more often a disk that is not there than the wish to remove everything."""
    engine.add("old", b"x")
    (tmp_path / "dir" / "sub").mkdir(parents=True)
    with pytest.raises(InvalidInput, match="holds no files"):
        sync(engine, tmp_path / "dir")
    assert here(engine) == {"old": b"x"}


def test_a_file_that_changes_while_it_is_read_takes_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole change is off, and nothing is remembered of files that were read before."""
    fill(tmp_path / "dir", BEFORE)
    usual = LocalFile.open

    @contextmanager
    def touched(self: LocalFile) -> Iterator[BinaryIO]:
        with usual(self) as stream:
            yield stream
            if self.path == "d/b":
                self.location.write_bytes(b"meanwhile")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "open", touched)
        with pytest.raises(SourceChanged):
            sync(engine, tmp_path / "dir")
    assert here(engine) == {}
    assert counts(sync(engine, tmp_path / "dir")) == (5, 0, 0, 0)


def test_a_rehearsal_says_what_would_be_done_and_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    """Each step as it would be, though no content is kept, nothing is recorded and nothing remembered."""
    for name in ("gone", "d/a", "same"):
        engine.add(name, b"x")
    fill(tmp_path / "dir", {"d/a": b"longer", "same": b"x", "new": b"12"})
    files, state = dict(engine.artifacts.files), (tmp_path / "state" / "state.db").read_bytes()
    with compare(engine.ports, tree_of(tmp_path / "dir")) as found:
        steps = list(found.steps(missing=Missing.REMOVE))
    assert [(str(each.difference), each.path, each.length) for each in steps] == [
        ("replace", "d/a", 6),
        ("add", "new", 2),
        ("remove", "gone", 1),
    ]
    assert all(isinstance(each, SyncStep) for each in steps)
    assert dict(engine.artifacts.files) == files
    assert (tmp_path / "state" / "state.db").read_bytes() == state
    assert not (tmp_path / "state" / "stamps.db").exists()


NAMES = st.sampled_from(["a", "a.b", "a-b", "a/b", "a/b-c", "a/b/c", "a0", "b", "é", "漢/字", "😀", "z"])
TREES = st.dictionaries(NAMES, st.sampled_from([b"", b"1", b"2", b"three"]), min_size=1)


def _possible(contents: Contents) -> dict[str, bytes]:
    """Without what would be both a file and a directory."""
    return {
        name: data for name, data in contents.items() if not any(other.startswith(f"{name}/") for other in contents)
    }


@settings(max_examples=40)
@given(steps=st.lists(st.tuples(TREES.map(_possible), st.booleans()), min_size=1, max_size=4))
def test_artifacts_equal_the_directory_whatever_was_there(steps: list[tuple[dict[str, bytes], bool]]) -> None:
    """After each sync, published or not, they are what the directory holds, and another sync has nothing to do."""
    with TemporaryDirectory() as scratch:
        engine = lasting(Path(scratch) / "state")
        for number, (contents, publishing) in enumerate(steps):
            directory = Path(scratch) / str(number)
            fill(directory, contents)
            sync(engine, directory)
            assert here(engine) == contents
            if publishing:
                publish(engine.ports)
            assert counts(sync(engine, directory)) == (0, 0, 0, len(contents))
        engine.ports.state.close()
