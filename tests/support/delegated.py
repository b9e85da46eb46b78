"""Repositories that delegate by names: one with some history, and short ways to let delegations come and go.

engine = delegated(tmp_path)                  # slow: once a module, then `audited.copy_of`
delegate(engine, "docs", "docs/*")            # and undelegate(engine, "docs")
where(engine)                                 # {"team/one": "team published", …}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.engine import Engine, plan_document

from rstuf.model.layout import Layout
from rstuf.model.names import RoleName
from rstuf.model.patterns import path_pattern
from rstuf.repository.delegating import (
    DelegationPlan,
    DelegationReport,
    bring_proposal,
    propose_addition,
    propose_removal,
)
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins

PATHS = (
    *(f"files/{number}.bin" for number in range(6)),
    *("team/one", "team/two", "team/notes/x", "team/inner/a", "team/inner/b", "team/.dot"),
    *("ops/x", "ops/y", "gone/x"),
    *(f"vendor/{number}" for number in range(6)),
)
PATTERNS = {
    "team": ("team/*", "team/inner/*"),
    "inner": ("team/inner/*",),
    "ops": ("ops/*",),
    "vendor": ("vendor/*",),
    "gone": ("gone/*",),
}


def delegate(engine: Engine, name: str, *paths: str, parent: str = "targets", **more: Any) -> DelegationReport:
    """Delegate to a role, in one publication."""
    plan = DelegationPlan(name=RoleName(name), paths=tuple(map(path_pattern, paths)), parent=RoleName(parent), **more)
    return bring_proposal(engine.ports, propose_addition(engine.ports, plan))


def undelegate(engine: Engine, name: str) -> DelegationReport:
    """Delegate to a role no more, in one publication."""
    return bring_proposal(engine.ports, propose_removal(engine.ports, RoleName(name)))


def delegated(directory: Path, layout: Layout = Layout.SUCCINCT) -> Engine:
    """A repository that delegates by names, beside 4 bins or none, and where something of each kind has happened.

    targets → team (signed by tara; → inner, terminating), ops (terminating), vendor (4 bins), bins (4 bins). One called
    gone has left; an artifact of each of team, inner and vendor was replaced, and one of each of team and ops removed.
    """
    document = plan_document()
    document["bins"] = {"layout": layout.value} | ({"count": 4} if layout is not Layout.FLAT else {})
    engine = Engine.live(directory, document=document)
    for path in PATHS:
        if path != "team/.dot":
            engine.add(path, path.encode())
    publish(engine.ports)
    engine.make_key("tara")
    delegate(engine, "team", *PATTERNS["team"], signers=("tara",))
    delegate(engine, "inner", *PATTERNS["inner"], parent="team", terminating=True)
    delegate(engine, "ops", *PATTERNS["ops"], terminating=True)
    delegate(engine, "vendor", *PATTERNS["vendor"])
    delegate(engine, "gone", *PATTERNS["gone"])
    resize_bins(engine.ports, 4, role=RoleName("vendor"))
    for path in ("team/one", "team/inner/a", "vendor/1"):
        engine.add(path, b"another")
    for path in ("team/two", "ops/y"):
        engine.remove(path)
    publish(engine.ports)
    undelegate(engine, "gone")
    return engine


def where(engine: Engine) -> dict[str, str]:
    """By path: which role lists it, and its state."""
    with engine.ports.state.read() as reader:
        return {each.artifact.path: f"{each.role} {each.state}" for each in reader.artifacts()}
