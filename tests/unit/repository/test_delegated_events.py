"""Roles below targets whose people are elsewhere: what they list waits in signing events until they have signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client

from rstuf.metadata.bundle import DetachedSignature
from rstuf.model.artifacts import ArtifactState
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import WaitingRole
from rstuf.repository.signing_events import Outcome


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """team, signed by tara, who went away after its first version; an artifact of it is accepted."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("tara")
    delegate(engine, "team", "team/*", signers=("tara",))
    engine.keys.away.add("tara")
    engine.add("team/one", b"one")
    return engine


def waits(engine: Engine) -> WaitingRole:
    """The one role that a publication leaves behind."""
    (waiting,) = publish(engine.ports).waiting
    return waiting


def test_what_somebody_elsewhere_signs_comes_out(engine: Engine, tmp_path: Path) -> None:
    """It waits in an event that tara can sign from its bundle; brought back, her signature publishes it."""
    waiting = waits(engine)
    assert (waiting.event, waiting.lacking, list(waiting.missing)) == ("team-v2", 1, ["tara"])
    assert where(engine)["team/one"] == f"team {ArtifactState.AWAITING}"
    (view,) = engine.events.views()
    assert [side.label for part in view.parts for side in part.sides] == ["targets v2"]
    done = engine.events.receive([engine.signature("team-v2", "tara")])
    assert [each.outcome for each in done.receptions] == [Outcome.ADDED]
    assert [(each.event.name, each.obstacle) for each in done.completions] == [("team-v2", None)]
    assert where(engine)["team/one"] == "team published"
    check_client(engine, tmp_path / "client")
    assert not publish(engine.ports).waiting
    assert renew(engine.ports).waiting == ()


def test_a_delegation_comes_out_with_its_first_version(tmp_path: Path) -> None:
    """Nobody sees targets list a role whose file is not there: both come out once tara has signed, and what moves."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a.txt", b"first")
    engine.add("team/one", b"one")
    publish(engine.ports)
    engine.make_key("tara")
    engine.keys.away.add("tara")
    report = delegate(engine, "team", "team/*", signers=("tara",))
    assert report.publication is None
    assert report.waits is not None
    assert [part.part.role for part in report.waits.parts] == ["team", "targets", "bins"]
    assert report.waits.wanted == (engine.keys.made["tara"].signer.keyid,)
    assert where(engine)["team/one"] == "bins-3 published"
    check_client(engine, tmp_path / "before")
    engine.add("b.txt", b"beside")
    publish(engine.ports)
    done = engine.events.receive([signature_of(engine, "team-v1", "team", "tara")])
    assert [(each.event.name, each.obstacle) for each in done.completions] == [("team-v1", None)]
    assert where(engine)["team/one"] == "team published"
    view = check_client(engine, tmp_path / "before")
    assert view.roles["team"] == 1
    check_client(engine, tmp_path / "after")


def signature_of(engine: Engine, event: str, role: str, key: str) -> DetachedSignature:
    """What the holder of a key sends back for one part of an event."""
    part = next(part for part in engine.events.bundle(event).parts if part.role == role)
    signer = engine.keys.made[key].signer
    return DetachedSignature(part.digest, signer.keyid, signer.sign(part.payload))
