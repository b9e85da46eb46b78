"""Prune where some roles have been delegated to: what a role leaves that nobody delegates to any more."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.support.audited import said, verified
from tests.support.delegated import delegate, delegated, undelegate
from tests.support.engine import Engine, check_client
from tests.support.pruning import NOTHING, prune_as_planned, reachable_names, unknown_files

from rstuf.errors import InvalidMetadata
from rstuf.model.layout import Layout
from rstuf.model.names import RoleName
from rstuf.model.roles import RoleState
from rstuf.model.superseded import Retention
from rstuf.repository.prune import StayReason, plan_prune, prune
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins


@pytest.fixture(params=list(Layout))
def engine(tmp_path: Path, request: pytest.FixtureRequest) -> Engine:
    """A repository with some named delegations, in each layout."""
    return delegated(tmp_path / "repository", request.param)


def role_of(engine: Engine, name: str) -> RoleState:
    with engine.ports.state.read() as reader:
        return reader.role(RoleName(name))


def test_what_a_role_leaves_that_is_gone_goes(engine: Engine, tmp_path: Path) -> None:
    """Its last file and those of its bins; clients of any age read on, and a role of that name begins above them."""
    memory = check_client(engine, tmp_path / "client")
    assert unknown_files(engine) == set()
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
    undelegate(engine, "vendor")
    undelegate(engine, "inner")
    left = {"vendor", *(f"vendor-bins-{index}" for index in range(4)), "inner"}
    files = {f"{memory.roles[name]}.{name}.json" for name in left}
    assert files <= set(engine.metadata.files)
    prune_as_planned(engine, NOTHING)
    assert not files & set(engine.metadata.files)
    assert set(engine.metadata.files) == reachable_names(engine)
    check_client(engine, tmp_path / "client")
    delegate(engine, "vendor", "vendor/*")
    resize_bins(engine.ports, 4, role=RoleName("vendor"))
    assert check_client(engine, tmp_path / "client").roles["vendor-bins-3"] > memory.roles["vendor-bins-3"]
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
    check_client(engine, tmp_path / "fresh")
    assert said(verified(engine)) == ""


def test_it_counts_from_when_nobody_delegated_to_it_any_more(engine: Engine) -> None:
    """Slow readers may be in the middle of the release before: it stays for as long as the policy says."""
    version = role_of(engine, "ops").visible
    undelegate(engine, "ops")
    kept = Retention(publications=2, days=7)
    for apart, stays in ((8, True), (0, False)):
        engine.moved_on(days=apart)
        prune_as_planned(engine, kept)
        assert (f"{version}.ops.json" in engine.metadata.files) is stays
        engine.add("later", b"later")
        publish(engine.ports)


@pytest.mark.parametrize("name", ["ops", "inner", "vendor-bins-1"])
def test_what_clients_see_has_the_last_word(engine: Engine, tmp_path: Path, name: str) -> None:
    """A state that wrongly says that nobody delegates to a role, at any depth, takes nothing from clients."""
    role = role_of(engine, name)
    with sqlite3.connect(tmp_path / "repository/state.db") as connection:
        connection.execute("UPDATE role SET retired = 1 WHERE id = ?", (role.id,))
        row = role.id, role.visible, role.file.length, role.file.sha256
        connection.execute("INSERT INTO superseded_file VALUES (?, ?, ?, ?, 0, 1)", row)
    connection.close()
    plan = plan_prune(engine.ports, retention=NOTHING)
    assert plan.left == ((f"{role.visible}.{name}.json", StayReason.NEEDED),)


def test_nothing_goes_where_a_role_that_may_delegate_is_missing(engine: Engine) -> None:
    """Nothing tells then what is below it."""
    undelegate(engine, "ops")
    team = f"{role_of(engine, 'team').visible}.team.json"
    kept = engine.metadata.files[team]
    engine.metadata.discard([team])
    before = dict(engine.metadata.files)
    with pytest.raises(InvalidMetadata, match=team):
        prune(engine.ports, retention=NOTHING)
    assert engine.metadata.files == before
    engine.metadata.restore(team, kept)
    prune_as_planned(engine, NOTHING)
    assert set(engine.metadata.files) == reachable_names(engine)
