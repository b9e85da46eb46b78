"""What an event was to make of a delegation is told as one command, and that proposes the same again."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from tests.support.audited import copy_of
from tests.support.delegated import delegate
from tests.support.engine import Engine, check_client, plan_document
from tests.unit.repository.test_delegated_events import whole

from rstuf.model.names import TARGETS, RoleName
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
    propose_wanted,
)
from rstuf.repository.ports import Ports
from rstuf.repository.wanted_delegations import wanted_by
from rstuf_cli.delegated_again import command_that_delegates

ONE, TWO, THREE, FOUR = map(RoleName, ("one", "two", "three", "four"))
PERIODS: Final = Periods.of(timedelta(days=30), timedelta(days=20))
Propose = Callable[[Ports], DelegationProposal]


def adds(**more: object) -> Propose:
    """A fourth delegation."""
    plan = DelegationPlan(name=FOUR, paths=(path_pattern("four/*"),), **more)  # type: ignore[arg-type]
    return lambda ports: propose_addition(ports, plan)


def changes(name: RoleName, **more: object) -> Propose:
    """One of the three is another."""
    return lambda ports: propose_change(ports, name, DelegationChange(**more))  # type: ignore[arg-type]


CASES: Final[dict[str, tuple[Propose, str]]] = {
    "add": (adds(), "add four --path 'four/*' --expires 365d"),
    "add before": (
        adds(before=TWO, signers=("tara",), periods=PERIODS),
        "add four --path 'four/*' --signer tara --expires 30d --renew-before 20d --before two",
    ),
    "add terminating": (
        adds(terminating=True),
        "add four --path 'four/*' --terminating --expires 365d",
    ),
    "paths": (changes(ONE, paths=(path_pattern("one/?"),)), "update one --path 'one/?'"),
    "signers": (
        changes(TWO, signers=("tara", "tom"), threshold=2),
        "update two --signer tara --signer tom --threshold 2",
    ),
    "order": (changes(THREE, before=ONE), "update three --before one"),
    "order of neighbours": (changes(TWO, before=ONE), "update two --before one"),
    "order and more": (changes(THREE, before=TWO, terminating=True), "update three --terminating --before two"),
    "periods": (changes(ONE, periods=PERIODS), "update one --expires 30d --renew-before 20d"),
    "periods of people": (changes(TWO, periods=PERIODS), "update two --expires 30d --renew-before 20d"),
    "removal": (lambda ports: propose_removal(ports, TWO), "remove two"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """No bins: targets, which tara and tom sign, delegates to one, two (signed by tara) and three; both are away."""
    document = plan_document()
    document["bins"] = {"layout": "flat"}
    document["targets"] = {"signers": ["tara", "tom"], "threshold": 2, "expires": "365d"}
    for name in ("tara", "tom"):
        document["keys"][name] = {"generate": "ed25519", "encrypt": False, "signer": f"file:keys/{name}.key"}
    engine = Engine.live(tmp_path_factory.mktemp("wanted") / "repository", document=document)
    for name in (ONE, TWO, THREE):
        delegate(engine, name, f"{name}/*", signers=("tara",) if name == TWO else ())
    engine.keys.away.update(["tara", "tom"])
    return engine


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    """The same, copied."""
    (tmp_path / "copy").mkdir()
    return copy_of(made, tmp_path / "copy")


@pytest.mark.parametrize("case", CASES)
def test_it_is_told_and_proposed_again(engine: Engine, tmp_path: Path, case: str) -> None:
    """Dropped, the same is proposed by what is told; and once all have signed, it is so."""
    propose, told = CASES[case]
    wished = propose(engine.ports)
    report = bring_proposal(engine.ports, wished)
    assert report.waits is not None
    with engine.ports.state.read() as reader:
        wanted = wanted_by(reader, report.waits.event)
    assert wanted is not None
    assert shlex.split(command_that_delegates(wanted)) == ["rstuf", "delegation", *shlex.split(told)]
    engine.events.cancel(report.waits.event.name)
    again = propose_wanted(engine.ports, wanted)
    assert (again.proposed, again.handover, again.elsewhere) == (wished.proposed, wished.handover, wished.elsewhere)
    opened = bring_proposal(engine.ports, again).waits
    assert opened is not None
    by = {part.part.role: [opened.name_of(keyid) for keyid in part.wanted] for part in opened.parts}
    done = [
        each
        for role, names in by.items()
        for name in names
        for each in whole(engine, opened.event.name, **{role: name})
    ]
    assert done == [(opened.event.name, None)]
    with engine.ports.state.read() as reader:
        for role, periods in wished.handover.periods.items():
            assert reader.periods()[role] == periods
        assert TARGETS in {role.name for role in reader.roles()}
    check_client(engine, tmp_path / "client")
