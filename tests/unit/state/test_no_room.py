"""A disk that is full: the state is still read, and never in a way that could show half of a change."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.sqlite_files import reopen
from tests.support.state_backends import begin, put, row

from rstuf.errors import Locked, StorageError
from rstuf.state.sqlite import SqliteStateStore

# Less than what SQLite's readers share takes.
ROOM = 1000


@pytest.fixture
def filled(place: Path, store: SqliteStateStore) -> Path:
    """A state with one artifact, at rest."""
    begin(store)
    put(store, row("a"))
    store.close()
    return place


@pytest.fixture
def no_room(filled: Path) -> Iterator[None]:
    """No file may grow; as on a full disk, the system refuses to."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def paths(store: SqliteStateStore) -> list[str]:
    with store.read() as reader:
        return [listed.artifact.path for listed in reader.artifacts()]


@pytest.mark.usefixtures("no_room")
def test_a_state_at_rest_is_read(filled: Path) -> None:
    """Without room for what readers share, all that was committed is seen, as often as it is looked at."""
    with closing(reopen(filled)) as store:
        assert paths(store) == ["a"]
        assert paths(store) == ["a"]
        with pytest.raises(StorageError, match="no room for the -shm file"):
            put(store, row("b"))


@pytest.mark.usefixtures("no_room")
def test_nobody_writes_meanwhile(filled: Path) -> None:
    """While such a view is open writers are kept out, the store's own at once; when it ends they are let in."""
    with closing(reopen(filled)) as store, closing(_impatient(filled)) as other:
        with store.read() as reader:
            with pytest.raises(Locked):
                put(other, row("b"))
            started = time.monotonic()
            with pytest.raises(StorageError, match="no room for the -shm file"):
                put(store, row("b"))
            assert time.monotonic() - started < 5
            assert [listed.artifact.path for listed in reader.artifacts()] == ["a"]
        with pytest.raises(StorageError):
            put(other, row("b"))


def test_a_log_is_not_passed_over(place: Path, store: SqliteStateStore) -> None:
    """What a killed writer left in the log was committed: without room to read it nothing is shown, and why is said."""
    begin(store)
    put(store, row("a"))
    copy = place.parent / "copy"
    copy.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copy(place.parent / name, copy / name)
    assert (copy / "state.db-wal").stat().st_size > 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        with pytest.raises(StorageError, match="no room for the -shm file") as refused:
            reopen(copy / "state.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "make room" in (refused.value.hint or "")
    with closing(reopen(copy / "state.db")) as again:
        assert paths(again) == ["a"]


@pytest.mark.usefixtures("no_room")
def test_descriptors_do_not_pile_up(filled: Path) -> None:
    """Every view lets go of what it held."""
    with closing(reopen(filled)) as store:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            paths(store)
        assert len(os.listdir("/proc/self/fd")) == before


def _impatient(place: Path) -> SqliteStateStore:
    return SqliteStateStore.open(place, wait=timedelta(0), purpose="test")
