"""Signatures that could not be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rstuf.errors.base import RstufError, shorten
from rstuf.errors.input import InvalidInput
from rstuf.errors.state import CEREMONY_AGAIN
from rstuf.errors.storage import StorageError


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


class PinNeeded(PassphraseNeeded):
    """A key is on a token, and nobody gave the PIN; or one was, for the last try, with nobody to answer for it."""

    code = "pin-needed"

    def __init__(self, key: str, *, token: str, last_try: bool = False) -> None:
        self.key, self.token, self.last_try = key, token, last_try
        why = (
            f"the token {shorten(token)} has one try left before it locks itself"
            if last_try
            else f"the key {key} is on the token {shorten(token)} and there is no PIN for it"
        )
        hint = (
            "run it in a terminal and type the PIN, or unblock the token with its own tool"
            if last_try
            else f"type it when a terminal asks for it, or pass --passphrase-file {key}=FILE"
        )
        RstufError.__init__(self, why, hint=hint)


class WrongPin(WrongPassphrase):
    """The token refused the PIN; or is locked by wrong ones. It was given one PIN, once."""

    code = "wrong-pin"

    def __init__(self, key: str, *, token: str, reason: str, hint: str) -> None:
        self.key, self.token, self.reason = key, token, reason
        RstufError.__init__(self, f"the token {shorten(token)} does not open the key {key}: {reason}", hint=hint)


class SignatureRefused(SigningError):
    """A signature that was brought to a signing event, and does not belong there. Nothing was taken."""

    code = "signature-refused"

    def __init__(self, who: str, reason: str, *, hint: str) -> None:
        self.who, self.reason = who, reason
        super().__init__(f"the signature of {shorten(who)} is refused: {reason}", hint=hint)


class EventNotFound(InvalidInput):
    """No signing event of that name is open."""

    code = "event-not-found"

    def __init__(self, name: str, *, known: Sequence[str], ended: str | None = None) -> None:
        """
        Args:
            ended: what became of the newest one of that name, which was open before.
        """
        self.name, self.known, self.ended = name, tuple(known), ended
        there = (
            f"open now: {', '.join(known)}" if known else "none is open; rstuf event list --all shows those of before"
        )
        told = f"no signing event {shorten(name)} is open"
        super().__init__(told if ended is None else f"{told} any more: {ended}", hint=there)


class EventOpen(SigningError):
    """A signing event of that role is open, and a new one would drop it with the signatures that it has."""

    code = "event-open"

    def __init__(self, event: str, *, signed: Sequence[str]) -> None:
        self.event, self.signed = event, tuple(signed)
        lost = f"with the signatures of {', '.join(signed)}" if signed else "which nobody has signed yet"
        super().__init__(
            f"{event} waits for signatures already; a new proposal would drop it, {lost}",
            hint=f"rstuf sign {event} goes on with it; rstuf event cancel {event} drops it",
        )


class EventExpired(SigningError):
    """What a signing event proposes expired before everybody had signed it: nobody can use it any more."""

    code = "event-expired"

    def __init__(self, event: str, when: str, *, first: bool = False) -> None:
        """
        Args:
            first: it is the first root, which its ceremony alone proposes again.
        """
        self.event, self.when = event, when
        renew = f"rstuf renew drops it, and proposes anew what is due; or rstuf event cancel {event}"
        super().__init__(
            f"{event} expired on {when}, before everybody had signed it",
            hint=CEREMONY_AGAIN if first else renew,
        )


class EventOutdated(SigningError):
    """What a signing event proposes would take back what was published since: it can come out no more."""

    code = "event-outdated"

    def __init__(self, event: str, why: str, *, again: str) -> None:
        """
        Args:
            again: the command that proposes it anew, or drops it.
        """
        self.event, self.why, self.again = event, why, again
        then = ", then propose it again" if again.startswith("rstuf event cancel") else " proposes it anew"
        super().__init__(f"{event} is outdated: {why}", hint=f"{again}{then}, over what is there now")


class EventReplaced(SigningError):
    """Something else waits under a signing event's name than what its signer was shown."""

    code = "event-replaced"

    def __init__(self, event: str) -> None:
        self.event = event
        super().__init__(
            f"{event} was replaced while you looked at it; the other one was not signed",
            hint=f"rstuf sign {event} shows what waits now, and rstuf log who opened it",
        )


class EventChanged(SigningError):
    """What was to be dropped is not as it was shown any more. Nothing was dropped."""

    code = "event-changed"

    def __init__(self, event: str, *, signed: Sequence[str]) -> None:
        """
        Args:
            signed: whose signatures it has now.
        """
        self.event, self.signed = event, tuple(signed)
        by = f"signed by {', '.join(map(shorten, signed))}" if signed else "signed by nobody"
        super().__init__(
            f"{event} is not what you were shown any more: what waits now is {by}; nothing was dropped",
            hint=f"rstuf event show {event} shows what waits now, and rstuf log who changed it",
        )


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


class RootKeysLost(InvalidInput):
    """Too many root keys are lost: what is left of them can sign no root, whatever it says. Nothing was proposed.

    Attributes:
        names: of the keys that are lost.
        left: how many are left; threshold: how many must sign.
    """

    code = "root-keys-lost"

    def __init__(self, names: Sequence[str], *, left: int, threshold: int) -> None:
        self.names, self.left, self.threshold = tuple(names), left, threshold
        super().__init__(
            f"without {', '.join(map(shorten, names))}, {left} of the {threshold} keys that must sign root are left: "
            "no root can come out any more, and no key can be replaced",
            hint="rstuf recover root-keys says what can be done; a key that is found goes back where its signer says",
        )


class ProposalRefused(RstufError):
    """Metadata that nobody should sign, whatever they are told about it. Nothing was signed.

    Attributes:
        name: what was to be signed.
        rule: a stable word for the rule that it breaks, as "version", "expires" or "threshold".
        reason: what is wrong with it.
    """

    code = "proposal-refused"

    def __init__(self, name: str, rule: str, reason: str) -> None:
        self.name, self.rule, self.reason = name, rule, reason
        super().__init__(
            f"{name} is not to be signed: {reason}",
            hint="ask whoever made it, by another way than the one it came on; nothing was signed",
        )


class AnchorNeeded(RstufError):
    """A signer trusts no root yet that what they are asked to sign could be judged by."""

    code = "anchor-needed"

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"{name} cannot be judged: {reason}",
            hint="name the root that you trust, --trusted-root FILE; or give the first root's --fingerprint TEXT, "
            "as it was read to you",
        )


class RecordDamaged(StorageError):
    """A key holder's own record of what they trust and signed is damaged."""

    code = "record-damaged"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            "use", path, reason, hint="move it away; then begin again with --fingerprint, as it was read to you"
        )
