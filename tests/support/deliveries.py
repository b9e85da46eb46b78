"""Roles that somebody made elsewhere, brought to an engine: one that takes them, and short ways to look and accept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.delegated import delegate, where
from tests.support.engine import Engine, MemorySource

from rstuf.errors import DeliveryRefused
from rstuf.metadata.brought_role import take_brought_apart
from rstuf.model.events import SigningEvent
from rstuf.model.names import RoleName, target_path
from rstuf.repository.brought_roles import Delivery, look_at_delivery
from rstuf.repository.delegating import (
    DelegationChange,
    bring_proposal,
    propose_change,
)
from rstuf.repository.deliveries import DeliveryReport, take_delivery
from rstuf.repository.publish import publish
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own

NEW = {"team/new": b"new"}


def with_a_delegate(directory: Path) -> Engine:
    """team, signed by tara, whose key went away after its first version, which lists team/old."""
    engine = Engine.live(directory)
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("tara")
    delegate(engine, "team", "team/*", signers=("tara",))
    engine.add("team/old", b"old")
    publish(engine.ports)
    engine.keys.away.add("tara")
    return engine


def look(engine: Engine, data: bytes, *, role: str = "team") -> Delivery:
    """What a file would change."""
    return look_at_delivery(engine.ports, take_brought_apart(data, name=RoleName(role), file=f"{role}.json"))


def accept(
    engine: Engine, data: bytes, contents: Mapping[str, bytes] | None = None, *, role: str = "team", **more: Any
) -> DeliveryReport:
    """Accept a file, with contents."""
    sources = None if contents is None else [MemorySource(target_path(path), data) for path, data in contents.items()]
    shown = look(engine, data, role=role)
    drop = [view.event for view in shown.drops]
    report = take_delivery(engine.ports, shown, contents=sources, drop=drop, **more)
    if contents is not None and not report.delivery.lacking:
        for path in report.delivery.removed:
            del engine.contents[path]
        engine.contents.update(contents)
    return report


def whole(engine: Engine) -> None:
    """Everything agrees: the audit of what is published, and the state."""
    report = verify_own(engine.ports, depth=Depth.FULL)
    assert report.ok, report.problems


def waits(engine: Engine) -> list[SigningEvent]:
    """The events that are open."""
    return [view.event for view in engine.events.views()]


def refused(engine: Engine, data: bytes, rule: str, *, role: str = "team", **more: Any) -> DeliveryRefused:
    """A file that is refused for a rule, with nothing changed by that."""
    before = (dict(engine.metadata.files), dict(engine.artifacts.files), where(engine), waits(engine))
    with pytest.raises(DeliveryRefused) as caught:
        accept(engine, data, role=role, **more)
    assert caught.value.rule == rule
    assert before == (dict(engine.metadata.files), dict(engine.artifacts.files), where(engine), waits(engine))
    return caught.value


def two_of_two(engine: Engine) -> None:
    """Let tara and tom sign team together, both of them away."""
    engine.make_key("tom")
    engine.keys.away.clear()
    bring_proposal(
        engine.ports,
        propose_change(engine.ports, RoleName("team"), DelegationChange(signers=("tara", "tom"), threshold=2)),
    )
    engine.keys.away.update(["tara", "tom"])
