"""An agent that is broken or hostile: every answer is bounded, in bytes and in time, and no signature is believed."""

from __future__ import annotations

import base64
import time
from contextlib import suppress
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.agents import FAILURE, LIST, LISTED, SIGNED, fake_agent, frame, listing, number, signed, string
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED

from rstuf.errors import SignerUnavailable, SigningError
from rstuf.metadata.key_identity import verify_signature
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.ssh_agent import SshAgent, _fingerprint
from rstuf.signing.uris import parse_uri

PAYLOAD = b"payload"


def blob_of(public) -> bytes:
    """A public half as SSH has it on the wire."""
    return base64.b64decode(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])


def entry_of(blob: bytes, key: PublicKey) -> KeyEntry:
    return KeyEntry("maria", key, f"ssh-agent:{_fingerprint(blob)}", ADDED)


ED25519 = keyring.private("ed25519", 11)
ECDSA = keyring.private("ecdsa", 11)
ED_BLOB, EC_BLOB = blob_of(ED25519.public_key()), blob_of(ECDSA.public_key())
ED_ENTRY = entry_of(ED_BLOB, keyring.public("ed25519", 11))
EC_ENTRY = entry_of(EC_BLOB, keyring.public("ecdsa", 11))


def scheme(agent, seconds: float = 10) -> SshAgent:
    return SshAgent(agent.place, list_seconds=seconds, sign_seconds=seconds)


def look(agent, entry: KeyEntry = ED_ENTRY, *, seconds: float = 10) -> bool:
    return scheme(agent, seconds).look(parse_uri(entry.signer, key="maria"), entry)


def sign(agent, entry: KeyEntry, *, seconds: float = 10) -> str:
    return scheme(agent, seconds).open(parse_uri(entry.signer, key="maria"), entry, NoSecrets()).sign(PAYLOAD)


def answering(signature: bytes, *blobs: bytes):
    """Lists keys, and gives the one answer to whoever wants a signature."""
    whole = listing(*((blob, b"maria") for blob in blobs or (ED_BLOB, EC_BLOB)))
    return lambda question: [whole if question[0] == LIST else signature]


