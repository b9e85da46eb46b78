"""The forms in which a private key is kept, as bytes: recognised, opened and written.

Read: OpenSSH and PKCS#8 PEM, plain and encrypted, and the traditional PEM of EC and RSA keys, plain.

Written: an encrypted key in the OpenSSH format, whose bcrypt key derivation can be made slow (the PKCS#8 that
`cryptography` writes derives its key in 2 048 rounds of PBKDF2, which is too fast); a plain one as PKCS#8 PEM, which
openssl, securesystemslib's `file2:` signers and every other TUF tool read.
"""

from __future__ import annotations

import base64
import re
import shlex
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from rstuf.errors import InvalidKey, WrongPassphrase
from rstuf.metadata.key_identity import public_key
from rstuf.model.keys import PublicKey
from rstuf.signing.public_keys import openssh_public

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

KDF_ROUNDS: Final = 100
"""bcrypt rounds of the keys we encrypt; 8 ms each, so 0.8 s to open a key (2025 server core); `ssh-keygen` takes 16."""

MAX_KDF_ROUNDS: Final = 10_000  # above a minute: a damaged or hostile file, not a careful person
MAX_PASSPHRASE_BYTES: Final = 1023  # what cryptography takes, for every container
RSA_BITS: Final = 3072

SCHEMES: Final[Mapping[str, str]] = {
    "ed25519": "ed25519",
    "ecdsa": "ecdsa-sha2-nistp256",
    "rsa": "rsassa-pss-sha256",
}
"""The kinds of keys we make, and TUF's name of the scheme by which each signs."""

_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_OPENSSH_BODY: Final = re.compile(
    rb"-----BEGIN OPENSSH PRIVATE KEY-----\s(.*?)-----END OPENSSH PRIVATE KEY-----", re.DOTALL
)
_OPENSSH_MAGIC: Final = b"openssh-key-v1\0"
_PLAIN_BODY: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----\s(.*?)-----END PRIVATE KEY-----", re.DOTALL)
# How a plain Ed25519 key begins (RFC 8410 §7); the seed of 32 bytes follows, and nothing else.
_PLAIN_ED25519: Final = bytes.fromhex("302e020100300506032b657004220420")
_WHOLE: Final = "put a copy of it that is whole in its place"
_SUPPORTED: Final = "use an Ed25519, ECDSA P-256 or RSA key"


class _Form(Enum):
    OPENSSH = auto()
    PEM = auto()


@dataclass(frozen=True, slots=True, repr=False)
class Container:
    """A private key as it lies in a file, still closed.

    Attributes:
        encrypted: whether it takes a passphrase to open.
        public: its public half where the container tells it without being opened (OpenSSH), else None. It is a claim:
            whoever opens the key compares what comes out.
    """

    encrypted: bool
    public: PublicKey | None
    _form: _Form
    _data: bytes
    _where: str

    def told(self) -> PublicKey | None:
        """The public half, as far as it shows without a passphrase: None for an encrypted PKCS#8 file alone.

        Raises:
            InvalidKey: it is not encrypted, and damaged or of a kind that rstuf cannot use.
        """
        if self.public is not None or self.encrypted:
            return self.public
        seed = _plain_seed(self._data)
        if seed is None:
            return public_key(self.open(None, key=self._where).public_key(), where=self._where)
        # What opens files of every kind takes far longer to load than this, and looks are taken often.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        return PublicKey("ed25519", "ed25519", raw.hex())

    def open(self, passphrase: bytes | None, *, key: str) -> PrivateKey:
        """The private key.

        Args:
            passphrase: for an encrypted one; a plain one opens whatever is given.
            key: the key's name, for messages.

        Raises:
            WrongPassphrase: it does not open.
            InvalidKey: it is damaged or of a kind that rstuf cannot use.
        """
        from cryptography.exceptions import InternalError, InvalidTag, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization

        load = serialization.load_ssh_private_key if self._form is _Form.OPENSSH else serialization.load_pem_private_key
        # Raised outside of the handlers, so that no error carries what the library said of secret bytes.
        failed = unsupported = False
        loaded: object = None
        if self.encrypted and not passphrase:
            raise WrongPassphrase(key)
        try:
            loaded = load(self._data, passphrase if self.encrypted else None)
        except UnsupportedAlgorithm:
            unsupported = True
        except (ValueError, TypeError, InvalidTag, InternalError, NotImplementedError):
            # Of a damaged header the library says whatever its parts say, up to an error that calls itself internal.
            failed = True
        if unsupported:
            raise InvalidKey(
                self._where, "it is of a kind, or encrypted in a way, that cannot be read", hint=_SUPPORTED
            )
        if failed and self.encrypted:
            raise WrongPassphrase(key)
        if failed:
            raise InvalidKey(self._where, "it is damaged, or not a private key", hint=_WHOLE)
        return _checked(loaded, self._where)


