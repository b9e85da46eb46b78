"""Prune: metadata files that no release reaches go, once nobody is likely to be in the middle of reading them.

What may go follows from these rules, and never from what a directory shows:

1. it is noted in the state: a publication took its place or was given up, or a resize let its bin go;
2. as many publications and as many days have passed since as the policy asks for, both;
3. the visible timestamp does not reach it, by the bytes that clients fetch; and it is no root;
4. what has its name is what was written under it. Anything else is left, and told.

The publication lock is held, for a bounded number of files at a time. A publication may bring a file again that one
wrote which was given up (people had signed it): between its staging and its end that file is noted and needed. And what
clients see must be this state's for as long as files go.

A file goes before its note, which goes once the directory is durable: cut off in between, the next run finds nothing
under the name, and lets the note go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

from rstuf.errors import FileMissing, FileTooLarge, InvalidMetadata, NotAFile
from rstuf.metadata import limits
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope
from rstuf.model.names import SNAPSHOT, TARGETS
from rstuf.model.superseded import Retention, SupersededFile
from rstuf.progress import step
from rstuf.repository.authority import signed_enough
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.reachable import Reachable, read_reachable
from rstuf.repository.recovery import recover
from rstuf.repository.reports import Recovery
from rstuf.repository.visible import check_visible, refuse_foreign_storage, refuse_older_state

AT_ONCE: Final = 1000
"""So many files are looked at while the publication lock is held, which is well under a second."""
# Who is about to remove them counts all.
_ALL: Final = 1 << 62
# Whoever waits for the lock asks for it within that.
_PAUSE: Final = timedelta(milliseconds=60)


class StayReason(StrEnum):
    """Why a file stays that the policy lets go."""

    NEEDED = "needed"
    """Clients reach it: the state is wrong about it."""
    DIFFERENT = "different"
    """It is not what was written under its name."""


@dataclass(frozen=True, slots=True)
class PrunedFile:
    """A file that goes: its name, and how many bytes it has."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What `prune` would remove now.

    Attributes:
        retention: the policy that it goes by.
        files: the longest superseded first.
        left: the names of those that the policy lets go and that stay all the same.
        kept: how many others are noted, which the policy keeps.
    """

    retention: Retention
    files: tuple[PrunedFile, ...]
    left: tuple[tuple[str, StayReason], ...]
    kept: int

    @property
    def length(self) -> int:
        """Bytes of all files that go."""
        return sum(file.length for file in self.files)


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What a prune did.

    Attributes:
        retention: the policy that it went by.
        removed, length: how many files went, and their bytes.
        missing: how many were gone already.
        left: the names of those that the policy lets go and that stay all the same.
        kept: how many others are noted, which the policy keeps.
        recovery: what became of a publication that was interrupted before.
        last: the last file that was looked at, where there may be more; None at the end.
    """

    retention: Retention
    removed: int = 0
    length: int = 0
    missing: int = 0
    left: tuple[tuple[str, StayReason], ...] = ()
    kept: int = 0
    recovery: Recovery = Recovery.NOTHING
    last: SupersededFile | None = None


def prune(ports: Ports, *, retention: Retention | None = None) -> PruneReport:
    """Remove every file that may go; see `prune_some`, which this does as often as it takes, with others in between."""
    files, _ = count_prunable(ports, retention=retention)
    with step(ports.progress, "pruning", total=files, unit="files"):
        report = prune_some(ports, retention=retention)
        while report.last is not None:
            ports.clock.sleep(_PAUSE)
            report = _both(report, prune_some(ports, retention=retention, after=report.last))
    return report


def prune_some(
    ports: Ports, *, limit: int = AT_ONCE, after: SupersededFile | None = None, retention: Retention | None = None
) -> PruneReport:
    """Remove some of the files that may go, the longest superseded first. For who does it again and again.

    Args:
        limit: so many are looked at, under the publication lock.
        after: where the one before ended (its `last`), so that what is left keeps nothing waiting.
        retention: instead of the policy that the state has.

    Raises:
        Locked: another process publishes for longer than the state waits.
        StateBehind, ForeignMetadata, InvalidMetadata: what clients see is not this state's, or is damaged.
        ClockSuspicious: the clock is absurdly far ahead, so nothing tells how long ago anything was.
        StorageError: a file cannot be read or removed; what was removed before is.
    """
    with ports.state.publication_lock(purpose="prune"):
        recovery = recover(ports)
        check_visible(ports)
        with ports.state.read() as reader:
            retention = retention or reader.retention()
            found = reader.superseded_files(retention, now=_now(ports, reader), after=after, limit=limit)
            judged = list(_judged(ports, reader, found)) if found else []
            noted = reader.noted_files()
        gone = [each for each in judged if each.left is None]
        there = [each for each in gone if each.length is not None]
        if there:
            ports.metadata.discard(each.name for each in there)
        length = sum(each.length or 0 for each in there)
        if gone:
            with ports.state.transaction(actor=ports.actor) as state:
                state.forget_superseded(each.file for each in gone)
                details = {"files": len(there), "bytes": length, "missing": len(gone) - len(there)}
                state.record("metadata.prune", details, at=ports.clock.now())
    return PruneReport(
        retention=retention,
        removed=len(there),
        length=length,
        missing=len(gone) - len(there),
        left=_left(judged),
        kept=noted - len(judged),
        recovery=recovery,
        last=found[-1] if len(found) == limit else None,
    )


