"""Every interleaving of the engine's writes with a stock client's fetches, enumerated.

The writes of one act (a publication, a renewal, a root commit) are the changes that the in-memory storage shows, one
name at a time. A client's session is a sequence of fetches. An interleaving says how many writes have happened at each
fetch; all of them are gone through, for a client without memory and for one that remembers the state before. Those in
which every fetch brings the same bytes are the same to the client, so one of them is run for all, and they are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.clients import Client, View
from tests.support.engine import Engine, plan_document, site_of

from rstuf.model.superseded import Retention
from rstuf.repository.prune import prune
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.root_update import RootUpdate

Files = dict[str, bytes]
Act = Callable[[Engine], object]


def add_and_publish(engine: Engine) -> None:
    engine.add("a.txt", b"second")
    engine.add("new.txt", b"new")
    engine.remove("gone.txt")
    publish(engine.ports)


def renew_all(engine: Engine) -> None:
    renew(engine.ports, force=["bins", "targets", "snapshot", "timestamp"])


def commit_root(engine: Engine) -> None:
    renew(engine.ports, force=["root"])


def root_then_publication(engine: Engine) -> None:
    renew(engine.ports, force=["root"])
    add_and_publish(engine)


def publish_and_prune(engine: Engine) -> None:
    """A publication, and what the one before it brought stays; what is older goes."""
    add_and_publish(engine)
    prune(engine.ports, retention=Retention(publications=2, days=0))


def update_root(engine: Engine) -> None:
    """Other root keys, a higher threshold."""
    engine.make_key("three")
    proposal = engine.events.propose(RootUpdate(add=("three",), remove=("one",), threshold=2))
    (event,) = engine.events.open(proposal)
    engine.events.sign(event.event.name)


def rotate_online_key(engine: Engine) -> None:
    """The bridge, the root, and a timestamp after it."""
    engine.make_key("online-2")
    start = engine.rotations.rotate("online", "online-2", overlap=timedelta(hours=1))
    engine.events.sign(start.events[0].name)
    renew(engine.ports, force=["timestamp"])


def let_old_key_go(engine: Engine) -> None:
    """The end of a rotation: no session lasts as long as the overlap, so none sees the root come and this too."""
    renew(engine.ports)


def rotate_beside_people(engine: Engine) -> None:
    """Targets that people sign beside both online keys, then the root, and a timestamp after it."""
    engine.events.sign("targets-v2")
    engine.events.sign("root-v2")
    renew(engine.ports, force=["timestamp"])


def begun_beside_people(engine: Engine) -> None:
    """Both online keys sign timestamp and snapshot by then."""
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2", overlap=timedelta(hours=1))


def in_overlap(engine: Engine) -> None:
    """A rotation whose overlap is over, before anything was done about it."""
    engine.make_key("online-2")
    start = engine.rotations.rotate("online", "online-2", overlap=timedelta(hours=1))
    engine.events.sign(start.events[0].name)
    engine.clock.advance(timedelta(hours=2))


PRIOR: dict[Act, Act] = {let_old_key_go: in_overlap, rotate_beside_people: begun_beside_people}
TABLES: dict[Act, dict[str, Any]] = {
    rotate_beside_people: {"targets": {"signers": ["one", "online"], "threshold": 2, "expires": "365d"}}
}


@dataclass
class Recording:
    """What was visible before, and each change after it."""

    before: Files = field(default_factory=dict)
    changes: list[tuple[str, bytes | None]] = field(default_factory=list)

    def contents(self, name: str) -> list[tuple[int, int, bytes | None]]:
        """What a name has: from how many changes on, up to how many, and the bytes; None where it is not there."""
        found: list[tuple[int, int, bytes | None]] = [(0, len(self.changes), self.before.get(name))]
        for count, (changed, data) in enumerate(self.changes, 1):
            first, _, last_data = found[-1]
            if changed == name and data != last_data:
                found[-1:] = [(first, count - 1, last_data), (count, len(self.changes), data)]
        return found


def record(directory: Path, act: Act) -> tuple[Engine, Recording]:
    """Do `act` on a repository with a history, recording each name as it becomes visible."""
    recording = Recording()

    def on_change(name: str, data: bytes | None) -> None:
        assert data is not None or act is publish_and_prune, f"{name} disappeared"
        recording.changes.append((name, data))

    engine = Engine.live(directory, document=plan_document(bins=2, **TABLES.get(act, {})), on_change=on_change)
    engine.add("a.txt", b"first")
    engine.add("gone.txt", b"gone")
    publish(engine.ports)
    PRIOR.get(act, lambda engine: None)(engine)
    recording.before, recording.changes = dict(engine.metadata.files), []
    act(engine)
    return engine, recording


@dataclass(frozen=True, slots=True)
class Walk:
    """How many interleavings there are, and as how many of them the client was run."""

    all: int
    run: int


def interleavings(recording: Recording, session: Callable[[Callable[[str], bytes]], None], contents: Files) -> Walk:
    """Run `session` once for each way in which the bytes that its fetches bring can differ.

    The fetches of a session depend on what it saw, so the tree is walked: each run follows a script of what each fetch
    brings, and the last of the script that can come later comes later in the next run. Of all moments at which a fetch
    brings the same bytes the earliest leaves most to the fetches that follow.
    """
    script: list[int] = []
    walk = Walk(0, 0)
    while True:
        fetches = _Fetches(recording, contents, script)
        session(fetches.read)
        walk = Walk(walk.all + _moments(fetches.spans, len(recording.changes)), walk.run + 1)
        while script and script[-1] == fetches.choices[len(script) - 1] - 1:
            script.pop()
        if not script:
            return walk
        script[-1] += 1


@dataclass
class _Fetches:
    """One run: what its fetches bring, by a script that grows with them.

    Attributes:
        spans: from how many changes on, and up to how many, each brought what it did.
        choices: how many different bytes it could have brought.
    """

    recording: Recording
    contents: Files
    script: list[int]
    spans: list[tuple[int, int]] = field(default_factory=list)
    choices: list[int] = field(default_factory=list)

    def read(self, name: str) -> bytes:
        earliest = max((first for first, _ in self.spans), default=0)
        possible = [each for each in self.recording.contents(name) if each[1] >= earliest]
        if len(self.spans) == len(self.script):
            self.script.append(0)
        first, last, data = possible[self.script[len(self.spans)]]
        self.spans.append((first, last))
        self.choices.append(len(possible))
        return site_of({} if data is None else {name: data}, self.contents)(name)


def _moments(spans: list[tuple[int, int]], writes: int) -> int:
    """In how many ways fetches can fall between the writes, one after the other, each within its span."""
    ways = [1] + [0] * writes
    for first, last in spans:
        reached = 0
        for count in range(writes + 1):
            reached += ways[count]
            ways[count] = reached if first <= count <= last else 0
    return sum(ways)


def test_all_interleavings_are_counted() -> None:
    """Three fetches between two writes: ten, of which a client sees those that a change lies in between."""
    recording = Recording({"a": b"1", "b": b"1"}, [("a", b"2"), ("b", b"2")])
    seen = []

    def session(read: Callable[[str], bytes]) -> None:
        seen.append(b"".join(map(read, ("a", "b", "a"))))

    assert interleavings(recording, session, {}) == Walk(all=10, run=5)
    assert sorted(seen) == [b"111", b"112", b"122", b"212", b"222"]


@pytest.mark.parametrize(
    "act",
    [
        add_and_publish,
        renew_all,
        commit_root,
        root_then_publication,
        publish_and_prune,
        update_root,
        rotate_online_key,
        rotate_beside_people,
        let_old_key_go,
    ],
)
@pytest.mark.parametrize("memory", ["fresh", "warm"])
def test_no_interleaving_fails_a_client(
    tmp_path: Path, act: Act, memory: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Whenever the fetches fall, the client ends with the old or the new state, and what it finds is all there."""
    engine, recording = record(tmp_path / "repository", act)
    root, contents = engine.root(), dict(engine.artifacts.files)
    before, after = site_of(recording.before, contents), engine.site()
    old = Client.fresh(tmp_path / "old", before, root=root, now=engine.clock.now())
    old_view = old.refresh()
    new_view = Client.fresh(tmp_path / "new", after, root=root, now=engine.clock.now()).refresh()
    allowed = {
        "a.txt": {b"first", engine.contents["a.txt"]},
        "gone.txt": {b"gone", engine.contents.get("gone.txt")},
    }
    views: set[tuple[int, int, int]] = set()

    def session(read: Callable[[str], bytes]) -> None:
        client = (
            old.copy(tmp_path / "client", read=read)
            if memory == "warm"
            else Client.fresh(tmp_path / "client", read, root=root, now=engine.clock.now())
        )
        view = client.refresh()
        views.add((view.root, view.timestamp, view.snapshot))
        for path, contents_allowed in allowed.items():
            found = client.find(path)
            content = None if found is None else client.download(path)
            assert content in contents_allowed, path
        assert not view.older_than(_floor(old_view, new_view)), view

    walk = interleavings(recording, session, contents)
    told = f"{walk.all} interleavings, {walk.run} of them different to a client, 0 failing clients"
    print(f"\n{act.__name__}, {memory}: {len(recording.changes)} writes, {told}")
    record_testsuite_property(f"interleavings {act.__name__} {memory}", walk.all)
    assert walk.all > len(recording.changes)
    assert {old_view.timestamp, new_view.timestamp} <= {timestamp for _, timestamp, _ in views}


def _floor(old: View, new: View) -> View:
    return old if old.timestamp <= new.timestamp else new
