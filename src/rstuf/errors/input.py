"""Input that is refused: it is not of the form it must have, and nothing was changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from rstuf.errors.base import RstufError, shorten


class InvalidInput(RstufError):
    """Something handed in is not of the form it must have. Nothing was changed."""

    code = "invalid-input"


class InputMissing(InvalidInput):
    """A file that a command line, a plan or a listing names is not there. Nothing was changed."""

    code = "input-missing"

    def __init__(self, name: str, *, hint: str | None = None) -> None:
        self.name = name
        super().__init__(
            f"cannot read {name}: it does not exist", hint=hint or "check its name; then run the same command again"
        )


class InvalidPath(InvalidInput):
    """A target path outside the grammar."""

    code = "invalid-path"

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"{shorten(path)!r} cannot be an artifact path: {reason}",
            hint="paths are relative, with / between segments, and without control characters, # ? % or \\",
        )


class InvalidRoleName(InvalidInput):
    """A role name outside the grammar."""

    code = "invalid-role-name"

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f"{shorten(name)!r} cannot be a role name: {reason}",
            hint="use letters, digits, '-', '_' and '.', starting with a letter or a digit, at most 64 characters",
        )


class InvalidPattern(InvalidInput):
    """A path pattern of a delegation that clients would not read alike."""

    code = "invalid-pattern"

    def __init__(self, pattern: str, reason: str) -> None:
        self.pattern, self.reason = pattern, reason
        super().__init__(
            f"{shorten(pattern)!r} cannot be a path pattern: {reason}",
            hint="write the path with * or ? in place of what varies, one pattern for each depth of directories",
        )


class DelegationNotFound(InvalidInput):
    """No such delegation in this repository."""

    code = "delegation-not-found"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"nobody delegates to {shorten(name)!r}", hint="rstuf delegation list shows every delegation")


class InvalidTrustName(InvalidInput):
    """A name for a trusted repository outside the grammar."""

    code = "invalid-trust-name"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{shorten(name)!r} cannot be the name of a trusted repository",
            hint="use lower-case letters, digits, '-', '_' and '.', beginning and ending with a letter or a digit",
        )


class RoleNotFound(InvalidInput):
    """No role of this repository has that name."""

    code = "role-not-found"

    def __init__(self, name: str, *, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"there is no role {shorten(name)!r} here", hint=f"its roles: {', '.join(self.known)}")


class InvalidArtifact(InvalidInput):
    """An artifact's length, hashes or custom data are not acceptable."""

    code = "invalid-artifact"
    _HINTS: ClassVar[Mapping[str, str]] = {
        "length": "wc -c FILE prints a file's length",
        "hashes": "sha256sum FILE prints a file's sha256; b2sum -l 256 FILE its blake2b-256",
        "custom": "custom data is a JSON object of text, whole numbers, true, false, null, lists and objects",
    }

    def __init__(self, path: str, field: str, reason: str) -> None:
        self.path, self.field, self.reason = path, field, reason
        super().__init__(f"{shorten(path)!r}: {field} {reason}", hint=self._HINTS.get(field))


class InvalidRecord(InvalidInput):
    """A line of an import cannot be read. Carries where it stands."""

    code = "invalid-record"

    def __init__(self, source: str, line: int, reason: str, *, hint: str | None = None) -> None:
        self.source, self.line, self.reason = source, line, reason
        super().__init__(
            f"{source}, line {line}: {reason}",
            hint=hint or "nothing of this import was taken; correct the line and run it again",
        )


class InvalidJson(InvalidInput):
    """Text that is not the strict JSON we accept (RFC 8259, no duplicate keys, no NaN, bounded depth)."""

    code = "invalid-json"

    def __init__(self, what: str, reason: str, *, hint: str | None = None) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what} is not acceptable JSON: {reason}", hint=hint)


class InvalidDuration(InvalidInput):
    """A period that is not written like "365d", "8h" or "30m", or lies outside its bounds."""

    code = "invalid-duration"

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(
            f"{shorten(text)!r} is not a period: {reason}",
            hint='write a number and a unit: "365d", "36h", "90m"',
        )


class InvalidFingerprint(InvalidInput):
    """Text that is not a whole SHA-256 digest in hex or in words."""

    code = "invalid-fingerprint"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"this is not a fingerprint: {reason}", hint="give all of it, as 64 hex digits or as 32 words, in order"
        )


class InvalidPolicy(InvalidInput):
    """Thresholds, key sets, periods or numbers of bins that no repository should have."""

    code = "invalid-policy"


class InvalidPlan(InvalidInput):
    """A ceremony plan that does not hold together; `where` is the table and key, `file` the plan's if it is known."""

    code = "invalid-plan"

    def __init__(
        self, where: str, reason: str, *, meant: str | None = None, file: str | None = None, hint: str | None = None
    ) -> None:
        self.where, self.reason, self.meant, self.file = where, reason, meant, file
        guess = f"did you mean {meant}? " if meant is not None else ""
        super().__init__(
            f"{f'{file}, ' if file is not None else 'the plan, '}{where}: {reason}",
            hint=hint or f"{guess}rstuf ceremony --help shows a plan that holds together",
        )

    def in_file(self, file: str) -> InvalidPlan:
        """The same of a plan that was read from `file`."""
        return InvalidPlan(self.where, self.reason, meant=self.meant, file=file, hint=self.hint)


class InvalidConfig(InvalidInput):
    """`rstuf.toml` cannot be used."""

    code = "invalid-config"

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}", hint="correct the file, then run the same command again")


class InvalidKey(InvalidInput):
    """A key that cannot be read or that rstuf does not use."""

    code = "invalid-key"

    def __init__(self, where: str, reason: str, *, hint: str | None = None) -> None:
        self.where, self.reason = where, reason
        super().__init__(f"{where}: {reason}", hint=hint)


class InvalidBundle(InvalidInput):
    """A bundle to sign, or a signature that came back, is not of the form it must have. Nothing was signed."""

    code = "invalid-bundle"

    def __init__(self, name: str, reason: str, *, hint: str | None = None) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name}: {reason}", hint=hint or "have it made and carried over again; nothing was changed")


class InvalidMap(InvalidInput):
    """A map of repositories (TAP 4) that is not one, or that could never lead to an artifact."""

    code = "invalid-map"

    def __init__(self, what: str, problems: Iterable[str]) -> None:
        self.what, self.problems = what, tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(
            f"{what} is no map that can be relied on: {self.problems[0]}{more}",
            hint="mend it, or ask whoever made it; rstuf map check FILE says when it is right",
        )


class InvalidMetadata(InvalidInput):
    """TUF metadata that is damaged or not of the form it must have."""

    code = "invalid-metadata"

    def __init__(self, name: str, reason: str, *, hint: str | None = None) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name}: {reason}", hint=hint or "rstuf verify shows everything that is wrong")
