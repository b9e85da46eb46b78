"""Roles below targets that people sign: what of a publication waits for somebody who is not here.

It waits in a signing event that holds the role as it was rendered at one change number: what its people sign is what
clients come to see, and what is accepted later waits for the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from rstuf.errors import RstufError
from rstuf.metadata.render import Unsigned
from rstuf.metadata.views import RoleKeys
from rstuf.model.events import EventKind, EventPart, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import Authority, SigningDesk, load_authority
from rstuf.repository.delegating_events import by_people
from rstuf.repository.forced import can_sign
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of
from rstuf.repository.open_events import comes_after, envelope_of, has_expired, is_open, view_part
from rstuf.repository.ports import Ports
from rstuf.repository.rendering import Part, role_part
from rstuf.repository.reports import Reason, WaitingRole
from rstuf.repository.signing_events import NewEvent, close_unused, open_events, sign_event

# What such an event proposes can be proposed again, as it is by then.
_AGAIN = frozenset({EventKind.CONTENTS, EventKind.RENEWAL})


def who_is_here(ports: Ports, reader: StateReader, parts: Sequence[Part]) -> tuple[list[Part], tuple[WaitingRole, ...]]:
    """What can be signed here, and what waits: one role that nobody here can sign keeps nothing else back.

    A role that waits in an event comes out with that, and not beside it.

    Raises:
        WrongPassphrase: somebody is here and mistyped it.
    """
    below = [part for part in parts if part.role.kind is RoleKind.DELEGATED]
    if not below:
        return list(parts), ()
    authority, desk = load_authority(reader, ports.metadata), SigningDesk(reader, ports.signers)
    waiting = []
    for part in below:
        keys = authority.role_keys(part.role.name, part.role.kind)
        is_here, event = can_sign(desk, part.role.name, keys), holding_event(ports, reader, part.role.name)
        if not is_here or (event is not None and not _is_free(ports, reader, event)):
            waiting.append(waiting_for(desk, part, keys))
    names = {each.name for each in waiting}
    return [part for part in parts if part.role.name not in names], tuple(waiting)


def waiting_for(desk: SigningDesk, part: Part, keys: RoleKeys) -> WaitingRole:
    """A role with those of its keys that cannot be opened here, and why."""
    missing = desk.reasons(keys)
    lacking = max(0, keys.threshold - (len(keys.keyids) - len(missing)))
    return WaitingRole(part.role.name, part.role.expires, missing, lacking, part.reason)


def holding_event(ports: Ports, reader: StateReader, name: RoleName) -> SigningEvent | None:
    """The open event beside which a role must not come out, if there is one.

    What the online key signs of other delegations is rendered again when these come out, so it need not wait for them.
    """
    event = is_open(reader, name)
    again = event is not None and event.kind is EventKind.DELEGATION and name not in by_people(ports, reader, event)
    return None if again else event


def drop_unsigned(ports: Ports, parts: Sequence[Part]) -> None:
    """Cancel events of roles that are signed here now, and that nobody else had signed."""
    with ports.state.transaction(actor=ports.actor) as state:
        for part in parts:
            event = is_open(state, part.role.name) if part.role.kind is RoleKind.DELEGATED else None
            if event is not None and _is_free(ports, state, event):
                close_unused(state, event, at=ports.clock.now())


def let_wait(
    ports: Ports, waiting: Sequence[WaitingRole], *, drop: Collection[SigningEvent] = ()
) -> tuple[WaitingRole, ...]:
    """Let roles that cannot be signed here wait for their people, with the signatures of those who are here.

    Under the publication lock. An event that is open stays where it has signatures, also if more was accepted since.

    Args:
        drop: events that may be cancelled for newer ones, as whoever says so saw them.
    """
    return tuple(_let_wait(ports, each, drop) for each in waiting)


def _let_wait(ports: Ports, waiting: WaitingRole, drop: Collection[SigningEvent]) -> WaitingRole:
    with ports.state.read() as reader:
        role, event = reader.role(waiting.name), is_open(reader, waiting.name)
        number = reader.newest_number()
        lacks = event is None or _lacks(ports, event, role)
        anew = event is None or event in drop or _is_free(ports, reader, event)
        proposed = propose_role(ports, reader, waiting.name, number=number) if lacks and anew else None
    if proposed is not None:
        gone = [] if event is None else [event]
        new = NewEvent((proposed,), EventKind.CONTENTS, numbers={waiting.name: number})
        (event,) = open_events(ports, [new], drop=gone)
    if event is not None and event.kind in _AGAIN and not has_expired(event, ports.clock.now()):
        sign_event(ports, event.name)
    with ports.state.read() as reader:
        event = is_open(reader, waiting.name)
        if event is None:
            return waiting
        told = waiting_in(ports, reader, event, waiting)
        return replace(told, behind=proposed is None and _lacks(ports, event, role))


def still_waiting(ports: Ports, waiting: Sequence[WaitingRole]) -> tuple[WaitingRole, ...]:
    """Those of them that have not come out meanwhile."""
    with ports.state.read() as reader:
        return tuple(each for each in waiting if is_open(reader, each.name) is not None)


def propose_role(
    ports: Ports, reader: StateReader, name: RoleName, *, number: int, authority: Authority | None = None
) -> Unsigned:
    """A role below targets as it lists its artifacts at a change number, at its next version."""
    role = reader.role(name)
    expires = ports.signing_time(reader) + reader.periods()[name].expires
    return role_part(
        reader,
        authority or load_authority(reader, ports.metadata),
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


def waiting_in(ports: Ports, reader: StateReader, event: SigningEvent, role: WaitingRole) -> WaitingRole:
    """A role with those who must sign it yet, of all sides; why a key of them cannot be opened here is kept."""
    now = ports.clock.now()
    view = next(view_part(reader, event, part, now=now) for part in event.parts if part.role == role.name)
    names = names_of(reader)
    missing = [names.get(keyid, keyid[:12]) for keyid in view.wanted]
    why = {name: role.missing.get(name, f"has not signed {event.name}") for name in missing}
    after = comes_after(ports, reader, event)
    return replace(
        role, missing=why, lacking=view.lacking, event=event.name, after=None if after is None else after.name
    )


def _is_free(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether nothing is lost with an event: what it proposes is proposed again as it is then, and whoever has signed
    it is here; or nobody can use it any more."""
    if event.kind in {*_AGAIN, EventKind.BROUGHT} and has_expired(event, ports.clock.now()):
        return True
    by = {each.keyid for part in event.parts for each in part.signatures}
    return event.kind in _AGAIN and all(looks_here(ports, reader, keyid) for keyid in by)


def looks_here(ports: Ports, reader: StateReader, keyid: KeyId) -> bool:
    """Whether a key is where it should be; it is not opened."""
    entry = reader.key(keyid)
    if entry is None or entry.signer is None:
        return False
    try:
        ports.signers.look(entry)
    except RstufError:
        return False
    return True


def _lacks(ports: Ports, event: SigningEvent, role: RoleState) -> bool:
    """Whether an event does not bring all that was accepted for a role, or nobody can use it any more."""
    number = next((part.number for part in event.parts if part.role == role.name), 0)
    return number < role.newest or has_expired(event, ports.clock.now())
