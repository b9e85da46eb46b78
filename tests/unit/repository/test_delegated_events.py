"""Roles below targets whose people are elsewhere: what they list waits in signing events until they have signed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.delegated import delegate, undelegate, where
from tests.support.engine import Engine, check_client
from tests.support.faulty import Power, made_faulty

from rstuf.errors import EventOpen, RstufError
from rstuf.metadata.bundle import DetachedSignature
from rstuf.model.artifacts import ArtifactState
from rstuf.model.names import RoleName
from rstuf.model.patterns import path_pattern
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    bring_proposal,
    propose_addition,
    propose_change,
)
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
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


def whole(engine: Engine, event: str, **by: str) -> list[tuple[str, RstufError | None]]:
    """Holders sign their parts; what became of the events that were complete then."""
    done = engine.events.receive([signature_of(engine, event, role, key) for role, key in by.items()])
    assert all(each.outcome is not Outcome.REFUSED for each in done.receptions)
    return [(each.event.name, each.obstacle) for each in done.completions]


@pytest.fixture
def away(tmp_path: Path) -> Engine:
    """Artifacts in bins; tara and tom are known, and away."""
    engine = Engine.live(tmp_path / "repository")
    for path in ("a.txt", "team/one", "team/two", "team/inner/x"):
        engine.add(path, path.encode())
    publish(engine.ports)
    for name in ("tara", "tom"):
        engine.make_key(name)
    engine.keys.away.update(["tara", "tom"])
    return engine


def test_what_is_accepted_meanwhile_is_not_lost(away: Engine, tmp_path: Path) -> None:
    """Pending when all comes out, it is pending in the role then, and waits for tara in the next event."""
    delegate(away, "team", "team/*", signers=("tara",))
    away.add("team/three", b"three")
    assert whole(away, "team-v1", team="tara") == [("team-v1", None)]
    assert where(away)["team/three"] == "team pending"
    assert waits(away).event == "team-v2"
    assert whole(away, "team-v2", team="tara") == [("team-v2", None)]
    check_client(away, tmp_path / "client")


def test_other_signers_take_over(away: Engine, tmp_path: Path) -> None:
    """The role is signed by those who are to sign it, and comes out together with what names them."""
    delegate(away, "team", "team/*", signers=("tara",))
    assert whole(away, "team-v1", team="tara") == [("team-v1", None)]
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    report = bring_proposal(away.ports, propose_change(away.ports, RoleName("team"), change))
    assert report.waits is not None
    assert whole(away, "team-v2", team="tara") == []
    check_client(away, tmp_path / "client")
    assert whole(away, "team-v2", team="tom") == [("team-v2", None)]
    check_client(away, tmp_path / "client")


def test_a_parent_that_people_sign_comes_along(away: Engine, tmp_path: Path) -> None:
    """A role below one of theirs: both wait in one event, for each of them the part that is theirs."""
    delegate(away, "team", "team/*", "team/inner/*", signers=("tara",))
    assert whole(away, "team-v1", team="tara") == [("team-v1", None)]
    report = delegate(away, "inner", "team/inner/*", parent="team", signers=("tom",))
    assert report.waits is not None
    assert [part.part.role for part in report.waits.parts] == ["inner", "team"]
    assert [side.label for side in report.waits.parts[0].sides] == ["team v2"]
    assert whole(away, "inner-v1", inner="tom") == []
    check_client(away, tmp_path / "client")
    assert whole(away, "inner-v1", team="tara") == [("inner-v1", None)]
    assert where(away)["team/inner/x"] == "inner published"
    check_client(away, tmp_path / "client")
    report = undelegate(away, "inner")
    assert report.waits is not None
    assert whole(away, report.waits.event.name, team="tara") == [(report.waits.event.name, None)]
    assert where(away)["team/inner/x"] == "team published"
    check_client(away, tmp_path / "client")


def test_a_change_says_what_it_drops(away: Engine) -> None:
    """What waits for the same roles is shown beforehand, and stays where nobody says that it may go."""
    delegate(away, "team", "team/*", signers=("tara",))
    plan = DelegationPlan(name=RoleName("other"), paths=(path_pattern("other/*"),))
    proposal = propose_addition(away.ports, plan)
    assert [view.event.name for view in proposal.drops] == ["team-v1"]
    with pytest.raises(EventOpen):
        bring_proposal(away.ports, proposal)
    assert bring_proposal(away.ports, proposal, drop=True).publication is not None
    assert away.events.views() == []


def test_bins_of_such_a_role_wait_for_its_people(away: Engine, tmp_path: Path) -> None:
    """The role that shares its artifacts out is theirs; the bins are signed by the online key, and come out with it."""
    delegate(away, "team", "team/*", signers=("tara",))
    assert whole(away, "team-v1", team="tara") == [("team-v1", None)]
    report = resize_bins(away.ports, 2, role=RoleName("team"))
    assert report.waits is not None
    check_client(away, tmp_path / "client")
    assert whole(away, "team-v2", team="tara") == [("team-v2", None)]
    assert where(away)["team/one"].startswith("team-bins-")
    check_client(away, tmp_path / "client")


def test_two_roles_that_list_nothing_are_told_apart(away: Engine, tmp_path: Path) -> None:
    """Their first versions may be the same bytes: one signature then counts for both, and for neither twice."""
    for name in ("red", "blue"):
        delegate(away, name, f"{name}/*", signers=("tara",), parent="targets")
        assert whole(away, f"{name}-v1", **{name: "tara"}) == [(f"{name}-v1", None)]
    renewed = renew(away.ports, force=("red", "blue"))
    assert [each.event for each in renewed.waiting] == ["red-v2", "blue-v2"]
    done = whole(away, "red-v2", red="tara")
    assert sorted(done) == [("blue-v2", None), ("red-v2", None)]
    check_client(away, tmp_path / "client")


@pytest.mark.parametrize("kept", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", ["1.team.json", "targets.json", "snapshot.json", "timestamp.json"])
def test_cut_off_it_comes_out_whole(away: Engine, tmp_path: Path, name: str, kept: bool) -> None:
    """Wherever the power goes while it comes out, clients find everything then, and the next command ends it."""
    delegate(away, "team", "team/*", signers=("tara",))
    engine, faulty = made_faulty(away)
    faulty.at = lambda written: written.endswith(name)
    faulty.after = kept
    with pytest.raises(Power):
        engine.events.receive([signature_of(engine, "team-v1", "team", "tara")])
    check_client(engine, tmp_path / "client")
    publish(engine.ports)
    assert engine.events.views() == []
    assert where(engine)["team/one"] == "team published"
    assert check_client(engine, tmp_path / "client").roles["team"] == 1


def test_what_is_signed_here_is_renewed_meanwhile(away: Engine, tmp_path: Path) -> None:
    """targets, and the role that is to have the bins, live on while others take their time; then all comes out."""
    delegate(away, "team", "team/*", signers=("tara",))
    delegate_before = away.events.view("team-v1").parts
    assert [part.part.role for part in delegate_before] == ["team", "targets", "bins"]
    report = renew(away.ports, force=("targets",))
    assert report.waiting == ()
    view = check_client(away, tmp_path / "client")
    assert view.targets == 3
    assert whole(away, "team-v1", team="tara") == [("team-v1", None)]
    assert check_client(away, tmp_path / "client").targets == 4


def test_a_parent_that_is_signed_here_goes_on(away: Engine, tmp_path: Path) -> None:
    """What is added to a role of the online key is published, though a role below it waits for somebody."""
    delegate(away, "data", "data/*", "data/inner/*")
    delegate(away, "inner", "data/inner/*", parent="data", signers=("tara",))
    away.add("data/one", b"one")
    assert publish(away.ports).waiting == ()
    assert where(away)["data/one"] == "data published"
    assert whole(away, "inner-v1", inner="tara") == [("inner-v1", None)]
    check_client(away, tmp_path / "client")


def test_all_bins_are_renewed_with_the_role_that_has_them(away: Engine, tmp_path: Path) -> None:
    """By one name: it is that of the role, too, once targets delegates by names."""
    delegate(away, "data", "data/*")
    report = renew(away.ports, force=("bins",))
    assert {change.name for change in report.publication.roles} >= {"bins", "bins-0", "bins-1", "bins-2", "bins-3"}
    check_client(away, tmp_path / "client")


def test_what_nobody_signed_is_renewed_with_its_role(engine: Engine, tmp_path: Path) -> None:
    """It waits since before its role was due: tara is asked once, and what she signs lives as long as any renewal.
    What is accepted since stays pending."""
    assert waits(engine).event == "team-v2"
    engine.ports.clock.advance(timedelta(days=345))
    engine.add("team/two", b"two")
    for _ in range(2):
        (waiting,) = (each for each in renew(engine.ports).waiting if each.name == "team")
        assert waiting.event == "team-v3"
    assert where(engine)["team/two"] == "team pending"
    assert engine.events.receive([engine.signature("team-v3", "tara")]).receptions[0].outcome is Outcome.ADDED
    assert where(engine)["team/one"] == "team published"
    assert [each.name for each in renew(engine.ports).waiting] == []
    del engine.contents["team/two"]
    check_client(engine, tmp_path / "client")


def test_what_others_signed_stays_when_its_role_is_due(tmp_path: Path) -> None:
    """One of two has signed it: that is not lost, whatever it has left to live."""
    engine = Engine.live(tmp_path / "repository")
    for name in ("tara", "tom"):
        engine.make_key(name)
    delegate(engine, "team", "team/*", signers=("tara", "tom"), threshold=2)
    engine.keys.away.update(["tara", "tom"])
    engine.add("team/one", b"one")
    assert waits(engine).event == "team-v2"
    assert whole(engine, "team-v2", team="tara") == []
    engine.ports.clock.advance(timedelta(days=345))
    (waiting,) = (each for each in renew(engine.ports).waiting if each.name == "team")
    assert waiting.event == "team-v2"
    assert whole(engine, "team-v2", team="tom") == [("team-v2", None)]
    check_client(engine, tmp_path / "client")
