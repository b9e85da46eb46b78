"""What calling off the rotation of an online key takes: who must take back that they let its new key sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rstuf.metadata.render import Unsigned, renewed_part
from rstuf.model.names import TARGETS, RoleName
from rstuf.repository.authority import load_authority
from rstuf.repository.bridge import delegating_to_new, lists_key, once_online
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.targets_signers import people_sign


@dataclass(frozen=True, slots=True)
class CallOff:
    """What becomes of roles that delegate when the rotation that goes on is called off.

    Attributes:
        online: what those say then that online keys sign: whatever is below them is signed with the old key alone.
        by_people: the same of targets, where people must sign it.
    """

    online: Mapping[RoleName, Mapping[str, Any]]
    by_people: Mapping[str, Any] | None

    @property
    def targets(self) -> Mapping[str, Any] | None:
        """What targets says then; None where that stays."""
        return self.by_people if self.by_people is not None else self.online.get(TARGETS)


def what_calls_off(ports: Ports, reader: StateReader) -> CallOff | None:
    """What calling off the rotation that goes on takes; None where nothing that is published names its new key.

    Nor is anything given back to a key that is lost or leaked: the new one stays where it is, and another rotation
    finds it there.
    """
    rotation = reader.rotation()
    entry = None if rotation is None else reader.key(rotation.old)
    if rotation is None or entry is None or entry.report is not None or rotation.root_version is not None:
        return None
    authority, online = load_authority(reader, ports.metadata), once_online(reader)
    back = {
        name: delegating_to_new(said, gone=(rotation.new,), new=entry.key)
        for name, said in authority.delegators.items()
        if lists_key(said, rotation.new) and (name == TARGETS or online.issuperset(authority.named[name].keyids))
    }
    by_people = back.pop(TARGETS, None) if people_sign(authority.top_level) else None
    return CallOff(back, by_people) if back or by_people is not None else None


def handed_back(ports: Ports, reader: StateReader) -> Unsigned | None:
    """What people must sign of targets when the rotation that goes on is called off; None where they need not."""
    off = what_calls_off(ports, reader)
    if off is None or off.by_people is None:
        return None
    expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
    return renewed_part(TARGETS, off.by_people, version=reader.role(TARGETS).version + 1, expires=expires)
