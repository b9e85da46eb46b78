"""Who is here: whose signatures an event has, of them alone or of others as well, and which keys can sign it."""

from __future__ import annotations

from collections.abc import Iterable

from rstuf.errors import RstufError
from rstuf.model.events import SigningEvent
from rstuf.model.keys import KeyId
from rstuf.repository.authority import ClosedKey
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports


def nobody_else_signed(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether whoever has signed an event is here."""
    by = {each.keyid for part in event.parts for each in part.signatures}
    return all(looks_here(ports, reader, keyid) for keyid in by)


def looks_here(ports: Ports, reader: StateReader, keyid: KeyId) -> bool:
    """Whether a key is where it should be; it is not opened."""
    entry = reader.key(keyid)
    if entry is None or entry.signer is None:
        return False
    try:
        ports.signers.look(entry)
    except RstufError:
        return False
    return True


def look_for(
    ports: Ports, reader: StateReader, keyids: Iterable[KeyId]
) -> tuple[tuple[KeyId, ...], tuple[ClosedKey, ...]]:
    """Of some keys, those that look as if they could sign here, and those that should be here and are not."""
    here, unreachable = list[KeyId](), list[ClosedKey]()
    for keyid in keyids:
        entry = reader.key(keyid)
        if entry is None or entry.signer is None:
            continue
        try:
            ports.signers.look(entry)
            here.append(keyid)
        except RstufError as error:
            unreachable.append(ClosedKey(entry.name, keyid, error))
    return tuple(here), tuple(unreachable)
