"""What is on a token: public halves as keys, private ones that sign, and pairs that are made there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import new as new_hash
from typing import TYPE_CHECKING, Any, Final

from rstuf.errors import InvalidKey
from rstuf.metadata.key_identity import key_identity, public_key
from rstuf.model.keys import PublicKey

if TYPE_CHECKING:
    from pkcs11 import Attribute, Mechanism, Object, Session, SignMixin

# CKA_EC_PARAMS: the curve's identifier (OpenSC writes Ed25519 by GnuPG's), or its name.
_P256: Final = bytes.fromhex("06082a8648ce3d030107")
_P384: Final = bytes.fromhex("06052b81040022")
_ED25519: Final = frozenset(
    {bytes.fromhex("06032b6570"), bytes.fromhex("06092b06010401da470f01"), b"\x13\x0cedwards25519"}
)
_CURVES: Final = {_P256: "ecdsa-sha2-nistp256", _P384: "ecdsa-sha2-nistp384"}
_PSS: Final = "rsassa-pss-sha256"
# Whatever a token answers that is not what was asked for.
_ODD: Final = (ValueError, LookupError, NotImplementedError, struct.error)


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """A public key, or a certificate with one, on a token.

    Attributes:
        object_id: its CKA_ID.
        label: text from outside.
        key: None where TUF has no scheme for it, or it does not tell.
        fault: why there is none.
    """

    object_id: bytes
    label: str
    key: PublicKey | None
    fault: str | None


def public_halves(session: Session, object_id: bytes | None = None) -> list[PublicHalf]:
    """What the session shows, certificates last; of one `object_id`, or all.

    Raises:
        PKCS11Error: the token does not answer.
    """
    import pkcs11

    wanted: dict[Attribute, Any] = {} if object_id is None else {pkcs11.Attribute.ID: object_id}
    found = list[PublicHalf]()
    for kind, read in ((pkcs11.ObjectClass.PUBLIC_KEY, _public_key), (pkcs11.ObjectClass.CERTIFICATE, _certified_key)):
        for each in list(session.get_objects({pkcs11.Attribute.CLASS: kind, **wanted})):
            own_id, label = _ask(each, pkcs11.Attribute.ID), _ask(each, pkcs11.Attribute.LABEL)
            if not isinstance(own_id, bytes) or not own_id:
                continue
            try:
                key, fault = read(each), None
            except InvalidKey as error:
                key, fault = None, error.reason
            found.append(PublicHalf(own_id, label if isinstance(label, str) else "", key, fault))
    return found


def is_taken(session: Session, object_id: bytes) -> bool:
    """Whether anything at all has this CKA_ID, as far as the session shows.

    Raises:
        PKCS11Error: the token does not answer.
    """
    import pkcs11

    return any(True for _ in session.get_objects({pkcs11.Attribute.ID: object_id}))


def signing_key(session: Session, object_id: bytes, key: PublicKey) -> SignMixin | None:
    """The one private key with this CKA_ID that is of the type of `key`, and may sign; None where it is not there.

    Raises:
        PKCS11Error: the token does not answer.
    """
    import pkcs11

    attribute, types = pkcs11.Attribute, pkcs11.KeyType
    wanted = {"rsa": {types.RSA}, "ed25519": {types.EC_EDWARDS, types.EC}}.get(key.keytype, {types.EC})
    private = {attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, attribute.ID: object_id}
    found = [each for each in session.get_objects(private) if _ask(each, attribute.KEY_TYPE) in wanted]
    if len(found) != 1 or not isinstance(found[0], pkcs11.SignMixin):
        return None
    return found[0]


def mechanism_of(key: PublicKey) -> Mechanism | None:
    """What a token must be able to do to sign as `key`; None where none can."""
    import pkcs11

    if key.scheme in _CURVES.values():
        return pkcs11.Mechanism.ECDSA
    return {"ed25519": pkcs11.Mechanism.EDDSA, _PSS: pkcs11.Mechanism.RSA_PKCS_PSS}.get(key.scheme)


def sign_with(private: SignMixin, key: PublicKey, payload: bytes, *, pin: str | None) -> str:
    """The signature of `private` over `payload`, hex, in the form of TUF.

    Args:
        key: its public half, whose scheme has a mechanism.
        pin: for a key that wants it before each signature.

    Raises:
        PKCS11Error: the token did not sign.
    """
    import pkcs11

    always = pin is not None and _ask(private, pkcs11.Attribute.ALWAYS_AUTHENTICATE) is True
    parameter, data = None, payload
    if key.scheme != "ed25519":
        # Hashed here: not every token can, and none needs to be sent all of it.
        data = new_hash(f"sha{key.scheme[-3:]}", payload).digest()
    if key.scheme == _PSS:
        parameter = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, 32)
    made: bytes = private.sign(
        data, mechanism=mechanism_of(key), mechanism_param=parameter, **({"pin": pin} if always else {})
    )
    return (_der(made) if key.scheme in _CURVES.values() else made).hex()


def make_pair(session: Session, object_id: bytes, label: str) -> None:
    """Make a P-256 pair that never leaves the token.

    Raises:
        PKCS11Error: it did not.
    """
    import pkcs11

    attribute = pkcs11.Attribute
    curve = session.create_domain_parameters(pkcs11.KeyType.EC, {attribute.EC_PARAMS: _P256}, local=True)
    curve.generate_keypair(
        id=object_id,
        label=label,
        store=True,
        capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        public_template={attribute.PRIVATE: False},
        private_template={attribute.PRIVATE: True, attribute.SENSITIVE: True, attribute.EXTRACTABLE: False},
    )


def same_key(one: PublicKey, other: PublicKey) -> bool:
    """Whether two are one key, however they are spelt."""
    return one == other or key_identity(one) == key_identity(other)


def _ask(thing: Object, attribute: Attribute) -> object:
    """What an object says of itself; None where it does not."""
    import pkcs11

    try:
        return thing[attribute]
    except (pkcs11.PKCS11Error, *_ODD):
        return None


def _asked(thing: Object, *attributes: Attribute) -> Iterator[bytes]:
    """
    Raises:
        InvalidKey: it does not tell one of them.
    """
    for attribute in attributes:
        value = _ask(thing, attribute)
        if not isinstance(value, bytes) or not value:
            raise InvalidKey("a key on a token", "it does not tell its public half")
        yield value


def _public_key(thing: Object) -> PublicKey:
    """
    Raises:
        InvalidKey: TUF has no scheme for it.
    """
    import pkcs11
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    attribute, where = pkcs11.Attribute, "a key on a token"
    loaded: Any
    try:
        if _ask(thing, attribute.KEY_TYPE) is pkcs11.KeyType.RSA:
            modulus, exponent = _asked(thing, attribute.MODULUS, attribute.PUBLIC_EXPONENT)
            loaded = RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()
            return public_key(loaded, where=where)
        params, point = _asked(thing, attribute.EC_PARAMS, attribute.EC_POINT)
        if params in _ED25519:
            loaded = Ed25519PublicKey.from_public_bytes(_unwrapped(point, 32))
        elif params in _CURVES:
            curve, size = (SECP256R1(), 65) if params == _P256 else (SECP384R1(), 97)
            loaded = EllipticCurvePublicKey.from_encoded_point(curve, _unwrapped(point, size))
        else:
            raise InvalidKey(where, "it is of a kind that TUF has no scheme for")
    except ValueError:
        raise InvalidKey(where, "its public half cannot be read") from None
    return public_key(loaded, where=where)


def _certified_key(thing: Object) -> PublicKey:
    """
    Raises:
        InvalidKey: the certificate holds none that TUF has a scheme for.
    """
    import pkcs11
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import load_der_x509_certificate

    (data,) = _asked(thing, pkcs11.Attribute.VALUE)
    try:
        loaded: Any = load_der_x509_certificate(data).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey("a certificate on a token", "it cannot be read") from None
    return public_key(loaded, where="a certificate on a token")


def _unwrapped(point: bytes, size: int) -> bytes:
    """A CKA_EC_POINT without its OCTET STRING, or BIT STRING, which some tokens leave out."""
    for head in (bytes([4, size]), bytes([3, size + 1, 0])):
        if len(point) == len(head) + size and point.startswith(head):
            return point.removeprefix(head)
    return point


def _der(raw: bytes) -> bytes:
    """r and s, each of half the length, as the DER that TUF has."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))
