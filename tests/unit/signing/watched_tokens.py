"""Real tokens that are watched: who logs in is counted, and they say of themselves what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pkcs11
from tests.support.tokens import MODULE, PIN

from rstuf.signing.token_modules import TokenModule


@dataclass
class WatchedModule:
    """A module whose tokens are watched.

    Attributes:
        more, less: flags that its tokens have, or have not, whatever they are.
        logins: what was sent to open them.
        at_login: called before each login; what it raises is what the token says.
    """

    more: int = 0
    less: int = 0
    logins: list[object] = field(default_factory=list)
    at_login: Callable[[], None] = lambda: None
    real: TokenModule = field(default_factory=lambda: TokenModule(MODULE))

    def slots(self) -> list[Any]:
        return [_Slot(self, slot) for slot in self.real.slots()]

    def pin_lengths(self, slot: int) -> tuple[int, int] | None:
        return self.real.pin_lengths(slot)

    def close_sessions(self, slot: int) -> None:
        self.real.close_sessions(slot)


class _Slot:
    def __init__(self, module: WatchedModule, real: Any) -> None:
        self._module, self._real = module, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_token(self) -> _Token:
        return _Token(self._module, self, self._real.get_token())


class _Token:
    def __init__(self, module: WatchedModule, slot: _Slot, real: Any) -> None:
        self._module, self.slot, self._real = module, slot, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @property
    def flags(self) -> pkcs11.TokenFlag:
        return pkcs11.TokenFlag((self._real.flags | self._module.more) & ~self._module.less)

    def open(self, *, rw: bool = False, user_pin: object = None) -> Any:
        if user_pin is not None:
            self._module.logins.append(user_pin)
            self._module.at_login()
        # Whoever stands before a PIN pad types the right one.
        return self._real.open(rw=rw, user_pin=PIN if user_pin is pkcs11.PROTECTED_AUTH else user_pin)
