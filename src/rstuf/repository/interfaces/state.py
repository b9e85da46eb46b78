"""The state of one repository: one consistent view of it, and short writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from rstuf.model.artifacts import ListedArtifact, View
from rstuf.model.audit import AuditEntry
from rstuf.model.events import EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.handover import Handover, Move
from rstuf.model.keys import KeyEntry, KeyId, LossReport
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, Publication, RootVersion, SignedRole
from rstuf.model.roles import BinWeight, FileFacts, NewRole, Resize, RoleKind, RoleState
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.repository.interfaces.rows import PutResult, RowSpool, Totals
from rstuf.repository.interfaces.superseded import SupersededNotes, SupersededReader


class StateReader(SupersededReader, Protocol):
    """One consistent view of the state. Never waits for a writer."""

    def settings(self) -> RepositorySettings:
        """The repository's settings.

        Raises:
            StateError: no ceremony has begun here.
            StateDamaged: one has, and they are gone.
        """

    def begun(self) -> bool:
        """Whether a ceremony has begun here.

        Raises:
            StateDamaged: one has, and the settings are gone.
        """

    def role(self, name: RoleName) -> RoleState:
        """One role by name.

        Raises:
            KeyError: there is no such role.
        """

    def roles(self, *, kind: RoleKind | None = None) -> Iterator[RoleState]:
        """All roles, or those of a kind that are in use, in the order of their ids."""

    def dirty_roles(self) -> list[RoleState]:
        """Roles whose artifacts changed after they were published, or that are forced; by holder and index.

        Costs what is dirty, not what exists.
        """

    def due_roles(self, now: datetime) -> list[RoleState]:
        """Roles whose sign-by date is at or before `now`, root included; by holder and index."""

    def overlooked_roles(self, now: datetime) -> list[RoleState]:
        """Visible roles whose sign-by date cannot be believed: they are due, whatever it says.

        It is missing, later than their periods allow, or later than `now` though they have expired. By holder and
        index. Costs a look at the dates of every role, and at nothing else.
        """

    def next_due(self) -> datetime | None:
        """The earliest sign-by date of all roles."""

    def snapshot_entries(self) -> list[tuple[RoleName, int]]:
        """Name and visible version of every role that snapshot lists (targets, bins, delegated; retired too)."""

    def listed_roles(self) -> int:
        """How many `snapshot_entries` there are."""

    def contents(self, holder: int, low: int, high: int, *, number: int) -> Iterator[tuple[int, TargetPath, bytes]]:
        """Slot, path and fragment of what role `holder` holds in slots `low` to `high` (inclusive) at `number`.

        For each path its newest row that is not above `number`, removed ones left out; sorted by slot, then path.
        """

    def coming_contents(
        self, holder: int, low: int, high: int, *, number: int
    ) -> Iterator[tuple[int, TargetPath, bytes]]:
        """The same, once the delegations that are being changed are in force: without what goes to other roles, and
        with what comes from them."""

    def versions(self, holder: int, low: int, high: int) -> Iterator[tuple[int, TargetPath, int, bytes]]:
        """Slot, path, number and fragment of every row that role `holder` has in slots `low` to `high` (inclusive).

        Waiting and superseded ones and removals (no fragment) too; sorted by slot, path, number. As they are kept:
        whoever checks a state gets them unchecked.
        """

    def resize(self, holder: RoleName) -> Resize | None:
        """The resize of a role's bins that goes on, if one does.

        Raises:
            KeyError: there is no such role.
        """

    def coming_bins(self, holder: RoleName) -> Iterator[RoleState]:
        """The bins that a resize is to bring, by index: each with the versions of its name, and what it will hold."""

    def weigh(self, holder: RoleName, *, bits: int, number: int) -> Iterator[BinWeight]:
        """What each of 2^`bits` bins would hold at a change number, empty ones left out; looks at every artifact."""

    def artifact(self, path: TargetPath) -> ListedArtifact | None:
        """One artifact with its state, or None. Of a path that is being replaced, the newest content."""

    def artifacts(self, *, prefix: str = "", after: str = "", view: View = View.ACCEPTED) -> Iterator[ListedArtifact]:
        """Artifacts whose path starts with `prefix` and sorts after `after`, by path; streaming.

        Args:
            view: which content each of them comes with; its state is the same in both.
        """

    def keys(self) -> list[KeyEntry]:
        """All keys, by name."""

    def key(self, keyid: KeyId) -> KeyEntry | None:
        """One key."""

    def periods(self) -> Mapping[str, Periods]:
        """Periods by role name; bins have theirs under their prefix."""

    def root(self, version: int) -> RootVersion | None:
        """One root whose thresholds are met."""

    def root_versions(self) -> list[int]:
        """The versions of all of them, in order."""

    def newest_root(self) -> RootVersion | None:
        """The newest of them."""

    def delegator(self, name: RoleName, version: int) -> bytes | None:
        """The exact bytes of a role that delegates: of its visible version, or of one that is under way.

        None where none were recorded, or the version is older than the visible one.
        """

    def changed_paths(self, *, after: int) -> Iterator[tuple[RoleName, TargetPath]]:
        """Paths with changes above a number, each with the role that holds it.

        It looks at all artifacts of the roles and bins that have such changes.
        """

    def handover_number(self, publication: int) -> int | None:
        """The change number at which `StateTransaction.begin_handover` began what a publication brings; None where it
        brings nothing of that kind."""

    def delegating_roles(self) -> frozenset[RoleName]:
        """The roles that are delegated to and visible, and delegate themselves; those of which no bytes are recorded,
        too, for nobody can say that they do not."""

    def publications(self) -> Iterator[Publication]:
        """Every publication that is not forgotten, in the order in which they began, whatever became of them."""

    def unfinished_publication(self) -> Publication | None:
        """The publication that is `STAGED` or `COMMITTING`, if any; there is never more than one."""

    def last_publication(self) -> Publication | None:
        """The newest publication that is `DONE`."""

    def publication_of_timestamp(self, version: int) -> Publication | None:
        """The publication that took this version of timestamp, whatever became of it; None for forgotten ones."""

    def publication_roles(self, publication: int) -> Iterator[tuple[PlannedRole, FileFacts | None]]:
        """What a publication brings or meant to bring: each role with its file's facts, None before it was signed."""

    def first_expiry(self, publication: int) -> datetime | None:
        """When the first of the files that a publication brings expires; None before they were signed."""

    def newest_number(self) -> int:
        """The number of the newest change; 0 before the first."""

    def totals(self) -> Totals:
        """Counts, without walking the artifacts."""

    def open_events(self) -> list[SigningEvent]:
        """The signing events that are open, oldest first."""

    def events(self) -> Iterator[SigningEvent]:
        """Every signing event, oldest first, whatever became of it."""

    def event(self, number: int) -> SigningEvent | None:
        """One of them, by its id."""

    def brought_versions(self) -> Mapping[RoleName, int]:
        """The version of each role of which the last event that is done brought what was made elsewhere."""

    def rotation(self) -> Rotation | None:
        """The rotation of an online key that goes on, if one does."""

    def rotated_keys(self) -> frozenset[KeyId]:
        """Every key that ever was to go in a rotation, or to take the place of one, whatever came of it."""

    def audit(self, *, after: int = 0) -> Iterator[AuditEntry]:
        """Audit entries by sequence."""

    def damage(self) -> Iterator[str]:
        """What is wrong with how all this is kept, in words; nothing where all is well.

        Whatever no other method here shows: storage that cannot be read, entries that contradict each other, rows
        that belong nowhere, two live paths with one `path_key`. Reads everything; memory stays flat.
        """


