"""Bins that people sign: what of a role's bins is to be signed together, the whole batch in one event.

Who signs bins is said by the role that shares its artifacts out over them, and nowhere else. People sign only bins of
roles that they are delegated to by name; all others are for the online key, whatever it is called there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from rstuf.metadata.views import RoleKeys
from rstuf.model.artifacts import SLOT_BITS
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import BinSigners, Periods
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import SUCCESSOR, Authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.rendering import Part
from rstuf.repository.reports import WaitingRole
from rstuf.repository.targets_signers import take_people

_ALL = (0, (1 << SLOT_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Bins of one role that are to be signed.

    Attributes:
        holder: the role that shares its artifacts out over them.
        prefix: what they are called together.
        by_people: whether it takes people to sign them.
    """

    holder: RoleName
    prefix: RoleName
    keys: RoleKeys
    by_people: bool
    parts: tuple[Part, ...]


def people_sign_bins(authority: Authority, holder: RoleName) -> bool:
    """Whether it takes people to sign the bins of a role; of one that has none, no."""
    bins = authority.shared.get(holder)
    if bins is None or holder in {TARGETS, SUCCESSOR}:
        return False
    return take_people(bins.signers, online=authority.top_level[TIMESTAMP])


def bin_signers_of(authority: Authority, holder: RoleName) -> BinSigners | None:
    """Who signs the bins of a role; None where it has none."""
    if holder not in authority.shared:
        return None
    return BinSigners.ROLE if people_sign_bins(authority, holder) else BinSigners.ONLINE


def signed_by_people(authority: Authority, name: RoleName) -> bool:
    """Whether it takes people to sign targets, a role below it, or a bin; of what nobody delegates to, no."""
    holder = authority.holder_of(name)
    if holder is not None:
        return people_sign_bins(authority, holder)
    keys = authority.signers_of(name)
    return keys is not None and take_people(keys, online=authority.top_level[TIMESTAMP])


def bins_by_people(authority: Authority, holders: Collection[RoleName] | None = None) -> list[RoleName]:
    """The names of all bins that people sign.

    Args:
        holders: only those of these roles.
    """
    return [
        shared.bins.name(index)
        for holder, shared in authority.shared.items()
        if (holders is None or holder in holders) and people_sign_bins(authority, holder)
        for index in range(shared.bins.count)
    ]


def other_signers(before: Authority, after: Authority) -> list[RoleName]:
    """The bins that stay as they are, and that others have to sign, where these or those before are people."""
    return [
        shared.bins.name(index)
        for holder, shared in after.shared.items()
        if (old := before.shared.get(holder)) is not None and old.bins == shared.bins and old != shared
        if people_sign_bins(before, holder) or people_sign_bins(after, holder)
        for index in range(shared.bins.count)
    ]


def batches(authority: Authority, parts: Iterable[Part]) -> Iterator[Batch]:
    """The bins among some parts, by the role that shares its artifacts out over them."""
    found: dict[int | None, list[Part]] = {}
    for part in parts:
        if part.role.kind is RoleKind.BIN:
            found.setdefault(part.role.holder, []).append(part)
    for some in found.values():
        holder = authority.holder_of(some[0].role.name)
        if holder is not None:
            shared = authority.shared[holder]
            by_people = people_sign_bins(authority, holder)
            yield Batch(holder, RoleName(shared.bins.prefix), shared.signers, by_people, tuple(some))


def event_of_bins(reader: StateReader, holder: RoleName) -> SigningEvent | None:
    """The open event in which bins of a role wait, be they those that there are or others to come; one at most."""
    own = reader.role(holder).id
    for event in reader.open_events():
        if event.kind is not EventKind.CEREMONY and any(_is_of(reader, part.role, own) for part in event.parts):
            return event
    return None


def _is_of(reader: StateReader, name: RoleName, holder: int) -> bool:
    return name not in {ROOT, TARGETS} and reader.role(name).holder == holder


def event_of(reader: StateReader, waiting: WaitingRole) -> SigningEvent | None:
    """The open event in which a role waits, or bins do."""
    if waiting.holder is not None:
        return event_of_bins(reader, waiting.holder)
    return next((each for each in reader.open_events() if any(part.role == waiting.name for part in each.parts)), None)


def place_of(authority: Authority, role: RoleState) -> tuple[int, int, int]:
    """Where the artifacts are that a role lists itself: whose they are, and their first and last slot."""
    holder = authority.holder_of(role.name) if role.kind is RoleKind.BIN else None
    if holder is None or role.holder is None or role.index is None:
        return role.id, *_ALL
    return role.holder, *authority.shared[holder].bins.slots(role.index)


def periods_of(authority: Authority, role: RoleState, periods: Mapping[str, Periods]) -> Periods:
    """How long a role lives; bins have periods under their prefix."""
    holder = authority.holder_of(role.name) if role.kind is RoleKind.BIN else None
    known = periods.get(role.name if holder is None else authority.shared[holder].bins.prefix)
    return periods[TARGETS] if known is None else known
