"""A rotation that is called off: what it has published of its new key is taken back.

Where the online key signs targets, that comes out before root's event is dropped. Where people do, and have let the new
key sign the bins already, they must let the old one again: that waits in the place of whatever waits of targets.
"""

from __future__ import annotations

from rstuf.repository.authority import load_authority
from rstuf.repository.call_offs import what_calls_off
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.signing_anew import to_sign_again


def call_off(ports: Ports) -> PublicationReport | None:
    """Take back what the online key has signed for a rotation: nothing is signed with its new key any more.

    Under the publication lock, after recovery, before its root is dropped, and once nothing else refuses that. Broken
    off, the rotation goes on as it was. What people must sign is opened where root is dropped; see `handed_back`. Until
    that is out, what is below it stays as it is: a key that was let in there goes as one that is out of place.

    Raises:
        SigningError: the old key cannot be reached; nothing was changed.
    """
    with ports.state.read() as reader:
        off = what_calls_off(ports, reader)
        if off is None or off.by_people is not None:
            return None
        again = to_sign_again(ports, reader, load_authority(reader, ports.metadata, proposed=off.online))
        there = {part.role.name for part in again}
        roles = [reader.role(name) for name in off.online if name not in there]
    parts = [*(Part(role, role.number, Reason.ROTATED) for role in roles), *again]
    return bring_out(ports, parts, proposed=off.online, also={})
