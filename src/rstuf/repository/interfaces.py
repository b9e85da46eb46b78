"""What the engine asks of its adapters, in the engine's own terms.

Each protocol states what an implementation must guarantee; the contract suites in `tests/contract` check it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from rstuf.metadata.release_check import Claim
from rstuf.metadata.views import RoleKeys
from rstuf.model.artifacts import ArtifactRow, ListedArtifact
from rstuf.model.audit import AuditEntry
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, Publication, RootVersion, SignedRole
from rstuf.model.roles import FileFacts, NewRole, RoleKind, RoleState
from rstuf.model.settings import Phase, RepositorySettings

# --- state -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of a batch of artifacts: how many are new, replaced another content, or were there already."""

    added: int
    replaced: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over the whole repository, without walking its artifacts."""

    artifacts: int
    pending_roles: int


class RowSpool(Protocol):
    """Takes artifact rows in any order and any number, gives them back sorted; memory stays flat.

    Used once: append, then iterate. Rows with the same path stay in the order in which they came.
    """

    def append(self, row: ArtifactRow) -> None:
        """Take one row."""

    def __len__(self) -> int:
        """How many rows were taken."""

    def __iter__(self) -> Iterator[ArtifactRow]:
        """All rows, sorted by slot, then path."""


class StateReader(Protocol):
    """One consistent view of the state. Never waits for a writer."""

    def settings(self) -> RepositorySettings:
        """The repository's settings.

        Raises:
            StateError: no ceremony has begun here.
        """

    def begun(self) -> bool:
        """Whether a ceremony has begun here."""

    def role(self, name: RoleName) -> RoleState:
        """One role by name.

        Raises:
            KeyError: there is no such role.
        """

    def roles(self, *, kind: RoleKind | None = None) -> Iterator[RoleState]:
        """All roles, or those of a kind, in the order of their ids."""

    def dirty_roles(self) -> list[RoleState]:
        """Roles whose artifacts changed after they were published, or that are forced; by holder and index.

        Costs what is dirty, not what exists.
        """

    def due_roles(self, now: datetime) -> list[RoleState]:
        """Roles whose sign-by date is at or before `now`, root included; by holder and index."""

    def next_due(self) -> datetime | None:
        """The earliest sign-by date of all roles."""

    def snapshot_entries(self) -> list[tuple[RoleName, int]]:
        """Name and visible version of every role that snapshot lists (targets, bins, delegated; retired too)."""

    def contents(self, holder: int, low: int, high: int, *, number: int) -> Iterator[tuple[int, TargetPath, bytes]]:
        """Slot, path and fragment of what role `holder` holds in slots `low` to `high` (inclusive) at `number`.

        For each path its newest row that is not above `number`, removed ones left out; sorted by slot, then path.
        """

    def artifact(self, path: TargetPath) -> ListedArtifact | None:
        """One artifact with its state, or None. Of a path that is being replaced, the newest content."""

    def artifacts(self, *, prefix: str = "", after: str = "") -> Iterator[ListedArtifact]:
        """Artifacts whose path starts with `prefix` and sorts after `after`, by path; streaming."""

    def keys(self) -> list[KeyEntry]:
        """All keys, by name."""

    def key(self, keyid: KeyId) -> KeyEntry | None:
        """One key."""

    def periods(self) -> Mapping[str, Periods]:
        """Periods by role name; bins have theirs under their prefix."""

    def root(self, version: int) -> RootVersion | None:
        """One root whose thresholds are met."""

    def newest_root(self) -> RootVersion | None:
        """The newest of them."""

    def unfinished_publication(self) -> Publication | None:
        """The publication that is `STAGED` or `COMMITTING`, if any; there is never more than one."""

    def last_publication(self) -> Publication | None:
        """The newest publication that is `DONE`."""

    def publication_of_timestamp(self, version: int) -> Publication | None:
        """The publication that took this version of timestamp, whatever became of it."""

    def publication_roles(self, publication: int) -> Iterator[tuple[PlannedRole, FileFacts | None]]:
        """What a publication brings or meant to bring: each role with its file's facts, None before it was signed."""

    def newest_number(self) -> int:
        """The number of the newest change; 0 before the first."""

    def totals(self) -> Totals:
        """Counts, without walking the artifacts."""

    def audit(self, *, after: int = 0) -> Iterator[AuditEntry]:
        """Audit entries by sequence."""


