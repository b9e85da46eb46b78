"""`verify` over a whole engine, with its state as it is or altered on its way to the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.engine import Engine

from rstuf.repository.interfaces import StateReader
from rstuf.repository.reports import VerifyReport
from rstuf.repository.verify import Depth, verify


@contextmanager
def view_of(engine: Engine, wrap: Callable[[StateReader], Any] = lambda reader: reader) -> Iterator[StateReader]:
    """The state as it is now, or as `wrap` makes it."""
    with engine.ports.state.read() as reader:
        yield wrap(reader)


def verified(engine: Engine, *, wrap: Callable[[StateReader], Any] = lambda reader: reader) -> VerifyReport:
    """The report of a full verification."""
    with view_of(engine, wrap) as reader:
        return verify(
            engine.metadata,
            trusted_root=engine.root(),
            now=engine.clock.now(),
            contents=engine.artifacts,
            state=reader,
            depth=Depth.FULL,
        )


def problems_of(report: VerifyReport) -> set[str]:
    """The kinds of problems."""
    return {problem.code for problem in report.problems}


def notes_of(report: VerifyReport) -> set[str]:
    """The kinds of notes."""
    return {note["code"] for note in report.facts["notes"]}


class _Altered:
    """A view of the state in which one thing is different."""

    def __init__(self, reader: StateReader, **methods: Any) -> None:
        self._reader = reader
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name, getattr(self._reader, name))


def altered(**methods: Callable[..., Any]) -> Callable[[StateReader], Any]:
    """Each method gets the true reader first, then what it is called with."""

    def wrap(reader: StateReader) -> Any:
        bound = {
            name: (lambda *args, method=method, **named: method(reader, *args, **named))
            for name, method in methods.items()
        }
        return _Altered(reader, **bound)

    return wrap
