"""A role that lists its artifacts itself and waits for its first bins: what goes with these, and what comes after."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.delegated import where
from tests.support.engine import Engine
from tests.unit.repository.test_bins_by_people import PATHS, PAY, engine, finds, signed, split

from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.policy import BinSigners
from rstuf.repository.publish import publish
from rstuf.repository.status import look

__all__ = ["engine"]


def half_signed(engine: Engine, bins: int = 4, signers: BinSigners | None = BinSigners.ROLE) -> SigningEvent:
    """Bins that wait, and that one of two has signed."""
    waits = split(engine, bins, signers).waits
    assert waits is not None
    signed(engine, waits.event.name, ["tara"])
    return engine.events.view(waits.event.name).event


@pytest.mark.parametrize("signers", BinSigners)
def test_what_was_accepted_before_waits_with_the_first_bins(
    engine: Engine, tmp_path: Path, signers: BinSigners
) -> None:
    """It is awaiting, nothing says that it comes later, and giving signatures up for it drops no split that waits."""
    engine.add("pay/new", b"new")
    event = half_signed(engine, signers=signers)
    assert where(engine)["pay/new"] == "pay awaiting"
    for drop in ((), (event,)):
        (told,) = publish(engine.ports, drop=drop).waiting
        assert (told.name, told.event, told.behind) == (PAY, event.name, False)
    assert look(engine.ports).pending_roles == 0
    assert signed(engine, event.name, ["tom"]) == [(event.name, None)]
    assert all("published" in state for state in where(engine).values())
    finds(engine, tmp_path / "client", {path: path.encode() for path in PATHS} | {"pay/new": b"new"})


def test_what_is_accepted_later_comes_after_the_first_bins(engine: Engine) -> None:
    """Its people sign these as they were proposed: it is pending, then waits for the bins that are there by then."""
    event = half_signed(engine)
    engine.add("pay/new", b"new")
    (told,) = publish(engine.ports, drop=[event]).waiting
    assert (told.event, told.behind) == (event.name, True)
    assert where(engine)["pay/new"] == "pay pending"
    assert signed(engine, event.name, ["tom"]) == [(event.name, None)]
    (told,) = publish(engine.ports).waiting
    assert told.holder == PAY
    assert engine.events.view(str(told.event)).event.kind is EventKind.CONTENTS


def test_what_the_online_key_signs_then_brings_all_there_is(engine: Engine) -> None:
    """Bins that nobody else signs are rendered when they come out, with what was accepted while they waited."""
    event = half_signed(engine, signers=BinSigners.ONLINE)
    engine.add("pay/new", b"new")
    (told,) = publish(engine.ports).waiting
    assert (told.event, told.behind) == (event.name, False)
    assert where(engine)["pay/new"] == "pay awaiting"
    assert signed(engine, event.name, ["tom"]) == [(event.name, None)]
    assert where(engine)["pay/new"].endswith("published")


def test_what_is_accepted_later_undoes_no_other_bins(engine: Engine) -> None:
    """Where there are bins already, others that wait stay, too, though signatures are given up for what came since."""
    signed(engine, half_signed(engine).name, ["tom"])
    event = half_signed(engine, 8)
    engine.add("pay/new", b"new")
    (told,) = publish(engine.ports, drop=[event]).waiting
    assert (told.event, told.behind) == (event.name, True)
    assert signed(engine, event.name, ["tom"]) == [(event.name, None)]
