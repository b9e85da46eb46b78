"""Targets that lists artifacts itself and that people sign: where they are away, what is accepted waits for them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client, plan_document
from tests.unit.repository.test_delegated_events import signature_of, whole

from rstuf.model.artifacts import ArtifactState
from rstuf.model.events import EventKind
from rstuf.model.names import TARGETS
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import PublicationReport
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """No bins; tara and tom sign targets, both of them, and an artifact is published; now they are away."""
    document = plan_document()
    document["bins"] = {"layout": "flat"}
    document["targets"] = {"signers": ["tara", "tom"], "threshold": 2, "expires": "365d"}
    for name in ("tara", "tom"):
        document["keys"][name] = {"generate": "ed25519", "encrypt": False, "signer": f"file:keys/{name}.key"}
    engine = Engine.live(tmp_path / "repository", document=document)
    engine.add("a.txt", b"first")
    assert publish(engine.ports).waiting == ()
    engine.keys.away.update(["tara", "tom"])
    return engine


def waits(report: PublicationReport) -> list[tuple[str, str | None, bool]]:
    """The roles that wait, in which event, and whether more was accepted since."""
    return [(each.name, each.event, each.behind) for each in report.waiting]


def later(engine: Engine, path: str, data: bytes) -> None:
    """Accept an artifact that clients do not see yet."""
    before = engine.contents.get(path)
    engine.add(path, data)
    del engine.contents[path]
    if before is not None:
        engine.contents[path] = before


def test_what_is_accepted_waits_for_them(engine: Engine, tmp_path: Path) -> None:
    """It is awaiting, never published, until both have signed; then clients find it."""
    later(engine, "b.txt", b"second")
    report = publish(engine.ports)
    assert (report.published, waits(report)) == (False, [("targets", "targets-v3", False)])
    assert where(engine)["b.txt"] == f"targets {ArtifactState.AWAITING}"
    check_client(engine, tmp_path / "client")
    assert whole(engine, "targets-v3", targets="tara") == []
    assert where(engine)["b.txt"] == f"targets {ArtifactState.AWAITING}"
    assert waits(publish(engine.ports)) == [("targets", "targets-v3", False)]
    assert whole(engine, "targets-v3", targets="tom") == [("targets-v3", None)]
    engine.contents["b.txt"] = b"second"
    assert where(engine)["b.txt"] == "targets published"
    check_client(engine, tmp_path / "client")
    assert publish(engine.ports).waiting == ()
    assert renew(engine.ports).waiting == ()


def test_more_comes_after_what_one_signed(engine: Engine, tmp_path: Path) -> None:
    """With tara's signature it stays as it is, and what is accepted then comes in the next; with nobody's it grows."""
    later(engine, "b.txt", b"second")
    publish(engine.ports)
    later(engine, "c.txt", b"third")
    assert waits(publish(engine.ports)) == [("targets", "targets-v4", False)]
    assert whole(engine, "targets-v4", targets="tara") == []
    later(engine, "a.txt", b"another")
    assert waits(publish(engine.ports)) == [("targets", "targets-v4", True)]
    assert whole(engine, "targets-v4", targets="tom") == [("targets-v4", None)]
    engine.contents |= {"b.txt": b"second", "c.txt": b"third"}
    check_client(engine, tmp_path / "client")
    assert where(engine)["a.txt"] == "targets replacing"
    assert waits(publish(engine.ports)) == [("targets", "targets-v5", False)]


def test_cancelled_it_stays_pending(engine: Engine, tmp_path: Path) -> None:
    """Nothing that was accepted is lost with the event, and the next publication proposes it again."""
    later(engine, "b.txt", b"second")
    publish(engine.ports)
    engine.events.cancel("targets-v3")
    assert where(engine)["b.txt"] == "targets pending"
    check_client(engine, tmp_path / "client")
    assert waits(publish(engine.ports)) == [("targets", "targets-v4", False)]


def test_who_is_back_publishes_at_once(engine: Engine, tmp_path: Path) -> None:
    """With both keys at hand nothing waits, and what nobody else had signed is gone."""
    later(engine, "b.txt", b"second")
    publish(engine.ports)
    old = signature_of(engine, "targets-v3", "targets", "tara")
    engine.keys.away.clear()
    engine.contents["b.txt"] = b"second"
    assert publish(engine.ports).waiting == ()
    assert engine.events.views() == []
    assert [each.outcome for each in engine.events.receive([old]).receptions] == [Outcome.REFUSED]
    check_client(engine, tmp_path / "client")


def test_a_renewal_leaves_what_is_pending(engine: Engine, tmp_path: Path) -> None:
    """Renewed by its people, it lists what clients saw; what was accepted is pending then, and waits next."""
    assert [each.event for each in renew(engine.ports, force=("targets",)).waiting] == ["targets-v3"]
    assert whole(engine, "targets-v3", targets="tara") == []
    later(engine, "b.txt", b"second")
    assert waits(publish(engine.ports)) == [("targets", "targets-v3", True)]
    assert whole(engine, "targets-v3", targets="tom") == [("targets-v3", None)]
    assert where(engine)["b.txt"] == "targets pending"
    check_client(engine, tmp_path / "client")
    assert waits(publish(engine.ports)) == [("targets", "targets-v4", False)]


def test_other_roles_come_out_meanwhile(engine: Engine, tmp_path: Path) -> None:
    """What waits keeps nothing else back, and a delegation from such targets waits for its people as a whole."""
    report = delegate(engine, "data", "data/*")
    assert report.waits is not None
    name = report.waits.event.name
    assert whole(engine, name, targets="tara") == []
    assert whole(engine, name, targets="tom") == [(name, None)]
    engine.add("data/x", b"x")
    later(engine, "b.txt", b"second")
    report = publish(engine.ports)
    assert report.published
    assert waits(report)[0][:1] == ("targets",)
    assert where(engine)["data/x"] == "data published"
    check_client(engine, tmp_path / "client")


def test_other_signers_of_targets_come_with_a_root(engine: Engine, tmp_path: Path) -> None:
    """Who signs targets changes while artifacts come out: what was proposed for the root is proposed anew, and told."""
    engine.make_key("theo")
    engine.keys.away.add("theo")
    update = RootUpdate(role=TARGETS, add=("theo",), remove=("tara",))
    opened = engine.events.open(engine.events.propose(update))
    kinds = {view.event.role: view.event.kind for view in opened}
    assert kinds == {"root": EventKind.UPDATE, "targets": EventKind.UPDATE}
    engine.keys.away.difference_update(["tara", "tom"])
    engine.add("b.txt", b"second")
    report = publish(engine.ports)
    assert report.published
    assert [each.name for each in report.dropped] == ["targets-v3"]
    assert {view.event.role for view in engine.events.views()} == {"root", "targets"}
    assert all(view.outdated is None for view in engine.events.views())
    engine.keys.away.clear()
    for view in engine.events.views():
        engine.events.sign(view.event.name)
    assert publish(engine.ports).waiting == ()
    assert engine.events.views() == []
    check_client(engine, tmp_path / "client")


def test_what_nobody_signed_is_renewed_with_targets(engine: Engine, tmp_path: Path) -> None:
    """It waits since before targets was due: both are asked once, and what they sign lives as long as any renewal."""
    engine.add("b.txt", b"second")
    publish(engine.ports)
    engine.ports.clock.advance(timedelta(days=345))
    for _ in range(2):
        assert waits_in_renewal(engine) == ["targets-v4"]
    assert whole(engine, "targets-v4", targets="tara") == []
    assert whole(engine, "targets-v4", targets="tom") == [("targets-v4", None)]
    assert waits_in_renewal(engine) == []
    check_client(engine, tmp_path / "client")


def waits_in_renewal(engine: Engine) -> list[str | None]:
    """The events in which a renewal leaves targets behind."""
    return [each.event for each in renew(engine.ports).waiting if each.name == TARGETS]
