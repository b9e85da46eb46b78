"""Private keys as bytes: every form that is read, every way to be wrong, and the form that is written."""

from __future__ import annotations

import base64
import re
import struct

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.signing import keyring

from rstuf.errors import InvalidKey, WrongPassphrase
from rstuf.metadata.key_identity import key_identity, public_key
from rstuf.signing import containers
from rstuf.signing.containers import SCHEMES, generate_private, parse_container, write_container
from rstuf.signing.public_keys import parse_public

PASSPHRASE = b"correct horse"

PLAIN = ["ssh-ed25519", "ssh-p256", "ssh-rsa", "ssl-ed25519", "ssl-p256", "ssl-rsa", "ssl-rsapss"]
ENCRYPTED = [
    "ssh-ed25519-encrypted",
    "ssh-p256-encrypted",
    "ssh-rsa-encrypted",
    "ssl-ed25519-encrypted",
    "ssl-p256-encrypted",
    "ssl-rsa-encrypted",
]
TRADITIONAL = ["ssl-p256-traditional", "ssl-rsa-traditional"]
REFUSED = {
    "ssh-chacha": "cannot be read",
    "ssh-dsa": "ssh-dss keys are not used",
    "ssl-dsa": "more than one PEM block",
    "ssl-ed448": "no scheme",
    "ssl-x25519": "no scheme",
    "ssl-secp256k1": "no scheme",
    "ssl-rsa1024": "1024 bits",
    "ssl-p256-traditional-encrypted": "single MD5",
}


def read(name: str) -> bytes:
    return (keyring.FIXTURES / f"{name}.key").read_bytes()


def _public_beside(name: str) -> bytes:
    stem = name if name.startswith("ssh") else name.removesuffix("-encrypted").removesuffix("-traditional")
    return key_identity(parse_public((keyring.FIXTURES / f"{stem}.pub").read_bytes(), where=stem))


@pytest.mark.parametrize("name", [*PLAIN, "ssl-rsa-traditional"])
@pytest.mark.parametrize("passphrase", [None, b"", b"given though not needed"])
def test_a_plain_key_opens_whatever_is_given(name, passphrase):
    """A passphrase for an unencrypted key is neither an error nor a reason to ask again."""
    container = parse_container(read(name), where=name)
    assert not container.encrypted
    opened = container.open(passphrase, key="maria").public_key()
    assert key_identity(public_key(opened, where=name)) == _public_beside(name)


@pytest.mark.parametrize("name", [*PLAIN, "ssl-rsa-traditional", *ENCRYPTED])
def test_whose_a_key_is_shows_without_a_passphrase(name):
    """Of every form, but of an encrypted PKCS#8 file, which tells nothing."""
    told = parse_container(read(name), where=name).told()
    if name.startswith("ssl") and name in ENCRYPTED:
        assert told is None
    else:
        assert told is not None
        assert key_identity(told) == _public_beside(name)


def test_a_plain_key_that_we_wrote_tells_the_same_as_when_it_is_opened():
    """The short way to a plain Ed25519 key's public half ends where the long one does."""
    for _ in range(20):
        private = generate_private("ed25519")
        told = parse_container(write_container(private, None, where="test"), where="test").told()
        assert told == public_key(private.public_key(), where="test")


@pytest.mark.parametrize("name", ENCRYPTED)
def test_an_encrypted_key_opens_with_its_passphrase(name):
    """OpenSSH with CTR and GCM ciphers, PKCS#8 with PBKDF2 and scrypt: the key that comes out is the right one."""
    container = parse_container(read(name), where=name)
    assert container.encrypted
    opened = container.open(PASSPHRASE, key="maria").public_key()
    assert key_identity(public_key(opened, where=name)) == _public_beside(name)


@pytest.mark.parametrize("name", ENCRYPTED)
@pytest.mark.parametrize("passphrase", [None, b"", b"wrong", PASSPHRASE + b"\n", PASSPHRASE.upper(), b"x" * 5000])
def test_a_wrong_passphrase_is_called_that(name, passphrase):
    """Not a damaged file, not an unknown error: the passphrase of that key is wrong."""
    with pytest.raises(WrongPassphrase) as caught:
        parse_container(read(name), where=name).open(passphrase, key="maria")
    assert caught.value.key == "maria"


