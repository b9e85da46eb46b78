"""Going on from a copy that was put back: clients of any age follow, whatever came after the copy."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, client_of, plan_document
from tests.support.faulty import leave_committing
from tests.support.thieves import Depth, Thief

from rstuf.errors import StateBehind, VersionsUsedUp
from rstuf.repository.from_copy import publish_from_copy
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew
from rstuf.state.sqlite import SqliteStateStore


class Copied:
    """An engine, a copy of its state and of what it served, and what was published after it."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine, self._directory = engine, directory
        engine.ports.state.close()
        shutil.copy(directory / "repository" / "state.db", directory / "copy.db")
        self.served, self.contents = dict(engine.metadata.files), dict(engine.contents)

    def put_back(self, *, served: bool, overlaid: bool) -> Engine:
        """The engine over the copy of the state; served are the copy's files, these over later ones, or those."""
        engine = self.engine
        engine.ports.state.close()
        for suffix in ("-wal", "-shm"):
            (self._directory / "repository" / f"state.db{suffix}").unlink(missing_ok=True)
        shutil.copy(self._directory / "copy.db", self._directory / "repository" / "state.db")
        if served and not overlaid:
            for name in set(engine.metadata.files) - set(self.served):
                engine.metadata.remove(name)
        if served:
            for name, data in self.served.items():
                engine.metadata.show(name, data)
        engine.contents = dict(self.contents)
        store = SqliteStateStore.open(
            self._directory / "repository" / "state.db", wait=timedelta(seconds=5), purpose="test"
        )
        return engine.with_ports(state=store)


def filled(tmp_path: Path, **tables: object) -> Engine:
    engine = Engine.live(tmp_path / "repository", document=plan_document(**tables))
    for number in range(6):
        engine.add(f"{number}.txt", b"before the copy")
    publish(engine.ports)
    return engine


@pytest.mark.parametrize("count", [2, 16, 64])
def test_the_number_of_bins_was_changed_after_the_copy(tmp_path: Path, count: int) -> None:
    """The copy's number holds again; bins that are not in it stay listed, and can come back later."""
    engine = filled(tmp_path)
    check_client(engine, tmp_path / "before")
    copied = Copied(engine, tmp_path)
    engine.add("1.txt", b"after the copy")
    resize_bins(engine.ports, count)
    check_client(engine, tmp_path / "after")
    engine = copied.put_back(served=False, overlaid=False)
    publish_from_copy(engine.ports)
    for name in ("before", "after", "fresh"):
        check_client(engine, tmp_path / name)
    resize_bins(engine.ports, count)
    engine.add("later.txt", b"goes on")
    publish(engine.ports)
    for name in ("before", "after", "fresh", "another"):
        check_client(engine, tmp_path / name)


@pytest.mark.parametrize(("served", "overlaid"), [(False, False), (True, False), (True, True)])
def test_clients_that_saw_what_came_later_follow(tmp_path: Path, served: bool, overlaid: bool) -> None:
    """A client from before the copy, one from long after it and a fresh one all see what the copy holds."""
    engine = filled(tmp_path)
    check_client(engine, tmp_path / "before")
    copied = Copied(engine, tmp_path)
    for number in range(4):
        engine.add(f"{number}.txt", b"after the copy %d" % number)
        publish(engine.ports)
    renew(engine.ports, force=["timestamp", "targets", "bins"])
    check_client(engine, tmp_path / "after")
    engine = copied.put_back(served=served, overlaid=overlaid)
    if not served or overlaid:
        with pytest.raises(StateBehind) as refused:
            publish(engine.ports)
        assert "rstuf recover copy" in str(refused.value.hint)
    report = publish_from_copy(engine.ports)
    assert report.waiting == ()
    for age in ("before", "after", "fresh"):
        check_client(engine, tmp_path / age)
    engine.add("new.txt", b"goes on")
    publish(engine.ports)
    for age in ("before", "after", "fresh"):
        check_client(engine, tmp_path / age)


