"""States made anew from what an engine has published, and what they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.engine import Engine

from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import ArtifactState
from rstuf.model.keys import KeyId
from rstuf.model.names import TIMESTAMP
from rstuf.model.roles import RoleKind
from rstuf.repository.authority import load_authority
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


@dataclass(frozen=True)
class Role:
    """What matters of a role: all but dates, its id and the numbers of changes."""

    kind: RoleKind
    holder: str | None
    index: int | None
    bin_bits: int | None
    visible: int
    retired: bool
    artifacts: int
    payload: int


def roles_of(engine: Engine) -> dict[str, Role]:
    """Every role that clients know, by its name."""
    with engine.ports.state.read() as reader:
        roles = list(reader.roles())
    names = {role.id: str(role.name) for role in roles}
    return {
        role.name: Role(
            kind=role.kind,
            holder=None if role.holder is None else names[role.holder],
            index=role.index,
            bin_bits=role.bin_bits,
            visible=role.visible,
            retired=role.retired,
            artifacts=role.artifacts,
            payload=role.payload,
        )
        for role in roles
        if role.visible
    }


def delegations_of(engine: Engine) -> Sequence[object]:
    """Who may sign what; a role that could delegate and does not is like any other."""
    with engine.ports.state.read() as reader:
        found, layout = load_authority(reader, engine.ports.metadata), reader.settings().layout
    delegators = {name: each for name, each in found.tree.delegators.items() if each.named or each.bins is not None}
    said = {name: found.delegators[name] for name in delegators}
    return found.root, found.top_level, found.named, found.shared, delegators, said, layout


def under_replacement(engine: Engine) -> dict[KeyId, str]:
    """The keys of a rotation that is not over which something lets sign and root does not name, with their names."""
    with engine.ports.state.read() as reader:
        rotation, found = reader.rotation(), load_authority(reader, engine.ports.metadata)
        signing = {keyid for shared in found.shared.values() for keyid in shared.signers.keyids}
        signing |= {keyid for keys in found.named.values() for keyid in keys.keyids}
        pair = set() if rotation is None else {rotation.old, rotation.new}
        going = (pair & signing) - set(found.top_level[TIMESTAMP].keyids)
        return {entry.keyid: entry.name for keyid in going if (entry := reader.key(keyid)) is not None}
