"""Named delegations come, change and go: what clients of any age find, and what is refused."""

from __future__ import annotations

from pathlib import Path

from tests.support.engine import Engine, check_client

from rstuf.model.names import RoleName
from rstuf.model.patterns import path_pattern
from rstuf.repository.delegating import (
    DelegationPlan,
    bring_proposal,
    propose_addition,
    propose_removal,
)
from rstuf.repository.publish import publish

TEAM = RoleName("team")


def filled(tmp_path: Path) -> Engine:
    engine = Engine.live(tmp_path / "repository")
    for path in ("a.txt", "b.txt", "team/one.txt", "team/two.txt", "team/deep/three.txt"):
        engine.add(path, path.encode())
    publish(engine.ports)
    return engine


def plan(name: str, *paths: str, **more: object) -> DelegationPlan:
    return DelegationPlan(name=RoleName(name), paths=tuple(map(path_pattern, paths)), **more)  # type: ignore[arg-type]


def listed(engine: Engine) -> dict[str, str]:
    with engine.ports.state.read() as reader:
        return {each.artifact.path: f"{each.role} {each.state}" for each in reader.artifacts()}


def test_a_delegation_comes_and_goes(tmp_path: Path) -> None:
    """Artifacts go to the role that is for them and back again, and no client misses one."""
    engine = filled(tmp_path)
    old = check_client(engine, tmp_path / "old")
    report = bring_proposal(engine.ports, propose_addition(engine.ports, plan("team", "team/*")))
    assert (report.name, report.moved, report.publication.published) == ("team", 2, True)
    where = listed(engine)
    assert where["team/one.txt"] == "team published"
    assert where["team/deep/three.txt"].startswith("bins-")
    check_client(engine, tmp_path / "new")
    check_client(engine, tmp_path / "old")
    engine.add("team/later.txt", b"later")
    engine.add("c.txt", b"c")
    publish(engine.ports)
    check_client(engine, tmp_path / "old")
    report = bring_proposal(engine.ports, propose_removal(engine.ports, TEAM))
    assert report.moved == 3
    check_client(engine, tmp_path / "old")
    check_client(engine, tmp_path / "newest")
    del old
