"""The roles of a state that is made anew, with their artifacts, as the one publication that brought all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from rstuf.errors import InvalidMetadata, InvalidRoleName, LimitExceeded, PathTwin
from rstuf.metadata.limits import TARGETS_BYTES, TARGETS_PAYLOAD_BYTES
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys
from rstuf.model.artifacts import ArtifactRow
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName, role_name
from rstuf.model.publication import PlannedRole, SignedRole
from rstuf.model.roles import FileFacts, NewRole, RoleKind
from rstuf.repository.ahead import Ahead
from rstuf.repository.batches import bins_by_people
from rstuf.repository.dropped_keys import online_ever
from rstuf.repository.former_signers import signed_alone
from rstuf.repository.interfaces import StateTransaction
from rstuf.repository.ports import Ports
from rstuf.repository.published import Entries, Published, holders, read_bins, read_holder
from rstuf.repository.published_files import PublishedFile, foreign, refused, versions_in
from rstuf.repository.published_tree import left_roles, roles_in_use
from rstuf.repository.rebuilt_life import Life
from rstuf.repository.renewal import JUMP
from rstuf.repository.targets_signers import take_people

UNANSWERED: Final = "nothing was rebuilt: run it again, which asks about that"
_RECORDED: Final = (RoleKind.TARGETS, RoleKind.DELEGATED)


@dataclass(frozen=True, slots=True)
class Brought:
    """What one published file is to the state.

    Attributes:
        lives_as: the role whose periods it has.
    """

    version: int
    file: FileFacts
    expires: datetime
    lives_as: str

    @classmethod
    def of(cls, file: PublishedFile, *, lives_as: str) -> Brought:
        """A file that was found to be good."""
        facts = FileFacts(len(file.data), sha256(file.data).hexdigest())
        return cls(file.envelope.version, facts, file.envelope.expires, lives_as)


def new_roles(published: Published, ahead: Ahead, highest: Mapping[str, int]) -> Iterator[NewRole]:
    """Every role that there is, and every name that was, holders before their bins.

    Args:
        highest: the highest version of each role that a file has. A publication that was given up leaves files of
            roles that no snapshot lists: their versions are used, too.
    """
    authority = published.authority
    bits = {holder: shared.bins.bits for holder, shared in authority.shared.items()}
    yield NewRole(ROOT, RoleKind.ROOT)
    yield NewRole(TARGETS, RoleKind.TARGETS, bin_bits=bits.get(TARGETS))
    yield NewRole(SNAPSHOT, RoleKind.SNAPSHOT)
    yield NewRole(TIMESTAMP, RoleKind.TIMESTAMP)
    for name in authority.named:
        yield NewRole(name, RoleKind.DELEGATED, bin_bits=bits.get(name))
    for holder, shared in authority.shared.items():
        bins = shared.bins
        yield from (NewRole(bins.name(each), RoleKind.BIN, holder=holder, index=each) for each in range(bins.count))
    left = _left(published, ahead)
    taken = {name.casefold() for name in (*roles_in_use(authority), *left)}
    yield from left_roles(left, authority, unlisted=_others(highest, taken))


def _left(published: Published, ahead: Ahead) -> dict[RoleName, int]:
    """Names that have left, and those that newer snapshots list, which clients may have seen: no snapshot drops one."""
    found = {name: max(published.version_of(name), ahead.listed.get(name, 0)) for name in published.left}
    taken = {name.casefold() for name in (*roles_in_use(published.authority), *found)}
    return found | _others(ahead.listed, taken)


def _others(listed: Mapping[str, int], taken: Collection[str]) -> dict[RoleName, int]:
    """What may be called so beside names that are taken, without regard to case; the first of two twins."""
    found, taken = dict[RoleName, int](), set(taken)
    for name, version in listed.items():
        with suppress(InvalidRoleName):
            if name.casefold() not in taken:
                found[role_name(name)] = version
                taken.add(name.casefold())
    return found


@dataclass(slots=True)
class Reading:
    """Reads every role once, and keeps what the state needs of each.

    Attributes:
        refused: keys for which nobody answered.
        brought: what was read so far, by role.
        artifacts: how many artifacts that were.
    """

    ports: Ports
    published: Published
    life: Life
    refused: Collection[KeyId]
    brought: dict[RoleName, Brought] = field(default_factory=dict)
    artifacts: int = 0

    def top_level(self) -> None:
        """Snapshot, timestamp and the periods of root."""
        self.life.learn(ROOT, self.published.root.envelope.expires)
        for name, file in ((SNAPSHOT, self.published.snapshot), (TIMESTAMP, self.published.timestamp)):
            self._bring(name, file, lives_as=name)

    def artifacts_into(self, state: StateTransaction, *, number: int) -> None:
        """Every other role, and its artifacts under a change number.

        Raises:
            InvalidMetadata: a role is missing or forged, or lists what rstuf would not.
        """
        entries = Entries.of(self.published)
        for holder in holders(self.published):
            rows = self._rows(entries, holder)
            try:
                result = state.put_artifacts(
                    holder, rows, number=number, replace=False, role_limit=TARGETS_PAYLOAD_BYTES
                )
            except (PathTwin, LimitExceeded) as error:
                raise foreign(f"{holder}.json", error.message) from None
            self.artifacts += result.added

    def _rows(self, entries: Entries, holder: RoleName) -> Iterator[ArtifactRow]:
        metadata, authority = self.ports.metadata, self.published.authority
        file, shared = read_holder(metadata, self.published, holder), authority.shared.get(holder)
        if holder in authority.named:
            self._refuse_unanswered(file, authority.named[holder])
        self._bring(holder, file, lives_as=holder)
        if shared is None:
            yield from entries.rows_of(file, holder)
            return
        for index, each in enumerate(read_bins(metadata, self.published, holder)):
            self._refuse_unanswered(each, shared.signers)
            self._bring(shared.bins.name(index), each, lives_as=shared.bins.prefix)
            yield from entries.rows_of(each, holder, index)

    def _bring(self, name: RoleName, file: PublishedFile, *, lives_as: str) -> None:
        self.brought[name] = Brought.of(file, lives_as=lives_as)
        self.life.learn(lives_as, file.envelope.expires)
        self.ports.progress.advance()

    def _refuse_unanswered(self, file: PublishedFile, keys: RoleKeys) -> None:
        if signed_alone(file, keys, self.refused):
            raise InvalidMetadata(file.envelope.name, "a key signed it that root does not name", hint=UNANSWERED)


def record_roots(state: StateTransaction, published: Published, life: Life) -> None:
    """Every root, as it was published."""
    for root in published.roots:
        version, expires = root.envelope.version, root.envelope.expires
        signed_at, sign_by = life.signed_at(ROOT, expires), life.sign_by(ROOT, expires)
        state.record_root(version, root.data, signed_at=signed_at, expires=expires, sign_by=sign_by)
        state.settle_root(version)


def record_publication(state: StateTransaction, reading: Reading, *, number: int) -> int:
    """One publication that brought all that is visible, at the versions that it is visible at."""
    published, brought, life = reading.published, reading.brought, reading.life
    for name, file in brought.items():
        # Timestamp takes the version after the last; the others are given theirs.
        state.burn_versions(name, file.version - (name == TIMESTAMP))
    roles = [role for role in state.roles() if role.name in brought]
    reserved = {role.id: brought[role.name].version for role in roles if role.kind is not RoleKind.TIMESTAMP}
    signed = [life.signed_at(file.lives_as, file.expires) for file in brought.values()]
    evidence = max([*signed, life.signed_at(ROOT, published.root.envelope.expires)])
    publication = state.stage_publication([(role, number) for role in roles], begun=evidence, reserved=reserved)
    planned = [role for role, _ in state.publication_roles(publication.id)]
    by_people = frozenset(bins_by_people(published.authority))
    recorded = {role.name for role in planned if role.kind in _RECORDED or role.name in by_people}
    state.record_files(publication.id, [_signed(role, reading) for role in planned if role.name not in recorded])
    for role in planned:
        if role.name in recorded:
            # One at a time: together they can be larger than memory.
            state.record_files(publication.id, [_signed(role, reading, data=_bytes_of(role, reading))])
    state.commit_publication(publication.id, timestamp=published.timestamp.data)
    state.settle_publication(publication.id, committed=life.now)
    return publication.id


def _bytes_of(role: PlannedRole, reading: Reading) -> bytes:
    """The file that was read and verified."""
    name, facts = versioned(role.name, role.version), reading.brought[role.name].file
    data = reading.ports.metadata.read(name, limit=TARGETS_BYTES)
    if sha256(data).hexdigest() != facts.sha256:
        raise refused(name, "it was replaced meanwhile")
    return data


def _signed(role: PlannedRole, reading: Reading, *, data: bytes | None = None) -> SignedRole:
    file, life = reading.brought[role.name], reading.life
    return SignedRole(
        role,
        file.file,
        signed_at=life.signed_at(file.lives_as, file.expires),
        expires=file.expires,
        sign_by=life.sign_by(file.lives_as, file.expires),
        data=data,
        delegates=role.name in reading.published.authority.delegators,
    )


def older_files(
    files: Iterable[str], published: Published, brought: Mapping[RoleName, Brought]
) -> list[tuple[RoleName, int]]:
    """What lies there under names that roles of this repository could have had, and that clients need no more."""
    visible = {str(name): file.version for name, file in brought.items() if name != TIMESTAMP}
    left = dict.fromkeys(map(str, published.left), 0)
    known = left | visible
    return [(RoleName(role), version) for role, version in versions_in(files) if known.get(role, version) != version]


def jump(state: StateTransaction, brought: Collection[RoleName], highest: Mapping[str, int], ahead: Ahead) -> None:
    """Versions once used are never used again, and files of those that were given up may be gone: go far above."""
    # Each snapshot came with a timestamp, of which nothing is left.
    used = {TIMESTAMP: ahead.snapshot, **highest}
    for role in state.roles():
        if role.name in brought or role.retired:
            taken = max(used.get(role.name, 0), ahead.listed.get(role.name, 0))
            state.burn_versions(role.name, max(taken - role.version, 0) + JUMP)


def force(state: StateTransaction, published: Published) -> None:
    """Clients may have seen more than what lies there: the next publication brings all that is signed online."""
    people = people_sign(published)
    found = [role for role in state.roles() if role.kind is not RoleKind.ROOT and role.name not in people]
    state.force_roles([role.id for role in found if not role.retired])


def people_sign(published: Published) -> tuple[RoleName, ...]:
    """Targets, delegated roles and bins that nobody but people can sign: nothing here goes above what clients have
    seen."""
    keys = {TARGETS: published.top_level[TARGETS], **published.authority.named}
    online, now = online_ever(published), published.top_level[TIMESTAMP]
    found = [
        name
        for name, each in keys.items()
        if take_people(each, online=now) and (name == TARGETS or not set(each.keyids) <= online)
    ]
    return (*found, *bins_by_people(published.authority))


def older_by_people(published: Published, ahead: Ahead) -> tuple[RoleName, ...]:
    """Those of them of which clients may have seen a newer version."""
    return tuple(name for name in people_sign(published) if ahead.listed.get(name, 0) > published.version_of(name))
