"""Logging in to tokens, without burning a try.

A token locks itself after a few wrong PINs, for good if need be. So before each login it is looked at:

- one that is locked, or whose PIN was never set, is refused, and nobody is asked;
- where one try is left, only a person who is told so goes on;
- a PIN that cannot be one, by its length, is not sent;
- a PIN that a token did not take is never sent to it again by this process, and one whose fate is unknown neither.

A token with keys of its own to type on (a PIN pad) asks by itself, and no PIN is sent to it at all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from rstuf.errors import PinNeeded, SignerUnavailable, WrongPin, shorten
from rstuf.repository.interfaces import Secrets
from rstuf.signing.token_places import FoundToken, gone

if TYPE_CHECKING:
    from pkcs11 import PKCS11Error, Session

_UNBLOCK: Final = "unblock it with its own tool (it asks for its PUK, or for the PIN of its security officer)"
_SENT_NOTHING: Final = "it was not sent; run it again with the right one"
# Being logged in belongs to a token and a process, not to a session.
_one_at_a_time: Final = threading.RLock()
# By token: PINs that were sent and not taken.
_not_taken: Final[dict[tuple[str, str], set[str]]] = {}


class Pin:
    """A PIN on its way, or that there is none to send."""

    __slots__ = ("for_last_try", "text")

    def __init__(self, text: str | None, *, for_last_try: bool = False) -> None:
        """
        Args:
            text: None where the token asks by itself, or lets everybody in.
            for_last_try: whether whoever gave it knew that it may be the last one.
        """
        self.text, self.for_last_try = text, for_last_try

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def asks_by_itself(token: FoundToken) -> bool:
    """Whether the PIN is typed on the token."""
    import pkcs11

    return bool(token.flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH) and needs_login(token)


def needs_login(token: FoundToken) -> bool:
    """Whether its private keys are behind a PIN."""
    import pkcs11

    return bool(token.flags & pkcs11.TokenFlag.LOGIN_REQUIRED)


def closed_because(token: FoundToken) -> str | None:
    """Why no PIN would open it now; None where one would."""
    import pkcs11

    if not needs_login(token):
        return None
    if token.flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        return "is locked by wrong PINs"
    if not token.flags & pkcs11.TokenFlag.USER_PIN_INITIALIZED:
        return "has no PIN yet"
    return None


def refuse_closed(token: FoundToken, *, key: str) -> None:
    """
    Raises:
        SignerUnavailable: no PIN would open it.
    """
    why = closed_because(token)
    if why is not None:
        hint = _UNBLOCK if "locked" in why else "set it with the token's own tool"
        raise SignerUnavailable(key, f"the token {shorten(token.name)} {why}", hint=hint)


def ask_for_pin(token: FoundToken, secrets: Secrets, *, key: str) -> Pin:
    """What opens the token, asked of `secrets` where it is not typed on the token itself.

    Raises:
        SignerUnavailable: it is locked, has no PIN, or is not there any more.
        PinNeeded, WrongPin: there is none, or it cannot be the PIN. Nothing was sent.
    """
    now = token.again(key)
    refuse_closed(now, key=key)
    last_try = _is_last_try(now)
    if not needs_login(now):
        return Pin(None)
    if asks_by_itself(now):
        if last_try:
            reason = f"the token {shorten(token.name)} has one try left before it locks itself"
            raise SignerUnavailable(key, reason, hint="open it once with its own tool")
        return Pin(None)
    given = secrets.pin(key, token=token.name, last_try=last_try)
    try:
        text: str | None = given.decode()
    except UnicodeDecodeError:
        text = None
    lengths = now.module.pin_lengths(now.token.slot.slot_id)
    if not text or (lengths is not None and not lengths[0] <= len(given) <= lengths[1]):
        reason = "that cannot be its PIN"
        if lengths is not None:
            reason += f", which has {lengths[0]} to {lengths[1]} bytes"
        raise WrongPin(key, token=token.name, reason=reason, hint=_SENT_NOTHING)
    return Pin(text, for_last_try=last_try)


@contextmanager
def logged_in(token: FoundToken, pin: Pin, *, key: str, writing: bool = False) -> Iterator[Session]:
    """A session in which private keys can be used; it is closed after the block.

    Raises:
        WrongPin: the token did not take the PIN; or has not before, and it was not sent again.
        PinNeeded: one try is left by now, which nobody was told.
        SignerUnavailable: it cannot be opened.
    """
    with _one_at_a_time:
        now = token.again(key)
        refuse_closed(now, key=key)
        if pin.text is not None:
            if _is_last_try(now) and not pin.for_last_try:
                raise PinNeeded(key, token=token.name, last_try=True)
            if pin.text in _not_taken.get(token.identity, ()):
                reason = "it has not taken this PIN before"
                raise WrongPin(key, token=token.name, reason=reason, hint=_SENT_NOTHING)
        session = _open(now, pin, key=key, writing=writing)
        try:
            yield session
        finally:
            _close(session)


@contextmanager
def looking_at(token: FoundToken, *, key: str) -> Iterator[Session]:
    """A session that shows what everybody may see; it is closed after the block.

    Raises:
        SignerUnavailable: it cannot be opened.
    """
    import pkcs11

    with _one_at_a_time:
        try:
            session = token.token.open()
        except pkcs11.PKCS11Error as error:
            raise unusable(key, token, error) from None
        try:
            yield session
        finally:
            _close(session)


def unusable(key: str, token: FoundToken, error: PKCS11Error) -> SignerUnavailable:
    """The error for a token that does not do what was asked of it."""
    import pkcs11

    if isinstance(
        error,
        pkcs11.TokenNotPresent | pkcs11.DeviceRemoved | pkcs11.SessionHandleInvalid | pkcs11.SlotIDInvalid,
    ):
        return gone(key, token)
    reason = f"the token {shorten(token.name)} does not work as it should ({type(error).__name__})"
    return SignerUnavailable(key, reason, hint="look at it with its own tool, or with pkcs11-tool --list-objects")


def _open(token: FoundToken, pin: Pin, *, key: str, writing: bool) -> Session:
    """
    Raises:
        WrongPin, SignerUnavailable: as `logged_in` says.
    """
    import pkcs11

    if not needs_login(token):
        secret: object = None
    else:
        secret = pkcs11.PROTECTED_AUTH if pin.text is None else pin.text
    not_taken = _not_taken.setdefault(token.identity, set())
    if pin.text is not None:
        not_taken.add(pin.text)
    try:
        session = token.token.open(rw=writing, user_pin=secret)
    except pkcs11.PKCS11Error as error:
        token.module.close_sessions(token.token.slot.slot_id)
        if isinstance(error, pkcs11.TokenNotPresent | pkcs11.DeviceRemoved):
            not_taken.discard(pin.text or "")
        if isinstance(error, pkcs11.PinIncorrect | pkcs11.PinInvalid | pkcs11.PinLenRange | pkcs11.PinLocked):
            raise _wrong(token, error, key=key) from None
        raise unusable(key, token, error) from None
    not_taken.discard(pin.text or "")
    return session


def _wrong(token: FoundToken, error: PKCS11Error, *, key: str) -> WrongPin:
    """What to say of a PIN that was not taken, by what the token says of itself now."""
    import pkcs11

    flags = token.flags
    with suppress(SignerUnavailable):
        flags = token.again(key).flags
    if isinstance(error, pkcs11.PinLocked) or flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        return WrongPin(key, token=token.name, reason="it is locked by wrong PINs now", hint=_UNBLOCK)
    left = "a token locks itself after a few wrong ones"
    if flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
        left = "one more wrong PIN locks it"
    elif flags & pkcs11.TokenFlag.USER_PIN_COUNT_LOW:
        left = "few tries are left before it locks itself"
    return WrongPin(key, token=token.name, reason="it did not take the PIN", hint=f"nothing was changed; {left}")


def _is_last_try(token: FoundToken) -> bool:
    import pkcs11

    return bool(token.flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY)


def _close(session: Session) -> None:
    import pkcs11

    # A token that was taken out has closed it already.
    with suppress(pkcs11.PKCS11Error):
        session.close()
