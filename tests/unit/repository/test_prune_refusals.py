"""What a prune leaves, and where it removes nothing at all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.audited import said, verified
from tests.support.engine import Engine, check_client
from tests.support.faulty import Power, faulty_engine
from tests.support.pruning import NOTHING, prune_as_planned, publish_often, reachable_names

from rstuf.errors import ClockSuspicious, ForeignMetadata, InvalidMetadata, InvalidPolicy, StateBehind
from rstuf.model.superseded import Retention
from rstuf.repository.prune import StayReason, plan_prune, prune
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.status import look


@pytest.mark.parametrize("how", ["longer", "shorter", "other"])
def test_what_is_not_what_was_written_is_left_and_told(engine: Engine, how: str) -> None:
    """Whatever else has the name stays, every other file goes; once it is moved away, its note goes too."""
    publish_often(engine, 3)
    data = engine.metadata.files["2.snapshot.json"]
    other = {"longer": data + b" ", "shorter": data[:-1], "other": data[:-1] + b" "}[how]
    engine.metadata.show("2.snapshot.json", other)
    for _ in range(2):
        report = prune_as_planned(engine, NOTHING)
        assert report.left == (("2.snapshot.json", StayReason.DIFFERENT),)
        assert engine.metadata.files["2.snapshot.json"] == other
    assert set(engine.metadata.files) == reachable_names(engine) | {"2.snapshot.json"}
    engine.metadata.remove("2.snapshot.json")
    assert prune(engine.ports, retention=NOTHING).missing == 1
    assert prune(engine.ports, retention=NOTHING) == prune(engine.ports, retention=NOTHING)


def test_of_an_unrecorded_file_a_known_key_must_have_signed_it(tmp_path: Path) -> None:
    """What stands under the name of a file that was given up before it was recorded is removed only if it is ours."""
    engine, faulty = faulty_engine(tmp_path / "repository")
    faulty.at = lambda name: "snapshot" in name
    faulty.after = True
    with pytest.raises(Power):
        renew(engine.ports, force=["bins"])
    publish_often(engine, 1)
    names = [f"2.bins-{index}.json" for index in range(4)]
    assert set(names) <= set(engine.metadata.files)
    stranger = Engine.live(tmp_path / "stranger")
    renew(stranger.ports, force=["bins"])
    engine.metadata.show(names[0], stranger.metadata.files[names[0]])
    engine.metadata.show(names[1], engine.metadata.files["1.bins-1.json"])
    engine.metadata.show(names[2], b"no metadata")
    report = prune_as_planned(engine, NOTHING)
    assert report.left == tuple((name, StayReason.DIFFERENT) for name in names[:3])
    assert names[3] not in engine.metadata.files


@pytest.mark.parametrize("retired", [False, True])
def test_a_state_that_is_wrong_about_it_takes_nothing_from_clients(
    engine: Engine, tmp_path: Path, retired: bool
) -> None:
    """What the visible timestamp leads to stays, whatever is noted: its snapshot, its targets, its bins."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    needed = reachable_names(engine)
    with engine.ports.state.transaction(actor="test") as state:
        roles = {role.name: role.visible for role in state.roles()}
        state._connection.execute("UPDATE retention SET settled = 100")  # type: ignore[attr-defined]
        if retired:
            state._connection.execute("UPDATE role SET retired = 1 WHERE kind = 'bin'")  # type: ignore[attr-defined]
        state._connection.execute(  # type: ignore[attr-defined]
            "INSERT INTO superseded_file SELECT id, visible, length, sha256, 1, 1 FROM role WHERE true "
            "ON CONFLICT DO NOTHING"
        )
    report = prune_as_planned(engine, NOTHING)
    assert {name for name, why in report.left if why is StayReason.NEEDED} == {
        f"{version}.{name}.json" for name, version in roles.items()
    }
    assert set(engine.metadata.files) == needed
    check_client(engine, tmp_path / "client")
    assert "files that clients see are noted as superseded" in said(verified(engine))


def test_nothing_goes_while_what_clients_see_is_damaged(engine: Engine) -> None:
    """Without a timestamp, a snapshot or targets that can be read, nothing tells what clients need."""
    publish_often(engine, 3)
    before = dict(engine.metadata.files)
    for lost in ("timestamp.json", "4.snapshot.json", "1.targets.json"):
        for damaged in (None, b"torn"):
            if damaged is None:
                engine.metadata.remove(lost)
            else:
                engine.metadata.show(lost, damaged)
            for act in (prune, plan_prune):
                with pytest.raises(InvalidMetadata):
                    act(engine.ports, retention=NOTHING)
            assert len(engine.metadata.files) == len(before) - (damaged is None)
            engine.metadata.show(lost, before[lost])
    assert prune(engine.ports, retention=NOTHING).removed


def test_an_old_copy_and_another_repository_are_refused(engine: Engine, tmp_path: Path) -> None:
    """From a state that clients are ahead of, or beside somebody else's root, nothing is removed."""
    publish_often(engine, 3)
    other = Engine.live(tmp_path / "other")
    foreign = engine.with_ports(metadata=other.metadata)
    before = dict(other.metadata.files)
    for act in (prune, plan_prune):
        with pytest.raises(ForeignMetadata):
            act(foreign.ports, retention=NOTHING)
    assert other.metadata.files == before
    newer = engine.metadata.files["timestamp.json"]
    with engine.ports.state.transaction(actor="test") as state:
        state._connection.execute("UPDATE role SET visible = visible - 1 WHERE name = 'timestamp'")  # type: ignore[attr-defined]
        state._connection.execute("DELETE FROM publication_role")  # type: ignore[attr-defined]
        state._connection.execute("DELETE FROM publication")  # type: ignore[attr-defined]
    for act in (prune, plan_prune):
        with pytest.raises(StateBehind):
            act(engine.ports, retention=NOTHING)
    assert engine.metadata.files["timestamp.json"] == newer
    assert "1.snapshot.json" in engine.metadata.files


def test_a_clock_that_cannot_be_right_lets_nothing_go(engine: Engine) -> None:
    """Years ahead, it is refused as by whatever signs; behind, less goes than could."""
    publish_often(engine, 8, days=1)
    engine.moved_on(days=31)
    may_go = len(plan_prune(engine.ports).files)
    assert may_go
    engine.clock.advance(timedelta(days=-20))
    assert len(plan_prune(engine.ports).files) < may_go
    engine.clock.advance(timedelta(days=4 * 365))
    for act in (prune, plan_prune):
        with pytest.raises(ClockSuspicious):
            act(engine.ports)
    assert look(engine.ports).prunable == 0


@pytest.mark.parametrize(("publications", "days"), [(0, 30), (-1, 0), (5, -1), (10**9, 1), (1, 10**6)])
def test_a_policy_that_cannot_be_is_refused(publications: int, days: int) -> None:
    """What is visible is always kept, and nothing longer than a date can say."""
    with pytest.raises(InvalidPolicy):
        Retention(publications=publications, days=days)
