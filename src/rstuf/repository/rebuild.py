"""A state that is lost is made anew from what is published: every role, every root, every artifact.

What the metadata does not say cannot come back: who did what (the log begins anew), how long roles live (guessed, or
taken from the ceremony's plan), and how far versions were used that nobody sees (so all go far up). What was accepted
and never published is gone.
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
from rstuf.metadata.views import RoleKeys, root_roles
from rstuf.model.artifacts import ArtifactRow
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, SignedRole
from rstuf.model.roles import FileFacts, NewRole, RoleKind
from rstuf.model.rotation import RotationKind
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.progress import step
from rstuf.repository.dropped_keys import DroppedKeys, find_dropped_keys, note_handed
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
)
from rstuf.repository.renewal import JUMP
from rstuf.repository.strays import strays

_UNANSWERED: Final = "nothing was rebuilt: run it again, which asks whether that is yours"
_FOREIGN: Final = "nothing was rebuilt: this rstuf keeps a state only of keys as it writes them"


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
    """

    name: str
    keys: Sequence[KeyEntry]
    periods: Mapping[str, Periods]
    plan_digest: str
    files: Iterable[str]
    answered: frozenset[KeyId] = frozenset()


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
        dropped: the keys that an earlier root or targets listed, and that root does not name now: by id, what each is
            called; None of one that cannot be read.
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
    dropped: Mapping[KeyId, str | None] = field(default_factory=dict)


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
    life = _Life(now, dict(known.periods))
    earlier = find_dropped_keys(ports.metadata, published, files)
    keys = _name_keys(published, known.keys, earlier, now=now)
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
        state.add_roles(_roles(published))
        for key in keys:
            state.add_key(key)
        number = state.next_number()
        with step(ports.progress, "rebuilding", total=published.bins.count, unit="bins"):
            rows = _rows(ports, published, brought, life, refused=set(earlier.signing) - known.answered)
            result = state.put_artifacts(TARGETS, rows, number=number, replace=False, role_limit=TARGETS_PAYLOAD_BYTES)
        for role, periods in life.periods.items():
            state.set_periods(role, periods)
        _record_roots(state, published, life)
        publication = _record_publication(state, published, brought, life, number=number)
        _jump(state, brought, highest)
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
        dropped={
            keyid: None if each.key is None else names.get(key_identity(each.key))
            for keyid, each in earlier.dropped.items()
        },
    )


def _digests(published: Published) -> dict[str, Any]:
    """What tells later which files it was made from."""
    files = {ROOT: published.roots[0], TARGETS: published.targets, SNAPSHOT: published.snapshot}
    files[TIMESTAMP] = published.timestamp
    digests = {str(name): sha256(file.data).hexdigest() for name, file in files.items()}
    return {**digests, "version": published.root.envelope.version}


def _roles(published: Published) -> Iterator[NewRole]:
    bins = published.bins
    yield NewRole(ROOT, RoleKind.ROOT)
    yield NewRole(TARGETS, RoleKind.TARGETS, bin_bits=bins.bits)
    yield NewRole(SNAPSHOT, RoleKind.SNAPSHOT)
    yield NewRole(TIMESTAMP, RoleKind.TIMESTAMP)
    for index in range(bins.count):
        yield NewRole(bins.name(index), RoleKind.BIN, holder=TARGETS, index=index)
    for name in published.retired:
        version = published.version_of(name)
        yield NewRole(name, RoleKind.BIN, holder=TARGETS, index=bins.index_in(name), retired=version)


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


def _signed(planned: PlannedRole, file: _Brought, life: _Life) -> SignedRole:
    role = _period_of(planned.name)
    return SignedRole(
        planned,
        file.file,
        signed_at=life.signed_at(role, file.expires),
        expires=file.expires,
        sign_by=life.sign_by(role, file.expires),
        data=file.data,
    )


def _period_of(name: RoleName) -> str:
    return name if name in {TARGETS, SNAPSHOT, TIMESTAMP} else PREFIX


def _jump(state: StateTransaction, brought: Mapping[RoleName, _Brought], highest: Mapping[str, int]) -> None:
    """Versions once used are never used again, and files of those that were given up may be gone: go far above."""
    for name, file in brought.items():
        state.burn_versions(name, max(highest.get(name, 0) - file.version, 0) + JUMP)
    for role in state.roles():
        if role.retired:
            state.burn_versions(role.name, max(highest.get(role.name, 0) - role.version, 0) + JUMP)


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


# --- keys ------------------------------------------------------------------------------------------------


def _name_keys(
    published: Published, known: Sequence[KeyEntry], earlier: DroppedKeys, *, now: datetime
) -> list[KeyEntry]:
    """An entry for every key that signs something now, or did before: that one leaked can be noted again then, and
    none comes back under another name or spelling."""
    by_id = {entry.keyid: entry for entry in known}
    found: dict[KeyId, KeyEntry] = {}
    taken = {entry.name.casefold() for entry in known}
    for stem, keys in _signers(published):
        for keyid in keys.keyids:
            if keyid not in found:
                key = _own_key(published, keys, keyid)
                found[keyid] = by_id.get(keyid) or KeyEntry(_free_name(stem, taken), key, None, now)
    there = {key_identity(entry.key) for entry in found.values()}
    for keyid, each in earlier.dropped.items():
        if each.key is not None and key_identity(each.key) not in there:
            there.add(key_identity(each.key))
            entry = by_id.get(keyid) or KeyEntry(_free_name(f"former-{each.role}", taken), each.key, None, now)
            found[entry.keyid] = entry
    return sorted(found.values(), key=lambda entry: entry.name)


def _signers(published: Published) -> Iterator[tuple[str, RoleKeys]]:
    yield ROOT, published.top_level[ROOT]
    for role in (TIMESTAMP, SNAPSHOT):
        yield "online", published.top_level[role]
    yield "online", published.delegation.signers
    yield TARGETS, published.top_level[TARGETS]
    if published.former_key is not None:
        yield "online", root_roles(published.verifies_from.envelope)[TIMESTAMP]


def _own_key(published: Published, keys: RoleKeys, keyid: KeyId) -> PublicKey:
    key = keys.keys.get(keyid)
    if key is None or key.keyid != keyid:
        reason = f"it lists the key {keyid[:16]} in a form that is not rstuf's, which is not supported yet"
        raise InvalidMetadata(published.root.envelope.name, reason, hint=_FOREIGN)
    return key


def _free_name(stem: str, taken: set[str]) -> str:
    """`online`, then `online-2`; root and targets keys are counted from the first one on."""
    number = 1
    while True:
        name = stem if stem == "online" and number == 1 else f"{stem}-{number}"
        if name not in taken:
            taken.add(name)
            return name
        number += 1
