"""A look at how a state is kept, which changes nothing: not even one of an older format is brought up to date."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rstuf.durable import there
from rstuf.repository.doctor import StateFacts
from rstuf.state.connections import connect_once, connect_reader, translated
from rstuf.state.schema import FORMAT, format_of


def look_at(path: Path) -> StateFacts | None:
    """The facts of the state at `path`; None where there is none.

    Raises:
        StateDamaged, StateNewer, StorageError: see `SqliteStateStore.open`.
    """
    if there(path) is None:
        return None
    with translated(path, action="read"):
        with closing(connect_once(path)) as connection:
            found = format_of(connection, path)
        # A file that is taken as fixed does not tell how it is kept.
        with closing(connect_reader(path)) as connection:
            journal = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    return StateFacts(path=str(path), format=found, current=found == FORMAT, journal=journal)
