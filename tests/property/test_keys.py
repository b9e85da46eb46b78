"""What a key is: one identity for all its spellings, kinds that are let in, signatures that hold."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.unit.signing import keyring

from rstuf.errors import InvalidKey
from rstuf.metadata.key_identity import check_key, key_identity, public_key, same_form, verify_signature
from rstuf.model.keys import PublicKey

KINDS = ("ed25519", "ecdsa", "rsa", "p384", "p521")
P = 2**255 - 19
D = (-121665 * pow(121666, -1, P)) % P


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_ours_is_the_key_of_the_library(kind):
    """Key object and key id are those that securesystemslib gives the same key, for every kind."""
    loaded = keyring.private(kind).public_key()
    theirs, ours = SSlibKey.from_crypto(loaded), public_key(loaded, where="test")
    assert ours.to_dict() == theirs.to_dict()
    assert ours.keyid == theirs.keyid


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_all_spellings_of_a_key_have_one_identity(kind):
    """However a key is written, its identity is the same, and another key's is not."""
    spellings = keyring.spellings(kind)
    assert len(spellings) >= {"ed25519": 50, "ecdsa": 190, "rsa": 190}[kind]
    assert len({key.keyid for key in spellings}) == len(spellings)
    assert len({key_identity(key) for key in spellings}) == 1
    assert key_identity(keyring.public(kind, 1)) not in {key_identity(key) for key in spellings}


def test_identities_of_different_keys_differ():
    """Forty keys of five kinds have forty identities."""
    keys = [keyring.public(kind, number) for kind in ("ed25519", "ecdsa", "p384", "p521") for number in range(9)]
    keys += [keyring.public("rsa", number) for number in range(4)]
    assert len({key_identity(key) for key in keys}) == 40


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_every_spelling_is_brought_to_the_one_form(kind):
    """A key that comes in any spelling leaves in the form rstuf writes, with the scheme it came with."""
    secret = {"ed25519": keyring.ed25519_key, "ecdsa": keyring.ec_key, "rsa": keyring.rsa_key}[kind]()
    plain = public_key(secret.public_key(), where="test")
    for key in keyring.spellings(kind):
        assert same_form(key, where="test") == PublicKey(plain.keytype, key.scheme, plain.public)


