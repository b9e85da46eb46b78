"""Keys on smart cards, security keys and HSMs, by PKCS#11: `hsm:KEYID?label=LABEL`.

The public half is compared before anybody is asked for a PIN, where the token shows it; where it does not, the token
must be named. Looking and listing never log in. Each signature has a session of its own, and is verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rstuf.errors import InvalidKey, SignerUnavailable, shorten
from rstuf.metadata.key_identity import check_key
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.repository.interfaces import Secrets
from rstuf.signing import token_objects as objects
from rstuf.signing.schemes import FoundKey
from rstuf.signing.token_login import (
    ask_for_pin,
    asks_by_itself,
    closed_because,
    logged_in,
    looking_at,
    needs_login,
    refuse_closed,
    unusable,
)
from rstuf.signing.token_modules import is_chosen, is_installed, load_modules
from rstuf.signing.token_places import (
    SCHEME,
    FoundToken,
    TokenAddress,
    address_of,
    choose_token,
    tokens_in,
)
from rstuf.signing.token_signers import TokenSigner, ask_halves, is_told, refuse_unable
from rstuf.signing.uris import SignerUri

if TYPE_CHECKING:
    from pkcs11 import Session

_OWN_TOOL: Final = "make it with the token's own tool, then: rstuf key add NAME --signer URI"


class TokenKeys:
    """The scheme `hsm`: keys on tokens."""

    def open(self, uri: SignerUri, entry: KeyEntry, secrets: Secrets) -> TokenSigner:
        """The signer of `entry`. The PIN is tried at once, but where it is typed on the token: each signature asks.

        Raises:
            SignerUnavailable, SignerMismatch: it is not here, cannot sign, or is another key.
            PinNeeded, WrongPin: the token stays closed.
        """
        address, token = _found(uri, key=entry.name)
        shown = _compare(address, token, entry)
        refuse_unable(token, entry)
        if not shown:
            _refuse_unnamed(address, token, key=entry.name)
        pin = ask_for_pin(token, secrets, key=entry.name)
        signer = TokenSigner(entry, address, token, pin)
        if not asks_by_itself(token):
            signer.prove(again=not shown)
        return signer

    def look(self, uri: SignerUri, entry: KeyEntry) -> bool:
        """That its token is here, and whether it shows this very key.

        Raises:
            SignerUnavailable, SignerMismatch: it is not here, is locked, or has another key there.
        """
        address, token = _found(uri, key=entry.name)
        shown = _compare(address, token, entry)
        refuse_closed(token, key=entry.name)
        return shown

    def public_of(self, uri: SignerUri, name: str, secrets: Secrets) -> PublicKey:
        """The public half; the PIN is asked for only where the token shows none without it.

        Raises:
            SignerUnavailable: it is not here, does not tell it, or is of a kind that rstuf does not let in.
            PinNeeded, WrongPin: the token stays closed.
        """
        address, token = _found(uri, key=name)
        halves = _halves(token, address, key=name)
        if not halves:
            _refuse_unnamed(address, token, key=name)
            pin = ask_for_pin(token, secrets, key=name)
            with logged_in(token, pin, key=name) as session:
                halves = ask_halves(session, token, address, key=name)
        return _only(halves, token, address, key=name)

    def found(self) -> Iterator[FoundKey]:
        """The keys that tokens show. Nobody logs in.

        Raises:
            SignerUnavailable: the module that the environment names cannot be used.
        """
        try:
            tokens = tokens_in(load_modules(SCHEME, named=None))
        except SignerUnavailable:
            if is_chosen() and is_installed():
                raise
            return
        for token in tokens:
            alone = sum(other.label == token.label for other in tokens) == 1
            yield from _list(token, TokenAddress(label=token.label or None, serial=None if alone else token.serial))

    def make(self, uri: SignerUri, name: str, scheme: str, secrets: Secrets) -> tuple[PublicKey, str]:
        """Make a key pair on the token, where nothing has its number yet; it never leaves it, and cannot be undone.

        Returns:
            Its public half, and the URI that names its token.

        Raises:
            InvalidKey: its place is taken, or the kind is none that is made there.
            SignerUnavailable: the token is not here, or does not make keys.
            PinNeeded, WrongPin: the token stays closed.
        """
        import pkcs11

        if scheme != "ecdsa":
            raise InvalidKey(name, "on tokens rstuf makes keys of kind ecdsa only", hint="choose ecdsa")
        address, token = _found(uri, key=name)
        with looking_at(token, key=name) as session:
            _refuse_taken(session, token, address, key=name)
        pin = ask_for_pin(token, secrets, key=name)
        with logged_in(token, pin, key=name, writing=True) as session:
            # Private keys show themselves only now.
            _refuse_taken(session, token, address, key=name)
            try:
                objects.make_pair(session, address.object_id, name)
            except pkcs11.PKCS11Error as error:
                reason = f"the token {shorten(token.name)} made no key ({type(error).__name__})"
                raise SignerUnavailable(name, reason, hint=_OWN_TOOL) from None
            key = _only(ask_halves(session, token, address, key=name), token, address, key=name)
        return key, str(_named(address, token))


def _found(uri: SignerUri, *, key: str) -> tuple[TokenAddress, FoundToken]:
    """
    Raises:
        SignerUnavailable: the URI, or the token that it means, cannot be used.
    """
    address = address_of(uri, key=key)
    return address, choose_token(address, tokens_in(load_modules(key, named=address.module)), key=key)


def _halves(token: FoundToken, address: TokenAddress, *, key: str) -> list[objects.PublicHalf]:
    """What the token shows of the key to everybody."""
    with looking_at(token, key=key) as session:
        return ask_halves(session, token, address, key=key)


def _compare(address: TokenAddress, token: FoundToken, entry: KeyEntry) -> bool:
    """Whether the token shows the key to everybody.

    Raises:
        SignerMismatch: it shows another one.
    """
    return is_told(_halves(token, address, key=entry.name), token, entry)


def _only(halves: list[objects.PublicHalf], token: FoundToken, address: TokenAddress, *, key: str) -> PublicKey:
    """
    Raises:
        SignerUnavailable: there is none, are several, or rstuf does not let it in.
    """
    where = f"key {address.keyid} of the token {shorten(token.name)}"
    told = [half.key for half in halves if half.key is not None]
    if not halves:
        reason = f"{where} does not tell its public half, if it is there"
        raise SignerUnavailable(key, reason, hint=f"rstuf key add {key} FILE --signer URI takes it from a file")
    if not told or any(not objects.same_key(told[0], other) for other in told):
        faults = {half.fault for half in halves if half.fault is not None}
        reason = f"{where}: {'; '.join(sorted(faults)) if not told else 'several keys have this number'}"
        raise SignerUnavailable(key, reason, hint="use an ECDSA P-256 key, with a number of its own")
    try:
        check_key(told[0], where=where)
    except InvalidKey as error:
        raise SignerUnavailable(key, error.message, hint=error.hint or "use an ECDSA P-256 key") from None
    return told[0]


def _refuse_unnamed(address: TokenAddress, token: FoundToken, *, key: str) -> None:
    """
    Raises:
        SignerUnavailable: no token is named: a PIN is not for whichever one happens to be plugged in.
    """
    if address.label is None and address.serial is None:
        reason = f"the token {shorten(token.name)} does not show whether it has it, and the signer names no token"
        raise SignerUnavailable(key, reason, hint="name its token in the signer: ?label=LABEL")


def _refuse_taken(session: Session, token: FoundToken, address: TokenAddress, *, key: str) -> None:
    """
    Raises:
        InvalidKey: something has the number already.
    """
    import pkcs11

    try:
        taken = objects.is_taken(session, address.object_id)
    except pkcs11.PKCS11Error as error:
        raise unusable(key, token, error) from None
    if taken:
        where = f"number {address.keyid} of the token {shorten(token.name)}"
        hint = f"choose another number; rstuf key add {key} --signer URI takes the key that is there"
        raise InvalidKey(where, "this place is taken, and rstuf never overwrites a key", hint=hint)


def _named(address: TokenAddress, token: FoundToken) -> TokenAddress:
    """The address with the token in it, whichever was found by it."""
    if address.label is not None or address.serial is not None:
        return address
    return TokenAddress(
        keyid=address.keyid,
        label=token.label or None,
        serial=None if token.label else token.serial,
        module=address.module,
    )


def _list(token: FoundToken, place: TokenAddress) -> Iterator[FoundKey]:
    """The keys that one token shows, each number once; or why there are none."""
    import pkcs11

    why = closed_because(token)
    fault = None if why is None else f"its token {why}"
    try:
        with looking_at(token, key=token.name) as session:
            halves = objects.public_halves(session)
    except SignerUnavailable as error:
        yield FoundKey(SCHEME, None, None, token.name, fault=error.reason)
        return
    except pkcs11.PKCS11Error as error:
        yield FoundKey(SCHEME, None, None, token.name, fault=unusable(token.name, token, error).reason)
        return
    if not halves:
        yield FoundKey(SCHEME, None, None, token.name, fault, note="shows no key without its PIN")
    note = (
        None
        if not needs_login(token)
        else "asks for its PIN on the token"
        if asks_by_itself(token)
        else "asks for a PIN"
    )
    for half in {half.object_id: half for half in reversed(halves)}.values():
        address = replace(place, keyid=int.from_bytes(half.object_id))
        unfit = _unfit(half) or (None if address.object_id == half.object_id else "its CKA_ID is no plain number")
        uri = None if unfit is not None else str(address)
        yield FoundKey(SCHEME, uri, half.key, f"{half.label} on {token.name}".strip(), unfit or fault, note)


def _unfit(half: objects.PublicHalf) -> str | None:
    """Why rstuf does not let a key in, if it does not."""
    if half.key is None:
        return half.fault
    try:
        check_key(half.key)
    except InvalidKey as error:
        return error.reason
    return None
