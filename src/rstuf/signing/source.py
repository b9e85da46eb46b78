"""The workspace's keys: opened by signer URI, made, and read from what people hand over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.errors import InvalidKey, SignerMismatch, SignerUnavailable, SigningError, WrongPassphrase, shorten
from rstuf.metadata.key_identity import check_key, key_identity, public_key
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.repository.interfaces import NewKey, RoleSigner, Secrets
from rstuf.signing.containers import SCHEMES, Container, generate_private, write_container
from rstuf.signing.keyfiles import (
    check_place,
    create_key_pair,
    create_public,
    is_taken,
    public_path,
    read_key_file,
    read_private,
    taken,
)
from rstuf.signing.public_keys import PUBLIC_AGAIN, parse_public, public_pem
from rstuf.signing.schemes import HOMES, MakingScheme, Noting, Scheme, load_scheme
from rstuf.signing.uris import FILE_SCHEME, SignerUri, file_path, parse_uri

if TYPE_CHECKING:
    from rstuf.signing.containers import PrivateKey

OnNote = Callable[[str, str], None]
# What is made on a token cannot be taken back where the ceremony comes to nothing.
_MADE_BEFORE: Final = (
    "write the signer as file:PATH; or make it before (on a token: rstuf key generate NAME --signer URI), and let the "
    "plan name it without generate"
)


class KeyFileSource:
    """`SignerSource` and `KeyMaker` over key files, and over whatever else signer URIs name (`signing.schemes`).

    Args:
        workspace: the directory that relative `file:` URIs are under.
        secrets: asked for passphrases.
        inputs: the directory that relative locations of public keys are under (a plan's); by default the workspace.
        schemes: what signer URIs may name beside files; see `schemes.load_scheme`.
        on_note: told a key's name and what to know before it is used (`schemes.Noting`), each such thing once.
    """

    def __init__(
        self,
        workspace: Path,
        secrets: Secrets,
        *,
        inputs: Path | None = None,
        schemes: Mapping[str, Scheme | str] = HOMES,
        on_note: OnNote | None = None,
    ) -> None:
        self._workspace, self._secrets = workspace, secrets
        self._inputs = workspace if inputs is None else inputs
        self._schemes: dict[str, Scheme | str] = dict(schemes)
        self._on_note, self._noted = on_note, set[str]()
        self._opened: dict[Path, PrivateKey] = {}

    def open(self, entry: KeyEntry) -> RoleSigner:
        """The signer of `entry`. Each call reads the key, and asks, again; only what `public_of` opened is used once.

        Raises:
            SignerUnavailable: it has no URI, cannot be reached, or is another key.
            PassphraseNeeded, WrongPassphrase: the key is encrypted and stays closed.
            UnsafeDirectory: the key is not encrypted, and others can read it.
        """
        uri = _uri_of(entry)
        if uri.scheme == FILE_SCHEME:
            return self._open_file(uri, entry)
        scheme = self._scheme(uri, entry.name)
        signer = scheme.open(uri, entry, self._secrets)
        self._tell(scheme, uri, entry.name)
        return signer

    def look(self, entry: KeyEntry) -> bool:
        """That the key is there, usable and not another one, as far as that shows; whether it is certain whose it is.

        Raises:
            SignerUnavailable, UnsafeDirectory: `open` would say so too.
            StorageError: the disk fails.
        """
        uri = _uri_of(entry)
        if uri.scheme != FILE_SCHEME:
            return self._scheme(uri, entry.name).look(uri, entry)
        return self._told(entry, self._find(uri, entry), uri) is not None

    def generate(self, name: str, scheme: str, uri: str, *, encrypt: bool, reuse: bool, added: datetime) -> NewKey:
        """A new key pair for the file that `uri` names. Nothing is written before `NewKey.save`.

        A key that is reused must be of the scheme that is asked for, and encrypted if that is asked for.

        Raises:
            InvalidKey: the place is taken, cannot keep a key, or the scheme is unknown.
            PassphraseNeeded, WrongPassphrase: there is no passphrase for it, or it does not open the key that is there.
            UnsafeDirectory: others could read the key, or put another in its place.
        """
        path = self._place(name, uri)
        found = is_taken(path)
        if found and not (reuse and path.is_file()):
            raise taken(path)
        if not found and is_taken(public_path(path)):
            raise taken(public_path(path))
        check_place(path)
        _check_scheme(name, scheme)
        if found:
            return self._reuse(name, scheme, uri, path, encrypt=encrypt, added=added)
        passphrase = self._secrets.passphrase(name, new=True) if encrypt else None
        private = generate_private(scheme)
        entry = KeyEntry(name, public_key(private.public_key(), where=name), signer=uri, added=added)
        return _MadeKey(entry, _signer(entry, private), path, write_container(private, passphrase, where=name))

    def make_in_place(self, name: str, scheme: str, uri: str, *, added: datetime) -> KeyEntry:
        """A new key pair where no file is, such as on a token: it is there at once, and cannot be taken back.

        Raises:
            InvalidKey: the place is taken, keeps no keys of this kind, or makes none.
            SignerUnavailable: it cannot be reached.
            PassphraseNeeded, WrongPassphrase: it stays closed.
        """
        parsed = parse_uri(uri, key=name)
        place = None if parsed.scheme == FILE_SCHEME else self._scheme(parsed, name)
        if not isinstance(place, MakingScheme):
            reason = f"rstuf makes no keys at {shorten(parsed.scheme)}: URIs"
            raise InvalidKey(name, reason, hint="name a token: hsm:KEYID?label=LABEL")
        key, known_by = place.make(parsed, name, scheme, self._secrets)
        return KeyEntry(name, key, signer=known_by, added=added)

    def public_of(self, name: str, uri: str) -> PublicKey:
        """The public half of the private key that `uri` names. It is opened for it, and kept for the next `open`.

        Raises:
            SignerUnavailable: it cannot be reached, or is not of a kind that rstuf lets in.
            PassphraseNeeded, WrongPassphrase, UnsafeDirectory: as `open` says.
        """
        parsed = parse_uri(uri, key=name)
        if parsed.scheme != FILE_SCHEME:
            scheme = self._scheme(parsed, name)
            key = scheme.public_of(parsed, name, self._secrets)
            self._tell(scheme, parsed, name)
            return key
        path = file_path(parsed, base=self._workspace, key=name)
        try:
            private = _open_container(read_private(path), name, self._secrets)
            key = public_key(private.public_key(), where=str(path))
            check_key(key, where=str(path))
        except InvalidKey as error:
            raise SignerUnavailable(name, error.message, hint=error.hint) from None
        self._opened[path] = private
        return key

    def public_of_made(self, name: str, uri: str) -> PublicKey | None:
        """The public half of a key that `generate` made before, without opening it; None where there is none.

        Raises:
            InvalidKey, UnsafeDirectory: what is there cannot be used, or does not tell it.
        """
        path = self._place(name, uri)
        if not is_taken(path):
            return None
        return read_private(path).public or self.read_public(str(public_path(path)))

    def read_public(self, location: str) -> PublicKey:
        """The public key in a file, absolute or under the `inputs` directory.

        Raises:
            InvalidKey: it cannot be read, or is not a kind that rstuf lets in.
        """
        data, _ = read_key_file(self._inputs / location)
        try:
            return parse_public(data, where=location)
        except InvalidKey as error:
            raise InvalidKey(error.where, error.reason, hint=error.hint or PUBLIC_AGAIN) from None

    def _scheme(self, uri: SignerUri, key: str) -> Scheme:
        # Kept, as what it has open serves its next key too.
        found = self._schemes[uri.scheme] = load_scheme(uri, self._schemes, key=key)
        return found

    def _tell(self, scheme: Scheme, uri: SignerUri, key: str) -> None:
        if self._on_note is None or not isinstance(scheme, Noting):
            return
        note = scheme.note(uri, key)
        if note is not None and note not in self._noted:
            self._noted.add(note)
            self._on_note(key, note)

    def _open_file(self, uri: SignerUri, entry: KeyEntry) -> RoleSigner:
        path = file_path(uri, base=self._workspace, key=entry.name)
        private = self._opened.pop(path, None)
        try:
            if private is None:
                private = _open_container(self._find(uri, entry), entry.name, self._secrets)
            _compare(entry, public_key(private.public_key(), where=str(path)), path)
        except InvalidKey as error:
            raise SignerUnavailable(entry.name, error.message, hint=error.hint) from None
        return _signer(entry, private)

    def _find(self, uri: SignerUri, entry: KeyEntry) -> Container:
        """The key, still closed. Its public half is compared before anybody is asked for a passphrase, where it can be.

        Raises:
            SignerUnavailable, UnsafeDirectory: it is not there, cannot be used, or is another key.
        """
        path = file_path(uri, base=self._workspace, key=entry.name)
        try:
            container = read_private(path)
            _compare(entry, container.public, path)
        except InvalidKey as error:
            raise SignerUnavailable(entry.name, error.message, hint=error.hint) from None
        return container

    def _told(self, entry: KeyEntry, container: Container, uri: SignerUri) -> PublicKey | None:
        """The public half that a key tells without a passphrase, which is the one that is known.

        Raises:
            SignerUnavailable: it is another key's, or the file is damaged.
        """
        path = file_path(uri, base=self._workspace, key=entry.name)
        try:
            told = container.told()
            _compare(entry, told, path)
        except InvalidKey as error:
            raise SignerUnavailable(entry.name, error.message, hint=error.hint) from None
        return told

    def _place(self, name: str, uri: str) -> Path:
        try:
            parsed = parse_uri(uri, key=name)
            if parsed.scheme != FILE_SCHEME:
                raise InvalidKey(name, "here keys are made in files only", hint=_MADE_BEFORE)
            return file_path(parsed, base=self._workspace, key=name)
        except SignerUnavailable as error:
            raise InvalidKey(name, error.reason, hint=error.hint) from None

    def _reuse(self, name: str, scheme: str, uri: str, path: Path, *, encrypt: bool, added: datetime) -> NewKey:
        container = read_private(path)
        if encrypt and not container.encrypted:
            reason = "an unencrypted key is there, and an encrypted one is asked for"
            raise InvalidKey(str(path), reason, hint="move it away, or write encrypt = false in the plan")
        private = _open_container(container, name, self._secrets)
        entry = KeyEntry(name, public_key(private.public_key(), where=str(path)), signer=uri, added=added)
        if entry.key.scheme != SCHEMES[scheme]:
            reason = f"a key for {entry.key.scheme} is there, and one of kind {scheme} is asked for"
            raise InvalidKey(str(path), reason, hint="move it away, or ask for its kind in the plan: generate = ...")
        beside = public_path(path)
        if is_taken(beside) and _identity_in(beside) != key_identity(entry.key):
            raise InvalidKey(str(beside), f"it is not the public half of {path}", hint="move it away")
        return _FoundKey(entry, _signer(entry, private), path)


class KeySigner:
    """A private key, open and ready, under securesystemslib's `CryptoSigner`."""

    __slots__ = ("_keyid", "_make", "_name")

    def __init__(self, entry: KeyEntry, make: Callable[[bytes], str]) -> None:
        """The signer of `entry`; `make` gives the signature over a payload, hex."""
        self._keyid, self._name, self._make = entry.keyid, entry.name, make

    @property
    def keyid(self) -> KeyId:
        """The key it signs with."""
        return self._keyid

    def sign(self, payload: bytes) -> str:
        """The signature over `payload`, hex: ECDSA in DER, RSA-PSS with a salt as long as the digest.

        Raises:
            SigningError: the key did not sign.
        """
        try:
            return self._make(payload)
        except Exception:  # noqa: S110 - whatever it says could speak of the key
            pass
        raise SigningError(f"the key {self._name} did not sign", hint="nothing was changed; try again")


class _MadeKey:
    """A new key, not saved yet."""

    __slots__ = ("_data", "_path", "entry", "signer")

    def __init__(self, entry: KeyEntry, signer: RoleSigner, path: Path, data: bytes) -> None:
        self.entry, self.signer, self._path, self._data = entry, signer, path, data

    def save(self) -> None:
        create_key_pair(self._path, private=self._data, public=public_pem(self.entry.key))


class _FoundKey:
    """A key that was there already. Saving completes what an interruption may have left out: its public half."""

    __slots__ = ("_path", "entry", "signer")

    def __init__(self, entry: KeyEntry, signer: RoleSigner, path: Path) -> None:
        self.entry, self.signer, self._path = entry, signer, path

    def save(self) -> None:
        if not is_taken(public_path(self._path)):
            create_public(self._path, public_pem(self.entry.key))


def _check_scheme(name: str, scheme: str) -> None:
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise InvalidKey(name, f"rstuf makes no keys of kind {shorten(scheme)!r}", hint=f"choose one of {known}")


def _open_container(container: Container, name: str, secrets: Secrets) -> PrivateKey:
    """The private key; who mistypes its passphrase is asked again, for this key alone."""
    while container.encrypted:
        try:
            return container.open(secrets.passphrase(name, new=False), key=name)
        except WrongPassphrase:
            if not secrets.may_try_again(name):
                raise
    return container.open(None, key=name)


def _uri_of(entry: KeyEntry) -> SignerUri:
    if entry.signer is None:
        raise SignerUnavailable(entry.name, "its private half is not here")
    return parse_uri(entry.signer, key=entry.name)


def _compare(entry: KeyEntry, found: PublicKey | None, path: Path) -> None:
    # Equal values are equal keys; only of others it has to be found out.
    if found is not None and found != entry.key and key_identity(found) != key_identity(entry.key):
        raise SignerMismatch(
            entry.name,
            f"{path} holds another key ({found.keyid[:16]}) than the one known by this name ({entry.keyid[:16]})",
            hint="put the right key file in its place",
        )


def _identity_in(path: Path) -> bytes | None:
    try:
        return key_identity(parse_public(read_key_file(path)[0], where=str(path)))
    except InvalidKey:
        return None


def _signer(entry: KeyEntry, private: PrivateKey) -> KeySigner:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

    key = entry.key
    try:
        signer = CryptoSigner(private, SSlibKey(entry.keyid, key.keytype, key.scheme, {"public": key.public}))
    except ValueError:
        raise SignerUnavailable(entry.name, f"its kind does not sign by the scheme {key.scheme[:60]!r}") from None
    if isinstance(private, Ed25519PrivateKey):
        # What the library does for this kind, without what it does around it for each signature.
        plain = private.sign
        return KeySigner(entry, lambda payload: plain(payload).hex())
    return KeySigner(entry, lambda payload: str(signer.sign(payload).signature))
