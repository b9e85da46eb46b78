"""Accepting: what could not be published from this state is refused before anything is taken, and without waiting."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine

from rstuf.errors import FileMissing, ForeignMetadata, StateBehind, StorageError
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact
from rstuf.model.names import target_path
from rstuf.repository.artifacts import add_artifacts, remove_artifacts
from rstuf.repository.interfaces import StateStore
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryMetadataStorage

_RECORD = Artifact(path=target_path("c.txt"), length=3, hashes={"sha256": "ab" * 32})
_ACTS: dict[str, Callable[[Engine], object]] = {
    "add": lambda engine: engine.add("b.txt", b"two"),
    "import": lambda engine: add_artifacts(engine.ports, [row_of(_RECORD)], action="artifacts.import"),
    "remove": lambda engine: remove_artifacts(engine.ports, [target_path("a.txt")]),
}
_each_act = pytest.mark.parametrize("act", _ACTS.values(), ids=_ACTS.keys())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A repository with one published artifact."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a.txt", b"one")
    publish(engine.ports)
    return engine


def _copy_of_state(engine: Engine, directory: Path) -> StateStore:
    engine.ports.state.close()
    shutil.copytree(directory / "repository", directory / "copy")
    return SqliteStateStore.open(directory / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")


def _traces(engine: Engine) -> tuple[object, ...]:
    with engine.ports.state.read() as reader:
        rows = [(found.artifact, found.state) for found in reader.artifacts()]
        return rows, list(reader.audit()), reader.newest_number(), dict(engine.artifacts.files)


@_each_act
@pytest.mark.parametrize("force", ["timestamp", "root"])
def test_an_old_state_accepts_nothing(
    engine: Engine, tmp_path: Path, act: Callable[[Engine], object], force: str
) -> None:
    """What a state that is older than what is published is offered leaves no trace in it, nor a content beside it."""
    old = engine.with_ports(state=_copy_of_state(engine, tmp_path))
    renew(engine.ports, force=[force])
    before = _traces(old)
    with pytest.raises(StateBehind, match=force):
        act(old)
    assert _traces(old) == before


@_each_act
def test_nothing_is_put_beside_another_repository(
    engine: Engine, tmp_path: Path, act: Callable[[Engine], object]
) -> None:
    """The directories of somebody else's repository are mounted: no content is copied there, nothing is accepted."""
    other = Engine.live(tmp_path / "other")
    lost = engine.with_ports(metadata=other.metadata, artifacts=other.artifacts)
    lost.artifacts = other.artifacts
    before = _traces(lost)
    with pytest.raises(ForeignMetadata):
        act(lost)
    assert _traces(lost) == before


@_each_act
def test_accepting_waits_for_no_publication(engine: Engine, act: Callable[[Engine], object]) -> None:
    """It goes on while another process holds the publication lock."""
    with engine.ports.state.publication_lock(purpose="test"):
        act(engine)
    assert publish(engine.ports).published


class _Late(MemoryMetadataStorage):
    """Lets publications end between a look at the state and the first look at the storage after it."""

    def __init__(self, engine: Engine, publications: int) -> None:
        super().__init__()
        self._engine, self._left = engine, publications

    def read(self, name: str, *, limit: int) -> bytes:
        if self._left > 0 and name == "timestamp.json":
            self._left -= 1
            renew(self._engine.ports, force=["timestamp", "root"])
        return self._engine.metadata.read(name, limit=limit)


@_each_act
def test_a_publication_that_ends_meanwhile_makes_no_old_copy(engine: Engine, act: Callable[[Engine], object]) -> None:
    """However often clients come to see something new between the look at the state and that at the storage."""
    act(engine.with_ports(metadata=_Late(engine, 5)))
    assert publish(engine.ports).published


class _Broken(MemoryMetadataStorage):
    def __init__(self, error: StorageError) -> None:
        super().__init__()
        self._error = error

    def read(self, name: str, *, limit: int) -> bytes:
        raise self._error


@_each_act
@pytest.mark.parametrize(
    "error", [FileMissing("x"), StorageError("read", "x", "the disk fails")], ids=["missing", "failing"]
)
def test_a_storage_that_is_broken_keeps_nothing_from_being_accepted(
    engine: Engine, act: Callable[[Engine], object], error: StorageError
) -> None:
    """That it cannot be read says nothing of a change; it is there, and published when the storage is mended."""
    act(engine.with_ports(metadata=_Broken(error)))
    assert publish(engine.ports).published


def test_looking_costs_no_signature(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is newer than the state knows, no signature is checked for an accepted change."""

    def checked(*_: object, **__: object) -> bool:
        raise AssertionError("a signature was checked")

    monkeypatch.setattr("rstuf.repository.visible.signed_enough", checked)
    engine.add("b.txt", b"two")
