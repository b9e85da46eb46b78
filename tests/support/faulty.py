"""A storage in memory that fails when it is told to, as if the power went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.engine import Engine

from rstuf.model.publication import Publication, PublicationPhase
from rstuf.repository.ports import Ports
from rstuf.repository.publish import publish
from rstuf.storage.memory import MemoryMetadataStorage


class Power(Exception):
    """The process ends here."""


class Faulty(MemoryMetadataStorage):
    """A storage that fails, once, at the change that `at` names."""

    def __init__(self) -> None:
        super().__init__()
        self.at: Callable[[str], bool] = lambda name: False
        self.error: Exception = Power()
        self.after = False

    def show(self, name: str, data: bytes) -> None:
        fails = self.at(name)
        if fails:
            self.at = lambda name: False
        if fails and not self.after:
            raise self.error
        super().show(name, data)
        if fails:
            raise self.error


def faulty_engine(directory: Path) -> tuple[Engine, Faulty]:
    """An engine after its ceremony, on a storage that is sound until it is told to fail."""
    return made_faulty(Engine.live(directory))


def made_faulty(engine: Engine) -> tuple[Engine, Faulty]:
    """The same repository on such a storage."""
    faulty = Faulty()
    for file, data in engine.metadata.files.items():
        faulty.show(file, data)
    return replace(engine.with_ports(metadata=faulty), metadata=faulty), faulty


def leave_committing(engine: Engine, act: Callable[[Ports], object] = publish) -> Publication:
    """Leave a publication of `act` that was committed in the state and whose timestamp was never replaced."""

    class Stuck(MemoryMetadataStorage):
        def replace(self, name: str, data: bytes) -> None:
            raise Power

    stuck = Stuck()
    stuck._files = engine.metadata._files
    with pytest.raises(Power):
        act(engine.with_ports(metadata=stuck).ports)
    with engine.ports.state.read() as reader:
        found = reader.unfinished_publication()
    assert found is not None
    assert found.phase is PublicationPhase.COMMITTING
    return found
