"""A state that is lost is made anew from what is published: every role, every root, every artifact.

What the metadata does not say cannot come back: who did what (the log begins anew), how long roles live (guessed, or
taken from the ceremony's plan), how far versions were used that nobody sees (so all go far up), and which files others
took the place of (so those that lie there are noted as superseded by now). What was accepted and never published is
gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from rstuf.errors import InvalidMetadata
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.limits import TARGETS_PAYLOAD_BYTES
from rstuf.metadata.render import versioned
from rstuf.model.artifacts import ArtifactRow
from rstuf.model.keys import KeyEntry, KeyId
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, SignedRole
from rstuf.model.roles import FileFacts, NewRole, RoleKind
from rstuf.model.rotation import RotationKind
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.progress import step
from rstuf.repository.ahead import Ahead, find_ahead
from rstuf.repository.dropped_keys import find_dropped_keys, note_handed
from rstuf.repository.former_signers import signed_alone
from rstuf.repository.interfaces import StateTransaction
from rstuf.repository.known_keys import names_of
from rstuf.repository.plan import USUAL_PERIODS
from rstuf.repository.ports import Ports
from rstuf.repository.published import (
    Published,
    PublishedFile,
    highest_versions,
    read_bin,
    refuse_missing_bins,
    refuse_root_gap,
    rows_of,
    versions_in,
)
from rstuf.repository.rebuilt_keys import name_keys
from rstuf.repository.renewal import JUMP
from rstuf.repository.strays import strays

_UNANSWERED: Final = "nothing was rebuilt: run it again, which asks about that"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is known of a repository beside its metadata.

    Attributes:
        name: what its people call it.
        keys: names and signers of keys that are known.
        periods: of roles by name, those of bins under their prefix; what is missing is guessed.
        plan_digest: of the plan of its ceremony; empty where that is not known.
        files: the names of all files that lie where metadata is published.
        answered: the keys that root does not name and that somebody answered for: what they signed is taken.
        passed_over: the highest version of a snapshot that is newer than the visible one, and that somebody said is to
            be left out; 0 where nobody was asked.
    """

    name: str
    keys: Sequence[KeyEntry]
    periods: Mapping[str, Periods]
    plan_digest: str
    files: Iterable[str]
    answered: frozenset[KeyId] = frozenset()
    passed_over: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """A state that was made anew.

    Attributes:
        root, timestamp: the versions that clients see.
        artifacts, bins: how many.
        keys: all keys by name; of those without a signer nobody knows here where they are.
        periods: how long roles live from now on, those of bins under their prefix.
        guessed: the roles whose periods are a guess.
        strays: the names of keys that targets lets sign its bins, though root does not name them.
        former: the name of the key that signed what is published though root names it no more; the next publication
            signs all of it with the key that root names.
        superseded: how many other files lie there that no client needs, and that are noted to go in time.
        dropped: the keys that an earlier root or targets listed, and that root does not name now: by id, what each is
            called; None of one that cannot be read.
        passed_over: the version of the newest snapshot that lies there and is left out; 0 where there is none.
        older_targets: whether that lists newer targets, which people have to sign again.
    """

    repository: str
    root: int
    timestamp: int
    artifacts: int
    bins: int
    keys: Sequence[KeyEntry]
    periods: Mapping[str, Periods]
    guessed: Sequence[str]
    strays: Sequence[str] = ()
    former: str | None = None
    superseded: int = 0
    dropped: Mapping[KeyId, str | None] = field(default_factory=dict)
    passed_over: int = 0
    older_targets: bool = False


