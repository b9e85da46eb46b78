"""Accepting a role that somebody signed elsewhere: recorded, and brought out byte for byte as it came.

It goes through a signing event, as all does that people sign, so that nothing of a publication is special for it: what
lacks signatures waits for them there, and what has them all comes out after a crash by whatever publishes next. The
file is recorded before anything of it is written. The repository signs nothing of it and needs no key of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rstuf.errors import DeliveryRefused, InvalidInput
from rstuf.model.events import EventKind, EventPart, EventPhase, SigningEvent
from rstuf.repository.brought_contents import bring_contents
from rstuf.repository.brought_roles import Delivery, look_at_delivery, seen_of, some_paths
from rstuf.repository.brought_rows import enter_rows, let_go
from rstuf.repository.completing import Completion, complete_events
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateTransaction
from rstuf.repository.known_keys import names_of
from rstuf.repository.open_events import is_open, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.readiness import get_ready
from rstuf.repository.reading import Source
from rstuf.repository.signing_events import drop_event, refuse_undropped
from rstuf.repository.whole_files import note_opened

# Artifacts may be accepted while it is judged: then it is judged once more, as often as it takes to be sure.
_TRIES: Final = 8


class _Rehearsed(Exception):
    """Ends a transaction that was never meant to stay."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a role that was brought.

    Attributes:
        delivery: what it changed, as it was judged when it was recorded.
        completion: of its event, once everybody has signed it; None where it waits, or was visible before.
        waits: the event in which it waits for more signatures.
        contents: how many contents of artifacts were taken in with it.
    """

    delivery: Delivery
    completion: Completion | None
    waits: EventView | None
    contents: int = 0


def take_delivery(
    ports: Ports,
    shown: Delivery,
    *,
    contents: Iterable[Source] | None = None,
    elsewhere: bool = False,
    drop: Collection[SigningEvent] = (),
    lose: bool = False,
    leaked: bool = False,
) -> DeliveryReport:
    """Record what was brought, and publish it where enough have signed it; else it waits for the others.

    Doing it again is no harm.

    Args:
        shown: what it changes, as whoever says so saw it.
        contents: files among which those are that its artifacts need.
        elsewhere: whether contents that are not here are served from somewhere else.
        drop: events that may be cancelled for it, as whoever says so saw them.
        lose: whether the changes may go that were accepted here and that it does not have, as `shown` names them.
        leaked: whether it may rest on signatures of keys that leaked, as `shown` names them.

    Raises:
        DeliveryRefused: it cannot come out, or contents are missing; nothing was changed.
        EventOpen: an event waits that is not to be dropped as it is.
        EventChanged: it would take more with it than was shown.
        StorageError, PathTwin, LimitExceeded: nothing was changed.
    """
    with ports.state.publication_lock(purpose="delegation accept"):
        get_ready(ports)
        delivery = look_at_delivery(ports, shown.brought)
        if delivery.published:
            # They may have been served from elsewhere when it came out.
            late = 0 if contents is None else bring_contents(ports, delivery, contents, elsewhere=True)
            return DeliveryReport(delivery, None, None, late)
        _refuse_leaked(delivery, shown, leaked=leaked)
        _refuse_more(delivery, shown, lose=lose)
        _rehearse(ports, delivery)
        taken = bring_contents(ports, delivery, contents, elsewhere=elsewhere)
        delivery, event = _record(ports, delivery, shown, drop=drop, lose=lose)
        done = next((each for each in complete_events(ports) if each.event.id == event), None)
        with ports.state.read() as reader:
            still = is_open(reader, delivery.brought.name)
            waits = None if still is None or still.id != event else view_in(ports, reader, still)
        return DeliveryReport(delivery, done, waits, taken)


def _rehearse(ports: Ports, delivery: Delivery) -> None:
    """Have the state refuse now what it would when all have signed it (twins, limits), and record nothing."""
    brought = delivery.brought
    with suppress(_Rehearsed), ports.state.transaction(actor=ports.actor) as state:
        enter_rows(state, "", brought.name, brought.rows, at=ports.clock.now())
        raise _Rehearsed


def _refuse_leaked(delivery: Delivery, shown: Delivery, *, leaked: bool) -> None:
    """See that somebody says yes to what a thief may have signed."""
    if delivery.rests_on_leaked and not (leaked and set(delivery.leaked) <= set(shown.leaked)):
        names, role = delivery.names, delivery.brought.name
        who = ", ".join(names.get(each, each[:12]) for each in delivery.leaked)
        raise DeliveryRefused(
            delivery.brought.file,
            "leaked",
            f"without {who}, whose key leaked, too few have signed it: whoever has that key may have made it",
            hint=f"rstuf delegation update {role} --signer NEW lets another key sign; --yes says that this is meant",
        )


def _refuse_more(delivery: Delivery, shown: Delivery, *, lose: bool) -> None:
    """See that whoever accepts it was told of all that goes."""
    if not delivery.lost:
        return
    if not lose:
        raise DeliveryRefused(
            delivery.brought.file,
            "pending",
            f"changes were accepted here that it does not have, and would go: {some_paths(delivery.lost)}",
            hint="have them made part of it; or let them go: --yes",
        )
    if not set(delivery.lost) <= set(shown.lost):
        raise InvalidInput(
            f"more was accepted meanwhile that would go: {some_paths(sorted(set(delivery.lost) - set(shown.lost)))}",
            hint="nothing was changed; run it again, to see all of it",
        )


def _record(
    ports: Ports, delivery: Delivery, shown: Delivery, *, drop: Collection[SigningEvent], lose: bool
) -> tuple[Delivery, int]:
    """Record it in one transaction, as it was judged; the id of its event."""
    for _ in range(_TRIES):
        with ports.state.transaction(actor=ports.actor) as state:
            if seen_of(state, delivery.brought.name) == delivery.seen:
                at = ports.clock.now()
                event = delivery.waits or _open(state, delivery, drop=drop, at=at)
                _sign(state, event, delivery, at=at, lose=lose)
                return delivery, event.id
        delivery = look_at_delivery(ports, shown.brought)
        _refuse_more(delivery, shown, lose=lose)
    raise InvalidInput(f"{delivery.brought.name} is changed all the time", hint="nothing was changed; run it again")


def _open(state: StateTransaction, delivery: Delivery, *, drop: Collection[SigningEvent], at: datetime) -> SigningEvent:
    """The event in which it waits until it comes out: a moment, or until others sign."""
    brought = delivery.brought
    for view in delivery.drops:
        refuse_undropped(state, view.event, drop)
        drop_event(state, view.event, at=at)
    if delivery.lacking:
        # Nothing of it is a row before others have signed, and what was agreed to go must not come after it.
        let_go(state, brought.name, brought.rows, at=at)
    state.burn_versions(brought.name, max(0, brought.version - state.role(brought.name).version))
    part = EventPart(brought.name, brought.version, brought.compact)
    event = state.open_event([part], kind=EventKind.BROUGHT, opened=at)
    note_opened(state, event, at=at)
    return event


def _sign(state: StateTransaction, event: SigningEvent, delivery: Delivery, *, at: datetime, lose: bool) -> None:
    """The signatures that it came with; with enough of them its own bytes are what comes out, and what is recorded."""
    brought, names = delivery.brought, names_of(state)
    part = next(part for part in event.parts if part.role == brought.name)
    if part.file is not None:
        return
    for each in brought.signatures:
        if state.add_signature(event.id, brought.name, keyid=each.keyid, sig=each.sig, at=at):
            who = names.get(each.keyid, each.keyid[:12])
            said = {"event": event.name, "role": brought.name, "keyid": each.keyid, "key": who}
            state.record("event.sign", said, at=at)
    if not delivery.lacking and event.phase is EventPhase.OPEN and len(event.parts) == 1:
        number = part.number
        if event.kind is EventKind.BROUGHT and not number:
            number = enter_rows(state, event.name, brought.name, brought.rows, at=at, lose=lose)
        state.complete_part(event.id, brought.name, brought.data, number=number)
