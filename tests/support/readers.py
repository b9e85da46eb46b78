"""Stock clients in processes of their own, which read a repository's directory all the while others write it."""

from __future__ import annotations

import multiprocessing
import random
import shutil
from collections.abc import Mapping
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from typing import Any, Final

from tests.support.clients import Client, directory_site

_SPAWN: Final = multiprocessing.get_context("spawn")


class Readers:
    """Clients at work from `with` on.

    Attributes:
        failures: what they ran into, or did not find, in words.
    """

    def __init__(
        self,
        metadata: Path,
        scratch: Path,
        artifacts: Mapping[str, str | None],
        *,
        lookups: int = 6,
        forget_after: int = 6,
        count: int = 2,
    ) -> None:
        """Readers of `metadata`, who remember below `scratch`.

        Args:
            artifacts: what they look for: sha256, hex, by path; None where it may be any, or not be there.
            lookups: for how many of these in one session.
            forget_after: after how many sessions one begins anew, from root version 1.
        """
        self.failures: list[str] = []
        self._stop, self._sessions, self._told = _SPAWN.Event(), _SPAWN.Value("q", 0), _SPAWN.Queue()
        root = (metadata / "1.root.json").read_bytes()
        habits = root, dict(artifacts), lookups, forget_after
        shared = *habits, self._sessions, self._stop, self._told
        self._processes = [
            _SPAWN.Process(target=_read, args=(metadata, scratch / f"reader-{number}", number, *shared))
            for number in range(count)
        ]

    def __enter__(self) -> Readers:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for process in self._processes:
            process.join(60)
        self.hear()

    @property
    def sessions(self) -> int:
        """How many there were so far."""
        return int(self._sessions.value)

    def hear(self) -> list[str]:
        """All failures so far."""
        while True:
            try:
                self.failures.append(self._told.get_nowait())
            except Empty:
                return self.failures


def _read(
    metadata: Path,
    memory: Path,
    seed: int,
    root: bytes,
    artifacts: Mapping[str, str | None],
    lookups: int,
    forget_after: int,
    sessions: Synchronized[int],
    stop: Event,
    told: Any,
) -> None:
    chance, paths, count = random.Random(seed), sorted(artifacts), seed
    while not stop.is_set():
        if count % forget_after == 0:
            shutil.rmtree(memory, ignore_errors=True)
        client = Client(memory, directory_site(metadata), root=root)
        try:
            client.refresh()
            for path in chance.sample(paths, min(lookups, len(paths))):
                target = client.find(path)
                found, wanted = None if target is None else target.hashes["sha256"], artifacts[path]
                if wanted is not None and found != wanted:
                    told.put(f"{path}: {'not found' if found is None else 'other contents'}")
        except Exception as error:  # whatever it is, a client failed
            told.put(f"{type(error).__name__}: {error}")
        count += 1
        with sessions.get_lock():
            sessions.value += 1
