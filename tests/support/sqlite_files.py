"""A SQLite state as others find it: reopened, listed, changed behind its back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.state_backends import WAIT

from rstuf.state.sqlite import SqliteStateStore

ROOT = Path(__file__).parents[2]


def reopen(place: Path) -> SqliteStateStore:
    """The state again, as another process would open it."""
    return SqliteStateStore.open(place, wait=WAIT, purpose="test")


def names(directory: Path) -> set[str]:
    """What is in a directory."""
    return {each.name for each in directory.iterdir()}


def patch(place: Path, *statements: str) -> None:
    """Change a state without the adapter."""
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def counted(store: SqliteStateStore, table: str) -> int:
    """How many rows a table has."""
    with store.read() as reader:
        found: int = reader._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[attr-defined]
        return found
