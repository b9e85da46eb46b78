"""Several processes on one workspace: everything arrives, readers never wait, accepting never waits for publishing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

from rstuf import Repository, Session, find_files, open_repository
from rstuf.founding import make_repository
from rstuf.signing.secrets import NoSecrets

# One process of the eight: adds its files one by one, publishing each, as a script would that calls rstuf in a loop.
WORKER = """
import sys
from pathlib import Path
from rstuf import Session, find_files, load_secrets, open_repository
workspace, files = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
session = Session(purpose="worker", actor="test", secrets=load_secrets([], [], None))
with open_repository(workspace, session) as repository:
    for file in files:
        repository.add_files(find_files([file]))
        repository.publish()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(plan_text(bins=16))
    make_repository(tmp_path / "plan.toml", tmp_path / "workspace", _session())
    return tmp_path / "workspace"


def _session() -> Session:
    return Session(purpose="test", actor="test", secrets=NoSecrets())


@contextmanager
def _publishing(repository: Repository, *, purpose: str) -> Iterator[threading.Event]:
    """Hold the publication lock in another thread until the event is set, at the latest to the end of the block."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with repository._ports.state.publication_lock(purpose=purpose):
            held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        yield release
    finally:
        release.set()
        holder.join()


def test_eight_processes_adding_at_once(workspace: Path, tmp_path: Path) -> None:
    """All artifacts of eight processes arrive, while a reader looks again and again and never fails or waits."""
    source = tmp_path / "source"
    source.mkdir()
    batches: list[list[str]] = []
    for worker in range(8):
        batches.append([])
        for number in range(6):
            file = source / f"{worker}-{number}.bin"
            file.write_bytes(f"{worker} {number}".encode() * 100)
            batches[-1].append(str(file))
    processes = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(workspace), *batch], stderr=subprocess.PIPE)
        for batch in batches
    ]
    longest, looks = 0.0, 0
    with open_repository(workspace, _session()) as repository:
        while any(process.poll() is None for process in processes):
            started = time.perf_counter()
            seen = repository.status().artifacts
            longest, looks = max(longest, time.perf_counter() - started), looks + 1
            assert seen <= 48
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, errors
    client = Client.fresh(
        tmp_path / "client",
        directory_site(workspace / "metadata", workspace / "targets"),
        root=(workspace / "metadata/1.root.json").read_bytes(),
    )
    for batch in batches:
        for name in batch:
            assert client.download(Path(name).name) == Path(name).read_bytes()
    assert looks > 5
    # A reader that had to wait for one publication after another would be held for seconds.
    assert longest < 30
    with open_repository(workspace, _session()) as repository:
        versions = [entry.details["timestamp"] for entry in repository.log() if entry.action == "publish"]
    assert versions == sorted(versions)
    assert json.loads((workspace / "metadata/timestamp.json").read_bytes())["signed"]["version"] == versions[-1]


def test_accepting_does_not_wait_for_a_publication(workspace: Path, tmp_path: Path) -> None:
    """While somebody holds the publication lock, a request is accepted at once."""
    file = tmp_path / "a.txt"
    file.write_text("a")
    with open_repository(workspace, _session()) as repository, open_repository(workspace, _session()) as other:
        with _publishing(other, purpose="a long publication"):
            assert repository.add_files(find_files([file])).added == 1
            assert [str(found.state) for found in repository.artifacts()] == ["pending"]
        assert repository.publish().published


def test_who_waits_is_told_for_whom(workspace: Path) -> None:
    """A command that waits for a lock says after a second who holds it, and goes on when it is free."""
    told: list[tuple[str, str | None]] = []
    patient = Session(
        purpose="test", actor="test", secrets=NoSecrets(), on_wait=lambda lock, holder: told.append((lock, holder))
    )
    with (
        open_repository(workspace, patient) as repository,
        open_repository(workspace, _session()) as other,
        _publishing(other, purpose="rstuf publish") as release,
    ):
        threading.Timer(1.5, release.set).start()
        assert not repository.publish().published
    ((lock, who),) = told
    assert lock == "publication"
    assert who is not None
    assert who.startswith(f"pid {os.getpid()} (rstuf publish), since ")
