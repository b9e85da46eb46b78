"""Keys and signatures, straight on `cryptography`: which keys count, and who has signed.

A threshold counts distinct key *values*: the same key under two key ids, in two PEM spellings or with two schemes is
one key, whatever a client's library makes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rstuf.metadata.audit.document import Document, Fault, canonical
from rstuf.metadata.audit.findings import Code, Findings, Note

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

Verifier = Callable[[bytes, bytes], None]

# Signatures by keys that a role does not list are looked at too, but not any number of them: anyone can add some.
MAX_FOREIGN: Final = 16
MAX_FOREIGN_TRIES: Final = 5000


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key that can verify.

    Attributes:
        keyid: the name it has in the metadata.
        scheme: its signature scheme.
        value: what the key is, whatever it is called and however it is written.
    """

    keyid: str
    scheme: str
    value: bytes
    _verify: Verifier

    def verifies(self, signature: bytes, payload: bytes) -> bool:
        """Whether `signature` is one of this key over `payload`."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._verify(signature, payload)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs a role: keys by key id, and how many distinct ones it takes."""

    keys: Mapping[str, VerifyKey]
    threshold: int


class KeyRing:
    """Every key that the audit came across, so that a signature by a key of before or after can be told from noise."""

    def __init__(self) -> None:
        self.known: dict[str, VerifyKey] = {}
        self.schemes: set[str] = set()
        self.foreign_fields = False
        self.closed = False
        self._tries = MAX_FOREIGN_TRIES
        self._judged: set[str] = set()

    def add(self, key: VerifyKey) -> None:
        """Remember a key."""
        self.known.setdefault(key.keyid, key)
        self.schemes.add(key.scheme)

    def first(self, keyid: str) -> bool:
        """Whether this is the first time that this is asked for this key id: what is said once need not be again."""
        new = keyid not in self._judged
        self._judged.add(keyid)
        return new

    def tries(self, key: VerifyKey, signature: bytes, payload: bytes) -> bool:
        """Whether a signature that counts for nothing is one of `key`; looked at only so often."""
        self._tries -= 1
        return self._tries >= 0 and key.verifies(signature, payload)


def load_key(keyid: str, key: object, *, where: str, findings: Findings, ring: KeyRing) -> VerifyKey | None:
    """A key object of the metadata (TUF §4.2.2) as something that verifies; None, with a problem, if it can't be."""
    try:
        fields, public = _fields(key)
        scheme = fields["scheme"]
        value, verify = _open(fields["keytype"], scheme, public)
    except Fault as fault:
        findings.problem(Code.KEY_UNUSABLE, f"the key {keyid} cannot be used: {fault}", role=where)
        return None
    _check_keyid(keyid, fields, where=where, findings=findings, ring=ring)
    loaded = VerifyKey(keyid=keyid, scheme=scheme, value=value, _verify=verify)
    ring.add(loaded)
    return loaded


def check_signatures(
    document: Document, authorities: Sequence[tuple[str, Authority]], *, role: str, findings: Findings, ring: KeyRing
) -> list[bool]:
    """Report what is wrong with a file's signatures.

    Args:
        authorities: who must have signed (a root has two), each with its name for messages ("root version 3").

    Returns:
        For each authority, whether its threshold is met.
    """
    for name in document.strays[:3]:
        message = f"it has the field {name[:80]!r} beside its signatures, which no signature protects"
        findings.problem(Code.MALFORMED, message, role=role)
    signed: list[set[bytes]] = [set() for _ in authorities]
    seen: set[str] = set()
    foreign: list[tuple[str, bytes]] = []
    for keyid, signature in document.signatures:
        if keyid in seen:
            findings.problem(Code.SIGNATURE_DUPLICATE, f"it has two signatures by the key {keyid}", role=role)
            continue
        seen.add(keyid)
        keys = [authority.keys.get(keyid) for _, authority in authorities]
        if not any(keys):
            foreign.append((keyid, signature))
            continue
        valid = [key is not None and key.verifies(signature, document.payload) for key in keys]
        for values, key, good in zip(signed, keys, valid, strict=True):
            if key is not None and good:
                values.add(key.value)
        if not any(valid):
            _report_invalid(keyid, signature, role=role, findings=findings)
    if foreign:
        _check_foreign(document, foreign, authorities, role=role, findings=findings, ring=ring)
    met = [len(values) >= authority.threshold for values, (_, authority) in zip(signed, authorities, strict=True)]
    for values, (by, authority), enough in zip(signed, authorities, met, strict=True):
        if not enough:
            have = f"{len(values)} of the {authority.threshold} signatures that {by} asks for verify"
            findings.problem(Code.SIGNATURE_MISSING, f"{have} (distinct keys counted)", role=role)
    return met


