"""Those who publish without pause, and those who read all the while: each in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from datetime import timedelta
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from typing import Any

from tests.support.readers import Readers

import rstuf

_FILES = 5
_SPAWN = multiprocessing.get_context("spawn")


class Crowd:
    """One publisher and two readers at work."""

    def __init__(self, workspace: Path, scratch: Path) -> None:
        self._stop = _SPAWN.Event()
        self._publications = _SPAWN.Value("q", 0)
        self._failures: Any = _SPAWN.Queue()
        self._told: list[str] = []
        args = (workspace, scratch, self._publications, self._stop, self._failures)
        self._publisher = _SPAWN.Process(target=_publish, args=args)
        files: dict[str, str | None] = dict.fromkeys(f"file-{number}.txt" for number in range(_FILES))
        self._readers = Readers(workspace / "metadata", scratch, files, lookups=1, forget_after=25)

    def __enter__(self) -> Crowd:
        self._publisher.start()
        self._readers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._publisher.join(60)
        self._readers.__exit__()
        self.failures()

    def refreshes(self) -> int:
        """How many there were so far."""
        return self._readers.sessions

    def publications(self) -> int:
        """How many there were so far."""
        return int(self._publications.value)

    def failures(self) -> list[str]:
        """What failed so far."""
        while True:
            try:
                self._told.append(self._failures.get_nowait())
            except Empty:
                return [*self._told, *self._readers.hear()]


def _publish(workspace: Path, scratch: Path, publications: Synchronized[int], stop: Event, failures: Any) -> None:
    """Add a file and publish, again and again."""
    session = rstuf.Session(
        purpose="people", actor="publisher", secrets=rstuf.load_secrets([], [], None), wait=timedelta(seconds=120)
    )
    file = scratch / "files"
    file.mkdir()
    while not stop.is_set():
        try:
            (file / f"file-{publications.value % _FILES}.txt").write_text(f"{publications.value}")
            with rstuf.open_repository(workspace, session) as repository:
                repository.add_files(rstuf.find_files([file]), conflict=rstuf.Conflict.REPLACE)
                repository.publish()
            publications.value += 1
        except Exception as error:  # whatever it is, publishing failed
            failures.put(f"publisher: {type(error).__name__}: {error}")
            time.sleep(1)
