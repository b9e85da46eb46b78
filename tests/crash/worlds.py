"""The workspaces that operations start from, with clients that remember earlier instants of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.crash.ledger import Ledger
from tests.crash.operations import BASE, CEREMONY, WAITING, Interruption, Operation, SignedAway, View, Words, rstuf
from tests.crash.runs import Cut, HarnessError, Outcome, Trace, Zygote
from tests.crash.trace import MOVING, changing, read_trace
from tests.support.clients import Client, directory_site


@dataclass(frozen=True, slots=True)
class World:
    """Where an operation starts.

    Attributes:
        start: the directory that holds the workspace `repo`; it is copied, never used itself.
        memories: cache directories of clients from earlier instants.
        root: root v1, or None when there is none yet.
        before, after: what clients find.
        ledger: every file under a final name that clients could have seen.
    """

    operation: Operation
    start: Path
    inputs: Path
    memories: tuple[Path, ...]
    root: bytes | None
    before: View
    after: View
    ledger: Ledger

    @property
    def settled(self) -> list[View]:
        """What clients may find while the operation is not done, and nothing is under way."""
        trusts = self.operation.trusts or (None,)
        return [View(view.artifacts, trust) for view in (self.before, self.after) for trust in trusts]

    @property
    def under_way(self) -> list[View | None]:
        """What they may find at any instant of it; None is that nothing is published."""
        blank = self.root is None or not (self.start / "repo/metadata/timestamp.json").exists()
        return [*self.settled, *([None] if blank else [])]

    def run(
        self,
        zygote: Zygote,
        words: Words,
        place: Path,
        *,
        shift: float = 0,
        trace: Trace | None = None,
        cut: Cut | None = None,
    ) -> Outcome:
        """Run a command on the workspace below `place`."""
        return zygote.run(self.argv(words, place), cwd=place, shift=shift, trace=trace, cut=cut)

    def argv(self, words: Words, place: Path) -> list[str]:
        """A command's words, for the workspace below `place`."""
        places = {"{repo}": place / "repo", "{place}": place, "{in}": self.inputs}
        return [_filled(word, places) for word in words]

    def copy(self, place: Path) -> None:
        """A fresh copy of the start at `place`; whatever is there goes."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.start, place)


def _filled(word: str, places: Mapping[str, Path]) -> str:
    for name, meant in places.items():
        word = word.replace(name, str(meant))
    return word


def build_world(operation: Operation, place: Path, inputs: Path, zygote: Zygote) -> World:
    """Make the workspace that `operation` starts from.

    Raises:
        HarnessError: a command that is not under test failed.
    """
    making = _Making(operation, place, inputs, zygote)
    making.build()
    return making.world


class _Making:
    """A world that is being made: its commands run one after the other, and clients visit after each."""

    def __init__(self, operation: Operation, place: Path, inputs: Path, zygote: Zygote) -> None:
        self._operation, self._place, self._zygote = operation, place, zygote
        start = place / "start"
        start.mkdir(parents=True)
        self._repo = start / "repo"
        self._memories: list[Path] = []
        self._seen: tuple[bytes, int] | None = None
        self.world = World(operation, start, inputs, (), None, View({}), View({}), Ledger())

    def build(self) -> None:
        """All of it."""
        operation = self._operation
        if operation.argv != CEREMONY:
            self._live()
        for step in operation.setup:
            self._away(step) if isinstance(step, SignedAway) else self._prepare(step)
            self._visit()
        if operation.argv != CEREMONY:
            self._expect()
        if operation.interrupted is not None:
            self._interrupt(operation.interrupted)
        self._note()
        self._lose()

    def _live(self) -> None:
        """A live repository with some artifacts."""
        self._prepare(CEREMONY)
        self.world = replace(self.world, root=(self._repo / "metadata/1.root.json").read_bytes())
        self._visit()
        for words, _ in BASE:
            self._prepare(words)
            self._visit()

    def _visit(self) -> None:
        """One more client that remembers, where there is anything new to remember."""
        metadata, root = self._repo / "metadata", self.world.root
        seen = (metadata / "timestamp.json").read_bytes(), len([*metadata.glob("*.root.json")])
        if root is None or seen == self._seen:
            return
        self._seen = seen
        site, memory = directory_site(metadata, self._repo / "targets"), self._place / f"memory-{len(self._memories)}"
        client = Client.fresh(memory, site, root=root)
        client.refresh()
        client.walk()
        self._memories.append(client.memory)

    def _expect(self) -> None:
        """What clients find before and after."""
        operation = self._operation
        artifacts = {path: found for _, shown in BASE for path, found in shown.items()} | {**operation.shown}
        gained = {**artifacts, **operation.gains}
        first, last = (operation.trusts[0], operation.trusts[-1]) if operation.trusts else (None, None)
        self.world = replace(
            self.world,
            memories=tuple(self._memories),
            before=View(artifacts, first),
            after=View({path: found for path, found in gained.items() if path not in operation.loses}, last),
        )

    def _note(self) -> None:
        if self._repo.exists():
            self.world.ledger.note(self._repo)

    def _lose(self) -> None:
        for pattern in self._operation.lost:
            found = [*self._repo.glob(pattern)]
            if not found:
                raise HarnessError(f"{self._operation.name}: there is no {pattern} that could be lost")
            for path in found:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _prepare(self, words: Words) -> dict[str, Any]:
        """Run a command that is to succeed, or to let something wait; what it says."""
        outcome = self.world.run(self._zygote, words, self.world.start)
        if outcome.code not in {0, WAITING}:
            said = (outcome.stderr or outcome.stdout).decode(errors="replace").strip()
            raise HarnessError(f"preparing {self._operation.name}: {' '.join(words)} ended with {outcome.code}: {said}")
        document: dict[str, Any] = json.loads(outcome.stdout)
        return document

    def _away(self, step: SignedAway) -> None:
        """Export, sign as its holder does, and bring what came of it back."""
        bundle = "{place}/away.rstuf"
        for before in ("away.rstuf", "away.sig"):
            (self.world.start / before).unlink(missing_ok=True)
        code = self._prepare(rstuf("bundle", "export", step.event, "-o", bundle))["code"]
        own = ("--holder-dir", "{place}/away-holder", "--trusted-root", "{repo}/metadata/1.root.json")
        key = ("--key", step.key, "-o", "{place}/away.sig")
        self._prepare(("--json", "bundle", "sign", bundle, *key, *own, "--yes", "--code", code))

    def _interrupt(self, interruption: Interruption) -> None:
        """Kill a command on the start workspace itself."""
        world, zygote, place = self.world, self._zygote, self._place
        rehearsal, trace = place / "rehearsal", place / "trace"
        world.copy(rehearsal)
        world.run(zygote, interruption.argv, rehearsal, trace=Trace(trace))
        calls = [call for call in read_trace(trace) if call.touches(str(rehearsal)) and changing(call)]
        found = [
            index
            for index, call in enumerate(calls)
            if call.name in MOVING and interruption.before in call.where(str(rehearsal))
        ]
        if not found:
            raise HarnessError(f"{world.operation.name}: no call gives {interruption.before} its name")
        call = calls[found[0] + interruption.passed]
        kill = f"{call.name}:signal=SIGKILL:when={call.ordinal}"
        outcome = world.run(zygote, interruption.argv, world.start, trace=Trace(trace, [kill]))
        if not outcome.killed:
            raise HarnessError(f"{world.operation.name}: nothing was interrupted at {call.where(str(rehearsal))}")
        shutil.rmtree(rehearsal)
