"""Another number of bins, while everybody reads on: one publication brings targets and all new bins.

No artifact is touched: a bin is a range of slots (see `rstuf.state.resizes`). The bins that were there keep their names
in snapshot and their files, so that clients of any age find what they look for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from rstuf.errors import InvalidInput, InvalidPolicy
from rstuf.metadata.bins import PREFIX, Bins
from rstuf.metadata.bundle import MAX_BUNDLE_BYTES
from rstuf.metadata.render import Unsigned, bin_part, renewed_part
from rstuf.metadata.root import with_bins
from rstuf.metadata.views import RoleKeys
from rstuf.model import policy
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import BinSigners, check_bin_count, check_bins_by_people
from rstuf.model.roles import BinWeight, RoleState
from rstuf.repository.authority import SUCCESSOR, Authority, load_authority, open_online_key
from rstuf.repository.batches import bin_signers_of, event_of_bins, people_sign_bins
from rstuf.repository.bin_layout import bring_bins, new_bins, new_names, refuse_large, said_over, sharing_role
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.kept_changes import keep_back
from rstuf.repository.open_events import is_open, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.readiness import get_ready
from rstuf.repository.reports import PublicationReport
from rstuf.repository.signing_events import NewEvent, drop_event, open_in, refuse_undropped
from rstuf.repository.targets_signers import take_people

# What leads to the bins comes with them in a bundle, and every signature that there is so far.
_MOST_TOGETHER: Final = MAX_BUNDLE_BYTES * 3 // 4


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
    signers: BinSigners | None = None,
    allow_large: bool = False,
    drop: Collection[SigningEvent] = (),
) -> ResizeReport:
    """Share artifacts out over another number of bins; what was accepted before comes out with it.

    Where people sign these, they do with the role itself: all of it is one event.

    Args:
        signers: who is to sign the bins; None for those who do, and of a role without bins for the online key.
        role: whose artifacts; it may have no bins yet. None for those that no named delegation is for.
        allow_large: also so many that some clients cannot read the snapshot any more.
        drop: the open events of that role, and of its bins, that are cancelled for it, as whoever says so saw them.

    Raises:
        InvalidPolicy: there can be no such number, or snapshot would list too many names.
        InvalidInput: the role has no bins, and cannot; or nobody but the online key signs it; or there are as many, and
            an event waits that brings others.
        DelegationNotFound: there is no such role.
        LimitExceeded: a bin would be larger than clients read; nothing was changed.
        EventOpen: an event of the role is open.
        SigningError: the online key cannot be reached; nothing was changed.
        StorageError, ReleaseRefused: clients still see what they saw.
    """
    bits = check_bin_count(count, allow_large=allow_large, role=role)
    with ports.state.publication_lock(purpose="bins resize"):
        get_ready(ports)
        with ports.state.read() as reader:
            wanted = _wanted(ports, reader, role, bits=bits, signers=signers)
            there = 0 if wanted.before is None else wanted.before.count
            if wanted.said is None:
                _refuse_waiting(reader, wanted)
                return ResizeReport(count, count, None, None)
            if not allow_large:
                _refuse_long_listing(reader, wanted.bins)
            open_online_key(reader, ports.signers)
            waiting = _waiting(reader, wanted.holder)
            for event in waiting:
                refuse_undropped(reader, event, drop)
            if wanted.by_people:
                # Nobody should sign what could not come out.
                weights = list(reader.weigh(wanted.holder, bits=bits, number=reader.newest_number()))
                refuse_large(weights, wanted.bins)
                if wanted.signs_bins:
                    _refuse_too_much(weights, wanted.bins)
        if wanted.before is None:
            _give_periods(ports, wanted.holder, wanted.bins)
        if not wanted.by_people:
            _drop(ports, waiting, drop)
            return ResizeReport(there, count, bring_bins(ports, wanted.holder, wanted.said), None)
        opened = _let_wait(ports, wanted, drop)
        with ports.state.read() as reader:
            return ResizeReport(there, count, None, view_in(ports, reader, opened))


def bin_signers(ports: Ports, role: RoleName | None = None) -> BinSigners | None:
    """Who signs the bins of a role; None where it has none, or is not here."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
    return bin_signers_of(authority, authority.catch_all if role is None else role)


def in_the_way(ports: Ports, role: RoleName | None = None) -> list[EventView]:
    """The open events of a role that is to have other bins, and of those that it has: they give their place to it."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        holder = authority.catch_all if role is None else role
        known = holder == TARGETS or holder in authority.named
        return [view_in(ports, reader, event) for event in _waiting(reader, holder)] if known else []


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to become of the bins of a role.

    Attributes:
        before: those that there are; None where there are none.
        said: what the role says then; None where it says that already.
        by_people: whether people sign the role; `signs_bins`: whether they sign its bins then, too; `signed_bins`:
            whether they do now.
    """

    holder: RoleName
    before: Bins | None
    bins: Bins
    said: dict[str, Any] | None
    by_people: bool
    signs_bins: bool
    signed_bins: bool


