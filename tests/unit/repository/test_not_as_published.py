"""A repository that is not as its state left it: newer, damaged, taken or expired; nothing is published over it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, client_of

from rstuf.errors import InvalidMetadata, NameTaken, ReleaseRefused, RstufError, StateBehind, StateDamaged, StateError
from rstuf.model.names import TIMESTAMP
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Health
from rstuf.repository.status import look
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryMetadataStorage


def test_a_storage_that_lies_is_found_out_before_clients_see_it(engine: Engine, tmp_path: Path) -> None:
    """A bin that the storage holds with other bytes than were signed stops the release; clients keep the old state."""

    class Lying(MemoryMetadataStorage):
        def read(self, name: str, *, limit: int) -> bytes:
            data = super().read(name, limit=limit)
            return data.replace(b'"length":3', b'"length":4') if "bins" in name else data

    lying = Lying()
    lying._files = engine.metadata._files
    engine.add("a.txt", b"one")
    with pytest.raises(ReleaseRefused):
        publish(engine.with_ports(metadata=lying).ports)
    assert client_of(engine, tmp_path / "client").refresh().timestamp == 1
    assert publish(engine.ports).timestamp_version == 3
    check_client(engine, tmp_path / "client")


def test_an_old_state_does_not_publish_over_a_newer_one(engine: Engine, tmp_path: Path) -> None:
    """A state that is put back from an old copy is refused, whatever is asked of it, and clients see no change."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    engine.add("a.txt", b"one")
    publish(engine.ports)
    files = dict(engine.metadata.files)
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    old = engine.with_ports(state=store)
    acts = (publish, renew, lambda ports: renew(ports, force=["timestamp"]), lambda ports: renew(ports, force=["root"]))
    for act in (*acts, lambda _: old.add("b.txt", b"two")):
        with pytest.raises(StateBehind):
            act(old.ports)
    assert dict(engine.metadata.files) == files


@pytest.mark.parametrize(
    "damage",
    [
        None,
        b"",
        b"{}",
        b'{"signatures":[],"signed":{"_type":"timestamp"}}',
        b'{"signatures":[],"signed":{"_type":"timestamp","version":99,"expires":"2030-01-01T00:00:00Z"}}',
    ],
)
def test_a_damaged_timestamp_is_refused_until_it_is_renewed_on_purpose(
    engine: Engine, tmp_path: Path, damage: bytes | None
) -> None:
    """Missing or damaged, the visible timestamp stops publishing with a clear error, and a forced renewal mends it."""
    view = check_client(engine, tmp_path / "client")
    if damage is None:
        engine.metadata.remove("timestamp.json")
    else:
        engine.metadata.show("timestamp.json", damage)
    before = dict(engine.metadata.files)
    engine.add("a.txt", b"one")
    with pytest.raises(InvalidMetadata) as refused:
        publish(engine.ports)
    assert "renew --force timestamp" in (refused.value.hint or "")
    assert dict(engine.metadata.files) == before
    renew(engine.ports, force=["timestamp"])
    assert client_of(engine, tmp_path / "client").refresh().timestamp > view.timestamp
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_errors_are_ours(engine: Engine, tmp_path: Path) -> None:
    """Whatever is wrong with the visible timestamp, publishing fails with an error of the engine, and no other."""
    engine.add("a.txt", b"one")
    original = engine.metadata.files["timestamp.json"]
    for damage in (b"", b"{", b"[]", b"null", b'{"signed":1}', original[:-3], original + b"x"):
        engine.metadata.show("timestamp.json", damage)
        with pytest.raises(RstufError):
            publish(engine.ports)
    engine.metadata.show("timestamp.json", original)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.root.json"])
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_look_sees_damage(engine: Engine, name: str, damage: str) -> None:
    """A top-level file that is missing or not what was published makes the repository damaged at a glance."""
    assert look(engine.ports).health is Health.HEALTHY
    if damage == "missing":
        engine.metadata.remove(name)
    else:
        engine.metadata.show(name, engine.metadata.files[name] + b" ")
    assert look(engine.ports).health is Health.DAMAGED


