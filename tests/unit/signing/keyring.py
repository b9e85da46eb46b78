"""Keys for tests: pools that are made once, every spelling of one key, and signatures by any scheme."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from securesystemslib.signer import CryptoSigner, SSlibKey

from rstuf.metadata.key_identity import public_key
from rstuf.metadata.views import Signature
from rstuf.model.keys import KeyId, PublicKey

FIXTURES = Path(__file__).parent / "fixtures"
PSS = tuple(f"rsassa-pss-sha{bits}" for bits in (256, 384, 512))
PKCS1 = tuple(f"rsa-pkcs1v15-sha{bits}" for bits in (256, 384, 512))
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def private(kind: str, number: int = 0):
    """One of any number of private keys of a kind, the same one each time."""
    return _private(kind, number)


@cache
def _private(kind: str, number: int):
    match kind:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "rsa1024":
            return serialization.load_pem_private_key((FIXTURES / "ssl-rsa1024.key").read_bytes(), None)
    curve = {"ecdsa": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}[kind]
    return ec.generate_private_key(curve())


def public(kind: str, number: int = 0) -> PublicKey:
    """Its public half, as rstuf writes it."""
    return public_key(private(kind, number).public_key(), where="test")


def sign(key: PublicKey, secret, payload: bytes) -> str:
    """A signature by the scheme that `key` names, made by securesystemslib."""
    plain = {"ecdsa": "ecdsa", "rsa": "rsa", "ed25519": "ed25519"}.get(key.keytype, "ecdsa")
    written = public_key(secret.public_key(), where="test")
    signer = CryptoSigner(secret, SSlibKey("id", plain, key.scheme, {"public": written.public}))
    return signer.sign(payload).signature


def signature(keyid: str, sig: str) -> Signature:
    return Signature(KeyId(keyid), sig)


def pem(der: bytes, *, label: str = "PUBLIC KEY", width: int = 64, end: str = "\n", header: str = "") -> str:
    """A PEM block in any of the dialects that are about."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    head = [header, ""] if header else []
    return end.join([f"-----BEGIN {label}-----", *head, *lines, f"-----END {label}-----", ""])


def dialects(der: bytes, *, label: str = "PUBLIC KEY") -> Iterator[str]:
    """Texts that every PEM reader takes for the same bytes."""
    for width, end, header in itertools.product((64, 76, 1000), ("\n", "\r\n"), ("", "Comment: maria's laptop")):
        yield pem(der, label=label, width=width, end=end, header=header)
    yield "a word before\n" + pem(der, label=label)
    yield pem(der, label=label) + "a word after\n"
    yield pem(der, label=label).rstrip("\n")
    yield pem(der, label=label).replace("\n", " \n")


def spellings(kind: str) -> list[PublicKey]:
    """Key objects that all mean one key, none equal to another."""
    texts: list[tuple[str, tuple[str, ...]]]
    if kind == "ed25519":
        text = public_key(ed25519_key().public_key(), where="test").public
        some = {text, text.upper(), *(text[:at] + text[at:].upper() for at in range(64))}
        return [PublicKey("ed25519", scheme, each) for each in sorted(some) for scheme in ("ed25519", "ed25519ph", "")]
    if kind == "ecdsa":
        types, schemes = ("ecdsa", "ecdsa-sha2-nistp256"), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384")
        texts = [(text, schemes) for der in ec_encodings() for text in dialects(der)]
        texts.append((_fixture("ssl-p256-explicit.pub"), schemes))
    else:
        types, schemes = ("rsa",), PSS + PKCS1
        key = rsa_key().public_key()
        pkcs1 = key.public_bytes(DER, serialization.PublicFormat.PKCS1)
        texts = [(text, schemes) for text in dialects(key.public_bytes(DER, SPKI))]
        texts += [(text, schemes) for text in dialects(pkcs1, label="RSA PUBLIC KEY")]
        texts.append((_fixture("ssl-rsapss.pub"), schemes))  # its algorithm identifier says RSASSA-PSS
    found = [PublicKey(t, s, text) for text, of in texts for s in of for t in types]
    return list(dict.fromkeys(found))


@cache
def ed25519_key():
    """An Ed25519 key with letters in its hexadecimal form."""
    return serialization.load_pem_private_key((FIXTURES / "ssl-ed25519.key").read_bytes(), None)


@cache
def ec_key():
    """The P-256 key whose other encodings stand in the fixtures."""
    return serialization.load_pem_private_key((FIXTURES / "ssl-p256.key").read_bytes(), None)


@cache
def rsa_key():
    """The RSA key that OpenSSL marked as one for PSS."""
    return serialization.load_pem_private_key((FIXTURES / "ssl-rsapss.key").read_bytes(), None)


def ec_encodings() -> list[bytes]:
    """SubjectPublicKeyInfo with the point uncompressed, compressed and hybrid."""
    return [_der(_fixture(f"ssl-p256{form}.pub")) for form in ("", "-compressed", "-hybrid")]


def _fixture(name: str) -> str:
    return (FIXTURES / name).read_text()


def _der(text: str) -> bytes:
    return base64.b64decode("".join(line for line in text.splitlines() if "-----" not in line))
