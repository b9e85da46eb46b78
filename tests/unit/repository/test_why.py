"""What is said of a path is what a client does with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine

from rstuf.errors import InvalidPath
from rstuf.metadata.render import versioned
from rstuf.model.artifacts import slot_of
from rstuf.model.names import target_path
from rstuf.repository.artifacts import remove_artifacts
from rstuf.repository.intake import Conflict
from rstuf.repository.publish import publish
from rstuf.repository.why import Explanation, Obstacle, explain


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A repository with three published artifacts."""
    engine = Engine.live(tmp_path)
    for path in ("a.txt", "d/b.bin", "Read.me"):
        engine.add(path, path.encode())
    publish(engine.ports)
    yield engine
    engine.ports.state.close()


def obstacles(engine: Engine, path: str) -> tuple[bool, tuple[Obstacle, ...]]:
    found = explain(engine.ports, path)
    return found.found, found.obstacles


def served(engine: Engine, found: Explanation) -> list[tuple[str, int]]:
    """What is there under the names that a client is said to fetch, with its true size."""
    files = {**engine.metadata.files, **engine.artifacts.files}
    return [(each.name, len(files[each.name])) for each in found.fetched]


@pytest.mark.parametrize("path", ["a.txt", "d/b.bin"])
def test_the_way_to_an_artifact(engine: Engine, path: str) -> None:
    """Every file that is named is there, with the size that is told; the bin's metadata names the artifact."""
    found = explain(engine.ports, path)
    assert (found.found, found.obstacles, found.near) == (True, (), ())
    assert [(each.name, each.length) for each in found.fetched] == served(engine, found)
    assert [name.split(".", 1)[-1] for name, _ in served(engine, found)][:3] == [
        "json",
        "snapshot.json",
        "targets.json",
    ]
    assert found.fetched[3].name == versioned(found.role, found.version)
    assert f'"{path}":'.encode() in engine.metadata.files[found.fetched[3].name]
    assert found.bins is not None
    assert int(found.bins.first, 16) <= slot_of(target_path(path)) <= int(found.bins.last, 16)
    assert found.path_sha256.startswith(f"{slot_of(target_path(path)):08x}")
    assert found.listed is not None
    assert found.role == found.listed.role


def test_its_change_is_the_newest_of_it(engine: Engine) -> None:
    """The log's entry of the change that brought it, and the publication that came next; of what waits, none."""
    first = explain(engine.ports, "a.txt").changed
    assert first is not None
    assert (first.action, first.actor, first.next_version) == ("artifacts.add", "test", 2)
    engine.clock.advance(timedelta(hours=1))
    change = engine.add("a.txt", b"newer", conflict=Conflict.REPLACE)
    second = explain(engine.ports, "a.txt").changed
    assert second is not None
    assert (second.number, second.at, second.next_version) == (change.number, engine.clock.now(), None)


def test_what_stands_in_the_way(engine: Engine) -> None:
    """Each obstacle as it comes, and whether a client gets something all the same."""
    engine.add("waits", b"x")
    engine.add("a.txt", b"newer", conflict=Conflict.REPLACE)
    remove_artifacts(engine.ports, [target_path("Read.me")])
    assert obstacles(engine, "waits") == (False, (Obstacle.WAITING,))
    assert obstacles(engine, "a.txt") == (True, (Obstacle.OUTDATED,))
    assert obstacles(engine, "Read.me") == (True, (Obstacle.REMOVED,))
    assert obstacles(engine, "nothing") == (False, (Obstacle.UNKNOWN,))
    replaced = explain(engine.ports, "a.txt")
    assert replaced.visible is not None
    assert replaced.visible.length == len(b"a.txt")
    assert [(each.name, each.length) for each in replaced.fetched] == served(engine, replaced)
    publish(engine.ports)
    assert obstacles(engine, "waits") == (True, ())
    assert obstacles(engine, "a.txt") == (True, ())
    assert obstacles(engine, "Read.me") == (False, (Obstacle.UNKNOWN,))


def test_expired_roles_and_lost_contents(engine: Engine) -> None:
    """A client that refuses metadata, or finds no content, gets nothing; the roles are named."""
    (name,) = [name for name in engine.artifacts.files if name.endswith(".a.txt")]
    engine.artifacts.remove(name)
    assert obstacles(engine, "a.txt") == (False, (Obstacle.NO_CONTENT,))
    engine.clock.advance(timedelta(days=2))
    found = explain(engine.ports, "d/b.bin")
    assert (found.found, found.obstacles, found.expired) == (False, (Obstacle.EXPIRED,), ("timestamp",))


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("A.TXT", ("a.txt",)), ("b.bin", ("d/b.bin",)), ("d/b.bim", ("d/b.bin",)), ("readme", ("Read.me",)), ("zzz", ())],
)
def test_what_was_meant(engine: Engine, asked: str, meant: tuple[str, ...]) -> None:
    """Another case, another directory or a slip leads to the right name; what is like nothing leads nowhere."""
    assert explain(engine.ports, asked).near == meant


def test_what_can_be_no_path_is_refused(engine: Engine) -> None:
    """No client asks for it."""
    with pytest.raises(InvalidPath):
        explain(engine.ports, "../a.txt")
