"""Changes that are kept back, so that what others have signed can still come out.

Other delegations may wait with signatures while a path is changed that goes with them to a role that people sign. Were
the change published where the path is now, what they signed would take it back, and could never come out. So it stays
pending, goes to that role with the rest, and comes out with the role's next version. Nothing else is kept back by it:
it takes a newer number than what is published now (`StateTransaction.postpone`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from rstuf.errors import PathsDisputed, PathsNotDelegated
from rstuf.model.artifacts import SLOT_BITS, slot_of
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import open_online_key
from rstuf.repository.batches import place_of
from rstuf.repository.delegated_sides import recorded_authority
from rstuf.repository.interfaces import StateReader
from rstuf.repository.open_events import has_expired, leaks_gained
from rstuf.repository.outdated import compare, fragment_at, lister_of, moving, outdated_by
from rstuf.repository.ports import Ports
from rstuf.repository.signed_here import nobody_else_signed

_NAMED: Final = 10
_ALL: Final = (0, (1 << SLOT_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Kept:
    """Changes that are kept back.

    Attributes:
        number: the change number at which everything else is published.
        paths: they, by the role that holds them; `only`: the ids of roles that have nothing else to publish.
        events: for which they are kept, each with the roles to which they go.
        latest: the highest number of a change that is kept.
    """

    number: int
    paths: Mapping[RoleName, Sequence[TargetPath]]
    only: frozenset[int]
    events: Mapping[int, tuple[RoleName, ...]]
    latest: int


def look_for_kept(ports: Ports, reader: StateReader, *, drop: Collection[SigningEvent] = ()) -> Kept | None:
    """What must not come out now; None where that is nothing. Writes nothing.

    Args:
        drop: events that give their place to newer ones.
    """
    paths, events = defaultdict[RoleName, dict[TargetPath, None]](dict), dict[int, tuple[RoleName, ...]]()
    listers, latest = dict[int, tuple[RoleState, RoleName]](), 0
    signed = _signed_lists(ports, reader)
    for event in reader.open_events():
        if event in drop or not _keeps(ports, reader, event):
            continue
        compared, takers = compare(reader, event), dict[RoleName, None]()
        try:
            found = list(moving(reader, compared))
        except (PathsNotDelegated, PathsDisputed):
            continue
        for holder, path, taker in found:
            lister = lister_of(reader, compared.before, holder, path)
            waits = lister.name in signed and _is_new(reader, lister, path, signed[lister.name])
            number = _newest(reader, holder, path)
            if not waits and number > _seen(lister):
                latest = max(latest, number)
                paths[holder][path] = takers[taker] = None
                listers[lister.id] = (lister, holder)
        if takers:
            events[event.id] = tuple(takers)
    if not paths:
        return None
    only = frozenset(
        lister.id for lister, holder in listers.values() if not _has_more(reader, lister, holder, paths[holder])
    )
    return Kept(reader.newest_number(), {holder: tuple(some) for holder, some in paths.items()}, only, events, latest)


def lacks(reader: StateReader, role: RoleState, number: int, kept: Kept | None) -> bool:
    """Whether more was accepted for a role than it lists at a change number, beside what is kept back."""
    held = _kept_in(reader, role, kept)
    if number >= role.newest or not held:
        return number < role.newest
    rows = reader.versions(*place_of(recorded_authority(reader, {}), role))
    return any(each > number and path not in held for _, path, each, _ in rows)


def brought_up_to(reader: StateReader, event: SigningEvent) -> dict[RoleName, int]:
    """The change number up to which an event brings what was accepted for each of its roles.

    Of a role that lists its artifacts itself until it has its first bins, that of these: all there is where nobody
    signs them there, since they are rendered when they come out.
    """
    numbers = {part.role: part.number for part in event.parts}
    if event.kind is EventKind.RESIZE and reader.role(event.role).bin_bits is None:
        of_bins = (part.number for part in event.parts if part.role != event.role)
        numbers[event.role] = max(of_bins, default=reader.newest_number())
    return numbers


def would_bring(reader: StateReader, event: SigningEvent, name: RoleName, kept: Kept | None) -> bool:
    """Whether an event that waits would bring what is kept back of a role."""
    role = reader.role(name)
    held = _kept_in(reader, role, kept)
    if not held or event.kind is not EventKind.CONTENTS:
        return False
    listed = _listed(event, name)
    return any(_is_new(reader, role, path, listed) for path in held)


def keep_back(ports: Ports, *, besides: SigningEvent | None = None) -> Kept | None:
    """Let what must not come out wait behind everything else; None where that is nothing. Under the publication lock.

    Args:
        besides: an event that comes out now.

    Raises:
        SigningError: nothing can be published now; nothing was changed.
    """
    with ports.state.read() as reader:
        kept = look_for_kept(ports, reader, drop=() if besides is None else [besides])
    if kept is not None:
        postpone(ports, kept)
    return kept


def postpone(ports: Ports, kept: Kept) -> None:
    """Let changes wait behind `Kept.number`: what is published at that does not have them.

    Raises:
        SigningError: nothing can be published now; nothing was changed.
    """
    with ports.state.read() as reader:
        open_online_key(reader, ports.signers)
    with ports.state.transaction(actor=ports.actor) as state:
        number = state.next_number()
        count = sum(state.postpone(holder, some, number=number) for holder, some in kept.paths.items())
        named = [path for some in kept.paths.values() for path in some][:_NAMED]
        details = {"number": number, "paths": named, "postponed": count}
        state.record("artifacts.postpone", details, at=ports.clock.now())


def _keeps(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether something is lost if an event cannot come out any more: it can as yet, and others have signed it."""
    if event.kind is not EventKind.DELEGATION or has_expired(event, ports.clock.now()):
        return False
    if nobody_else_signed(ports, reader, event) or leaks_gained(reader, event):
        return False
    return outdated_by(reader, event) is None


