"""What the use cases tell those who called them: values, without any wording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rstuf.errors import ClockSuspicious, StateBehind
from rstuf.model.names import RoleName
from rstuf.model.policy import BinSigners
from rstuf.model.roles import RoleKind
from rstuf.model.rotation import Rotation
from rstuf.repository.beyond_reach import BeyondReach
from rstuf.repository.event_views import EventView

if TYPE_CHECKING:
    from rstuf.repository.root_update import RootUpdate
    from rstuf.repository.wanted_delegations import WantedDelegation


@dataclass(frozen=True, slots=True)
class AcceptedChange:
    """A change of artifacts that is durable; clients see it after the next publication.

    Attributes:
        number: the change's number; 0 when nothing changed.
        added, replaced, unchanged, removed: how many artifacts. Of a removal, unchanged are those accepted before.
        repeated: records or files that said once more what another one of the same input did.
        restored: how many kept contents were missing or damaged, and are whole again. They may be of unchanged ones.
        length: bytes of content that the added and replaced ones have.
        warnings: what some clients cannot do with them; the first, and how many `more_warnings` there are.
        roles: those in which something changes.
        unseen: those in which something is that was accepted before just like that, and that clients don't see yet.
    """

    number: int
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    repeated: int = 0
    removed: int = 0
    restored: int = 0
    length: int = 0
    warnings: tuple[Problem, ...] = ()
    more_warnings: int = 0
    roles: frozenset[RoleName] = frozenset()
    unseen: frozenset[RoleName] = frozenset()


class Reason(StrEnum):
    """Why a role takes part in a publication."""

    CHANGED = "changed"
    DUE = "due"
    FORCED = "forced"
    DAMAGED = "damaged"
    FOLLOWS = "follows"
    ROTATED = "rotated"
    RESIZED = "resized"
    DELEGATED = "delegated"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role's part in a publication, planned or done.

    Attributes:
        previous: the version that clients saw before, 0 if none.
        length: bytes of the new file; None while it is only planned.
    """

    name: RoleName
    previous: int
    version: int
    reason: Reason
    length: int | None = None


class Recovery(StrEnum):
    """What was found of an interrupted publication, and done about it."""

    NOTHING = "nothing"
    ABANDONED = "abandoned"
    COMPLETED = "completed"
    REDONE = "redone"


@dataclass(frozen=True, slots=True)
class ClockBehind:
    """The clock is behind what was signed here: what it says, and the newest signature (UTC)."""

    now: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class WaitingRole:
    """A role that was to be signed and cannot be here.

    Attributes:
        missing: for each of its keys that is not at hand, by its name: why.
        lacking: how many of these are needed.
        reason: why it was to be signed: because it is due, or because it was asked for.
        event: the signing event in which it waits.
        after: the one that must come out before that.
        behind: whether more was accepted since that was opened, and it stays because others have signed it; that is
            kept back.
        kept: the highest number of a change that is kept back for it; 0 where none is.
        elsewhere: how long it lives, where its people made what clients see of it where they are: then they make the
            next version, too, and none is proposed here, which would take the number of theirs. Else None.
        bins: of bins that are signed together, these; then `name` is their prefix.
        holder: the role whose bins they are; None of a role that waits itself.
        instead: the command that lets others sign, where it cannot come out without keys that are lost.
    """

    name: RoleName
    expires: datetime | None
    missing: Mapping[str, str]
    lacking: int
    reason: Reason
    event: str | None = None
    after: str | None = None
    behind: bool = False
    kept: int = 0
    elsewhere: timedelta | None = None
    bins: tuple[RoleName, ...] = ()
    holder: RoleName | None = None
    instead: str | None = None

    @property
    def roles(self) -> tuple[RoleName, ...]:
        """What waits, by the names that it is published under."""
        return self.bins or (self.name,)


