"""Which key a key object really is, whether rstuf uses its kind, and whether it made a signature.

A key id is the hash of one spelling of a key. The same key can be spelt in many ways (PEM line ends and headers, PKCS#1
beside SubjectPublicKeyInfo, compressed points, upper-case hex, another scheme, a foreign field), and libraries that
counted key ids have let one key meet a threshold of two. So thresholds count what `key_identity` returns: the value.

Keys are decoded once and kept; verifying a signature costs little more than the arithmetic.
"""

from __future__ import annotations

import binascii
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rstuf.errors import InvalidKey
from rstuf.model.keys import PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    CryptoKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

Verifier = Callable[[bytes, bytes], None]

MIN_RSA_BITS: Final = 2048
# OpenSSL verifies nothing longer; a longer one would only burn time.
MAX_RSA_BITS: Final = 16384
MAX_PUBLIC_CHARACTERS: Final = 16384

_ED25519: Final = "ed25519"
_RSA: Final = "rsa"
# Scheme to curve. A key type named like its scheme is the old way of writing "ecdsa".
_CURVES: Final = {
    "ecdsa-sha2-nistp256": "secp256r1",
    "ecdsa-sha2-nistp384": "secp384r1",
    "ecdsa-sha2-nistp521": "secp521r1",
}
_EC_TYPES: Final = frozenset({"ecdsa", *_CURVES})
_USED_CURVE: Final = "secp256r1"
_RSA_SCHEMES: Final = frozenset(
    f"{padding}-{digest}" for padding in ("rsassa-pss", "rsa-pkcs1v15") for digest in ("sha256", "sha384", "sha512")
)

# Edwards25519 (RFC 8032 §5.1): -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo p.
_P: Final = 2**255 - 19
_D: Final = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_Y_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_Y_OF_LOW_ORDER: Final = frozenset({0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8})


def key_identity(key: PublicKey) -> bytes:
    """The value of `key`: equal for all spellings of one key, different for different keys.

    Scheme and key id have no part in it, so that one RSA key under two schemes is one key.

    Raises:
        InvalidKey: the value cannot be read, or is one that anybody could sign for.
    """
    return _identity(key)


def check_key(key: PublicKey, *, where: str | None = None) -> None:
    """Whether rstuf lets `key` into a repository: Ed25519, ECDSA P-256, or RSA of 2048 bits or more.

    P-384 and P-521 are refused, because tuf-js cannot verify them; what they have signed, `verify_signature` reads.

    Args:
        where: what to call the key in the message.

    Raises:
        InvalidKey: it is of another kind, or its value and scheme do not belong together.
    """
    where = where or _name(key)
    loaded = _load(key, where=where)
    if not _scheme_fits(key, loaded):
        raise InvalidKey(where, f"{key.keytype} keys of this kind do not sign by the scheme {key.scheme[:60]!r}")
    if key.keytype in _EC_TYPES and key.scheme != "ecdsa-sha2-nistp256":
        raise InvalidKey(
            where, f"{key.scheme} is not read by every client", hint="use an ECDSA P-256 or an Ed25519 key"
        )


def verify_signature(key: PublicKey, signature_hex: str, payload: bytes) -> bool:
    """Whether `signature_hex` is a signature of `key` over `payload`. Garbage of any form is simply none.

    Hexadecimal digits only: a reader that skips blanks and one that does not must come to the same answer.
    """
    from cryptography.exceptions import InvalidSignature

    if len(signature_hex) > MAX_RSA_BITS // 4:
        return False
    try:
        _verifier(key)(binascii.unhexlify(signature_hex), payload)
    except (InvalidSignature, InvalidKey, ValueError):
        return False
    return True


