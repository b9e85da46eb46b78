"""Whether clients of any age find and verify all that is published, after each step of a repository's life.

After each step every client kind looks as one that was never here, as one that was here after every step, and as each
that stopped after an earlier one: a copy of what it remembered then.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.clients import RunningClient, Session
from tests.interop.commands import Workspace
from tests.interop.serving import Places
from tests.interop.worlds import World


@dataclass
class Tally:
    """What came out.

    Attributes:
        sessions, downloads: of clients that can read a repository by what lint says; each was verified.
        failures: of these.
        excluded: sessions of clients that cannot, by the client and the reason; all of them failed.
        routes: how often the role that lists a path was the one that rstuf delegation why says.
    """

    worlds: int = 0
    steps: int = 0
    sessions: Counter[str] = field(default_factory=Counter)
    downloads: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    routes: int = 0
    failures: list[str] = field(default_factory=list)


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
        workspace = Workspace.made(self.scratch / "workspace", layout=self.world.layout, bins=self.world.bins)
        self.places.metadata, self.places.artifacts = workspace.metadata, workspace.artifacts
        self.tally.worlds += 1
        for number, (name, act) in enumerate(self.world.steps):
            act(workspace)
            self.tally.steps += 1
            self._look(workspace, number, f"{self.world.name}, {number}: {name}")

    def _look(self, workspace: Workspace, number: int, where: str) -> None:
        reasons = workspace.readers()
        routes, listed = workspace.reasons(), workspace.listed()
        for path, role in routes.items():
            self.tally.routes += 1
            self._expect(
                role in listed.get(path, ()), f"{where}: {path} is to be in {role} and is in {listed.get(path)}"
            )
        for client in self.clients:
            reason = reasons[client.kind.lint] if client.kind.lint is not None else None
            for age in ("cold", "along", *range(number)):
                memory = self._memory(client, age)
                said = self._session(workspace, client, memory)
                wrong = wrong_in(workspace, said)
                if reason is None:
                    self.tally.sessions[client.kind.name] += 1
                    self.tally.downloads[client.kind.name] += len(workspace.contents) - len(wrong)
                    self._expect(not wrong, f"{where}: {client.kind.name}, {age}: {'; '.join(wrong[:3])}")
                else:
                    self.tally.excluded[f"{client.kind.name}: {reason}"] += 1
                    self._expect(bool(wrong), f"{where}: {client.kind.name}, {age} reads it all, though {reason}")
            shutil.copytree(self._memory(client, "along"), self._kept(client, number))
        self.tell(where)

    def _session(self, workspace: Workspace, client: RunningClient, memory: Path) -> Session:
        paths = [*workspace.contents, *sorted(workspace.gone)]
        return client.session(
            self.url, root=workspace.metadata / "1.root.json", memory=memory, paths=paths, download=True
        )

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


def wrong_in(workspace: Workspace, said: Session) -> list[str]:
    """What a client does not get, or gets and should not."""
    if said.error is not None:
        return [said.error]
    found = []
    for path, content in workspace.contents.items():
        answer, wanted = said.answers[path], hashlib.sha256(content).hexdigest()
        if (answer.found, answer.bytes) != (wanted, wanted):
            found.append(f"{path}: {answer}")
    return found + [f"{path}: {said.answers[path]}" for path in workspace.gone if said.answers[path].found is not None]
