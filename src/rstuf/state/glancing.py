"""A glance at a state that leaves nothing behind and gives up soon: for who must never be in anybody's way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.state.connections import connect_once, translated
from rstuf.state.reader import SqliteReader
from rstuf.state.schema import check_readable

if TYPE_CHECKING:
    from rstuf.repository.interfaces import StateReader

# Steps of SQLite's machine between two looks at the time: some hundred microseconds.
_STEPS: Final = 10_000


@contextmanager
def glance(path: Path, *, patience: timedelta) -> Iterator[StateReader]:
    """A view of the state at `path`, for at most `patience`.

    Raises:
        StateError, StorageError: it cannot be read as it is, or not in time.
    """
    end = time.monotonic() + patience.total_seconds()
    with translated(path, action="read"), closing(connect_once(path)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        check_readable(connection, path)
        reader = SqliteReader(connection, path)
        try:
            yield reader
        finally:
            reader.end()