class StateTransaction(StateReader, Protocol):
    """A short write. Everything in it is there together, durably, once the block is left without an error."""

    def begin_repository(self, settings: RepositorySettings) -> None:
        """Record the settings of a repository whose ceremony begins."""

    def set_phase(self, phase: Phase) -> None:
        """Move the repository's life on."""

    def note_evidence(self, instant: datetime) -> None:
        """Something was signed at `instant`; the newest one is kept."""

    def add_roles(self, roles: Iterable[NewRole]) -> None:
        """Add roles, streaming; a bin's holder before the bin.

        Raises:
            InvalidRoleName: one exists already (names are compared without regard to case, forever).
        """

    def add_key(self, entry: KeyEntry) -> None:
        """Add a key.

        Raises:
            InvalidKey: its name (without regard to case) or its key id is there already.
        """

    def set_periods(self, role: str, periods: Periods) -> None:
        """Set the periods of a role, or of the bins with that prefix."""

    def next_number(self) -> int:
        """The next number of the repository-wide counter. No lower number becomes visible after it."""

    def put_artifacts(
        self, holder: RoleName, rows: Iterable[ArtifactRow], *, number: int, replace: bool, role_limit: int
    ) -> PutResult:
        """Accept artifacts: `rows` sorted by slot, then path; streaming.

        The same content for a known path is no change. Roles that hold the rows get `number` as their newest change.
        Args:
            role_limit: the most payload bytes a role may hold.

        Raises:
            ArtifactConflict: another content for a known path, here or in `rows`, and not `replace`.
            PathTwin: another path with the same `path_key`.
            LimitExceeded: a role would hold more than `role_limit` bytes.
        """

    def remove_artifacts(self, holder: RoleName, paths: Iterable[TargetPath], *, number: int) -> int:
        """Remove artifacts; how many there were.

        Raises:
            ArtifactNotFound: one is not here; nothing is removed.
        """

    def stage_publication(self, roles: Iterable[tuple[RoleState, int]], *, begun: datetime) -> Publication:
        """Record a publication as `STAGED`. Each role comes with the change number it is rendered at, and takes the
        version above every version ever intended for it."""

    def record_files(self, publication: int, roles: Iterable[SignedRole]) -> None:
        """Record the facts of files that a staged publication has written."""

    def commit_publication(self, publication: int, *, timestamp: bytes) -> None:
        """Turn `STAGED` into `COMMITTING`: from here on it is completed byte for byte."""

    def settle_publication(self, publication: int, *, committed: datetime) -> None:
        """Turn `COMMITTING` into `DONE`: its roles' versions, dates, facts and numbers are what clients see now.

        Rows that nothing can render any more (older than the newest one that is visible) may go, a bounded number.
        """

    def abandon_publication(self, publication: int) -> None:
        """Turn `STAGED` into `ABANDONED`: its versions are burnt. From `COMMITTING`, its roles are forced too."""

    def force_roles(self, roles: Iterable[int]) -> None:
        """Mark roles (by id) so that the next publication brings new versions of them."""

    def record_root(
        self, version: int, data: bytes, *, signed_at: datetime, expires: datetime, sign_by: datetime
    ) -> None:
        """Record a root whose thresholds are met, before its file is created.

        Raises:
            StateError: this version is there with other bytes.
        """

    def settle_root(self, version: int) -> None:
        """Its file is on the storage, durably."""

    def record(self, action: str, details: Mapping[str, Any], *, at: datetime) -> None:
        """Append an audit entry, chained to the one before."""


class StateStore(Protocol):
    """The state of one repository."""

    def read(self) -> AbstractContextManager[StateReader]:
        """A consistent view; writers go on meanwhile and are not seen."""

    def transaction(self, *, actor: str) -> AbstractContextManager[StateTransaction]:
        """A write; one at a time over all processes. Committed, durably, on leaving; rolled back on an error.

        Raises:
            Locked: another process wrote for longer than the store waits.
        """

    def publication_lock(self, *, purpose: str) -> AbstractContextManager[None]:
        """The right to publish; one holder over all processes, released when the holder dies.

        Raises:
            Locked: another holder kept it for longer than the store waits; it is named.
        """

    def spool(self) -> AbstractContextManager[RowSpool]:
        """A spool for rows on their way in; its scratch space goes with the block."""

    def close(self) -> None:
        """Let go of connections and descriptors."""


# --- storage ---------------------------------------------------------------------------------------------


class MetadataBatch(Protocol):
    """New metadata files that become durable together. Nothing has its final name before `commit`."""

    def create(self, name: str, data: bytes) -> None:
        """Take one new file.

        Raises:
            StorageError: it cannot be written.
        """

    def commit(self) -> None:
        """Make all files durable, give them their final names, make the names durable.

        A name that exists with equal bytes is fine.

        Raises:
            NameTaken: a name exists with other bytes.
            StorageError: a write failed, now or earlier; some files may be there, none is torn.
        """


