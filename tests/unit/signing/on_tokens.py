"""What the tests of keys on tokens share: a token, its logins counted, and who is asked for PINs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.support.tokens import PIN, SoftToken
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED

from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.source import KeyFileSource

pkcs11 = pytest.importorskip("pkcs11", reason="the extra hsm is not installed")


PAYLOAD = b"what is signed " * 1000


class Asked:
    """Gives a PIN, and remembers what it was asked."""

    def __init__(self, pin: bytes = PIN.encode()) -> None:
        self.answer, self.asked = pin, list[tuple[str, str, bool]]()

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        self.asked.append((key, token, last_try))
        return self.answer

    def passphrase(self, key: str, *, new: bool) -> bytes:
        raise AssertionError("a PIN is no passphrase")

    def may_try_again(self, key: str) -> bool:
        raise AssertionError("no PIN is tried again")


def source(secrets=None) -> KeyFileSource:
    return KeyFileSource(Path("/nowhere"), secrets or NoSecrets())


def entry_of(uri: str, key: PublicKey | None = None) -> KeyEntry:
    """The key that a URI names, or another that is said to be there."""
    return KeyEntry("maria", key or source().public_of("maria", uri), uri, ADDED)


def raising(error: Exception):
    """What fails with `error`."""

    def act() -> None:
        raise error

    return act


def library_accepts(key: PublicKey, signature: str, payload: bytes) -> None:
    theirs = SSlibKey.from_dict(key.keyid, key.to_dict())
    theirs.verify_signature(LibrarySignature(key.keyid, signature), payload)


def replace_public_half(token: SoftToken, public) -> None:
    """Take the public half of key 2 away; put another one there."""
    from cryptography.hazmat.primitives.serialization import PublicFormat
    from pkcs11.util.ec import decode_ec_public_key

    attribute = pkcs11.Attribute
    with token.session() as session:
        session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, id=b"\x02").destroy()
        if public is not None:
            der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            more = {attribute.TOKEN: True, attribute.PRIVATE: False, attribute.ID: b"\x02", attribute.LABEL: "other"}
            session.create_object({**decode_ec_public_key(der), **more})


def put_certificate(token: SoftToken, keyid: int) -> None:
    """A certificate over a key of the tests."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Maria")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, keyring.private("ecdsa").public_key(), 1, now, now + timedelta(days=1)
    )
    made = builder.sign(keyring.private("ecdsa"), hashes.SHA256())
    attribute = pkcs11.Attribute
    with token.session() as session:
        session.create_object(
            {
                attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                attribute.TOKEN: True,
                attribute.PRIVATE: False,
                attribute.ID: bytes([keyid]),
                attribute.LABEL: "a certificate",
                attribute.SUBJECT: name.public_bytes(),
                attribute.VALUE: made.public_bytes(Encoding.DER),
            }
        )
