"""The workspace, its state, its locks and its clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from rstuf.errors.base import RstufError

CEREMONY_AGAIN: Final = (
    "rstuf ceremony --plan FILE, with the plan that it began with, proposes root v1 anew; where it was asked, rstuf "
    "ceremony does with the same answers"
)
"""What helps where a first root waits no more that was not signed in time, or was cancelled."""


class WorkspaceNotFound(RstufError):
    """No `rstuf.toml` here or above."""

    code = "no-workspace"

    def __init__(self, start: str, *, only: bool = False) -> None:
        self.start = start
        super().__init__(
            f"{start} is not an rstuf workspace (it holds no rstuf.toml)"
            if only
            else f"{start} is not in an rstuf workspace (no rstuf.toml here or above)",
            hint="go to one, name one with --repo DIR, or make one: rstuf ceremony",
        )


class WorkspaceExists(RstufError):
    """The ceremony is asked to make a workspace where one is, or over files that are not its own."""

    code = "workspace-exists"

    def __init__(self, path: str, what: str) -> None:
        self.path, self.what = path, what
        super().__init__(f"{path} already holds {what}", hint="choose an empty directory with --repo DIR")

    @classmethod
    def of_repository(cls, path: str, name: str) -> Self:
        """The error for a repository that is whole: perhaps its ceremony ended just now, and could not say so."""
        error = cls(path, f"the repository {name}")
        error.hint = "rstuf status shows it; another one wants an empty directory, --repo DIR"
        return error


class StateExists(RstufError):
    """A state is to be made anew where one is, or where a part of one lies."""

    code = "state-exists"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path} is there, and no state is made over it",
            hint="if it cannot be used any more, move it away with what begins with its name: mkdir aside && "
            "mv state.db* aside/; then run this again",
        )


class CeremonyUnfinished(RstufError):
    """The workspace was begun and its ceremony never reached the end."""

    code = "ceremony-unfinished"

    def __init__(self, path: str, *, signed: bool = False, cancelled: bool = False) -> None:
        """
        Args:
            signed: root has all its signatures, so whoever has no plan can end it, too.
            cancelled: root waited for its signers, and somebody dropped it.
        """
        self.path = path
        if cancelled:
            super().__init__(f"the first root of {path} was cancelled, and none waits now", hint=CEREMONY_AGAIN)
            return
        again = "run the same rstuf ceremony again; it goes on"
        super().__init__(
            f"the ceremony of {path} was interrupted",
            hint="rstuf sign ends it, and so does the same rstuf ceremony" if signed else again,
        )


class OtherCeremony(CeremonyUnfinished):
    """The ceremony of another plan was begun here, and has not ended."""

    code = "other-ceremony"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.message = f"a ceremony of another plan was begun in {path}, and has not ended"
        self.args = (self.message,)
        self.hint = "go on with the plan that it began with; or hold this one in another directory"


class CeremonyWaiting(CeremonyUnfinished):
    """The ceremony waits for signers who are away; until they have signed, nothing can be published."""

    code = "ceremony-waiting"

    def __init__(self, path: str, event: str, *, missing: Sequence[str]) -> None:
        super().__init__(path)
        self.event, self.missing = event, tuple(missing)
        whose = f" of {', '.join(missing)}" if missing else ""
        self.message = f"the ceremony of {path} waits for signatures{whose}"
        self.args = (self.message,)
        self.hint = f"rstuf event show {event} says more; rstuf bundle export {event} is for those who are away"


class CeremonyExpired(CeremonyUnfinished):
    """The first root expired before its signers, who are away, had all signed it: nobody can use it any more."""

    code = "ceremony-expired"

    def __init__(self, path: str, event: str, when: str) -> None:
        super().__init__(path)
        self.event, self.when = event, when
        self.message = f"{event} of {path} expired on {when}, before everybody had signed it"
        self.args = (self.message,)
        self.hint = CEREMONY_AGAIN


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

    def __init__(self, path: str, reason: str, *, hint: str | None = None) -> None:
        self.path, self.reason = path, reason
        # SQLite calls a page malformed that a failing disk did not give it.
        usual = (
            "nothing was changed; run it again, and if it stays so put a backup of the state in its place. Without one "
            "make it anew from what is published: mkdir aside && mv state.db* aside/ && rstuf recover state"
        )
        super().__init__(f"the state {path} cannot be read: {reason}", hint=hint or usual)


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


_UNCHANGED: Final = "nothing was changed. "


class StateBehind(StateError):
    """What clients see is newer than what the state knows: an old backup, or two states for one repository."""

    code = "state-behind"
    event: str | None = None
    """The signing event of the state that proposed a root which somebody else published, by name."""

    def __init__(self, role: str, *, visible: int, known: int) -> None:
        self.role, self.visible, self.known = role, visible, known
        super().__init__(
            f"{role} version {visible} is published and this state knows only {known}",
            hint=f"{_UNCHANGED}If this is an old copy of yours, use the newest one; {self._way_on}",
        )

    def although(self, kept: str) -> StateBehind:
        """The same where something was taken in before it was seen.

        Args:
            kept: what there is of that, as a sentence begins.
        """
        self.hint = f"{kept}. {(self.hint or '').removeprefix(_UNCHANGED)}"
        return self

    @property
    def _way_on(self) -> str:
        """Where there is no newer copy. Who may sign is not known below another root, so nothing goes on from there."""
        if self.role == "root":
            return (
                "where none is left, make the state anew from what is published: mkdir aside && mv state.db* aside/ "
                "&& rstuf recover state. If none of you signed that root, somebody else has root's keys: "
                "rstuf recover root-keys"
            )
        return (
            "if this is the newest, somebody else has the online key: rstuf recover online-key NAME --leaked. Where it "
            "is an old one and no newer is left, rstuf recover copy goes on from it"
        )


class LooseRootOut(StateBehind):
    """A root that the state proposed is published, and not by it: somebody had the signatures."""

    code = "loose-root-out"

    def __init__(self, event: str, *, visible: int, known: int) -> None:
        super().__init__("root", visible=visible, known=known)
        self.event = event
        self.message = f"{self.message}: it is {event}, proposed here, which somebody published with its signatures"
        self.args = (self.message,)
        self.hint = (
            f"{_UNCHANGED}Clients follow it: rstuf recover loose-root takes it over, and keeps this state. If "
            "another copy of this workspace published it, go on with that one instead"
        )


class VersionsUsedUp(StateBehind):
    """What is published goes too far up, or lists what is not here: the same keys can publish nothing above it."""

    code = "versions-used-up"

    def __init__(self, role: str, *, visible: int, known: int) -> None:
        super().__init__(role, visible=visible, known=known)
        self.message = f"{self.message}: no copy of yours got there, and nothing can be published above it"
        self.args = (self.message,)
        self.hint = f"{_UNCHANGED}Somebody else has the online key: rstuf recover online-key NAME --leaked"


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
