"""Keys that are lost, and whether those that are left suffice to sign for a role."""

from __future__ import annotations

from collections.abc import Collection

from rstuf.metadata.views import RoleKeys
from rstuf.model.keys import KeyId
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.signed_here import looks_here


def lost_beyond_threshold(
    ports: Ports, reader: StateReader, keys: RoleKeys, *, also: Collection[KeyId] = ()
) -> tuple[KeyId, ...]:
    """The keys of a role that are lost and not here, where fewer are left than must sign it; else none.

    Args:
        also: keys that are said to be lost now.
    """
    lost = [keyid for keyid in keys.keyids if _is_lost(reader, keyid, also) and not looks_here(ports, reader, keyid)]
    return tuple(lost) if len(keys.keyids) - len(lost) < keys.threshold else ()


def _is_lost(reader: StateReader, keyid: KeyId, also: Collection[KeyId]) -> bool:
    entry = reader.key(keyid)
    return keyid in also or (entry is not None and entry.is_lost)
