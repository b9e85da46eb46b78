"""Keys on tokens: found, compared, opened without burning a try, and made without overwriting anything."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from securesystemslib.signer import HSMSigner, Key, SSlibKey
from securesystemslib.signer import Signature as LibrarySignature
from tests.support.tokens import MODULE, PIN, SoftToken, make_token, needs_tokens, pull_out, tokens
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED

from rstuf.errors import InvalidKey, PinNeeded, SignerMismatch, SignerUnavailable, SigningError, WrongPin
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.signing import pkcs11_tokens, token_modules
from rstuf.signing.pkcs11_tokens import TokenKeys
from rstuf.signing.secrets import FixedSecrets, NoSecrets
from rstuf.signing.source import KeyFileSource
from rstuf.signing.token_modules import load_modules
from rstuf.signing.token_places import address_of, tokens_in
from rstuf.signing.uris import parse_uri

pytestmark = needs_tokens
pkcs11 = pytest.importorskip("pkcs11", reason="the extra hsm is not installed")
plugged = pytest.fixture(autouse=True)(tokens)

from tests.unit.signing.watched_tokens import WatchedModule  # noqa: E402

PAYLOAD = b"what is signed " * 1000


class Asked:
    """Gives a PIN, and remembers what it was asked."""

    def __init__(self, pin: bytes = PIN.encode()) -> None:
        self.answer, self.asked = pin, list[tuple[str, str, bool]]()

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        self.asked.append((key, token, last_try))
        return self.answer

    def passphrase(self, key: str, *, new: bool) -> bytes:
        raise AssertionError("a PIN is no passphrase")

    def may_try_again(self, key: str) -> bool:
        raise AssertionError("no PIN is tried again")


@pytest.fixture
def maria() -> SoftToken:
    """A token with a P-256 key, number 2."""
    token = make_token("Maria")
    token.make()
    return token


@pytest.fixture
def watched(monkeypatch) -> WatchedModule:
    """Logins to tokens are counted."""
    module = WatchedModule()
    monkeypatch.setattr(pkcs11_tokens, "load_modules", lambda key, *, named: [module])
    return module


def source(secrets=None) -> KeyFileSource:
    return KeyFileSource(Path("/nowhere"), secrets or NoSecrets())


def entry_of(uri: str, key: PublicKey | None = None) -> KeyEntry:
    """The key that a URI names, or another that is said to be there."""
    return KeyEntry("maria", key or source().public_of("maria", uri), uri, ADDED)


def raising(error: Exception):
    """What fails with `error`."""

    def act() -> None:
        raise error

    return act


def library_accepts(key: PublicKey, signature: str, payload: bytes) -> None:
    theirs = SSlibKey.from_dict(key.keyid, key.to_dict())
    theirs.verify_signature(LibrarySignature(key.keyid, signature), payload)


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
    _replace_public_half(maria, keyring.private("ecdsa").public_key())
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
    _put_certificate(token, 5)
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
    _replace_public_half(maria, None)
    assert not source().look(entry)
    library_accepts(entry.key, source(Asked()).open(entry).sign(b"payload"), b"payload")
    with pytest.raises(SignerMismatch):
        source(Asked()).open(entry_of(maria.uri(), keyring.public("ecdsa")))
    with pytest.raises(SignerUnavailable, match="does not tell its public half"):
        source(Asked()).public_of("maria", maria.uri())


# --- PINs


def test_a_wrong_pin_is_sent_once(maria, watched):
    """The second time it is refused unsent, for other keys of the token too; the right one is taken afterwards."""
    maria.make(keyid=3)
    secrets = Asked(b"4321")
    with pytest.raises(WrongPin, match="did not take the PIN") as caught:
        source(secrets).open(entry_of(maria.uri()))
    assert "few tries are left" in (caught.value.hint or "")
    for keyid in (2, 3):
        with pytest.raises(WrongPin, match="not taken this PIN before"):
            source(secrets).open(entry_of(maria.uri(keyid)))
    assert watched.logins == ["4321"]
    source(Asked()).open(entry_of(maria.uri()))
    assert watched.logins == ["4321", PIN]


def test_a_pin_whose_fate_is_unknown_is_not_sent_again(maria, watched):
    """Some modules tell of a wrong PIN by another error."""
    watched.at_login = raising(pkcs11.GeneralError())
    with pytest.raises(SignerUnavailable, match="GeneralError"):
        source(Asked()).open(entry_of(maria.uri()))
    with pytest.raises(WrongPin, match="not taken this PIN before"):
        source(Asked()).open(entry_of(maria.uri()))
    assert watched.logins == [PIN]


def test_a_token_that_went_at_login_may_have_its_pin_again(maria, watched):
    """It did not see the PIN: put back, it takes it."""
    watched.at_login = raising(pkcs11.DeviceRemoved())
    with pytest.raises(SignerUnavailable, match="not in its place"):
        source(Asked()).open(entry_of(maria.uri()))
    watched.at_login = lambda: None
    assert source(Asked()).open(entry_of(maria.uri())).sign(b"payload")


def test_no_pin_is_asked_for_where_another_key_is(maria, watched):
    """The public half differs: nobody is asked, and nothing is sent."""
    secrets = Asked()
    entry = entry_of(maria.uri(), keyring.public("ecdsa"))
    for act in (source(secrets).open, source(secrets).look):
        with pytest.raises(SignerMismatch, match="another key"):
            act(entry)
    assert (secrets.asked, watched.logins) == ([], [])


@pytest.mark.parametrize(
    ("more", "less", "reason"),
    [(0x40000, 0, "is locked by wrong PINs"), (0, 0x8, "has no PIN yet")],
)
def test_a_token_that_no_pin_opens_is_refused(maria, watched, more, less, reason):
    """Locked, or never set up: nobody is asked, looking says so too, and it is listed with the reason."""
    secrets, entry = Asked(), entry_of(maria.uri())
    watched.more, watched.less = more, less
    for act in (source(secrets).open, source(secrets).look):
        with pytest.raises(SignerUnavailable, match=reason):
            act(entry)
    (found,) = TokenKeys().found()
    assert reason in (found.fault or "")
    assert (secrets.asked, watched.logins) == ([], [])


def test_the_last_try_is_for_a_person_who_knows(maria, watched):
    """It is said when the PIN is asked for; one that was given beforehand is not used."""
    watched.more = pkcs11.TokenFlag.USER_PIN_FINAL_TRY
    secrets, entry = Asked(), entry_of(maria.uri())
    with pytest.raises(PinNeeded, match="one try left"):
        source(FixedSecrets(None, {"maria": PIN.encode()})).open(entry)
    assert watched.logins == []
    assert source(secrets).open(entry).sign(b"payload")
    assert secrets.asked == [("maria", f"Maria ({maria.serial})", True)]


def test_a_last_try_that_nobody_was_told_of_is_not_taken(maria, watched):
    """Somebody else fails while the PIN is typed: it is not sent."""
    entry = entry_of(maria.uri())

    class Slow(Asked):
        def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
            watched.more = pkcs11.TokenFlag.USER_PIN_FINAL_TRY
            return super().pin(key, token=token, last_try=last_try)

    with pytest.raises(PinNeeded, match="one try left"):
        source(Slow()).open(entry)
    assert watched.logins == []


@pytest.mark.parametrize(
    ("error", "flags", "message", "hint"),
    [
        ("PinIncorrect", 0x20000, "did not take", "one more wrong PIN locks it"),
        ("PinIncorrect", 0x40000, "locked by wrong PINs now", "PUK"),
        ("PinLocked", 0, "locked by wrong PINs now", "PUK"),
    ],
)
def test_a_wrong_pin_says_what_is_left(maria, watched, error, flags, message, hint):
    """By what the token says of itself after it."""
    entry = entry_of(maria.uri())

    def counted() -> None:
        watched.more = flags
        raise getattr(pkcs11, error)

    watched.at_login = counted
    with pytest.raises(WrongPin, match=message) as caught:
        source(Asked(b"4321")).open(entry)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("pin", [b"", b"123", b"1" * 256, b"\xff\xfe\xfd\xfc"])
def test_what_cannot_be_the_pin_is_not_sent(maria, watched, pin):
    """Too short or too long by what the token says, or no text."""
    with pytest.raises(WrongPin, match="cannot be its PIN, which has 4 to 255 bytes"):
        source(Asked(pin)).open(entry_of(maria.uri()))
    assert watched.logins == []


def test_a_pin_pad_asks_by_itself(maria, watched):
    """No PIN is asked for or sent; each signature is let through on the token, and nothing before."""
    watched.more = pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH
    entry = entry_of(maria.uri())
    (found,) = TokenKeys().found()
    assert found.note == "asks for its PIN on the token"
    signer = source(NoSecrets()).open(entry)
    assert watched.logins == []
    library_accepts(entry.key, signer.sign(b"payload"), b"payload")
    assert watched.logins == [pkcs11.PROTECTED_AUTH]
    watched.more |= pkcs11.TokenFlag.USER_PIN_FINAL_TRY
    with pytest.raises(SignerUnavailable, match="one try left"):
        source(NoSecrets()).open(entry)


def test_pins_are_in_no_error(maria):
    """However it fails, neither the error, nor what led to it, nor the signer shows a PIN."""
    secret = "tr0ub4dor"
    with maria.session() as session:
        session.set_pin(PIN, secret)
    entry = entry_of(maria.uri())
    signer = source(Asked(secret.encode())).open(entry)
    shown = [repr(signer), repr(vars(signer))]
    for pin in ("wr0ng-pin", "x" * 300):
        with pytest.raises(WrongPin) as caught:
            source(Asked(pin.encode())).open(entry)
        error = caught.value
        shown += [
            str(error),
            repr(error),
            error.hint,
            repr(vars(error)),
            repr(error.__cause__),
            repr(error.__context__),
        ]
        assert pin not in " ".join(map(str, shown))
    assert secret not in " ".join(map(str, shown))


# --- modules


def test_without_the_extra(monkeypatch):
    """Whoever names a token learns what to install; whoever lists keys finds none there."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pkcs11", None)
        with pytest.raises(SignerUnavailable, match="python-pkcs11") as caught:
            source().public_of("maria", "hsm:2")
        assert caught.value.hint == "pip install 'rstuf[hsm]'"
        assert list(TokenKeys().found()) == []


