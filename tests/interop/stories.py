"""Whether clients of any age find and verify all that is published, after each step of a repository's life.

After each step every client kind looks as one that was never here, as one that was here after every step, and as each
that stopped after an earlier one: a copy of what it remembered then. All of them find by which SHA-256 each artifact is
signed; the first two download it all, and so does one in four of the others.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.interop.clients import Answer, RunningClient, Session
from tests.interop.commands import Workspace
from tests.interop.processes import CommandFailed
from tests.interop.serving import Places
from tests.interop.worlds import World

_DOWNLOADING: Final = 4


@dataclass
class Tally:
    """What came out.

    Attributes:
        sessions: of clients that can read a repository by what lint says; `looks` for a path in these, each found,
            or not where there is none, as is so; `downloads` of what was found, each verified.
        failures: of these.
        excluded: sessions of clients that cannot, by the client and the reason; all of them failed.
        routes: how often the role that lists a path was the one that rstuf delegation why says.
    """

    worlds: int = 0
    steps: int = 0
    sessions: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    downloads: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    routes: int = 0
    failures: list[str] = field(default_factory=list)

    def in_all(self) -> str:
        """The figures, in a line."""
        return (
            f"{self.worlds} repositories, {self.steps} steps, {len(self.sessions)} clients: {self.sessions.total()} "
            f"sessions, {self.looks.total()} looks, {self.downloads.total()} downloads; {self.excluded.total()} "
            f"sessions of clients that cannot; {len(self.failures)} failures"
        )


@dataclass
class Story:
    """One repository, and everybody who reads it."""

    world: World
    clients: Sequence[RunningClient]
    places: Places
    url: str
    scratch: Path
    tally: Tally
    tell: Callable[[str], None]

    def play(self) -> None:
        """From its ceremony on."""
        world = self.world
        workspace = Workspace.made(
            self.scratch / "workspace",
            self.url,
            layout=world.layout,
            bins=world.bins,
            absent_targets=world.absent_targets,
        )
        self.places.metadata, self.places.artifacts = workspace.metadata, workspace.artifacts
        self.tally.worlds += 1
        for number, (name, act) in enumerate(self.world.steps):
            where = f"{self.world.name}, {number}: {name}"
            try:
                act(workspace)
            except CommandFailed as error:
                self.tally.failures.append(f"{where}: {error}")
                return
            self.tally.steps += 1
            self._look(workspace, number, where)

    def _look(self, workspace: Workspace, number: int, where: str) -> None:
        routes, listed = workspace.reasons(), workspace.listed()
        for path, role in routes.items():
            self.tally.routes += 1
            self._expect(
                role in listed.get(path, ()), f"{where}: {path} is to be in {role} and is in {listed.get(path)}"
            )
        reasons = workspace.readers()
        # Each client is a process of its own, with memories of its own: all look at once.
        with ThreadPoolExecutor() as pool:
            looks = [pool.submit(self._look_with, each, reasons, workspace, number, where) for each in self.clients]
        for look in looks:
            look.result()
        self.tell(where)

    def _look_with(
        self, client: RunningClient, reasons: Mapping[str, str | None], workspace: Workspace, number: int, where: str
    ) -> None:
        name, reason = client.kind.name, None if client.kind.lint is None else reasons[client.kind.lint]
        for age in ("cold", "along", *range(number)):
            download = not isinstance(age, int) or (age + number) % _DOWNLOADING == 0
            said = self._session(workspace, client, self._memory(client, age), download=download)
            wrong = wrong_in(workspace, said, download=download)
            if reason is None:
                self.tally.sessions[name] += 1
                self.tally.looks[name] += len(said.answers)
                self.tally.downloads[name] += sum(answer.bytes is not None for answer in said.answers.values())
                self._expect(not wrong, f"{where}: {name}, {age}: {'; '.join(wrong[:3])}")
            else:
                self.tally.excluded[f"{name}: {reason}"] += 1
                self._expect(bool(wrong), f"{where}: {name}, {age} reads it all, though {reason}")
        shutil.copytree(self._memory(client, "along"), self._kept(client, number))

    def _session(self, workspace: Workspace, client: RunningClient, memory: Path, *, download: bool) -> Session:
        paths = [*workspace.contents, *sorted(workspace.gone)]
        root = workspace.metadata / "1.root.json"
        return client.session(self.url, root=root, memory=memory, paths=paths, download=download)

    def _memory(self, client: RunningClient, age: str | int) -> Path:
        """A directory with what a client remembers."""
        if age == "along":
            return self.scratch / client.kind.name / "along"
        memory = self.scratch / client.kind.name / "now"
        shutil.rmtree(memory, ignore_errors=True)
        if isinstance(age, int):
            shutil.copytree(self._kept(client, age), memory)
        return memory

    def _kept(self, client: RunningClient, number: int) -> Path:
        return self.scratch / client.kind.name / f"after-{number}"

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.tally.failures.append(otherwise)


def wrong_in(workspace: Workspace, said: Session, *, download: bool = True) -> list[str]:
    """What a client does not get, or gets and should not; `download`: whether it was to have the contents, too."""
    if said.error is not None:
        return [said.error]
    found = []
    for path, content in workspace.contents.items():
        answer, wanted = said.answers[path], hashlib.sha256(content).hexdigest()
        if answer != Answer(wanted, wanted if download else None):
            found.append(f"{path}: {answer}")
    return found + [f"{path}: {said.answers[path]}" for path in workspace.gone if said.answers[path] != Answer()]