class StateTransaction(StateReader, SupersededNotes, Protocol):
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

    def move_key(self, keyid: KeyId, signer: str | None) -> None:
        """Let a key's private half be elsewhere.

        Raises:
            StateError: there is no such key.
        """

    def report_key(self, keyid: KeyId, report: LossReport | None) -> None:
        """Note that a key is lost or leaked, in the place of what was noted before; None where it was found again."""

    def set_periods(self, role: str, periods: Periods) -> None:
        """Set the periods of a role, or of the bins with that prefix."""

    def next_number(self) -> int:
        """The next number of the repository-wide counter. No lower number becomes visible after it."""

    def put_artifacts(
        self,
        holder: RoleName,
        rows: Iterable[tuple[int, TargetPath, bytes]],
        *,
        number: int,
        replace: bool,
        role_limit: int,
    ) -> PutResult:
        """Accept artifacts: `rows` sorted by slot, then path; streaming.

        The same content for a known path is no change. Roles that hold the rows get `number` as their newest change.
        Args:
            role_limit: the most payload bytes a role may hold.

        Raises:
            ArtifactConflict: another content for a known path, and not `replace`.
            PathRepeated: two contents for one path in `rows`.
            PathTwin: another path with the same `path_key`.
            LimitExceeded: a role would hold more than `role_limit` bytes.
        """

    def remove_artifacts(self, holder: RoleName, paths: Iterable[TargetPath], *, number: int) -> int:
        """Remove artifacts; how many there were.

        Raises:
            ArtifactNotFound: one is not here; nothing is removed.
        """

    def postpone(self, holder: RoleName, paths: Iterable[TargetPath], *, number: int) -> int:
        """Give changes of paths that clients cannot have seen a newer number, the last of each; how many there were.

        What comes out at a lower number lists them as they were before these changes.
        """

    def begin_resize(self, holder: RoleName, bits: int, bins: Iterable[NewRole]) -> int:
        """Let a role's artifacts be shared out over 2^`bits` bins, once a publication brings these.

        Changes that are accepted from now on are counted there too; `fill_resize` has to add what is there at the
        number that is returned.

        Raises:
            StateError: another resize of them goes on, or a name is another role's.
        """

    def enter_bins(self, holder: RoleName, bins: Iterable[NewRole]) -> None:
        """Keep the names of bins that a role is to have, so that their versions can be taken.

        Raises:
            StateError: a name is another role's.
        """

    def fill_resize(self, holder: RoleName, weights: Iterable[BinWeight]) -> None:
        """Add what was there when a resize began: see `StateReader.weigh`."""

    def drop_resize(self, holder: RoleName) -> None:
        """Let nothing come of a resize that no publication took along; does nothing where none goes on."""

    def begin_handover(self, handover: Handover) -> None:
        """Let roles join, leave and take over, once a publication brings that; what was begun before counts no more.

        Raises:
            InvalidRoleName: a role that joins has the name of one that is here.
            StateError: a publication that is unfinished brings another one.
        """

    def enter_role(self, name: RoleName) -> None:
        """Keep the name of a role that nobody delegates to yet, so that its versions can be taken.

        Raises:
            InvalidRoleName: there is one of that name, or of its letters in another case.
        """

    def add_moves(self, moves: Iterable[Move]) -> None:
        """Artifacts that go to another role with it, in any order."""

    def end_handover(self, moves: Iterable[Move]) -> None:
        """Let artifacts go to other roles that were accepted since a handover began, and roles leave: what is left to
        do once the publication that brings it is settled, or given up and carried over."""

    def drop_handover(self) -> None:
        """Let nothing come of a handover that no publication took along; does nothing where none was begun."""

    def stage_publication(
        self,
        roles: Iterable[tuple[RoleState, int]],
        *,
        begun: datetime,
        reserved: Mapping[int, int] | None = None,
        resized: RoleName | None = None,
        handover: bool = False,
    ) -> Publication:
        """Record a publication as `STAGED`. Each role comes with the change number it is rendered at, and takes the
        version above every version ever intended for it.

        Args:
            reserved: versions by role id, of roles that people have signed already: above what is visible of them, and
                taken before by `burn_versions`.
            resized: the role whose new bins it brings: with it they take the place of the old ones, which are retired.
            handover: it brings what `begin_handover` began.
        """

    def record_files(self, publication: int, roles: Iterable[SignedRole]) -> None:
        """Record the facts of files that a staged publication has written, and the bytes of those that delegate."""

    def record_delegator(self, name: RoleName, version: int, data: bytes) -> None:
        """Record the bytes of a role that delegates anew, in the place of what is recorded of that version.

        Raises:
            KeyError: there is no such role.
        """

    def commit_publication(self, publication: int, *, timestamp: bytes) -> None:
        """Turn `STAGED` into `COMMITTING`: from here on it is completed byte for byte."""

    def settle_publication(self, publication: int, *, committed: datetime) -> None:
        """Turn `COMMITTING` into `DONE`: its roles' versions, dates, facts and numbers are what clients see now.

        Earlier publications may be forgotten: the state does not grow with their number.

        Rows that nothing can render any more (older than the newest one that is visible) may go, a bounded number. The
        files that it takes the place of are noted as superseded at `committed`, and with them what was noted before.
        """

    def abandon_publication(self, publication: int, *, carried: Iterable[int] = ()) -> None:
        """Turn `STAGED` into `ABANDONED`: its versions are burnt, and the files that it may have written are noted.

        From `COMMITTING` clients may have seen it: roles in `carried` (by id) are settled as it brought them, since
        their files are good; all others are forced, and remember up to which change they were shown.
        """

    def force_roles(self, roles: Iterable[int]) -> None:
        """Mark roles (by id) so that the next publication brings new versions of them."""

    def burn_versions(self, name: RoleName, count: int) -> None:
        """Let a role's next version be `count` further up than it would be.

        Raises:
            KeyError: there is no such role.
        """

    def record_root(
        self, version: int, data: bytes, *, signed_at: datetime, expires: datetime, sign_by: datetime
    ) -> None:
        """Record a root whose thresholds are met, before its file is created.

        Raises:
            StateError: this version is there with other bytes.
        """

    def settle_root(self, version: int) -> None:
        """Its file is on the storage, durably."""

    def open_event(
        self, parts: Sequence[EventPart], *, kind: EventKind, opened: datetime, periods: Periods | None = None
    ) -> SigningEvent:
        """Record an event that waits for signatures; signatures that its parts come with are left aside.

        Raises:
            StateError: an event of one of its roles is open.
        """

    def add_signature(self, event: int, role: RoleName, *, keyid: KeyId, sig: str, at: datetime) -> bool:
        """Add a signature that was verified to a part of an open event; whether that key had not signed it before.

        Raises:
            StateError: the event is not open, has no such part, or that part is whole.
        """

    def complete_part(self, event: int, role: RoleName, file: bytes, *, number: int | None = None) -> None:
        """Record the file that a part of an open event became. The first one that is recorded stays.

        Args:
            number: the change number up to which it lists its artifacts, where that is known with it only.

        Raises:
            StateError: the event is not open, or has no such part.
        """

    def close_event(self, event: int, phase: EventPhase, *, at: datetime) -> None:
        """End an open event.

        Raises:
            StateError: it is not open.
        """

    def begin_rotation(
        self, *, kind: RotationKind, old: KeyId, new: KeyId, overlap: timedelta, begun: datetime
    ) -> None:
        """Record that the rotation of an online key begins.

        Raises:
            StateError: another one goes on.
        """

    def note_rooted(self, rotation: int, *, version: int, at: datetime) -> None:
        """The root of this version names the new key alone."""

    def end_rotation(self, rotation: int, *, at: datetime) -> None:
        """It is over, whether it came to its end or was called off."""

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

    def publisher(self) -> str | None:
        """Who has the right to publish now, in words; None where nobody has. Waits for nobody."""

    def spool(self) -> AbstractContextManager[RowSpool]:
        """A spool for rows on their way in; its scratch space goes with the block."""

    def close(self) -> None:
        """Let go of connections and descriptors."""
