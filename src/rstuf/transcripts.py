"""Files of records that people keep: never written over, and known by their digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from rstuf.durable import PUBLIC_FILE, How, write_file
from rstuf.errors import InvalidInput, NameTaken


def refuse_taken_transcript(path: Path) -> None:
    """Refuse a place where no record can be written, before anything is done that would be in it.

    Raises:
        InvalidInput: something is there already, or nothing can be written there.
    """
    if os.path.lexists(path):
        raise _taken(path)
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise InvalidInput(f"nothing can be written in {path.absolute().parent}", hint="name another place")


def write_transcript(path: Path, text: str) -> str:
    """Write a record to a new file, durably; its SHA-256, hex.

    Raises:
        InvalidInput: something is there already.
        StorageError: it cannot be written.
    """
    data = text.encode()
    try:
        write_file(path, data, mode=PUBLIC_FILE, how=How.CREATE)
    except NameTaken:
        raise _taken(path) from None
    return hashlib.sha256(data).hexdigest()


def _taken(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} is there already, and no record is written over it", hint="name a new file")
