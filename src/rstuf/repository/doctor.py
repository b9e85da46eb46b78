"""What an examination of a workspace finds: findings, and the rules by which facts become findings.

The facts come from adapters, through `Surroundings`; nothing here looks for itself, and nothing is ever changed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from rstuf.errors import CeremonyWaiting, RstufError
from rstuf.repository.reports import Status, VerifyReport

_MEGA: Final = 10**6
# Where less is free, the next publication may find no room; or soon will.
_NO_ROOM: Final = 16 * _MEGA
_LITTLE_ROOM: Final = 256 * _MEGA
# A publication writes a file for each bin that changed.
_FEW_FILES: Final = 20_000
# What file systems over a network are called where they are mounted.
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "9p", "afs", "ncpfs", "coda", "ceph", "glusterfs", "lustre"}
    | {"beegfs", "gpfs", "davfs", "sshfs", "vboxsf", "virtiofs", "drvfs", "prl_fs", "vmhgfs", "s3fs", "gcsfuse"}
    | {"rclone", "juicefs", "goofys", "curlftpfs"}
)
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_SAME_AGAIN: Final = "run the same command again"


class Severity(StrEnum):
    """Whether something is worth knowing, should be seen to, or is wrong."""

    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Area(StrEnum):
    """What is looked at, in this order."""

    PERMISSIONS = "permissions"
    CONFIGURATION = "configuration"
    DISK = "disk"
    LEFTOVERS = "leftovers"
    LOCKS = "locks"
    STATE = "state"
    STATUS = "status"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that an examination found.

    Attributes:
        code: a stable word; where a command would be refused for it, that error's own.
        message: what is found.
        meaning: what it leads to.
        mend: the command that mends it, or what helps where none does; None where nothing has to be done.
    """

    area: Area
    code: str
    severity: Severity
    message: str
    meaning: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that holds a part of the workspace.

    Attributes:
        path: a place on it.
        kind: "ext4", "nfs4", "fuse.sshfs"; None where the system does not tell.
        free: bytes that this user may still write.
        files: how many more files it takes; None where that has no bound.
    """

    path: str
    kind: str | None
    free: int
    files: int | None


class Remnant(StrEnum):
    """What a command that was killed leaves."""

    LOG = "log-left"
    STATE_DRAFT = "state-draft"
    CEREMONY_DRAFT = "ceremony-draft"
    METADATA_ROOMS = "metadata-staging"
    CONTENT_ROOMS = "content-staging"
    TEMPORARY = "temporary-files"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that a command left which is no more.

    Attributes:
        paths: the files or directories; never empty.
    """

    what: Remnant
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateFacts:
    """How a state is kept, without reading what is in it.

    Attributes:
        path: where it is.
        format: its number; current: whether this rstuf writes that one.
        journal: "wal", or how else SQLite keeps it.
    """

    path: str
    format: int
    current: bool
    journal: str


class Surroundings(Protocol):
    """What is around a workspace, looked at and left as it is."""

    def disks(self) -> Sequence[Disk]:
        """Each file system that a part of the workspace is on, once."""

    def leftovers(self) -> Sequence[Leftover]:
        """What commands left that are no more."""

    def holders(self) -> Mapping[str, str]:
        """Who holds which lock ("write", "publication") now, in words."""

    def state(self) -> StateFacts | None:
        """How the state is kept; None where there is none.

        Raises:
            StateError, StorageError: it cannot be used as it is.
        """

    def published(self) -> bool:
        """Whether there is something that clients could fetch."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that an examination found.

    Attributes:
        directory: the workspace.
        versions: of "rstuf", "python", "tuf" and "sqlite".
        ailments: in the order of their areas.
        examined: which areas were looked at, to their end.
        unseen: which were not, and why.
        disks: the file systems that it is on.
        status, verified: as `status` and `verify` say it, where they could.
    """

    directory: str
    versions: Mapping[str, str]
    ailments: tuple[Ailment, ...]
    examined: tuple[Area, ...]
    unseen: Mapping[Area, str]
    disks: tuple[Disk, ...] = ()
    status: Status | None = None
    verified: VerifyReport | None = None


def refusal(area: Area, error: RstufError) -> Ailment:
    """What makes other commands refuse."""
    meaning = _MEANINGS.get(error.code, "commands that need it are refused until it is mended")
    mend = None if error.hint is None else error.hint.removeprefix("nothing was changed; ")
    return Ailment(area, error.code, Severity.PROBLEM, error.message, meaning, mend)


_MEANINGS: Final = {
    "unsafe-permissions": "who can change it can change what is signed and published; every command refuses to go on",
    "invalid-config": "nobody can tell where the parts of this workspace are; every command refuses to go on",
    "state-damaged": "nothing can be added, published or renewed from it; clients still see what is published",
    "state-newer": "this rstuf could only guess at what is in it; every command refuses to go on",
    "ceremony-unfinished": "the repository is not made yet; what was begun is kept",
    "ceremony-expired": "nobody can use what they signed; nothing is published before they have signed another",
    "ceremony-waiting": "nothing is published before they have signed; rstuf status says what to do for them",
    "clock-suspicious": "nothing is signed by a clock that is so far off",
    "locked": "another program works with the state just now",
}