def test_an_old_state_does_not_fork_root(engine: Engine, tmp_path: Path) -> None:
    """A state from before a root was signed never signs another root of that version."""
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    renew(engine.ports, force=["root"])
    files = dict(engine.metadata.files)
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    old = engine.with_ports(state=store)
    for act in (publish, renew, lambda ports: renew(ports, force=["root"]), lambda _: old.add("b.txt", b"two")):
        with pytest.raises(StateBehind):
            act(old.ports)
    with store.read() as reader:
        assert reader.root(2) is None
    assert dict(engine.metadata.files) == files


def test_a_look_tells_an_old_copy(engine: Engine, tmp_path: Path) -> None:
    """A state that knows less than clients see says so at a glance."""
    assert look(engine.ports).old_copy is None
    engine.ports.state.close()
    shutil.copytree(tmp_path / "repository", tmp_path / "copy")
    engine.add("a.txt", b"one")
    publish(engine.ports)
    store = SqliteStateStore.open(tmp_path / "copy" / "state.db", wait=timedelta(seconds=5), purpose="test")
    behind = look(engine.with_ports(state=store).ports).old_copy
    assert behind is not None
    assert (behind.role, behind.visible - behind.known) == ("timestamp", 1)


def test_a_root_whose_name_is_taken_is_not_recorded(engine: Engine, tmp_path: Path) -> None:
    """Somebody else's root in the place of the next one stops it before it is final; without it the root is signed."""
    other = Engine.live(tmp_path / "other")
    renew(other.ports, force=["root"])
    engine.metadata.show("2.root.json", other.root(2))
    with pytest.raises(NameTaken):
        renew(engine.ports, force=["root"])
    with engine.ports.state.read() as reader:
        assert reader.root(2) is None
    engine.metadata.remove("2.root.json")
    renew(engine.ports, force=["root"])
    assert check_client(engine, tmp_path / "client").root == 2


@pytest.mark.parametrize("junk", [b"", b"not a root", b'{"signatures":[],"signed":{"_type":"root","version":2}}'])
def test_junk_does_not_stand_in_the_way_of_a_root(engine: Engine, tmp_path: Path, junk: bytes) -> None:
    """What no client could take for a root gives way to the next one."""
    engine.metadata.show("2.root.json", junk)
    renew(engine.ports, force=["root"])
    assert check_client(engine, tmp_path / "client").root == 2


@pytest.mark.parametrize(
    "statement",
    ["UPDATE counter SET value = 9223372036854775807", "UPDATE role SET bin_bits = 1000000 WHERE bin_bits IS NOT NULL"],
)
def test_counters_that_cannot_be_are_damage(engine: Engine, statement: str) -> None:
    """What no state of ours ever holds is said to be damage, before anything is made of it."""
    store = engine.ports.state
    assert isinstance(store, SqliteStateStore)
    with store.transaction(actor="test") as state:
        state._connection.execute(statement)  # type: ignore[attr-defined]
    before = dict(engine.metadata.files)
    with pytest.raises(StateDamaged):
        engine.add("b.txt", b"two")
    with pytest.raises(StateDamaged):
        renew(engine.ports, force=["bins"])
    assert dict(engine.metadata.files) == before


def test_no_version_goes_beyond_what_clients_read(engine: Engine) -> None:
    """A state whose counters are damaged signs nothing with them."""
    with engine.ports.state.transaction(actor="test") as state:
        state.burn_versions(TIMESTAMP, 2**53)
    before = dict(engine.metadata.files)
    with pytest.raises(StateError, match="clients read versions up to"):
        renew(engine.ports, force=["timestamp"])
    assert dict(engine.metadata.files) == before
