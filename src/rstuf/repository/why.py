"""Why a client finds a path, or does not: the roles that it visits, what they say, what is fetched on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from enum import StrEnum
from heapq import nlargest
from itertools import chain, islice
from typing import Final

from rstuf.metadata.fragments import artifact_of
from rstuf.metadata.render import versioned
from rstuf.model.artifacts import SLOT_BITS, Artifact, ArtifactState, ListedArtifact, slot_of
from rstuf.model.names import ROOT, SNAPSHOT, TIMESTAMP, RoleName, TargetPath, target_path
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports
from rstuf.repository.visible import TIMESTAMP_FILE
from rstuf.repository.visits import BinRange, Visit, Way, state_of, way_in

_WHOLE: Final = (1 << SLOT_BITS) - 1
_NEAR: Final = 3
# Below this, names only share letters.
_ALIKE: Final = 0.75
# So many names are looked at for those that were meant; it takes a second or two.
_LOOKED_THROUGH: Final = 100_000


class Obstacle(StrEnum):
    """Why a client does not find an artifact, or will not soon."""

    UNKNOWN = "unknown"
    """There is no such artifact."""
    WAITING = "waiting"
    """It was accepted and is not published."""
    REMOVED = "removed"
    """It was removed, and clients see it until the next publication."""
    OUTDATED = "outdated"
    """Clients see the content before, until the next publication."""
    EXPIRED = "expired"
    """A role on the way to it has expired, so clients refuse."""
    NO_CONTENT = "no-content"
    """Its content is not where contents are kept."""
    UNSIGNED = "unsigned"
    """It was accepted, and waits for the signatures of those who sign its role."""
    NOT_DELEGATED = "not-delegated"
    """No delegation is for it."""
    DISPUTED = "disputed"
    """Some clients look for it in another role than others."""


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the log that speaks of a change.

    Attributes:
        number: of the change.
        next_version: of the timestamp that was published next, and `next_at` when; None where none was.
    """

    number: int
    at: datetime
    actor: str
    action: str
    next_version: int | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that a client fetches; bytes where they are known."""

    name: str
    length: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say of one path.

    Attributes:
        path_sha256: hex; its beginning decides on the bin.
        way: the roles that a client visits, and why.
        role: whose metadata names the path, or would; `version` and dates are of what clients see, 0 and None before.
        bins: the range of the bin; None where it is none.
        listed: the artifact, with its state; None where there is none.
        visible: what clients see of it.
        changed: the change that brought what is listed, where the log tells of it.
        fetched: what a client fetches that holds the newest root and nothing else, in order; the content last, by its
            name below the place of contents.
        obstacles: why it would not get there; `expired` has the roles that are in the way.
        near: paths that may have been meant, where this one is not here.
    """

    path: TargetPath
    path_sha256: str
    way: Way
    role: RoleName
    version: int
    signed_at: datetime | None
    expires: datetime | None
    bins: BinRange | None
    listed: ListedArtifact | None
    visible: Artifact | None
    changed: Change | None
    fetched: tuple[Fetched, ...]
    obstacles: tuple[Obstacle, ...]
    expired: tuple[RoleName, ...]
    near: tuple[str, ...]
    now: datetime

    @property
    def found(self) -> bool:
        """Whether a client gets a content for this path."""
        ways_off = {Obstacle.UNKNOWN, Obstacle.WAITING, Obstacle.UNSIGNED, Obstacle.EXPIRED, Obstacle.NO_CONTENT}
        return ways_off.isdisjoint(self.obstacles)


def explain(ports: Ports, text: str) -> Explanation:
    """What there is to say of one path. Changes nothing, and reads the state alone, and whether the content is there.

    Raises:
        InvalidPath: it cannot be a path of an artifact, so no client asks for it.
    """
    path, now = target_path(text), ports.clock.now()
    with ports.state.read() as reader:
        way = way_in(ports, reader, path)
        listed = reader.artifact(path)
        visible, number = _versions(reader, state_of(reader, way.last.role), path)
        visits = way.chain if visible is not None else way.search
        first = [reader.role(name) for name in (ROOT, TIMESTAMP, SNAPSHOT)]
        expired = [each.name for each in first if each.expires is not None and each.expires <= now]
        expired += [each.role for each in visits if each.has_expired(now)]
        obstacles = [*_obstacles(listed, expired), *_no_content(ports, visible)]
        return Explanation(
            path=path,
            path_sha256=way.path_sha256,
            way=way,
            role=way.last.role,
            version=way.last.version,
            signed_at=way.last.signed_at,
            expires=way.last.expires,
            bins=way.last.bins,
            listed=listed,
            visible=visible,
            changed=_change(reader, number),
            fetched=tuple(_fetched(first[1:], visits, visible)),
            obstacles=(*obstacles, *([Obstacle(way.fault)] if way.fault is not None else [])),
            expired=tuple(expired),
            near=_near(reader, path) if listed is None else (),
            now=now,
        )


