"""What a change of delegations leaves: with other signers, in roles that leave, beside others who come meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import Engine, check_client, client_of
from tests.support.faulty import Power, leave_committing
from tests.support.moments import Moments

from rstuf.errors import InvalidInput, PathsDisputed, SigningError
from rstuf.model.artifacts import ArtifactState, View
from rstuf.model.names import TARGETS, RoleName, target_path
from rstuf.model.patterns import path_pattern
from rstuf.model.policy import Periods
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    DelegationProposal,
    bring_proposal,
    propose_addition,
    propose_change,
    propose_removal,
)
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.state.beside import _agrees

TEAM, SUB = RoleName("team"), RoleName("sub")
NINE_DAYS = Periods.of(timedelta(days=9))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = Engine.live(tmp_path / "repository")
    engine.make_key("dev")
    for path in ("a", "team/x", "team/y"):
        engine.add(path, path.encode())
    publish(engine.ports)
    return engine


def proposed(engine: Engine, name: str, *paths: str, **more: Any) -> DelegationProposal:
    return propose_addition(
        engine.ports, DelegationPlan(name=RoleName(name), paths=tuple(map(path_pattern, paths)), **more)
    )


def add(engine: Engine, name: str, *paths: str, **more: Any) -> None:
    bring_proposal(engine.ports, proposed(engine, name, *paths, **more))


def change(engine: Engine, name: str, **what: Any) -> None:
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName(name), DelegationChange(**what)))


def remove(engine: Engine, name: str) -> None:
    bring_proposal(engine.ports, propose_removal(engine.ports, RoleName(name)))


def states(engine: Engine, view: View = View.ACCEPTED) -> dict[str, str]:
    with engine.ports.state.read() as reader:
        return {each.artifact.path: each.state.value for each in reader.artifacts(view=view)}


def is_sound(engine: Engine) -> bool:
    with engine.ports.state.read() as reader:
        counted = {role.name: role.artifacts for role in reader.roles() if role.artifacts}
        listed = [each.role for each in reader.artifacts() if each.state is not ArtifactState.REMOVING]
        assert counted == {name: listed.count(name) for name in listed}
        return list(reader.damage()) == [] and _agrees(reader._connection)


def at(engine: Engine, moment: int, what: Callable[[], Any]) -> Engine:
    """The same repository, in which something happens at that moment of the next act."""
    moments = Moments()
    moments.act(moment, what)
    return moments.over(engine)


def test_other_signers_sign_at_once(engine: Engine, tmp_path: Path) -> None:
    """What the role said until then is signed by those who may sign it no more."""
    add(engine, "team", "team/*")
    check_client(engine, tmp_path / "client")
    change(engine, "team", signers=("dev",))
    check_client(engine, tmp_path / "client")
    check_client(engine, tmp_path / "new")


def test_people_and_the_online_key_sign_nothing_together(engine: Engine) -> None:
    """A role that both had to sign would wait for people with everything that is added to it."""
    add(engine, "team", "team/*")
    with pytest.raises(InvalidInput, match="by the online key and by people"):
        change(engine, "team", signers=("dev", "online"), threshold=2)


def test_a_resize_that_was_cut_off_is_nobody_s_afterwards(engine: Engine, tmp_path: Path) -> None:
    """What was counted for bins of targets is not taken for what the role holds that has its bins by then."""
    moments = Moments()
    moments.kill(4)
    with pytest.raises(Power):
        resize_bins(moments.over(engine).ports, 8)
    with engine.ports.state.read() as reader:
        assert reader.resize(TARGETS) is not None
    engine.add("b", b"b")
    add(engine, "team", "team/*")
    engine.remove("a")
    resize_bins(engine.ports, 8)
    assert is_sound(engine)
    check_client(engine, tmp_path / "client")


def test_what_is_refused_has_changed_nothing(engine: Engine) -> None:
    """Neither how long a role lives, nor which names are free."""
    with engine.ports.state.read() as reader:
        before = dict(reader.periods())
    engine.keys.away.add("online")
    with pytest.raises(SigningError):
        add(engine, "Team", "team/*", periods=NINE_DAYS)
    engine.keys.away.discard("online")
    with engine.ports.state.read() as reader:
        assert dict(reader.periods()) == before
    add(engine, "team", "team/*", periods=NINE_DAYS)
    with engine.ports.state.read() as reader:
        assert reader.periods()["team"] == NINE_DAYS
        assert reader.role(TEAM).expires == engine.clock.now() + NINE_DAYS.expires
        before = dict(reader.periods())
    engine.add("b/.x", b"x")
    with pytest.raises(PathsDisputed):
        change(engine, "team", paths=(path_pattern("b/*"),), periods=Periods.of(timedelta(days=1)))
    with engine.ports.state.read() as reader:
        assert dict(reader.periods()) == before


def test_a_removal_that_waits_leaves_with_its_role(engine: Engine, tmp_path: Path) -> None:
    """Nobody looks there any more, so it is gone, and not about to go for ever."""
    add(engine, "team", "team/*")
    engine.remove("team/x")
    remove(engine, "team")
    assert states(engine) == {"a": "published", "team/y": "published"}
    assert client_of(engine, tmp_path / "client").find("team/x") is None
    engine.add("team/x", b"again")
    publish(engine.ports)
    add(engine, "team", "team/*")
    check_client(engine, tmp_path / "client")
    assert is_sound(engine)


def test_a_role_leaves_with_bins_and_comes_again(engine: Engine, tmp_path: Path) -> None:
    """Its counters begin anew, and nothing is published without need."""
    add(engine, "team", "team/*")
    resize_bins(engine.ports, 2, role=TEAM)
    engine.add("team/z", b"z")
    remove(engine, "team")
    publish(engine.ports)
    add(engine, "team", "team/*")
    assert not publish(engine.ports).published
    resize_bins(engine.ports, 4, role=TEAM)
    check_client(engine, tmp_path / "client")
    assert is_sound(engine)


@pytest.mark.parametrize("moment", range(3, 16))
def test_what_comes_for_a_role_that_leaves(engine: Engine, tmp_path: Path, moment: int) -> None:
    """It was accepted for a role that is not there any more when the publication ends."""
    add(engine, "team", "team/*")
    removal = propose_removal(engine.ports, TEAM)
    bring_proposal(at(engine, moment, lambda: engine.add("team/late", b"late")).ports, removal)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")
    assert is_sound(engine)


@pytest.mark.parametrize("moment", range(3, 16))
def test_what_was_removed_comes_again_meanwhile(engine: Engine, tmp_path: Path, moment: int) -> None:
    """It is in no role that does not come out without it: not now, nor once it is removed for good."""
    engine.remove("team/x")
    plan = proposed(engine, "team", "team/*")
    bring_proposal(at(engine, moment, lambda: engine.add("team/x", b"another")).ports, plan)
    seen = client_of(engine, tmp_path / "client").find("team/x") is not None
    assert seen is ("team/x" in states(engine, View.VISIBLE))
    assert is_sound(engine)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")
    engine.remove("team/x")
    publish(engine.ports)
    for each in ("client", "new"):
        assert client_of(engine, tmp_path / each).find("team/x") is None
    assert states(engine) == {"a": "published", "team/y": "published"}
    assert is_sound(engine)


@pytest.mark.parametrize("terminating", [False, True])
def test_what_is_removed_goes_with_the_delegation_above_it(
    engine: Engine, tmp_path: Path, *, terminating: bool
) -> None:
    """A removal that waits comes out where clients look elsewhere by then: nothing is out of sight, and comes back."""
    engine.remove("team/x")
    engine.remove("team/y")
    add(engine, "team", "team/x", terminating=terminating)
    assert "team/x" not in states(engine)
    assert client_of(engine, tmp_path / "client").find("team/x") is None
    remove(engine, "team")
    assert client_of(engine, tmp_path / "client").find("team/x") is None
    publish(engine.ports)
    check_client(engine, tmp_path / "client")
    assert is_sound(engine)


def test_what_is_removed_where_people_sign_waits_with_the_delegation(engine: Engine, tmp_path: Path) -> None:
    """They sign the role without it together with what would take it out of sight; what it was never comes back."""
    engine.make_key("away")
    add(engine, "team", "team/*", signers=("away",))
    engine.keys.away.add("away")
    engine.remove("team/x")
    (waiting,) = publish(engine.ports).waiting
    assert waiting.name == TEAM
    plan = proposed(engine, "deep", "team/x", before=TEAM, terminating=True)
    assert (plan.roles, plan.elsewhere, len(plan.drops)) == (("deep", "targets", "team"), ("team",), 1)
    report = bring_proposal(engine.ports, plan, drop=True)
    assert report.waits is not None
    assert client_of(engine, tmp_path / "client").find("team/x") is not None
    assert states(engine)["team/x"] == "removing"
    engine.keys.away.clear()
    engine.events.sign(report.waits.event.name)
    for act in (lambda: engine.add("team/x", b"newer"), lambda: engine.remove("team/x")):
        act()
        publish(engine.ports)
        check_client(engine, tmp_path / "client")
    remove(engine, "deep")
    for each in ("client", "new"):
        assert client_of(engine, tmp_path / each).find("team/x") is None
    assert is_sound(engine)


def test_delegations_by_which_something_would_have_no_place(engine: Engine, tmp_path: Path) -> None:
    """Until they are committed what is accepted counts, and they are refused; from then on they do."""
    plan = proposed(engine, "team", "team/*")
    before = states(engine, View.VISIBLE)
    with pytest.raises(PathsDisputed, match=r"team/\.late"):
        bring_proposal(at(engine, 6, lambda: engine.add("team/.late", b"late")).ports, plan)
    assert states(engine, View.VISIBLE) == before
    engine.remove("team/.late")
    publish(engine.ports)
    plan = proposed(engine, "team", "team/*")
    leave_committing(engine, lambda ports: bring_proposal(ports, plan))
    with pytest.raises(PathsDisputed, match=r"team/\.later"):
        engine.add("team/.later", b"later")
    del engine.contents["team/.later"]
    engine.add("team/later", b"later")
    publish(engine.ports)
    check_client(engine, tmp_path / "first")
    assert is_sound(engine)


def test_a_proposal_over_other_delegations_is_refused(engine: Engine, tmp_path: Path) -> None:
    """A role that was to leave delegates by now; those below it would be left alone."""
    add(engine, "team", "team/*")
    removal = propose_removal(engine.ports, TEAM)
    add(engine, "sub", "team/x", parent=TEAM)
    with pytest.raises(InvalidInput, match="published anew meanwhile"):
        bring_proposal(engine.ports, removal)
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_what_was_begun_and_cut_off_is_no_damage(engine: Engine, tmp_path: Path) -> None:
    """The next change begins anew; until then all goes on as if nothing had been wanted."""
    moments = Moments()
    moments.kill(2)
    plan = proposed(engine, "Team", "team/*", periods=NINE_DAYS)
    with pytest.raises(Power):
        bring_proposal(moments.over(engine).ports, plan)
    assert is_sound(engine)
    engine.add("team/z", b"z")
    publish(engine.ports)
    check_client(engine, tmp_path / "client")
    assert is_sound(engine)
    add(engine, "team", "team/*")
    check_client(engine, tmp_path / "client")


def test_counters_follow_what_moves(engine: Engine) -> None:
    """A role counts up to the newest change of what it has left: nothing looks like another copy of the state."""
    engine.add("team/y", b"newer")
    publish(engine.ports)
    add(engine, "team", "team/*")
    assert is_sound(engine)
    add(engine, "sub", "team/y", parent=TEAM)
    assert is_sound(engine)
    with engine.ports.state.read() as reader:
        assert reader.role(TEAM).newest < reader.role(SUB).newest
        assert reader.artifact(target_path("team/y")) is not None
