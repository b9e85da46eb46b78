"""Somebody who has the online key and can write into what is served: versions far ahead, and expiries far away.

thief = Thief(engine)                       # with the key that is called online
thief.publishes(Depth.SNAPSHOT)             # timestamp and snapshot at version 2^31 - 1, ten years from expiry
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Any

from tests.support.engine import Engine

from rstuf.clock import iso
from rstuf.metadata.bundle import Bundle, DetachedSignature
from rstuf.metadata.canonical import canonical, compact

FARTHEST = 2**31 - 1


class Depth(IntEnum):
    """How far down a thief's versions reach."""

    TIMESTAMP = 1
    SNAPSHOT = 2
    BINS = 3


@dataclass
class Thief:
    """Whoever holds the private half of an online key."""

    engine: Engine
    key: str = "online"
    version: int = FARTHEST
    also_lists: Mapping[str, int] = field(default_factory=dict)

    def publishes(self, depth: Depth) -> None:
        """Put metadata of that depth into the served directory, signed as it must be."""
        put = self.engine.metadata.show
        timestamp = self._signed("timestamp.json")
        visible = timestamp["meta"]["snapshot.json"]["version"]
        snapshot = self._signed(f"{visible}.snapshot.json")
        if depth >= Depth.BINS:
            for name, meta in snapshot["meta"].items():
                role = name.removesuffix(".json")
                signed = self._signed(f"{meta['version']}.{name}")
                put(f"{self.version}.{role}.json", self.signs(signed))
                snapshot["meta"][name] = {"version": self.version}
        if depth >= Depth.SNAPSHOT:
            snapshot["meta"] |= {f"{role}.json": {"version": version} for role, version in self.also_lists.items()}
            data = self.signs(snapshot)
            put(f"{self.version}.snapshot.json", data)
            meta = {
                "version": self.version,
                "length": len(data),
                "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
            }
            timestamp["meta"]["snapshot.json"] = meta
        put("timestamp.json", self.signs(timestamp))

    def takes_names(self, count: int) -> None:
        """Put files of another content under the names that come next for snapshot, targets and bins."""
        put = self.engine.metadata.show
        with self.engine.ports.state.read() as reader:
            roles = [role for role in reader.roles() if role.name not in {"root", "timestamp"}]
        for role in roles:
            signed = self._signed(f"{role.visible}.{role.name}.json")
            for version in range(role.version + 1, role.version + 1 + count):
                put(f"{version}.{role.name}.json", self.signs({**signed, "version": version}))

    def signs(self, signed: Mapping[str, Any]) -> bytes:
        """A file of it that lives for ten years."""
        expires = iso(self.engine.clock.now() + timedelta(days=3650))
        signed = {**signed, "expires": expires}
        signer = self.engine.keys.made[self.key].signer
        sig = signer.sign(canonical(compact(signed)))
        return json.dumps({"signatures": [{"keyid": signer.keyid, "sig": sig}], "signed": signed}).encode()

    def _signed(self, name: str) -> dict[str, Any]:
        signed = json.loads(self.engine.metadata.files[name])["signed"]
        return {**signed, "version": self.version}


def publish_loose(engine: Engine, root: Bundle, *signatures: DetachedSignature) -> None:
    """What somebody does who has a root that was proposed, and its signatures."""
    (part,) = root.parts
    signed_by = [{"keyid": each.keyid, "sig": each.sig} for each in signatures]
    engine.metadata._files["2.root.json"] = json.dumps({"signatures": signed_by, "signed": part.signed}).encode()