@pytest.mark.parametrize("name", [*PLAIN, *ENCRYPTED])
def test_an_openssh_key_tells_its_public_half_unopened(name):
    """Who holds it can be told without a passphrase; PKCS#8 keeps it to itself."""
    container = parse_container(read(name), where=name)
    if name.startswith("ssh"):
        assert container.public is not None
        assert key_identity(container.public) == _public_beside(name)
    else:
        assert container.public is None


@pytest.mark.parametrize("name", REFUSED)
def test_other_kinds_of_keys_are_refused_with_the_reason(name):
    """Weak kinds, kinds without a TUF scheme, weak or unknown encryption."""
    with pytest.raises(InvalidKey, match=REFUSED[name]) as caught:
        parse_container(read(name), where="the file").open(PASSPHRASE, key="maria")
    assert caught.value.where == "the file"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a private key"),
        (b"garbage \xff\x00", "not a private key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY"),
        ((keyring.FIXTURES / "ssl-p256.pub").read_bytes(), "public key"),
        ((keyring.FIXTURES / "ssh-rsa.pub").read_bytes(), "public key"),
        ((keyring.FIXTURES / "certificate.pem").read_bytes(), "not a private key"),
        (read("ssl-p256") + read("ssl-ed25519"), "more than one"),
        (read("ssl-p256") + (keyring.FIXTURES / "certificate.pem").read_bytes(), "more than one"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "damaged"),
    ],
)
def test_what_is_no_private_key_is_named(data, reason):
    """Empty, garbage, public keys, certificates, several at once, damaged ones: each for what it is."""
    with pytest.raises(InvalidKey, match=reason):
        parse_container(data, where="the file").open(PASSPHRASE, key="maria")