@dataclass(slots=True)
class _Life:
    """How long roles live, as far as their files tell: each was signed before now."""

    now: datetime
    periods: dict[str, Periods]
    guessed: set[str] = field(default_factory=set)

    def learn(self, role: str, expires: datetime) -> None:
        """A file of a role whose periods are not known expires then."""
        left = expires - self.now
        if role in self.periods and (role not in self.guessed or left <= self.periods[role].expires):
            return
        self.guessed.add(role)
        usual = USUAL_PERIODS[role]
        # Nobody signs for a day and an hour.
        self.periods[role] = usual if left <= usual.expires else Periods.of(timedelta(days=(left.days + 1)))

    def signed_at(self, role: str, expires: datetime) -> datetime:
        """When a file was signed, by its periods; not after now."""
        return min(self.now, expires - self.periods[role].expires)

    def sign_by(self, role: str, expires: datetime) -> datetime:
        """When it is to be signed again."""
        return expires - self.periods[role].renew_before


@dataclass(frozen=True, slots=True)
class _Brought:
    """What one published file is to the state."""

    version: int
    file: FileFacts
    expires: datetime
    data: bytes | None = None

    @classmethod
    def of(cls, file: PublishedFile, *, delegates: bool = False) -> _Brought:
        facts = FileFacts(len(file.data), sha256(file.data).hexdigest())
        return cls(file.envelope.version, facts, file.envelope.expires, file.data if delegates else None)


def rebuild(ports: Ports, published: Published, known: Remembered) -> RebuildReport:
    """Fill a state in which nothing was begun with what is published. Nothing is in it before all is.

    Raises:
        InvalidMetadata: a bin is missing or forged, or something is not of rstuf's form.
        StorageError: something cannot be read.
    """
    files = list(known.files)
    now, highest = ports.clock.now(), highest_versions(files)
    refuse_root_gap(published, highest)
    refuse_missing_bins(ports.metadata, published)
    ahead = find_ahead(ports.metadata, published, files)
    if ahead.snapshot > known.passed_over:
        name = versioned(SNAPSHOT, ahead.snapshot)
        raise InvalidMetadata(name, "it is newer than the one that timestamp names", hint=_UNANSWERED)
    life = _Life(now, dict(known.periods))
    earlier = find_dropped_keys(ports.metadata, published, files)
    keys = name_keys(published, known.keys, earlier, now=now)
    brought = {
        TARGETS: _Brought.of(published.targets, delegates=True),
        SNAPSHOT: _Brought.of(published.snapshot),
        TIMESTAMP: _Brought.of(published.timestamp),
    }
    for name, file in brought.items():
        life.learn(name, file.expires)
    life.learn(ROOT, published.root.envelope.expires)
    with ports.state.transaction(actor=ports.actor) as state:
        state.begin_repository(RepositorySettings(known.name, Phase.CEREMONY, now, known.plan_digest, now))
        state.add_roles(_roles(published, ahead))
        for key in keys:
            state.add_key(key)
        number = state.next_number()
        with step(ports.progress, "rebuilding", total=published.bins.count, unit="bins"):
            rows = _rows(ports, published, brought, life, refused=set(earlier.signing) - known.answered)
            result = state.put_artifacts(TARGETS, rows, number=number, replace=False, role_limit=TARGETS_PAYLOAD_BYTES)
        for role, periods in life.periods.items():
            state.set_periods(role, periods)
        _record_roots(state, published, life)
        older = _older_files(files, published, brought)
        state.note_superseded(older)
        publication = _record_publication(state, published, brought, life, number=number)
        _jump(state, brought, highest, ahead)
        _force(state, published)
        note_handed(state, published, earlier, at=now)
        state.set_phase(Phase.LIVE)
        details = {"artifacts": result.added, "dropped": sorted(earlier.keyids), "number": number}
        # The log begins with it: what was dropped before is read there.
        state.record("state.rebuild", {**details, "publication": publication, **_digests(published)}, at=now)
        former = _go_on_replacing(state, published, now=now)
    names = {key_identity(key.key): key.name for key in keys}
    with ports.state.read() as reader:
        stray = strays(ports, reader)
    return RebuildReport(
        repository=known.name,
        root=published.root.envelope.version,
        timestamp=published.timestamp.envelope.version,
        artifacts=result.added,
        bins=published.bins.count,
        keys=tuple(keys),
        periods=life.periods,
        guessed=tuple(role for role in USUAL_PERIODS if role in life.guessed),
        strays=tuple(key.name for key in stray),
        former=former,
        superseded=len(older),
        dropped={
            keyid: None if each.key is None else names.get(key_identity(each.key))
            for keyid, each in earlier.dropped.items()
        },
        passed_over=ahead.snapshot,
        older_targets=ahead.listed.get(TARGETS, 0) > published.targets.envelope.version
        and not _signs_targets(published),
    )


