"""Whose signatures an event has: of those who are here alone, who can sign the next one, or of others as well."""

from __future__ import annotations

from rstuf.errors import RstufError
from rstuf.model.events import SigningEvent
from rstuf.model.keys import KeyId
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
