"""The one tree of errors.

An error carries data; its `message` (what is wrong), `hint` (what to do) and `code` (a stable word for programs)
are built from that data. Exit codes and HTTP statuses belong to the faces.
Text that came from outside stands in the data as it came: whoever shows a message escapes it.
"""

from rstuf.errors.artifacts import (
    ArtifactConflict,
    ArtifactNotFound,
    HashMismatch,
    LimitExceeded,
    PathRepeated,
    PathTwin,
)
from rstuf.errors.base import Interrupted, Lines, RstufError, every_error, shorten
from rstuf.errors.input import (
    InvalidArtifact,
    InvalidConfig,
    InvalidDuration,
    InvalidInput,
    InvalidJson,
    InvalidKey,
    InvalidMetadata,
    InvalidPath,
    InvalidPlan,
    InvalidPolicy,
    InvalidRecord,
    InvalidRoleName,
    RoleNotFound,
)
from rstuf.errors.signing import NotEnoughSigners, PassphraseNeeded, SignerUnavailable, SigningError, WrongPassphrase
from rstuf.errors.state import (
    CeremonyUnfinished,
    ClockSuspicious,
    Locked,
    StateBehind,
    StateDamaged,
    StateError,
    StateNewer,
    StateSettings,
    UnsafeDirectory,
    WorkspaceExists,
    WorkspaceNotFound,
)
from rstuf.errors.storage import (
    FileMissing,
    FileTooLarge,
    ForeignMetadata,
    NameTaken,
    NotAFile,
    SourceChanged,
    StorageError,
)
from rstuf.errors.verification import ReleaseRefused, VerificationFailed

__all__ = [
    "ArtifactConflict",
    "ArtifactNotFound",
    "CeremonyUnfinished",
    "ClockSuspicious",
    "FileMissing",
    "FileTooLarge",
    "ForeignMetadata",
    "HashMismatch",
    "Interrupted",
    "InvalidArtifact",
    "InvalidConfig",
    "InvalidDuration",
    "InvalidInput",
    "InvalidJson",
    "InvalidKey",
    "InvalidMetadata",
    "InvalidPath",
    "InvalidPlan",
    "InvalidPolicy",
    "InvalidRecord",
    "InvalidRoleName",
    "LimitExceeded",
    "Lines",
    "Locked",
    "NameTaken",
    "NotAFile",
    "NotEnoughSigners",
    "PassphraseNeeded",
    "PathRepeated",
    "PathTwin",
    "ReleaseRefused",
    "RoleNotFound",
    "RstufError",
    "SignerUnavailable",
    "SigningError",
    "SourceChanged",
    "StateBehind",
    "StateDamaged",
    "StateError",
    "StateNewer",
    "StateSettings",
    "StorageError",
    "UnsafeDirectory",
    "VerificationFailed",
    "WorkspaceExists",
    "WorkspaceNotFound",
    "WrongPassphrase",
    "every_error",
    "shorten",
]
