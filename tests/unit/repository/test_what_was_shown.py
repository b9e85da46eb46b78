"""What people sign is what they were shown: nothing that took its place, nothing that expired, nothing unasked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import EXPIRES, Engine, check_client, plan_document
from tests.support.plans import plan_data

from rstuf.errors import EventExpired, EventOpen, EventReplaced, SigningError
from rstuf.model.events import EventKind
from rstuf.model.names import ROOT, TARGETS
from rstuf.model.policy import Periods
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome, open_event

DAY = timedelta(days=1)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Root takes two of three, and lives for thirty days."""
    document = plan_data(signers=("one", "two", "three"), threshold=2, expires=EXPIRES | {"root": "30d"})
    engine = Engine.live(tmp_path / "repository", document=document)
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("four")
    return engine


def digests(engine: Engine, event: str) -> set[str]:
    return {part.digest for part in engine.events.view(event).parts}


def test_what_took_the_place_of_what_was_shown_is_not_signed(engine: Engine) -> None:
    """Between the screen and the signature another proposal got its name: it is refused, and nobody has signed it."""
    engine.events.open(engine.events.propose(RootUpdate(add=("four",))))
    shown = digests(engine, "root-v2")
    engine.events.cancel("root-v2")
    engine.events.open(engine.events.propose(RootUpdate(threshold=1)))
    with pytest.raises(EventReplaced):
        engine.events.sign("root-v2", shown=shown)
    assert engine.events.view("root-v2").signed == ()
    assert engine.events.sign("root-v2", shown=digests(engine, "root-v2")).completions


def test_what_expired_is_dropped_and_proposed_anew(engine: Engine, tmp_path: Path) -> None:
    """A renewal whose signers came too late: `renew` says whose signatures go, and signs another with who is here."""
    engine.keys.away |= {"two", "three"}
    engine.moved_on(days=24)
    waiting = renew(engine.ports)
    assert [role.event for role in waiting.waiting] == ["root-v2"]
    assert len(engine.events.view("root-v2").signed) == 1
    late = engine.signature("root-v2", "two")
    engine.keys.away.clear()
    engine.moved_on(days=30)
    view = engine.events.view("root-v2")
    assert (view.expired, view.ready, view.here) == (True, False, ())
    for refused in (lambda: engine.events.sign("root-v2"), lambda: engine.events.bundle("root-v2")):
        with pytest.raises(EventExpired):
            refused()
    (reception,) = engine.events.receive([late]).receptions
    assert (reception.outcome, "expired" in str(reception.error)) == (Outcome.REFUSED, True)
    report = renew(engine.ports)
    assert [(each.name, each.signed) for each in report.dropped] == [("root-v2", ("one",))]
    assert report.root_version == 2
    assert engine.events.views() == []
    check_client(engine, tmp_path / "client")


def test_an_expired_update_stands_in_no_renewals_way(engine: Engine, tmp_path: Path) -> None:
    """An update with a short life that nobody signed is gone when root itself is due."""
    proposal = engine.events.propose(RootUpdate(add=("four",), periods=Periods(5 * DAY, DAY)))
    engine.events.open(proposal)
    engine.moved_on(days=24)
    report = renew(engine.ports)
    assert ([each.name for each in report.dropped], report.root_version) == (["root-v2"], 2)
    check_client(engine, tmp_path / "client")


def test_what_a_rotation_waits_for_is_proposed_again_once_it_expired(engine: Engine, tmp_path: Path) -> None:
    """The rotation of an online key outlives its root proposal."""
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2")
    engine.moved_on(days=31)
    renew(engine.ports)
    (view,) = engine.events.views()
    assert (view.event.kind, view.event.id) == (EventKind.ROTATION, 2)
    engine.events.sign(view.event.name)
    engine.moved_on(days=2)
    renew(engine.ports)
    assert engine.rotations.current() is None
    check_client(engine, tmp_path / "client")


def test_only_what_was_shown_is_dropped(engine: Engine) -> None:
    """Somebody signs what waits while another proposal is looked at: it is not dropped unseen."""
    engine.events.open(engine.events.propose(RootUpdate(add=("four",))))
    proposal = engine.events.propose(RootUpdate(threshold=1))
    assert [view.event.name for view in proposal.drops] == ["root-v2"]
    engine.events.receive([engine.signature("root-v2", "one")])
    with pytest.raises(EventOpen, match="with the signatures of one"):
        engine.events.open(proposal, drop=True)
    assert len(engine.events.view("root-v2").signed) == 1
    engine.events.open(engine.events.propose(RootUpdate(threshold=1)), drop=True)
    assert engine.events.view("root-v2").signed == ()


