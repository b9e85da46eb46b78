"""A key on a token that signs, and whether it is the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rstuf.errors import SignerMismatch, SignerUnavailable, SigningError, shorten
from rstuf.metadata.key_identity import verify_signature
from rstuf.model.keys import KeyEntry, KeyId
from rstuf.signing import token_objects as objects
from rstuf.signing.token_login import Pin, logged_in, unusable
from rstuf.signing.token_places import FoundToken, TokenAddress

if TYPE_CHECKING:
    from pkcs11 import Session, SignMixin

_PROBE: Final = b"rstuf asks whether this is the key"
_ELSEWHERE: Final = "plug in the token that has it, or correct its signer"


class TokenSigner:
    """A key on a token, for whoever has its PIN."""

    def __init__(self, entry: KeyEntry, address: TokenAddress, token: FoundToken, pin: Pin) -> None:
        self._entry, self._address, self._token, self._pin = entry, address, token, pin

    @property
    def keyid(self) -> KeyId:
        """The key it signs with."""
        return self._entry.keyid

    def sign(self, payload: bytes) -> str:
        """The signature over `payload`, hex; it has been verified.

        Raises:
            SigningError: the token did not sign, or with another key.
        """
        entry = self._entry
        with logged_in(self._token, self._pin, key=entry.name) as session:
            made = self._made(session, payload)
        if not verify_signature(entry.key, made, payload):
            raise SigningError(
                f"what the token {shorten(self._token.name)} signed is not by the key {entry.name}", hint=_ELSEWHERE
            )
        return made

    def prove(self, *, again: bool) -> None:
        """That the PIN opens the token, and the key is there.

        Args:
            again: compare it too, as it did not show before; if need be by a signature.

        Raises:
            WrongPin, PinNeeded, SignerUnavailable, SignerMismatch: it is not.
        """
        entry, told = self._entry, True
        with logged_in(self._token, self._pin, key=entry.name) as session:
            if again:
                told = is_told(ask_halves(session, self._token, self._address, key=entry.name), self._token, entry)
            self._private(session)
            made = None if told else self._made(session, _PROBE)
        if made is not None and not verify_signature(entry.key, made, _PROBE):
            raise _mismatch(entry, self._token)

    def _private(self, session: Session) -> SignMixin:
        import pkcs11

        try:
            private = objects.signing_key(session, self._address.object_id, self._entry.key)
        except pkcs11.PKCS11Error as error:
            raise unusable(self._entry.name, self._token, error) from None
        if private is None:
            name, number = shorten(self._token.name), self._address.keyid
            reason = f"the token {name} has no private key {number} of its kind that may sign"
            raise SignerUnavailable(self._entry.name, reason, hint=_ELSEWHERE)
        return private

    def _made(self, session: Session, payload: bytes) -> str:
        import pkcs11

        private = self._private(session)
        try:
            return objects.sign_with(private, self._entry.key, payload, pin=self._pin.text)
        except (pkcs11.PKCS11Error, ValueError, TypeError) as error:
            failed = error if isinstance(error, pkcs11.PKCS11Error) else pkcs11.FunctionFailed()
        raise unusable(self._entry.name, self._token, failed)


def ask_halves(session: Session, token: FoundToken, address: TokenAddress, *, key: str) -> list[objects.PublicHalf]:
    """What a session shows of the key."""
    import pkcs11

    try:
        return objects.public_halves(session, address.object_id)
    except pkcs11.PKCS11Error as error:
        raise unusable(key, token, error) from None


def is_told(halves: list[objects.PublicHalf], token: FoundToken, entry: KeyEntry) -> bool:
    """
    Raises:
        SignerMismatch: none of them is the key.
    """
    if any(half.key is not None and objects.same_key(half.key, entry.key) for half in halves):
        return True
    if halves:
        raise _mismatch(entry, token)
    return False


def _mismatch(entry: KeyEntry, token: FoundToken) -> SignerMismatch:
    reason = f"the token {shorten(token.name)} has another key there than the one known by this name"
    return SignerMismatch(entry.name, f"{reason} ({entry.keyid[:16]})", hint=_ELSEWHERE)


def refuse_unable(token: FoundToken, entry: KeyEntry) -> None:
    """
    Raises:
        SignerUnavailable: the token cannot sign by the key's scheme.
    """
    import pkcs11

    wanted = objects.mechanism_of(entry.key)
    try:
        able = wanted is not None and wanted in token.token.slot.get_mechanisms()
    except pkcs11.PKCS11Error as error:
        raise unusable(entry.name, token, error) from None
    if not able:
        reason = f"the token {shorten(token.name)} does not sign by {shorten(entry.key.scheme)}"
        raise SignerUnavailable(entry.name, reason, hint="use an ECDSA P-256 key, or a token that does")
