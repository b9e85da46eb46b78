"""States made anew from what an engine has published, and what they are held against."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.engine import Engine

from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import ArtifactState
from rstuf.model.names import RoleName
from rstuf.model.roles import RoleState
from rstuf.repository.published import read_published
from rstuf.repository.rebuild import RebuildReport, Remembered, rebuild
from rstuf.state.sqlite import SqliteStateStore


def rebuilt(
    engine: Engine, directory: Path, *, trusted: bytes | None = None, **known: Any
) -> tuple[Engine, RebuildReport]:
    """The engine with a state that was made anew, and what was said of that."""
    directory.mkdir()
    store = SqliteStateStore.create(directory / "state.db", wait=timedelta(seconds=5), purpose="test")
    again = engine.with_ports(state=store)
    keys = [made.entry for made in engine.keys.made.values()]
    values = {"name": "again", "keys": keys, "periods": engine.plan.periods, "plan_digest": ""}
    values |= {"files": list(engine.metadata.files), **known}
    published = read_published(engine.metadata, trusted=trusted)
    return again, rebuild(again.ports, published, Remembered(**values))


def exported(engine: Engine) -> list[tuple[ArtifactState, str, bytes]]:
    """Every artifact with its state, as it is signed."""
    with engine.ports.state.read() as reader:
        return [(each.state, each.role, row_of(each.artifact).fragment) for each in reader.artifacts()]


def roles_of(engine: Engine) -> dict[str, tuple[Any, ...]]:
    """What matters of each role: all but dates, ids and the numbers of changes."""
    with engine.ports.state.read() as reader:
        roles = list(reader.roles())
    names = {role.id: role.name for role in roles}
    return {role.name: _what_matters(role, names) for role in roles}


def _what_matters(role: RoleState, names: Mapping[int, RoleName]) -> tuple[Any, ...]:
    holder = None if role.holder is None else names[role.holder]
    held = (role.artifacts, role.payload)
    return role.kind, holder, role.index, role.bin_bits, role.visible, role.retired, held
