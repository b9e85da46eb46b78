"""Tokens that are here, and the one that a signer URI means.

`hsm:KEYID?label=LABEL`, as securesystemslib writes it: the key's CKA_ID as a decimal number (by default 2, the
signature key of a PIV card) and what the token calls itself. `&serial=` tells tokens of one label apart, `&module=`
names the library that speaks to it. One token that two modules show is one token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from rstuf.errors import SignerUnavailable, shorten
from rstuf.signing.token_modules import TokenModule
from rstuf.signing.uris import SignerUri

if TYPE_CHECKING:
    from pkcs11 import Token, TokenFlag

SCHEME: Final = "hsm"
_DEFAULT_KEYID: Final = 2
# A CKA_ID of 100 bytes; the usual ones have one or twenty.
_KEYID: Final = re.compile(r"[0-9]{0,240}", re.ASCII)
_FORM: Final = "write hsm:KEYID?label=LABEL, with a decimal number, and a label as in a URL"
_PARTS: Final = frozenset({"label", "serial", "module"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAddress:
    """Where a key is: its number, and what is said of the token that has it."""

    keyid: int = _DEFAULT_KEYID
    label: str | None = None
    serial: str | None = None
    module: str | None = None

    @property
    def object_id(self) -> bytes:
        """The CKA_ID of its objects, as securesystemslib spells a number."""
        return self.keyid.to_bytes((self.keyid.bit_length() + 7) // 8, "big") or b"\0"

    def __str__(self) -> str:
        said = {name: value for name in ("label", "serial", "module") if (value := getattr(self, name)) is not None}
        return f"{SCHEME}:{self.keyid}" + (f"?{urlencode(said)}" if said else "")


def address_of(uri: SignerUri, *, key: str) -> TokenAddress:
    """What `uri` says, for the key of that name.

    Raises:
        SignerUnavailable: it is not of the form.
    """
    number, mark, query = uri.rest.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark), errors="strict", max_num_fields=8)
    except ValueError:
        pairs = [("", "")]
    said = dict(pairs)
    usual = len(said) == len(pairs) and said.keys() <= _PARTS and all(said.values())
    if not usual or "#" in uri.rest or not _KEYID.fullmatch(number):
        # What stands behind the mark is not repeated: somebody may have written a PIN there.
        written = f"{uri.scheme}:{shorten(number)}{mark}" + ("…" if query else "")
        raise SignerUnavailable(key, f"{written!r} does not name a key on a token", hint=_FORM)
    return TokenAddress(keyid=int(number) if number else _DEFAULT_KEYID, **said)


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token that is here, as it was when it was looked at. Its names are text from outside.

    Attributes:
        module: what speaks to it.
        token: as the library has it.
    """

    module: TokenModule
    token: Token

    @property
    def label(self) -> str:
        """What it calls itself."""
        return self.token.label.rstrip("\0 ")

    @property
    def serial(self) -> str:
        """Its number, as far as it has one."""
        return self.token.serial.rstrip(b"\0 ").decode("ascii", "replace")

    @property
    def name(self) -> str:
        """What to call it: no two tokens that are here have the same."""
        return f"{self.label or 'without a label'} ({self.serial or 'without a number'})"

    @property
    def identity(self) -> tuple[str, str]:
        """What makes it this one, by whichever module it is seen."""
        return (self.serial, self.label)

    @property
    def flags(self) -> TokenFlag:
        """What it said of itself."""
        return self.token.flags

    def again(self, key: str) -> FoundToken:
        """The same token, as it is now.

        Raises:
            SignerUnavailable: it was taken out, or another one is in its place.
        """
        import pkcs11

        with suppress(pkcs11.PKCS11Error):
            now = FoundToken(self.module, self.token.slot.get_token())
            if now.identity == self.identity:
                return now
        raise gone(key, self)


def gone(key: str, token: FoundToken) -> SignerUnavailable:
    """The error for a token that does not answer any more."""
    reason = f"the token {shorten(token.name)} is not in its place any more"
    return SignerUnavailable(key, reason, hint="put it back, and run it again")


def tokens_in(modules: Sequence[TokenModule]) -> list[FoundToken]:
    """The tokens that are here and set up, each once. Nobody is asked for anything."""
    import pkcs11

    found = dict[tuple[str, str], FoundToken]()
    for module in modules:
        with suppress(pkcs11.PKCS11Error):
            for slot in module.slots():
                with suppress(pkcs11.PKCS11Error):
                    token = FoundToken(module, slot.get_token())
                    if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED:
                        found.setdefault(token.identity, token)
    return list(found.values())


def choose_token(address: TokenAddress, tokens: Sequence[FoundToken], *, key: str) -> FoundToken:
    """The one token that `address` means.

    Raises:
        SignerUnavailable: none is, or several are; those that are here are named.
    """
    fitting = [
        token for token in tokens if address.label in {None, token.label} and address.serial in {None, token.serial}
    ]
    if len(fitting) == 1:
        return fitting[0]
    here = ", ".join(shorten(token.name) for token in fitting or tokens)
    if fitting:
        reason = f"several tokens are here that it could be on: {here}"
        hint = "name one in the signer: ?label=LABEL, and &serial=NUMBER where labels are the same"
        raise SignerUnavailable(key, reason, hint=hint)
    meant = "token" if address.label is None else f"token with the label {shorten(address.label)!r}"
    meant += "" if address.serial is None else f" and the serial {shorten(address.serial)!r}"
    there = f"those that are here: {here}" if here else "no token is here"
    raise SignerUnavailable(key, f"there is no {meant}; {there}", hint="plug it in, and run it again")
