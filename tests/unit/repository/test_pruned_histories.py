"""Ways back for a repository that was pruned, and what becomes of files that a state which is lost knew alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.audited import said, verified
from tests.support.engine import Engine, check_client
from tests.support.pruning import NOTHING, prune_as_planned, reachable_names, unknown_files

from rstuf.model.superseded import Retention
from rstuf.repository.from_copy import publish_from_copy
from rstuf.repository.interfaces import ServedEntry
from rstuf.repository.lost_metadata import recover_metadata
from rstuf.repository.prune import StayReason, plan_prune
from rstuf.repository.publish import publish
from rstuf.repository.published import read_published
from rstuf.repository.rebin import resize_bins
from rstuf.repository.rebuild import RebuildReport, Remembered, rebuild
from rstuf.repository.renewal import renew
from rstuf.state.sqlite import SqliteStateStore


class Served:
    """What is served, listed from a storage in memory."""

    def __init__(self, engine: Engine) -> None:
        self._files = engine.metadata.files

    def walk(self):  # type: ignore[no-untyped-def]
        return iter([ServedEntry(name, name, ()) for name in sorted(self._files)])


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A repository with a history: renewals, other numbers of bins, other roots."""
    made = Engine.live(tmp_path / "repository")
    for number in range(4):
        made.add(f"{number}.txt", b"content %d" % number)
        publish(made.ports)
    resize_bins(made.ports, 16)
    renew(made.ports, force=["root", "targets"])
    resize_bins(made.ports, 4)
    return made


def rebuilt(engine: Engine, directory: Path) -> tuple[Engine, RebuildReport]:
    directory.mkdir()
    store = SqliteStateStore.create(directory / "state.db", wait=timedelta(seconds=5), purpose="test")
    again = engine.with_ports(state=store)
    known = Remembered(
        name="again",
        keys=[made.entry for made in engine.keys.made.values()],
        periods=engine.plan.periods,
        plan_digest="",
        files=list(engine.metadata.files),
    )
    return again, rebuild(again.ports, read_published(engine.metadata), known)


def test_a_state_is_made_anew_from_what_is_left(engine: Engine, tmp_path: Path) -> None:
    """What the timestamp reaches and all roots are enough; clients of any age go on, and so do prunes."""
    check_client(engine, tmp_path / "old")
    prune_as_planned(engine, NOTHING)
    again, report = rebuilt(engine, tmp_path / "again")
    assert (report.artifacts, report.superseded) == (4, 0)
    again.add("new.txt", b"goes on")
    publish(again.ports)
    renew(again.ports, force=["bins", "targets"])
    check_client(again, tmp_path / "old")
    prune_as_planned(again, NOTHING)
    assert set(again.metadata.files) == reachable_names(again)
    check_client(again, tmp_path / "old")
    check_client(again, tmp_path / "fresh")
    assert said(verified(again)) == ""


def test_older_files_that_lie_there_are_superseded_with_the_new_state(engine: Engine, tmp_path: Path) -> None:
    """Nobody knows since when, so they stay for as long as the policy says from then on; then they go like others."""
    older = set(engine.metadata.files) - reachable_names(engine)
    for name in ("notes.json", "7.notes.json", "9999999999999999.bins-0.json", "3.timestamp.json"):
        engine.metadata.show(name, b"of somebody else")
    again, report = rebuilt(engine, tmp_path / "again")
    strange = {"notes.json", "7.notes.json", "9999999999999999.bins-0.json", "3.timestamp.json"}
    assert report.superseded == len(older)
    assert unknown_files(again) == strange
    for number in range(5):
        again.add("new.txt", b"%d" % number)
        publish(again.ports)
    prune_as_planned(again)
    assert older <= set(again.metadata.files)
    again.moved_on(days=30)
    renew(again.ports)
    prune_as_planned(again)
    assert not older & set(again.metadata.files)
    assert reachable_names(again) | strange <= set(again.metadata.files)
    assert said(verified(again)) == ""


def test_what_no_known_key_has_signed_stays_after_a_rebuild(engine: Engine, tmp_path: Path) -> None:
    """A name tells nothing of who wrote the file: a stranger's stays, and is told."""
    stranger = Engine.live(tmp_path / "stranger")
    engine.metadata.show("1.bins-0.json", stranger.metadata.files["1.bins-0.json"])
    again, _ = rebuilt(engine, tmp_path / "again")
    report = prune_as_planned(again, NOTHING)
    assert report.left == (("1.bins-0.json", StayReason.DIFFERENT),)
    assert report.removed > 0


def test_what_came_after_a_copy_goes_in_time(engine: Engine, tmp_path: Path) -> None:
    """The state that knew it is lost; its files are noted when the copy goes on, and those of its bins are, too."""
    engine.ports.state.close()
    shutil.copy(tmp_path / "repository" / "state.db", tmp_path / "copy.db")
    contents = dict(engine.contents)
    engine.add("later.txt", b"after the copy")
    publish(engine.ports)
    resize_bins(engine.ports, 32)
    prune_as_planned(engine, Retention(publications=2, days=0))
    check_client(engine, tmp_path / "client")
    engine.ports.state.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / "repository" / f"state.db{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.db", tmp_path / "repository" / "state.db")
    store = SqliteStateStore.open(tmp_path / "repository" / "state.db", wait=timedelta(seconds=5), purpose="test")
    engine = replace(engine.with_ports(state=store, served=Served(engine)), contents=contents)
    publish_from_copy(engine.ports)
    assert unknown_files(engine) == set()
    check_client(engine, tmp_path / "client")
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
    check_client(engine, tmp_path / "client")
    assert said(verified(engine)) == ""


def test_nothing_of_what_was_pruned_is_missed_or_comes_back(engine: Engine, tmp_path: Path) -> None:
    """Metadata that is lost is put back as it should be now, and what was pruned is nothing that is lost."""
    prune_as_planned(engine, NOTHING)
    before = dict(engine.metadata.files)
    report = recover_metadata(engine.ports)
    assert (report.lost, report.renewal.publication.restored) == ((), ())
    assert engine.metadata.files == before
    for name in before:
        engine.metadata.remove(name)
    recover_metadata(engine.ports)
    check_client(engine, tmp_path / "client")
    assert unknown_files(engine) == set()
    assert len(plan_prune(engine.ports, retention=NOTHING).files) == 0
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
