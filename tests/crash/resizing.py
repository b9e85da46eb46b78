"""Bins that become more and fewer in one living repository: clients read all the while, and each resize is killed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.crash import kill
from tests.crash.bench import Bench, Result
from tests.crash.kill import Point
from tests.crash.operations import LATER, PLAN, PUBLISH, Operation, Words, digest, rstuf
from tests.crash.runs import HarnessError, Trace
from tests.crash.trace import changing, read_trace
from tests.crash.worlds import World, build_world
from tests.support.clients import Client
from tests.support.readers import Readers

NAME: Final = "resizing"
TITLE: Final = "bins that become more and fewer while clients read, SIGKILL all over each resize"


@dataclass(frozen=True, slots=True)
class Journey:
    """Numbers of bins that a repository goes through.

    Attributes:
        artifacts: how many it has; kills: how many times each resize is killed.
    """

    bins: Sequence[int]
    artifacts: int
    kills: int


DAILY: Final = Journey((8, 32, 2, 32), artifacts=60, kills=4)
WHOLE: Final = Journey((256, 1024, 64, 1024), artifacts=5000, kills=60)

_GUARDED: Final = "the row of an artifact was touched"
_STATE: Final = "state.db"


def run(bench: Bench, inputs: Path, journey: Journey, seed: int) -> list[Result]:
    """The whole journey; a result for each kill, and one for what the readers and the rows came to."""
    place = bench.scratch / NAME
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return _Resizing(bench, place, inputs, journey, seed).run()


class _Resizing:
    def __init__(self, bench: Bench, place: Path, inputs: Path, journey: Journey, seed: int) -> None:
        self._bench, self._place, self._journey, self._seed = bench, place, journey, seed
        own = place / "inputs"
        shutil.copytree(inputs, own)
        (own / "plan.toml").write_text(PLAN.replace("bins = 8", f"bins = {journey.bins[0]}"))
        self._artifacts = {f"pool/{index:05}.iso": digest(f"{index}".encode()) for index in range(journey.artifacts)}
        records = [
            {"path": path, "length": len(path), "hashes": {"sha256": sha256}}
            for path, sha256 in self._artifacts.items()
        ]
        (own / "records.ndjson").write_text("".join(json.dumps(record) + "\n" for record in records))
        setup = (rstuf("artifact", "import", "{in}/records.ndjson"),)
        self._world: World = build_world(Operation(NAME, PUBLISH, setup=setup), place / "world", own, bench.zygote)
        self._whole = Result(NAME, "the whole journey", reached=False)
        self._before: Client | None = None

    def run(self) -> list[Result]:
        bench, results = self._bench, [self._whole]
        self._world.copy(bench.place)
        metadata = bench.place / "repo/metadata"
        with Readers(metadata, self._place / "readers", self._artifacts) as readers:
            for number, (few, many) in enumerate(zip(self._journey.bins, self._journey.bins[1:], strict=False)):
                points = self._rehearse(many)
                for turn, point in enumerate(kill.spread(points, self._journey.kills, self._seed + number)):
                    results.append(self._kill(point, few, many, turn))
                self._run(self._resize(many))
                self._look(self._whole, f"with {many} bins")
        self._whole.wrong += [f"L2 while others write: {failure}" for failure in readers.failures]
        self._whole.notes["sessions of clients meanwhile"] += readers.sessions
        self._whole.wrong += self._world.ledger.copy().note(bench.place / "repo")
        return results

    def _kill(self, point: Point, few: int, many: int, turn: int) -> Result:
        """Kill it there; clients look; another command and the same again, or the way back where it had happened."""
        bench, world = self._bench, self._world
        result = Result(NAME, f"{few} to {many} bins: {point}")
        inject = [f"{point.name}:signal=SIGKILL:when={point.ordinal}"]
        outcome = bench.run(world, self._resize(many), shift=0, trace=Trace(bench.trace, inject))
        result.reached = outcome.killed
        self._look(result, "after the kill")
        if turn % 2:
            result.wrong += bench.again(world, LATER if turn % 4 == 1 else PUBLISH, shift=0)
        result.notes["had happened"] += self._count() == many
        result.wrong += bench.again(world, self._resize(many), shift=0)
        self._look(result, "after the same again")
        result.wrong += bench.again(world, self._resize(few), shift=0)
        return result

    def _rehearse(self, many: int) -> list[Point]:
        """Where to kill, from the same resize of a copy in which no row of an artifact may be touched."""
        bench, world = self._bench, self._world
        kept = self._place / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(bench.place, kept)
        _guard(kept / "repo" / _STATE)
        words = world.argv(self._resize(many), kept)
        outcome = bench.zygote.run(words, cwd=kept, trace=Trace(bench.trace), seconds=240)
        if outcome.code != 0:
            said = (outcome.stderr or outcome.stdout).decode(errors="replace")
            self._whole.wrong.append(f"L5: {' '.join(words)} ended with {outcome.code}: {said}")
        calls = [call for call in read_trace(bench.trace) if call.touches(str(kept)) and changing(call)]
        self._require_guard(kept)
        self._whole.notes["resizes that touched no artifact's row"] += outcome.code == 0
        return [Point(call.name, call.ordinal, call.where(str(kept))) for call in calls]

    def _require_guard(self, kept: Path) -> None:
        """See that what must touch rows fails there: the guard holds."""
        words = self._world.argv(rstuf("artifact", "remove", "alpha.bin"), kept)
        if self._bench.zygote.run(words, cwd=kept).code == 0:
            raise HarnessError("an artifact was removed where no row may be touched")

    def _look(self, result: Result, when: str) -> None:
        """A fresh client and the one that was here the last time find everything there is, in every bin."""
        bench, world = self._bench, self._world
        assert world.root is not None
        fresh = Client.fresh(bench.scratch / "clients" / "fresh", bench.site, root=world.root)
        for name, client in {"fresh client": fresh, "client from before": self._before or fresh}.items():
            try:
                client.refresh()
                client.walk()
                lost = [path for path in self._artifacts if client.find(path) is None]
            except Exception as error:  # whatever a client stumbles over is what we look for
                result.wrong.append(f"L2: {type(error).__name__}: {error} ({name}, {when})")
                continue
            if lost:
                result.wrong.append(f"L1: {len(lost)} missing, as {lost[0]} ({name}, {when})")
        self._before = fresh.copy(bench.scratch / "clients" / "before")

    def _count(self) -> int:
        said = self._run(rstuf("status"))
        return int(said["bins"])

    def _run(self, words: Words) -> dict[str, Any]:
        outcome = self._bench.run(self._world, words, shift=0)
        if outcome.code != 0:
            self._whole.wrong.append(f"L5: {' '.join(words)} ended with {outcome.code}: {outcome.stdout!r}")
        document: dict[str, Any] = json.loads(outcome.stdout)
        return document

    def _resize(self, bins: int) -> Words:
        return rstuf("bins", "resize", str(bins), "--yes")


def _guard(state: Path) -> None:
    """Let no row of an artifact be touched any more."""
    with sqlite3.connect(state) as connection:
        for act in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER guard_{act} BEFORE {act} ON artifact BEGIN SELECT RAISE(ABORT, '{_GUARDED}'); END"
            )
    connection.close()