def parse_container(data: bytes, *, where: str) -> Container:
    """What kind of container `data` is, and what it tells without being opened.

    Raises:
        InvalidKey: it is none, or one that should not be used.
    """
    labels = [label for label in _LABEL.findall(data) if label != b"EC PARAMETERS"]
    if len(labels) != 1:
        raise _not_a_key(data, labels, where)
    match labels[0]:
        case b"OPENSSH PRIVATE KEY":
            encrypted, public = _read_openssh(data, where)
            return Container(encrypted, public, _Form.OPENSSH, data, where)
        case b"ENCRYPTED PRIVATE KEY":
            return Container(True, None, _Form.PEM, data, where)
        case b"PRIVATE KEY":
            return Container(False, None, _Form.PEM, data, where)
        case b"EC PRIVATE KEY" | b"RSA PRIVATE KEY":
            if b"4,ENCRYPTED" in data:
                raise InvalidKey(
                    where,
                    "its encryption (traditional PEM) derives the key by a single MD5",
                    hint="convert it: openssl pkcs8 -topk8 -scrypt -in FILE -out NEWFILE",
                )
            return Container(False, None, _Form.PEM, data, where)
    raise _not_a_key(data, labels, where)


def generate_private(scheme: str) -> PrivateKey:
    """A new key; `scheme` is one of `SCHEMES`."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match scheme:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "ecdsa":
            return ec.generate_private_key(ec.SECP256R1())
        case "rsa":
            return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    raise ValueError(scheme)


def write_container(private: PrivateKey, passphrase: bytes | None, *, where: str) -> bytes:
    """`private` as it is kept: encrypted where there is a passphrase, which takes as long as opening it does.

    Raises:
        InvalidKey: the passphrase is empty or longer than 1 023 bytes.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if passphrase is None:
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE_BYTES:
        reason = f"its new passphrase must have between 1 and {MAX_PASSPHRASE_BYTES} bytes"
        raise InvalidKey(where, reason, hint="choose another one")
    encryption = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(KDF_ROUNDS).build(passphrase)
    return private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption)


def _checked(loaded: object, where: str) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if not isinstance(loaded, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey):
        raise InvalidKey(where, "it is of a kind that TUF has no scheme for", hint=_SUPPORTED)
    public_key(loaded.public_key(), where=where)
    return loaded


def _not_a_key(data: bytes, labels: list[bytes], where: str) -> InvalidKey:
    if len(labels) > 1:
        return InvalidKey(where, "it holds more than one PEM block", hint="keep the private key in a file of its own")
    if data.startswith(b"PuTTY-User-Key-File"):
        return InvalidKey(where, "it is a PuTTY key", hint="convert it: puttygen FILE -O private-openssh -o NEWFILE")
    if (labels and b"PUBLIC KEY" in labels[0]) or data.startswith((b"ssh-", b"ecdsa-sha2-", b"sk-")):
        reason = "it holds a public key, and the private one is needed"
        return InvalidKey(where, reason, hint="name the file of the private half; of NAME.pub it is NAME or NAME.key")
    return InvalidKey(where, "it is not a private key", hint="OpenSSH and PKCS#8 PEM files are read")


def _plain_seed(data: bytes) -> bytes | None:
    """The seed in a plain Ed25519 file of the one form that rstuf writes; None for whatever else it is."""
    body = _PLAIN_BODY.search(data)
    try:
        der = b"" if body is None else base64.b64decode(b"".join(body[1].split()), validate=True)
    except ValueError:
        return None
    fits = der.startswith(_PLAIN_ED25519) and len(der) == len(_PLAIN_ED25519) + 32
    return der[len(_PLAIN_ED25519) :] if fits else None


def _read_openssh(data: bytes, where: str) -> tuple[bool, PublicKey]:
    """Whether it is encrypted, and its public half (PROTOCOL.key of OpenSSH)."""
    damaged = InvalidKey(where, "it is a damaged OpenSSH key", hint=_WHOLE)
    body = _OPENSSH_BODY.search(data)
    if body is None:
        raise damaged
    try:
        blob = base64.b64decode(b"".join(body[1].split()), validate=True)
        if not blob.startswith(_OPENSSH_MAGIC):
            raise damaged
        cipher, rest = _take(blob[len(_OPENSSH_MAGIC) :])
        kdf, rest = _take(rest)
        options, rest = _take(rest)
        (count,) = struct.unpack_from(">I", rest)
        public, rest = _take(rest[4:])
        kind, _ = _take(public)
        _take(rest)
        rounds = struct.unpack(">I", _take(options)[1])[0] if kdf == b"bcrypt" else 1
    except (ValueError, struct.error):
        raise damaged from None
    if count != 1 or (cipher == b"none") != (kdf == b"none") or rounds < 1:
        raise damaged
    if rounds > MAX_KDF_ROUNDS:
        reason = f"it asks for {rounds} rounds of key derivation, more than {MAX_KDF_ROUNDS}"
        raise InvalidKey(where, reason, hint=f"ssh-keygen -p -a 100 -f {shlex.quote(where)} asks for fewer")
    return cipher != b"none", openssh_public(kind + b" " + base64.b64encode(public), where=where)


def _take(data: bytes) -> tuple[bytes, bytes]:
    """The length-prefixed string in front of `data`, and what follows it."""
    (length,) = struct.unpack_from(">I", data)
    if length > len(data) - 4:
        raise ValueError("it ends early")
    return data[4 : 4 + length], data[4 + length :]
