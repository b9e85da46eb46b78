"""A release: the one way in which clients come to see anything new.

Invariant: at every instant, all that is reachable from the visible timestamp exists, never changes, verifies from the
visible root, and is not older than what was visible before; snapshot never drops a name that it has listed.

From it follows the order, which `bring_out` keeps: versions are taken durably before any file is written (a version is
never used twice), files are durable under names that are written once before anything points to them, the release is
checked from the storage as a client would, the timestamp's bytes are in the state before the timestamp is replaced
(from then on the publication is completed, never abandoned), and the state calls things published only afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rstuf.errors import PathsDisputed, PathsNotDelegated, RstufError
from rstuf.metadata import limits, release_check, render
from rstuf.metadata.render import SignedFile
from rstuf.metadata.views import RoleKeys, read_signatures
from rstuf.model.names import SNAPSHOT, TIMESTAMP, RoleName
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, SignedRole
from rstuf.model.roles import RoleKind
from rstuf.model.rotation import RotationKind
from rstuf.progress import step
from rstuf.repository.authority import Authority, SigningDesk, load_authority
from rstuf.repository.batches import bins_by_people
from rstuf.repository.bridge import bridges
from rstuf.repository.client_guard import refuse_misread, refuse_unreadable, shape_of
from rstuf.repository.forced import forced_parts
from rstuf.repository.interfaces import StateReader, StateTransaction, Watch
from rstuf.repository.known_keys import note_found
from rstuf.repository.mending import check_recorded
from rstuf.repository.ports import UNWATCHED, Ports
from rstuf.repository.rendering import LISTED, Part, Release, record_of, rendered
from rstuf.repository.reports import PublicationReport, Reason, RoleChange
from rstuf.repository.routing import late_moves, refuse_misplaced
from rstuf.repository.visible import TIMESTAMP_FILE, visible_listing


def bring_out(
    ports: Ports,
    parts: Sequence[Part],
    *,
    proposed: Mapping[RoleName, Mapping[str, Any]] | None = None,
    also: Mapping[RoleName, RoleKeys] | None = None,
    resized: RoleName | None = None,
    moved: Mapping[RoleName, int] | None = None,
    periods: Mapping[str, Periods] | None = None,
) -> PublicationReport:
    """Publish new versions of `parts`, with snapshot and timestamp as they follow. Under the publication lock.

    What clients may have seen more of than is visible comes out with them; see `forced`.

    Args:
        proposed: what roles that delegate say, where that is not what they say now.
        also: who must sign beside those whom root names; None for those whom a rotation that goes on asks for.
        resized: the role whose artifacts are shared out over other bins with it; `parts` has all of these.
        moved: with another tree of delegations, how many artifacts more (or less) each role lists by it.
        periods: how long roles live, where that is not what the state says now.

    Raises:
        ClientsExcluded: a client that has to be able to read it could not; clients see what they saw.
        SigningError: a key cannot be reached; nothing was staged.
        PathsNotDelegated, PathsDisputed: what was accepted meanwhile would have no place.
        StorageError, ReleaseRefused: clients still see what they saw; versions taken are burnt.
    """
    with ports.state.read() as reader, ExitStack() as stack:
        authority = load_authority(reader, ports.metadata, proposed=proposed)
        desk = SigningDesk(reader, ports.signers)
        if resized is None:
            parts = [*parts, *forced_parts(reader, desk, authority, beside=parts)]
        parts = with_followers(reader, parts)
        now, lives = ports.signing_time(reader), dict(reader.periods())
        lives.update(periods or {})
        also = bridges(reader, now=now) if also is None else also
        if ports.clients:
            refuse_unreadable(ports.clients, shape_of(reader, authority, parts, moved=moved))
        for part in parts:
            if part.signed is None:
                desk.signers(part.role.name, authority.role_keys(part.role.name, part.role.kind))
                if part.role.name in also:
                    desk.signers(part.role.name, also[part.role.name])
        watch = _watching(ports, authority, parts, stack)

        with ports.state.transaction(actor=ports.actor) as state:
            reserved = {part.role.id: part.signed.version for part in parts if part.signed is not None}
            staged_roles = [(part.role, part.number) for part in parts]
            publication = state.stage_publication(
                staged_roles, begun=now, reserved=reserved, resized=resized, handover=moved is not None
            )
        try:
            # A view from after the staging: it holds the versions just taken, and every change up to their number.
            with ports.state.read() as staged:
                versions = {role.id: role for role, _ in staged.publication_roles(publication.id)}
                planned = tuple(versions[part.role.id] for part in parts)
                by_id = {part.role.id: part for part in parts}
                listing = visible_listing(ports, staged)
                by_people = frozenset(bins_by_people(authority))
                release = Release(publication, by_id, planned, authority, lives, now, listing, also, moved, by_people)
                written = _write(ports, release, staged, desk, watch)
                _check(ports, release, staged, written)
        except BaseException:
            # An interrupted process leaves the same behind; recovery does then what is done here.
            _abandon(ports, publication.id)
            raise
        return _commit(ports, release, written)


def with_followers(reader: StateReader, parts: Sequence[Part]) -> list[Part]:
    """`parts` in the order of writing, with snapshot where a listed role changes, and timestamp always."""
    listed = sorted((part for part in parts if part.role.kind in LISTED), key=_order)
    given = {part.role.name: part for part in parts}
    following = []
    snapshot = given.get(SNAPSHOT)
    if snapshot is None and listed:
        snapshot = Part(reader.role(SNAPSHOT), 0, Reason.FOLLOWS)
    if snapshot is not None:
        following.append(snapshot)
    following.append(given.get(TIMESTAMP) or Part(reader.role(TIMESTAMP), 0, Reason.FOLLOWS))
    return [*listed, *following]


@dataclass(frozen=True, slots=True)
class _Written:
    """What a release has on the storage.

    Attributes:
        roles: each role's record, in the order of writing.
        timestamp: the timestamp to come.
        good: sha256 of files whose signatures a witness has checked.
    """

    roles: tuple[SignedRole, ...]
    timestamp: bytes
    good: Set[str]


def _order(part: Part) -> tuple[bool, int, int, int]:
    role = part.role
    return role.kind is not RoleKind.TARGETS, role.holder or 0, role.index if role.index is not None else -1, role.id


def _watching(ports: Ports, authority: Authority, parts: Sequence[Part], stack: ExitStack) -> Watch:
    """Who looks at the bins of a release while they are written."""
    watched = _watched(authority)
    if watched is None:
        return UNWATCHED
    bins = sum(part.role.kind is RoleKind.BIN for part in parts)
    return stack.enter_context(ports.witness.watching(watched, files=bins))


def _watched(authority: Authority) -> RoleKeys | None:
    """Those whose bins a witness looks at: they are many, and have the same signers."""
    return authority.bins.signers if authority.bins is not None else None


def _write(ports: Ports, release: Release, reader: StateReader, desk: SigningDesk, watch: Watch) -> _Written:
    """Render and sign every role; write all but timestamp under their versioned names, durable together."""
    ports.metadata.prepare()
    roles: list[SignedRole] = []
    facts: dict[RoleName, SignedRole] = {}
    timestamp = b""
    total, watched = len(release.planned), _watched(release.authority)
    with step(ports.progress, "signing", total=total, unit="roles"), ports.metadata.batch() as batch:
        for planned, file in _files(release, reader, desk, facts):
            if ports.clients and planned.kind in LISTED:
                refuse_misread(ports.clients, planned.name, file.data)
            if planned.kind is RoleKind.TIMESTAMP:
                timestamp = file.data
            else:
                batch.create(file.file_name, file.data)
            record = record_of(release, planned, file)
            roles.append(record)
            if planned.kind is not RoleKind.BIN:
                facts[planned.name] = record
            elif release.authority.role_keys(planned.name, planned.kind) == watched:
                watch.show(file)
            ports.progress.advance()
        batch.commit()
    return _Written(tuple(roles), timestamp, watch.found_good())


def _files(
    release: Release, reader: StateReader, desk: SigningDesk, facts: Mapping[RoleName, SignedRole]
) -> Iterator[tuple[PlannedRole, SignedFile]]:
    """The files of a release in their order: what people have signed, then each as it is rendered and signed."""
    for planned in release.planned:
        file = release.signed_by_people(planned)
        if file is not None:
            yield planned, file
    for planned, unsigned in rendered(release, reader, facts):
        keys, also = release.authority.role_keys(planned.name, planned.kind), release.also.get(planned.name)
        yield planned, desk.sign(unsigned, keys, also=also)


def _check(ports: Ports, release: Release, reader: StateReader, written: _Written) -> None:
    """Judge the release by the bytes on the storage, as a client that holds the visible state would."""
    authority, now = release.authority, ports.clock.now()
    parts = {part.role.name: part.role for part in release.parts.values() if part.role.kind is not RoleKind.BIN}
    named = release_check.check_timestamp(
        written.timestamp, visible_version=parts[TIMESTAMP].visible, keys=authority.top_level[TIMESTAMP], now=now
    )
    snapshot = reader.role(SNAPSHOT)
    version = named["version"]
    listed = release_check.check_snapshot(
        ports.metadata.read(render.versioned(SNAPSHOT, version), limit=limits.SNAPSHOT_WITH_LENGTH_BYTES),
        named=named,
        visible_version=snapshot.visible,
        visible_listing=release.visible_listing,
        keys=authority.top_level[SNAPSHOT],
        now=now,
    )
    check_recorded(ports, reader)
    _check_bridges(ports, release, written)
    claims = [
        (release_check.claim_of(role, listed=listed, now=now), role.planned.kind)
        for role in written.roles
        if role.planned.kind in LISTED
    ]
    with step(ports.progress, "checking", total=len(claims), unit="roles"):
        for claim, kind in claims:
            data = ports.metadata.read(claim.file_name, limit=limits.TARGETS_BYTES)
            is_good = kind is RoleKind.BIN and claim.sha256 in written.good
            keys = None if is_good else authority.role_keys(RoleName(claim.role), kind)
            release_check.check_claim(claim, data, keys=keys)
            ports.progress.advance()


def _check_bridges(ports: Ports, release: Release, written: _Written) -> None:
    """Clients of either root must find what they trust signed."""
    for role in written.roles:
        keys = release.also.get(role.planned.name)
        if keys is None:
            continue
        if role.planned.kind is RoleKind.TIMESTAMP:
            data = written.timestamp
        else:
            name = render.versioned(role.planned.name, role.planned.version)
            data = ports.metadata.read(name, limit=role.file.length)
        release_check.check_signed(role.planned.name, data, keys=keys)


def _abandon(ports: Ports, publication: int) -> None:
    with suppress(RstufError), ports.state.transaction(actor=ports.actor) as state:
        state.abandon_publication(publication)
        state.record("publication.abandon", {"publication": publication}, at=ports.clock.now())


def _commit(ports: Ports, release: Release, written: _Written) -> PublicationReport:
    """Make the release visible, and only then call it so."""
    publication = release.publication
    try:
        with ports.state.transaction(actor=ports.actor) as state:
            handover = state.handover_number(publication.id)
            if handover is not None:
                refuse_misplaced(release.authority, state, after=handover)
            state.record_files(publication.id, written.roles)
            state.commit_publication(publication.id, timestamp=written.timestamp)
            _note_found(state, written, at=ports.clock.now())
    except (PathsNotDelegated, PathsDisputed):
        _abandon(ports, publication.id)
        raise
    ports.metadata.replace(TIMESTAMP_FILE, written.timestamp)
    settle(ports, publication.id, signed_at=release.now, roles=len(written.roles))
    changes = tuple(
        RoleChange(
            name=role.planned.name,
            previous=release.parts[role.planned.id].role.visible,
            version=role.planned.version,
            reason=release.parts[role.planned.id].reason,
            length=role.file.length,
        )
        for role in written.roles
    )
    return PublicationReport(
        published=True,
        timestamp_version=publication.timestamp_version,
        roles=changes,
        length=sum(role.file.length for role in written.roles),
    )


def _note_found(state: StateTransaction, written: _Written, *, at: datetime) -> None:
    """Whoever signs timestamp is not lost; of one that another key takes the place of for that, what was said stays."""
    rotation = state.rotation()
    goes = None if rotation is None or rotation.kind is RotationKind.PLANNED else rotation.old
    for each in read_signatures(written.timestamp):
        if each.keyid != goes:
            note_found(state, each.keyid, at=at)


def settle(ports: Ports, publication: int, *, signed_at: datetime | None, roles: int) -> None:
    """Record that clients see a publication whose timestamp was replaced."""
    now = ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        handover = state.handover_number(publication)
        state.settle_publication(publication, committed=now)
        if handover is not None:
            state.end_handover(late_moves(ports, state, after=handover))
        if signed_at is not None:
            state.note_evidence(signed_at)
        visible = state.role(TIMESTAMP).visible
        state.record("publish", {"publication": publication, "roles": roles, "timestamp": visible}, at=now)
