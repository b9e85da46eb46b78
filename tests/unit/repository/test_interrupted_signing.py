"""Signing that was interrupted between its decision and what clients see: whoever signs next brings it to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client
from tests.support.faulty import Faulty, Power, faulty_engine

from rstuf.model.events import EventKind
from rstuf.model.names import TARGETS
from rstuf.model.rotation import RotationKind
from rstuf.repository import rotation
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome


@pytest.fixture
def stopped(tmp_path: Path) -> Callable[[], tuple[Engine, Faulty]]:
    """An engine whose storage stops at root v2, which the state has already when that happens."""

    def make() -> tuple[Engine, Faulty]:
        engine, faulty = faulty_engine(tmp_path / "repository")
        faulty.at = lambda name: name == "2.root.json"
        return engine, faulty

    return make


def opened(engine: Engine) -> None:
    """Let root v2 wait, which lets a third key in."""
    engine.make_key("three")
    engine.events.open(engine.events.propose(RootUpdate(add=("three",))))


def test_a_signature_that_comes_again_brings_the_root_out(
    stopped: Callable[[], tuple[Engine, Faulty]], tmp_path: Path
) -> None:
    """Its event has ended, so the signature is not needed any more; the root that it made is there all the same."""
    engine, faulty = stopped()
    opened(engine)
    brought = engine.signature("root-v2", "one")
    with pytest.raises(Power):
        engine.events.receive([brought])
    assert "2.root.json" not in faulty.files
    again = engine.events.receive([brought])
    assert [each.outcome for each in again.receptions] == [Outcome.NOT_NEEDED]
    assert check_client(engine, tmp_path / "client").root == 2
    assert not engine.events.interrupted


def test_whoever_signs_something_else_brings_it_out(
    stopped: Callable[[], tuple[Engine, Faulty]], tmp_path: Path
) -> None:
    """`catch_up` publishes a root that was left, and then finds nothing to do."""
    engine, _ = stopped()
    assert not engine.events.interrupted
    engine.events.catch_up()
    opened(engine)
    with pytest.raises(Power):
        engine.events.sign("root-v2")
    assert engine.events.interrupted
    engine.events.catch_up()
    assert not engine.events.interrupted
    assert check_client(engine, tmp_path / "client").root == 2


@pytest.mark.parametrize("at", ["2.root.json", "2.targets.json", "timestamp.json"])
def test_a_leaked_key_is_replaced_by_whoever_signs_next(tmp_path: Path, at: str) -> None:
    """After its root everything must be signed anew, or no client gets further: that is not left to a timer."""
    engine, faulty = faulty_engine(tmp_path / "repository")
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2", kind=RotationKind.LEAKED)
    faulty.at = lambda name: name == at
    with pytest.raises(Power):
        engine.events.sign("root-v2")
    assert engine.events.interrupted
    engine.events.complete()
    assert check_client(engine, tmp_path / "client").root == 2
    assert engine.rotations.current() is None
    assert not engine.events.interrupted


@pytest.mark.parametrize("kind", [RotationKind.PLANNED, RotationKind.LEAKED])
def test_what_a_rotation_drops_is_dropped_when_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: RotationKind
) -> None:
    """Cut off right after it began, it goes on by itself: the event that it takes the place of is not in its way."""
    engine, _ = faulty_engine(tmp_path / "repository")
    opened(engine)
    engine.make_key("online-2")

    def stops(*_: object) -> None:
        raise Power

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "carry_on", stops)
        with pytest.raises(Power):
            engine.rotations.rotate(
                "online", "online-2", kind=kind, drop=[view.event for view in engine.events.views()]
            )
    engine.events.complete()
    (view,) = engine.events.views()
    assert view.event.kind is (EventKind.ROTATION if kind is RotationKind.PLANNED else EventKind.REPLACEMENT)
    engine.events.sign("root-v2")
    assert check_client(engine, tmp_path / "client").root == 2


def test_a_rotation_is_hastened_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No instant knows the key as leaked and its root as one that waits until everything verifies from it."""
    engine, _ = faulty_engine(tmp_path / "repository")
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2")

    def stops(*_: object, **__: object) -> None:
        raise Power

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "reopen_event", stops)
        with pytest.raises(Power):
            engine.rotations.hasten(RotationKind.LEAKED)
    going = engine.rotations.current()
    assert going is not None
    assert going.kind is RotationKind.PLANNED
    engine.rotations.hasten(RotationKind.LEAKED)
    engine.events.sign("root-v2")
    assert engine.rotations.current() is None
    check_client(engine, tmp_path / "client")


def test_a_root_never_waits_without_the_targets_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are opened or neither: signed alone, the root could not come out, and nobody would be asked for targets."""
    engine, _ = faulty_engine(tmp_path / "repository")
    engine.make_key("release")
    update = RootUpdate(role=TARGETS, add=("release",), remove=("online",))
    proposal = engine.events.propose(update)
    assert proposal.targets is not None
    with engine.ports.state.transaction(actor="test") as state:
        transactions = type(state)

    def stops(*_: object) -> None:
        # The versions of targets are taken last, after root has its event.
        raise Power

    with monkeypatch.context() as patched:
        patched.setattr(transactions, "burn_versions", stops)
        with pytest.raises(Power):
            engine.events.open(proposal)
    assert engine.events.views() == []
    for view in reversed(engine.events.open(proposal)):
        engine.events.sign(view.event.name)
    assert check_client(engine, tmp_path / "client").root == 2