def _wide_file(tmp_path: Path) -> str:
    place = tmp_path / "wide.so"
    shutil.copyfile(MODULE, place)
    place.chmod(0o666)
    return str(place)


def _wide_directory(tmp_path: Path) -> str:
    (tmp_path / "wide").mkdir()
    shutil.copyfile(MODULE, tmp_path / "wide" / "module.so")
    (tmp_path / "wide").chmod(0o777)
    return str(tmp_path / "wide" / "module.so")


def _text(tmp_path: Path) -> str:
    (tmp_path / "bogus.so").write_text("not a library")
    return str(tmp_path / "bogus.so")


def _other_library(tmp_path: Path) -> str:
    import _ctypes

    return _ctypes.__file__


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (lambda _: "softhsm.so", "not a whole path"),
        (lambda path: f"{path}/missing.so", "there is no such file"),
        (str, "not a regular file"),
        (_text, "not a library for this machine"),
        (_other_library, "a library of another kind"),
        (_wide_file, "everybody can write to it"),
        (_wide_directory, "everybody can write to it"),
    ],
    ids=["relative", "missing", "directory", "text", "another library", "wide file", "wide directory"],
)
def test_modules_that_cannot_be_used(tmp_path, monkeypatch, module, reason):
    """Named in the URI or by the environment, it is the only one that is tried, and the error says why not."""
    path = module(tmp_path)
    address = SoftToken("Maria", "1").uri(module=path)
    with pytest.raises(SignerUnavailable, match=reason) as caught:
        source().public_of("maria", address)
    assert path in caught.value.message
    monkeypatch.setenv("PYKCS11LIB", path)
    with pytest.raises(SignerUnavailable, match=reason):
        source().public_of("maria", "hsm:2")
    with pytest.raises(SignerUnavailable, match=reason):
        list(TokenKeys().found())


