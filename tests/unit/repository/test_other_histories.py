"""Two states for one storage: whichever did not publish last publishes nothing, and says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Engine, check_client, plan_document
from tests.support.faulty import Power

from rstuf.errors import ForeignMetadata, InvalidMetadata, InvalidPlan, RstufError, StateBehind
from rstuf.metadata.render import renewed_part, sign_with
from rstuf.metadata.views import Signature, open_envelope
from rstuf.model.names import TARGETS
from rstuf.repository.ports import Ports
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.roots import renew_root
from rstuf.state.sqlite import SqliteStateStore
from rstuf.storage.memory import MemoryMetadataStorage


def force(*roles: str) -> Callable[[Ports], object]:
    return lambda ports: renew(ports, force=roles)


def twin(engine: Engine, directory: Path) -> Engine:
    """A second engine over a copy of the state and the same storage."""
    engine.ports.state.close()
    (directory / "twin").mkdir()
    shutil.copy(directory / "repository" / "state.db", directory / "twin" / "state.db")
    store = SqliteStateStore.open(directory / "twin" / "state.db", wait=timedelta(seconds=5), purpose="test")
    return engine.with_ports(state=store)


def test_a_version_that_was_only_taken_is_not_ours(engine: Engine, tmp_path: Path) -> None:
    """A state that burnt a version, which another state published, is behind: not damage to publish over."""
    other = twin(engine, tmp_path)
    other.add("b.txt", b"two")

    class Full(MemoryMetadataStorage):
        def batch(self) -> Any:
            raise Power

    full = Full()
    full._files = engine.metadata._files
    with pytest.raises(Power):
        publish(other.with_ports(metadata=full).ports)
    engine.add("a.txt", b"one")
    publish(engine.ports)
    files = dict(engine.metadata.files)
    for act in (publish, renew, force("timestamp"), force("root")):
        with pytest.raises(StateBehind, match="timestamp version 2"):
            act(other.ports)
    assert engine.metadata.files == files
    assert not publish(engine.ports).published


def test_a_lost_timestamp_comes_back_whoever_else_is_due(engine: Engine, tmp_path: Path) -> None:
    """Root that is due, its keys at hand, does not stand in the way of a timestamp that is gone; one jump is enough."""
    view = check_client(engine, tmp_path / "client")
    engine.moved_on(days=300)
    engine.metadata.remove("timestamp.json")
    report = renew(engine.ports, force=["timestamp"])
    assert report.root_version == 2
    after = check_client(engine, tmp_path / "client")
    assert view.timestamp + 10_000 < after.timestamp < view.timestamp + 10_010


def test_an_older_timestamp_is_jumped_over(engine: Engine, tmp_path: Path) -> None:
    """A timestamp that was put back from a copy tells nothing of those after it: versions go far above all of them."""
    old = engine.metadata.files["timestamp.json"]
    for _ in range(3):
        renew(engine.ports, force=["timestamp"])
    view = check_client(engine, tmp_path / "client")
    engine.metadata.show("timestamp.json", old)
    with pytest.raises(InvalidMetadata):
        renew(engine.ports)
    renew(engine.ports, force=["timestamp"])
    assert check_client(engine, tmp_path / "client").timestamp > view.timestamp + 9_000


@pytest.mark.parametrize("junk", [b"", b"{}", b"x" * 600_000])
def test_junk_under_the_next_root_is_told(engine: Engine, tmp_path: Path, junk: bytes) -> None:
    """No client gets past it, so nothing is called published until it is gone, or a root takes its place."""
    engine.metadata.show("2.root.json", junk)
    engine.add("a.txt", b"one")
    for act in (publish, force("timestamp"), force("bins")):
        with pytest.raises(InvalidMetadata, match="next root"):
            act(engine.ports)
    if len(junk) > 512_000:
        engine.metadata.remove("2.root.json")
    renew(engine.ports, force=["root"])
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_a_root_is_never_recorded_for_a_name_that_cannot_be_had(engine: Engine) -> None:
    """What cannot give way under the next root's name refuses it before it is recorded for good."""
    engine.metadata.show("2.root.json", b"x" * 600_000)
    with pytest.raises(InvalidMetadata, match="next root"), engine.ports.state.publication_lock(purpose="test"):
        renew_root(engine.ports)
    with engine.ports.state.read() as reader:
        assert reader.root_versions() == [1]


