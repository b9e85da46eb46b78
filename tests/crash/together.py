"""Many commands at once on one workspace, some killed at any time. What was accepted arrives, and locks are free."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import time
from pathlib import Path
from typing import Final

from tests.crash.bench import Bench, Result
from tests.crash.full import tidy
from tests.crash.operations import LATER, PUBLISH, Operation
from tests.crash.runs import Outcome, Step
from tests.crash.worlds import World, build_world
from tests.support.clients import Client, NotListed

NAME: Final = "together"
TITLE: Final = "eight that add, one that publishes and one that prunes at once, SIGKILL at any time"
ROUNDS: Final = 2
ALL_ROUNDS: Final = 50
OPERATION: Final = Operation(NAME, PUBLISH)
_ADDERS: Final = 8
_FILES: Final = 3
_KILLED: Final = 0.5
"""The share of commands that are to be killed."""
_LONGEST: Final = 1.5
"""After how many seconds at the latest."""
_KEPT: Final = 12
"""How many publications are kept: no client is that slow."""
_PATIENCE: Final = 20.0
"""How many seconds a command may take when nobody else is there."""


def run(bench: Bench, inputs: Path, seed: int) -> list[Result]:
    """One round: eight that add files one by one, one that publishes, one that prunes; then what clients find."""
    place = bench.scratch / "round"
    shutil.rmtree(place, ignore_errors=True)
    world = build_world(OPERATION, place, inputs, bench.zygote)
    world.copy(bench.place)
    return _Round(bench, world, place / "files", random.Random(seed)).run()


class _Round:
    def __init__(self, bench: Bench, world: World, files: Path, chance: random.Random) -> None:
        self._bench, self._world, self._files, self._chance = bench, world, files, chance
        files.mkdir()
        self._contents: dict[str, bytes] = {}
        self._whole = Result(NAME, "in the round")
        self._looks = 0
        self._returning: Client | None = None

    def run(self) -> list[Result]:
        scripts = [*(self._adder(index) for index in range(_ADDERS)), self._publisher(), self._pruner()]
        steps = [[step for step, _ in script] for script in scripts]
        ended = self._bench.zygote.crowd(steps, cwd=self._bench.place, meanwhile=self._look)
        results, accepted = [], set[str]()
        for script, outcomes in zip(scripts, ended, strict=True):
            for (step, name), outcome in zip(script, outcomes, strict=True):
                result = Result(NAME, " ".join(step.argv[3:]), reached=outcome.killed)
                result.notes["killed"] += outcome.killed
                result.notes["ran to the end"] += not outcome.killed
                if not outcome.killed and outcome.code != 0:
                    result.wrong.append(f"L5: beside others {_said(outcome)}")
                if name is not None and outcome.acknowledged:
                    accepted.add(name)
                results.append(result)
        self._whole.reached = False
        self._whole.notes["looks of clients meanwhile"] += self._looks
        self._whole.notes["artifacts accepted"] += len(accepted)
        self._judge(accepted)
        return [*results, self._whole]

    def _adder(self, index: int) -> list[tuple[Step, str | None]]:
        script: list[tuple[Step, str | None]] = []
        for number in range(_FILES):
            name = f"{index}-{number}.bin"
            self._contents[name] = f"{name} of {self._chance.random()}\n".encode() * 200
            (self._files / name).write_bytes(self._contents[name])
            words = ["artifact", "add", str(self._files / name)]
            words += ["--no-publish"] if self._chance.random() < 0.3 else []
            script.append((self._step(*words), name))
            # Some scripts try again, some give up.
            if script[-1][0].kill is not None and self._chance.random() < 0.5:
                script.append((self._step(*words, killed=0), name))
        return script

    def _publisher(self) -> list[tuple[Step, str | None]]:
        return [(self._step("publish"), None) for _ in range(2 * _FILES)]

    def _pruner(self) -> list[tuple[Step, str | None]]:
        return [(self._step("prune", "--keep", str(_KEPT), "--days", "0", "--yes"), None) for _ in range(_FILES)]

    def _step(self, *words: str, killed: float = _KILLED) -> Step:
        kill = self._chance.uniform(0.01, _LONGEST) if self._chance.random() < killed else None
        return Step(["--repo", str(self._bench.place / "repo"), "--json", *words], kill)

    def _look(self) -> None:
        """A client that was here before and, every fourth time, one that never was."""
        self._looks += 1
        if self._returning is None or self._looks % 4 == 0:
            self._returning = self._client(f"client-{self._looks % 8}")
        try:
            self._returning.refresh()
            self._returning.walk()
        except Exception as error:  # whatever a client stumbles over is what we look for
            self._whole.wrong.append(f"L2 while others write: {type(error).__name__}: {error}")

    def _client(self, name: str) -> Client:
        place = self._bench.scratch / "clients" / name
        shutil.rmtree(place, ignore_errors=True)
        assert self._world.root is not None
        return Client.fresh(place, self._bench.site, root=self._world.root)

    def _judge(self, accepted: set[str]) -> None:
        repo, wrong = self._bench.place / "repo", self._whole.wrong
        wrong += [f"L5: {lock.name} is still held" for lock in sorted(repo.rglob("*.lock")) if not _free(lock)]
        began = time.monotonic()
        wrong += self._bench.again(self._world, PUBLISH, shift=0)
        if time.monotonic() - began > _PATIENCE:
            wrong.append(f"L5: alone, publishing took {time.monotonic() - began:.0f} s")
        client = self._client("last")
        client.refresh()
        client.walk()
        for name, data in self._contents.items():
            try:
                if client.download(name) != data:
                    wrong.append(f"L4: {name} has other bytes")
            except NotListed:
                if name in accepted:
                    wrong.append(f"L1: {name} was accepted and no client finds it")
        # Whoever adds next sweeps up after the killed.
        wrong += self._bench.again(self._world, LATER, shift=0)
        wrong += self._world.ledger.copy().note(repo)
        wrong += tidy(self._bench, self._world)


def _free(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _said(outcome: Outcome) -> str:
    said = (outcome.stderr or outcome.stdout).decode(errors="replace").strip()[-300:]
    return f"{'it hung' if outcome.hung else f'it ended with {outcome.code}'}: {said}"
