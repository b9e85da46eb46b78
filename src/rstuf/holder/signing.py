"""Signing what was reviewed: exactly those bytes, with keys that may sign them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.durable import PUBLIC_FILE, How, write_file
from rstuf.errors import InvalidKey, PinNeeded, SignerMismatch, SigningError
from rstuf.holder.record import SignedBefore
from rstuf.holder.review import Review
from rstuf.metadata.bundle import BundlePart, DetachedSignature, SignatureDocument, render_signatures
from rstuf.metadata.key_identity import key_identity, verify_signature
from rstuf.metadata.root_parts import short_id, short_ids
from rstuf.model.keys import KeyEntry, KeyId, PublicKey

if TYPE_CHECKING:
    from rstuf.repository.interfaces import RoleSigner, Secrets

_FILE: Final = "file:"
# Agents list their keys without asking anybody, and most tokens do.
_LISTING: Final = ("ssh-agent:", "hsm:")


@dataclass(frozen=True, slots=True)
class HolderKey:
    """A key that the holder names by a signer URI.

    Attributes:
        uri: where it signs.
        name: what its passphrase is asked and given for: the name of its file without the ending, else the URI.
    """

    uri: str
    name: str

    @classmethod
    def at(cls, text: str) -> HolderKey:
        """The key that a command line names: a signer URI, or the path of a key file."""
        is_uri = ":" in text and "/" not in text.partition(":")[0]
        uri = text if is_uri else f"{_FILE}{text}"
        path = uri.removeprefix(_FILE) if uri.lower().startswith(_FILE) else None
        return cls(uri, (Path(path).stem if path is not None else uri) or uri)

    def look(self, directory: Path) -> PublicKey | None:
        """The public half as far as that shows without asking anybody; None where it does not.

        Raises:
            InvalidKey, StorageError, SignerUnavailable: there is no key that could be used.
        """
        if self.uri.lower().startswith(_LISTING):
            from rstuf.signing.secrets import NoSecrets
            from rstuf.signing.source import KeyFileSource

            try:
                return KeyFileSource(directory, NoSecrets()).public_of(self.name, self.uri)
            except PinNeeded:
                return None
        if not self.uri.lower().startswith(_FILE):
            return None
        from rstuf.signing.looking import look_at_key
        from rstuf.signing.uris import file_path, parse_uri

        return look_at_key(file_path(parse_uri(self.uri, key=self.name), base=directory, key=self.name)).public

    def open(self, review: Review, secrets: Secrets, *, directory: Path) -> RoleSigner:
        """The key, open and ready to sign what was reviewed. Now its passphrase is asked for.

        Args:
            directory: where relative paths start from.

        Raises:
            SignerMismatch: nothing that was reviewed is its to sign.
            SignerUnavailable, PassphraseNeeded, WrongPassphrase, UnsafeDirectory: it stays closed.
        """
        from rstuf.signing.source import KeyFileSource

        source = KeyFileSource(directory, secrets)
        public = source.public_of(self.name, self.uri)
        listed = keyids_of(review, public)
        if not listed:
            raise not_listed(self.name, public, review)
        # By the scheme that metadata says it signs by, which may be another one than the file's.
        key = review.keys[listed[0]] or public
        return source.open(KeyEntry(self.name, key, signer=self.uri, added=review.now))


def keyids_of(review: Review, public: PublicKey) -> tuple[KeyId, ...]:
    """The key ids, among those that may sign what was reviewed, that stand for this key."""
    return tuple(keyid for keyid in review.may_sign if _identity(review.keys.get(keyid)) == key_identity(public))


def keyids_signed_by(review: Review, signer: RoleSigner) -> tuple[KeyId, ...]:
    """The key ids under which an open key signs what was reviewed."""
    return tuple(keyid for keyid in review.may_sign if _is_of(signer, keyid, review.keys.get(keyid)))


def is_signature_of(document: SignatureDocument, review: Review, keyids: Collection[str]) -> bool:
    """Whether a signature file is just what these keys sign of what was reviewed, each signature verified."""
    parts = {part.digest: part.payload for part in review.bundle.parts}
    due = {
        (part.digest, keyid) for part in review.parts for side in part.sides for keyid in side.keyids if keyid in keyids
    }
    if {(each.digest, each.keyid) for each in document.signatures} != due:
        return False
    return all(
        (key := review.keys[each.keyid]) is not None and verify_signature(key, each.sig, parts[each.digest])
        for each in document.signatures
    )


def not_listed(name: str, public: PublicKey, review: Review) -> SignerMismatch:
    """The error that says that a key has nothing to sign here."""
    return SignerMismatch(
        name,
        f"it is the key {short_id(public.keyid)}, which may not sign {review.event}: {short_ids(review.may_sign)} may",
        hint="name the key that is among them; rstuf key show --file FILE shows which one a file holds",
    )


def sign_bundle(review: Review, signers: Sequence[RoleSigner]) -> bytes:
    """The signature file for what was reviewed, each signature verified. Nothing but the reviewed bytes is signed.

    Raises:
        SignerMismatch: a signer is of a key that may not sign any of it.
        SigningError: a key did not sign, or not as it should.
    """
    made: list[DetachedSignature] = []
    for signer in signers:
        found = list(_signatures(review, signer))
        if not found:
            raise SignerMismatch(
                short_id(signer.keyid), f"it may not sign {review.event}", hint="name a key that some side of it lists"
            )
        made += found
    return render_signatures(SignatureDocument(tuple(dict.fromkeys(made))))


def write_signatures(path: Path, data: bytes) -> None:
    """Write a signature file. One that has the same bytes already is left as it is.

    Raises:
        NameTaken: another file has this name.
        StorageError: it cannot be written.
    """
    write_file(path, data, mode=PUBLIC_FILE, how=How.CREATE)


def write_bundle(path: Path, data: bytes) -> None:
    """Write a bundle to hand over. One that has the same bytes already is left as it is.

    Raises:
        NameTaken: another file has this name.
        StorageError: it cannot be written.
    """
    write_file(path, data, mode=PUBLIC_FILE, how=How.CREATE)


def signed_by(document: SignatureDocument, review: Review, *, at: datetime) -> Iterator[SignedBefore]:
    """What a record keeps of signatures that were made."""
    for each in document.signatures:
        # Bins that list nothing may have the same bytes.
        for part in (part for part in review.parts if part.digest == each.digest):
            yield SignedBefore(part.role, part.version, each.digest, each.keyid, at)


def _signatures(review: Review, signer: RoleSigner) -> Iterator[DetachedSignature]:
    done = set[tuple[str, KeyId]]()
    for part, reviewed in zip(review.bundle.parts, review.parts, strict=True):
        listed = dict.fromkeys(keyid for side in reviewed.sides for keyid in side.keyids)
        mine = [keyid for keyid in listed if _is_of(signer, keyid, review.keys.get(keyid))]
        # What has the same bytes is signed once.
        mine = [keyid for keyid in mine if (part.digest, keyid) not in done]
        done.update((part.digest, keyid) for keyid in mine)
        if mine:
            sig = _sign(signer, part, [key for keyid in mine if (key := review.keys[keyid]) is not None])
            for keyid in mine:
                yield DetachedSignature(part.digest, keyid, sig)


def _is_of(signer: RoleSigner, keyid: KeyId, key: PublicKey | None) -> bool:
    """Whether a listed key is a signer's, also where its key id is another one than the hash of it."""
    return key is not None and signer.keyid in {keyid, key.keyid}


def _sign(signer: RoleSigner, part: BundlePart, keys: Sequence[PublicKey]) -> str:
    sig = signer.sign(part.payload)
    if not all(verify_signature(key, sig, part.payload) for key in keys):
        raise SigningError(
            f"what the key {short_id(signer.keyid)} made is not its signature",
            hint="nothing was written; the key may be damaged, or its token defective",
        )
    return sig


def _identity(key: PublicKey | None) -> bytes | None:
    try:
        return None if key is None else key_identity(key)
    except InvalidKey:
        return None