def _openssh(*, rounds: int = 1, count: int = 1, kdf: bytes = b"bcrypt", public: bytes | None = None) -> bytes:
    """An OpenSSH container made by hand; what it encrypts is nothing."""

    def text(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    if public is None:
        public = base64.b64decode((keyring.FIXTURES / "ssh-ed25519.pub").read_text().split()[1])
    options = text(b"s" * 16) + struct.pack(">I", rounds) if kdf == b"bcrypt" else b""
    head = b"openssh-key-v1\0" + text(b"aes256-ctr") + text(kdf) + text(options) + struct.pack(">I", count)
    body = base64.encodebytes(head + text(public) + text(b"0" * 128))
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + body + b"-----END OPENSSH PRIVATE KEY-----\n"


def test_a_hostile_number_of_rounds_is_refused_before_it_is_run():
    """A file that would derive its key for hours is refused at once; one with the usual number is tried."""
    with pytest.raises(InvalidKey, match="rounds of key derivation"):
        parse_container(_openssh(rounds=2**32 - 1), where="the file")
    with pytest.raises(WrongPassphrase):
        parse_container(_openssh(rounds=1), where="the file").open(b"x", key="maria")


@pytest.mark.parametrize(
    "damaged",
    [
        _openssh(rounds=0),
        _openssh(count=2),
        _openssh(count=0),
        _openssh(kdf=b"none"),
        _openssh(public=b"\0\0\0\x0bssh-ed25519\0\0\0\x02xx"),
        _openssh(public=b""),
    ],
)
def test_a_container_that_contradicts_itself_is_damaged(damaged):
    """No rounds, several keys or none, a cipher without derivation, a public half that is none."""
    with pytest.raises(InvalidKey):
        parse_container(damaged, where="the file")


def test_a_key_of_a_security_key_is_refused_with_the_reason():
    """FIDO keys sign a message of their own around ours."""
    kind = b"sk-ssh-ed25519@openssh.com"
    public = struct.pack(">I", len(kind)) + kind + b"\0\0\0\0"
    with pytest.raises(InvalidKey, match="FIDO"):
        parse_container(_openssh(public=public), where="the file")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("passphrase", [None, b"p", "pässword ☃".encode(), b"x" * 1023, b"a\0b"])
def test_what_is_written_is_read_again(scheme, passphrase):
    """Each kind of key, plain and under any passphrase, comes back as it went."""
    private = keyring.private(scheme)
    container = parse_container(write_container(private, passphrase, where="maria"), where="maria")
    assert container.encrypted is (passphrase is not None)
    opened = container.open(passphrase, key="maria")
    assert opened.public_key() == private.public_key()
    if passphrase is not None:
        with pytest.raises(WrongPassphrase):
            container.open(passphrase + b"x", key="maria")


@pytest.mark.parametrize("passphrase", [b"", b"x" * 1024])
def test_a_passphrase_that_protects_nothing_or_cannot_be_kept_is_refused(passphrase):
    """Empty, or longer than what opens again."""
    with pytest.raises(InvalidKey, match="passphrase"):
        write_container(keyring.private("ed25519"), passphrase, where="maria")


def test_keys_are_encrypted_with_many_rounds_of_bcrypt(monkeypatch):
    """The container says bcrypt with 100 rounds and AES-256, which `ssh-keygen` reads as it would its own."""
    monkeypatch.undo()
    assert containers.KDF_ROUNDS == 100
    data = write_container(keyring.private("ed25519"), b"p", where="maria")
    blob = base64.b64decode(re.sub(rb"-----[A-Z ]+-----|\s", b"", data))
    assert b"aes256-ctr" in blob
    assert struct.pack(">I", 6) + b"bcrypt" + struct.pack(">II", 24, 16) in blob
    at = blob.index(b"bcrypt") + len(b"bcrypt") + 8 + 16
    assert struct.unpack_from(">I", blob, at) == (100,)


def test_generated_keys_are_of_the_promised_strength():
    """Ed25519, P-256, and RSA of 3 072 bits with exponent 65 537; two are never equal."""
    assert isinstance(generate_private("ed25519"), ed25519.Ed25519PrivateKey)
    assert generate_private("ecdsa").curve.name == "secp256r1"
    numbers = generate_private("rsa").public_key().public_numbers()
    assert (numbers.n.bit_length(), numbers.e) == (3072, 65537)
    assert generate_private("ed25519").public_key() != generate_private("ed25519").public_key()
    for scheme, name in SCHEMES.items():
        assert public_key(keyring.private(scheme).public_key(), where="test").scheme == name


@given(data=st.data(), name=st.sampled_from([*PLAIN, *TRADITIONAL, "ssh-ed25519-encrypted", "ssl-p256-encrypted"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_key_is_refused_in_our_words(data, name):
    """Flip, drop or add bytes inside the container: it opens as the same key, or one of our errors says no."""
    text = read(name)
    match = re.search(rb"(-----BEGIN [A-Z ]*PRIVATE KEY-----\n)(.*?)(-----END)", text, re.DOTALL)
    blob = bytearray(base64.b64decode(match[2]))
    at = data.draw(st.integers(0, len(blob) - 1))
    match data.draw(st.sampled_from(["flip", "drop", "add", "cut"])):
        case "flip":
            blob[at] ^= data.draw(st.integers(1, 255))
        case "drop":
            del blob[at]
        case "add":
            blob.insert(at, data.draw(st.integers(0, 255)))
        case "cut":
            del blob[at:]
    damaged = text[: match.start(2)] + base64.encodebytes(bytes(blob)) + text[match.start(3) :]
    try:
        opened = parse_container(damaged, where="the file").open(PASSPHRASE, key="maria")
    except (InvalidKey, WrongPassphrase):
        return
    assert public_key(opened.public_key(), where="test").keytype in {"ed25519", "ecdsa", "rsa"}


@pytest.mark.parametrize("at", [45, 46, 52])
def test_a_damaged_header_is_no_internal_error(at):
    """One bit of how an encrypted key is encrypted: the library calls what follows an internal error, and we do not."""
    text = read("ssl-p256-encrypted")
    match = re.search(rb"(-----BEGIN [A-Z ]*PRIVATE KEY-----\n)(.*?)(-----END)", text, re.DOTALL)
    blob = bytearray(base64.b64decode(match[2]))
    blob[at] ^= 1
    damaged = text[: match.start(2)] + base64.encodebytes(bytes(blob)) + text[match.start(3) :]
    with pytest.raises(WrongPassphrase):
        parse_container(damaged, where="the file").open(PASSPHRASE, key="maria")


def test_a_container_does_not_show_what_it_holds():
    """Its `repr` says nothing of the bytes."""
    container = parse_container(read("ssl-ed25519"), where="the file")
    secret = read("ssl-ed25519").splitlines()[1].decode()
    assert secret not in f"{container!r} {container}"
    assert serialization.load_pem_private_key(read("ssl-ed25519"), None) is not None
