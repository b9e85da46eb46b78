"""Other delegations that wait while artifacts go on: what others signed can come out, and nobody signs what cannot."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client, plan_document
from tests.unit.repository.test_delegated_events import signature_of, whole

from rstuf.errors import EventOutdated
from rstuf.model.names import RoleName
from rstuf.model.patterns import path_pattern
from rstuf.repository.delegating import DelegationChange, bring_proposal, propose_change
from rstuf.repository.publication_plan import plan_publication
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.reports import PublicationReport
from rstuf.repository.signing_events import Outcome


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Artifacts in bins; tara and tom are known, and away."""
    engine = Engine.live(tmp_path / "repository")
    for number in range(12):
        engine.add(f"files/{number}", b"file %d" % number)
    for path in ("team/one", "team/two"):
        engine.add(path, path.encode())
    publish(engine.ports)
    for name in ("tara", "tom"):
        engine.make_key(name)
    engine.keys.away.update(["tara", "tom"])
    return engine


@pytest.fixture
def signed(engine: Engine) -> Engine:
    """team, which two must sign, waits as team-v1; tara has signed it."""
    delegate(engine, "team", "team/*", signers=("tara", "tom"), threshold=2)
    assert whole(engine, "team-v1", team="tara") == []
    return engine


def names(engine: Engine) -> list[str]:
    """The events that wait."""
    return [view.event.name for view in engine.events.views()]


def behind(report: PublicationReport) -> list[tuple[str, str | None, bool]]:
    """The roles that wait, in which event, and whether more was accepted for them since."""
    return [(each.name, each.event, each.behind) for each in report.waiting]


# --- what others have signed stays good


def test_a_change_of_what_moves_is_kept_back(signed: Engine, tmp_path: Path) -> None:
    """Replaced, added and removed, it stays pending, and all else of its bins comes out; with the delegation it goes
    to its role, and comes out with the version after."""
    clients_see = dict(signed.contents)
    signed.add("team/one", b"another")
    signed.add("team/three", b"three")
    signed.remove("team/two")
    accepted = {path: data for path, data in signed.contents.items() if path.startswith("team/")}
    for number in range(12):
        signed.add(f"files/{number}", b"newer %d" % number)
    report = publish(signed.ports)
    assert behind(report) == [("team", "team-v1", True)]
    signed.contents |= {path: data for path, data in clients_see.items() if path.startswith("team/")}
    del signed.contents["team/three"]
    check_client(signed, tmp_path / "client")
    states = where(signed)
    assert {states[path].split()[1] for path in states if path.startswith("files/")} == {"published"}
    assert (states["team/one"].split()[1], states["team/three"].split()[1]) == ("replacing", "pending")
    assert states["team/two"].split()[1] == "removing"
    assert whole(signed, "team-v1", team="tom") == [("team-v1", None)]
    assert check_client(signed, tmp_path / "client").roles["team"] == 1
    assert where(signed)["team/one"] == "team replacing"
    assert behind(publish(signed.ports)) == [("team", "team-v2", False)]
    assert whole(signed, "team-v2", team="tara") == []
    assert whole(signed, "team-v2", team="tom") == [("team-v2", None)]
    signed.contents.pop("team/two")
    signed.contents |= accepted
    check_client(signed, tmp_path / "client")
    assert "team/two" not in where(signed)
    assert where(signed)["team/three"] == "team published"


def test_what_is_kept_back_is_no_reason_to_publish(signed: Engine) -> None:
    """Where nothing else is to come out nothing is signed anew, however often somebody publishes."""
    signed.add("team/one", b"another")
    before = publish(signed.ports)
    assert plan_publication(signed.ports).roles == ()
    for _ in range(3):
        again = publish(signed.ports)
        assert (again.published, again.timestamp_version) == (False, before.timestamp_version)
        assert behind(again) == [("team", "team-v1", True)]


def test_given_up_it_is_proposed_anew(signed: Engine, tmp_path: Path) -> None:
    """Whoever lets the signatures go publishes at once, and the same delegation waits again, over what is there now."""
    signed.add("team/one", b"another")
    publish(signed.ports)
    report = publish(signed.ports, drop=[signed.events.view("team-v1").event])
    assert behind(report) == [("team", "team-v2", False)]
    assert report.published
    assert report.dropped == ()
    check_client(signed, tmp_path / "client")
    assert whole(signed, "team-v2", team="tara") == []
    assert whole(signed, "team-v2", team="tom") == [("team-v2", None)]
    assert check_client(signed, tmp_path / "client").roles["team"] == 2


def test_cancelled_it_keeps_nothing_back(signed: Engine, tmp_path: Path) -> None:
    """With its event what was kept for it is free."""
    signed.add("team/one", b"another")
    publish(signed.ports)
    signed.events.cancel("team-v1")
    assert publish(signed.ports).waiting == ()
    assert where(signed)["team/one"].endswith("published")
    check_client(signed, tmp_path / "client")


