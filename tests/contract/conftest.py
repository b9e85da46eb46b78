"""States for the contract suite: one of each adapter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.state_backends import BACKENDS, StateBackend, begin

from rstuf.repository.interfaces import StateStore

ROOT = Path(__file__).parents[2]
StateWorkers = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(params=sorted(BACKENDS))
def state_backend(request: pytest.FixtureRequest, tmp_path: Path) -> StateBackend:
    """An adapter with a place for one state; nothing is there yet."""
    return BACKENDS[request.param](str(tmp_path))


@pytest.fixture
def state_store(state_backend: StateBackend) -> Iterator[StateStore]:
    """An empty state."""
    with closing(state_backend.create()) as store:
        yield store


@pytest.fixture
def state_repository(state_store: StateStore) -> StateStore:
    """A state in which a repository with four bins has begun."""
    begin(state_store)
    return state_store


@pytest.fixture
def state_second(state_backend: StateBackend, state_store: StateStore) -> Iterator[StateStore]:
    """The same state, opened as another process would."""
    with closing(state_backend.open()) as store:
        yield store


@pytest.fixture
def state_workers(state_backend: StateBackend) -> Iterator[StateWorkers]:
    """Starts workers on the state in processes of their own; see `tests.support.state_worker`."""
    running: list[subprocess.Popen[str]] = []

    def start(action: str, argument: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.support.state_worker", state_backend.kind, state_backend.location]
        worker = subprocess.Popen(
            [*command, action, argument], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        running.append(worker)
        return worker

    yield start
    for worker in running:
        worker.kill()
        worker.communicate()
