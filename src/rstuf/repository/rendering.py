"""What a release consists of, rendered role by role: memory holds one of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from rstuf.errors import InvalidMetadata, StateDamaged
from rstuf.metadata import render
from rstuf.metadata.listing import Listing
from rstuf.metadata.render import SignedFile, Unsigned
from rstuf.metadata.views import RoleKeys
from rstuf.model.artifacts import SLOT_BITS
from rstuf.model.names import SNAPSHOT, RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.model.publication import PlannedRole, Publication, SignedRole
from rstuf.model.roles import FileFacts, RoleKind, RoleState
from rstuf.repository.authority import Authority, is_recorded_file
from rstuf.repository.interfaces import StateReader
from rstuf.repository.reports import Reason

# The roles that snapshot lists.
LISTED: Final = frozenset({RoleKind.TARGETS, RoleKind.BIN, RoleKind.DELEGATED})
# Those of them whose bytes are recorded.
_RECORDED: Final = LISTED - {RoleKind.BIN}
_OURS: Final = frozenset({"_type", "delegations", "expires", "spec_version", "targets", "version"})
_ALL_SLOTS: Final = (0, (1 << SLOT_BITS) - 1)
# Bins are due at different times within this part of their life before the sign-by period, so that renewals spread.
_SPREAD: Final = 3


@dataclass(frozen=True, slots=True)
class Signed:
    """A file that people have signed, and the change number up to which it lists its artifacts."""

    file: SignedFile
    number: int


@dataclass(frozen=True, slots=True)
class Part:
    """A role that a publication brings anew: the change number it is rendered at, and why it is there.

    Attributes:
        signed: the file, where people have signed it already; nothing is rendered then.
    """

    role: RoleState
    number: int
    reason: Reason
    signed: SignedFile | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One publication under way: what was staged, what is needed to render and sign it, and what snapshot lists now.

    Attributes:
        also: for roles that are bridged, who signs them beside those whom root names.
        moved: how many artifacts more or less each role lists because delegations change; None where they do not.
        by_people: the bins that people sign.
    """

    publication: Publication
    parts: Mapping[int, Part]
    planned: tuple[PlannedRole, ...]
    authority: Authority
    periods: Mapping[str, Periods]
    now: datetime
    visible_listing: Listing
    also: Mapping[RoleName, RoleKeys] = field(default_factory=dict)
    moved: Mapping[RoleName, int] | None = None
    by_people: Set[RoleName] = frozenset()

    def signed_by_people(self, planned: PlannedRole) -> SignedFile | None:
        """The file of a role that people have signed already."""
        return self.parts[planned.id].signed


def rendered(
    release: Release, reader: StateReader, done: Mapping[RoleName, SignedRole]
) -> Iterator[tuple[PlannedRole, Unsigned]]:
    """The roles of a release in their order, each rendered when its turn comes; `done` holds those before it."""
    bins = [
        planned
        for planned in release.planned
        if planned.kind is RoleKind.BIN and release.signed_by_people(planned) is None
    ]
    for planned in release.planned:
        if planned.kind in _RECORDED and release.signed_by_people(planned) is None:
            yield planned, _delegator(release, reader, planned)
    for planned, entries in _bin_contents(release, reader, bins):
        _check_count(release.parts[planned.id], len(entries), release.moved)
        expires = _expiry(release, planned)
        yield planned, render.bin_part(planned.name, version=planned.version, expires=expires, entries=entries)
    snapshot_version, snapshot_facts = _visible_snapshot(reader)
    for planned in release.planned:
        if planned.kind is RoleKind.SNAPSHOT:
            brought = {each.name: each.version for each in release.planned if each.kind in LISTED}
            listing = release.visible_listing.with_versions(brought)
            expires = _expiry(release, planned)
            yield planned, render.snapshot_part(version=planned.version, expires=expires, listing=listing)
            snapshot_version, snapshot_facts = planned.version, done[SNAPSHOT].file
    planned = release.planned[-1]
    if snapshot_facts is None:
        raise InvalidMetadata("snapshot", "there is none that timestamp could name")
    yield (
        planned,
        render.timestamp_part(
            version=planned.version,
            expires=_expiry(release, planned),
            snapshot_version=snapshot_version,
            snapshot=snapshot_facts,
        ),
    )


