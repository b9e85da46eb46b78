"""Keys on tokens: found, compared and signed with, without overwriting anything."""

from __future__ import annotations

import shutil

import pytest
from securesystemslib.signer import HSMSigner, Key
from tests.support.tokens import MODULE, PIN, make_token, needs_tokens, pull_out, tokens
from tests.unit.signing import keyring

from rstuf.errors import SignerMismatch, SignerUnavailable, SigningError, WrongPin
from rstuf.signing.pkcs11_tokens import TokenKeys
from rstuf.signing.token_modules import load_modules
from rstuf.signing.token_places import address_of, tokens_in
from rstuf.signing.uris import parse_uri

pytestmark = needs_tokens
pkcs11 = pytest.importorskip("pkcs11", reason="the extra hsm is not installed")
plugged = pytest.fixture(autouse=True)(tokens)

from tests.unit.signing.on_tokens import (  # noqa: E402
    PAYLOAD,
    Asked,
    entry_of,
    library_accepts,
    put_certificate,
    replace_public_half,
    source,
)

# --- signing


@pytest.mark.parametrize("kind", ["ecdsa", "ed25519", "rsa"])
def test_a_key_on_a_token_signs(kind):
    """P-256, Ed25519 and RSA-PSS: securesystemslib verifies what the token signed."""
    token = make_token("Maria")
    token.make(kind, 7)
    entry = entry_of(token.uri(7))
    signer = source(Asked()).open(entry)
    assert signer.keyid == entry.keyid
    for payload in (b"", b"x", PAYLOAD):
        library_accepts(entry.key, signer.sign(payload), payload)


def test_p384_signs_for_a_root_that_has_it_and_is_not_let_in():
    """An adopted root may need such a key once more; a new one is refused by its kind, and listed with the reason."""
    token = make_token("Maria")
    token.make("p384")
    with pytest.raises(SignerUnavailable, match="not read by every client"):
        source().public_of("maria", token.uri())
    (found,) = TokenKeys().found()
    assert found.uri is None
    assert found.key is not None
    assert "not read by every client" in (found.fault or "")
    entry = entry_of(token.uri(), found.key)
    library_accepts(entry.key, source(Asked()).open(entry).sign(PAYLOAD), PAYLOAD)


def test_securesystemslib_understands_the_same_uris(maria):
    """The URI that it makes opens the key here, and it signs by the one that rstuf lists."""
    theirs, _ = HSMSigner.import_(2, "Maria")
    (found,) = TokenKeys().found()
    assert found.uri == theirs == maria.uri()
    entry = entry_of(theirs)
    library_accepts(entry.key, source(Asked()).open(entry).sign(b"payload"), b"payload")
    key = Key.from_dict(entry.keyid, entry.key.to_dict())
    made = HSMSigner.from_priv_key_uri(found.uri, key, lambda _: PIN).sign(b"payload")
    key.verify_signature(made, b"payload")


def test_a_key_that_wants_its_pin_each_time_gets_it():
    """A PIV signature key asks before each signature; the PIN that was taken once is given again."""
    token = make_token("Maria")
    token.make(each_time=True)
    entry, secrets = entry_of(token.uri()), Asked()
    signer = source(secrets).open(entry)
    for payload in (b"one", b"two"):
        library_accepts(entry.key, signer.sign(payload), payload)
    assert len(secrets.asked) == 1


def test_nobody_stays_logged_in(maria):
    """After opening, signing and failing alike, the token shows its private keys to nobody."""
    signer = source(Asked()).open(entry_of(maria.uri()))
    signer.sign(b"payload")
    with pytest.raises(WrongPin):
        source(Asked(b"wrong one")).open(entry_of(maria.uri()))
    with maria.token().open() as session:
        assert not list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))


def test_what_another_key_signed_is_not_handed_on(maria):
    """A token whose public half is not that of its private one is found out at the first signature."""
    other = keyring.public("ecdsa")
    replace_public_half(maria, keyring.private("ecdsa").public_key())
    entry = entry_of(maria.uri())
    assert entry.key == other
    signer = source(Asked()).open(entry)
    with pytest.raises(SigningError, match="is not by the key maria"):
        signer.sign(b"payload")


def test_a_token_that_is_pulled_out(maria):
    """It is said, to whoever looks and to whoever signs."""
    entry = entry_of(maria.uri())
    signer = source(Asked()).open(entry)
    pull_out(maria)
    with pytest.raises(SignerUnavailable, match="not in its place any more"):
        signer.sign(b"payload")
    with pytest.raises(SignerUnavailable, match="no token with the label 'Maria'; no token is here"):
        source().look(entry)


# --- finding the token


