"""The roles that a client visits for a path: a stock client goes the way that is told, and each step has its reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.audited import copy_of
from tests.support.clients import Client, NotListed
from tests.support.delegated import PATHS, delegate, delegated
from tests.support.engine import Engine

from rstuf.model.layout import Layout
from rstuf.model.policy import Periods
from rstuf.repository.publish import publish
from rstuf.repository.visits import Visit, WayFault, way_to
from rstuf.repository.why import Obstacle, explain

ABSENT = ("files/none", "team/none", "team/inner/none", "team/notes/none", "ops/none", "vendor/none", "none")


@pytest.fixture(scope="module", params=list(Layout))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository that delegates, laid out in each way. Made once; tests take copies."""
    layout: Layout = request.param
    return delegated(tmp_path_factory.mktemp(layout.value), layout)


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Iterator[Engine]:
    """A copy to do as one likes with; its state is in `tmp_path`."""
    engine = copy_of(made, tmp_path)
    yield engine
    engine.ports.state.close()


def fetched(engine: Engine, path: str, memory: Path) -> list[str]:
    """What a stock client that knows the newest root alone asks for to find and download a path, in order."""
    asked: list[str] = []
    site = engine.site()

    def read(name: str) -> bytes:
        data = site(name)
        asked.append(name.removeprefix("targets/"))
        return data

    client = Client(memory, read, root=engine.root(), now=engine.clock.now())
    client.refresh()
    with suppress(NotListed):
        client.download(path)
    return asked


@pytest.mark.parametrize("path", [*PATHS, *ABSENT])
def test_a_client_goes_the_way_that_is_told(engine: Engine, tmp_path: Path, path: str) -> None:
    """It fetches the files that are named, in their order, of a path that is here and of one that is not."""
    told = explain(engine.ports, path)
    assert [each.name for each in told.fetched] == fetched(engine, path, tmp_path / "client")
    here = path in engine.contents
    assert told.found is here
    disputed = (Obstacle.DISPUTED,) if "/." in path else ()
    assert told.obstacles == (() if here else (Obstacle.UNKNOWN, *disputed))
    if here:
        assert told.listed is not None
        assert told.role == told.listed.role


def steps(visits: tuple[Visit, ...]) -> list[tuple[str, str | None, str | None]]:
    """Each role, who delegates to it, and by what."""
    return [(each.role, each.by, each.pattern or each.prefix or (each.bins and "bin")) for each in visits]


def test_each_step_has_its_reason(tmp_path: Path) -> None:
    """The pattern, the hash prefixes or the bin by which a role is for a path; and whether the search ends there."""
    engine = delegated(tmp_path)
    way = way_to(engine.ports, "team/inner/a")
    assert steps(way.chain) == [
        ("targets", None, None),
        ("team", "targets", "team/inner/*"),
        ("inner", "team", "team/inner/*"),
    ]
    assert [each.terminating for each in way.chain] == [False, False, True]
    assert way.beyond == ()
    way = way_to(engine.ports, "team/none")
    assert steps(way.chain) == [("targets", None, None), ("team", "targets", "team/*")]
    assert [each.role for each in way.beyond] == ["bins", next(each.role for each in way.beyond if each.bins)]
    assert (way.beyond[0].prefix, way.last.prefix, way.fault) == ("", None, None)
    way = way_to(engine.ports, "ops/none")
    assert (steps(way.chain)[-1], way.last.terminating, way.beyond) == (("ops", "targets", "ops/*"), True, ())
    way = way_to(engine.ports, "vendor/3")
    assert [each.role for each in way.chain] == ["targets", "vendor", "vendor-bins-2"]
    assert way.last.bins is not None
    assert int(way.last.bins.first, 16) <= int(way.path_sha256[:8], 16) <= int(way.last.bins.last, 16)
    assert way.last.bins.bits == 2


def test_paths_that_no_role_can_list(tmp_path: Path) -> None:
    """Clients differ in whether a wildcard stands for a dot at a segment's beginning: so it has no place."""
    engine = delegated(tmp_path / "bins")
    way = way_to(engine.ports, "team/.x")
    assert (way.fault, [(each.role, each.disputed) for each in way.beyond if each.disputed]) == (
        WayFault.DISPUTED,
        [("team", True)],
    )
    assert explain(engine.ports, "team/.x").obstacles == (Obstacle.UNKNOWN, Obstacle.DISPUTED)
    for number in range(33):
        delegate(engine, f"r{number}", "far/*")
    way = way_to(engine.ports, "far/x")
    assert (way.fault, way.last.role, len(way.chain + way.beyond)) == (WayFault.NOT_DELEGATED, "r0", 33)


def test_an_expired_role_on_the_way_is_named(tmp_path: Path) -> None:
    """Clients that come to it go no further, also for what others list; who does not come there is not kept."""
    engine = delegated(tmp_path)
    delegate(engine, "short", "short/*", "files/0*", before="team", periods=Periods.of(timedelta(hours=2)))
    engine.add("short/x", b"s")
    publish(engine.ports)
    engine.moved_on(hours=3)
    for path, expired in (("short/x", ("short",)), ("files/0.bin", ("short",)), ("files/1.bin", ()), ("ops/x", ())):
        told = explain(engine.ports, path)
        assert (path, told.expired, told.found) == (path, expired, not expired)


def test_what_waits_for_others_to_sign_is_told(tmp_path: Path) -> None:
    """An artifact of a role whose keys are away was accepted, and no publication brings it."""
    engine = delegated(tmp_path)
    engine.keys.away.add("tara")
    engine.add("team/later", b"l")
    publish(engine.ports)
    told = explain(engine.ports, "team/later")
    assert (told.role, told.found) == ("team", False)
    assert told.obstacles in {(Obstacle.WAITING,), (Obstacle.UNSIGNED,)}


@pytest.mark.parametrize(("asked", "meant"), [("team/INNER/a", "team/inner/a"), ("vendor/33", "vendor/3")])
def test_what_was_meant_is_found_in_every_role(tmp_path: Path, asked: str, meant: str) -> None:
    """Whichever role lists it."""
    assert meant in explain(delegated(tmp_path).ports, asked).near