def test_once_more_is_once_more_further_up(tmp_path: Path) -> None:
    """It may be run again, and nothing ever has two contents."""
    engine = filled(tmp_path)
    first = publish_from_copy(engine.ports).publication.timestamp_version
    assert publish_from_copy(engine.ports).publication.timestamp_version > first + 9_000
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize("ahead", [9_000, 10_000, 25_000])
def test_what_is_visible_is_gone_above(tmp_path: Path, depth: Depth, ahead: int) -> None:
    """However far what is published went after the copy, whoever saw it follows."""
    engine = filled(tmp_path)
    copied = Copied(engine, tmp_path)
    Thief(engine, version=ahead).publishes(depth)
    check_client(engine, tmp_path / "after")
    engine = copied.put_back(served=False, overlaid=False)
    publish_from_copy(engine.ports)
    check_client(engine, tmp_path / "after")
    check_client(engine, tmp_path / "fresh")


def test_a_listing_without_its_files_is_gone_above(tmp_path: Path) -> None:
    """Clients remember what a snapshot lists, be it that none of it is there."""
    engine = filled(tmp_path)
    Thief(engine, version=25_000).publishes(Depth.BINS)
    memory = client_of(engine, tmp_path / "after")
    memory.refresh()
    for name in [name for name in engine.metadata.files if name.startswith("25000.bins")]:
        engine.metadata.remove(name)
    publish_from_copy(engine.ports)
    check_client(engine, tmp_path / "after")


@pytest.mark.parametrize("spoil", ["highest", "listed"])
def test_what_nothing_can_go_above_is_refused(tmp_path: Path, spoil: str) -> None:
    """The highest versions, or a role that is not here and no later snapshot may drop: only another key helps."""
    engine = filled(tmp_path)
    thief = Thief(engine) if spoil == "highest" else Thief(engine, version=9_000, also_lists={"unknown": 1})
    thief.publishes(Depth.SNAPSHOT)
    before = dict(engine.metadata.files)
    with pytest.raises(VersionsUsedUp) as refused:
        publish_from_copy(engine.ports)
    assert "rstuf recover online-key NAME --leaked" in str(refused.value.hint)
    assert engine.metadata.files == before


def test_a_copy_in_the_middle_of_a_publication(tmp_path: Path) -> None:
    """What was under way when the copy was taken is given up, not completed: clients may be further on."""
    engine = filled(tmp_path)
    engine.add("0.txt", b"under way")
    leave_committing(engine)
    copied = Copied(engine, tmp_path)
    publish(engine.ports)
    engine.add("0.txt", b"later")
    publish(engine.ports)
    check_client(engine, tmp_path / "after")
    engine = copied.put_back(served=False, overlaid=False)
    publish_from_copy(engine.ports)
    check_client(engine, tmp_path / "after")


def test_a_root_that_the_copy_lacks_is_no_guess(tmp_path: Path) -> None:
    """Who may sign is said by a root that this state does not have: nothing is published."""
    engine = filled(tmp_path)
    copied = Copied(engine, tmp_path)
    renew(engine.ports, force=["root"])
    engine = copied.put_back(served=False, overlaid=False)
    before = dict(engine.metadata.files)
    with pytest.raises(StateBehind, match="root version 2"):
        publish_from_copy(engine.ports)
    assert engine.metadata.files == before


def test_people_who_are_away_are_named(tmp_path: Path) -> None:
    """Targets that people sign stays as the copy has it, and the report says who is missing."""
    engine = filled(tmp_path, targets={"expires": "365d", "threshold": 1, "signers": ["one"]})
    copied = Copied(engine, tmp_path)
    engine.add("0.txt", b"after the copy")
    publish(engine.ports)
    check_client(engine, tmp_path / "after")
    engine = copied.put_back(served=True, overlaid=False)
    engine.keys.away = {"one"}
    report = publish_from_copy(engine.ports)
    assert [waiting.name for waiting in report.waiting] == ["targets"]
    check_client(engine, tmp_path / "after")
