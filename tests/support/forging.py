"""Published files that say something else, rightly signed: what whoever has a role's key can put in its place.

forge(engine, "team", "tara", lambda signed: signed["targets"].clear())
add_role(engine, "deep", "tara", signed)      # a new one, listed by snapshot
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.engine import Engine

from rstuf.model.names import RoleName

Signed = dict[str, Any]


def forge(engine: Engine, role: str, key: str, change: Callable[[Signed], object]) -> None:
    """Change what the visible version of a role says, and sign it again with a key of the engine's."""
    name = name_of(engine, role)
    signed = json.loads(engine.metadata.files[name])["signed"]
    change(signed)
    show(engine, name, key, signed)


def show(engine: Engine, name: str, key: str, signed: Signed) -> None:
    """Publish a file, signed by a key of the engine's."""
    payload = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    made = engine.keys.made[key]
    signatures = [{"keyid": made.entry.keyid, "sig": made.signer.sign(payload)}]
    whole = {"signatures": signatures, "signed": signed}
    engine.metadata.show(name, json.dumps(whole, separators=(",", ":"), sort_keys=True).encode())


def relist(engine: Engine, change: Callable[[Signed], object]) -> None:
    """Change what snapshot lists, and let timestamp name it."""
    forge(engine, "snapshot", "online", lambda signed: change(signed["meta"]))
    version = _visible(engine, "snapshot")
    forge(engine, "timestamp", "online", lambda signed: signed.update(meta={"snapshot.json": {"version": version}}))


def add_role(engine: Engine, role: str, key: str, signed: Signed) -> None:
    """A role that nobody published, at version 1, and listed."""
    show(engine, f"1.{role}.json", key, signed)
    relist(engine, lambda meta: meta.update({f"{role}.json": {"version": 1}}))


def plain(**changes: Any) -> Signed:
    """What a role says that lists nothing."""
    signed = {"_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2031-01-01T00:00:00Z"}
    return {**signed, "targets": {}, **changes}


def delegating(engine: Engine, key: str, *names: str, **changes: Any) -> Signed:
    """Delegations to roles, all signed by one key, each for everything in a directory of its name."""
    entry = engine.keys.made[key].entry
    role = {"keyids": [entry.keyid], "threshold": 1, "terminating": False}
    roles = [{**role, "name": name, "paths": [f"{name}/*"], **changes} for name in names]
    return {"keys": {entry.keyid: entry.key.to_dict()}, "roles": roles}


def name_of(engine: Engine, role: str) -> str:
    """The visible file of a role."""
    return "timestamp.json" if role == "timestamp" else f"{_visible(engine, role)}.{role}.json"


def _visible(engine: Engine, role: str) -> int:
    with engine.ports.state.read() as reader:
        return reader.role(RoleName(role)).visible