@pytest.mark.parametrize("other", ["delegation", "resize"])
def test_other_ways_to_publish_keep_it_back_too(signed: Engine, tmp_path: Path, other: str) -> None:
    """A delegation elsewhere, or bins of a role, publish what was accepted there, and not what goes with the event."""
    whole(signed, "team-v1", team="tom")
    signed.add("data/x1", b"first")
    publish(signed.ports)
    delegate(signed, "data", "data/*", "data/sub/*")
    delegate(signed, "early", "data/x*", signers=("tara", "tom"), threshold=2, before=RoleName("data"))
    assert whole(signed, "early-v1", early="tara") == []
    signed.add("data/x1", b"second")
    signed.contents["data/x1"] = b"first"
    signed.add("data/sub/y", b"one")
    if other == "delegation":
        delegate(signed, "sub", "data/sub/*", parent="data")
    else:
        resize_bins(signed.ports, 2, role=RoleName("data"))
    assert where(signed)["data/x1"].endswith("replacing")
    assert where(signed)["data/sub/y"].endswith("published")
    check_client(signed, tmp_path / "client")
    assert whole(signed, "early-v1", early="tom") == [("early-v1", None)]
    assert where(signed)["data/x1"] == "early replacing"
    check_client(signed, tmp_path / "client")


# --- what nobody else has signed gives its place


@pytest.mark.parametrize("change", ["replaced", "added", "removed"])
def test_what_nobody_signed_is_proposed_anew(engine: Engine, tmp_path: Path, change: str) -> None:
    """The change is published, and whoever signs then is shown what comes out; what they would have signed is gone."""
    delegate(engine, "team", "team/*", signers=("tara",))
    old = signature_of(engine, "team-v1", "team", "tara")
    if change == "removed":
        engine.remove("team/one")
    else:
        engine.add("team/one" if change == "replaced" else "team/new", b"another")
    report = publish(engine.ports)
    assert (report.published, behind(report)) == (True, [("team", "team-v2", False)])
    check_client(engine, tmp_path / "client")
    assert [each.outcome for each in engine.events.receive([old]).receptions] == [Outcome.REFUSED]
    assert whole(engine, "team-v2", team="tara") == [("team-v2", None)]
    assert check_client(engine, tmp_path / "client").roles["team"] == 2


def test_what_has_nothing_to_do_with_it_leaves_it(engine: Engine) -> None:
    """Other artifacts come and go, and the event stays as it is."""
    delegate(engine, "team", "team/*", signers=("tara",))
    engine.add("files/1", b"another")
    assert behind(publish(engine.ports)) == []
    assert names(engine) == ["team-v1"]


# --- what cannot come out any more says so


def outdated(engine: Engine) -> str:
    """Why the one event can come out no more; nobody can sign it, take its bundle, or bring signatures of it."""
    (view,) = engine.events.views()
    assert view.outdated is not None
    assert not view.ready
    for ask in (engine.events.bundle, engine.events.sign):
        with pytest.raises(EventOutdated):
            ask(view.event.name)
    return view.outdated.why


def test_renewed_without_it_a_role_outdates_it(engine: Engine, tmp_path: Path) -> None:
    """A role of the event that runs out is renewed by who is here; what waits comes anew, with all who are here."""
    engine.keys.away.clear()
    delegate(engine, "team", "team/*", signers=("tara",))
    engine.keys.away.update(["tara", "tom"])
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    assert names(engine) == ["team-v2"]
    assert whole(engine, "team-v2", team="tom") == []
    early = signature_of(engine, "team-v2", "team", "tara")
    engine.ports.clock.advance(timedelta(days=340))
    engine.keys.away.clear()
    report = renew(engine.ports)
    (reception,) = engine.events.receive([early]).receptions
    assert reception.outcome is Outcome.REFUSED
    assert (names(engine), report.waiting, report.dropped) == ([], (), ())
    assert check_client(engine, tmp_path / "client").roles["team"] == 4


def test_what_would_have_no_place_outdates_it(tmp_path: Path) -> None:
    """Accepted where it is now, and found by nobody with what waits: that is told, and in nobody's way."""
    document = plan_document()
    del document["bins"]
    document["delegations"] = [{"name": "wide", "paths": ["wide/*", "other/*"]}]
    engine = Engine.live(tmp_path / "repository", document=document)
    engine.add("wide/one", b"one")
    publish(engine.ports)
    for name in ("tara", "tom"):
        engine.make_key(name)
    engine.keys.away.update(["tara", "tom"])
    change = DelegationChange(paths=(path_pattern("wide/*"),), signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("wide"), change))
    (name,) = names(engine)
    assert whole(engine, name, wide="tara") == []
    engine.add("other/two", b"two")
    assert outdated(engine) == "other/two was accepted since, and clients would not find it then"
    (view,) = engine.events.views()
    assert view.outdated is not None
    assert view.outdated.again == f"rstuf event cancel {name}"
    assert publish(engine.ports).published
    check_client(engine, tmp_path / "client")
    assert names(engine) == [name]
    engine.remove("other/two")
    publish(engine.ports)
    (again,) = names(engine)
    assert whole(engine, again, wide="tara") == []
    assert whole(engine, again, wide="tom") == [(again, None)]
    check_client(engine, tmp_path / "client")
