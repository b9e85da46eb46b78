"""Power cuts. Recorded system calls are replayed onto a model of the disk; what a cut may leave is judged."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tests.crash.bench import Bench, Result
from tests.crash.disk import Disk, Image, materialise, tree_of
from tests.crash.judges import Failure
from tests.crash.kill import rehearse, spread
from tests.crash.ledger import Ledger
from tests.crash.replay import Replay
from tests.crash.runs import HarnessError, Trace
from tests.crash.trace import Call, read_trace
from tests.crash.worlds import World
from tests.support.clients import Client, Site
from tuf.api.exceptions import BadVersionNumberError

GAP = "a client had fetched the timestamp whose name was not durable yet"
"""The one kind of state that may be invalid until the next command; it is counted."""
LIVE = "client that visited while it ran"
STDOUT = 1

_SCRATCH = re.compile(r"\.lock$|/\.staging/|\.tmp$")


class Place(NamedTuple):
    """An image: after how many calls, what was lost, and what it is about (see `Image`)."""

    cut: int
    how: str
    about: str

    @property
    def rank(self) -> int:
        """0 for what befalls everything together, 1 for one file or name, 2 for one that nothing depends on."""
        return 0 if not self.about else 2 if _SCRATCH.search(self.about) else 1


@dataclass(frozen=True, slots=True)
class Recording:
    """An operation as it ran once.

    Attributes:
        calls: all its calls.
        place: where it ran.
    """

    world: World
    calls: Sequence[Call]
    place: Path


@dataclass(slots=True)
class Instant:
    """What a replay has come to after some calls.

    Attributes:
        cut: how many calls.
        ledger: all files that were visible under a final name up to now.
        acknowledged: whether the command had ended, or begun to print its result.
        wrong: what was seen under a final name that must not be.
    """

    cut: int
    disk: Disk
    ledger: Ledger
    acknowledged: bool
    wrong: list[str] = field(default_factory=list)


def record(bench: Bench, world: World) -> Recording:
    """Run the operation once and take down every call, with the bytes that it writes.

    Raises:
        HarnessError: the model of the disk, having replayed it, is not what the real disk is.
    """
    rehearse(bench, world)
    world.copy(bench.place)
    outcome = bench.run(world, world.operation.argv, shift=world.operation.shift, trace=Trace(bench.trace, whole=True))
    if outcome.code not in world.operation.ends:
        raise HarnessError(f"{world.operation.name} ended with {outcome.code} while it was recorded")
    recording = Recording(world, read_trace(bench.trace), bench.place)
    real = tree_of(bench.place)
    *_, last = instants(recording)
    model = last.disk.tree()
    if model != real:
        differing = sorted(path for path in {*model, *real} if model.get(path) != real.get(path))
        raise HarnessError(f"the model of the disk went astray at {', '.join(differing[:5])}")
    return recording


def instants(recording: Recording) -> Iterator[Instant]:
    """The replay, stopped at the start, after each call that changed something, and at the end."""
    disk = Disk(recording.world.start)
    replay = Replay(disk, recording.place)
    instant = Instant(0, disk, recording.world.ledger.copy(), acknowledged=False)
    yield instant
    for cut, call in enumerate(recording.calls, 1):
        said = call.name == "write" and call.descriptor(0) == STDOUT
        instant.acknowledged |= said
        if replay.apply(call) or said:
            instant.cut = cut
            files = ((path, data) for path, (_, data) in disk.tree().items() if data is not None)
            instant.wrong = instant.ledger.note_files(files)
            yield instant
    instant.cut, instant.acknowledged = len(recording.calls), True
    yield instant


def distinct(recording: Recording) -> list[Place]:
    """All images that differ, or that differ in what was acknowledged or could be seen before.

    Of equal ones that of the last instant is taken: by then most was visible that must never have other bytes.
    """
    found: dict[tuple[str, bool, bytes | None], Place] = {}
    for instant in instants(recording):
        timestamp = _timestamp(_disk_site(instant.disk))
        for image in instant.disk.images(instant.cut):
            key = image.digest, instant.acknowledged, timestamp
            if key not in found or found[key].cut < image.cut:
                found[key] = Place(image.cut, image.how, image.about)
    return sorted(found.values())


def spread_images(places: Sequence[Place], limit: int, seed: int) -> list[Place]:
    """At most `limit` images: of what an ended command leaves, then evenly over its run, low ranks before high ones."""
    end = max(place.cut for place in places)
    picked = spread([place for place in places if place.cut == end], limit // 4, seed)
    for rank, share in ((0, 0.6), (1, 0.9), (2, 1.0)):
        others = [place for place in places if place.rank == rank and place.cut != end]
        picked += spread(others, int(limit * share) - len(picked), seed)
    return sorted(picked)


def cut_power(bench: Bench, recording: Recording, wanted: Sequence[Place]) -> Iterator[Result]:
    """Judge images: clients look at what is left, the command is run again, clients look."""
    chosen = set(wanted)
    live = _Live(bench, recording.world)
    for instant in instants(recording):
        wrong = instant.wrong + live.look(instant.disk)
        if wrong:
            yield Result(recording.world.operation.name, f"running, at call {instant.cut}", wrong=wrong)
        if not any(place.cut == instant.cut for place in chosen):
            continue
        for image in instant.disk.images(instant.cut):
            place = Place(image.cut, image.how, image.about)
            if place in chosen:
                chosen.discard(place)
                yield _judge(bench, recording, instant, image, live)


class _Live:
    """A client that visits while the operation runs: it has seen every timestamp that was ever visible."""

    def __init__(self, bench: Bench, world: World) -> None:
        self._world = world
        self._place = bench.scratch / "live"
        self._visits = 0
        self._refused: bytes | None = None
        self.timestamp: bytes | None = None
        self.memory: Path | None = world.memories[-1] if world.memories else None
        shutil.rmtree(self._place, ignore_errors=True)

    def look(self, disk: Disk) -> list[str]:
        """Visit, if there is anything new; what is wrong with it."""
        site = _disk_site(disk)
        timestamp = _timestamp(site)
        if timestamp is None or timestamp in {self.timestamp, self._refused}:
            return []
        self._visits += 1
        place = self._place / str(self._visits)
        if self.memory is not None:
            shutil.copytree(self.memory, place, symlinks=True)
        now = datetime.now(UTC) + timedelta(seconds=self._world.operation.shift)
        try:
            client = Client(place, site, root=self._world.root or site("1.root.json"), now=now)
            client.refresh()
            client.walk()
        except Exception as error:  # whatever a client stumbles over is what we look for
            self._refused, excuse = timestamp, self._world.operation.excuse
            excused = excuse is not None and excuse(site, error)
            return [] if excused else [f"L2: {type(error).__name__}: {error} ({LIVE})"]
        self.timestamp, self.memory = timestamp, place
        return []


def _judge(bench: Bench, recording: Recording, instant: Instant, image: Image, live: _Live) -> Result:
    world = recording.world
    shutil.rmtree(bench.place, ignore_errors=True)
    materialise(image.tree, bench.place)
    call = recording.calls[image.cut - 1].where(str(recording.place)) if image.cut else "nothing"
    result = Result(world.operation.name, f"after {call} (call {image.cut}), {image.how}")
    left = _timestamp(bench.site)
    forgotten = live.timestamp is not None and left != live.timestamp
    ahead: list[Failure] = []

    def excused(failure: Failure) -> bool:
        if failure.client == LIVE and forgotten and isinstance(failure.error, BadVersionNumberError):
            ahead.append(failure)
        return failure in ahead

    judge = bench.judge(world)
    if live.memory is not None:
        judge.add_memory(LIVE, live.memory)
    bench.look(world, judge, result, "before the restart", excused=excused)
    if ahead or (left is None and forgotten):
        result.notes[GAP] += 1
    acknowledged = instant.acknowledged
    result.notes["acknowledged"] += acknowledged
    result.wrong += bench.heal(world, judge, instant.ledger.copy(), acknowledged=acknowledged, turn=image.cut)
    return result


def _disk_site(disk: Disk) -> Site:
    def read(name: str) -> bytes:
        return disk.read(f"repo/{name}" if name.startswith("targets/") else f"repo/metadata/{name}")

    return read


def _timestamp(site: Site) -> bytes | None:
    try:
        return site("timestamp.json")
    except FileNotFoundError:
        return None