def mpint(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


LISTINGS = {
    "nothing": [],
    "half a length": [b"\0\0"],
    "no bytes": [number(0)],
    "a length of 4 GiB": [number(2**32 - 1), b"\x0c"],
    "one byte more than is read": [number(256 * 1024 + 1), bytes(256 * 1024 + 1)],
    "a frame that ends early": [number(100), b"\x0c\0\0\0"],
    "another type": [frame(SIGNED, number(0))],
    "a type alone": [frame(LISTED)],
    "a count alone": [frame(LISTED, number(1))],
    "a million keys": [frame(LISTED, number(10**6) + string(ED_BLOB) * 2)],
    "more keys than there are": [frame(LISTED, number(3) + (string(ED_BLOB) + string(b"")) * 2)],
    "fewer keys than there are": [frame(LISTED, number(1) + (string(ED_BLOB) + string(b"")) * 2)],
    "a key without a comment": [frame(LISTED, number(1) + string(ED_BLOB))],
    "a key of 4 GiB": [frame(LISTED, number(1) + number(2**32 - 1) + ED_BLOB)],
    "a byte too much": [frame(LISTED, number(1) + string(ED_BLOB) + string(b"") + b"\0")],
    "failure": [frame(FAILURE)],
    "failure and more": [frame(FAILURE, b"because")],
}


@pytest.mark.parametrize("answer", LISTINGS)
def test_a_listing_that_is_none(answer):
    """Whatever is wrong with it, it is refused at once, and a key is not taken from it."""
    with fake_agent(lambda question: LISTINGS[answer]) as agent:
        begun = time.monotonic()
        with pytest.raises(SignerUnavailable) as caught:
            look(agent)
        assert time.monotonic() - begun < 5
        assert caught.value.key == "maria"
        with pytest.raises(SignerUnavailable):
            list(SshAgent(agent.place).found())


GOOD = ED25519.sign(PAYLOAD)
EC_R, EC_S = decode_dss_signature(bytes.fromhex(keyring.sign(EC_ENTRY.key, ECDSA, PAYLOAD)))

ED_SIGNATURES = {
    "cut short": signed(b"ssh-ed25519", GOOD[:-1]),
    "a byte longer": signed(b"ssh-ed25519", GOOD + b"\0"),
    "empty": signed(b"ssh-ed25519", b""),
    "of another payload": signed(b"ssh-ed25519", ED25519.sign(b"another")),
    "of another key": signed(b"ssh-ed25519", keyring.private("ed25519", 12).sign(PAYLOAD)),
    "under another name": signed(b"ecdsa-sha2-nistp256", GOOD),
    "without a name": signed(b"", GOOD),
    "of a FIDO key": signed(b"sk-ssh-ed25519@openssh.com", GOOD),
    "with more behind it": frame(SIGNED, string(string(b"ssh-ed25519") + string(GOOD) + b"\x01\0\0\0\x05")),
    "with more behind all": frame(SIGNED, string(string(b"ssh-ed25519") + string(GOOD)) + b"x"),
    "longer than its frame": frame(SIGNED, number(2**31) + string(b"ssh-ed25519") + string(GOOD)),
    "no answer to this": frame(LISTED, number(0)),
    "a million bytes": number(10**6) + bytes(10**6),
}
EC_SIGNATURES = {
    "DER": signed(b"ecdsa-sha2-nistp256", bytes.fromhex(keyring.sign(EC_ENTRY.key, ECDSA, PAYLOAD))),
    "one number": signed(b"ecdsa-sha2-nistp256", mpint(EC_R)),
    "three numbers": signed(b"ecdsa-sha2-nistp256", mpint(EC_R) + mpint(EC_S) + mpint(1)),
    "exchanged": signed(b"ecdsa-sha2-nistp256", mpint(EC_S) + mpint(EC_R)),
    "zeros": signed(b"ecdsa-sha2-nistp256", string(b"") + string(b"")),
    "negative": signed(b"ecdsa-sha2-nistp256", mpint(-EC_R) + mpint(EC_S)),
    "far too large": signed(b"ecdsa-sha2-nistp256", string(b"\x7f" * 60_000) + mpint(EC_S)),
}


@pytest.mark.parametrize(
    ("entry", "answer"),
    [
        *(pytest.param(ED_ENTRY, value, id=f"ed25519 {name}") for name, value in ED_SIGNATURES.items()),
        *(pytest.param(EC_ENTRY, value, id=f"ecdsa {name}") for name, value in EC_SIGNATURES.items()),
    ],
)
def test_a_signature_that_is_none(entry, answer):
    """It is never returned: it is refused by its form, or because it does not verify."""
    with fake_agent(answering(answer)) as agent, pytest.raises(SigningError):
        sign(agent, entry)


def test_the_same_signatures_unharmed():
    """What the tests above spoil is taken as it is."""
    with fake_agent(answering(signed(b"ssh-ed25519", GOOD))) as agent:
        assert sign(agent, ED_ENTRY) == GOOD.hex()
    with fake_agent(answering(signed(b"ecdsa-sha2-nistp256", mpint(EC_R) + mpint(EC_S)))) as agent:
        assert verify_signature(EC_ENTRY.key, sign(agent, EC_ENTRY), PAYLOAD)


def test_a_signature_that_does_not_verify_is_told_as_such():
    """The person is told that the agent gave something else, which no mishap on the way explains."""
    forged = signed(b"ssh-ed25519", keyring.private("ed25519", 12).sign(PAYLOAD))
    with fake_agent(answering(forged)) as agent, pytest.raises(SigningError, match="does not verify"):
        sign(agent, ED_ENTRY)


def test_an_rsa_signature_may_lack_the_zeros_in_front():
    """SSH lets them be left out, and TUF's clients want them."""
    secret = keyring.rsa_key()
    blob = blob_of(secret.public_key())
    key = PublicKey("rsa", "rsa-pkcs1v15-sha256", keyring._fixture("ssl-rsapss.pub"))
    entry = entry_of(blob, key)
    payload, number_ = b"", 0
    while not (whole := bytes.fromhex(keyring.sign(key, secret, payload))).startswith(b"\0"):
        payload, number_ = str(number_).encode(), number_ + 1
    with fake_agent(answering(signed(b"rsa-sha2-256", whole.lstrip(b"\0")), blob)) as agent:
        signer = scheme(agent).open(parse_uri(entry.signer, key="maria"), entry, NoSecrets())
        assert signer.sign(payload) == whole.hex()


def drip(question: bytes):
    """A listing, byte by byte, and far too slow."""
    for at in range(len(whole := listing((ED_BLOB, b"maria")))):
        yield whole[at : at + 1]
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [lambda question: None, drip], ids=["silent", "slow"])
def test_who_is_not_answered_goes_on(answer):
    """Silence ends at the deadline, and a byte now and then does not put it off."""
    with fake_agent(answer) as agent:
        begun = time.monotonic()
        with pytest.raises(SignerUnavailable, match=r"gave no answer within 0\.3 seconds"):
            look(agent, seconds=0.3)
        assert 0.2 < time.monotonic() - begun < 3


def test_each_question_has_its_own_patience():
    """Listing ends soon, and a person who confirms a signature has longer than that."""

    def answer(question: bytes):
        if question[0] == LIST:
            return [listing((ED_BLOB, b"maria"))]
        time.sleep(0.8)
        return [signed(b"ssh-ed25519", GOOD)]

    with fake_agent(answer) as agent:
        patient = SshAgent(agent.place, list_seconds=0.5, sign_seconds=20)
        signer = patient.open(parse_uri(ED_ENTRY.signer, key="maria"), ED_ENTRY, NoSecrets())
        assert signer.sign(PAYLOAD) == GOOD.hex()
    silent = fake_agent(lambda question: answer(question) if question[0] == LIST else None)
    with silent as agent, pytest.raises(SignerUnavailable, match="gave no answer"):
        sign(agent, ED_ENTRY, seconds=0.3)


