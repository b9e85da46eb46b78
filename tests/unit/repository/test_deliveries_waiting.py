"""Roles that somebody signed elsewhere, while they wait: for other signatures, beside what is accepted here."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.deliveries import NEW, accept, look, refused, two_of_two, whole, with_a_delegate
from tests.support.elsewhere import made, said, signed_json
from tests.support.engine import Engine, check_client, client_of

from rstuf.errors import DeliveryRefused, EventOpen, InvalidInput
from rstuf.model.keys import Loss
from rstuf.model.names import RoleName
from rstuf.model.patterns import path_pattern
from rstuf.model.policy import Periods
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    bring_proposal,
    propose_addition,
    propose_change,
    propose_removal,
)
from rstuf.repository.deliveries import take_delivery
from rstuf.repository.publish import publish
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """team, signed by tara, whose key went away after its first version, which lists team/old."""
    return with_a_delegate(tmp_path / "repository")


def test_below_the_threshold_it_waits_for_the_others(engine: Engine, tmp_path: Path) -> None:
    """Nobody sees it; tom's signature may come from the bundle, in a file of his, or in one with both."""
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    engine.keys.away.update(["tara", "tom"])
    version = json.loads(engine.metadata.files["timestamp.json"])["signed"]["version"]
    for number, bring in enumerate(("bundle", "file", "both"), start=4):
        contents = {f"team/{bring}": bring.encode()}
        signed = said(engine, number, contents)
        first = accept(engine, signed_json(engine, signed, by=["tara"]), contents)
        assert first.completion is None
        assert first.waits is not None
        assert (first.waits.event.name, first.waits.lacking) == (f"team-v{number}", 1)
        assert f"team/{bring}" not in where(engine)
        again = accept(engine, signed_json(engine, signed, by=["tara"], indent=1))
        assert again.waits is not None
        assert again.waits.event.id == first.waits.event.id
        # What publishes meanwhile neither signs it nor proposes another in its place.
        publish(engine.ports)
        assert [view.lacking for view in engine.events.views()] == [1]
        if bring == "bundle":
            done = engine.events.receive([engine.signature(f"team-v{number}", "tom")]).completions[0]
        else:
            data = signed_json(engine, signed, by=["tom"] if bring == "file" else ["tom", "tara"], indent=2)
            found = accept(engine, data).completion
            assert found is not None
            done = found
        assert done.obstacle is None
        assert where(engine)[f"team/{bring}"] == "team published"
        if bring == "both":
            assert engine.metadata.files[f"{number}.team.json"] == data
        engine.contents = {"a.txt": b"first"} | contents
        check_client(engine, tmp_path / "warm")
        check_client(engine, tmp_path / f"cold-{number}")
    assert json.loads(engine.metadata.files["timestamp.json"])["signed"]["version"] == version + 3
    whole(engine)


def test_what_was_accepted_here_goes_only_on_purpose(engine: Engine, tmp_path: Path) -> None:
    """Changes that a delegate's file does not have are named; let go, they are gone, and their event with them."""
    engine.add("team/here", b"here")
    publish(engine.ports)
    (view,) = engine.events.views()
    assert view.event.name == "team-v3"
    refused(engine, made(engine, "team", 3, NEW, by=["tara"]), "version-taken")
    data = made(engine, "team", 4, NEW, by=["tara"])
    shown = look(engine, data)
    assert shown.lost == ("team/here",)
    assert [each.event.name for each in shown.drops] == ["team-v3"]
    error = refused(engine, data, "pending", contents=NEW)
    assert "team/here" in error.message
    with pytest.raises(EventOpen):
        take_delivery(engine.ports, shown, elsewhere=True, lose=True)
    accept(engine, data, NEW, lose=True)
    assert "team/here" not in where(engine)
    del engine.contents["team/here"]
    check_client(engine, tmp_path / "client")
    assert engine.events.views() == []
    assert not publish(engine.ports).waiting
    whole(engine)


def test_what_was_accepted_here_and_is_in_it_is_not_lost(engine: Engine, tmp_path: Path) -> None:
    """A delegate who lists what waits here takes nothing away."""
    engine.add("team/here", b"here")
    contents = {"team/here": b"here", "team/old": b"old"}
    shown = look(engine, made(engine, "team", 3, contents, by=["tara"]))
    assert (shown.lost, shown.added, shown.unchanged) == ((), ("team/here",), 1)
    accept(engine, made(engine, "team", 3, contents, by=["tara"]))
    check_client(engine, tmp_path / "client")
    assert not publish(engine.ports).waiting


