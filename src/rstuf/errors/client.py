"""The side of those who download: what they trust, what is refused for it, and where it should go."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from rstuf.errors.base import RstufError, shorten
from rstuf.errors.storage import StorageError
from rstuf.errors.verification import VerificationFailed


class TrustNotFound(RstufError):
    """No repository is trusted under this name."""

    code = "not-trusted"

    def __init__(self, name: str | None, *, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(known)
        pin = "pin its root first: rstuf trust add NAME URL --root FILE"
        super().__init__(
            "no repository is trusted yet" if name is None else f"no repository is trusted under the name {name}",
            hint=f"trusted are: {', '.join(self.known)}" if self.known else pin,
        )


class TrustExists(RstufError):
    """The name stands for another root already."""

    code = "trust-exists"

    def __init__(self, name: str, *, pinned: str, offered: str) -> None:
        self.name, self.pinned, self.offered = name, pinned, offered
        super().__init__(
            f"{name} is trusted by another root, of fingerprint {pinned[:16]}…; offered is {offered[:16]}…",
            hint=f"choose another name; or, if the pinned root is no longer to be trusted: rstuf trust remove {name}",
        )


class TrustDamaged(StorageError):
    """What is kept of a trusted repository is damaged."""

    code = "trust-damaged"

    def __init__(self, path: str, reason: str, *, name: str) -> None:
        super().__init__(
            "use", path, reason, hint=f"rstuf trust remove {name}, then pin its root again with rstuf trust add"
        )


class FingerprintDiffers(VerificationFailed):
    """A root is not the one whose fingerprint was given."""

    code = "fingerprint-differs"

    def __init__(self, where: str, *, wanted: str, found: str) -> None:
        self.where, self.wanted, self.found = where, wanted, found
        pairs = zip(bytes.fromhex(wanted), bytes.fromhex(found), strict=True)
        wrong = [place for place, (one, other) in enumerate(pairs, 1) if one != other]
        # Nobody finds a root that agrees in most places: that is a slip of the one who typed.
        self.is_slip = slip = len(wrong) <= len(wanted) // 8
        said = f"{'byte' if len(wrong) == 1 else 'bytes'} {', '.join(map(str, wrong))} of 32"
        super().__init__(
            [
                f"the fingerprint is nearly that of {where}, but not in {said}"
                if slip
                else f"{where} is not the root with this fingerprint"
            ],
            hint="nothing was trusted; look at the fingerprint again"
            if slip
            else "nothing was trusted; ask the publisher, by another way than this server, which root is theirs",
        )


class Refusal(StrEnum):
    """Why what a repository serves is refused."""

    EXPIRED = "expired"
    ROLLBACK = "rollback"
    UNSIGNED = "unsigned"
    MISMATCH = "mismatch"
    MALFORMED = "malformed"


class RepositoryRefused(VerificationFailed):
    """What a repository serves cannot be trusted, from the root that is pinned for it."""

    code = "repository-refused"

    def __init__(self, role: str, reason: Refusal, message: str, *, hint: str | None = None) -> None:
        self.role, self.reason = role, reason
        super().__init__([message], hint=hint)


class ContentRefused(VerificationFailed):
    """A content that was served is not the one that was signed."""

    code = "content-refused"

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            [f"what the server has for {shorten(path)} is not what was signed: {reason}"],
            hint="do not use it from elsewhere either; try again later, and if it stays so tell the publisher",
        )


class DestinationTaken(RstufError):
    """Another file has the name that a download should get."""

    code = "destination-taken"

    def __init__(self, file: str, path: str) -> None:
        self.file, self.path = file, path
        super().__init__(
            f"{file} is there already and is not {shorten(path)} as it is signed",
            hint="--force replaces it; -o FILE or --dir DIR puts the download elsewhere",
        )