def _delegator(release: Release, reader: StateReader, planned: PlannedRole) -> Unsigned:
    return role_part(
        reader,
        release.authority,
        release.parts[planned.id],
        version=planned.version,
        expires=_expiry(release, planned),
        moved=release.moved,
    )


def role_part(
    reader: StateReader,
    authority: Authority,
    part: Part,
    *,
    version: int,
    expires: datetime,
    moved: Mapping[RoleName, int] | None = None,
) -> Unsigned:
    """A role that delegates, or may: what it says of others, and the artifacts that it lists itself; or one bin.

    Args:
        moved: how many artifacts more or less each role lists because delegations change, as they are begun to.

    Raises:
        StateDamaged: a part of the state is older than the rest.
    """
    if part.role.kind is RoleKind.BIN:
        return _one_bin(reader, authority, part, version=version, expires=expires, moved=moved)
    role, said = part.role, authority.delegators.get(part.role.name)
    # What is in bins is listed there, also where another role takes these over with this publication.
    holds = role.name not in authority.shared and role.bin_bits is None
    entries = list(_contents(reader, role.id, *_ALL_SLOTS, number=part.number, moved=moved)) if holds else []
    listed: list[tuple[str, bytes]] = [row[1:] for row in entries]
    if holds:
        _check_count(part, len(listed), moved)
    said = said or _foreign_fields(reader, role)
    if said is None:
        return render.bin_part(role.name, version=version, expires=expires, entries=listed)
    return render.delegator_part(role.name, said, version=version, expires=expires, entries=listed)


def _one_bin(
    reader: StateReader,
    authority: Authority,
    part: Part,
    *,
    version: int,
    expires: datetime,
    moved: Mapping[RoleName, int] | None,
) -> Unsigned:
    """A bin that is rendered by itself, so that people can sign it."""
    role = part.role
    if role.index is None or role.holder is None:
        raise InvalidMetadata(role.name, "it is a bin without an index")
    low, high = authority.bins_with(role.name).bins.slots(role.index)
    entries = list(_contents(reader, role.holder, low, high, number=part.number, moved=moved))
    _check_count(part, len(entries), moved)
    return render.bin_part(role.name, version=version, expires=expires, entries=[row[1:] for row in entries])


def _foreign_fields(reader: StateReader, role: RoleState) -> Mapping[str, Any] | None:
    """What a role says beside its artifacts, as others made it elsewhere with fields of their own; None else."""
    data = reader.delegator(role.name, role.visible) if role.kind is RoleKind.DELEGATED and role.visible else None
    if data is None or not is_recorded_file(role, data):
        return None
    # It was read strictly when it came.
    signed: dict[str, Any] = orjson.loads(data)["signed"]
    if signed.keys() <= _OURS:
        return None
    return {**signed, "spec_version": render.SPEC_VERSION}


def _contents(
    reader: StateReader, holder: int, low: int, high: int, *, number: int, moved: Mapping[RoleName, int] | None
) -> Iterator[tuple[int, TargetPath, bytes]]:
    """What a role lists, as it is to be."""
    if moved is None:
        return reader.contents(holder, low, high, number=number)
    return reader.coming_contents(holder, low, high, number=number)


def _check_count(part: Part, artifacts: int, moved: Mapping[RoleName, int] | None) -> None:
    """Rows and counts change together: where they differ, a part of the state is older than the rest.

    Raises:
        StateDamaged: they differ, so artifacts would disappear, or come back.
    """
    role, expected = part.role, part.role.artifacts + (moved or {}).get(part.role.name, 0)
    if part.number >= role.newest and artifacts != expected:
        raise StateDamaged(
            "of this repository", f"{role.name} should hold {expected} artifacts and its rows are {artifacts}"
        )


