"""Verifying while others publish: the report is about one publication, whichever moment another one comes at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.audited import codes, copy_of, notes, said
from tests.support.delegated import delegate
from tests.support.engine import Engine

from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.reports import VerifyReport
from rstuf.repository.repository import Repository
from rstuf.repository.verify import Depth


def _publish(engine: Engine) -> None:
    engine.add("files/1.bin", b"other again")
    engine.add("files/new.bin", b"n")
    engine.remove("files/5.bin")
    publish(engine.ports)


def _renew_root(engine: Engine) -> None:
    renew(engine.ports, force=["root"])


def _renew_all(engine: Engine) -> None:
    renew(engine.ports, force=["root", "targets", "bins", "snapshot", "timestamp"])


def _resize(engine: Engine) -> None:
    resize_bins(engine.ports, 8)


def _delegate(engine: Engine) -> None:
    delegate(engine, "files", "files/*")


def _verified(engine: Engine, before_read: Callable[[str], None]) -> VerifyReport:
    """What verify says where something happens before it reads a file."""
    read = engine.metadata.read

    def watched(name: str, *, limit: int) -> bytes:
        before_read(name)
        return read(name, limit=limit)

    engine.metadata.read = watched  # type: ignore[method-assign]
    try:
        return Repository(engine.ports).verify(depth=Depth.FULL)
    finally:
        engine.metadata.read = read  # type: ignore[method-assign]


@pytest.mark.parametrize("act", [_publish, _renew_root, _renew_all, _resize, _delegate])
def test_a_publication_at_any_moment_is_no_problem(made: Engine, tmp_path: Path, act: Callable[[Engine], None]) -> None:
    """Before each file that is read, the first and the last included, something else becomes visible: nothing is wrong
    with what was read, and where timestamp was replaced after it was read, that is said."""
    moment, happened = 0, True
    while happened:
        directory = tmp_path / str(moment)
        directory.mkdir()
        engine = copy_of(made, directory)
        reads, happened = 0, False

        def act_once(name: str, *, at: int = moment, engine: Engine = engine) -> None:
            nonlocal reads, happened
            reads += 1
            if reads == at + 1 and not happened:
                happened = True
                act(engine)

        report = _verified(engine, act_once)
        assert said(report) == "", moment
        assert notes(report) <= {"moved-on"}
        moment += 1
        engine.ports.state.close()
    # Timestamp, roots that may be there, snapshot, targets and bins; and then what the client reads.
    assert moment > 15


def test_one_that_publishes_without_pause_is_said(made: Engine, tmp_path: Path) -> None:
    """Where no view of the state belongs to what is visible, the report says that it moved on."""
    engine = copy_of(made, tmp_path)
    busy = False

    def always(name: str) -> None:
        nonlocal busy
        if name == "timestamp.json" and not busy:
            busy = True
            renew(engine.ports, force=["timestamp"])
            busy = False

    report = _verified(engine, always)
    assert report.facts["moved_on"] is True
    assert "moved-on" in notes(report)


def test_an_old_copy_of_the_state_stays_one(made: Engine, tmp_path: Path) -> None:
    """Looking again does not make an old copy a new one: what clients see and it does not know is a problem."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    engine, newer = copy_of(made, tmp_path / "old"), copy_of(made, tmp_path / "new")
    _publish(newer)
    for name, data in newer.metadata.files.items():
        engine.metadata.show(name, data)
    for name, data in newer.artifacts.files.items():
        engine.artifacts.show(name, data)
    report = Repository(engine.ports).verify()
    assert codes(report) == {"state-behind", "state-disagrees"}
    assert "timestamp -: clients see version 4 and the state says 3" in said(report)


def test_what_was_written_since_tells_an_old_copy(made: Engine, tmp_path: Path) -> None:
    """A backup of state and timestamp over a newer tree agrees in itself; the snapshot ahead of it is a problem."""
    engine = copy_of(made, tmp_path)
    old = engine.metadata.files["timestamp.json"]
    _publish(engine)
    ahead = dict(engine.metadata.files)
    (tmp_path / "back").mkdir()
    back = copy_of(made, tmp_path / "back")
    for name, data in ahead.items():
        back.metadata.show(name, data)
    back.metadata.show("timestamp.json", old)
    report = Repository(back.ports).verify()
    assert codes(report) == {"state-behind"}
