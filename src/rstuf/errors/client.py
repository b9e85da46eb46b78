"""The side of those who download: what they trust, what is refused for it, and where it should go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Said:
    """What a repository of a map said of one path.

    Attributes:
        mapping: the number of the mapping for which it was asked, from 1 on.
        length, hashes: what it signs; None and empty where it signs nothing, or nothing that could be believed.
        problem: why nothing that it says was believed.
        twin: another name for the same repository, which was heard already: it counts once.
    """

    mapping: int
    repository: str
    length: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    problem: RstufError | None = None
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class Needed:
    """What a mapping asked for, and did not get: so many of these repositories that say the same."""

    mapping: int
    threshold: int
    repositories: Sequence[str]

    def __str__(self) -> str:
        *others, last = self.repositories
        names = f"{', '.join(others)} and {last}" if others else last
        return f"mapping {self.mapping} needs {self.threshold} of {names}"


class NotAgreed(VerificationFailed):
    """Not enough of the repositories that a map names say the same of an artifact (TAP 4)."""

    code = "not-agreed"

    def __init__(self, path: str, *, needed: Sequence[Needed], said: Sequence[Said], hint: str) -> None:
        self.path, self.needed, self.said = path, tuple(needed), tuple(said)
        super().__init__(
            [f"too few repositories say the same of {shorten(path)}: {', '.join(map(str, self.needed))}"], hint=hint
        )


class TooFewReached(StorageError):
    """Too few of the repositories that a map names could be reached; those that could say the same (TAP 4)."""

    code = "too-few-reached"

    def __init__(self, path: str, *, needed: Sequence[Needed], said: Sequence[Said]) -> None:
        self.path, self.needed, self.said = path, tuple(needed), tuple(said)
        super().__init__(
            "look up",
            shorten(path),
            f"too few repositories could be reached: {', '.join(map(str, self.needed))}",
            hint="nobody says otherwise; run the same command again when they can be reached",
        )
