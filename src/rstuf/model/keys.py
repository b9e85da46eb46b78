"""Public keys as values, and the entries that name them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NewType

from rstuf.errors import InvalidKey, shorten

KeyId = NewType("KeyId", str)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)


def check_key_name(name: str) -> str:
    """`name`, if a key can be called so.

    Raises:
        InvalidKey: it cannot.
    """
    if _NAME.fullmatch(name) is None:
        reason = "key names are 1 to 64 letters, digits or . _ @ + -, the first a letter or digit"
        raise InvalidKey(shorten(name, limit=70), reason, hint="choose a name like maria, or vault-2")
    return name


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key object with nothing but type, scheme and value (TUF §4.2.2), as rstuf writes it.

    Attributes:
        keytype: "ed25519", "ecdsa" or "rsa".
        scheme: e.g. "ed25519", "ecdsa-sha2-nistp256", "rsassa-pss-sha256".
        public: 64 hex digits for Ed25519, else a PEM SubjectPublicKeyInfo.
    """

    keytype: str
    scheme: str
    public: str

    @property
    def keyid(self) -> KeyId:
        """SHA-256 of the canonical key object, hex (TUF §4.2.2)."""
        value = self.public.replace("\\", "\\\\").replace('"', '\\"')
        text = f'{{"keytype":"{self.keytype}","keyval":{{"public":"{value}"}},"scheme":"{self.scheme}"}}'
        return KeyId(hashlib.sha256(text.encode()).hexdigest())

    def to_dict(self) -> dict[str, Any]:
        """The key object, without its key id."""
        return {"keytype": self.keytype, "keyval": {"public": self.public}, "scheme": self.scheme}

    @classmethod
    def from_dict(cls, key: Mapping[str, Any]) -> PublicKey:
        """The value in a key object; foreign fields are left aside.

        Raises:
            KeyError, TypeError: it has not these three texts.
        """
        fields = (key["keytype"], key["scheme"], key["keyval"]["public"])
        if not all(isinstance(field, str) for field in fields):
            raise TypeError("a key object's type, scheme and value are texts")
        return cls(*fields)


class Loss(StrEnum):
    """Why a key must go: nobody has it any more, or somebody else may have it."""

    LOST = "lost"
    LEAKED = "leaked"


@dataclass(frozen=True, slots=True)
class LossReport:
    """That a key was said to be lost or leaked, and when that was said, UTC."""

    loss: Loss
    at: datetime


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What the state knows of a key: its name here and where its private half signs.

    Attributes:
        name: unique in the repository without regard to case.
        key: the public half.
        signer: a signer URI ("file:keys/online.key"), or None where the private half is elsewhere.
        added: when it came here, UTC.
        report: that it is lost or leaked, from when that was said; None of a key that is well.
    """

    name: str
    key: PublicKey
    signer: str | None
    added: datetime
    report: LossReport | None = None

    @property
    def keyid(self) -> KeyId:
        """The key's id."""
        return self.key.keyid

    @property
    def is_leaked(self) -> bool:
        """Whether somebody else may have it: then nothing may let it sign again, ever."""
        return self.report is not None and self.report.loss is Loss.LEAKED

    @property
    def is_lost(self) -> bool:
        """Whether nobody has it, as far as it was told."""
        return self.report is not None and self.report.loss is Loss.LOST
