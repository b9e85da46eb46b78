"""A release is checked on the storage, also where a witness has looked at its signatures while it was written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine

from rstuf.errors import ReleaseRefused
from rstuf.metadata.render import SignedFile
from rstuf.metadata.views import RoleKeys
from rstuf.model.names import SNAPSHOT
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.signing import witness
from rstuf.signing.witness import SecondProcess
from rstuf.storage.memory import MemoryMetadataStorage


class Believer:
    """A witness, and its watch, that finds good whatever it is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    @contextmanager
    def watching(self, keys: RoleKeys, *, files: int) -> Iterator[Believer]:
        yield self

    def show(self, file: SignedFile) -> None:
        self.shown.append(file.facts.sha256)

    def found_good(self) -> Set[str]:
        return set(self.shown)


class Changing(MemoryMetadataStorage):
    """A storage that keeps other bytes of bins than it was given."""

    def show(self, name: str, data: bytes) -> None:
        super().show(name, data.replace(b'"length":3', b'"length":4') if ".bins-" in name else data)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine.live(tmp_path / "repository")


def test_a_second_process_looks_at_the_bins(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a witness on another core a release is what it is without, and clients take it."""
    monkeypatch.setattr(witness, "MANY", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    engine.add("a.txt", b"one")
    ports = replace(engine.ports, witness=SecondProcess())
    assert publish(ports).published
    assert len(renew(ports, force=("bins",)).publication.roles) == 6
    judge = Client(tmp_path / "client", engine.site(), root=engine.root(), now=engine.clock.now())
    judge.refresh()
    judge.walk()
    assert judge.download("a.txt") == b"one"


def test_a_witness_vouches_for_signatures_not_for_the_storage(engine: Engine) -> None:
    """Bytes that the storage holds are held against those that were signed, whatever a witness says."""
    engine.add("a.txt", b"one")
    storage = Changing()
    for name, data in engine.metadata.files.items():
        storage.show(name, data)
    believer = Believer()
    ports = replace(engine.ports, metadata=storage, witness=believer)
    with pytest.raises(ReleaseRefused, match="storage does not hold"):
        publish(ports)
    assert len(believer.shown) == 1


def test_a_witness_is_shown_bins_alone(engine: Engine) -> None:
    """Targets, snapshot and timestamp are few, and checked where they always are."""
    believer = Believer()
    renew(replace(engine.ports, witness=believer), force=("bins", "targets", "snapshot", "timestamp"))
    assert len(believer.shown) == 4


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data.replace(b'"bins-0', b'"bins-9')])
def test_a_damaged_snapshot_is_no_source(engine: Engine, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """Where the visible snapshot is not what was published, the next one is made from the state."""
    with engine.ports.state.read() as reader:
        name = f"{reader.role(SNAPSHOT).visible}.snapshot.json"
    engine.metadata.show(name, change(engine.metadata.files[name]))
    engine.add("a.txt", b"one")
    publish(engine.ports)
    judge = Client(tmp_path / "client", engine.site(), root=engine.root(), now=engine.clock.now())
    assert len(judge.refresh().roles) == 5
    assert judge.download("a.txt") == b"one"
