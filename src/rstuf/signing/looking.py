"""What a key file is, as far as it tells without a passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rstuf.metadata.key_identity import check_key
from rstuf.model.keys import KeyId, PublicKey
from rstuf.signing.containers import parse_container
from rstuf.signing.keyfiles import read_key_file
from rstuf.signing.public_keys import parse_public


@dataclass(frozen=True, slots=True)
class KeyLook:
    """A key file at a look.

    Attributes:
        private: whether it can sign.
        encrypted: whether it takes a passphrase for that.
        public: the public half; None where only the passphrase would tell it (encrypted PKCS#8).
    """

    private: bool
    encrypted: bool
    public: PublicKey | None

    @property
    def keyid(self) -> KeyId | None:
        """The key's id, where it is known."""
        return self.public.keyid if self.public is not None else None


def look_at_key(path: Path) -> KeyLook:
    """What the file at `path` is: a public half, or a private key. Nobody is asked for anything.

    Raises:
        InvalidKey: it is missing, neither, or of a kind that rstuf does not let in.
        StorageError: the disk fails.
    """
    data, _ = read_key_file(path)
    if b"PRIVATE KEY" not in data:
        return KeyLook(private=False, encrypted=False, public=parse_public(data, where=str(path)))
    container = parse_container(data, where=str(path))
    public = container.told()
    if public is not None:
        # Refused now, not after everything else was decided.
        check_key(public, where=str(path))
    return KeyLook(private=True, encrypted=container.encrypted, public=public)
