"""The keys of a ceremony that is only rehearsed: all that would be refused is, and nothing is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rstuf.errors import PassphraseNeeded
from rstuf.model.keys import KeyEntry
from rstuf.signing.uris import is_file

if TYPE_CHECKING:
    from rstuf.model.keys import KeyId, PublicKey
    from rstuf.repository.interfaces import NewKey, RoleSigner
    from rstuf.signing.source import KeyFileSource


class RehearsedKeys:
    """`SignerSource` and `KeyMaker` over a source that stays usable where a passphrase is not known.

    Keys that it makes are never to be saved.
    """

    def __init__(self, source: KeyFileSource) -> None:
        self._source = source

    def open(self, entry: KeyEntry) -> RoleSigner:
        if not is_file(entry) and self._source.look(entry):
            # Its place may ask a person for each signature, and these are for nothing.
            return _Closed(entry.keyid)
        try:
            opened = self._source.open(entry)
        except PassphraseNeeded:
            # It is where it should be, and its holder can open it.
            return _Closed(entry.keyid)
        # What signs elsewhere may cost money, and leaves its trace there.
        return opened if is_file(entry) else _Closed(entry.keyid)

    def look(self, entry: KeyEntry) -> bool:
        return self._source.look(entry)

    def generate(self, name: str, scheme: str, uri: str, *, encrypt: bool, reuse: bool, added: datetime) -> NewKey:
        try:
            return self._source.generate(name, scheme, uri, encrypt=encrypt, reuse=reuse, added=added)
        except PassphraseNeeded:
            public = self._source.public_of_made(name, uri)
        if public is None:
            return self._source.generate(name, scheme, uri, encrypt=False, reuse=reuse, added=added)
        entry = KeyEntry(name, public, signer=uri, added=added)
        return _Unmade(entry, _Closed(entry.keyid))

    def public_of(self, name: str, uri: str) -> PublicKey:
        return self._source.public_of(name, uri)

    def read_public(self, location: str) -> PublicKey:
        return self._source.read_public(location)


@dataclass(frozen=True, slots=True)
class _Unmade:
    """Stands for a key that an interrupted ceremony made."""

    entry: KeyEntry
    signer: RoleSigner

    def save(self) -> None:
        raise RuntimeError("a rehearsal saves nothing")


@dataclass(frozen=True, slots=True)
class _Closed:
    """Stands for a signer whose passphrase is not known; what it signs is thrown away."""

    keyid: KeyId

    def sign(self, payload: bytes) -> str:
        del payload
        return ""
