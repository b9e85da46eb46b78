"""Publications and roots that were interrupted: brought to their end or done again, and clients stay well."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, client_of
from tests.support.faulty import Power, faulty_engine, leave_committing

from rstuf.errors import SignerUnavailable, StorageError
from rstuf.model.names import SNAPSHOT, TIMESTAMP
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Reason, Recovery


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["bins", "snapshot.json", "timestamp.json"])
def test_an_interrupted_publication_is_brought_to_its_end(tmp_path: Path, name: str, after: bool) -> None:
    """Wherever the storage stops it, clients stay well, and publishing again makes every accepted artifact visible."""
    engine, faulty = faulty_engine(tmp_path / "repository")
    old = check_client(engine, tmp_path / "old")
    engine.add("a.txt", b"one")
    faulty.at, faulty.after = (lambda file: name in file), after
    with pytest.raises(Power):
        publish(engine.ports)
    seen = client_of(engine, tmp_path / "old").refresh()
    assert not seen.older_than(old)

    report = publish(engine.ports)
    assert report.published
    view = check_client(engine, tmp_path / "old")
    assert not view.older_than(seen)
    check_client(engine, tmp_path / "fresh")
    assert not publish(engine.ports).published
    # A failure before the commit point burns the versions; after it the publication is completed as it was.
    assert view.timestamp == (2 if name == "timestamp.json" else 3)


def test_a_committed_publication_is_completed_byte_for_byte(engine: Engine, tmp_path: Path) -> None:
    """What was committed becomes visible with the very bytes that were recorded; nothing is signed for it."""
    engine.add("a.txt", b"one")
    leave_committing(engine)
    files = dict(engine.metadata.files)
    engine.keys.away = {"online"}
    report = publish(engine.ports)
    assert (report.recovery, report.published) == (Recovery.COMPLETED, True)
    assert set(engine.metadata.files) == set(files)
    with engine.ports.state.read() as reader:
        last = reader.last_publication()
    assert last is not None
    assert engine.metadata.files["timestamp.json"] == last.timestamp
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("damage", ["missing", "torn", "expired"])
def test_a_damaged_committed_publication_is_done_again_above_its_versions(
    engine: Engine, tmp_path: Path, damage: str, seen: bool
) -> None:
    """If its files were damaged or expired, each of its roles comes again with a higher version; a client that had seen
    its timestamp already goes on."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    engine.add("a.txt", b"two")
    unfinished = leave_committing(engine)
    assert unfinished.timestamp is not None
    with engine.ports.state.read() as reader:
        (name,) = [
            f"{role.version}.{role.name}.json"
            for role, _ in reader.publication_roles(unfinished.id)
            if role.name not in {SNAPSHOT, TIMESTAMP}
        ]
    if seen:
        engine.metadata.replace("timestamp.json", unfinished.timestamp)
        check_client(engine, tmp_path / "client")
    if damage == "missing":
        engine.metadata.remove(name)
    elif damage == "torn":
        engine.metadata.show(name, engine.metadata.files[name][:-7])
    else:
        engine.moved_on(days=2)
    report = publish(engine.ports)
    assert (report.recovery, report.published, report.timestamp_version) == (Recovery.REDONE, True, 4)
    check_client(engine, tmp_path / "client")
    check_client(engine, tmp_path / "fresh")


def test_a_damaged_publication_is_done_again_even_if_killed_in_between(engine: Engine, tmp_path: Path) -> None:
    """The abandoned timestamp that clients may have seen is known for what it is at the next start."""
    engine.add("a.txt", b"one")
    unfinished = leave_committing(engine)
    assert unfinished.timestamp is not None
    engine.metadata.replace("timestamp.json", unfinished.timestamp)
    with engine.ports.state.transaction(actor="test") as state:
        state.abandon_publication(unfinished.id)
    report = publish(engine.ports)
    assert (report.published, report.timestamp_version) == (True, 3)
    assert {role.reason for role in report.roles} == {Reason.FORCED}
    check_client(engine, tmp_path / "client")


def test_a_version_never_has_two_contents(tmp_path: Path) -> None:
    """Through failures and retries, no name under which clients fetch ever has two byte strings."""
    seen: dict[str, bytes] = {}

    def on_change(name: str, data: bytes | None) -> None:
        assert data is not None
        if name != "timestamp.json":
            assert seen.setdefault(name, data) == data

    engine = Engine.live(tmp_path / "repository", on_change=on_change)
    for number in range(6):
        engine.add("a.txt", bytes([number]))
        engine.keys.away = {"online"} if number % 2 else set()
        if number % 2:
            with pytest.raises(SignerUnavailable):
                publish(engine.ports)
        else:
            publish(engine.ports)
    engine.keys.away = set()
    publish(engine.ports)
    renew(engine.ports, force=["bins"])
    check_client(engine, tmp_path / "client")


def test_a_root_commit_is_completed_after_a_failure(tmp_path: Path) -> None:
    """A root whose thresholds were met is never given up: the next command creates its file with the same bytes."""
    engine, faulty = faulty_engine(tmp_path / "repository")
    faulty.at = lambda name: name == "2.root.json"
    with pytest.raises(Power):
        renew(engine.ports, force=["root"])
    engine.keys.away = {"one", "two"}
    publish(engine.ports)
    with engine.ports.state.read() as reader:
        root = reader.newest_root()
    assert root is not None
    assert (root.version, root.settled) == (2, True)
    assert engine.metadata.files["2.root.json"] == root.data
    assert check_client(engine, tmp_path / "client").root == 2


def test_errors_of_the_storage_leave_the_old_state_visible(tmp_path: Path) -> None:
    """A full disk while new files are written: an error, the old state, and success when it is run again."""
    engine, faulty = faulty_engine(tmp_path / "repository")
    engine.add("a.txt", b"one")
    faulty.error = StorageError("write", "2.bins-1.json", "no space left on the disk")
    faulty.at = lambda name: "bins" in name
    with pytest.raises(StorageError):
        publish(engine.ports)
    with engine.ports.state.read() as reader:
        assert reader.unfinished_publication() is None
    assert client_of(engine, tmp_path / "client").refresh().timestamp == 1
    publish(engine.ports)
    check_client(engine, tmp_path / "client")