@dataclass(frozen=True, slots=True)
class PublicationReport:
    """What a publication did.

    Attributes:
        published: whether clients see something new because of this call.
        timestamp_version: of the visible timestamp, after it.
        roles: what is new, in the order in which it was written; timestamp last.
        length: bytes written.
        recovery: what became of a publication that was interrupted before.
        restored: names of files that were missing or damaged, and were put back byte for byte.
        recorded: names of files of which the state's own copy was damaged, and was taken again from what is published.
        clock_behind: None where the clock is not behind what was signed here.
        waiting: roles with changes that nobody here can sign: clients do not see these yet.
        dropped: the signing events that could come out no more, and were dropped, though nobody named them.
    """

    published: bool
    timestamp_version: int
    roles: tuple[RoleChange, ...] = ()
    length: int = 0
    recovery: Recovery = Recovery.NOTHING
    restored: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    clock_behind: ClockBehind | None = None
    waiting: tuple[WaitingRole, ...] = ()
    dropped: tuple[DroppedEvent, ...] = ()

    def mended(self, *, restored: tuple[str, ...], recorded: tuple[str, ...]) -> PublicationReport:
        """The same with what was put back and recorded again before it."""
        return replace(self, restored=restored, recorded=recorded)


class DropReason(StrEnum):
    """Why a signing event was dropped, where that was not what somebody asked for."""

    EXPIRED = "expired"
    BESIDE = "beside"
    """It goes with one that expired."""
    GAVE_WAY = "gave-way"
    """Its role ran out, and is signed again without those whom only a proposed root names."""
    OUTRUN = "outrun"
    """Another root came out that has its number."""
    OUTDATED = "outdated"
    """It could come out no more: something newer was published since."""
    REPLACED = "replaced"
    """Another one took its place, and whoever let it was shown that."""


@dataclass(frozen=True, slots=True)
class DroppedEvent:
    """A signing event that was dropped.

    Attributes:
        signed: the names of those whose signatures went with it.
        lost: what a root was to change, and nothing proposes any more; None where that is nothing.
        bins: how many bins it was to bring, where nothing does that any more; `signers`: who was to sign these, where
            that are others than sign the bins that there are.
        after: what waits in its place, and must come out before that is proposed again, or would be dropped for it.
        delegation: the delegation that it was to bring, change or remove, where nothing else remembers that.
    """

    name: str
    signed: tuple[str, ...]
    why: DropReason = DropReason.EXPIRED
    lost: RootUpdate | None = None
    bins: int | None = None
    after: str | None = None
    delegation: WantedDelegation | None = None
    signers: BinSigners | None = None


@dataclass(frozen=True, slots=True)
class LeakedKey:
    """A key that leaked and may sign yet.

    Attributes:
        leaked_in: the roles that list it, bins under their prefix.
    """

    name: str
    keyid: str
    leaked_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenewalReport:
    """What a renewal did, what it could not do, and when the next one is due (UTC).

    Attributes:
        dropped: the signing events that had expired before everybody signed them, and what went with them; and targets
            that was renewed without those who did not sign it.
        leaked: the keys that leaked and that a role lists yet, whether or not something takes them out which waits.
    """

    publication: PublicationReport
    waiting: tuple[WaitingRole, ...]
    next_due: datetime | None
    root_version: int | None = None
    dropped: tuple[DroppedEvent, ...] = ()
    leaked: tuple[LeakedKey, ...] = ()


