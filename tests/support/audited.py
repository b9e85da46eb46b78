"""Repositories that are verified beside their state: one with some history, copies of it, and what verify says.

made = history(tmp_path)                      # slow: once a module
engine = copy_of(made, tmp_path)              # its state is tmp_path / "state.db"
tamper(tmp_path, "UPDATE role SET …")
codes(verified(engine))
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.engine import Engine

from rstuf.clock import ManualClock
from rstuf.repository.interfaces import StateReader
from rstuf.repository.publish import publish
from rstuf.repository.reports import VerifyReport
from rstuf.repository.verify import Depth, verify
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryArtifactStorage, MemoryMetadataStorage

Wrap = Callable[[StateReader], Any]


def history(directory: Path) -> Engine:
    """A repository with 12 artifacts, of which one was replaced, one removed, and one has a name with capitals."""
    engine = Engine.live(directory)
    for number in range(11):
        engine.add(f"files/{number}.bin", b"%d" % number)
    engine.add("Files/Odd.bin", b"o")
    publish(engine.ports)
    engine.add("files/1.bin", b"another")
    engine.add("ünï/cödé.bin", b"u")
    engine.remove("files/2.bin")
    publish(engine.ports)
    return engine


def copy_of(made: Engine, directory: Path) -> Engine:
    """A copy to do as one likes with; its state is in `directory`."""
    state = made.ports.state
    assert isinstance(state, SqliteStateStore)
    with closing(sqlite3.connect(state._path)) as source, closing(sqlite3.connect(directory / "state.db")) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=WAL")
    metadata, artifacts = MemoryMetadataStorage(), MemoryArtifactStorage()
    for storage, original in ((metadata, made.metadata), (artifacts, made.artifacts)):
        for name, data in original.files.items():
            storage.show(name, data)
    store = SqliteStateStore.open(directory / "state.db", wait=timedelta(seconds=5), purpose="test")
    clock = ManualClock(made.clock.now())
    copied = made.with_ports(state=store, metadata=metadata, artifacts=artifacts, clock=clock)
    return replace(copied, metadata=metadata, artifacts=artifacts, clock=clock, contents=dict(made.contents))


def tamper(directory: Path, *statements: str) -> int:
    """Change rows behind the engine's back, with no rule of the schema in the way; how many."""
    with closing(sqlite3.connect(directory / "state.db", isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute("PRAGMA ignore_check_constraints=ON")
        return sum(max(0, database.execute(statement).rowcount) for statement in statements)


def verified(
    engine: Engine, *, wrap: Wrap = lambda reader: reader, depth: Depth = Depth.FULL, trusted: bytes | None = None
) -> VerifyReport:
    """What verify says; `wrap` may put something between it and the state."""
    with engine.ports.state.read() as reader:
        return verify(
            engine.metadata,
            trusted_root=engine.root() if trusted is None else trusted,
            now=engine.clock.now(),
            contents=engine.artifacts,
            state=wrap(reader),
            depth=depth,
        )


def codes(report: VerifyReport) -> set[str]:
    """The kinds of problems."""
    return {problem.code for problem in report.problems}


def notes(report: VerifyReport) -> set[str]:
    """The kinds of notes."""
    return {note["code"] for note in report.facts["notes"]}


def said(report: VerifyReport) -> str:
    """Every problem, a line each, with what it is about."""
    return "\n".join(
        f"{problem.code} {problem.role or '-'} {problem.path or '-'}: {problem.message}" for problem in report.problems
    )


class _Altered:
    """A view of the state in which one thing is different."""

    def __init__(self, reader: StateReader, **methods: Any) -> None:
        self._reader = reader
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name, getattr(self._reader, name))


def altered(**methods: Callable[..., Any]) -> Wrap:
    """Each method gets the true reader first, then what it is called with."""

    def wrap(reader: StateReader) -> Any:
        bound = {
            name: (lambda *args, method=method, **named: method(reader, *args, **named))
            for name, method in methods.items()
        }
        return _Altered(reader, **bound)

    return wrap