def test_a_root_that_came_between_is_not_overwritten(engine: Engine, tmp_path: Path) -> None:
    """Two states make the next root at once: the second finds that of the first, and leaves it."""
    other = twin(engine, tmp_path)
    shown: list[bytes] = []

    class Between(MemoryMetadataStorage):
        def batch(self) -> Any:
            if not shown:
                engine.moved_on(hours=1)
                renew(other.ports, force=["root"])
                shown.append(engine.metadata.files["2.root.json"])
            return super().batch()

    between = Between()
    between._files = engine.metadata._files
    with pytest.raises(ForeignMetadata):
        renew(engine.with_ports(metadata=between).ports, force=["root"])
    assert engine.metadata.files["2.root.json"] == shown[0]


def test_what_people_signed_is_not_written_over(tmp_path: Path) -> None:
    """Other targets under the name of ours, signed by the people who may, are somebody's, and stay."""
    document = plan_document(targets={"expires": "365d", "threshold": 1, "signers": ["one"]})
    engine = Engine.live(tmp_path / "repository", document=document)
    ours = open_envelope(engine.metadata.files["1.targets.json"], name="targets", kind="targets")
    other = renewed_part(TARGETS, ours.signed, version=1, expires=engine.clock.now() + timedelta(9))
    signer = engine.keys.made["one"].signer
    theirs = sign_with(other, [Signature(signer.keyid, signer.sign(other.payload))]).data
    engine.metadata.show("1.targets.json", theirs)
    engine.add("a.txt", b"one")
    for act in (publish, renew):
        with pytest.raises(ForeignMetadata):
            act(engine.ports)
    assert engine.metadata.files["1.targets.json"] == theirs


def test_a_mixture_of_two_states_renders_nothing(engine: Engine, tmp_path: Path) -> None:
    """Roles that count more artifacts than there are rows would make artifacts vanish: refused, clients keep them."""
    for number in range(20):
        engine.add(f"{number}.txt", b"content")
    publish(engine.ports)
    with engine.ports.state.transaction(actor="test") as state:
        state._connection.execute("DELETE FROM artifact WHERE path = '7.txt'")  # type: ignore[attr-defined]
    engine.contents["7.txt"] = b"content"
    with pytest.raises(RstufError, match="should hold"):
        renew(engine.ports, force=["bins"])
    check_client(engine, tmp_path / "client")


class Interrupted(Exception):
    """The ceremony ends here."""


def begun(tmp_path: Path, *, at: str) -> Engine:
    """A ceremony that was interrupted when a file whose name holds `at` was to be written."""

    def stop(name: str, data: bytes | None) -> None:
        if at in name and not stopped:
            stopped.append(name)
            raise Interrupted

    stopped: list[str] = []
    engine = Engine.new(tmp_path / "repository", on_change=stop)
    with pytest.raises(Interrupted):
        engine.ceremony()
    return engine


@pytest.mark.parametrize("at", ["1.root.json", "1.targets.json", "timestamp.json"])
@pytest.mark.parametrize("key", ["one", "online"])
def test_a_ceremony_goes_on_with_its_own_keys_alone(tmp_path: Path, at: str, key: str) -> None:
    """A key that became another one between two runs is named, and with the first one back the ceremony ends well."""
    engine = begun(tmp_path, at=at)
    mine = engine.keys.made.pop(key)
    with pytest.raises(InvalidPlan, match=f"keys.{key}"):
        engine.ceremony()
    engine.keys.made[key] = mine
    engine.ceremony()
    check_client(engine, tmp_path / "client")


def test_a_ceremony_does_not_go_on_ten_years_later_unasked(tmp_path: Path) -> None:
    """A clock that jumped far ahead between two runs is taken for wrong."""
    engine = begun(tmp_path, at="1.root.json")
    engine.moved_on(days=3650)
    with pytest.raises(RstufError, match="the clock says"):
        engine.ceremony()
    engine.moved_on(days=-3650)
    engine.ceremony()
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("lost", ["timestamp.json", "1.snapshot.json", "1.bins-2.json"])
def test_a_ceremony_ends_with_what_clients_can_see(tmp_path: Path, lost: str) -> None:
    """What was lost between the first publication and the end of the ceremony is made again."""
    engine = Engine.new(tmp_path / "repository")
    end = engine.ports.state.transaction

    class Ending(Exception):
        pass

    def transaction(**words: Any) -> Any:
        with engine.ports.state.read() as reader:
            if reader.begun() and reader.last_publication() is not None:
                raise Ending
        return end(**words)

    engine.ports.state.transaction = transaction  # type: ignore[method-assign]
    with pytest.raises(Ending):
        engine.ceremony()
    del engine.ports.state.transaction  # type: ignore[method-assign]
    engine.metadata.remove(lost)
    engine.ceremony()
    check_client(engine, tmp_path / "client")