def test_modules_are_looked_for_where_systems_put_them(tmp_path, monkeypatch, maria):
    """Without a name all that are there are tried, and those that do not load passed over; if none is, it is said."""
    monkeypatch.delenv("PYKCS11LIB")
    link = tmp_path / "link.so"
    link.symlink_to(MODULE)
    monkeypatch.setattr(token_modules, "WELL_KNOWN", (_text(tmp_path), str(link), MODULE, str(tmp_path / "no.so")))
    assert source().public_of("maria", maria.uri())
    monkeypatch.setattr(token_modules, "WELL_KNOWN", (str(tmp_path / "bogus.so"), str(tmp_path / "no.so")))
    with pytest.raises(SignerUnavailable, match=r"bogus\.so: it is not a library"):
        source().public_of("maria", maria.uri())
    monkeypatch.setattr(token_modules, "WELL_KNOWN", ())
    with pytest.raises(SignerUnavailable, match="none is in its usual place"):
        source().public_of("maria", maria.uri())
    assert list(TokenKeys().found()) == []


def test_a_module_by_two_names_is_loaded_once(maria, tmp_path):
    """A link to a module that is open already is that module."""
    link = tmp_path / "link.so"
    link.symlink_to(MODULE)
    assert source().public_of("x", maria.uri(module=str(link))) == source().public_of("x", maria.uri(module=MODULE))


# --- making keys


