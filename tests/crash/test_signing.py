"""How the judges look at whom clients trust, and how few of these operations' points a daily run takes."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.crash import __main__ as run
from tests.crash.crew import Case
from tests.crash.judges import Judge
from tests.crash.ledger import Ledger
from tests.crash.operations import PUBLISH, Bins, Operation, Trust, View
from tests.crash.signing import SIGNING
from tests.crash.worlds import World
from tests.support.engine import Engine

from rstuf.repository.publish import publish


def world_of(engine: Engine, operation: Operation, start: Path) -> World:
    found = dict.fromkeys(engine.contents, "")
    views = [View(found, trust) for trust in operation.trusts]
    return World(operation, start, start, (), engine.root(), views[0], views[-1], Ledger())


def test_judges_tell_whom_clients_trust(tmp_path: Path) -> None:
    """Each step of a rotation is another trust, and one that was not expected is a loss."""
    engine = Engine.live(tmp_path / "repository")
    publish(engine.ports)
    operation = Operation("rotate", PUBLISH, trusts=(Trust(1), Trust(1, Bins.MORE), Trust(2, Bins.MORE)))
    world = world_of(engine, operation, tmp_path)
    judge = Judge(world, tmp_path / "clients")
    shift = (engine.clock.now() - datetime.now(UTC)).total_seconds()

    def wrong(trust: Trust) -> list[str]:
        return judge.look(engine.site(), [View({}, trust)], "now", shift=shift)

    assert wrong(Trust(1)) == []
    engine.make_key("online-2")
    engine.rotations.rotate("online", "online-2", overlap=timedelta(hours=1))
    assert wrong(Trust(1, Bins.MORE)) == []
    assert "root v1 with bins MORE and not root v1 with bins ALIKE" in wrong(Trust(1))[0]
    engine.events.sign("root-v2")
    assert wrong(Trust(2, Bins.MORE)) == []
    assert "root v2 with bins MORE and not root v2 with bins ALIKE" in wrong(Trust(2))[0]


def test_a_world_says_what_may_be_found_meanwhile(tmp_path: Path) -> None:
    """Every trust on the way; and, where metadata was lost, nothing at all."""
    engine = Engine.live(tmp_path / "repository")
    operation = Operation("lost", PUBLISH, trusts=(Trust(1), Trust(2)))
    world = world_of(engine, operation, tmp_path)
    assert [view.trust for view in world.settled] == [Trust(1), Trust(2)] * 2
    assert world.under_way == [*world.settled, None]
    (tmp_path / "repo/metadata").mkdir(parents=True)
    (tmp_path / "repo/metadata/timestamp.json").touch()
    assert world.under_way == world.settled


def test_a_daily_run_takes_few_of_their_points(tmp_path: Path) -> None:
    """On each day at most a fifth more than of the everyday ones; in three days each suite has tried each; or all."""
    daily, days = argparse.Namespace(limit=None, full=False, only=None, suites=[]), 3
    names, suites = [operation.name for operation in run.OPERATIONS], list(run.SUITES)
    everyday = sum(len(run.EVERYDAY) * suite.daily for suite in run.SUITES.values())
    seen = set()
    for daily.seed in range(days):
        tried = run._tried(suites, names, daily)
        points = 0
        for operation in SIGNING:
            case = Case(World(operation, tmp_path, tmp_path, (), None, View({}), View({}), Ledger()), {})
            asked = [suite for suite in tried[operation.name] if suite not in operation.without]
            points += sum(run._limit(suite, case, daily) for suite in asked)
            seen |= {(operation.name, suite) for suite in asked}
        assert all(tried[operation.name] == suites for operation in run.EVERYDAY)
        assert points <= 0.22 * everyday
    assert len(seen) == len(SIGNING) * (len(suites) - 1)
    daily.suites = ["kill"]
    assert run._tried(["kill"], names, daily) == {name: ["kill"] for name in names}