def _kept_in(reader: StateReader, role: RoleState, kept: Kept | None) -> Collection[TargetPath]:
    """What is kept back of what a role lists itself."""
    if kept is None or role.bin_bits is not None:
        return ()
    if role.kind is not RoleKind.BIN:
        return frozenset(kept.paths.get(role.name, ()))
    authority = recorded_authority(reader, {})
    held = kept.paths.get(authority.holder_of(role.name) or role.name, ())
    _, low, high = place_of(authority, role)
    return frozenset(path for path in held if low <= slot_of(path) <= high)


def _signed_lists(ports: Ports, reader: StateReader) -> dict[RoleName, Mapping[str, Any]]:
    """What roles would list by events that others have signed, where their artifacts are now: who signs last is told
    then."""
    return {
        part.role: _listed(event, part.role)
        for event in reader.open_events()
        for part in event.parts
        if event.kind is EventKind.CONTENTS and not nobody_else_signed(ports, reader, event)
        if outdated_by(reader, event) is None
    }


def _listed(event: SigningEvent, name: RoleName) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(orjson.loads(part.signed) for part in event.parts if part.role == name)["targets"]
    return found


def _is_new(reader: StateReader, role: RoleState, path: TargetPath, listed: Mapping[str, Any]) -> bool:
    """Whether clients would see another artifact in a list than they see there now, or none."""
    shown = fragment_at(reader, role.holder or role.id, slot_of(path), path, _seen(role))
    return bool(listed.get(path) != (None if shown is None else orjson.loads(shown)))


def _newest(reader: StateReader, holder: RoleName, path: TargetPath) -> int:
    slot = slot_of(path)
    rows = reader.versions(reader.role(holder).id, slot, slot)
    return max((number for _, each, number, _ in rows if each == path), default=0)


def _has_more(reader: StateReader, lister: RoleState, holder: RoleName, kept: Collection[TargetPath]) -> bool:
    """Whether a role has other changes to publish, or must come out anyway."""
    if lister.forced:
        return True
    holding = reader.role(holder)
    place = _ALL
    if lister.index is not None and holding.bin_bits is not None:
        width = SLOT_BITS - holding.bin_bits
        place = (lister.index << width, ((lister.index + 1) << width) - 1)
    rows = reader.versions(holding.id, *place)
    return any(number > _seen(lister) and path not in kept for _, path, number, _ in rows)


def _seen(lister: RoleState) -> int:
    """The number up to which clients see a role, or may have."""
    return max(lister.number, lister.shown)
