"""A root that lets other people sign targets: who only that root lists signs across the gap, and targets come first."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.clients import Client
from tests.support.engine import Engine, check_client, plan_document

from rstuf.holder.anchors import TrustSource
from rstuf.holder.review import Review, review_bundle
from rstuf.metadata.bundle import DetachedSignature, parse_bundle, render_bundle
from rstuf.model.events import EventKind, EventPhase
from rstuf.model.names import ROOT, TARGETS
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Root v2 is to let `three` sign targets in the place of `two`; nobody has signed yet. Root lives for less long."""
    people = {"signers": ["two"], "threshold": 1, "expires": "365d"}
    root = {"signers": ["one", "two"], "threshold": 1, "expires": "180d"}
    engine = Engine.live(tmp_path / "repository", document=plan_document(targets=people, root=root))
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("three")
    engine.events.open(engine.events.propose(RootUpdate(role=TARGETS, add=("three",), remove=("two",))))
    return engine


def by_holder(engine: Engine, event: str) -> Review:
    """What the bundle of an event says on a machine that trusts the first root and knows nothing else."""
    bundle = parse_bundle(render_bundle(engine.events.bundle(event)), name="bundle")
    return review_bundle(bundle, now=engine.clock.now(), trusted=engine.root(), trusted_from=TrustSource.FILE)


def signature(engine: Engine, event: str, key: str) -> DetachedSignature:
    part = engine.events.bundle(event).parts[0]
    signer = engine.keys.made[key].signer
    return DetachedSignature(part.digest, signer.keyid, signer.sign(part.payload))


def test_the_bundle_brings_the_root_that_lists_its_signer(engine: Engine) -> None:
    """Both roots say who signs targets, and the difference of the proposed one is shown with it."""
    review = by_holder(engine, "targets-v2")
    assert [part.role for part in review.parts] == [TARGETS, ROOT]
    assert [side.label for side in review.parts[0].sides] == ["root v1", "root v2"]
    assert engine.keys.made["three"].entry.keyid in review.may_sign
    assert review.parts[1].root is not None
    assert "and with the root that comes with it" in review.power
    assert [part.role for part in by_holder(engine, "root-v2").parts] == [ROOT]


def test_root_waits_for_the_targets_that_it_needs(engine: Engine, tmp_path: Path) -> None:
    """Signed first, it comes out right after targets that verify from both; no client is disturbed at any point."""
    warm = Client.fresh(tmp_path / "warm", engine.site(), root=engine.root(), now=engine.clock.now())
    warm.refresh()
    done = engine.events.receive([signature(engine, "root-v2", "one")])
    assert done.completions == ()
    root = engine.events.view("root-v2")
    assert (root.after, root.lacking, root.ready) == ("targets-v2", 0, False)
    check_client(engine, tmp_path / "waiting")
    assert engine.events.receive([signature(engine, "targets-v2", "two")]).completions == ()
    done = engine.events.receive([signature(engine, "targets-v2", "three")])
    assert [(each.event.name, each.obstacle) for each in done.completions] == [("targets-v2", None), ("root-v2", None)]
    check_client(engine, tmp_path / "after")
    warm.refresh()
    engine.add("b.txt", b"second")
    publish(engine.ports)
    check_client(engine, tmp_path / "later")


def test_a_signature_of_whom_the_root_listed_no_more_is_left_out(engine: Engine, tmp_path: Path) -> None:
    """Three signed for a root that is dropped: what comes out without it has no signature that nobody asked for."""
    assert engine.events.receive([signature(engine, "targets-v2", "three")]).receptions[0].outcome is Outcome.ADDED
    with engine.ports.state.transaction(actor="test") as state:
        state.close_event(engine.events.view("root-v2").event.id, EventPhase.CANCELLED, at=engine.clock.now())
    done = engine.events.receive([signature(engine, "targets-v2", "two")])
    assert [each.event.name for each in done.completions] == ["targets-v2"]
    assert engine.keys.made["three"].entry.keyid.encode() not in engine.metadata.files["2.targets.json"]
    check_client(engine, tmp_path / "client")


def test_a_root_that_expired_has_no_say(engine: Engine) -> None:
    """Nobody is asked for a signature by it any more, and no bundle brings what its holder would refuse."""
    engine.moved_on(days=200)
    assert (engine.events.view("root-v2").expired, engine.events.view("targets-v2").expired) == (True, False)
    assert [part.role for part in engine.events.bundle("targets-v2").parts] == [TARGETS]
    (part,) = engine.events.view("targets-v2").parts
    assert [side.label for side in part.sides] == ["root v1"]


def test_targets_go_with_a_root_that_expired(engine: Engine, tmp_path: Path) -> None:
    """Renewing says what was dropped for its date and what went with it, and proposes what is due in their place."""
    engine.keys.away = {"one", "two"}
    engine.events.receive([signature(engine, "targets-v2", "two")])
    engine.moved_on(days=200)
    report = renew(engine.ports)
    dropped = [(each.name, each.signed, str(each.why)) for each in report.dropped]
    assert dropped == [("root-v2", (), "expired"), ("targets-v2", ("two",), "beside")]
    assert [(view.event.name, view.event.kind, view.expired) for view in engine.events.views()] == [
        ("root-v2", EventKind.RENEWAL, False)
    ]


def test_a_root_is_not_ready_before_what_expired_is_proposed_anew(tmp_path: Path) -> None:
    """Its targets expired while it waited: it keeps its signatures, and comes out right after new targets."""
    people = {"signers": ["two"], "threshold": 1, "expires": "30d"}
    engine = Engine.live(tmp_path / "repository", document=plan_document(targets=people))
    engine.make_key("three")
    engine.events.open(engine.events.propose(RootUpdate(role=TARGETS, add=("three",), remove=("two",))))
    engine.events.receive([signature(engine, "root-v2", "one")])
    engine.moved_on(days=40)
    root = engine.events.view("root-v2")
    assert (root.after, root.lacks_targets, root.ready) == (None, True, False)
    assert engine.events.complete().completions == ()
    assert [each.name for each in renew(engine.ports).dropped] == ["targets-v2"]
    root = engine.events.view("root-v2")
    assert (root.after, root.lacks_targets, root.ready) == ("targets-v3", False, False)
    done = engine.events.receive([signature(engine, "targets-v3", name) for name in ("two", "three")])
    assert [(each.event.name, each.obstacle) for each in done.completions] == [("targets-v3", None), ("root-v2", None)]
    check_client(engine, tmp_path / "client")