class MetadataStorage(Protocol):
    """Where clients fetch metadata. Names are written once; only `timestamp.json` is replaced."""

    def read(self, name: str, *, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            FileMissing: no such name.
            FileTooLarge: more than `limit` bytes.
        """

    def batch(self) -> AbstractContextManager[MetadataBatch]:
        """New files; leaving the block without `commit` leaves nothing behind."""

    def replace(self, name: str, data: bytes) -> None:
        """Replace a file, atomically and durably: a reader sees the old or the new bytes, never between."""

    def prepare(self) -> None:
        """Make the place ready and clear what an interrupted batch left. Only under the publication lock."""


@dataclass(frozen=True, slots=True)
class ReceivedContent:
    """What the bytes of a content were while they were read, once: their number and digests in hex."""

    length: int
    hashes: Mapping[str, str]


class ArtifactBatch(Protocol):
    """Contents that are copied in and become durable together. None has its final name before `commit`."""

    def receive(self, path: TargetPath, source: BinaryIO, on_bytes: Callable[[int], None]) -> ReceivedContent:
        """Copy `source` to its end, hashing the very bytes that are kept; tell `on_bytes` how many at a time.

        Raises:
            StorageError: they cannot be written.
        """

    def discard(self, path: TargetPath) -> None:
        """Let go of what was received for `path`."""

    def commit(self) -> None:
        """Make all durable under their hash-prefixed names (TUF §7.2). Equal content that is there stays."""


class ArtifactStorage(Protocol):
    """Where clients fetch contents, by hash-prefixed names that are written once."""

    def batch(self, algorithms: tuple[str, ...] = ("sha256",)) -> AbstractContextManager[ArtifactBatch]:
        """New contents; leaving the block without `commit` leaves nothing behind."""

    def open(self, path: TargetPath, hashes: Mapping[str, str]) -> AbstractContextManager[BinaryIO]:
        """A stored content.

        Raises:
            FileMissing: it is not kept here.
        """

    def exists(self, path: TargetPath, hashes: Mapping[str, str]) -> bool:
        """Whether a content is kept here."""

    def prepare(self) -> None:
        """Make the place ready."""


class ReleaseJudge(Protocol):
    """Checks new files on the storage as a client would, however many at a time."""

    def judge(self, claims: Sequence[Claim], *, keys: RoleKeys, on_files: Callable[[int], None]) -> None:
        """Hold each claim against the file as the storage gives it (`metadata.release_check.check_claim`).

        Args:
            keys: who must have signed them.
            on_files: told how many more are checked.

        Raises:
            ReleaseRefused: one is not what it must be.
            StorageError: one cannot be read.
        """


# --- signing ---------------------------------------------------------------------------------------------


class RoleSigner(Protocol):
    """One private key, open and ready."""

    @property
    def keyid(self) -> KeyId:
        """The key it signs with."""

    def sign(self, payload: bytes) -> str:
        """The signature over `payload`, hex.

        Raises:
            SigningError: the key did not sign.
        """


class SignerSource(Protocol):
    """Opens private keys by signer URI."""

    def open(self, entry: KeyEntry) -> RoleSigner:
        """The signer of `entry`; its public half is compared with the entry's.

        Raises:
            SignerUnavailable: it has no URI, cannot be reached, or is another key.
            PassphraseNeeded, WrongPassphrase: the key is encrypted and stays closed.
            UnsafeDirectory: the key is not encrypted and others can read it.
        """


class NewKey(Protocol):
    """A key that was made and is not saved yet."""

    @property
    def entry(self) -> KeyEntry:
        """Its name, public half and signer URI."""

    @property
    def signer(self) -> RoleSigner:
        """It can sign at once."""

    def save(self) -> None:
        """Write it, durably, readable by its owner alone, with its public half beside it.

        Raises:
            InvalidKey: its place is taken by something else.
        """


class KeyMaker(Protocol):
    """Makes keys and reads public halves: the ceremony's side of signing."""

    def generate(self, name: str, scheme: str, uri: str, *, encrypt: bool, reuse: bool, added: datetime) -> NewKey:
        """A new key pair for the place `uri` names; `scheme` is "ed25519", "ecdsa" (P-256) or "rsa".

        Args:
            encrypt: protect it with a passphrase, asked of `Secrets`.
            reuse: a key that is in that place already and opens is taken as it is (an interrupted ceremony goes on).

        Raises:
            InvalidKey: the place is taken, or the scheme is unknown.
        """

    def public_of(self, name: str, uri: str) -> PublicKey:
        """The public half of the private key that `uri` names, which is opened for it.

        Raises:
            SigningError: it cannot be opened.
        """

    def read_public(self, location: str) -> PublicKey:
        """The public key in a file: PEM, OpenSSH, or a TUF key object.

        Raises:
            InvalidKey: it cannot be read, or is not a kind that rstuf signs with.
        """


class Secrets(Protocol):
    """Where passphrases come from. The engine never prompts; it asks this."""

    def passphrase(self, key: str, *, new: bool) -> bytes:
        """The passphrase of the key with that name; `new` when one is chosen, which a person types twice.

        Raises:
            PassphraseNeeded: there is none and nobody can be asked.
        """