class Health(StrEnum):
    """A repository at a glance: nothing to do, something due, something overdue, or something clients cannot read."""

    HEALTHY = "healthy"
    DUE = "due"
    OVERDUE = "overdue"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """One role (or all bins of a role together: then dates are the soonest, and version the highest).

    Attributes:
        name: of bins their prefix, which may be a role's name, too.
        kind: what it is for.
        parent: who delegates to it, and `depth` how many roles lie between it and targets; None for top-level roles.
        keyids: keys that may sign it; signed_by: those whose signatures stand on the visible version.
        lost: of bins, those whose files are missing or have another length than was published.
        elsewhere: how long it lives, where what clients see of it was made where its people are; else None.
        beyond: of what people sign, which keys are lost where those left are too few, and what lets others sign; else
            None.
    """

    name: str
    version: int
    count: int
    signed_at: datetime
    expires: datetime
    sign_by: datetime
    threshold: int
    keyids: tuple[str, ...]
    signed_by: tuple[str, ...]
    health: Health
    lost: tuple[str, ...] = ()
    kind: RoleKind = RoleKind.TARGETS
    parent: RoleName | None = None
    depth: int = 0
    elsewhere: timedelta | None = None
    beyond: BeyondReach | None = None


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key and whether it is where it should be, as far as that shows without opening it.

    Attributes:
        signer: where its private half is (a signer URI); None where it is with somebody else.
        online: whether timestamp or bins are signed with it.
        stray: whether targets lets it sign bins though root does not name it, and nothing takes it out.
        lost: whether it was said to be lost, and has not signed since.
        fault: why it cannot sign; None where it looks as if it could.
        mend: a command that mends it, if there is one.
        needed: whether a role lists it, or something that waits would; nothing waits for any other.
        leaked_in: the roles that list it though it leaked, bins under their prefix.
    """

    name: str
    keyid: str
    signer: str | None
    online: bool
    fault: str | None = None
    mend: str | None = None
    needed: bool = True
    stray: bool = False
    leaked_in: tuple[str, ...] = ()
    lost: bool = False

    @property
    def gone(self) -> bool:
        """Whether it is lost, and not here."""
        return self.lost and (self.signer is None or self.fault is not None)


@dataclass(frozen=True, slots=True)
class Blocker:
    """What lies under the name of a file of ours, and has to be moved away before anything can be mended.

    Attributes:
        name: of the file; role: whose it is to be.
        directory: it is one, where the file should be; else it is under the next root's name, and no root.
    """

    name: str
    role: str
    directory: bool


@dataclass(frozen=True, slots=True)
class Status:
    """One look at a repository.

    Attributes:
        now: the clock, or the newest signature where the clock is behind it (see `clock_behind`).
        keys: all of them, by name.
        interrupted: a publication is unfinished, and nobody carries it out.
        publishing: who carries out a publication just now, in words; None where nobody does.
        clock_behind: None where the clock is not behind what was signed here.
        clock_suspicious: what every command that signs says of the clock; None where it is believed.
        first_root: the SHA-256 of root v1, hex, by which clients trust what is published; None where it is not known.
        in_the_way: what has to be moved away by hand.
        old_copy: what clients see that this state does not know of; None where it knows all.
        events: what waits for signatures, oldest first.
        rotation: the rotation of an online key that goes on, if one does.
        unproposed: the roles that people must sign for that and that wait in no event, though they could.
        going: the ids of the keys that roles let sign below them yet, and must not once that is over.
        holding_up: the names of the events that must come out before it can end, once its root is out.
        loose_roots: roots that were signed, give more to a key that leaked, and can be used until another one of their
            version is out; cancelled or not.
        rebuilt: the state was made anew, and nothing was published from it yet: clients may have seen more than it has.
        unsigned_targets: those whom the root in force names have not signed the visible targets: clients refuse it.
        root_lost: the names of the root keys that are lost, where those left are too few to sign root; else none.
        overtaken: the roles that people must sign again before clients follow which saw more of them.
        prunable, prunable_length: how many superseded files may go, and their bytes, by the state.
    """

    repository: str
    health: Health
    now: datetime
    artifacts: int
    bins: int
    roles: tuple[RoleStatus, ...]
    keys: tuple[KeyStatus, ...]
    pending_roles: int
    interrupted: bool
    last_published: datetime | None
    timestamp_version: int
    publishing: str | None = None
    clock_behind: ClockBehind | None = None
    clock_suspicious: ClockSuspicious | None = None
    old_copy: StateBehind | None = None
    in_the_way: tuple[Blocker, ...] = ()
    first_root: str | None = None
    events: tuple[EventView, ...] = ()
    rotation: Rotation | None = None
    unproposed: tuple[str, ...] = ()
    going: tuple[str, ...] = ()
    holding_up: tuple[str, ...] = ()
    loose_roots: tuple[EventView, ...] = ()
    rebuilt: bool = False
    overtaken: tuple[str, ...] = ()
    unsigned_targets: bool = False
    root_lost: tuple[str, ...] = ()
    prunable: int = 0
    prunable_length: int = 0


@dataclass(frozen=True, slots=True)
class VisibleVersions:
    """What clients of a repository see, by the state that made it: versions of root, snapshot and timestamp."""

    root: int
    snapshot: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what is published.

    Attributes:
        code: a stable word.
        role, path: what it is about, where that can be said.
    """

    code: str
    message: str
    role: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification looked at and found.

    Attributes:
        checked: counts by word: "roots", "roles", "artifacts", "contents", "state_artifacts", "client_artifacts", …
        problems: in the order in which they were found; capped, see `more_problems`.
        facts: what a face may show: versions, soonest expiry, sizes.
        known_roles: the names of those that the state has; none where it is not looked at.
        in_the_way: what has to be moved away by hand.
    """

    checked: Mapping[str, int]
    problems: tuple[Problem, ...]
    more_problems: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    known_roles: frozenset[str] = frozenset()
    in_the_way: tuple[Blocker, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