def _report_invalid(keyid: str, signature: bytes, *, role: str, findings: Findings) -> None:
    if signature:
        findings.problem(Code.SIGNATURE_INVALID, f"the signature by the key {keyid} does not verify", role=role)
    else:
        # Some tools leave an empty signature where one is still to come.
        findings.note(Note.LATE_SIGNATURE, f"the signature by the key {keyid} is empty", role=role)


def _check_foreign(
    document: Document,
    foreign: list[tuple[str, bytes]],
    authorities: Sequence[tuple[str, Authority]],
    *,
    role: str,
    findings: Findings,
    ring: KeyRing,
) -> None:
    """Signatures by keys that the role does not list: fine while keys change hands, else a sign of damage."""
    listed = [key for _, authority in authorities for key in authority.keys.values()]
    for keyid, signature in foreign[:MAX_FOREIGN]:
        key = ring.known.get(keyid)
        if key is not None and ring.tries(key, signature, document.payload):
            findings.note(Note.FOREIGN_SIGNATURE, f"it is also signed by {keyid}, which it does not need", role=role)
        elif key is not None:
            findings.problem(Code.SIGNATURE_INVALID, f"the signature by the key {keyid} does not verify", role=role)
        elif any(ring.tries(other, signature, document.payload) for other in listed):
            findings.problem(
                Code.SIGNATURE_FOREIGN, f"a signature is by another key than {keyid}, which it names", role=role
            )
        elif ring.closed:
            findings.problem(Code.SIGNATURE_FOREIGN, f"it is signed by {keyid}, a key that nobody knows", role=role)
        else:
            findings.note(Note.FOREIGN_SIGNATURE, f"it is also signed by {keyid}, which is not known here", role=role)
    if len(foreign) > MAX_FOREIGN:
        findings.problem(Code.SIGNATURE_FOREIGN, f"it has {len(foreign)} signatures by foreign keys", role=role)


def _fields(key: object) -> tuple[dict[str, Any], str]:
    if not isinstance(key, dict):
        raise Fault("it is not an object")
    keyval = key.get("keyval")
    if type(keyval) is not dict or type(keyval.get("public")) is not str:
        raise Fault("it has no text `keyval.public`")
    if type(key.get("keytype")) is not str or type(key.get("scheme")) is not str:
        raise Fault("its `keytype` or `scheme` is not text")
    return key, keyval["public"]


def _check_keyid(keyid: str, key: dict[str, Any], *, where: str, findings: Findings, ring: KeyRing) -> None:
    """A key id is the SHA-256 of the canonical key object (TUF §4.2.2).

    What it is of a key with fields of someone's own is not agreed on between tools, so that is not held against it.
    """
    if set(key) != {"keytype", "scheme", "keyval"} or set(key["keyval"]) != {"public"}:
        ring.foreign_fields = True
        if ring.first(keyid):
            message = f"the key {keyid} has fields of its own, which change its key id for some clients"
            findings.note(Note.FOREIGN_KEY_FIELDS, message, role=where)
    elif hashlib.sha256(canonical(key)).hexdigest() != keyid:
        findings.problem(Code.KEY_ID, f"the key id {keyid} is not the SHA-256 of its key", role=where)


