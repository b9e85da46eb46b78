"""A rotation that is called off: what it has published of its new key is taken back.

Where the online key signs targets, that comes out before root's event is dropped. Where people do, and have let the new
key sign the bins already, they must let the old one again: that waits in the place of whatever waits of targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rstuf.metadata.render import Unsigned, renewed_part
from rstuf.metadata.views import RoleKeys
from rstuf.model.names import TARGETS
from rstuf.repository.authority import load_authority
from rstuf.repository.bridge import delegating_to_new, lists_key
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.signing_anew import bins_to_sign_again
from rstuf.repository.targets_signers import people_sign


@dataclass(frozen=True, slots=True)
class CallOff:
    """What becomes of targets when the rotation that goes on is called off.

    Attributes:
        targets: what it says then: its bins are signed with the old key alone.
        by_people: whether people must sign it; else the old key does at once.
    """

    targets: Mapping[str, Any]
    by_people: bool


def what_calls_off(ports: Ports, reader: StateReader) -> CallOff | None:
    """What calling off the rotation that goes on takes; None where nothing that is published names its new key."""
    rotation = reader.rotation()
    entry = None if rotation is None else reader.key(rotation.old)
    if rotation is None or entry is None or rotation.root_version is not None:
        return None
    authority = load_authority(reader, ports.metadata)
    if not lists_key(authority.targets, rotation.new):
        return None
    back = delegating_to_new(authority.targets, gone=(rotation.new,), new=entry.key)
    return CallOff(back, by_people=people_sign(authority.top_level))


def handed_back(ports: Ports, reader: StateReader) -> Unsigned | None:
    """What people must sign of targets when the rotation that goes on is called off; None where they need not."""
    off = what_calls_off(ports, reader)
    if off is None or not off.by_people:
        return None
    expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
    return renewed_part(TARGETS, off.targets, version=reader.role(TARGETS).version + 1, expires=expires)


def call_off(ports: Ports) -> PublicationReport | None:
    """Take back what the online key has signed for a rotation: nothing is signed with its new key any more.

    Under the publication lock, after recovery, before its root is dropped, and once nothing else refuses that. Broken
    off, the rotation goes on as it was. What people must sign is opened where root is dropped; see `handed_back`.

    Raises:
        SigningError: the old key cannot be reached; nothing was changed.
    """
    with ports.state.read() as reader:
        rotation, off = reader.rotation(), what_calls_off(ports, reader)
        entry = None if rotation is None else reader.key(rotation.old)
        if off is None or off.by_people or entry is None:
            return None
        role = reader.role(TARGETS)
        signers = RoleKeys(keyids=(entry.keyid,), threshold=1, keys={entry.keyid: entry.key})
        bins = bins_to_sign_again(ports, reader, signers)
    return bring_out(ports, [Part(role, role.number, Reason.ROTATED), *bins], proposed={TARGETS: off.targets}, also={})