def unfinished_ceremony(directory: str) -> Ailment:
    """A ceremony began here and made no state yet."""
    message = f"a ceremony began in {directory} and was interrupted before there was a state"
    mend = "rstuf ceremony, as it was called the first time"
    return Ailment(Area.STATE, "ceremony-unfinished", Severity.PROBLEM, message, _MEANINGS["ceremony-unfinished"], mend)


def waiting_ceremony(error: CeremonyWaiting) -> Ailment:
    """A ceremony that nothing is wrong with: people are to sign."""
    mend = f"rstuf event show {error.event}"
    return Ailment(Area.STATE, error.code, Severity.NOTE, error.message, _MEANINGS[error.code], mend)


def look_at_disks(disks: Iterable[Disk]) -> Iterable[Ailment]:
    """File systems that are full, or that rstuf cannot rely on."""
    for disk in disks:
        move = f"put the workspace on a local disk; what is now in {disk.path} can be copied while no command runs"
        if _is_network(disk.kind):
            yield Ailment(
                Area.DISK,
                "network-file-system",
                Severity.WARNING,
                f"{disk.path} is on {disk.kind}, a file system over a network",
                "locks and flushes may not reach the other machines: two writers or a power cut can damage the state",
                move,
            )
        elif disk.kind in _IN_MEMORY:
            meaning = "all of it, keys included, is gone when the machine restarts"
            message = f"{disk.path} is on {disk.kind}, which is in memory"
            yield Ailment(Area.DISK, "memory-file-system", Severity.WARNING, message, meaning, move)
        if disk.free < _LITTLE_ROOM:
            severity = Severity.PROBLEM if disk.free < _NO_ROOM else Severity.WARNING
            message = f"{disk.free // _MEGA} MB are free where {disk.path} is"
            meaning = "a full disk loses nothing, but nothing can be added, published or renewed"
            yield Ailment(Area.DISK, "little-room", severity, message, meaning, f"df -h {shlex.quote(disk.path)}")
        if disk.files is not None and disk.files < _FEW_FILES:
            message = f"there is room for {disk.files} more files where {disk.path} is"
            meaning = "a publication writes one for each bin that changed, and none is ever written over"
            yield Ailment(Area.DISK, "few-files", Severity.WARNING, message, meaning, f"df -i {shlex.quote(disk.path)}")


def _is_network(kind: str | None) -> bool:
    return kind is not None and kind.rpartition("fuse.")[2] in _NETWORK


def look_at_leftovers(leftovers: Iterable[Leftover]) -> Iterable[Ailment]:
    """What killed commands left: none of it is in the way of anything."""
    for left in leftovers:
        names = shlex.join(left.paths)
        meaning, mend = _LEFT[left.what]
        message = left.paths[0] if len(left.paths) == 1 else f"{left.paths[0]} and {len(left.paths) - 1} more"
        yield Ailment(
            Area.LEFTOVERS,
            left.what.value,
            Severity.NOTE,
            f"{message}: left by a command that ended early",
            meaning,
            mend.format(names=names),
        )


_LEFT: Final[Mapping[Remnant, tuple[str, str]]] = {
    Remnant.LOG: (
        "it belongs to the state and may hold its last changes; never move or copy one of them alone",
        "rstuf status",
    ),
    Remnant.STATE_DRAFT: ("a state that was never finished; nothing reads it", "rm {names}"),
    Remnant.CEREMONY_DRAFT: (
        "the answers of a ceremony that was not held, without secrets; the next one begins with them",
        "rstuf ceremony",
    ),
    Remnant.METADATA_ROOMS: (
        "files that never got a name, which no client can fetch; the next publication removes them",
        "rstuf renew --force timestamp",
    ),
    Remnant.CONTENT_ROOMS: (
        "contents that were never accepted, which no client can fetch; the next rstuf artifact add removes them",
        "rstuf artifact add FILE",
    ),
    Remnant.TEMPORARY: ("files that never got their names; nothing reads them", "rm {names}"),
}


def look_at_holders(holders: Mapping[str, str]) -> Iterable[Ailment]:
    """Who works here just now."""
    for lock, holder in holders.items():
        meaning = "others that need it wait; it ends with its holder, and there is no stale one to remove"
        yield Ailment(Area.LOCKS, "lock-held", Severity.NOTE, f"the {lock} lock is held by {holder}", meaning)


def look_at_state(facts: StateFacts) -> Iterable[Ailment]:
    """How the state is kept."""
    if not facts.current:
        yield Ailment(
            Area.STATE,
            "state-older",
            Severity.NOTE,
            f"the state has format {facts.format}, of an older rstuf",
            "the next command brings it up to date; older versions cannot read it then",
            "rstuf status",
        )
    if facts.journal != "wal":
        program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode=wal')"
        yield Ailment(
            Area.STATE,
            "state-settings",
            Severity.PROBLEM,
            f"another program set the state's journal_mode to {facts.journal}",
            "who looks and who writes wait for each other, so commands that do both end with exit code 5",
            f"python3 -c {shlex.quote(program)} {shlex.quote(facts.path)}",
        )


def again(area: Area, reason: str) -> Ailment:
    """Something could not be looked at, for a reason that no error of ours tells."""
    meaning = "what it holds is not what rstuf writes: something else changed it, or its disk fails"
    return Ailment(area, "unreadable", Severity.PROBLEM, reason, meaning, f"{_SAME_AGAIN}; then put a sound copy there")
