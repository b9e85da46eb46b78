"""Delegations that change around bins which the people of a role sign: their batch goes with it, in the same event."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, check_client
from tests.unit.repository.test_bins_by_people import PAY, finds, signatures, signed, split

from rstuf.model.patterns import path_pattern
from rstuf.model.policy import BinSigners
from rstuf.repository.authority import load_authority
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationReport,
    bring_proposal,
    propose_change,
    propose_removal,
)
from rstuf.repository.publish import publish
from rstuf.repository.rebin import bin_signers
from rstuf.repository.renewal import renew

PATHS = tuple(f"pay/{number}" for number in range(8))


@pytest.fixture
def away(tmp_path: Path) -> Engine:
    """pay over four bins that tara and tom sign, who are away; so is ann."""
    engine = Engine.live(tmp_path / "repository")
    for path in ("a.txt", *PATHS):
        engine.add(path, path.encode())
    publish(engine.ports)
    for name in ("tara", "tom", "ann"):
        engine.make_key(name)
    delegate(engine, "pay", "pay/*", signers=("tara", "tom"), threshold=2)
    report = split(engine)
    assert report.waits is not None
    engine.events.sign(report.waits.event.name)
    engine.keys.away.update(["tara", "tom", "ann"])
    return engine


def update(engine: Engine, **change: object) -> DelegationReport:
    """pay becomes another one."""
    proposal = propose_change(engine.ports, PAY, DelegationChange(**change))  # type: ignore[arg-type]
    return bring_proposal(engine.ports, proposal)


def bin_keys(engine: Engine) -> list[str]:
    """Who may sign the bins of pay, by name."""
    with engine.ports.state.read() as reader:
        signers = load_authority(reader, engine.ports.metadata).shared[PAY].signers
        names = {entry.keyid: entry.name for entry in reader.keys()}
    return [names[keyid] for keyid in signers.keyids]


def test_whoever_signs_the_role_signs_its_bins(away: Engine, tmp_path: Path) -> None:
    """Ann takes over: role and bins are hers in one publication, and only once she has signed all of them."""
    check_client(away, tmp_path / "old")
    report = update(away, signers=("ann",), threshold=1)
    assert report.waits is not None
    event = report.waits.event
    assert {part.role for part in event.parts} == {"pay", "targets", *(f"pay-bins-{index}" for index in range(4))}
    assert bin_keys(away) == ["tara", "tom"]
    assert signed(away, event.name, ["ann"]) == [(event.name, None)]
    assert bin_keys(away) == ["ann"]
    for client in ("old", "fresh"):
        check_client(away, tmp_path / client)
    away.add("pay/new", b"new")
    (waiting,) = publish(away.ports).waiting
    assert list(waiting.missing) == ["ann"]
    assert signed(away, str(waiting.event), ["ann"]) == [(waiting.event, None)]
    check_client(away, tmp_path / "old")
    assert renew(away.ports).waiting == ()


def test_the_role_goes_to_the_online_key_with_its_bins(away: Engine, tmp_path: Path) -> None:
    """Nobody has to sign what the online key signs from then on; bins come out signed by it at once."""
    check_client(away, tmp_path / "old")
    assert update(away, signers=(), threshold=1).publication is not None
    assert bin_signers(away.ports, PAY) is BinSigners.ONLINE
    away.add("pay/new", b"new")
    assert publish(away.ports).waiting == ()
    for client in ("old", "fresh"):
        check_client(away, tmp_path / client)


def test_people_who_are_here_sign_at_once(away: Engine, tmp_path: Path) -> None:
    """With ann's key here nothing waits: bins change hands in the same publication."""
    away.keys.away.clear()
    assert update(away, signers=("ann",), threshold=1).publication is not None
    assert bin_keys(away) == ["ann"]
    check_client(away, tmp_path / "client")


def test_a_role_that_goes_takes_its_bins_along(away: Engine, tmp_path: Path) -> None:
    """Nobody is asked for them any more, what waited is dropped with it, and its artifacts are in the other bins."""
    away.add("pay/new", b"new")
    (waiting,) = publish(away.ports).waiting
    check_client_without(away, tmp_path / "old")
    proposal = propose_removal(away.ports, PAY)
    assert [view.event.name for view in proposal.drops] == [waiting.event]
    assert bring_proposal(away.ports, proposal, drop=True).publication is not None
    assert away.events.views() == []
    publish(away.ports)
    assert all(state.startswith("bins-") for state in where(away).values())
    for client in ("old", "fresh"):
        check_client(away, tmp_path / client)


def check_client_without(engine: Engine, directory: Path) -> None:
    """A client that comes by before the new one is there."""
    finds(engine, directory, {"pay/0": b"pay/0", "pay/new": None})


def test_what_moves_away_and_back_is_signed_by_all_bins(away: Engine, tmp_path: Path) -> None:
    """A part of the paths goes to other bins, and comes back: both times the people of the bins sign all of them."""
    check_client(away, tmp_path / "old")
    for paths in (("pay/0", "pay/1"), ("pay/*",)):
        report = update(away, paths=tuple(map(path_pattern, paths)))
        assert report.waits is not None
        event = report.waits.event
        assert {f"pay-bins-{index}" for index in range(4)} <= {part.role for part in event.parts}
        assert signed(away, event.name, ["tara"]) == []
        assert signed(away, event.name, ["tom"]) == [(event.name, None)]
        for client in ("old", f"fresh-{paths[0].replace('/', '-')[:5]}{len(paths)}"):
            check_client(away, tmp_path / client)
    assert {state.split()[0] for path, state in where(away).items() if path in PATHS} <= {
        f"pay-bins-{index}" for index in range(4)
    }


def test_what_is_changed_meanwhile_is_kept(away: Engine, tmp_path: Path) -> None:
    """A change of a path that is about to go to the people's bins waits for them, and is in their next batch."""
    update_event = update(away, paths=tuple(map(path_pattern, ("pay/0", "pay/1")))).waits
    assert update_event is not None
    signed(away, update_event.event.name)
    back = update(away, paths=(path_pattern("pay/*"),)).waits
    assert back is not None
    assert signed(away, back.event.name, ["tara"]) == []
    away.add("pay/5", b"another")
    away.add("b.txt", b"beside")
    report = publish(away.ports)
    assert report.published
    assert [(each.event, each.behind) for each in report.waiting] == [(back.event.name, True)]
    assert signed(away, back.event.name, ["tom"]) == [(back.event.name, None)]
    finds(away, tmp_path / "client", {"pay/5": b"pay/5"})
    (waiting,) = publish(away.ports).waiting
    assert waiting.name == "pay-bins"
    assert signed(away, str(waiting.event)) == [(waiting.event, None)]
    check_client(away, tmp_path / "client")


def test_what_was_signed_over_other_bins_is_outdated(away: Engine, tmp_path: Path) -> None:
    """Signatures over bins that are others by now are refused, and what was accepted comes out with the new ones."""
    away.add("pay/new", b"new")
    (waiting,) = publish(away.ports).waiting
    late = signatures(away, str(waiting.event), "tara", "tom")
    (view,) = away.events.views()
    report = split(away, 8, None, drop=[view.event])
    assert report.waits is not None
    assert signed(away, report.waits.event.name) == [(report.waits.event.name, None)]
    done = away.events.receive(late)
    assert {str(each.outcome) for each in done.receptions} == {"refused"}
    assert where(away)["pay/new"].endswith("published")
    check_client(away, tmp_path / "client")
