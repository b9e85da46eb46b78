"""The online key in the wrong hands: what a thief shows to clients, and what brings them back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine, check_client, client_of
from tests.support.thieves import FARTHEST, Depth, Thief
from tuf.api.exceptions import RepositoryError

from rstuf.errors import StateBehind
from rstuf.metadata.views import open_envelope
from rstuf.model.names import TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository.from_copy import publish_from_copy
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew


@pytest.fixture
def filled(engine: Engine) -> Engine:
    engine.add("a.txt", b"first")
    publish(engine.ports)
    return engine


def poisoned(engine: Engine, directory: Path, depth: Depth) -> Client:
    """A client that has met the thief's metadata of that depth, and believed it."""
    client = client_of(engine, directory)
    client.refresh()
    Thief(engine).publishes(depth)
    view = client.refresh()
    assert view.timestamp == FARTHEST
    assert (view.snapshot == FARTHEST, view.targets == FARTHEST) == (depth >= Depth.SNAPSHOT, depth >= Depth.BINS)
    client.walk()
    return client


def comes_back(engine: Engine, client: Client, memory: Path) -> None:
    """That a client with a poisoned memory sees exactly what is published."""
    later = client.copy(memory, read=engine.site(), now=engine.clock.now())
    view = later.refresh()
    assert max(view.timestamp, view.snapshot, view.targets) < FARTHEST
    later.walk()
    for path, data in engine.contents.items():
        assert later.download(path) == data


def replace_leaked(engine: Engine, *, new: str = "online-2") -> None:
    """The drill: another key, a new root, everything signed anew."""
    engine.make_key(new)
    start = engine.rotations.rotate("online", new, kind=RotationKind.LEAKED)
    (done,) = engine.events.sign(start.events[0].name).completions
    assert done.obstacle is None
    assert engine.rotations.current() is None


@pytest.mark.parametrize("depth", Depth)
def test_poisoned_clients_come_back_by_another_key(filled: Engine, tmp_path: Path, depth: Depth) -> None:
    """However deep a thief's versions went, a root that names the new key alone makes clients forget all of them."""
    client = poisoned(filled, tmp_path / "client", depth)
    replace_leaked(filled)
    comes_back(filled, client, tmp_path / "later")
    check_client(filled, tmp_path / "fresh")
    filled.add("b.txt", b"second")
    publish(filled.ports)
    comes_back(filled, client, tmp_path / "much-later")


@pytest.mark.parametrize("depth", Depth)
def test_without_another_key_they_do_not(filled: Engine, tmp_path: Path, depth: Depth) -> None:
    """Neither signing timestamp again nor a jump of versions brings a poisoned client back: it refuses both."""
    client = poisoned(filled, tmp_path / "client", depth)
    with pytest.raises(StateBehind):
        renew(filled.ports, force=["timestamp"])
    filled.metadata.remove("timestamp.json")
    renew(filled.ports, force=["timestamp"])
    check_client(filled, tmp_path / "fresh")
    with pytest.raises(RepositoryError):
        client.copy(tmp_path / "renewed").refresh()
    publish_from_copy(filled.ports)
    with pytest.raises(RepositoryError):
        client.copy(tmp_path / "jumped").refresh()


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize("count", [1, 5, 150])
def test_names_that_a_thief_took_are_jumped_over(filled: Engine, tmp_path: Path, depth: Depth, count: int) -> None:
    """Files of the thief's under the names that come next stay as they are, and stop no publication."""
    client = poisoned(filled, tmp_path / "client", depth)
    Thief(filled).takes_names(count)
    before = dict(filled.metadata.files)
    replace_leaked(filled)
    comes_back(filled, client, tmp_path / "later")
    check_client(filled, tmp_path / "fresh")
    changed = [name for name, data in before.items() if filled.metadata.files[name] != data]
    assert changed == ["timestamp.json"]


def test_a_thief_who_goes_on_reaches_nobody(filled: Engine, tmp_path: Path) -> None:
    """What the old key signs after the drill is refused by every client that has seen the new root."""
    client = poisoned(filled, tmp_path / "client", Depth.BINS)
    replace_leaked(filled)
    ours = filled.metadata.files["timestamp.json"]
    later = client.copy(tmp_path / "later", read=filled.site())
    later.refresh()
    Thief(filled).publishes(Depth.BINS)
    with pytest.raises(RepositoryError):
        later.copy(tmp_path / "again").refresh()
    filled.metadata.show("timestamp.json", ours)
    later.copy(tmp_path / "after").refresh()


def test_nothing_names_the_stolen_key_afterwards(filled: Engine) -> None:
    """Root and targets list the new key alone, no visible file has the old one's signature, and the log says so."""
    Thief(filled).publishes(Depth.BINS)
    replace_leaked(filled)
    old = filled.keys.made["online"].entry.keyid
    assert old not in filled.root(2).decode()
    with filled.ports.state.read() as reader:
        visible = {role.name: role.visible for role in reader.roles() if role.visible}
        actions = {entry.action: entry.details for entry in reader.audit(after=0)}
    for name, version in visible.items():
        file = "timestamp.json" if name == "timestamp" else f"{version}.{name}.json"
        kind = name if name in {"root", "timestamp", "snapshot"} else "targets"
        data = filled.metadata.files[file]
        assert old not in {each.keyid for each in open_envelope(data, name=file, kind=kind).signatures}
        assert old not in data.decode()
    assert actions["key.revoke"] == {"key": "online", "keyid": old, "kind": "leaked"}


def test_junk_in_the_place_of_the_next_root_gives_way(filled: Engine, tmp_path: Path) -> None:
    """What a thief put under the next root's name stops clients, and gives way to the root that is rightly signed."""
    client = poisoned(filled, tmp_path / "client", Depth.BINS)
    filled.metadata.show("2.root.json", Thief(filled).signs({"_type": "root", "version": 2}))
    with pytest.raises(RepositoryError):
        client.copy(tmp_path / "stopped").refresh()
    replace_leaked(filled)
    comes_back(filled, client, tmp_path / "later")


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("depth", Depth)
def test_a_leak_while_both_keys_sign(filled: Engine, tmp_path: Path, depth: Depth, count: int) -> None:
    """In the overlap of a rotation in good order the old key is let go of at once, and poisoned clients come back."""
    filled.make_key("online-2")
    filled.rotations.rotate("online", "online-2", overlap=timedelta(days=3))
    client = poisoned(filled, tmp_path / "client", depth)
    filled.metadata.show("timestamp.json", _visible(filled))
    filled.events.sign("root-v2")
    Thief(filled).takes_names(count)
    filled.rotations.hasten(RotationKind.LEAKED)
    assert filled.rotations.current() is None
    comes_back(filled, client, tmp_path / "later")
    check_client(filled, tmp_path / "fresh")
    filled.add("b.txt", b"second")
    publish(filled.ports)
    comes_back(filled, client, tmp_path / "much-later")


def _visible(engine: Engine) -> bytes:
    """The timestamp that the engine published last."""
    with engine.ports.state.read() as reader:
        source = reader.publication_of_timestamp(reader.role(TIMESTAMP).visible)
    assert source is not None
    assert source.timestamp is not None
    return source.timestamp
