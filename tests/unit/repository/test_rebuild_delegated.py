"""A state made anew where targets delegates by names, or to bins by hash prefixes, or lists everything itself."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from tests.support.audited import copy_of
from tests.support.delegated import delegate, delegated, undelegate, where
from tests.support.engine import Engine, check_client, client_of, plan_document
from tests.support.forging import Signed, forge
from tests.support.rebuilding import delegations_of, exported, rebuilt, roles_of

from rstuf.model.layout import Layout
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.patterns import path_pattern
from rstuf.repository.delegating import DelegationChange, bring_proposal, propose_change
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import JUMP, renew
from rstuf.repository.status import Health, look
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own


@pytest.fixture(scope="module", params=list(Layout), ids=str)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository that delegates by names, with some history, in each layout."""
    return delegated(tmp_path_factory.mktemp("delegated") / "repository", request.param)


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    return copy_of(made, tmp_path)


def is_well(engine: Engine) -> None:
    """Nothing is found wrong, however closely somebody looks."""
    assert verify_own(engine.ports, depth=Depth.FULL).problems == ()


def test_the_new_state_is_the_old_one(engine: Engine, tmp_path: Path) -> None:
    """Roles, bins, names that have left, delegations and the place of each artifact are what they were."""
    again, report = rebuilt(engine, tmp_path / "new")
    assert roles_of(again) == roles_of(engine)
    assert exported(again) == exported(engine)
    assert where(again) == where(engine)
    assert delegations_of(again) == delegations_of(engine)
    with engine.ports.state.read() as old, again.ports.state.read() as new:
        assert {entry.name for entry in new.keys()} == {entry.name for entry in old.keys()}
    assert report.delegated == ("team", "ops", "vendor", "inner")
    assert report.artifacts == len(engine.contents)
    is_well(again)


def test_clients_of_any_age_go_on_through_whatever_comes_next(engine: Engine, tmp_path: Path) -> None:
    """All that is signed online comes out far above, and everything that could be done before can be done again."""
    before = check_client(engine, tmp_path / "old")
    again, _ = rebuilt(engine, tmp_path / "new")
    assert look(again.ports).health is Health.DUE
    report = renew(again.ports)
    assert all(change.version > JUMP for change in report.publication.roles)
    assert look(again.ports).health is Health.HEALTHY
    after = check_client(again, tmp_path / "old")
    assert after.older_than(before) == []
    check_client(again, tmp_path / "fresh-1")
    again.add("team/new", b"new")
    again.remove("vendor/2")
    publish(again.ports)
    check_client(again, tmp_path / "old")
    resize_bins(again.ports, 2, role=RoleName("vendor"))
    change = DelegationChange(paths=(path_pattern("ops/*"), path_pattern("files/*")))
    bring_proposal(again.ports, propose_change(again.ports, RoleName("ops"), change))
    undelegate(again, "inner")
    check_client(again, tmp_path / "old")
    delegate(again, "gone", "gone/*")
    undelegate(again, "vendor")
    delegate(again, "vendor", "vendor/*", "team/inner/*")
    resize_bins(again.ports, 4, role=RoleName("vendor"))
    check_client(again, tmp_path / "old")
    client_of(again, tmp_path / "fresh-2").walk()
    is_well(again)


@pytest.mark.parametrize("layout", [Layout.CLASSIC, Layout.FLAT], ids=str)
def test_layouts_without_names_come_back(tmp_path: Path, layout: Layout) -> None:
    """Bins by hash prefixes and flat targets are read as they are, and go on as they were."""
    document = plan_document()
    document["bins"] = {"layout": layout.value} | ({"count": 8} if layout is Layout.CLASSIC else {})
    engine = Engine.live(tmp_path / "repository", document=document)
    for number in range(20):
        engine.add(f"{number}.txt", b"content %d" % number)
    publish(engine.ports)
    check_client(engine, tmp_path / "old")
    again, report = rebuilt(engine, tmp_path / "new")
    assert (report.bins, report.artifacts) == (8 if layout is Layout.CLASSIC else 0, 20)
    assert roles_of(again) == roles_of(engine)
    assert exported(again) == exported(engine)
    renew(again.ports)
    again.add("new.txt", b"goes on")
    again.remove("3.txt")
    publish(again.ports)
    check_client(again, tmp_path / "old")
    check_client(again, tmp_path / "fresh")
    delegate(again, "docs", "docs/*")
    again.add("docs/a", b"delegated")
    publish(again.ports)
    check_client(again, tmp_path / "old")
    is_well(again)
    assert where(again)["docs/a"] == "docs published"
    if layout is Layout.FLAT:
        assert where(again)["new.txt"] == f"{TARGETS} published"