def _digests(published: Published) -> dict[str, Any]:
    """What tells later which files it was made from."""
    files = {ROOT: published.roots[0], TARGETS: published.targets, SNAPSHOT: published.snapshot}
    files[TIMESTAMP] = published.timestamp
    digests = {str(name): sha256(file.data).hexdigest() for name, file in files.items()}
    return {**digests, "version": published.root.envelope.version}


def _roles(published: Published, ahead: Ahead) -> Iterator[NewRole]:
    bins = published.bins
    yield NewRole(ROOT, RoleKind.ROOT)
    yield NewRole(TARGETS, RoleKind.TARGETS, bin_bits=bins.bits)
    yield NewRole(SNAPSHOT, RoleKind.SNAPSHOT)
    yield NewRole(TIMESTAMP, RoleKind.TIMESTAMP)
    for index in range(bins.count):
        yield NewRole(bins.name(index), RoleKind.BIN, holder=TARGETS, index=index)
    for name in published.retired:
        version = max(published.version_of(name), ahead.listed.get(name, 0))
        yield NewRole(name, RoleKind.BIN, holder=TARGETS, index=bins.index_in(name), retired=version)
    for other, version in ahead.listed.items():
        place = None if f"{other}.json" in published.listed else bins.index_in(other)
        if place is not None:
            # Of another number of bins, which clients may have seen: no snapshot drops such a name.
            yield NewRole(RoleName(other), RoleKind.BIN, holder=TARGETS, index=place, retired=version)


def _rows(
    ports: Ports, published: Published, brought: dict[RoleName, _Brought], life: _Life, *, refused: Collection[KeyId]
) -> Iterator[ArtifactRow]:
    """Every artifact, bin by bin; what is known of each bin is noted on the way.

    Args:
        refused: keys for which nobody answered.
    """
    bins = published.bins
    for index in range(bins.count):
        file = read_bin(ports.metadata, published, index)
        if signed_alone(file, published, refused):
            raise InvalidMetadata(file.envelope.name, "a key signed it that root does not name", hint=_UNANSWERED)
        brought[bins.name(index)] = _Brought.of(file)
        life.learn(PREFIX, file.envelope.expires)
        yield from rows_of(file, bins, index)
        ports.progress.advance()


def _record_roots(state: StateTransaction, published: Published, life: _Life) -> None:
    for root in published.roots:
        version, expires = root.envelope.version, root.envelope.expires
        signed_at, sign_by = life.signed_at(ROOT, expires), life.sign_by(ROOT, expires)
        state.record_root(version, root.data, signed_at=signed_at, expires=expires, sign_by=sign_by)
        state.settle_root(version)


def _record_publication(
    state: StateTransaction,
    published: Published,
    brought: Mapping[RoleName, _Brought],
    life: _Life,
    *,
    number: int,
) -> int:
    """One publication that brought all that is visible, at the versions that it is visible at."""
    for name, file in brought.items():
        # Timestamp takes the version after the last; the others are given theirs.
        state.burn_versions(name, file.version - (name == TIMESTAMP))
    roles = [role for role in state.roles() if role.name in brought]
    reserved = {role.id: brought[role.name].version for role in roles if role.kind is not RoleKind.TIMESTAMP}
    signed = [life.signed_at(_period_of(name), file.expires) for name, file in brought.items()]
    evidence = max([*signed, life.signed_at(ROOT, published.root.envelope.expires)])
    publication = state.stage_publication([(role, number) for role in roles], begun=evidence, reserved=reserved)
    planned = [role for role, _ in state.publication_roles(publication.id)]
    state.record_files(publication.id, [_signed(role, brought[role.name], life) for role in planned])
    state.commit_publication(publication.id, timestamp=published.timestamp.data)
    state.settle_publication(publication.id, committed=life.now)
    return publication.id