def test_all_that_is_dropped_is_shown_and_all_is_opened_or_nothing(tmp_path: Path) -> None:
    """A root that changes who signs targets needs both: an open event of either is named, and one alone is no half."""
    people = {"signers": ["two"], "threshold": 1, "expires": "365d"}
    engine = Engine.live(tmp_path / "repository", document=plan_document(targets=people))
    engine.make_key("three")
    engine.keys.away.add("two")
    assert [role.event for role in renew(engine.ports, force=["targets"]).waiting] == ["targets-v2"]
    proposal = engine.events.propose(RootUpdate(role=TARGETS, add=("three",), remove=("two",)))
    assert [view.event.name for view in proposal.drops] == ["targets-v2"]
    with pytest.raises(EventOpen):
        engine.events.open(proposal)
    assert [view.event.name for view in engine.events.views()] == ["targets-v2"]
    engine.events.open(proposal, drop=True)
    assert [view.event.name for view in engine.events.views()] == ["root-v2", "targets-v3"]


def test_a_preview_has_the_codes_that_signers_compare(tmp_path: Path) -> None:
    """Each event has its own code, before it is opened and after."""
    people = {"signers": ["two"], "threshold": 1, "expires": "365d"}
    engine = Engine.live(tmp_path / "repository", document=plan_document(targets=people))
    engine.make_key("three")
    proposal = engine.events.propose(RootUpdate(role=TARGETS, add=("three",), remove=("two",)))
    before = {bundle.event: bundle.code for bundle in engine.events.preview(proposal)}
    engine.events.open(proposal)
    views = engine.events.views()
    assert before == {view.event.name: engine.events.bundle(view.event.name).code for view in views}
    assert before == {view.event.name: engine.events.code_of(view.event) for view in views}


def test_only_a_plain_renewal_is_signed_unasked(engine: Engine) -> None:
    """What calls itself a renewal and changes more, or lives longer than usual, waits until somebody has seen it."""
    engine.keys.away |= {"one", "two", "three"}
    engine.moved_on(days=24)
    renew(engine.ports)
    engine.events.cancel("root-v2")
    other = engine.events.propose(RootUpdate(threshold=1)).root
    longer = engine.events.propose(RootUpdate(periods=Periods(900 * DAY, DAY))).root
    engine.keys.away.clear()
    for proposed in (other, longer):
        with engine.ports.state.publication_lock(purpose="test"):
            waits = [view.event for view in engine.events.views()]
            open_event(engine.ports, [replace(proposed)], kind=EventKind.RENEWAL, drop=waits)
        renew(engine.ports)
        (view,) = engine.events.views()
        assert view.signed == ()
    assert engine.events.views()[0].event.role == ROOT


def test_a_key_that_refuses_keeps_nobody_from_signing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One says no when it is asked to sign: the others sign, and it is named with its reason."""
    engine.events.open(engine.events.propose(RootUpdate(add=("four",))))

    def refuse(payload: bytes) -> str:
        raise SigningError("cannot sign with one", hint="confirm it in the agent")

    monkeypatch.setattr(engine.keys.made["one"].signer, "sign", refuse)
    done = engine.events.sign("root-v2")
    assert [each.event.name for each in done.completions] == ["root-v2"]
    assert [(each.name, each.reason) for each in done.closed] == [("one", "cannot sign with one")]


def test_a_late_signature_is_judged_too(engine: Engine) -> None:
    """For an event that has ended: a true one is not needed, a bad one and a stranger's are refused with the reason."""
    engine.events.open(engine.events.propose(RootUpdate(remove=("three",))))
    late = engine.signature("root-v2", "three")
    stranger = engine.signature("root-v2", "four")
    engine.events.sign("root-v2", keyids=[engine.keys.made[name].entry.keyid for name in ("one", "two")])
    bad = replace(late, sig=late.sig[:-2] + ("00" if late.sig[-2:] != "00" else "11"))
    outcomes = [each.outcome for each in engine.events.receive([late, bad, stranger]).receptions]
    assert outcomes == [Outcome.NOT_NEEDED, Outcome.REFUSED, Outcome.REFUSED]