def test_names_that_have_left_are_told_apart(tmp_path: Path) -> None:
    """Roles called like bins, bins of roles that left with them, and bins of another number: each can be used again."""
    engine = Engine.live(tmp_path / "repository")
    delegate(engine, "team", "team/*")
    delegate(engine, "team-1", "one/*")
    delegate(engine, "dist", "dist/*")
    resize_bins(engine.ports, 4, role=RoleName("dist"))
    resize_bins(engine.ports, 2, role=RoleName("team"))
    resize_bins(engine.ports, 32)
    for name in ("team-1", "dist"):
        undelegate(engine, name)
    check_client(engine, tmp_path / "old")
    again, report = rebuilt(engine, tmp_path / "new")
    assert report.delegated == ("team",)
    assert roles_of(again) == roles_of(engine)
    left = {name: role.holder for name, role in roles_of(again).items() if role.retired}
    assert left == {
        "team-1": None,
        "dist": None,
        **{f"dist-bins-{number}": "dist" for number in range(4)},
        **{f"bins-{number}": "bins" for number in range(4)},
    }
    renew(again.ports)
    for name in ("team-1", "dist"):
        delegate(again, name, f"{name}/*")
    resize_bins(again.ports, 4, role=RoleName("dist"))
    resize_bins(again.ports, 4)
    for number in range(9):
        again.add(f"dist/{number}", b"again %d" % number)
    publish(again.ports)
    check_client(again, tmp_path / "old")
    check_client(again, tmp_path / "fresh")
    is_well(again)


def test_a_flat_repository_has_delegations_that_are_called_almost_like_bins(tmp_path: Path) -> None:
    """A name with a number is one like any other, where it is none of bins."""
    document = plan_document() | {"bins": {"layout": "flat"}}
    engine = Engine.live(tmp_path / "repository", document=document)
    for name in ("team-1", "team-2"):
        delegate(engine, name, f"{name}/*")
    undelegate(engine, "team-1")
    again, _ = rebuilt(engine, tmp_path / "new")
    assert roles_of(again) == roles_of(engine)
    delegate(again, "team-1", "team-1/*")
    is_well(again)


def test_hash_prefixes_of_a_delegation_are_kept(tmp_path: Path) -> None:
    """A delegation that goes by the hashes of its paths is for these, before whatever comes after it."""
    engine = Engine.live(tmp_path / "repository", document=plan_document() | {"bins": {"layout": "flat"}})
    delegate(engine, "half", "half/*")
    prefixes = [f"{digit:x}" for digit in range(8)]

    def by_hashes(signed: Signed) -> None:
        (role,) = signed["delegations"]["roles"]
        del role["paths"]
        role["path_hash_prefixes"] = prefixes

    forge(engine, "targets", "online", by_hashes)
    again, _ = rebuilt(engine, tmp_path / "new")
    assert delegations_of(again)[2]
    for number in range(16):
        again.add(f"{number}.txt", b"%d" % number)
    publish(again.ports)
    hashed = {path: sha256(path.encode()).hexdigest() for path in again.contents}
    expected = {path: "half" if digest[0] in prefixes else "targets" for path, digest in hashed.items()}
    assert set(expected.values()) == {"half", "targets"}
    assert where(again) == {path: f"{role} published" for path, role in expected.items()}
    check_client(again, tmp_path / "fresh")
    is_well(again)


def test_a_publication_that_was_cut_off_keeps_no_name_from_being_used(engine: Engine, tmp_path: Path) -> None:
    """Its files lie there though no snapshot lists their roles: what comes under these names goes above them."""
    left = (
        "1.late.json",
        "5.late-bins-1.json",
        "2.vendor-bins-7.json",
        "1.Team.json",
        "1..x.json",
        "1.lost-bins-0.json",
    )
    for name in left:
        engine.metadata.show(name, b"{}")
    again, _ = rebuilt(engine, tmp_path / "new")
    assert roles_of(again) == roles_of(engine)
    is_well(again)
    delegate(again, "late", "late/*")
    again.add("late/1", b"late")
    resize_bins(again.ports, 8, role=RoleName("vendor"))
    resize_bins(again.ports, 2, role=RoleName("late"))
    publish(again.ports)
    roles = check_client(again, tmp_path / "cold").roles
    assert roles["late"] > JUMP
    assert roles["vendor-bins-7"] > JUMP
    assert all(again.metadata.files[name] == b"{}" for name in left)
    is_well(again)
