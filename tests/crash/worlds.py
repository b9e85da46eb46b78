"""The workspaces that operations start from, with clients that remember earlier instants of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.crash.ledger import Ledger
from tests.crash.operations import BASE, CEREMONY, Interruption, Operation, View, Words
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
        return [word.replace("{repo}", str(place / "repo")).replace("{in}", str(self.inputs)) for word in words]

    def copy(self, place: Path) -> None:
        """A fresh copy of the start at `place`; whatever is there goes."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.start, place)


def build_world(operation: Operation, place: Path, inputs: Path, zygote: Zygote) -> World:
    """Make the workspace that `operation` starts from.

    Raises:
        HarnessError: a command that is not under test failed.
    """
    start = place / "start"
    start.mkdir(parents=True)
    world = World(operation, start, inputs, (), None, {}, {}, Ledger())
    if operation.argv != CEREMONY:
        world = _with_history(world, place, zygote)
    for words in operation.setup:
        _prepare(world, zygote, words)
    if operation.interrupted is not None:
        _interrupt(world, zygote, operation.interrupted, place)
    if (start / "repo").exists():
        world.ledger.note(start / "repo")
    return world


def _with_history(world: World, place: Path, zygote: Zygote) -> World:
    """A live repository with some artifacts; clients visited after each change."""
    _prepare(world, zygote, CEREMONY)
    repo = world.start / "repo"
    root = (repo / "metadata/1.root.json").read_bytes()
    views: dict[str, str] = {}
    memories = []
    steps: tuple[tuple[Words, Mapping[str, str]], ...] = ((), *BASE)  # type: ignore[assignment]
    for index, step in enumerate(steps):
        if step:
            _prepare(world, zygote, step[0])
            views |= step[1]
        client = Client.fresh(place / f"memory-{index}", directory_site(repo / "metadata", repo / "targets"), root=root)
        client.refresh()
        client.walk()
        memories.append(client.memory)
    operation = world.operation
    views |= operation.shown
    after = {path: found for path, found in {**views, **operation.gains}.items() if path not in operation.loses}
    return World(operation, world.start, world.inputs, tuple(memories), root, views, after, Ledger())


def _prepare(world: World, zygote: Zygote, words: Words) -> None:
    outcome = world.run(zygote, words, world.start)
    if outcome.code != 0:
        said = (outcome.stderr or outcome.stdout).decode(errors="replace").strip()
        raise HarnessError(f"preparing {world.operation.name}: {' '.join(words)} ended with {outcome.code}: {said}")


def _interrupt(world: World, zygote: Zygote, interruption: Interruption, place: Path) -> None:
    """Kill a command on the start workspace itself."""
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
