"""Changes that are kept back for what others have signed: it comes out whoever holds them, and nothing brings them
before."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client
from tests.unit.repository.test_delegated_events import whole

from rstuf.model.names import RoleName
from rstuf.repository.delegating import bring_proposal, propose_removal
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.reports import PublicationReport
from rstuf.repository.status import look


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """ops, which tara and tom sign, has an artifact; they are away, as are vic and vera, who sign nothing yet."""
    engine = Engine.live(tmp_path / "repository")
    for path in ("a.txt", "ops/a"):
        engine.add(path, path.encode())
    publish(engine.ports)
    for name in ("tara", "tom", "vic", "vera"):
        engine.make_key(name)
    delegate(engine, "ops", "ops/*", signers=("tara", "tom"), threshold=2)
    engine.keys.away.update(["tara", "tom", "vic", "vera"])
    return engine


@pytest.fixture
def signed(engine: Engine) -> Engine:
    """docs, which is for some of what ops is for, waits as docs-v1; vera has signed it, and vic has not."""
    delegate(engine, "docs", "ops/d*", signers=("vic", "vera"), threshold=2, before=RoleName("ops"))
    assert whole(engine, "docs-v1", docs="vera") == []
    return engine


def waiting(report: PublicationReport) -> list[tuple[str, str | None, bool]]:
    """The roles that wait, in which event, and whether more was accepted for them since."""
    return [(each.name, each.event, each.behind) for each in report.waiting]


def names(engine: Engine) -> list[str]:
    """The events that wait."""
    return [view.event.name for view in engine.events.views()]


def test_a_role_of_others_loses_what_nobody_saw_without_them(signed: Engine, tmp_path: Path) -> None:
    """What goes was never in the list of ops: docs comes out without its people, and the change with docs' next
    version."""
    signed.add("ops/dn", b"new")
    assert waiting(publish(signed.ports)) == [("docs", "docs-v1", True)]
    assert names(signed) == ["docs-v1"]
    clients_see = {path: data for path, data in signed.contents.items() if path != "ops/dn"}
    accepted, signed.contents = dict(signed.contents), clients_see
    assert whole(signed, "docs-v1", docs="vic") == [("docs-v1", None)]
    view = check_client(signed, tmp_path / "client")
    assert (view.roles["docs"], view.roles["ops"]) == (1, 1)
    assert where(signed)["ops/dn"] == "docs pending"
    assert waiting(publish(signed.ports)) == [("docs", "docs-v2", False)]
    assert whole(signed, "docs-v2", docs="vera") == []
    assert whole(signed, "docs-v2", docs="vic") == [("docs-v2", None)]
    signed.contents = accepted
    check_client(signed, tmp_path / "client")
    assert names(signed) == []


def test_what_goes_while_it_is_removed_is_in_one_list(engine: Engine, tmp_path: Path) -> None:
    """Removed and kept back, it goes to the role that was signed with it, and its bin lists it no more."""
    engine.add("solo/x", b"x")
    publish(engine.ports)
    delegate(engine, "solo", "solo/*", signers=("vic", "vera"), threshold=2)
    assert whole(engine, "solo-v1", solo="vera") == []
    home = where(engine)["solo/x"].split()[0]
    engine.remove("solo/x")
    assert waiting(publish(engine.ports)) == [("solo", "solo-v1", True)]
    engine.contents["solo/x"] = b"x"
    assert whole(engine, "solo-v1", solo="vic") == [("solo-v1", None)]
    check_client(engine, tmp_path / "client")
    assert where(engine)["solo/x"] == "solo removing"
    with engine.ports.state.read() as reader:
        version = reader.role(RoleName(home)).visible
    assert b"solo/x" not in engine.ports.metadata.read(f"{version}.{home}.json", limit=100_000)


def test_what_waits_with_others_brings_nothing_that_is_kept_back(signed: Engine, tmp_path: Path) -> None:
    """Something else of ops waits for its people without it, in one event however often somebody publishes; signed by
    all, it comes out, and what vera signed for docs stays good."""
    signed.add("ops/dn", b"new")
    publish(signed.ports)
    signed.add("ops/x", b"x")
    for _ in range(3):
        report = publish(signed.ports)
        assert sorted(waiting(report)) == [("docs", "docs-v1", True), ("ops", "ops-v2", False)]
    assert (where(signed)["ops/dn"], where(signed)["ops/x"]) == ("ops pending", "ops awaiting")
    assert b"ops/dn" not in signed.events.view("ops-v2").parts[0].part.signed
    assert whole(signed, "ops-v2", ops="tara") == []
    assert whole(signed, "ops-v2", ops="tom") == [("ops-v2", None)]
    accepted, signed.contents = dict(signed.contents), {"a.txt": b"a.txt", "ops/a": b"ops/a", "ops/x": b"x"}
    check_client(signed, tmp_path / "client")
    assert whole(signed, "docs-v1", docs="vic") == [("docs-v1", None)]
    check_client(signed, tmp_path / "client")
    assert waiting(publish(signed.ports)) == [("docs", "docs-v2", False)]
    assert whole(signed, "docs-v2", docs="vera") == []
    assert whole(signed, "docs-v2", docs="vic") == [("docs-v2", None)]
    signed.contents = accepted
    check_client(signed, tmp_path / "client")


@pytest.mark.parametrize("beside", [False, True])
def test_what_waited_before_others_signed_is_withdrawn(engine: Engine, tmp_path: Path, *, beside: bool) -> None:
    """A change waits for the people of ops, who have not signed it, when vera signs docs: nobody is asked for it there
    any more, but for what else waits with it."""
    delegate(engine, "docs", "ops/d*", signers=("vic", "vera"), threshold=2, before=RoleName("ops"))
    engine.add("ops/dn", b"new")
    if beside:
        engine.add("ops/x", b"x")
    assert waiting(publish(engine.ports)) == [("ops", "ops-v2", False)]
    assert whole(engine, "docs-v1", docs="vera") == []
    publish(engine.ports)
    assert names(engine) == (["docs-v1", "ops-v3"] if beside else ["docs-v1"])
    assert whole(engine, "docs-v1", docs="vic") == [("docs-v1", None)]
    if beside:
        assert whole(engine, "ops-v3", ops="tara") == []
        assert whole(engine, "ops-v3", ops="tom") == [("ops-v3", None)]
    assert where(engine)["ops/dn"] == "docs pending"
    del engine.contents["ops/dn"]
    check_client(engine, tmp_path / "client")


def test_of_two_that_others_signed_the_first_comes_out(engine: Engine, tmp_path: Path) -> None:
    """Signed where it is and for where it goes, it comes out once: the other says so then, and nobody signs it."""
    delegate(engine, "docs", "ops/d*", signers=("vic", "vera"), threshold=2, before=RoleName("ops"))
    engine.add("ops/dn", b"new")
    publish(engine.ports)
    assert whole(engine, "docs-v1", docs="vera") == []
    assert whole(engine, "ops-v2", ops="tara") == []
    assert waiting(publish(engine.ports)) == [("ops", "ops-v2", False)]
    assert whole(engine, "docs-v1", docs="vic") == [("docs-v1", None)]
    (view,) = engine.events.views()
    assert view.outdated is not None
    assert view.outdated.why == "ops/dn, which it lists, goes with other delegations"
    report = publish(engine.ports)
    assert [(each.name, each.signed) for each in report.dropped] == [("ops-v2", ("tara",))]
    assert waiting(report) == [("docs", "docs-v2", False)]
    assert whole(engine, "docs-v2", docs="vera") == []
    assert whole(engine, "docs-v2", docs="vic") == [("docs-v2", None)]
    check_client(engine, tmp_path / "client")


def test_given_up_the_same_is_proposed_with_the_change(signed: Engine, tmp_path: Path) -> None:
    """Whoever lets vera's signature go has docs proposed anew, the change in it; ops waits with that, and once."""
    signed.add("ops/dn", b"new")
    publish(signed.ports)
    report = publish(signed.ports, drop=[signed.events.view("docs-v1").event])
    (name,) = names(signed)
    assert {each.event for each in report.waiting} == {name}
    assert len({each.name for each in report.waiting}) == len(report.waiting)
    assert whole(signed, name, docs="vera") == []
    assert whole(signed, name, docs="vic", ops="tara") == []
    assert whole(signed, name, ops="tom") == [(name, None)]
    check_client(signed, tmp_path / "client")
    assert where(signed)["ops/dn"] == "docs published"


