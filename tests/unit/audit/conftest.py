"""A repository with some history, to copy."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine

from rstuf.clock import ManualClock
from rstuf.repository.publish import publish
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryArtifactStorage, MemoryMetadataStorage


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository with some history: replaced, removed and renewed. Made once; tests take copies."""
    engine = Engine.live(tmp_path_factory.mktemp("made"))
    for number in range(12):
        engine.add(f"files/{number}.bin", b"%d" % number)
    publish(engine.ports)
    engine.add("files/1.bin", b"another")
    engine.add("ünï/cödé.bin", b"u")
    engine.remove("files/2.bin")
    publish(engine.ports)
    return engine


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    """A copy to do as one likes with; its state is in `tmp_path`."""
    state = made.ports.state
    assert isinstance(state, SqliteStateStore)
    with closing(sqlite3.connect(state._path)) as source, closing(sqlite3.connect(tmp_path / "state.db")) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=WAL")
    metadata, artifacts = MemoryMetadataStorage(), MemoryArtifactStorage()
    for storage, original in ((metadata, made.metadata), (artifacts, made.artifacts)):
        for name, data in original.files.items():
            storage.show(name, data)
    store = SqliteStateStore.open(tmp_path / "state.db", wait=timedelta(seconds=5), purpose="test")
    clock = ManualClock(made.clock.now())
    copied = made.with_ports(state=store, metadata=metadata, artifacts=artifacts, clock=clock)
    return replace(copied, metadata=metadata, artifacts=artifacts, clock=clock, contents=dict(made.contents))