def _versions(reader: StateReader, role: RoleState, path: TargetPath) -> tuple[Artifact | None, int]:
    """What clients see of a path, and the number of the newest change to it; 0 where there is none."""
    slot, visible, newest = slot_of(path), b"", 0
    for _, each, number, fragment in reader.versions(role.holder or role.id, slot, slot):
        if each == path:
            newest = number
            if number <= role.number:
                visible = fragment
    return artifact_of(path, visible) if visible else None, newest


def _change(reader: StateReader, number: int) -> Change | None:
    found: Change | None = None
    if not number:
        return None
    for entry in reader.audit():
        if found is None:
            if entry.action.startswith("artifacts.") and entry.details.get("number") == number:
                found = Change(number, entry.at, entry.actor, entry.action, None, None)
        elif entry.action == "publish":
            version = entry.details.get("timestamp")
            return Change(number, found.at, found.actor, found.action, version, entry.at)
    return found


def _fetched(first: Sequence[RoleState], visits: Iterable[Visit], visible: Artifact | None) -> Iterator[Fetched]:
    for each in first:
        if each.visible:
            name = TIMESTAMP_FILE if each.name == TIMESTAMP else versioned(each.name, each.visible)
            yield Fetched(name, each.file.length if each.file is not None else None)
    for visit in visits:
        if visit.version:
            yield Fetched(versioned(visit.role, visit.version), visit.length)
    if visible is not None:
        directories, slash, last = visible.path.rpartition("/")
        digest = next(iter(visible.hashes.values()))
        yield Fetched(f"{directories}{slash}{digest}.{last}", visible.length)


def _obstacles(listed: ListedArtifact | None, expired: Collection[RoleName]) -> Iterator[Obstacle]:
    if listed is None:
        yield Obstacle.UNKNOWN
    elif listed.state in _WAITS:
        yield _WAITS[listed.state]
    if expired:
        yield Obstacle.EXPIRED


_WAITS: Final = {
    ArtifactState.PENDING: Obstacle.WAITING,
    ArtifactState.AWAITING: Obstacle.UNSIGNED,
    ArtifactState.REMOVING: Obstacle.REMOVED,
    ArtifactState.REPLACING: Obstacle.OUTDATED,
}


def _no_content(ports: Ports, visible: Artifact | None) -> Iterator[Obstacle]:
    if visible is not None and ports.artifacts is not None and not ports.artifacts.exists(visible.path, visible.hashes):
        yield Obstacle.NO_CONTENT


def _near(reader: StateReader, path: TargetPath) -> tuple[str, ...]:
    holders = [role.id for kind in (RoleKind.TARGETS, RoleKind.DELEGATED) for role in reader.roles(kind=kind)]
    number = reader.newest_number()
    rows = chain.from_iterable(reader.contents(holder, 0, _WHOLE, number=number) for holder in holders)
    alike = ((_likeness(path, other), other) for _, other, _ in islice(rows, _LOOKED_THROUGH))
    best = nlargest(_NEAR, (each for each in alike if each[0] >= _ALIKE))
    return tuple(other for _, other in best)


def _likeness(path: str, other: str) -> float:
    """How likely one was meant by the other, from 0 to 1."""
    if path.casefold() == other.casefold():
        return 1.0
    if path.rpartition("/")[2] == other.rpartition("/")[2]:
        return 0.95
    # The length alone tells most of them apart, and costs nothing.
    if 2 * min(len(path), len(other)) < _ALIKE * (len(path) + len(other)):
        return 0.0
    matcher = SequenceMatcher(a=path, b=other, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= _ALIKE else 0.0