# --- a role that goes


@pytest.fixture
def going(engine: Engine) -> Engine:
    """team, which tara signs, is to go, and what it lists to tx, which vic signs; before, something waited for tara."""
    engine.keys.away.clear()
    delegate(engine, "team", "team/*", signers=("tara",))
    delegate(engine, "tx", "team/*", signers=("vic",))
    engine.add("team/a", b"a")
    publish(engine.ports)
    engine.keys.away.update(["tara", "tom", "vic", "vera"])
    engine.add("team/n", b"n")
    assert waiting(publish(engine.ports)) == [("team", "team-v3", False)]
    bring_proposal(engine.ports, propose_removal(engine.ports, RoleName("team")), drop=True)
    return engine


def test_nobody_is_asked_to_sign_a_role_that_goes(going: Engine, tmp_path: Path) -> None:
    """What waited for its people gives its place; what is accepted since goes along, as long as nobody has signed."""
    (first,) = names(going)
    assert not {"team-v3", "team-v4"} & {first}
    assert waiting(publish(going.ports)) == [("tx", first, False)]
    going.add("team/m", b"m")
    report = publish(going.ports)
    (name,) = names(going)
    assert name != first
    assert report.dropped == ()
    assert ("tx", name, False) in waiting(report)
    assert look(going.ports).pending_roles == 0
    assert whole(going, name, tx="vic") == [(name, None)]
    check_client(going, tmp_path / "client")
    assert (where(going)["team/m"], names(going)) == ("tx published", [])


