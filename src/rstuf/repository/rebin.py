"""Another number of bins, while everybody reads on: one publication brings targets and all new bins.

No artifact is touched: a bin is a range of slots (see `rstuf.state.resizes`). The bins that were there keep their names
in snapshot and their files, so that clients of any age find what they look for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from rstuf.errors import DelegationNotFound, InvalidInput, InvalidPolicy
from rstuf.metadata.bins import PREFIX, Bins
from rstuf.metadata.render import renewed_part
from rstuf.metadata.root import Signatories, targets_over_bins, with_bins
from rstuf.model import policy
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import check_bin_count
from rstuf.model.roles import RoleState
from rstuf.repository.authority import SUCCESSOR, Authority, load_authority, open_online_key
from rstuf.repository.bin_layout import bring_bins, new_names, refuse_large
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.open_events import is_open, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.readiness import get_ready
from rstuf.repository.reports import PublicationReport
from rstuf.repository.signing_events import drop_event, open_event, refuse_undropped
from rstuf.repository.targets_signers import take_people


@dataclass(frozen=True, slots=True)
class ResizeReport:
    """What became of a resize.

    Attributes:
        before, after: how many bins there were, and how many are wanted.
        publication: what it published; None where there were as many already, or people have to sign targets first.
        waits: the event in which they do.
    """

    before: int
    after: int
    publication: PublicationReport | None
    waits: EventView | None


def resize_bins(
    ports: Ports,
    count: int,
    *,
    role: RoleName | None = None,
    allow_large: bool = False,
    drop: Collection[SigningEvent] = (),
) -> ResizeReport:
    """Share artifacts out over another number of bins; what was accepted before comes out with it.

    Args:
        role: whose artifacts; it may have no bins yet. None for those that no named delegation is for.
        allow_large: also so many that some clients cannot read the snapshot any more.
        drop: an open event of that role that is cancelled for it, as whoever says so saw it.

    Raises:
        InvalidPolicy: there can be no such number, or snapshot would list too many names.
        InvalidInput: the role has no bins, and cannot.
        DelegationNotFound: there is no such role.
        LimitExceeded: a bin would be larger than clients read; nothing was changed.
        EventOpen: an event of the role is open.
        SigningError: the online key cannot be reached; nothing was changed.
        StorageError, ReleaseRefused: clients still see what they saw.
    """
    bits = check_bin_count(count, allow_large=allow_large)
    with ports.state.publication_lock(purpose="bins resize"):
        get_ready(ports)
        with ports.state.read() as reader:
            authority = load_authority(reader, ports.metadata)
            holder = authority.catch_all if role is None else role
            state = _role(reader, authority, holder)
            before = authority.shared.get(holder)
            if before is not None and before.bins.bits == bits:
                return ResizeReport(count, count, None, None)
            bins = Bins(bits, f"{holder}-{PREFIX}") if before is None else replace(before.bins, bits=bits)
            if not allow_large:
                _refuse_long_listing(reader, bins)
            open_online_key(reader, ports.signers)
            wanted = _over(authority, holder, bins)
            expires = ports.signing_time(reader) + reader.periods()[holder].expires
            waiting = is_open(reader, holder)
            if waiting is not None:
                refuse_undropped(reader, waiting, drop)
            keys = authority.role_keys(holder, state.kind)
            online = not take_people(keys, online=authority.top_level[TIMESTAMP])
            if not online:
                # Nobody should sign what could not come out.
                weights = list(reader.weigh(holder, bits=bits, number=reader.newest_number()))
                refuse_large(weights, bins)
        there = 0 if before is None else before.bins.count
        if before is None:
            _give_periods(ports, holder, bins)
        if online:
            if waiting is not None:
                with ports.state.transaction(actor=ports.actor) as transaction:
                    refuse_undropped(transaction, waiting, drop)
                    drop_event(transaction, waiting, at=ports.clock.now())
            return ResizeReport(there, count, bring_bins(ports, holder, wanted), None)
        unsigned = renewed_part(holder, wanted, version=state.version + 1, expires=expires)
        event = open_event(ports, [unsigned], kind=EventKind.RESIZE, drop=drop)
        with ports.state.read() as reader:
            return ResizeReport(there, count, None, view_in(ports, reader, event))


def _role(reader: StateReader, authority: Authority, name: RoleName) -> RoleState:
    """The role that is to share its artifacts out.

    Raises:
        DelegationNotFound: there is none.
        InvalidInput: it can have no bins.
    """
    if name == TARGETS and TARGETS not in authority.shared:
        where = f"; those of {SUCCESSOR} are all others'" if SUCCESSOR in authority.named else ""
        raise InvalidInput(f"targets shares nothing out over bins{where}", hint="rstuf delegation list shows who does")
    if name != TARGETS and name not in authority.named:
        raise DelegationNotFound(name)
    if name in authority.tree.delegators and authority.tree.delegators[name].named:
        raise InvalidInput(
            f"{name} delegates by names, and a role has either these or bins", hint="rstuf delegation list shows them"
        )
    return reader.role(name)


def _over(authority: Authority, holder: RoleName, bins: Bins) -> dict[str, Any]:
    """What a role says once it shares its artifacts out over these bins, which the online key signs."""
    if holder in authority.shared:
        return with_bins(authority.delegators[holder], bins)
    online = authority.top_level[TIMESTAMP]
    signatories = Signatories([online.keys[keyid] for keyid in online.keyids], online.threshold)
    return {**authority.delegators.get(holder, {}), **targets_over_bins(bins, signatories)}


def _give_periods(ports: Ports, holder: RoleName, bins: Bins) -> None:
    """New bins live as long as those that are here, else as long as the role."""
    with ports.state.transaction(actor=ports.actor) as state:
        periods = state.periods()
        state.set_periods(bins.prefix, periods.get(PREFIX, periods[holder]))


def _refuse_long_listing(reader: StateReader, bins: Bins) -> None:
    """Names of bins that were used stay listed, so that many changes make a snapshot that some clients cannot read."""
    listed = reader.listed_roles() + len(new_names(reader, bins))
    if listed > policy.MAX_LISTED:
        raise InvalidPolicy(
            f"snapshot would list {listed} names, with those of bins that are not used any more; "
            f"at most {policy.MAX_LISTED} are read everywhere",
            hint="another number may have the same names; --allow-large does it nevertheless",
        )