def test_what_is_accepted_later_waits_behind_it(engine: Engine, tmp_path: Path) -> None:
    """It comes out as it was brought, and what came after is proposed over that."""
    accept(engine, made(engine, "team", 3, NEW, by=["tara"]), NEW)
    engine.add("team/later", b"later")
    (waiting,) = publish(engine.ports).waiting
    assert waiting.event == "team-v4"
    done = engine.events.receive([engine.signature("team-v4", "tara")])
    assert [each.obstacle for each in done.completions] == [None]
    check_client(engine, tmp_path / "client")
    whole(engine)


def test_a_role_that_nobody_has_seen_waits_for_its_first_version(engine: Engine, tmp_path: Path) -> None:
    """The delegation comes out with that; then whatever is above it is accepted."""
    delegate(engine, "ops", "ops/*", signers=("tara",))
    error = refused(engine, made(engine, "ops", 2, {"ops/x": b"x"}, by=["tara"]), "delegation", role="ops")
    assert "rstuf bundle export ops-v1" in str(error.hint)
    part = next(part for part in engine.events.bundle("ops-v1").parts if part.role == "ops")
    engine.make_key("eve")
    with pytest.raises(DeliveryRefused, match="eve, which may not sign ops"):
        accept(engine, signed_json(engine, part.signed, by=["eve"]), role="ops")
    first = accept(engine, signed_json(engine, part.signed, by=["tara"], indent=1), role="ops")
    assert first.completion is not None
    assert first.completion.obstacle is None
    assert first.delivery.before == 0
    accept(engine, made(engine, "ops", 2, {"ops/x": b"x"}, by=["tara"]), {"ops/x": b"x"}, role="ops")
    engine.contents["team/old"] = b"old"
    check_client(engine, tmp_path / "client")


def test_what_rests_on_a_key_that_leaked_takes_a_yes(engine: Engine, tmp_path: Path) -> None:
    """Somebody else may have made it. Where enough others have signed, or nothing changes, it is only told."""
    data = made(engine, "team", 3, NEW, by=["tara"])
    before = look(engine, data)
    engine.events.report_loss("tara", Loss.LEAKED)
    shown = look(engine, data)
    assert shown.leaked == shown.signed
    error = refused(engine, data, "leaked", contents=NEW)
    assert "without tara, whose key leaked" in error.message
    with pytest.raises(DeliveryRefused, match="leaked"):
        # That it leaked was said after the file was shown.
        take_delivery(engine.ports, before, elsewhere=True, leaked=True)
    accept(engine, data, NEW, leaked=True)
    assert accept(engine, data).delivery.published
    check_client(engine, tmp_path / "client")


def test_enough_others_are_enough(engine: Engine) -> None:
    """A signature by a key that leaked is told, and keeps nothing back that does not need it."""
    engine.make_key("tom")
    engine.keys.away.clear()
    bring_proposal(
        engine.ports, propose_change(engine.ports, RoleName("team"), DelegationChange(signers=("tara", "tom")))
    )
    engine.events.report_loss("tara", Loss.LEAKED)
    shown = look(engine, made(engine, "team", 4, NEW, by=["tara", "tom"]))
    assert (len(shown.leaked), shown.rests_on_leaked) == (1, False)
    accept(engine, made(engine, "team", 4, NEW, by=["tara", "tom"]), NEW)


def test_what_waits_is_judged_by_how_long_the_role_lives_now(engine: Engine) -> None:
    """A first version by what its event says, and nothing else; what was brought, by a period that came since."""
    lives = Periods.of(timedelta(days=30))
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    signed = said(engine, 4, NEW)
    accept(engine, signed_json(engine, signed, by=["tara"]), NEW)
    with engine.ports.state.transaction(actor="test") as state:
        state.set_periods(RoleName("team"), lives)
    refused(engine, signed_json(engine, signed, by=["tom"]), "expires")
    engine.keys.away.update(["tara", "tom"])
    delegate(engine, "ops", "ops/*", signers=("tara",), periods=lives)
    part = next(part for part in engine.events.bundle("ops-v1").parts if part.role == "ops")
    shown = look(engine, signed_json(engine, part.signed, by=["tara"]), role="ops")
    assert (shown.periods, shown.late) == (lives, False)


def test_a_removal_since_then_comes_after_what_waited(engine: Engine, tmp_path: Path) -> None:
    """What was removed while a file waited that lists it comes out with that, and goes with the next version."""
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    engine.keys.away.update(["tara", "tom"])
    contents = {"team/old": b"old", **NEW}
    signed = said(engine, 4, contents)
    accept(engine, signed_json(engine, signed, by=["tara"]), contents)
    engine.remove("team/old")
    report = accept(engine, signed_json(engine, signed, by=["tom"]))
    assert report.completion is not None
    assert report.completion.obstacle is None
    engine.contents.update(contents)
    check_client(engine, tmp_path / "warm")
    (waiting,) = publish(engine.ports).waiting
    (part,) = engine.events.bundle(waiting.event).parts
    assert set(part.signed["targets"]) == set(NEW)
    whole(engine)


