"""Those who publish without pause, and those who read all the while: each in a process of its own."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from datetime import timedelta
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from typing import Any

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

import rstuf

_FORGETS = 25
_SPAWN = multiprocessing.get_context("spawn")


class Crowd:
    """One publisher and two readers at work."""

    def __init__(self, workspace: Path, scratch: Path) -> None:
        self._stop = _SPAWN.Event()
        self._refreshes = _SPAWN.Value("q", 0)
        self._publications = _SPAWN.Value("q", 0)
        self._failures: Any = _SPAWN.Queue()
        self._told: list[str] = []
        root = (workspace / "metadata" / "1.root.json").read_bytes()
        shared = (self._stop, self._failures)
        self._processes = [_SPAWN.Process(target=_publish, args=(workspace, scratch, self._publications, *shared))]
        for number in range(2):
            place = scratch / f"reader-{number}"
            args = (workspace / "metadata", place, root, self._refreshes, *shared)
            self._processes.append(_SPAWN.Process(target=_read, args=args))

    def __enter__(self) -> Crowd:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for process in self._processes:
            process.join(60)
        self.failures()

    def refreshes(self) -> int:
        """How many there were so far."""
        return int(self._refreshes.value)

    def publications(self) -> int:
        """How many there were so far."""
        return int(self._publications.value)

    def failures(self) -> list[str]:
        """What failed so far."""
        while True:
            try:
                self._told.append(self._failures.get_nowait())
            except Empty:
                return self._told


class _Files(FetcherInterface):
    """A server of one directory: a name that is not there is a 404."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _fetch(self, url: str) -> Any:
        try:
            return iter([(self._directory / url.rpartition("/")[2]).read_bytes()])
        except FileNotFoundError:
            raise DownloadHTTPError(url, 404) from None


def _read(metadata: Path, place: Path, root: bytes, refreshes: Synchronized[int], stop: Event, failures: Any) -> None:
    """Refresh, remembering; every now and then begin anew from root version 1."""
    count = 0
    while not stop.is_set():
        if count % _FORGETS == 0:
            shutil.rmtree(place, ignore_errors=True)
        try:
            client = Updater(str(place), "http://x/", fetcher=_Files(metadata), bootstrap=root)
            client.refresh()
            client.get_targetinfo(f"file-{count % 5}.txt")
        except Exception as error:  # whatever it is, a client failed
            failures.put(f"{type(error).__name__}: {error}")
        count += 1
        with refreshes.get_lock():
            refreshes.value += 1


def _publish(workspace: Path, scratch: Path, publications: Synchronized[int], stop: Event, failures: Any) -> None:
    """Add a file and publish, again and again."""
    session = rstuf.Session(
        purpose="people", actor="publisher", secrets=rstuf.load_secrets([], [], None), wait=timedelta(seconds=120)
    )
    file = scratch / "files"
    file.mkdir()
    while not stop.is_set():
        try:
            (file / f"file-{publications.value % 5}.txt").write_text(f"{publications.value}")
            with rstuf.open_repository(workspace, session) as repository:
                repository.add_files(rstuf.find_files([file]), conflict=rstuf.Conflict.REPLACE)
                repository.publish()
            publications.value += 1
        except Exception as error:  # whatever it is, publishing failed
            failures.put(f"publisher: {type(error).__name__}: {error}")
            time.sleep(1)
