"""PINs of tokens: none is sent twice, none burns the last try unasked, none is in an error."""

from __future__ import annotations

import pytest
from tests.support.tokens import PIN, needs_tokens, tokens
from tests.unit.signing import keyring

from rstuf.errors import PinNeeded, SignerMismatch, SignerUnavailable, WrongPin
from rstuf.signing.pkcs11_tokens import TokenKeys
from rstuf.signing.secrets import FixedSecrets, NoSecrets

pytestmark = needs_tokens
pkcs11 = pytest.importorskip("pkcs11", reason="the extra hsm is not installed")
plugged = pytest.fixture(autouse=True)(tokens)

from tests.unit.signing.on_tokens import Asked, entry_of, library_accepts, raising, source  # noqa: E402


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
