"""Roles that people sign, and that list artifacts: what of a publication waits for somebody who is not here.

It waits in a signing event that holds the role as it was rendered at one change number: what its people sign is what
clients come to see, and what is accepted later waits for the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from rstuf.metadata.render import Unsigned
from rstuf.metadata.views import RoleKeys
from rstuf.model.events import EventKind, EventPart, SigningEvent
from rstuf.model.names import RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import Authority, SigningDesk, load_authority
from rstuf.repository.batches import Batch, batches, event_of, event_of_bins, periods_of
from rstuf.repository.delegated_sides import recorded_authority
from rstuf.repository.delegating_events import by_people, leaves_with
from rstuf.repository.forced import can_sign
from rstuf.repository.interfaces import StateReader
from rstuf.repository.kept_changes import Kept, brought_up_to, lacks, would_bring
from rstuf.repository.open_events import envelope_of, has_expired, is_open
from rstuf.repository.outdated import outdated_by
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part, role_part
from rstuf.repository.reports import Reason, WaitingRole
from rstuf.repository.signed_here import looks_here, nobody_else_signed
from rstuf.repository.signing_events import NewEvent, close_unused, open_events, sign_event
from rstuf.repository.targets_signers import people_sign
from rstuf.repository.waiting_roles import waiting_as, waiting_in

# What such an event proposes can be proposed again, as it is by then.
_AGAIN = frozenset({EventKind.CONTENTS, EventKind.RENEWAL})
_KEPT = _AGAIN | {EventKind.DELEGATION}
# What may list artifacts that people sign: targets does where nothing else does.
_BY_PEOPLE = frozenset({RoleKind.TARGETS, RoleKind.DELEGATED})


def who_is_here(ports: Ports, reader: StateReader, parts: Sequence[Part]) -> tuple[list[Part], tuple[WaitingRole, ...]]:
    """What can be signed here, and what waits: one role that nobody here can sign keeps nothing else back.

    A role that waits in an event comes out with that, and not beside it.

    Raises:
        WrongPassphrase: somebody is here and mistyped it.
    """
    able = [part for part in parts if part.role.kind in _BY_PEOPLE]
    if not able and all(part.role.kind is not RoleKind.BIN for part in parts):
        return list(parts), ()
    authority, desk = load_authority(reader, ports.metadata), SigningDesk(reader, ports.signers)
    waiting = []
    for part in able:
        if part.role.kind is RoleKind.TARGETS and (part.role.forced or not people_sign(authority.top_level)):
            # Clients may have seen a version of it that is lost: nothing may be published below that.
            continue
        keys = authority.role_keys(part.role.name, part.role.kind)
        is_here, event = can_sign(desk, part.role.name, keys), _event_of(ports, reader, part.role)
        if not is_here or (event is not None and not is_free(ports, reader, event)):
            waiting.append(waiting_for(desk, part, keys))
    for batch in batches(authority, parts):
        is_here = not batch.by_people or can_sign(desk, batch.prefix, batch.keys)
        event = holding_bins(reader, batch.holder)
        if not is_here or (event is not None and not is_free(ports, reader, event)):
            waiting.append(waiting_batch(desk, batch))
    names = {name for each in waiting for name in each.roles}
    return [part for part in parts if part.role.name not in names], tuple(waiting)


def _event_of(ports: Ports, reader: StateReader, role: RoleState) -> SigningEvent | None:
    """The open event beside which a role must not come out. What is proposed of targets for a root is proposed anew."""
    event = holding_event(ports, reader, role.name)
    return None if event is not None and role.kind is RoleKind.TARGETS and event.kind not in _KEPT else event


def waiting_for(desk: SigningDesk, part: Part, keys: RoleKeys) -> WaitingRole:
    """A role with those of its keys that cannot be opened here, and why."""
    missing = desk.reasons(keys)
    lacking = max(0, keys.threshold - (len(keys.keyids) - len(missing)))
    return WaitingRole(part.role.name, part.role.expires, missing, lacking, part.reason)


def waiting_batch(desk: SigningDesk, batch: Batch) -> WaitingRole:
    """Bins that are signed together, with those of their keys that cannot be opened here, and why."""
    first = min(batch.parts, key=lambda part: part.role.index or 0)
    expires = [part.role.expires for part in batch.parts if part.role.expires is not None]
    told = waiting_for(desk, first, batch.keys)
    bins = tuple(part.role.name for part in batch.parts)
    return replace(told, name=batch.prefix, expires=min(expires, default=None), bins=bins, holder=batch.holder)


def holding_bins(reader: StateReader, holder: RoleName) -> SigningEvent | None:
    """The open event beside which no bin of a role must come out, if there is one."""
    event = event_of_bins(reader, holder)
    return None if event is None or outdated_by(reader, event) is not None else event


def holding_event(ports: Ports, reader: StateReader, name: RoleName) -> SigningEvent | None:
    """The open event beside which a role must not come out, if there is one.

    What the online key signs of other delegations is rendered again when these come out, so it need not wait for them;
    nor does anything wait for what can come out no more.
    """
    event = is_open(reader, name)
    if event is None or outdated_by(reader, event) is not None:
        return None
    again = event.kind is EventKind.DELEGATION and name not in by_people(ports, reader, event)
    return None if again else event


def drop_unsigned(ports: Ports, parts: Sequence[Part]) -> None:
    """Cancel events of roles that are signed here now, and that nobody else had signed."""
    names = {part.role.name for part in parts if part.role.kind in {*_BY_PEOPLE, RoleKind.BIN}}
    with ports.state.transaction(actor=ports.actor) as state:
        for event in state.open_events():
            if any(part.role in names for part in event.parts) and is_free(ports, state, event):
                close_unused(state, event, at=ports.clock.now())


def let_wait(
    ports: Ports, waiting: Sequence[WaitingRole], *, drop: Collection[SigningEvent] = (), kept: Kept | None = None
) -> tuple[WaitingRole, ...]:
    """Let roles that cannot be signed here wait for their people, with the signatures of those who are here.

    Under the publication lock. An event that is open stays where it has signatures, also if more was accepted since.

    Args:
        drop: events that may be cancelled for newer ones, as whoever says so saw them.
        kept: what must not wait there; it is postponed already where any role `is_to_open`.
    """
    return tuple(_let_wait(ports, each, drop, kept) for each in waiting)


def is_to_open(
    ports: Ports,
    reader: StateReader,
    waiting: WaitingRole,
    *,
    drop: Collection[SigningEvent] = (),
    kept: Kept | None = None,
) -> bool:
    """Whether a role that cannot be signed here is to wait in an event that is not open yet."""
    event = event_of(reader, waiting)
    if event is None:
        return leaves_with(ports, reader, waiting.holder or waiting.name) is None
    anew = event in drop or is_free(ports, reader, event)
    return anew and _lacks(ports, reader, event, waiting, kept)


def _let_wait(ports: Ports, waiting: WaitingRole, drop: Collection[SigningEvent], kept: Kept | None) -> WaitingRole:
    with ports.state.read() as reader:
        event, number = event_of(reader, waiting), reader.newest_number() if kept is None else kept.number
        anew = is_to_open(ports, reader, waiting, drop=drop, kept=kept)
        proposed = [propose_role(ports, reader, name, number=number) for name in waiting.roles] if anew else []
    if proposed:
        gone = [] if event is None else [event]
        new = NewEvent(tuple(proposed), EventKind.CONTENTS, numbers=dict.fromkeys(waiting.roles, number))
        (event,) = open_events(ports, [new], drop=gone)
    if event is not None and event.kind in _AGAIN and not has_expired(event, ports.clock.now()):
        sign_event(ports, event.name)
    with ports.state.read() as reader:
        told = as_it_waits(ports, reader, waiting, kept)
        return replace(told, behind=False) if proposed else told


def as_it_waits(ports: Ports, reader: StateReader, waiting: WaitingRole, kept: Kept | None) -> WaitingRole:
    """A role that cannot be signed here, as it waits in the event that is open, or in that by which it goes."""
    event = event_of(reader, waiting)
    if event is None:
        return _leaving(ports, reader, waiting, kept)
    told = waiting_in(ports, reader, event, waiting)
    return replace(told, behind=_lacks(ports, reader, event, waiting, kept))


def _leaving(ports: Ports, reader: StateReader, waiting: WaitingRole, kept: Kept | None) -> WaitingRole:
    """What waits in the place of a role that is about to go: its people are asked for nothing any more."""
    event = leaves_with(ports, reader, waiting.holder or waiting.name)
    if event is None:
        return waiting
    names = by_people(ports, reader, event)
    told = waiting_as(ports, reader, event, next(iter(names), event.role))
    number = event.parts[0].number
    return replace(told, behind=any(lacks(reader, reader.role(name), number, kept) for name in waiting.roles))


def is_held_by_leaving(ports: Ports, reader: StateReader, role: RoleState, kept: Kept | None) -> bool:
    """Whether a role that cannot be signed here is about to go, so that its changes come out elsewhere."""
    if role.kind is not RoleKind.DELEGATED:
        return False
    keys = recorded_authority(reader, {}).named.get(role.name)
    if keys is None or sum(looks_here(ports, reader, keyid) for keyid in keys.keyids) >= keys.threshold:
        return False
    event = leaves_with(ports, reader, role.name)
    if event is None:
        return False
    return not nobody_else_signed(ports, reader, event) or not lacks(reader, role, event.parts[0].number, kept)


def still_waiting(ports: Ports, waiting: Sequence[WaitingRole]) -> tuple[WaitingRole, ...]:
    """Those of them that have not come out meanwhile."""
    with ports.state.read() as reader:
        return tuple(each for each in waiting if event_of(reader, each) is not None)


def propose_role(
    ports: Ports, reader: StateReader, name: RoleName, *, number: int, authority: Authority | None = None
) -> Unsigned:
    """A role, or a bin, as it lists its artifacts at a change number, at its next version."""
    role, authority = reader.role(name), authority or load_authority(reader, ports.metadata)
    expires = ports.signing_time(reader) + periods_of(authority, role, reader.periods()).expires
    return role_part(
        reader,
        authority,
        Part(role, number, Reason.CHANGED),
        version=role.version + 1,
        expires=expires,
    )


def says_no_more(part: EventPart, usual: Unsigned) -> bool:
    """Whether what waits says what is usual, for no longer: only that is signed without a question."""
    proposed = envelope_of(part)
    return _undated(orjson.loads(usual.data)) == _undated(proposed.signed) and proposed.expires <= usual.expires


def _undated(signed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in signed.items() if name not in {"version", "expires"}}


def is_free(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether nothing is lost with an event: what it proposes is proposed again as it is then, and whoever has signed
    it is here; or nobody can use it any more."""
    if event.kind not in {*_AGAIN, EventKind.BROUGHT}:
        return False
    if has_expired(event, ports.clock.now()) or outdated_by(reader, event) is not None:
        return True
    return event.kind in _AGAIN and nobody_else_signed(ports, reader, event)


def _lacks(ports: Ports, reader: StateReader, event: SigningEvent, waiting: WaitingRole, kept: Kept | None) -> bool:
    """Whether an event does not bring all that was accepted for a role, or what is kept back, or nobody can use it any
    more."""
    numbers = brought_up_to(reader, event)
    if has_expired(event, ports.clock.now()):
        return True
    brings = [name for name in numbers if name in waiting.roles or waiting.holder is not None]
    if any(would_bring(reader, event, name, kept) for name in brings):
        return True
    return any(lacks(reader, reader.role(name), numbers.get(name, 0), kept) for name in waiting.roles)
