"""Keys that targets lets sign its bins though root names them no more: what a rotation leaves whose state was lost.

They are taken out as a rotation would have done it, had it been remembered: as one whose root is out already.
"""

from __future__ import annotations

from datetime import timedelta

from rstuf.model.keys import KeyEntry, Loss
from rstuf.model.names import TIMESTAMP
from rstuf.model.rotation import RotationKind
from rstuf.repository.authority import SigningDesk, load_authority
from rstuf.repository.bridge import stray_keys
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import report_loss
from rstuf.repository.ports import Ports

_AT_ONCE = timedelta(0)


def strays(ports: Ports, reader: StateReader) -> list[KeyEntry]:
    """The keys that sign bins and nothing that root names, while no rotation goes on that takes them out."""
    authority = load_authority(reader, ports.metadata)
    found = stray_keys(reader, authority.top_level, authority.targets)
    return [entry for keyid in found if (entry := reader.key(keyid)) is not None]


def begin_without_strays(ports: Ports, *, kind: RotationKind = RotationKind.PLANNED, name: str | None = None) -> bool:
    """Go on with the rotation that left stray keys, where there are any. Under the publication lock, after recovery.

    What `rotation.carry_on` does then takes all of them out: where people sign targets, by an event.

    Args:
        kind: why they go; in good order where nobody said more.
        name: the one that is lost or leaked.

    Returns:
        Whether there were any.

    Raises:
        SigningError: the key that root names cannot be reached; nothing was changed.
    """
    with ports.state.read() as reader:
        found = [entry for entry in strays(ports, reader) if name is None or entry.name.casefold() == name.casefold()]
        if not found:
            return False
        authority = load_authority(reader, ports.metadata)
        keys = authority.top_level[TIMESTAMP]
        SigningDesk(reader, ports.signers).signers(TIMESTAMP, keys)
        new = reader.key(keys.keyids[0])
    old, now = found[0], ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        if kind is not RotationKind.PLANNED:
            report_loss(state, old.keyid, Loss(kind.value), at=now)
        state.begin_rotation(kind=kind, old=old.keyid, new=keys.keyids[0], overlap=_AT_ONCE, begun=now)
        details = {"kind": kind.value, "old": old.name, "new": "" if new is None else new.name}
        state.record("rotation.begin", {**details, "keyid": keys.keyids[0]}, at=now)
        rotation = state.rotation()
        if rotation is not None:
            state.note_rooted(rotation.id, version=authority.root.version, at=now)
    return True