def test_a_role_that_goes_leaves_nothing_that_waits(going: Engine, tmp_path: Path) -> None:
    """Renewed meanwhile, it waits for tara: gone before she has signed, her event is closed with it."""
    (name,) = names(going)
    renew(going.ports, force=["team"])
    assert len(names(going)) == 2
    assert whole(going, name, tx="vic") == [(name, None)]
    assert names(going) == []
    check_client(going, tmp_path / "client")


def test_a_role_that_goes_by_what_others_signed_keeps_its_changes(engine: Engine, tmp_path: Path) -> None:
    """What is accepted once vera has signed waits for no people of the role that goes, and comes out after it."""
    delegate(engine, "tx", "ops/*", signers=("vic", "vera"), threshold=2)
    assert whole(engine, "tx-v1", tx="vic") == []
    assert whole(engine, "tx-v1", tx="vera") == [("tx-v1", None)]
    bring_proposal(engine.ports, propose_removal(engine.ports, RoleName("ops")), drop=True)
    (name,) = names(engine)
    assert whole(engine, name, tx="vera") == []
    engine.add("ops/m", b"m")
    for _ in range(2):
        assert waiting(publish(engine.ports)) == [("tx", name, True)]
        assert names(engine) == [name]
    assert look(engine.ports).pending_roles == 0
    assert whole(engine, name, tx="vic") == [(name, None)]
    assert where(engine)["ops/m"] == "tx pending"
    (_, again, _) = waiting(publish(engine.ports))[0]
    assert whole(engine, str(again), tx="vera") == []
    assert whole(engine, str(again), tx="vic") == [(again, None)]
    check_client(engine, tmp_path / "client")
