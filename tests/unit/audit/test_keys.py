"""Keys of every kind, and thresholds that count distinct ones."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner, SSlibKey

from rstuf.metadata.audit.document import Document, canonical
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.audit.keys import Authority, KeyRing, VerifyKey, check_signatures, load_key

_PAYLOAD = b"payload"
_RSA = rsa.generate_private_key(65537, 2048)
_P256 = ec.derive_private_key(7, ec.SECP256R1())


def _signers() -> list[CryptoSigner]:
    found = [
        CryptoSigner(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))),
        *(CryptoSigner(ec.derive_private_key(7, curve)) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())),
    ]
    found += [
        CryptoSigner(_RSA, SSlibKey.from_crypto(_RSA.public_key(), scheme=scheme))
        for scheme in ("rsassa-pss-sha256", "rsassa-pss-sha512", "rsa-pkcs1v15-sha256")
    ]
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
    except ImportError:
        return found
    return [*found, CryptoSigner(MLDSA65PrivateKey.generate())]


def _load(keyid: str, key: Any, findings: Findings | None = None, ring: KeyRing | None = None) -> VerifyKey | None:
    return load_key(keyid, key, where="root", findings=findings or Findings(), ring=ring or KeyRing())


@pytest.mark.parametrize("signer", _signers(), ids=lambda signer: signer.public_key.scheme)
def test_every_kind_of_key_that_clients_know_verifies(signer: CryptoSigner) -> None:
    """A signature made by securesystemslib verifies here, a changed one and one over something else do not."""
    findings = Findings()
    key = _load(signer.public_key.keyid, signer.public_key.to_dict(), findings)
    assert key is not None
    assert not findings.problems
    signature = bytes.fromhex(signer.sign(_PAYLOAD).signature)
    assert key.verifies(signature, _PAYLOAD)
    assert not key.verifies(signature, _PAYLOAD + b" ")
    assert not key.verifies(bytes([signature[0] ^ 1]) + signature[1:], _PAYLOAD)
    assert not key.verifies(b"", _PAYLOAD)


_ED = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "ab" * 32}}
_EC = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": ""}}


@pytest.mark.parametrize(
    "key",
    [
        None, [], {}, {**_ED, "keyval": {}}, {**_ED, "keyval": {"public": 1}}, {**_ED, "keyval": {"public": "xy"}},
        {**_ED, "keyval": {"public": "AB" * 32}}, {**_ED, "keyval": {"public": "ab" * 31}}, {**_ED, "scheme": "x"},
        {**_ED, "keytype": ["ed25519"]}, {**_ED, "keytype": "ecdsa"}, _EC, {**_EC, "keyval": {"public": "x"}},
        {**_EC, "scheme": "ecdsa-sha2-nistp384"}, {**_EC, "scheme": "ecdsa-sha2-nistp1"},
        {**_EC, "keytype": "rsa", "scheme": "rsassa-pss-sha256"}, {**_EC, "keytype": "rsa", "scheme": "rsa-x"},
        {**_EC, "keytype": "ml-dsa", "scheme": "ml-dsa-65/1"},
    ],
)  # fmt: skip
def test_keys_that_cannot_verify_are_problems(key: Any) -> None:
    """Whatever is wrong with a key object, it is named and nothing else happens."""
    findings = Findings()
    assert _load("id", key, findings) is None
    assert [finding.code for finding in findings.problems] == [Code.KEY_UNUSABLE]


def test_a_key_on_another_curve_than_its_scheme_is_unusable() -> None:
    """P-384 under a P-256 scheme is refused as clients refuse it."""
    findings = Findings()
    other = SSlibKey.from_crypto(ec.derive_private_key(7, ec.SECP384R1()).public_key()).to_dict()
    assert _load("id", {**other, "scheme": "ecdsa-sha2-nistp256"}, findings) is None


def test_key_ids_are_digests_of_keys() -> None:
    """A key id that is not the SHA-256 of its canonical key object is a problem, once."""
    findings, ring = Findings(), KeyRing()
    good = hashlib.sha256(canonical(_ED)).hexdigest()
    _load(good, _ED, findings, ring)
    assert not findings.problems
    _load("00" * 32, _ED, findings, ring)
    assert [finding.code for finding in findings.problems] == [Code.KEY_ID]


def test_foreign_fields_in_a_key_are_a_note_only() -> None:
    """Tools differ in what the key id of such a key is: that is reported, and not held against it."""
    findings, ring = Findings(), KeyRing()
    for _ in range(2):
        assert _load("00" * 32, {**_ED, "x-rstuf-key-name": "laptop"}, findings, ring) is not None
    assert not findings.problems
    assert [note.code for note in findings.notes] == [Note.FOREIGN_KEY_FIELDS]
    assert ring.foreign_fields


def _document(*signatures: tuple[str, bytes]) -> Document:
    return Document(signed={}, signatures=signatures, payload=_PAYLOAD, compact=True)


def _pem_variants() -> list[dict[str, Any]]:
    """One P-256 key, spelled in ways that give it other key ids."""
    public = _P256.public_key()
    plain = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    compressed = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    texts = [plain, plain.strip(), plain.replace("\n", "\r\n"), "comment\n" + plain, compressed]
    keys = [{"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": text}} for text in texts]
    return [*keys, {**keys[0], "keytype": "ecdsa-sha2-nistp256"}, {**keys[0], "name": "another label"}]


def test_one_key_under_many_ids_counts_once() -> None:
    """PEM dialects, compressed points, other key types and labels give new key ids and no new signer."""
    variants = _pem_variants()
    signature = _P256.sign(_PAYLOAD, ec.ECDSA(hashes.SHA256()))
    loaded = {str(number): _load(str(number), key) for number, key in enumerate(variants)}
    keys = {keyid: key for keyid, key in loaded.items() if key is not None}
    assert len(keys) == len(variants)
    assert len({key.value for key in keys.values()}) == 1
    document = _document(*((keyid, signature) for keyid in keys))
    for threshold in (1, 2):
        findings = Findings()
        met = check_signatures(
            document, [("root", Authority(keys, threshold))], role="targets", findings=findings, ring=KeyRing()
        )
        assert met == [threshold == 1]
        assert [finding.code for finding in findings.problems] == [Code.SIGNATURE_MISSING] * (threshold - 1)


def test_one_rsa_key_with_two_schemes_counts_once() -> None:
    """PSS and PKCS#1 signatures of one key are one signer."""
    schemes = ("rsassa-pss-sha256", "rsa-pkcs1v15-sha256")
    fills = (padding.PSS(padding.MGF1(hashes.SHA256()), 32), padding.PKCS1v15())
    keys, signatures = {}, []
    for scheme, fill in zip(schemes, fills, strict=True):
        key = _load(scheme, SSlibKey.from_crypto(_RSA.public_key(), scheme=scheme).to_dict())
        assert key is not None
        keys[scheme] = key
        signatures.append((scheme, _RSA.sign(_PAYLOAD, fill, hashes.SHA256())))
    authorities = [("root", Authority(keys, 2))]
    findings = Findings()
    met = check_signatures(_document(*signatures), authorities, role="x", findings=findings, ring=KeyRing())
    assert met == [False]
    assert [finding.code for finding in findings.problems] == [Code.SIGNATURE_MISSING]