def _wanted(
    ports: Ports, reader: StateReader, role: RoleName | None, *, bits: int, signers: BinSigners | None
) -> _Wanted:
    authority = load_authority(reader, ports.metadata)
    holder = authority.catch_all if role is None else role
    state, before = sharing_role(reader, authority, holder), authority.shared.get(holder)
    keys = authority.role_keys(holder, state.kind)
    by_people = take_people(keys, online=authority.top_level[TIMESTAMP])
    bins = Bins(bits, f"{holder}-{PREFIX}") if before is None else replace(before.bins, bits=bits)
    who = _bin_signers(authority, holder, keys, signers, by_people=by_people)
    signed_bins = people_sign_bins(authority, holder)
    signs_bins = signed_bins if who is None else who is keys
    if signs_bins:
        check_bins_by_people(bins.count)
    if before is None:
        said: dict[str, Any] | None = said_over(authority, holder, bins, who)
    elif before.bins == bins and (who is None or _signed_by(before.signers, who)):
        said = None
    else:
        said = with_bins(authority.delegators[holder], bins, signers=who)
    there = None if before is None else before.bins
    return _Wanted(holder, there, bins, said, by_people, signs_bins, signed_bins)


def _signed_by(now: RoleKeys, wanted: RoleKeys) -> bool:
    return (set(now.keyids), now.threshold) == (set(wanted.keyids), wanted.threshold)


def _bin_signers(
    authority: Authority, holder: RoleName, keys: RoleKeys, signers: BinSigners | None, *, by_people: bool
) -> RoleKeys | None:
    """Who is to sign the bins of a role; None for those who do, or the online key.

    Raises:
        InvalidInput: those who sign it sign no bins.
    """
    if signers is None:
        return None
    if signers is BinSigners.ONLINE:
        return authority.top_level[TIMESTAMP] if people_sign_bins(authority, holder) else None
    if holder in {TARGETS, SUCCESSOR}:
        raise InvalidInput(
            "the bins for whatever no named delegation is for are signed by the online key",
            hint="people sign those of a role of their own: rstuf delegation add",
        )
    if not by_people:
        raise InvalidInput(
            f"{holder} is signed by the online key itself, so its bins are, too",
            hint=f"let people sign it first: rstuf delegation update {holder} --signer KEY",
        )
    return keys


def _waiting(reader: StateReader, holder: RoleName) -> list[SigningEvent]:
    """What waits of a role, and of its bins."""
    found = (is_open(reader, holder), event_of_bins(reader, holder))
    return list({event.id: event for event in found if event is not None}.values())


def _refuse_waiting(reader: StateReader, wanted: _Wanted) -> None:
    """
    Raises:
        InvalidInput: there are as many bins as are wanted, and others wait.
    """
    event = next((each for each in _waiting(reader, wanted.holder) if each.kind is EventKind.RESIZE), None)
    if event is not None:
        raise InvalidInput(
            f"there are {wanted.bins.count} bins now, and {event.name} waits to change that",
            hint=f"rstuf event cancel {event.name} leaves them as they are",
        )


def _drop(ports: Ports, waiting: Sequence[SigningEvent], drop: Collection[SigningEvent]) -> None:
    if not waiting:
        return
    with ports.state.transaction(actor=ports.actor) as state:
        for event in waiting:
            refuse_undropped(state, event, drop)
            drop_event(state, event, at=ports.clock.now())


def _let_wait(ports: Ports, wanted: _Wanted, drop: Collection[SigningEvent]) -> SigningEvent:
    """Open the event in which people sign the role, and its bins where these are theirs."""
    holder, said = wanted.holder, wanted.said or {}
    kept = keep_back(ports) if wanted.signs_bins else None
    with ports.state.transaction(actor=ports.actor) as state:
        number = state.newest_number() if kept is None else kept.number
        now, periods, role = ports.signing_time(state), state.periods(), state.role(holder)
        proposed = [renewed_part(holder, said, version=role.version + 1, expires=now + periods[holder].expires)]
        if wanted.signs_bins:
            state.enter_bins(holder, new_bins(holder, wanted.bins))
            # Whoever signs them is asked as often as for the role.
            lives = periods[wanted.bins.prefix if wanted.signed_bins else holder]
            proposed += _bin_parts(state, wanted.bins, role, number, expires=now + lives.expires)
        numbers = {part.name: number for part in proposed[1:]}
        for event in _waiting(state, holder):
            refuse_undropped(state, event, drop)
            drop_event(state, event, at=ports.clock.now())
        new = NewEvent(tuple(proposed), EventKind.RESIZE, numbers=numbers)
        (opened,) = open_in(state, [new], drop=drop, at=ports.clock.now())
    return opened


def _bin_parts(
    reader: StateReader, bins: Bins, holder: RoleState, number: int, *, expires: datetime
) -> Iterator[Unsigned]:
    """Every bin to come, as it lists its artifacts at a change number."""
    for index in range(bins.count):
        name = bins.name(index)
        rows = reader.contents(holder.id, *bins.slots(index), number=number)
        entries: list[tuple[str, bytes]] = [row[1:] for row in rows]
        yield bin_part(name, version=reader.role(name).version + 1, expires=expires, entries=entries)


def _refuse_too_much(weights: Iterable[BinWeight], bins: Bins) -> None:
    """
    Raises:
        InvalidPolicy: all that people would sign is more than a bundle carries to them.
    """
    size = sum(weight.payload for weight in weights)
    if size > _MOST_TOGETHER:
        raise InvalidPolicy(
            f"the {bins.count} bins are {size} bytes together, and people sign {_MOST_TOGETHER} at most at once",
            hint="let the online key sign them: --signed-by online",
        )


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
