"""The one tree of errors.

An error carries data; its `message` (what is wrong), `hint` (what to do) and `code` (a stable word for programs)
are built from that data. Exit codes and HTTP statuses belong to the faces.
Text that came from outside stands in the data as it came: whoever shows a message escapes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar


class RstufError(Exception):
    """Base of every error the engine raises on purpose.

    Attributes:
        code: stable word for programs, part of the interface.
        message: what is wrong and why, one sentence, no final stop.
        hint: what to do about it, or None.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# --- input that is refused -------------------------------------------------------------------------------


class InvalidInput(RstufError):
    """Something handed in is not of the form it must have. Nothing was changed."""

    code = "invalid-input"


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


class RoleNotFound(InvalidInput):
    """No role of this repository has that name."""

    code = "role-not-found"

    def __init__(self, name: str, *, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(known)
        super().__init__(f"there is no role {shorten(name)!r} here", hint=f"its roles: {', '.join(self.known)}")


class InvalidArtifact(InvalidInput):
    """An artifact's length, hashes or custom data are not acceptable."""

    code = "invalid-artifact"

    def __init__(self, path: str, field: str, reason: str) -> None:
        self.path, self.field, self.reason = path, field, reason
        super().__init__(f"{shorten(path)!r}: {field} {reason}")


class InvalidRecord(InvalidInput):
    """A line of an import cannot be read. Carries where it stands."""

    code = "invalid-record"

    def __init__(self, source: str, line: int, reason: str) -> None:
        self.source, self.line, self.reason = source, line, reason
        super().__init__(
            f"{source}, line {line}: {reason}",
            hint="nothing of this import was taken; correct the line and run it again",
        )


class InvalidJson(InvalidInput):
    """Text that is not the strict JSON we accept (RFC 8259, no duplicate keys, no NaN, bounded depth)."""

    code = "invalid-json"

    def __init__(self, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what} is not acceptable JSON: {reason}")


class InvalidDuration(InvalidInput):
    """A period that is not written like "365d", "8h" or "30m", or lies outside its bounds."""

    code = "invalid-duration"

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(
            f"{shorten(text)!r} is not a period: {reason}",
            hint='write a number and a unit: "365d", "36h", "90m"',
        )


class InvalidPolicy(InvalidInput):
    """Thresholds, key sets, periods or numbers of bins that no repository should have."""

    code = "invalid-policy"


class InvalidPlan(InvalidInput):
    """A ceremony plan that does not hold together; `where` is the table and key."""

    code = "invalid-plan"

    def __init__(self, where: str, reason: str, *, hint: str | None = None) -> None:
        self.where, self.reason = where, reason
        super().__init__(f"the plan's {where}: {reason}", hint=hint)


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


class InvalidMetadata(InvalidInput):
    """TUF metadata that is damaged or not of the form it must have."""

    code = "invalid-metadata"

    def __init__(self, name: str, reason: str, *, hint: str | None = None) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name}: {reason}", hint=hint or "rstuf verify shows everything that is wrong")


# --- artifacts -------------------------------------------------------------------------------------------


class ArtifactConflict(RstufError):
    """A known path is offered with another content and replacing was not asked for."""

    code = "artifact-conflict"

    def __init__(self, path: str, *, signed: str, offered: str) -> None:
        self.path, self.signed, self.offered = path, signed, offered
        super().__init__(
            f"{shorten(path)} is already here with another content: {signed}, offered {offered}",
            hint="publish it under another name, or replace it on purpose with --replace",
        )


class PathTwin(RstufError):
    """Two paths that many file systems hold to be one (case, trailing dots and spaces)."""

    code = "path-twin"

    def __init__(self, path: str, existing: str) -> None:
        self.path, self.existing = path, existing
        super().__init__(
            f"{shorten(path)!r} differs from {shorten(existing)!r} only in ways that many file systems ignore",
            hint="choose another name, or remove the first one and publish before adding this one",
        )


class ArtifactNotFound(RstufError):
    """No such artifact in this repository."""

    code = "artifact-not-found"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"there is no artifact {shorten(path)!r}", hint="rstuf artifact list shows what there is")


class LimitExceeded(RstufError):
    """A metadata file would be larger than clients read."""

    code = "limit-exceeded"

    def __init__(self, role: str, *, size: int, limit: int) -> None:
        self.role, self.size, self.limit = role, size, limit
        super().__init__(
            f"the metadata of {role} would be {size} bytes and clients read at most {limit}",
            hint="more bins make each of them smaller",
        )


# --- workspace and state ---------------------------------------------------------------------------------


class WorkspaceNotFound(RstufError):
    """No `rstuf.toml` here or above."""

    code = "no-workspace"

    def __init__(self, start: str, *, only: bool = False) -> None:
        self.start = start
        super().__init__(
            f"{start} is not an rstuf workspace (it holds no rstuf.toml)"
            if only
            else f"{start} is not in an rstuf workspace (no rstuf.toml here or above)",
            hint="go to one, name one with --repo DIR, or make one: rstuf ceremony --plan FILE",
        )


class WorkspaceExists(RstufError):
    """The ceremony is asked to make a workspace where one is, or over files that are not its own."""

    code = "workspace-exists"

    def __init__(self, path: str, what: str) -> None:
        self.path, self.what = path, what
        super().__init__(f"{path} already holds {what}", hint="choose an empty directory with --repo DIR")


class CeremonyUnfinished(RstufError):
    """The workspace was begun and its ceremony never reached the end."""

    code = "ceremony-unfinished"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"the ceremony of {path} was interrupted", hint="run the same rstuf ceremony again; it goes on"
        )