def _visible_snapshot(reader: StateReader) -> tuple[int, FileFacts | None]:
    role = reader.role(SNAPSHOT)
    return role.visible, role.file


def _bin_contents(
    release: Release, reader: StateReader, bins: Sequence[PlannedRole]
) -> Iterator[tuple[PlannedRole, list[tuple[str, bytes]]]]:
    """Each bin with what it holds, read in one scan for each run of neighbours at one number."""
    start = 0
    while start < len(bins):
        end = start + 1
        while end < len(bins) and _follows(release, bins[end - 1], bins[end]):
            end += 1
        run = bins[start:end]
        layout = release.authority.bins_with(run[0].name).bins
        low, high = layout.slots(_index(run[0]))[0], layout.slots(_index(run[-1]))[1]
        holder = _holder(release, run[0]) or 0
        rows = _contents(reader, holder, low, high, number=run[0].number, moved=release.moved)
        yield from _shared_out(run, rows, SLOT_BITS - layout.bits)
        start = end


def _follows(release: Release, before: PlannedRole, after: PlannedRole) -> bool:
    """Whether two bins are neighbours that can be read together."""
    together = before.number == after.number and _holder(release, before) == _holder(release, after)
    return together and _index(before) + 1 == _index(after)


def _holder(release: Release, planned: PlannedRole) -> int | None:
    return release.parts[planned.id].role.holder


def _index(planned: PlannedRole) -> int:
    if planned.index is None:
        raise InvalidMetadata(planned.name, "it is a bin without an index")
    return planned.index


def _shared_out(
    run: Sequence[PlannedRole], rows: Iterator[tuple[int, TargetPath, bytes]], shift: int
) -> Iterator[tuple[PlannedRole, list[tuple[str, bytes]]]]:
    """`rows`, in the order of their slots, shared out over neighbouring bins."""
    current = next(rows, None)
    for planned in run:
        entries: list[tuple[str, bytes]] = []
        while current is not None and current[0] >> shift == planned.index:
            entries.append(current[1:])
            current = next(rows, None)
        yield planned, entries


def _periods(release: Release, planned: PlannedRole) -> Periods:
    if planned.kind is RoleKind.BIN:
        return release.periods[release.authority.bins_with(planned.name).bins.prefix]
    return release.periods[planned.name]


def _expiry(release: Release, planned: PlannedRole) -> datetime:
    return release.now + _periods(release, planned).expires


def record_of(release: Release, planned: PlannedRole, file: SignedFile) -> SignedRole:
    """What the state keeps of a signed role.

    A bin's sign-by date comes earlier by a part that its index gives, so that bins that were signed together are not
    due together. Those that people sign are, so that these are asked once; and their bytes are kept.
    """
    periods = _periods(release, planned)
    early = timedelta(0)
    by_people = planned.name in release.by_people
    if planned.kind is RoleKind.BIN and not by_people:
        # The fractional part of multiples of the golden ratio spreads any run of indexes evenly.
        share = (_index(planned) * 0.6180339887498949) % 1.0
        early = timedelta(seconds=int(share * (periods.expires - periods.renew_before).total_seconds() / _SPREAD))
    signed_at = release.now
    if release.signed_by_people(planned) is not None:
        # It lives from when it was given to them.
        signed_at = min(signed_at, file.expires - periods.expires)
    return SignedRole(
        planned=planned,
        file=file.facts,
        signed_at=signed_at,
        expires=file.expires,
        sign_by=file.expires - periods.renew_before - early,
        data=file.data if planned.kind in _RECORDED or by_people else None,
        delegates=planned.name in release.authority.delegators,
    )