def test_tokens_are_told_apart_by_their_labels(maria):
    """Two are here: each is found by its label, none without, and a label that none has lists them."""
    ben = make_token("Ben & co #1")
    ben.make()
    assert source().public_of("x", maria.uri()) != source().public_of("x", ben.uri())
    for uri, reason in (("hsm:2", "several tokens"), ("hsm:", "several tokens"), ("hsm:2?label=Cleo", "no token with")):
        with pytest.raises(SignerUnavailable, match=reason) as caught:
            source().public_of("x", uri)
        assert f"Ben & co #1 ({ben.serial})" in caught.value.message
        assert f"Maria ({maria.serial})" in caught.value.message


def test_tokens_of_one_label_are_told_apart_by_their_serials(maria):
    """Their label alone is refused; what is listed names the serial too, and finds each."""
    twin = make_token("Maria")
    twin.make()
    with pytest.raises(SignerUnavailable, match="several tokens"):
        source().public_of("x", maria.uri())
    found = {each.uri: each.key for each in TokenKeys().found()}
    assert found.keys() == {maria.uri(serial=maria.serial), twin.uri(serial=twin.serial)}
    assert {uri: source().public_of("x", uri) for uri in found} == found


def test_the_only_token_needs_no_name(maria):
    """As securesystemslib has it: `hsm:` is key 2 of the token that is here."""
    assert source().public_of("x", "hsm:") == source().public_of("x", "hsm:2") == source().public_of("x", maria.uri())


def test_a_token_that_two_modules_show_is_one(maria, tmp_path):
    """Seen directly and by a second module, it is counted once."""
    copy = tmp_path / "softhsm-too.so"
    shutil.copyfile(MODULE, copy)
    both = [*load_modules("x", named=None), *load_modules("x", named=str(copy))]
    assert len({module.path for module in both}) == 2
    assert all(module.slots() for module in both)
    assert [token.serial for token in tokens_in(both)] == [maria.serial]


@pytest.mark.parametrize(
    "rest",
    [
        "x",
        "-1",
        "2?label",
        "2?label=",
        "2?label=a&label=b",
        "2?pin=1234",
        "2?label=a#b",
        "٢",
        "9" * 300,
        "2?label=%ff",
    ],
)
def test_uris_that_name_no_key(rest):
    """What is not of the form is refused, and a PIN in it is not repeated."""
    with pytest.raises(SignerUnavailable, match="does not name a key on a token") as caught:
        address_of(parse_uri(f"hsm:{rest}", key="maria"), key="maria")
    assert "1234" not in caught.value.message


# --- listing and looking


def test_listing_and_looking_never_log_in(maria, watched):
    """All keys of all tokens are listed with what to know of them, and nobody asks for a PIN."""
    maria.make("ed25519", 3)
    make_token("Ben").make(hidden=True)
    found = list(TokenKeys().found())
    assert {each.uri for each in found} == {maria.uri(2), maria.uri(3), None}
    assert {each.note for each in found} == {"asks for a PIN", "shows no key without its PIN"}
    assert [each.fault for each in found] == [None, None, None]
    assert source().look(entry_of(maria.uri(3)))
    assert watched.logins == []


def test_a_certificate_tells_a_public_half_too():
    """Cards that show a certificate alone are read by it."""
    token = make_token("Maria")
    put_certificate(token, 5)
    assert source().public_of("maria", token.uri(5)) == keyring.public("ecdsa")


def test_a_public_half_that_hides_is_compared_before_anything_is_signed():
    """Looking is not certain of it; opening asks for the PIN of the token that is named, and compares then."""
    token = make_token("Maria")
    token.make(hidden=True)
    secrets = Asked()
    key = source(secrets).public_of("maria", token.uri())
    entry = entry_of(token.uri(), key)
    assert not source().look(entry)
    library_accepts(key, source(secrets).open(entry).sign(b"payload"), b"payload")
    with pytest.raises(SignerMismatch):
        source(secrets).open(entry_of(token.uri(), keyring.public("ecdsa")))
    secrets.asked.clear()
    for uri in ("hsm:", "hsm:2"):
        with pytest.raises(SignerUnavailable, match="names no token"):
            source(secrets).open(entry_of(uri, key))
        with pytest.raises(SignerUnavailable, match="names no token"):
            source(secrets).public_of("maria", uri)
    assert secrets.asked == []


def test_a_public_half_that_is_nowhere_is_proved_by_a_signature(maria):
    """With the private half alone on the token, its key opens, another one does not, and none is told."""
    entry = entry_of(maria.uri())
    replace_public_half(maria, None)
    assert not source().look(entry)
    library_accepts(entry.key, source(Asked()).open(entry).sign(b"payload"), b"payload")
    with pytest.raises(SignerMismatch):
        source(Asked()).open(entry_of(maria.uri(), keyring.public("ecdsa")))
    with pytest.raises(SignerUnavailable, match="does not tell its public half"):
        source(Asked()).public_of("maria", maria.uri())
