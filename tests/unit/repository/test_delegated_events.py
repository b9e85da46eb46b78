"""Roles below targets whose people are elsewhere: what they list waits in signing events until they have signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client

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


def seen(engine: Engine, tmp_path: Path) -> set[str]:
    """What a client finds of all that was ever added."""
    contents = engine.contents
    view = check_client_of(engine, tmp_path)
    assert all(view[path] == contents[path] for path in view)
    return set(view)


def check_client_of(engine: Engine, tmp_path: Path) -> dict[str, bytes]:
    """By path: what a stock client downloads, of what it finds."""
    from tests.support.engine import client_of

    client = client_of(engine, tmp_path / "client")
    return {path: data for path in engine.contents if (data := client.find(path)) is not None}


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
