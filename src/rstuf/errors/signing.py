"""Signatures that could not be made."""

from __future__ import annotations

from collections.abc import Mapping

from rstuf.errors.base import RstufError


class SigningError(RstufError):
    """A signature could not be made."""

    code = "signing-error"


class SignerUnavailable(SigningError):
    """The private half of a key cannot be reached."""

    code = "signer-unavailable"

    def __init__(self, key: str, reason: str, *, hint: str | None = None) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"cannot sign with {key}: {reason}", hint=hint)


class SignerMismatch(SignerUnavailable):
    """Where the private half of a key should be is another key's."""

    code = "signer-mismatch"


class PassphraseNeeded(SigningError):
    """A key is encrypted and nobody gave its passphrase."""

    code = "passphrase-needed"

    def __init__(self, key: str, *, new: bool = False) -> None:
        self.key = key
        what = f"the new key {key} is to be encrypted" if new else f"the key {key} is encrypted"
        super().__init__(
            f"{what} and there is no passphrase for it",
            hint=f"type it when a terminal asks for it, or pass --passphrase-file {key}=FILE",
        )


class WrongPassphrase(SigningError):
    """The passphrase does not open the key."""

    code = "wrong-passphrase"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the passphrase does not open the key {key}", hint="nothing was changed; try again")


class NotEnoughSigners(SigningError):
    """Fewer keys can sign here than the role's threshold asks for."""

    code = "not-enough-signers"

    def __init__(self, role: str, *, available: int, threshold: int, reasons: Mapping[str, str]) -> None:
        self.role, self.available, self.threshold, self.reasons = role, available, threshold, dict(reasons)
        why = "".join(f"; {name}: {reason}" for name, reason in self.reasons.items())
        super().__init__(
            f"{role} needs {threshold} signatures and {available} can be made here{why}",
            hint="make the missing keys reachable and run it again",
        )
