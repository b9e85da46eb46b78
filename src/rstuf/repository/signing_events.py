"""Signing events: who must sign what waits, who has, and what becomes of a signature that is brought.

Each signature is verified when it comes, against the keys of every side that must sign (`open_events`). Below the
thresholds nothing is visible.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from rstuf.errors import EventChanged, EventExpired, EventOpen, EventOutdated, EventReplaced, SignatureRefused
from rstuf.metadata.canonical import canonical
from rstuf.metadata.key_identity import key_identity, verify_signature
from rstuf.metadata.render import Unsigned, versioned
from rstuf.metadata.views import Signature, open_envelope, root_roles
from rstuf.model.events import EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, TOP_LEVEL, RoleName
from rstuf.model.policy import Periods
from rstuf.repository.authority import ClosedKey, SigningDesk
from rstuf.repository.call_offs import handed_back
from rstuf.repository.delegated_sides import signers_now
from rstuf.repository.event_views import PartView
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.known_keys import names_of, note_found
from rstuf.repository.open_events import (
    companions,
    digest_of,
    drops_rotation,
    envelope_of,
    find_event,
    goes_with,
    is_open,
    listed_for,
    refuse_expired,
    refuse_leaky,
    signers_of,
    view_in,
)
from rstuf.repository.outdated import refuse_outdated
from rstuf.repository.ports import Ports
from rstuf.repository.whole_files import let_others_join, note_opened


class Outcome(StrEnum):
    """What became of a signature."""

    ADDED = "added"
    KNOWN = "known"
    NOT_NEEDED = "not-needed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class BroughtSignature:
    """A signature as somebody brings it: over what (SHA-256 of the signed bytes, hex), by which key, in hex.

    Attributes:
        event: the one that it is for, where that is known: two roles that list nothing may have the same bytes.
    """

    digest: str
    keyid: KeyId
    sig: str
    event: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What is to wait for signatures; see `SigningEvent`. `numbers`: by role, see `EventPart.number`."""

    proposed: tuple[Unsigned, ...]
    kind: EventKind
    periods: Periods | None = None
    numbers: Mapping[RoleName, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of one signature.

    Attributes:
        event: the name of the event that it is for; None where it is for none.
        who: what the key is called here, else how its id begins.
        error: why it was refused.
        digest: SHA-256 of what was signed, hex.
        leaked: whether it counts, and its key leaked, so that somebody else may have made it.
        found: whether it counts, and its key was said to be lost until then.
    """

    outcome: Outcome
    event: str | None
    who: str
    keyid: KeyId
    error: SignatureRefused | None = None
    digest: str = ""
    leaked: bool = False
    found: bool = False


def open_event(
    ports: Ports, proposed: Sequence[Unsigned], *, kind: EventKind, drop: Collection[SigningEvent] = ()
) -> SigningEvent:
    """Let metadata wait for signatures; see `open_events`."""
    (event,) = open_events(ports, [NewEvent(tuple(proposed), kind)], drop=drop)
    return event


def open_events(
    ports: Ports,
    wanted: Sequence[NewEvent],
    *,
    drop: Collection[SigningEvent] = (),
) -> list[SigningEvent]:
    """Let metadata wait for signatures, all of it or nothing. Under the publication lock.

    A version of another role than root is taken for good: it is never used for other contents.

    Args:
        drop: what may be cancelled for it, as whoever says so saw it: with exactly those signatures.

    Raises:
        EventOpen: an event of one of the roles is open, and is not to be dropped as it is.
    """
    with ports.state.transaction(actor=ports.actor) as state:
        return open_in(state, wanted, drop=drop, at=ports.clock.now())


def open_in(
    state: StateTransaction, wanted: Sequence[NewEvent], *, drop: Collection[SigningEvent] = (), at: datetime
) -> list[SigningEvent]:
    """The same, with whatever else a transaction does."""
    opened = []
    refuse_waiting(state, [each.name for new in wanted for each in new.proposed], drop)
    for new in wanted:
        for role in (each.name for each in new.proposed):
            if (other := is_open(state, role)) is not None:
                drop_event(state, other, at=at)
    for new in wanted:
        parts = [
            EventPart(each.name, each.version, each.data, number=new.numbers.get(each.name, 0)) for each in new.proposed
        ]
        for part in parts:
            if part.role != ROOT:
                state.burn_versions(part.role, max(0, part.version - state.role(part.role).version))
        event = state.open_event(parts, kind=new.kind, opened=at, periods=new.periods)
        note_opened(state, event, at=at)
        opened.append(event)
    return opened


def refuse_waiting(reader: StateReader, roles: Sequence[RoleName], drop: Collection[SigningEvent]) -> None:
    """See that nothing waits in the place of what is to be opened but what may be dropped for it.

    Raises:
        EventOpen: something does.
    """
    for role in roles:
        if (other := is_open(reader, role)) is not None:
            refuse_undropped(reader, other, drop)


def cancel_event(ports: Ports, name: str, *, shown: Collection[SigningEvent] | None = None) -> list[SigningEvent]:
    """Drop an open event, with the signatures that it has, and what goes with it (`open_events.goes_with`).

    They stay in the list of those that ended. A rotation whose root it was to bring ends with it;
    `calling_off.call_off` takes back before what that published, and what people must sign for that is opened with it.

    Args:
        shown: what may be dropped, as whoever says so saw it: with exactly those signatures.

    Returns:
        What was dropped; first the one that was named.

    Raises:
        EventNotFound: there is none of that name.
        EventChanged: it, or what goes with it, is not as it was shown; nothing was dropped.
    """
    with ports.state.transaction(actor=ports.actor) as state:
        gone = refuse_changed(ports, state, name, shown=shown)
        back = handed_back(ports, state) if drops_rotation(gone[0], state.rotation()) else None
        for each in gone:
            if is_open(state, each.role) == each:
                drop_event(state, each, at=ports.clock.now())
        if back is not None:
            open_in(state, [NewEvent((back,), EventKind.HANDBACK)], at=ports.clock.now())
    return gone


def refuse_changed(
    ports: Ports, reader: StateReader, name: str, *, shown: Collection[SigningEvent] | None
) -> list[SigningEvent]:
    """See that the event of that name, and what goes with it, are as whoever drops them saw them.

    Returns:
        These events; first the one that was named.

    Raises:
        EventNotFound, EventChanged: they are not.
    """
    event = find_event(reader, name)
    gone = [event, *goes_with(ports, reader, event)]
    for each in gone:
        if shown is not None and each not in shown:
            raise EventChanged(each.name, signed=signers_of(reader, each))
    return gone


def close_unused(state: StateTransaction, event: SigningEvent, *, at: datetime) -> None:
    """Cancel one open event alone."""
    state.close_event(event.id, EventPhase.CANCELLED, at=at)
    state.record("event.cancel", {"event": event.name, "signed": signers_of(state, event)}, at=at)


def drop_event(state: StateTransaction, event: SigningEvent, *, at: datetime) -> None:
    """Cancel an open event with its companions, and with it a rotation whose root it was to bring."""
    rotation = state.rotation()
    for each in (event, *companions(state, event)):
        close_unused(state, each, at=at)
    if not drops_rotation(event, rotation) or rotation is None:
        return
    state.end_rotation(rotation.id, at=at)
    names = names_of(state)
    said = {role: names.get(keyid, keyid[:12]) for role, keyid in (("old", rotation.old), ("new", rotation.new))}
    state.record("rotation.cancel", said, at=at)


def refuse_undropped(state: StateReader, event: SigningEvent, drop: Collection[SigningEvent]) -> None:
    """See that whoever lets an event be dropped was shown it, and all that goes with it, as they are.

    Raises:
        EventOpen: one of them is not to be dropped as it is.
    """
    for each in (event, *companions(state, event)):
        if each not in drop:
            raise EventOpen(each.name, signed=signers_of(state, each))


def receive(ports: Ports, brought: Iterable[BroughtSignature]) -> list[Reception]:
    """Take signatures in, in any order; each is verified, and what does not belong is refused by itself.

    The same one twice is no harm, and one that comes after the thresholds were met neither.
    """
    with ports.state.transaction(actor=ports.actor) as state:
        let_others_join(ports, state)
        return [replace(_receive(ports, state, each), digest=each.digest) for each in brought]


def sign_event(
    ports: Ports, name: str, *, keyids: Sequence[KeyId] | None = None, shown: Collection[str] | None = None
) -> tuple[list[Reception], tuple[ClosedKey, ...]]:
    """Sign what an event waits for, with those of its keys that can be opened here.

    Args:
        keyids: those of its keys that may; all of them where it is None.
        shown: SHA-256 of the bytes that whoever signs was shown, hex; nothing else is signed then.

    Returns:
        What became of each signature, and the keys that did not sign.

    Raises:
        EventNotFound: there is none of that name.
        EventExpired, EventOutdated: nobody can use it any more.
        EventReplaced: it is not what was shown.
        ProposalRefused: it gives more to a key that leaked than it has.
    """
    with ports.state.read() as reader:
        view = view_in(ports, reader, find_event(reader, name))
        refuse_leaky(reader, view.event)
        refuse_expired(view.event, ports.clock.now())
        refuse_outdated(reader, view.event)
        if shown is not None and any(part.digest not in shown for part in view.parts):
            raise EventReplaced(view.event.name)
        desk = SigningDesk(reader, ports.signers)
        brought = []
        for part in view.parts:
            wanted = [keyid for keyid in part.wanted if keyids is None or keyid in keyids]
            made = _signatures(desk, part, wanted, leaked=view.leaked if keyids is None else ())
            brought += [BroughtSignature(part.digest, each.keyid, each.sig, view.event.name) for each in made]
        closed = desk.closed
    return receive(ports, brought), closed


def _signatures(
    desk: SigningDesk, part: PartView, wanted: Sequence[KeyId], *, leaked: Collection[KeyId]
) -> list[Signature]:
    """A part signed with the keys that are here; with those that leaked only where the others do not suffice."""
    payload = canonical(part.part.signed)
    made = desk.signatures(payload, [keyid for keyid in wanted if keyid not in leaked])
    by = {each.keyid for each in made}
    if all(len(by.intersection(side.waiting)) >= side.missing for side in part.sides):
        return made
    return [*made, *desk.signatures(payload, [keyid for keyid in wanted if keyid in leaked])]


def _receive(ports: Ports, state: StateTransaction, brought: BroughtSignature) -> Reception:
    entry = state.key(brought.keyid)
    who = entry.name if entry is not None else brought.keyid[:12]
    found = [
        _offer(ports, state, event, part, brought, who=who)
        for event in state.open_events()
        for part in event.parts
        if brought.event in {None, event.name} and digest_of(part) == brought.digest
    ]
    if found:
        # The same bytes may wait for two roles: then it counts for both that list its key.
        return min(found, key=lambda each: list(Outcome).index(each.outcome))
    # The same bytes may have waited before, for another purpose: what came of them in the end is what counts.
    for event in sorted(state.events(), key=lambda event: event.phase is not EventPhase.DONE):
        for part in event.parts:
            if digest_of(part) == brought.digest:
                return _come_late(state, event, part, brought, who=who)
    hint = "its signer signed other bytes than this repository waits for: compare the codes, then export it anew"
    return _refused(None, who, brought, f"nothing here has the digest {brought.digest[:16]} that it signs", hint=hint)


def _offer(
    ports: Ports, state: StateTransaction, event: SigningEvent, part: EventPart, brought: BroughtSignature, *, who: str
) -> Reception:
    """What becomes of a signature for a part of an event that is open."""
    try:
        refuse_expired(event, ports.clock.now())
        refuse_outdated(state, event)
    except (EventExpired, EventOutdated) as error:
        return _refused(event.name, who, brought, error.message, hint=error.hint or "")
    return _join(ports, state, event, part, brought, who=who)


def _come_late(
    state: StateTransaction, event: SigningEvent, part: EventPart, brought: BroughtSignature, *, who: str
) -> Reception:
    """What becomes of a signature for an event that has ended."""
    if event.phase is not EventPhase.DONE:
        hint = "export the bundle of what is open now, and sign that: rstuf event list"
        return _refused(event.name, who, brought, f"{event.name} was cancelled meanwhile", hint=hint)
    known = _ever_listed(state, part).get(brought.keyid)
    if known is None:
        show = "rstuf root show" if part.role in TOP_LEVEL else "rstuf delegation list"
        hint = f"{show} names those who may sign {part.role} now"
        return _refused(event.name, who, brought, _stranger(state, part, brought.keyid), hint=hint)
    if not verify_signature(known, brought.sig, canonical(part.signed)):
        return _refused(event.name, who, brought, _BAD, hint=_BAD_HINT)
    return Reception(Outcome.NOT_NEEDED, event.name, who, brought.keyid)


def _ever_listed(reader: StateReader, part: EventPart) -> dict[KeyId, PublicKey]:
    """The keys that any root has let sign a role or is proposed to, and those whose signatures were taken.

    Of a role below targets, those that may sign it now: nobody keeps what said so before.
    """
    taken = [entry for each in part.signatures if (entry := reader.key(each.keyid)) is not None]
    if part.role not in TOP_LEVEL:
        return {entry.keyid: entry.key for entry in taken} | signers_now(reader, part.role)
    roots = [
        open_envelope(root.data, name=versioned(ROOT, version), kind="root")
        for version in reader.root_versions()
        if (root := reader.root(version)) is not None
    ]
    roots += [envelope_of(each) for event in reader.open_events() for each in event.parts if each.role == ROOT]
    keys = {keyid: key for root in roots for keyid, key in root_roles(root)[part.role].keys.items()}
    return {entry.keyid: entry.key for entry in taken} | keys


def _join(
    ports: Ports, state: StateTransaction, event: SigningEvent, part: EventPart, brought: BroughtSignature, *, who: str
) -> Reception:
    now = ports.clock.now()
    listed = listed_for(state, event, part, now=now)
    key = listed.get(brought.keyid)
    if key is None:
        return _refused(event.name, who, brought, _stranger(state, part, brought.keyid), hint=_stranger_hint(event))
    if not verify_signature(key, brought.sig, canonical(part.signed)):
        return _refused(event.name, who, brought, _BAD, hint=_BAD_HINT)
    identity = key_identity(key)
    for there in part.signatures:
        other = listed.get(there.keyid)
        if there.keyid == brought.keyid or (other is not None and key_identity(other) == identity):
            return Reception(Outcome.KNOWN, event.name, who, brought.keyid)
    if part.file is not None:
        return Reception(Outcome.NOT_NEEDED, event.name, who, brought.keyid)
    state.add_signature(event.id, part.role, keyid=brought.keyid, sig=brought.sig, at=now)
    state.record("event.sign", {"event": event.name, "role": part.role, "keyid": brought.keyid, "key": who}, at=now)
    entry = state.key(brought.keyid)
    leaked, found = entry is not None and entry.is_leaked, entry is not None and entry.is_lost
    note_found(state, brought.keyid, at=now)
    return Reception(Outcome.ADDED, event.name, who, brought.keyid, leaked=leaked, found=found)


_BAD: Final = "it does not verify with the key that it names"
_BAD_HINT: Final = "it may be damaged on its way, or made with another key: sign once more, and bring that"


def _stranger_hint(event: SigningEvent) -> str:
    return f"rstuf event show {event.name} names those who may sign it"


def _stranger(reader: StateReader, part: EventPart, keyid: KeyId) -> str:
    """Why a key that no side lists may not sign."""
    newest = reader.newest_root()
    if part.role not in TOP_LEVEL:
        return f"this key may not sign {part.role}, by the role that delegates to it"
    if newest is not None:
        for version in range(newest.version, 0, -1):
            root = reader.root(version)
            if root is not None and f'"{keyid}"'.encode() in root.data:
                return f"root v{version} lists this key, but not to sign {part.role}"
    return f"this key may not sign {part.role}, by the root that is in force or the one that is proposed"


def _refused(event: str | None, who: str, brought: BroughtSignature, reason: str, *, hint: str) -> Reception:
    error = SignatureRefused(who, reason, hint=hint)
    return Reception(Outcome.REFUSED, event, who, brought.keyid, error)