SK = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(range(32))) + string(b"ssh:")
SK_EC = (
    string(b"sk-ecdsa-sha2-nistp256@openssh.com") + string(b"nistp256") + string(b"\4" + bytes(64)) + string(b"ssh:")
)


def _pem_blob(name: str) -> bytes:
    return blob_of(load_pem_public_key((keyring.FIXTURES / name).read_bytes()))


def _line_blob(name: str) -> bytes:
    return base64.b64decode((keyring.FIXTURES / name).read_bytes().split()[1])


REFUSED = {
    "FIDO": (lambda: SK, "FIDO security key, which signs a message of its own"),
    "FIDO ECDSA": (lambda: SK_EC, "FIDO security key"),
    "DSA": (partial(_line_blob, "ssh-dsa.pub"), "ssh-dss are not used"),
    "P-384": (partial(_line_blob, "ssh-p384.pub"), "not read by every client"),
    "P-521": (lambda: blob_of(keyring.private("p521").public_key()), "not read by every client"),
    "short RSA": (partial(_pem_blob, "ssl-rsa1024.pub"), "1024 bits"),
    "certificate": (lambda: string(b"ssh-ed25519-cert-v01@openssh.com") + bytes(300), "certificate"),
    "XMSS": (lambda: string(b"ssh-xmss@openssh.com") + bytes(64), "ssh-xmss@openssh.com are not used"),
    "an identity element": (lambda: string(b"ssh-ed25519") + string(b"\1" + bytes(31)), "low order"),
    "damaged": (lambda: ED_BLOB[:-1], "damaged"),
    "no kind": (lambda: b"\0", "does not keep to"),
    "an empty blob": (lambda: b"", "does not keep to"),
    "a kind of newlines": (lambda: string(b"ssh-ed25519\nssh-ed25519 AAAA") + bytes(8), "are not used"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_keys_that_cannot_sign_are_refused_with_the_reason(kind):
    """Found with a fault and without a URI; their public half is not told, and the good key beside them is used."""
    make, reason = REFUSED[kind]
    blob = make()
    with fake_agent(answering(signed(b"ssh-ed25519", GOOD), blob, ED_BLOB)) as agent:
        bad, good = SshAgent(agent.place).found()
        assert (bad.uri, bad.key, reason in bad.fault) == (None, None, True)
        assert (good.uri, good.key, good.fault) == (ED_ENTRY.signer, ED_ENTRY.key, None)
        uri = parse_uri(f"ssh-agent:{_fingerprint(blob)}", key="maria")
        with pytest.raises(SignerUnavailable, match=reason):
            scheme(agent).public_of(uri, "maria", NoSecrets())
        with pytest.raises(SignerUnavailable, match=reason):
            scheme(agent).open(uri, ED_ENTRY, NoSecrets())
        assert sign(agent, ED_ENTRY) == GOOD.hex()


def test_comments_are_text_from_outside():
    """Escape sequences and broken UTF-8 harm nothing on the way; a long comment is cut, and a long list too."""
    comments = [b"\x1b]0;owned\x07\x1b[2J", b"\xff\xfe\n\r", b"x" * 5000]
    keys = [(blob_of(keyring.private("ed25519", 20 + at).public_key()), comment) for at, comment in enumerate(comments)]
    many = [(string(b"ssh-ed25519") + string(at.to_bytes(32, "big")), b"more") for at in range(2000)]
    with fake_agent(lambda question: [listing(*keys)]) as agent:
        labels = [each.label for each in SshAgent(agent.place).found()]
        assert labels[:2] == ["\x1b]0;owned\x07\x1b[2J", "\ufffd\ufffd\n\r"]
        assert len(labels[2]) <= 60
    with fake_agent(lambda question: [listing(*keys, *many)]) as agent:
        with pytest.raises(SignerUnavailable) as caught:
            look(agent)
        assert len(caught.value.hint) < 1000
        assert caught.value.hint.endswith("1998 more")


def test_a_key_that_is_not_used_never_gets_a_payload():
    """Nothing but a listing is asked for what is refused or only looked at."""
    with fake_agent(answering(signed(b"ssh-ed25519", GOOD))) as agent:
        assert look(agent)
        with pytest.raises(SignerUnavailable):
            sign(agent, entry_of(ED_BLOB, keyring.public("ed25519", 12)))
        assert {question[:1] for question in agent.questions} == {bytes([LIST])}


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(parts=st.lists(st.one_of(st.binary(max_size=80), st.just(ED_BLOB), st.just(number(1))), max_size=6))
def test_whatever_an_agent_says_is_an_answer_or_an_error_of_ours(parts):
    """Bytes of any kind, to either question, end in an error of ours; never in another, and in no signature."""
    body = b"".join(parts)
    for answer in ([body], [string(body)], [frame(LISTED, body)]):
        with fake_agent(lambda question, answer=answer: answer) as agent, suppress(SignerUnavailable):
            assert look(agent, seconds=2)
    for value in (frame(SIGNED, body), frame(SIGNED, string(body)), signed(b"ssh-ed25519", body)):
        with fake_agent(answering(value)) as agent, pytest.raises(SigningError):
            sign(agent, ED_ENTRY, seconds=2)
