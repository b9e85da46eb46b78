"""Every moment at which a process can be killed or another one can come in between, as far as the state and the
storage of metadata tell: before and after each transaction, and before and after each file that becomes visible.

moments = Moments()
watched = moments.over(engine)                   # the same repository, watched
moments.act(5, engine_of_another_process)        # at the fifth moment from now, once
publish(watched.ports)
moments.count                                    # how many there were since
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tests.support.engine import Engine
from tests.support.faulty import Power

from rstuf.repository.interfaces import StateTransaction
from rstuf.storage.memory import MemoryMetadataStorage


@dataclass
class Moments:
    """Counts them, and lets something happen at one.

    Attributes:
        count: how many there were since the last `act` or `kill`.
        dead: a killed process does nothing more: whatever it begins fails.
    """

    count: int = 0
    dead: bool = False
    _at: int = 0
    _what: Callable[[], None] | None = None

    def over(self, engine: Engine) -> Engine:
        """The same repository through adapters that are watched."""
        metadata = _Metadata(self)
        metadata._files = engine.metadata._files
        return replace(engine.with_ports(metadata=metadata, state=_State(self, engine.ports.state)), metadata=metadata)

    def act(self, at: int, what: Callable[[], None]) -> None:
        """Let something happen at a moment, counted from one; once."""
        self.count, self.dead, self._at, self._what = 0, False, at, what

    def kill(self, at: int) -> None:
        """End the process at a moment."""
        self.act(at, self._end)

    def come(self) -> None:
        """There is one."""
        if self.dead:
            raise Power
        self.count += 1
        if self.count == self._at and self._what is not None:
            what, self._what = self._what, None
            what()

    def _end(self) -> None:
        self.dead = True
        raise Power


class _Metadata(MemoryMetadataStorage):
    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self._moments = moments

    def show(self, name: str, data: bytes) -> None:
        self._moments.come()
        super().show(name, data)
        self._moments.come()


@dataclass
class _State:
    """A store whose transactions are watched; all else is the store's."""

    moments: Moments
    store: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    @contextmanager
    def transaction(self, *, actor: str) -> Iterator[StateTransaction]:
        self.moments.come()
        with self.store.transaction(actor=actor) as transaction:
            yield transaction
        self.moments.come()