def _ed(number: int) -> tuple[str, VerifyKey, bytes]:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    public = SSlibKey.from_crypto(private.public_key())
    key = _load(public.keyid, public.to_dict())
    assert key is not None
    return public.keyid, key, private.sign(_PAYLOAD)


def _codes(
    signatures: list[tuple[str, bytes]], keys: list[tuple[str, VerifyKey, bytes]], ring: KeyRing, threshold: int = 1
) -> list[Code | Note]:
    findings = Findings()
    authority = Authority({keyid: key for keyid, key, _ in keys}, threshold)
    check_signatures(_document(*signatures), [("root", authority)], role="x", findings=findings, ring=ring)
    return [finding.code for finding in (*findings.problems, *findings.notes)]


def test_what_is_wrong_with_signatures_is_told_apart() -> None:
    """Missing, invalid, doubled, misnamed, foreign and still empty signatures each have their word."""
    a, b, c = _ed(1), _ed(2), _ed(3)
    ring = KeyRing()
    ring.add(c[1])
    good = [(a[0], a[2]), (b[0], b[2])]
    assert _codes(good, [a, b], ring, 2) == []
    assert _codes(good[:1], [a, b], ring, 2) == [Code.SIGNATURE_MISSING]
    assert _codes([*good, good[0]], [a, b], ring, 2) == [Code.SIGNATURE_DUPLICATE]
    assert _codes([good[0], (b[0], a[2])], [a, b], ring) == [Code.SIGNATURE_INVALID]
    assert _codes([good[0], (b[0], b"")], [a, b], ring) == [Note.LATE_SIGNATURE]
    assert _codes([*good, (c[0], c[2])], [a, b], ring) == [Note.FOREIGN_SIGNATURE]
    assert _codes([*good, (c[0], a[2])], [a, b], ring) == [Code.SIGNATURE_INVALID]
    assert _codes([good[0], ("00" * 32, b[2])], [a, b], ring) == [Code.SIGNATURE_FOREIGN]
    assert _codes([*good, ("00" * 32, bytes(64))], [a, b], ring) == [Note.FOREIGN_SIGNATURE]
    ring.closed = True
    assert _codes([*good, ("00" * 32, bytes(64))], [a, b], ring) == [Code.SIGNATURE_FOREIGN]


def test_signatures_by_strangers_cost_a_bounded_time() -> None:
    """Anyone can append signatures to a file; only some of them are tried."""
    known = [_ed(number) for number in range(1, 20)]
    ring = KeyRing()
    tried = []

    def count(signature: bytes, payload: bytes) -> None:
        tried.append(signature)
        raise ValueError

    counting = [(keyid, VerifyKey(keyid, "x", key.value, count), signature) for keyid, key, signature in known]
    strangers = [(f"{number:064x}", b"x") for number in range(200)]
    for _ in range(100):
        _codes(strangers, counting, ring)
    assert len(tried) <= 5000