def _older_files(
    files: Iterable[str], published: Published, brought: Mapping[RoleName, _Brought]
) -> list[tuple[RoleName, int]]:
    """What lies there under names that roles of this repository could have had, and that clients need no more."""
    visible = {str(name): file.version for name, file in brought.items() if name != TIMESTAMP}
    retired = dict.fromkeys(map(str, published.retired), 0)
    known = retired | visible
    return [(RoleName(role), version) for role, version in versions_in(files) if known.get(role, version) != version]


def _signed(planned: PlannedRole, file: _Brought, life: _Life) -> SignedRole:
    role = _period_of(planned.name)
    return SignedRole(
        planned,
        file.file,
        signed_at=life.signed_at(role, file.expires),
        expires=file.expires,
        sign_by=life.sign_by(role, file.expires),
        data=file.data,
        delegates=file.data is not None,
    )


def _period_of(name: RoleName) -> str:
    return name if name in {TARGETS, SNAPSHOT, TIMESTAMP} else PREFIX


def _jump(
    state: StateTransaction, brought: Mapping[RoleName, _Brought], highest: Mapping[str, int], ahead: Ahead
) -> None:
    """Versions once used are never used again, and files of those that were given up may be gone: go far above."""
    # Each snapshot came with a timestamp, of which nothing is left.
    used = {TIMESTAMP: ahead.snapshot, **highest}
    for role in state.roles():
        if role.name in brought or role.retired:
            taken = max(used.get(role.name, 0), ahead.listed.get(role.name, 0))
            state.burn_versions(role.name, max(taken - role.version, 0) + JUMP)


def _force(state: StateTransaction, published: Published) -> None:
    """Clients may have seen more than what lies there: the next publication brings all that is signed online."""
    online = {RoleKind.SNAPSHOT, RoleKind.TIMESTAMP, RoleKind.BIN}
    online |= {RoleKind.TARGETS} if _signs_targets(published) else set()
    state.force_roles([role.id for role in state.roles() if role.kind in online and not role.retired])


def _misses_targets(published: Published, ahead: Ahead) -> bool:
    """Whether clients may have seen newer targets, which nobody but people can go above."""
    return ahead.listed.get(TARGETS, 0) > published.targets.envelope.version and not _signs_targets(published)


def _signs_targets(published: Published) -> bool:
    """Whether the online key signs targets."""
    return set(published.top_level[TARGETS].keyids) <= set(published.top_level[TIMESTAMP].keyids)


def _go_on_replacing(state: StateTransaction, published: Published, *, now: datetime) -> str | None:
    """Note the rotation that was cut off between its root and what the new key signs anew; the name of its old key."""
    former = published.former_key
    entry = None if former is None else state.key(former.keyid)
    if entry is None:
        return None
    new = published.top_level[TIMESTAMP].keyids[0]
    # Lost is what nobody has to be right about: one that leaked is said to be by whoever knows it.
    state.begin_rotation(kind=RotationKind.LOST, old=entry.keyid, new=new, overlap=timedelta(0), begun=now)
    rotation = state.rotation()
    if rotation is not None:
        state.note_rooted(rotation.id, version=published.root.envelope.version, at=now)
    details = {"kind": RotationKind.LOST.value, "old": entry.name, "new": names_of(state)[new], "keyid": new}
    state.record("rotation.begin", details, at=now)
    return entry.name
