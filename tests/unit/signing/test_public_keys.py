"""Public keys as people hand them over."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.signing import keyring

from rstuf.errors import InvalidKey
from rstuf.metadata.key_identity import key_identity, public_key
from rstuf.model.keys import PublicKey
from rstuf.signing.public_keys import parse_public, public_pem

P256 = ["ssl-p256.pub", "ssl-p256-compressed.pub", "ssl-p256-hybrid.pub", "ssl-p256-explicit.pub"]
RSA = ["ssl-rsa.pub", "ssl-rsa-pkcs1.pub"]


def fixture(name: str) -> bytes:
    return (keyring.FIXTURES / name).read_bytes()


@pytest.mark.parametrize("group", [P256, RSA, ["ssl-ed25519.pub"], ["ssl-rsapss.pub"]])
def test_every_form_of_pem_gives_one_key(group):
    """OpenSSL's forms of one key are read as the very same key object, in the form rstuf writes."""
    keys = {parse_public(fixture(name), where=name) for name in group}
    assert len(keys) == 1
    (key,) = keys
    assert parse_public(public_pem(key), where="written") == key


@pytest.mark.parametrize("name", ["ssh-ed25519", "ssh-p256", "ssh-rsa"])
def test_a_line_of_openssh_is_read(name):
    """With its comment, without, after other comments, and with line ends of another system."""
    line = fixture(f"{name}.pub")
    kind, value, _ = line.split(maxsplit=2)
    key = parse_public(line, where=name)
    for form in (b"%s %s" % (kind, value), b"# note\n\n%s %s a b c\r\n" % (kind, value), b"\xef\xbb\xbf" + line):
        assert parse_public(form, where=name) == key
    assert parse_public(public_pem(key), where=name) == key


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_object_loses_what_is_foreign_to_it(kind):
    """Labels, URIs and odd spellings go; type, scheme and value stay, and make the key id."""
    key = keyring.public(kind)
    spelt = {"ed25519": key.public.upper(), "ecdsa": key.public.replace("\n", "\r\n"), "rsa": "note\n" + key.public}
    value = {**key.to_dict(), "keyid_hash_algorithms": ["sha256"], "x-rstuf-key-name": "maria"}
    value["keyval"] = {"public": spelt[kind], "private": ""}
    assert parse_public(json.dumps(value).encode(), where="test") == key


def test_a_key_object_keeps_its_scheme_and_gets_the_modern_type():
    """How its holder signs is the holder's; the old name of the type is not read by every client."""
    rsa, ec = keyring.public("rsa"), keyring.public("ecdsa")
    value = {**rsa.to_dict(), "scheme": "rsa-pkcs1v15-sha512"}
    assert parse_public(json.dumps(value).encode(), where="test") == PublicKey("rsa", "rsa-pkcs1v15-sha512", rsa.public)
    value = {**ec.to_dict(), "keytype": "ecdsa-sha2-nistp256"}
    assert parse_public(json.dumps(value).encode(), where="test") == ec


def _object(**changes) -> bytes:
    return json.dumps({**keyring.public("ed25519").to_dict(), **changes}).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"keytype":"ed25519",' + _object()[1:], "stands twice"),
        (b'{"keyval":1,"keyval":{}}', "stands twice"),
        (b"{", "not acceptable JSON"),
        (b"{}", "not a TUF key object"),
        (_object(keyval="ab"), "not a TUF key object"),
        (_object(keyval={}), "not all text"),
        (_object(keyval={"public": 1}), "not all text"),
        (_object(keytype=None), "not all text"),
        (_object(scheme=["ed25519"]), "not all text"),
        (_object(scheme="ed448"), "scheme"),
        (_object(keytype="ml-dsa", scheme="ml-dsa-44/1"), "not used"),
        (_object(keyval={"public": "00" * 32}), "low order"),
        (_object(keyval={"public": "ab" * 32, "private": "cd" * 32}), "PRIVATE"),
        (b"", "empty"),
        (b"\n# only a comment\n", "empty"),
        (b"hello", "not a public key"),
        (b"one\ntwo", "not a public key"),
        (b"\xff\xfe\x00", "not a public key"),
        (fixture("ssh-rfc4716.pub"), "not a public key"),
        (fixture("ssh-rsa.pub") + fixture("ssh-p256.pub"), "more than one key"),
        (fixture("ssl-rsa.pub") + fixture("ssl-p256.pub"), "more than one PEM block"),
        (fixture("certificate.pem"), "certificate"),
        (fixture("ssh-certificate.pub"), "certificate"),
        (fixture("ssl-p256.pub") + fixture("certificate.pem"), "certificate"),
        (fixture("ssh-dsa.pub"), "not used"),
        (fixture("ssh-p384.pub"), "every client"),
        (fixture("ssl-p384.pub"), "every client"),
        (fixture("ssl-ed448.pub"), "no scheme"),
        (fixture("ssl-x25519.pub"), "no scheme"),
        (fixture("ssl-secp256k1.pub"), "no scheme"),
        (fixture("ssl-rsa1024.pub"), "1024 bits"),
        (b"sk-ssh-ed25519@openssh.com AAAA maria", "FIDO"),
        (b"ssh-ed25519 AAAA", "damaged"),
        (b"ssh-ed25519", "damaged"),
        (b"ssh-ed25519 %%%", "damaged"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "usable"),
        (b"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n", "EC PARAMETERS"),
    ],
)
def test_what_is_not_one_good_public_key_is_refused(data, reason):
    """Each with the reason, and with the place it came from."""
    with pytest.raises(InvalidKey, match=reason) as caught:
        parse_public(data, where="maria.pub")
    assert caught.value.where == "maria.pub"


@pytest.mark.parametrize("name", sorted(path.name for path in keyring.FIXTURES.glob("*.key")))
def test_a_private_key_is_refused_loudly(name):
    """In every form, alone or behind its public half; the hint says how to take the public half, and shows no key."""
    for data in (fixture(name), fixture("ssl-p256.pub") + fixture(name)):
        with pytest.raises(InvalidKey, match="PRIVATE key") as caught:
            parse_public(data, where="maria.pub")
        assert "-pubout" in (caught.value.hint or "")
        body = fixture(name).splitlines()[2].decode()
        assert body not in f"{caught.value!r}{caught.value.hint}"


@given(st.one_of(st.binary(max_size=200), st.text(max_size=80).map(str.encode), st.just(b"ssh-rsa AAAAB3NzaC1yc2E=")))
@settings(max_examples=200)
def test_garbage_is_refused_in_our_words(data):
    """Whatever a file holds, it is a key or one error."""
    with pytest.raises(InvalidKey):
        parse_public(data, where="test")


def test_the_fixtures_are_one_key():
    """The four encodings of the P-256 key really differ, so that reading them shows something."""
    assert len({fixture(name) for name in P256}) == 4
    expected = key_identity(public_key(keyring.ec_key().public_key(), where="test"))
    assert {key_identity(parse_public(fixture(name), where=name)) for name in P256} == {expected}