ACCEPTED = [
    ("ed25519", "ed25519", "ed25519"),
    ("ecdsa", "ecdsa", "ecdsa-sha2-nistp256"),
    ("ecdsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    *(("rsa", "rsa", scheme) for scheme in keyring.PSS + keyring.PKCS1),
]
VERIFIED_ONLY = [
    ("p384", "ecdsa", "ecdsa-sha2-nistp384"),
    ("p384", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("p521", "ecdsa", "ecdsa-sha2-nistp521"),
]
MISMATCHED = [
    ("ed25519", "ed25519", "ed25519ph"),
    ("ed25519", "ed25519", "ecdsa-sha2-nistp256"),
    ("ed25519", "ecdsa", "ecdsa-sha2-nistp256"),
    ("ecdsa", "ecdsa", "ecdsa-sha2-nistp384"),
    ("ecdsa", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp256"),
    ("ecdsa", "ed25519", "ed25519"),
    ("ecdsa", "rsa", "rsassa-pss-sha256"),
    ("p384", "ecdsa", "ecdsa-sha2-nistp256"),
    ("rsa", "rsa", "rsassa-pss-md5"),
    ("rsa", "rsa", "rsa-pkcs1v15-sha1"),
    ("rsa", "rsa", "ecdsa-sha2-nistp256"),
    ("rsa", "ecdsa", "ecdsa-sha2-nistp256"),
    ("rsa1024", "rsa", "rsassa-pss-sha256"),
    ("ed25519", "ml-dsa", "ml-dsa-44/1"),
    ("ed25519", "", ""),
]


def _spelt(kind: str, keytype: str, scheme: str) -> PublicKey:
    if kind == "rsa1024":
        pem = keyring.private(kind).public_key().public_bytes(keyring.PEM, keyring.SPKI).decode()
        return PublicKey(keytype, scheme, pem)
    return PublicKey(keytype, scheme, keyring.public(kind).public)


@pytest.mark.filterwarnings("ignore:keytype:DeprecationWarning")
@pytest.mark.parametrize(("kind", "keytype", "scheme"), ACCEPTED + VERIFIED_ONLY)
def test_signatures_of_every_scheme_hold(kind, keytype, scheme):
    """A signature of the library holds here and there; over another payload, or altered, it holds nowhere."""
    key = _spelt(kind, keytype, scheme)
    sig = keyring.sign(key, keyring.private(kind), b"payload")
    theirs = SSlibKey("id", keytype, scheme, {"public": key.public})
    altered = sig[:-1] + format(int(sig[-1], 16) ^ 1, "x")
    for signature, payload, good in ((sig, b"payload", True), (sig, b"payloaD", False), (altered, b"payload", False)):
        assert verify_signature(key, signature, payload) is good
        assert _library_verifies(theirs, signature, payload) is good
    assert verify_signature(_spelt(kind, keytype, scheme), sig.upper(), b"payload")


@pytest.mark.parametrize("salt", [0, 20, 32, padding.PSS.MAX_LENGTH])
def test_any_salt_of_an_rsa_signature_is_read(salt):
    """Clients read any length of salt, so signatures of other signers hold; ours have the digest's length."""
    key, secret = keyring.public("rsa"), keyring.private("rsa")
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt)
    assert verify_signature(key, secret.sign(b"payload", pss, hashes.SHA256()).hex(), b"payload")


@pytest.mark.parametrize(("kind", "keytype", "scheme"), ACCEPTED)
def test_kinds_that_are_let_in(kind, keytype, scheme):
    """Ed25519, P-256 under both of its key types, and RSA under six schemes pass the border."""
    check_key(_spelt(kind, keytype, scheme))


@pytest.mark.parametrize(("kind", "keytype", "scheme"), VERIFIED_ONLY + MISMATCHED)
def test_kinds_that_are_refused(kind, keytype, scheme):
    """Weak keys, kinds that some client cannot read, and schemes that do not belong to the key stay outside."""
    with pytest.raises(InvalidKey) as caught:
        check_key(_spelt(kind, keytype, scheme), where="maria's key")
    assert caught.value.where == "maria's key"


@pytest.mark.parametrize(("kind", "keytype", "scheme"), MISMATCHED)
def test_refused_keys_verify_nothing(kind, keytype, scheme):
    """A key with a scheme that is not its own never makes a signature good, not even one of that key."""
    for sig in _signatures_of_any_scheme(keyring.private(kind)):
        assert not verify_signature(_spelt(kind, keytype, scheme), sig.hex(), b"payload")


def _signatures_of_any_scheme(secret) -> list[bytes]:
    """What the key can say of the payload, whatever scheme it is asked to follow."""
    digests = (hashes.SHA1(), hashes.SHA256(), hashes.SHA384())
    if isinstance(secret, ed25519.Ed25519PrivateKey):
        return [secret.sign(b"payload")]
    if isinstance(secret, ec.EllipticCurvePrivateKey):
        return [secret.sign(b"payload", ec.ECDSA(digest)) for digest in (*digests, hashes.SHA512())]
    pss = [padding.PSS(mgf=padding.MGF1(digest), salt_length=20) for digest in digests]
    return [secret.sign(b"payload", pad, digest) for digest in digests for pad in (*pss, padding.PKCS1v15())]


# --- points and moduli that are traps ----------------------------------------------------------------------


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P,
    )


def _low_order_points() -> set[tuple[int, int]]:
    """The eight points whose multiple by eight is the neutral element, from a square root of -1 and the curve."""
    i = pow(2, (P - 1) // 4, P)
    # A point of order 8 doubles to (±i, 0), so y^2 = -x^2 and the curve's equation gives d y^4 + 2 y^2 - 1 = 0 or so.
    points = {(0, 1), (0, P - 1), (i, 0), (P - i, 0)}
    root = pow(1 + D, (P + 3) // 8, P)
    if root * root % P != (1 + D) % P:
        root = root * i % P
    for numerator in (-1 + root, -1 - root):
        square = numerator * pow(D, -1, P) % P
        y = pow(square, (P + 3) // 8, P)
        for candidate in (y, y * i % P):
            if candidate * candidate % P == square:
                points |= {(sx * i * candidate % P, sy * candidate % P) for sx in (1, -1) for sy in (1, -1)}
    return points


def test_points_of_low_order_are_refused():
    """All eight points of low order, in every way to encode them, are no keys, though the library takes them."""
    points = _low_order_points()
    assert len(points) == 8
    for point in points:
        doubled = _add(point, point)
        assert _add(_add(doubled, doubled), _add(doubled, doubled)) == (0, 1)
    encodings = 0
    for _, y in points:
        for value, sign in itertools.product((y, y + P), (0, 1)):
            if value < 2**255:
                encodings += 1
                raw = (value | sign << 255).to_bytes(32, "little")
                ed25519.Ed25519PublicKey.from_public_bytes(raw)
                with pytest.raises(InvalidKey):
                    check_key(PublicKey("ed25519", "ed25519", raw.hex()))
    assert encodings >= 14


def test_nobody_signs_for_the_neutral_point():
    """For the neutral point anybody can write a signature that the library takes; here it is none."""
    base_point = "58" + "66" * 31
    forged = base_point + "01" + "00" * 31
    key = PublicKey("ed25519", "ed25519", "01" + "00" * 31)
    assert _library_verifies(SSlibKey("id", "ed25519", "ed25519", {"public": key.public}), forged, b"anything")
    assert not verify_signature(key, forged, b"anything")


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=200)
def test_only_points_of_the_curve_are_ed25519_keys(raw):
    """A key passes exactly if its y has an x on the curve, is canonical, and is not of low order."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    good = y < P and pow(square, (P - 1) // 2, P) == 1 and y not in {other for _, other in _low_order_points()}
    try:
        check_key(PublicKey("ed25519", "ed25519", raw.hex()))
    except InvalidKey:
        assert not good
    else:
        assert good


def test_real_ed25519_keys_pass():
    """No honest key is lost to the checks of the curve."""
    for _ in range(200):
        check_key(public_key(ed25519.Ed25519PrivateKey.generate().public_key(), where="test"))


@pytest.mark.parametrize(
    "public",
    [
        "",
        "00",
        "zz" * 32,
        "ab" * 31,
        "ab" * 33,
        " " + "ab" * 31 + " ",
        keyring.public("ed25519").public + "\n",
        keyring.private("ed25519").public_key().public_bytes(keyring.PEM, keyring.SPKI).decode(),
        "\ud800" * 64,
        "é" * 64,
    ],
    ids=range(10),
)
def test_ed25519_keys_are_64_hexadecimal_digits(public):
    """Anything else under that type is refused, so that no two readers see two keys in it."""
    with pytest.raises(InvalidKey):
        key_identity(PublicKey("ed25519", "ed25519", public))


def _rsa_pem(n: int, e: int) -> str:
    def integer(value: int) -> bytes:
        return b"\x02" + _sized(value.to_bytes(value.bit_length() // 8 + 1, "big"))

    return keyring.pem(b"\x30" + _sized(integer(n) + integer(e)), label="RSA PUBLIC KEY")


def _sized(body: bytes) -> bytes:
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def test_rsa_keys_that_are_traps_are_refused():
    """An exponent of 1, an even modulus, one that is short, and one so long that it only burns time."""
    n = keyring.private("rsa").public_key().public_numbers().n
    assert key_identity(PublicKey("rsa", "rsassa-pss-sha256", _rsa_pem(n, 65537))) == key_identity(
        keyring.public("rsa")
    )
    for modulus, exponent in [(n, 1), (n, 2), (n + 1, 65537), (n >> 1, 65537), (n << 16384 | 1, 65537)]:
        key = PublicKey("rsa", "rsassa-pss-sha256", _rsa_pem(modulus, exponent))
        with pytest.raises(InvalidKey):
            check_key(key)
        assert not verify_signature(key, "00" * 256, b"payload")


def test_an_rsa_key_with_another_exponent_is_another_key():
    """Modulus and exponent both belong to the value."""
    numbers = keyring.private("rsa").public_key().public_numbers()
    other = rsa.RSAPublicNumbers(3, numbers.n).public_key()
    assert key_identity(public_key(other, where="test")) != key_identity(keyring.public("rsa"))


def test_two_keys_in_one_value_are_refused():
    """Of two PEM blocks, clients could take different ones."""
    one, two = keyring.public("ecdsa").public, keyring.public("ecdsa", 1).public
    for text in (one + two, one + one):
        with pytest.raises(InvalidKey, match="one PEM block"):
            key_identity(PublicKey("ecdsa", "ecdsa-sha2-nistp256", text))


@pytest.mark.parametrize(
    "name", ["ssl-secp256k1.pub", "ssl-ed448.pub", "ssl-x25519.pub", "certificate.pem", "ssl-p256.key"]
)
@pytest.mark.parametrize("keytype", ["ecdsa", "rsa"])
def test_other_pem_is_refused(name, keytype):
    """Other curves, certificates and private keys are no TUF keys, whatever the key object calls them."""
    key = PublicKey(keytype, "ecdsa-sha2-nistp256", (keyring.FIXTURES / name).read_text())
    with pytest.raises(InvalidKey):
        key_identity(key)
    assert not verify_signature(key, "00" * 64, b"payload")


def test_a_point_beside_the_curve_is_refused():
    """P-256 keys whose point does not lie on the curve, or is the neutral one, are refused."""
    der = bytearray(keyring.ec_encodings()[0])
    der[-1] ^= 1
    with pytest.raises(InvalidKey):
        key_identity(PublicKey("ecdsa", "ecdsa-sha2-nistp256", keyring.pem(bytes(der))))
    neutral = bytes(der[2:23]) + b"\x03\x02\x00\x00"
    with pytest.raises(InvalidKey):
        key_identity(PublicKey("ecdsa", "ecdsa-sha2-nistp256", keyring.pem(b"\x30" + _sized(neutral))))


def test_a_monstrous_value_is_refused_before_it_is_read():
    """Text beyond any key's length costs nothing."""
    with pytest.raises(InvalidKey, match="longer than"):
        key_identity(PublicKey("rsa", "rsassa-pss-sha256", "A" * 20_000))


# --- garbage -------------------------------------------------------------------------------------------------

HEXLIKE = st.one_of(
    st.text(),
    st.text(alphabet="0123456789abcdefABCDEF \n", max_size=600),
    st.binary(max_size=300).map(bytes.hex),
    st.binary(min_size=64, max_size=64).map(bytes.hex),
    st.sampled_from([0, 1, 100_000]).map(lambda n: "f" * n),
)


@given(kind=st.sampled_from(["ed25519", "ecdsa", "rsa", "p384"]), sig=HEXLIKE, payload=st.binary(max_size=50))
@example(kind="ecdsa", sig="3006020100020100", payload=b"")
@example(kind="ecdsa", sig="3006020101020101", payload=b"")
@example(kind="ed25519", sig="\ud800", payload=b"")
@settings(max_examples=300, deadline=None)
def test_garbage_is_no_signature(kind, sig, payload):
    """Whatever text stands where a signature should be, the answer is no, and nothing is raised."""
    assert verify_signature(keyring.public(kind), sig, payload) is False


@given(keytype=st.text(max_size=30), scheme=st.text(max_size=30), public=st.text(max_size=100))
@settings(max_examples=200)
def test_garbage_is_no_key(keytype, scheme, public):
    """Key objects of any text are refused by one error, and verify nothing."""
    key = PublicKey(keytype, scheme, public)
    with pytest.raises(InvalidKey):
        check_key(key)
    with pytest.raises(InvalidKey):
        key_identity(key)
    assert not verify_signature(key, "00", b"")


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "0x", "é"])
def test_blanks_in_a_signature_are_refused(blank):
    """python-tuf skips blanks in hexadecimal, go-tuf does not: such a signature counts for nobody here."""
    key = keyring.public("ed25519")
    sig = keyring.sign(key, keyring.private("ed25519"), b"payload")
    assert verify_signature(key, sig, b"payload")
    for spoilt in (blank + sig, sig[:2] + blank + sig[2:], sig + blank):
        assert not verify_signature(key, spoilt, b"payload")


@given(
    position=st.integers(0, 127), digit=st.sampled_from("0123456789abcdef"), kind=st.sampled_from(["ed25519", "ecdsa"])
)
@settings(max_examples=300, deadline=None)
def test_an_altered_signature_is_judged_as_the_library_does(position, digit, kind):
    """Change any digit: both hold it good, or neither."""
    key = keyring.public(kind)
    sig = _known_signature(kind)
    changed = sig[:position] + digit + sig[position + 1 :]
    theirs = SSlibKey("id", key.keytype, key.scheme, {"public": key.public})
    assert verify_signature(key, changed, b"payload") is _library_verifies(theirs, changed, b"payload")
    assert verify_signature(key, changed, b"payload") is (changed == sig)


def _known_signature(kind: str, made: dict[str, str] = {}) -> str:  # noqa: B006
    return made.setdefault(kind, keyring.sign(keyring.public(kind), keyring.private(kind), b"payload"))


def _library_verifies(key: SSlibKey, signature: str, payload: bytes) -> bool:
    try:
        key.verify_signature(LibrarySignature("id", signature), payload)
    except UnverifiedSignatureError:
        return False
    return True


def test_the_identity_is_written_by_one_encoder():
    """It is the DER SubjectPublicKeyInfo, which other tools can compute too."""
    pem = (keyring.FIXTURES / "ssl-p256-explicit.pub").read_bytes()
    der = serialization.load_pem_public_key(pem).public_bytes(keyring.DER, keyring.SPKI)
    identity = key_identity(PublicKey("ecdsa", "ecdsa-sha2-nistp256", pem.decode()))
    assert hashlib.sha256(identity).hexdigest() == hashlib.sha256(der).hexdigest()
    assert der == keyring.ec_encodings()[0]