class UnsafeDirectory(RstufError):
    """A directory or file that others can change or read though it must be private."""

    code = "unsafe-permissions"

    def __init__(self, path: str, reason: str, *, hint: str | None = None) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} is not safe to use: {reason}", hint=hint)


class StateError(RstufError):
    """The state cannot be used."""

    code = "state-error"


class StateDamaged(StateError):
    """The database is not one of ours, or is damaged."""

    code = "state-damaged"

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(
            f"the state {path} cannot be read: {reason}",
            hint="nothing was changed; put a backup of the state in its place",
        )


class StateNewer(StateError):
    """The workspace was written by a newer rstuf."""

    code = "state-newer"

    def __init__(self, path: str, *, found: int, known: int) -> None:
        self.path, self.found, self.known = path, found, known
        super().__init__(
            f"{path} has format {found} and this rstuf knows formats up to {known}",
            hint="use the newer rstuf that wrote it",
        )


class StateSettings(StateError):
    """The database does not run with the settings that keep what was acknowledged."""

    code = "state-settings"

    def __init__(self, path: str, setting: str, *, found: str, wanted: str) -> None:
        self.path, self.setting, self.found, self.wanted = path, setting, found, wanted
        super().__init__(
            f"the state {path} runs with {setting}={found} where {wanted} is needed to survive a power cut",
            hint="keep the workspace on a local disk whose file system supports SQLite's WAL",
        )


class StateBehind(StateError):
    """What clients see is newer than what the state knows: an old backup, or two states for one repository."""

    code = "state-behind"

    def __init__(self, role: str, *, visible: int, known: int) -> None:
        self.role, self.visible, self.known = role, visible, known
        super().__init__(
            f"clients see {role} version {visible} and this state knows only {known}",
            hint="this state is an old copy; nothing was published. Use the newest one",
        )


class Locked(RstufError):
    """Another process holds the lock and did not let go in time."""

    code = "locked"

    def __init__(self, lock: str, *, holder: str | None, waited: float) -> None:
        self.lock, self.holder, self.waited = lock, holder, waited
        who = f"by {holder}" if holder else "by another process"
        super().__init__(
            f"the {lock} lock is held {who}; waited {waited:.0f} s",
            hint="let it finish, or wait longer with --wait SECONDS",
        )


class ClockSuspicious(RstufError):
    """The clock lies so far ahead of everything recorded that it is more likely wrong than right."""

    code = "clock-suspicious"

    def __init__(self, *, now: str, newest: str) -> None:
        self.now, self.newest = now, newest
        super().__init__(
            f"the clock says {now}, but the newest thing this repository knows of happened at {newest}",
            hint="set the clock; if it is right, say so with --accept-clock",
        )


# --- storage ---------------------------------------------------------------------------------------------


class StorageError(RstufError):
    """Files could not be read or written. What was visible before is still visible."""

    code = "storage-error"

    def __init__(self, action: str, name: str, reason: str, *, hint: str | None = None) -> None:
        self.action, self.name, self.reason = action, name, reason
        super().__init__(
            f"cannot {action} {name}: {reason}", hint=hint or "mend the storage, then run the same command again"
        )


class FileMissing(StorageError):
    """A file that should be there is not."""

    code = "file-missing"

    def __init__(self, name: str, *, hint: str | None = None) -> None:
        hint = hint or "check its name, or put it back; then run the same command again"
        super().__init__("read", name, "it does not exist", hint=hint)


class FileTooLarge(StorageError):
    """A file is longer than what its reader accepts."""

    code = "file-too-large"

    def __init__(self, name: str, *, limit: int) -> None:
        self.limit = limit
        super().__init__("read", name, f"it is longer than {limit} bytes")


class NotAFile(StorageError):
    """A directory, a symbolic link or something else stands where a file should be."""

    code = "not-a-file"

    def __init__(self, name: str) -> None:
        super().__init__("read", name, "it is not a regular file")


class NameTaken(StorageError):
    """A name that is written once and never changed is there with other bytes."""

    code = "name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            "create",
            name,
            "it exists with other bytes",
            hint="two states publish into one storage, or a file was put there by hand; nothing was overwritten",
        )


class SourceChanged(StorageError):
    """A file changed while it was read."""

    code = "source-changed"

    def __init__(self, name: str) -> None:
        super().__init__("take", name, "it changed while it was read", hint="run again when its writer is done")


# --- signing ---------------------------------------------------------------------------------------------


class SigningError(RstufError):
    """A signature could not be made."""

    code = "signing-error"


class SignerUnavailable(SigningError):
    """The private half of a key cannot be reached."""

    code = "signer-unavailable"

    def __init__(self, key: str, reason: str, *, hint: str | None = None) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"cannot sign with {key}: {reason}", hint=hint)


class PassphraseNeeded(SigningError):
    """A key is encrypted and nobody gave its passphrase."""

    code = "passphrase-needed"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"the key {key} is encrypted and there is no passphrase for it",
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


# --- verification ----------------------------------------------------------------------------------------


class VerificationFailed(RstufError):
    """What is published, or was about to be, is not what a client would accept."""

    code = "verification-failed"

    def __init__(self, problems: Iterable[str], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{more}", hint=hint)


class ReleaseRefused(VerificationFailed):
    """A publication failed its own check before clients could see any of it."""

    code = "release-refused"


class Interrupted(RstufError):
    """The person pressed Ctrl-C."""

    code = "interrupted"

    def __init__(self, kept: str) -> None:
        super().__init__(f"interrupted; {kept}")


def shorten(text: str, *, limit: int = 200) -> str:
    """`text`, cut in the middle when it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def every_error() -> tuple[type[RstufError], ...]:
    """All classes of the tree, base first: for tables that must name each of them."""
    found: list[type[RstufError]] = [RstufError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return tuple(found)