def public_key(loaded: CryptoKey, *, where: str) -> PublicKey:
    """`loaded` in the one form rstuf writes: the form that securesystemslib's `SSlibKey.from_crypto` has.

    Raises:
        InvalidKey: it is of a kind that TUF has no scheme for, or too weak.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(loaded, Ed25519PublicKey):
        key = PublicKey(_ED25519, _ED25519, loaded.public_bytes_raw().hex())
    else:
        scheme: str | None = None
        if isinstance(loaded, EllipticCurvePublicKey):
            scheme = next((name for name, curve in _CURVES.items() if curve == loaded.curve.name), None)
        elif isinstance(loaded, RSAPublicKey):
            scheme = "rsassa-pss-sha256"
        if scheme is None:
            raise InvalidKey(
                where, "it is of a kind that TUF has no scheme for", hint="use an Ed25519 or ECDSA P-256 key"
            )
        pem = loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        key = PublicKey(_RSA if isinstance(loaded, RSAPublicKey) else "ecdsa", scheme, pem)
    _load(key, where=where)
    return key


def same_form(key: PublicKey, *, where: str) -> PublicKey:
    """`key` in the one form rstuf writes, with the scheme it came with. Its key id may become another one.

    Raises:
        InvalidKey: its value cannot be read.
    """
    written = public_key(_load(key, where=where), where=where)
    return PublicKey(written.keytype, key.scheme, written.public)


@functools.lru_cache(maxsize=1024)
def _identity(key: PublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    # One encoder for what was decoded, whatever it was decoded from.
    return _load(key, where=_name(key)).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _load(key: PublicKey, *, where: str) -> CryptoKey:
    keytype, public = key.keytype, key.public
    if len(public) > MAX_PUBLIC_CHARACTERS:
        raise InvalidKey(where, f"its value is longer than {MAX_PUBLIC_CHARACTERS} characters")
    if keytype == _ED25519:
        return _load_ed25519(public, where)
    if keytype != _RSA and keytype not in _EC_TYPES:
        raise InvalidKey(where, f"keys of type {keytype[:60]!r} are not used", hint="use an Ed25519 or ECDSA P-256 key")
    return _load_pem(keytype, public, where)


def _load_ed25519(public: str, where: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = binascii.unhexlify(public)
    except ValueError:
        raise InvalidKey(where, "an Ed25519 key is written as 64 hexadecimal digits") from None
    if len(raw) != 32:
        raise InvalidKey(where, f"an Ed25519 key has 32 bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y in _Y_OF_LOW_ORDER:
        raise InvalidKey(where, "it is a point of low order: anybody can make signatures for it")
    # x^2 = u / v has a root exactly where u * v is a square.
    u, v = y * y - 1, _D * y * y + 1
    if y >= _P or pow(u * v, (_P - 1) // 2, _P) != 1:
        raise InvalidKey(where, "it is not a point of the curve")
    return Ed25519PublicKey.from_public_bytes(raw)


def _load_pem(keytype: str, public: str, where: str) -> CryptoKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if public.count("-----BEGIN") != 1:
        raise InvalidKey(where, "it is not one PEM block")  # of two, readers could take different ones
    try:
        loaded = load_pem_public_key(public.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey(where, "its PEM does not hold a usable public key") from None
    if keytype == _RSA and isinstance(loaded, RSAPublicKey):
        if not MIN_RSA_BITS <= loaded.key_size <= MAX_RSA_BITS:
            raise InvalidKey(
                where,
                f"an RSA key of {loaded.key_size} bits is not between {MIN_RSA_BITS} and {MAX_RSA_BITS}",
                hint="use an Ed25519 or ECDSA P-256 key",
            )
        if loaded.public_numbers().n % 2 == 0:
            raise InvalidKey(where, "its modulus is even")
        return loaded
    if keytype in _EC_TYPES and isinstance(loaded, EllipticCurvePublicKey) and loaded.curve.name in _CURVES.values():
        return loaded
    raise InvalidKey(where, f"its PEM does not hold a key of type {keytype!r}")


def _scheme_fits(key: PublicKey, loaded: CryptoKey) -> bool:
    if key.keytype == _ED25519:
        return key.scheme == _ED25519
    if key.keytype == _RSA:
        return key.scheme in _RSA_SCHEMES
    curve = getattr(getattr(loaded, "curve", None), "name", None)
    return key.keytype in {"ecdsa", key.scheme} and _CURVES.get(key.scheme) == curve


@functools.lru_cache(maxsize=1024)
def _verifier(key: PublicKey) -> Verifier:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    where = _name(key)
    loaded = _load(key, where=where)
    if not _scheme_fits(key, loaded):
        raise InvalidKey(where, "its scheme does not belong to it")
    if isinstance(loaded, Ed25519PublicKey):
        return loaded.verify
    digest = _digest(key.scheme)
    if isinstance(loaded, EllipticCurvePublicKey):
        ec_verify, algorithm = loaded.verify, ECDSA(digest)
        return lambda signature, payload: ec_verify(signature, payload, algorithm)
    rsa_verify, padding = loaded.verify, _padding(key.scheme, digest)
    return lambda signature, payload: rsa_verify(signature, payload, padding, digest)


def _digest(scheme: str) -> hashes.HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    if scheme.endswith("256"):
        return hashes.SHA256()
    return hashes.SHA384() if scheme.endswith("384") else hashes.SHA512()  # P-521 goes with SHA-512


def _padding(scheme: str, digest: hashes.HashAlgorithm) -> AsymmetricPadding:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15

    # Clients read any salt length; ours have the digest's.
    return PKCS1v15() if scheme.startswith("rsa-pkcs1v15") else PSS(mgf=MGF1(digest), salt_length=PSS.AUTO)


def _name(key: PublicKey) -> str:
    plain = f"{key.keytype}{key.scheme}{key.public}".isascii()
    return f"the key {key.keyid[:16]}" if plain else "a key"