def _open(keytype: str, scheme: str, public: str) -> tuple[bytes, Verifier]:
    """The key's value, and what raises if a signature (first) over a payload (second) is not one of it."""
    if (keytype, scheme) == ("ed25519", "ed25519"):
        return _open_ed25519(public)
    if scheme.startswith("ecdsa-sha2-nistp") and keytype in {"ecdsa", scheme}:
        return _open_ecdsa(scheme, public)
    if keytype == "rsa":
        return _open_rsa(scheme, public)
    if keytype == "ml-dsa":
        return _open_mldsa(scheme, public)
    raise Fault(f"{keytype[:40]!r} with the scheme {scheme[:40]!r} is not a kind that is known")


def _open_ed25519(public: str) -> tuple[bytes, Verifier]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = bytes.fromhex(public)
        key = Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise Fault("its value is not an Ed25519 key in hexadecimal") from None
    if raw.hex() != public:
        raise Fault("its value is not lower-case hexadecimal")
    return b"ed25519:" + raw, key.verify


def _open_ecdsa(scheme: str, public: str) -> tuple[bytes, Verifier]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    algorithms: dict[str, tuple[str, HashAlgorithm]] = {
        "ecdsa-sha2-nistp256": ("secp256r1", hashes.SHA256()),
        "ecdsa-sha2-nistp384": ("secp384r1", hashes.SHA384()),
        "ecdsa-sha2-nistp521": ("secp521r1", hashes.SHA512()),
    }
    if scheme not in algorithms:
        raise Fault(f"the scheme {scheme[:40]!r} is not known")
    curve, algorithm = algorithms[scheme]
    key = _load_pem(public)
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != curve:
        raise Fault(f"its value is not a key on the curve of {scheme}")
    return _der(key), lambda signature, payload: key.verify(signature, payload, ec.ECDSA(algorithm))


def _open_rsa(scheme: str, public: str) -> tuple[bytes, Verifier]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    family, _, digest = scheme.rpartition("-")
    digests: dict[str, HashAlgorithm] = {
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }
    if family not in {"rsassa-pss", "rsa-pkcs1v15"} or digest not in digests:
        raise Fault(f"the scheme {scheme[:40]!r} is not known")
    key = _load_pem(public)
    if not isinstance(key, rsa.RSAPublicKey):
        raise Fault("its value is not an RSA key")
    algorithm = digests[digest]
    # Signers differ in the length of the salt; clients take any (securesystemslib does).
    fill: padding.PSS | padding.PKCS1v15 = padding.PKCS1v15()
    if family == "rsassa-pss":
        fill = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.AUTO)
    return _der(key), lambda signature, payload: key.verify(signature, payload, fill, algorithm)


def _open_mldsa(scheme: str, public: str) -> tuple[bytes, Verifier]:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError:  # older than cryptography 48
        raise Fault("ML-DSA needs a newer version of the cryptography package") from None
    kinds: dict[str, Any] = {
        "ml-dsa-44/1": mldsa.MLDSA44PublicKey,
        "ml-dsa-65/1": mldsa.MLDSA65PublicKey,
        "ml-dsa-87/1": mldsa.MLDSA87PublicKey,
    }
    key: Any = _load_pem(public)
    if scheme not in kinds or not isinstance(key, kinds[scheme]):
        raise Fault(f"its value is not a key of the scheme {scheme[:40]!r}")
    # TAP 21: what is signed is a prefix and the SHA-512 of the payload.
    return _der(key), lambda signature, payload: key.verify(signature, b"tuf\x01" + hashlib.sha512(payload).digest())


def _load_pem(public: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(public.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Fault("its value is not a PEM public key") from None


def _der(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    # Points come out uncompressed, so that two spellings of one key are equal.
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der
