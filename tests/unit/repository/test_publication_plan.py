"""The dry run of a publication, where some of what it would bring is for people who are away."""

from __future__ import annotations

import pytest
from tests.support.engine import Engine
from tests.unit.repository.test_bins_by_people import away, engine
from tests.unit.repository.test_first_bins_wait import half_signed

from rstuf.repository.publication_plan import PublicationPlan, plan_publication
from rstuf.repository.publish import publish
from rstuf.repository.reports import PublicationReport

__all__ = ["away", "engine"]


def brings(plan: PublicationPlan | PublicationReport) -> list[tuple[str, int]]:
    return [(role.name, role.version) for role in plan.roles]


def test_who_is_away_is_not_promised(engine: Engine) -> None:
    """A role whose people are elsewhere waits in the plan as it does then, with what is lacking; all else comes out."""
    engine.add("pay/new", b"new")
    engine.add("b.txt", b"beside")
    first = plan_publication(engine.ports)
    assert [(each.name, each.event, each.lacking) for each in first.waiting] == [("pay", None, 2)]
    assert engine.events.views() == []
    report = publish(engine.ports)
    assert (brings(first), first.timestamp_version) == (brings(report), report.timestamp_version)
    again = plan_publication(engine.ports)
    assert (again.roles, again.timestamp_version) == ((), report.timestamp_version)
    assert again.waiting == publish(engine.ports).waiting
    assert [each.event for each in again.waiting] == ["pay-v2"]


def test_bins_of_people_wait_in_the_plan_together(away: Engine) -> None:
    """Of bins that people sign it names those that would wait, and what comes after other bins that wait already."""
    for path in ("pay/new", "pay/another", "pay/third"):
        away.add(path, b"new")
    (planned,) = plan_publication(away.ports).waiting
    (told,) = publish(away.ports).waiting
    assert (planned.name, planned.bins, planned.event) == (told.name, told.bins, None)
    away.events.cancel(str(told.event))
    half_signed(away, 8)
    away.add("pay/later", b"later")
    (planned,) = plan_publication(away.ports).waiting
    assert planned.behind
    assert (planned,) == publish(away.ports).waiting


def test_a_plan_asks_for_no_passphrase(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are looked at and not opened, so that it can be shown to whoever knows none of their passphrases."""
    engine.keys.away.clear()
    engine.add("pay/new", b"new")
    engine.add("b.txt", b"beside")
    with monkeypatch.context() as closed:
        closed.setattr(engine.keys, "open", lambda entry: pytest.fail(f"{entry.name} is opened"))
        closed.setattr(engine.keys, "look", lambda entry: entry.name in engine.keys.made)
        plan = plan_publication(engine.ports)
    assert not plan.waiting
    assert brings(plan) == brings(publish(engine.ports))
