"""Keys that a source makes in a workspace, with somebody who answers for their passphrases."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

from rstuf.repository.interfaces import NewKey
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.source import KeyFileSource

ADDED = datetime(2026, 11, 20, 12, tzinfo=UTC)
URI = "file:keys/maria.key"


class Asked:
    """Gives one passphrase and remembers what it was asked for."""

    def __init__(self, passphrase: bytes = b"correct horse") -> None:
        self.answers, self.asked = passphrase, []

    def passphrase(self, key: str, *, new: bool) -> bytes:
        self.asked.append((key, new))
        return self.answers

    def may_try_again(self, key: str) -> bool:
        return False


def make(workspace, secrets=None, *, scheme="ed25519", uri=URI, encrypt=False, reuse=False) -> NewKey:
    """A key of Maria's that is not saved yet."""
    source = KeyFileSource(workspace, secrets or NoSecrets())
    return source.generate("maria", scheme, uri, encrypt=encrypt, reuse=reuse, added=ADDED)


def files(directory) -> dict[str, int]:
    """Everything below a directory, with its permission bits."""
    return {
        str(path.relative_to(directory)): stat.S_IMODE(path.lstat().st_mode) for path in sorted(directory.rglob("*"))
    }