def test_nothing_that_was_not_shown_goes_with_it(engine: Engine) -> None:
    """Changes that are accepted between the look and the yes are named anew, and nothing is changed."""
    engine.add("team/here", b"here")
    data = made(engine, "team", 3, NEW, by=["tara"])
    shown = look(engine, data)
    assert shown.lost == ("team/here",)
    engine.add("team/later", b"later")
    with pytest.raises(InvalidInput, match="team/later"):
        take_delivery(engine.ports, shown, elsewhere=True, lose=True)
    assert where(engine)["team/here"] == "team pending"
    accept(engine, data, NEW, lose=True)
    assert set(where(engine)) == {"a.txt", "team/new"}


def test_an_obstacle_keeps_it_waiting(engine: Engine, tmp_path: Path) -> None:
    """The online key is away: it is recorded, with all its signatures, and comes out with the next publication."""
    engine.keys.away.add("online")
    data = made(engine, "team", 3, NEW, by=["tara"])
    report = accept(engine, data, NEW)
    assert report.completion is not None
    assert report.completion.obstacle is not None
    assert where(engine)["team/new"] == "team awaiting"
    engine.keys.away.discard("online")
    assert publish(engine.ports).published
    assert engine.metadata.files["3.team.json"] == data
    check_client(engine, tmp_path / "client")
    whole(engine)


def test_what_was_cancelled_can_be_brought_again(engine: Engine, tmp_path: Path) -> None:
    """The same file is the one content of its version, whatever became of it; another one of that version is not."""
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    engine.keys.away.update(["tara", "tom"])
    signed = said(engine, 4, NEW)
    accept(engine, signed_json(engine, signed, by=["tara"]), NEW)
    engine.events.cancel("team-v4")
    refused(engine, signed_json(engine, said(engine, 4, {}), by=["tara", "tom"]), "version-taken", lose=True)
    data = signed_json(engine, signed, by=["tara", "tom"], indent=1)
    report = accept(engine, data, NEW)
    assert report.completion is not None
    assert engine.metadata.files["4.team.json"] == data
    check_client(engine, tmp_path / "client")
    whole(engine)


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("way", ["removed", "signed by others", "other paths"])
def test_what_too_few_signed_comes_out_by_no_other_way(
    engine: Engine, tmp_path: Path, way: str, cancelled: bool
) -> None:
    """The role goes, the online key signs it, or another has its paths: nothing that one of two said is published."""
    two_of_two(engine)
    known = {"team/known": b"known"}
    accept(engine, signed_json(engine, said(engine, 4, known), by=["tara", "tom"]), known)
    evil = known | {"team/evil": b"evil"}
    waits = accept(engine, signed_json(engine, said(engine, 5, evil), by=["tara"]), evil).waits
    assert waits is not None
    if cancelled:
        engine.events.cancel(waits.event.name)
    team = RoleName("team")
    if way == "removed":
        proposal = propose_removal(engine.ports, team)
    elif way == "signed by others":
        proposal = propose_change(engine.ports, team, DelegationChange(signers=("online",), threshold=1))
    else:
        plan = DelegationPlan(name=RoleName("other"), paths=(path_pattern("team/*"),), before=team)
        proposal = propose_addition(engine.ports, plan)
    bring_proposal(engine.ports, proposal, drop=True)
    publish(engine.ports)
    assert "team/evil" not in where(engine)
    client = client_of(engine, tmp_path / "client")
    client.refresh()
    assert client.find("team/evil") is None
    assert client.find("team/known") is not None or way != "removed"


def test_what_was_accepted_here_comes_after_what_others_signed(engine: Engine, tmp_path: Path) -> None:
    """While the second signature is missing, a path is changed here: it is kept, and waits for the next version."""
    two_of_two(engine)
    first = {"team/a": b"theirs", "team/b": b"theirs"}
    waits = accept(engine, signed_json(engine, said(engine, 4, first), by=["tara"]), first).waits
    assert waits is not None
    engine.add("team/a", b"ours")
    done = engine.events.receive([engine.signature(waits.event.name, "tom")]).completions[0]
    assert done.obstacle is None
    assert {path: state for path, state in where(engine).items() if path.startswith("team/")} == {
        "team/a": "team replacing",
        "team/b": "team published",
    }
    engine.contents["team/a"] = b"theirs"
    client = client_of(engine, tmp_path / "client")
    client.refresh()
    target = client.find("team/a")
    assert target is not None
    assert target.length == len(b"theirs")
    assert verify_own(engine.ports, depth=Depth.FULL).problems == ()