def _both(first: PruneReport, second: PruneReport) -> PruneReport:
    return replace(
        second,
        removed=first.removed + second.removed,
        length=first.length + second.length,
        missing=first.missing + second.missing,
        left=(*first.left, *second.left),
        kept=second.kept - len(first.left),
        recovery=second.recovery if first.recovery is Recovery.NOTHING else first.recovery,
    )


def plan_prune(ports: Ports, *, retention: Retention | None = None) -> PrunePlan:
    """What `prune` would remove now, to the file. Writes nothing, waits for nobody.

    Raises:
        StateBehind, ForeignMetadata, InvalidMetadata, ClockSuspicious, StorageError: as `prune_some` says.
    """
    refuse_foreign_storage(ports)
    refuse_older_state(ports)
    judged: list[_Judged] = []
    with ports.state.read() as reader:
        retention, now = retention or reader.retention(), _now(ports, reader)
        total, _ = reader.count_superseded(retention, now=now, most=_ALL)
        with step(ports.progress, "looking", total=total, unit="files"):
            last = None
            while found := reader.superseded_files(retention, now=now, after=last, limit=AT_ONCE):
                judged += _judged(ports, reader, found)
                last = found[-1]
        files = [PrunedFile(each.name, each.length) for each in judged if each.left is None and each.length is not None]
        return PrunePlan(retention, tuple(files), _left(judged), reader.noted_files() - len(judged))


def count_prunable(ports: Ports, *, retention: Retention | None = None) -> tuple[int, int]:
    """How many files may go now, and their bytes: by the state, without a look at any file."""
    with ports.state.read() as reader:
        return reader.count_superseded(retention or reader.retention(), now=_now(ports, reader), most=_ALL)


def set_retention(ports: Ports, retention: Retention) -> Retention:
    """Let superseded files stay for so long from now on; for how long they stayed before."""
    with ports.state.transaction(actor=ports.actor) as state:
        before = state.retention()
        if before != retention:
            state.set_retention(retention)
            details = {"publications": retention.publications, "days": retention.days}
            state.record("policy.retention", details, at=ports.clock.now())
    return before


def _now(ports: Ports, reader: StateReader) -> datetime:
    """The clock, once it is believed. Behind what was signed here it lets less go, and nothing wrong."""
    ports.signing_time(reader)
    return ports.clock.now()


# --- one file --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judged:
    """A file that the policy lets go.

    Attributes:
        length: its bytes; None where nothing has its name.
        left: why it stays; None where it goes.
    """

    file: SupersededFile
    name: str
    length: int | None
    left: StayReason | None = None


def _left(judged: Iterable[_Judged]) -> tuple[tuple[str, StayReason], ...]:
    return tuple((each.name, each.left) for each in judged if each.left is not None)


def _judged(ports: Ports, reader: StateReader, files: Iterable[SupersededFile]) -> Iterator[_Judged]:
    reachable = read_reachable(ports.metadata)
    keys = {entry.keyid: entry.key for entry in reader.keys()}
    known = RoleKeys(keyids=tuple(keys), threshold=1, keys=keys)
    for file in files:
        yield _judge(ports, file, reachable, known)
        ports.progress.advance()


def _judge(ports: Ports, file: SupersededFile, reachable: Reachable, known: RoleKeys) -> _Judged:
    name = versioned(file.name, file.version)
    if reachable.has(file):
        return _Judged(file, name, None, StayReason.NEEDED)
    limit = limits.SNAPSHOT_WITH_LENGTH_BYTES if file.name == SNAPSHOT else limits.TARGETS_BYTES
    try:
        data = ports.metadata.read(name, limit=limit if file.file is None else file.file.length)
    except FileMissing:
        return _Judged(file, name, None)
    except (FileTooLarge, NotAFile):
        return _Judged(file, name, None, StayReason.DIFFERENT)
    ours = _is_ours(file, name, data, known) if file.file is None else sha256(data).hexdigest() == file.file.sha256
    return _Judged(file, name, len(data), None if ours else StayReason.DIFFERENT)


def _is_ours(file: SupersededFile, name: str, data: bytes, known: RoleKeys) -> bool:
    """Whether a file of which nothing is recorded is this role's, at its version, and a key that is known signed it."""
    kind = SNAPSHOT if file.name == SNAPSHOT else TARGETS
    try:
        envelope = open_envelope(data, name=name, kind=kind)
    except InvalidMetadata:
        return False
    return envelope.version == file.version and signed_enough(envelope, known)
