"""Who signs targets changes after everybody had signed what waits, and before that could come out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, plan_document
from tests.support.faulty import Power, made_faulty

from rstuf.errors import SigningError
from rstuf.model.names import TARGETS
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """One of tara and tom signs targets; a resize waits for one of them."""
    keys = {
        name: {"generate": "ed25519", "encrypt": False, "signer": f"file:keys/{name}.key"}
        for name in ("one", "two", "tara", "tom", "online")
    }
    people = {"signers": ["tara", "tom"], "threshold": 1, "expires": "365d"}
    engine = Engine.live(tmp_path / "repository", document=plan_document(targets=people, keys=keys))
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.keys.away.update(["tara", "tom"])
    resize_bins(engine.ports, 8)
    return engine


def take_out(engine: Engine, name: str) -> None:
    """A root comes out that does not let them sign targets."""
    engine.events.open(engine.events.propose(RootUpdate(role=TARGETS, remove=(name,))))
    done = engine.events.sign("root-v2")
    assert [each.event.name for each in done.completions] == ["root-v2"]


def bins(engine: Engine, tmp_path: Path) -> int:
    """How many a client finds."""
    return sum(name.startswith("bins-") for name in check_client(engine, tmp_path / "client").roles)


def test_others_join_what_one_had_signed_who_signs_no_more(engine: Engine, tmp_path: Path) -> None:
    """What tom signed waited for the online key; taken out meanwhile, he leaves it to tara, who signs the same."""
    engine.keys.away.add("online")
    (waits,) = engine.events.receive([engine.signature("targets-v2", "tom")]).completions
    assert isinstance(waits.obstacle, SigningError)
    engine.keys.away.discard("online")
    take_out(engine, "tom")
    done = engine.events.receive([engine.signature("targets-v2", "tara")])
    assert [each.outcome for each in done.receptions] == [Outcome.ADDED]
    assert [(each.event.name, each.obstacle) for each in done.completions] == [("targets-v2", None)]
    assert bins(engine, tmp_path) == 8
    publish(engine.ports)
    check_client(engine, tmp_path / "later")


def test_the_same_is_proposed_above_what_was_written(engine: Engine, tmp_path: Path) -> None:
    """Where its file has a name already, that has one content for good: tara is asked to sign the next version."""
    engine, faulty = made_faulty(engine)
    faulty.at = lambda name: name == "3.snapshot.json"
    with pytest.raises(Power):
        engine.events.receive([engine.signature("targets-v2", "tom")])
    written = faulty.files["2.targets.json"]
    late = engine.signature("targets-v2", "tara")
    take_out(engine, "tom")
    done = engine.events.receive([late])
    assert [each.outcome for each in done.receptions] == [Outcome.REFUSED]
    assert [view.event.name for view in engine.events.views()] == ["targets-v3"]
    engine.events.receive([engine.signature("targets-v3", "tara")])
    assert engine.events.views() == []
    assert faulty.files["2.targets.json"] == written
    assert bins(engine, tmp_path) == 8


def test_who_is_only_proposed_joins_as_well(engine: Engine, tmp_path: Path) -> None:
    """A root that waits asks for its own keys beside tom, who had signed: both signatures stand in the end."""
    engine.keys.away.add("online")
    engine.events.receive([engine.signature("targets-v2", "tom")])
    late = engine.signature("targets-v2", "tara")
    engine.events.open(engine.events.propose(RootUpdate(role=TARGETS, remove=("tom",))))
    engine.keys.away.discard("online")
    engine.events.receive([late])
    assert [view.event.name for view in engine.events.views()] == ["root-v2"]
    check_client(engine, tmp_path / "between")
    engine.events.sign("root-v2")
    assert bins(engine, tmp_path) == 8