def test_a_key_is_made_on_a_token():
    """It never leaves the token, has the name there, signs here, and its URI names the token."""
    token = make_token("Maria")
    entry = source(Asked()).make_in_place("maria", "ecdsa", "hsm:9", added=ADDED)
    assert entry.signer == token.uri(9)
    assert token.objects() == [("PRIVATE_KEY", b"\x09", "maria"), ("PUBLIC_KEY", b"\x09", "maria")]
    attribute = pkcs11.Attribute
    with token.session() as session:
        private = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, id=b"\x09")
        facts = (attribute.SENSITIVE, attribute.EXTRACTABLE, attribute.PRIVATE, attribute.SIGN, attribute.DERIVE)
        assert [private[fact] for fact in facts] == [True, False, True, True, False]
    library_accepts(entry.key, source(Asked()).open(entry).sign(b"payload"), b"payload")


@pytest.mark.parametrize("what", ["pair", "hidden pair", "private half", "certificate"])
def test_a_place_that_is_taken_is_left_alone(what, watched):
    """Whatever has the number, seen or found only with the PIN, nothing is made, and nothing changes."""
    token = make_token("Maria")
    if what == "certificate":
        _put_certificate(token, 2)
    else:
        token.make(hidden=what == "hidden pair")
    if what == "private half":
        _replace_public_half(token, None)
    before = token.objects()
    secrets = Asked()
    with pytest.raises(InvalidKey, match="taken") as caught:
        source(secrets).make_in_place("ben", "ecdsa", token.uri(), added=ADDED)
    assert "rstuf key add ben --signer URI" in (caught.value.hint or "")
    assert token.objects() == before
    assert bool(secrets.asked) == (what in {"hidden pair", "private half"})


def test_nothing_is_made_without_its_pin_or_of_another_kind(watched):
    """No PIN, a wrong one, another kind, several tokens: the token stays empty."""
    token = make_token("Maria")
    for secrets, kind, error in (
        (NoSecrets(), "ecdsa", PinNeeded),
        (FixedSecrets(PIN.encode()), "ecdsa", PinNeeded),
        (Asked(b"4321"), "ecdsa", WrongPin),
        (Asked(), "ed25519", InvalidKey),
        (Asked(), "rsa", InvalidKey),
    ):
        with pytest.raises(error):
            source(secrets).make_in_place("maria", kind, token.uri(), added=ADDED)
    make_token("Ben")
    with pytest.raises(SignerUnavailable, match="several tokens"):
        source(Asked()).make_in_place("maria", "ecdsa", "hsm:2", added=ADDED)
    assert token.objects() == []


def test_a_plan_makes_no_keys_on_tokens(watched):
    """What a ceremony makes must come to nothing with it; it says what to do instead."""
    token = make_token("Maria")
    with pytest.raises(InvalidKey, match="in files only") as caught:
        source(Asked()).generate("maria", "ecdsa", token.uri(), encrypt=True, reuse=False, added=ADDED)
    assert "rstuf key generate NAME --signer URI" in (caught.value.hint or "")
    assert (token.objects(), watched.logins) == ([], [])


def test_keys_in_files_are_made_elsewhere():
    """A file is no place of this kind."""
    with pytest.raises(InvalidKey, match="makes no keys at file: URIs"):
        source().make_in_place("maria", "ecdsa", "file:maria.key", added=ADDED)


def _replace_public_half(token: SoftToken, public) -> None:
    """Take the public half of key 2 away; put another one there."""
    from cryptography.hazmat.primitives.serialization import PublicFormat
    from pkcs11.util.ec import decode_ec_public_key

    attribute = pkcs11.Attribute
    with token.session() as session:
        session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, id=b"\x02").destroy()
        if public is not None:
            der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            more = {attribute.TOKEN: True, attribute.PRIVATE: False, attribute.ID: b"\x02", attribute.LABEL: "other"}
            session.create_object({**decode_ec_public_key(der), **more})


def _put_certificate(token: SoftToken, keyid: int) -> None:
    """A certificate over a key of the tests."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Maria")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, keyring.private("ecdsa").public_key(), 1, now, now + timedelta(days=1)
    )
    made = builder.sign(keyring.private("ecdsa"), hashes.SHA256())
    attribute = pkcs11.Attribute
    with token.session() as session:
        session.create_object(
            {
                attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                attribute.TOKEN: True,
                attribute.PRIVATE: False,
                attribute.ID: bytes([keyid]),
                attribute.LABEL: "a certificate",
                attribute.SUBJECT: name.public_bytes(),
                attribute.VALUE: made.public_bytes(Encoding.DER),
            }
        )
