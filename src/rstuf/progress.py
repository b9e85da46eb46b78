"""How long work tells what it is doing, without knowing who looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """One observer of one long job, made of steps that follow each other."""

    def begin(self, step: str, *, total: int | None = None, unit: str = "") -> None:
        """A step starts: `step` names it ("signing"), `total` is how many units it has, if known."""

    def advance(self, amount: int = 1) -> None:
        """`amount` more units of the current step are done."""

    def end(self) -> None:
        """The current step is done."""


class Silent:
    """The default observer: nobody looks."""

    def begin(self, step: str, *, total: int | None = None, unit: str = "") -> None:
        return

    def advance(self, amount: int = 1) -> None:
        return

    def end(self) -> None:
        return


@contextmanager
def step(progress: Progress, name: str, *, total: int | None = None, unit: str = "") -> Iterator[Progress]:
    """Begin a step, and end it however the block is left."""
    progress.begin(name, total=total, unit=unit)
    try:
        yield progress
    finally:
        progress.end()
