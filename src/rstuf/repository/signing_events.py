"""Signing events: who must sign what waits, who has, and what becomes of a signature that is brought.

Each signature is verified when it comes, against the keys of every side that must sign: for a root those of the root
before and its own (TUF §5.3.4), else those whom the root names. Below the thresholds nothing is visible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson

from rstuf.errors import EventNotFound, EventOpen, RstufError, SignatureRefused
from rstuf.metadata.canonical import canonical
from rstuf.metadata.key_identity import key_identity, verify_signature
from rstuf.metadata.render import SignedFile, Unsigned, sign_with, versioned
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import Envelope, RoleKeys, Signature, open_envelope, root_roles
from rstuf.model.events import ROTATING, EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.model.names import ROOT, TARGETS, RoleName
from rstuf.model.policy import Periods
from rstuf.model.rotation import Rotation
from rstuf.repository.authority import SigningDesk, current_root, delegator_bytes, signed_enough
from rstuf.repository.event_views import EventView, PartSide, PartView
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.keys import names_of
from rstuf.repository.ports import Ports


class Outcome(StrEnum):
    """What became of a signature."""

    ADDED = "added"
    KNOWN = "known"
    NOT_NEEDED = "not-needed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class BroughtSignature:
    """A signature as somebody brings it: over what (SHA-256 of the signed bytes, hex), by which key, in hex."""

    digest: str
    keyid: KeyId
    sig: str


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of one signature.

    Attributes:
        event: the name of the event that it is for; None where it is for none.
        who: what the key is called here, else how its id begins.
        error: why it was refused.
    """

    outcome: Outcome
    event: str | None
    who: str
    keyid: KeyId
    error: SignatureRefused | None = None


def view_events(ports: Ports, *, ended: bool = False) -> list[EventView]:
    """The events that are open, or all of them, oldest first."""
    with ports.state.read() as reader:
        return views_in(ports, reader, ended=ended)


def views_in(ports: Ports, reader: StateReader, *, ended: bool = False) -> list[EventView]:
    """The same, for one who is reading."""
    events = list(reader.events()) if ended else reader.open_events()
    return [_view(ports, reader, event) for event in events]


def view_event(ports: Ports, name: str) -> EventView:
    """The open event of that name.

    Raises:
        EventNotFound: there is none.
    """
    with ports.state.read() as reader:
        return _view(ports, reader, find_event(reader, name))


def find_event(reader: StateReader, name: str) -> SigningEvent:
    """The open event that a person names; its role alone will do.

    Raises:
        EventNotFound: there is none.
    """
    events = reader.open_events()
    for event in events:
        if name in {event.name, event.role}:
            return event
    raise EventNotFound(name, known=[event.name for event in events])


def open_event(
    ports: Ports,
    proposed: Sequence[Unsigned],
    *,
    kind: EventKind,
    periods: Periods | None = None,
    drop: bool = False,
) -> SigningEvent:
    """Let metadata wait for signatures. Under the publication lock; see `open_in`."""
    with ports.state.transaction(actor=ports.actor) as state:
        return open_in(state, proposed, kind=kind, at=ports.clock.now(), periods=periods, drop=drop)


def open_in(
    state: StateTransaction,
    proposed: Sequence[Unsigned],
    *,
    kind: EventKind,
    at: datetime,
    periods: Periods | None = None,
    drop: bool = False,
) -> SigningEvent:
    """Let metadata wait for signatures, together with what else a transaction does.

    A version of another role than root is taken for good: it is never used for other contents.

    Args:
        drop: an open event of the same role is cancelled, with the signatures that it has.

    Raises:
        EventOpen: one is open, and is not to be dropped.
    """
    parts = [EventPart(each.name, each.version, each.data) for each in proposed]
    while (other := _in_the_way(state, parts)) is not None:
        if not drop:
            raise EventOpen(other.name, signed=signers_of(state, other))
        drop_event(state, other, at=at)
    for part in parts:
        if part.role != ROOT:
            state.burn_versions(part.role, max(0, part.version - state.role(part.role).version))
    event = state.open_event(parts, kind=kind, opened=at, periods=periods)
    details = {"event": event.name, "kind": kind.value, "sha256": [_digest(part) for part in event.parts]}
    state.record("event.open", details, at=at)
    return event


def reopen_event(state: StateTransaction, event: SigningEvent, *, kind: EventKind, at: datetime) -> SigningEvent:
    """Let the same bytes wait for another purpose, with the signatures that they have."""
    state.close_event(event.id, EventPhase.CANCELLED, at=at)
    parts = [EventPart(part.role, part.version, part.signed) for part in event.parts]
    again = state.open_event(parts, kind=kind, opened=event.opened, periods=event.periods)
    for part in event.parts:
        for each in part.signatures:
            state.add_signature(again.id, part.role, keyid=each.keyid, sig=each.sig, at=each.at)
    details = {"event": again.name, "kind": kind.value, "sha256": [_digest(part) for part in again.parts]}
    state.record("event.open", details, at=at)
    return again


def _in_the_way(state: StateReader, parts: Sequence[EventPart]) -> SigningEvent | None:
    return next((event for part in parts if (event := is_open(state, part.role)) is not None), None)


def cancel_event(ports: Ports, name: str) -> SigningEvent:
    """Drop an open event, with the signatures that it has. It stays in the list of those that ended.

    A rotation whose root it was to bring ends with it; `rotation.call_off` takes back before what that published.

    Raises:
        EventNotFound: there is none of that name.
    """
    with ports.state.transaction(actor=ports.actor) as state:
        event = find_event(state, name)
        drop_event(state, event, at=ports.clock.now())
    return event


def drop_event(state: StateTransaction, event: SigningEvent, *, at: datetime) -> None:
    """Cancel an open event, and with it a rotation whose root it was to bring."""
    state.close_event(event.id, EventPhase.CANCELLED, at=at)
    state.record("event.cancel", {"event": event.name, "signed": signers_of(state, event)}, at=at)
    rotation = state.rotation()
    if not drops_rotation(event, rotation) or rotation is None:
        return
    state.end_rotation(rotation.id, at=at)
    names = names_of(state)
    said = {role: names.get(keyid, keyid[:12]) for role, keyid in (("old", rotation.old), ("new", rotation.new))}
    state.record("rotation.cancel", said, at=at)
    for other in state.open_events():
        if other.kind in ROTATING:
            drop_event(state, other, at=at)


def drops_rotation(event: SigningEvent, rotation: Rotation | None) -> bool:
    """Whether a rotation is called off if an event is dropped: it is to bring the root that the rotation waits for."""
    waits = rotation is not None and rotation.root_version is None
    return waits and event.role == ROOT and event.kind in ROTATING


def receive(ports: Ports, brought: Iterable[BroughtSignature]) -> list[Reception]:
    """Take signatures in, in any order; each is verified, and what does not belong is refused by itself.

    The same one twice is no harm, and one that comes after the thresholds were met neither.
    """
    with ports.state.transaction(actor=ports.actor) as state:
        return [_receive(ports, state, each) for each in brought]


def sign_event(
    ports: Ports, name: str, *, keyids: Sequence[KeyId] | None = None
) -> tuple[list[Reception], Mapping[str, str]]:
    """Sign what an event waits for, with those of its keys that can be opened here; `keyids` narrows them.

    Returns:
        What became of each signature, and why keys stayed closed, by their names.

    Raises:
        EventNotFound: there is none of that name.
        SigningError: a key did not sign.
    """
    with ports.state.read() as reader:
        view = _view(ports, reader, find_event(reader, name))
        desk = SigningDesk(reader, ports.signers)
        brought = []
        for part in view.parts:
            wanted = [keyid for keyid in part.wanted if keyids is None or keyid in keyids]
            payload = canonical(part.part.signed)
            signers = desk.reachable(wanted)
            brought += [BroughtSignature(part.digest, each.keyid, each.sign(payload)) for each in signers]
        closed = desk.closed
    return receive(ports, brought), closed


def envelope_of(part: EventPart) -> Envelope:
    """A part as the metadata that it would be."""
    signatures = tuple(Signature(each.keyid, each.sig) for each in part.signatures)
    name = versioned(part.role, part.version)
    return Envelope(name=name, signed=orjson.loads(part.signed), payload=canonical(part.signed), signatures=signatures)


def file_of(part: EventPart) -> SignedFile | None:
    """The file that a part became; None before it was whole."""
    if part.file is None:
        return None
    return SignedFile.of_bytes(Unsigned(part.role, part.version, envelope_of(part).expires, part.signed), part.file)


def whole_file(ports: Ports, event: SigningEvent, part: EventPart) -> SignedFile:
    """The file of a part, with the signatures that were there when it was first made whole."""
    found = file_of(part)
    if found is not None:
        return found
    unsigned = Unsigned(part.role, part.version, envelope_of(part).expires, part.signed)
    with ports.state.read() as reader:
        listed = _listed(reader, event, part)
    # Who signed may be listed no more by the time the others have.
    file = sign_with(unsigned, [Signature(each.keyid, each.sig) for each in part.signatures if each.keyid in listed])
    with ports.state.transaction(actor=ports.actor) as state:
        state.complete_part(event.id, part.role, file.data)
    return file


def view_part(reader: StateReader, event: SigningEvent, part: EventPart) -> PartView:
    """How far a part is signed."""
    opened = envelope_of(part)
    sides = []
    for label, keys in _sides(reader, event, part):
        result = check_signatures(
            opened.payload, opened.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
        )
        sides.append(
            PartSide(
                label, keys.threshold, keys.keyids, result.signed, result.missing, result.unsigned + result.invalid
            )
        )
    return PartView(part, hashlib.sha256(opened.payload).hexdigest(), tuple(sides))


def proposals_for(reader: StateReader, event: SigningEvent) -> list[EventPart]:
    """The proposed root that says who signs an event beside those whom the root in force names, if one does.

    Who only the next root lists can judge by nothing else what they are to sign.
    """
    others = [part for other in reader.open_events() for part in other.parts if part.role == ROOT]
    labels = {label for part in event.parts for label, _ in _sides(reader, event, part)}
    return [part for part in others if event.role != ROOT and f"root v{part.version}" in labels]


def comes_after(ports: Ports, reader: StateReader, event: SigningEvent) -> SigningEvent | None:
    """The open event of targets that must come out before a root: what is visible would not verify from that root."""
    waits = is_open(reader, TARGETS)
    if event.role != ROOT or waits is None or event.kind in {EventKind.CEREMONY, EventKind.REPLACEMENT}:
        return None
    role, in_force = reader.role(TARGETS), root_roles(current_root(reader))
    data = delegator_bytes(role, reader, ports.metadata, keys=in_force[TARGETS])
    if data is None:
        return None
    visible = open_envelope(data, name=versioned(TARGETS, role.visible), kind="targets")
    return None if signed_enough(visible, root_roles(envelope_of(event.parts[0]))[TARGETS]) else waits


def _sides(reader: StateReader, event: SigningEvent, part: EventPart) -> list[tuple[str, RoleKeys]]:
    """Who must sign a part, by root."""
    newest = reader.newest_root()
    sides = [] if newest is None else [(f"root v{newest.version}", root_roles(current_root(reader))[part.role])]
    proposals = [other for each in (event, *reader.open_events()) for other in each.parts if other.role == ROOT]
    for proposal in proposals[:1] if part.role != ROOT else [part]:
        keys = root_roles(envelope_of(proposal))[part.role]
        # A role that people sign must verify from the root that is in force and from the one that comes.
        there = {(side.keyids, side.threshold) for _, side in sides}
        if part.role == ROOT or (keys.keyids, keys.threshold) not in there:
            sides.append((f"root v{proposal.version}", keys))
    return sides


def _view(ports: Ports, reader: StateReader, event: SigningEvent) -> EventView:
    parts = tuple(view_part(reader, event, part) for part in event.parts)
    names = names_of(reader)
    if event.phase is not EventPhase.OPEN:
        return EventView(event, parts, names, ())
    wanted = EventView(event, parts, names, ()).wanted
    here = tuple(keyid for keyid in wanted if _is_here(ports, reader.key(keyid)))
    before = comes_after(ports, reader, event)
    return EventView(event, parts, names, here, None if before is None else before.name)


def _is_here(ports: Ports, entry: KeyEntry | None) -> bool:
    if entry is None or entry.signer is None:
        return False
    try:
        ports.signers.look(entry)
    except RstufError:
        return False
    return True


def _receive(ports: Ports, state: StateTransaction, brought: BroughtSignature) -> Reception:
    entry = state.key(brought.keyid)
    who = entry.name if entry is not None else brought.keyid[:12]
    for event in state.open_events():
        for part in event.parts:
            if _digest(part) == brought.digest:
                return _join(ports, state, event, part, brought, who=who)
    for event in state.events():
        for part in event.parts:
            if _digest(part) == brought.digest:
                if event.phase is EventPhase.DONE:
                    return Reception(Outcome.NOT_NEEDED, event.name, who, brought.keyid)
                hint = "export the bundle of what is open now, and sign that: rstuf event list"
                return _refused(event.name, who, brought, f"{event.name} was cancelled meanwhile", hint=hint)
    hint = "its signer signed other bytes than this repository waits for: compare the codes, then export it anew"
    return _refused(None, who, brought, f"nothing here has the digest {brought.digest[:16]} that it signs", hint=hint)


def _join(
    ports: Ports, state: StateTransaction, event: SigningEvent, part: EventPart, brought: BroughtSignature, *, who: str
) -> Reception:
    listed = _listed(state, event, part)
    key = listed.get(brought.keyid)
    if key is None:
        return _refused(event.name, who, brought, _stranger(state, part, brought.keyid), hint=_STRANGER_HINT)
    if not verify_signature(key, brought.sig, canonical(part.signed)):
        hint = "it may be damaged on its way, or made with another key: sign once more, and bring that"
        return _refused(event.name, who, brought, "it does not verify with the key that it names", hint=hint)
    identity = key_identity(key)
    for there in part.signatures:
        other = listed.get(there.keyid)
        if there.keyid == brought.keyid or (other is not None and key_identity(other) == identity):
            return Reception(Outcome.KNOWN, event.name, who, brought.keyid)
    if part.file is not None:
        return Reception(Outcome.NOT_NEEDED, event.name, who, brought.keyid)
    now = ports.clock.now()
    state.add_signature(event.id, part.role, keyid=brought.keyid, sig=brought.sig, at=now)
    state.record("event.sign", {"event": event.name, "role": part.role, "keyid": brought.keyid, "key": who}, at=now)
    return Reception(Outcome.ADDED, event.name, who, brought.keyid)


def _listed(reader: StateReader, event: SigningEvent, part: EventPart) -> dict[KeyId, PublicKey]:
    """The keys of all sides that must sign a part."""
    return {keyid: key for _, keys in _sides(reader, event, part) for keyid, key in keys.keys.items()}


_STRANGER_HINT = "rstuf event show names those who may sign it"


def _stranger(reader: StateReader, part: EventPart, keyid: KeyId) -> str:
    """Why a key that no side lists may not sign."""
    newest = reader.newest_root()
    if newest is not None:
        for version in range(newest.version, 0, -1):
            root = reader.root(version)
            if root is not None and f'"{keyid}"'.encode() in root.data:
                return f"root v{version} lists this key, but not to sign {part.role}"
    return f"this key may not sign {part.role}, by the root that is in force or the one that is proposed"


def _refused(event: str | None, who: str, brought: BroughtSignature, reason: str, *, hint: str) -> Reception:
    error = SignatureRefused(who, reason, hint=hint)
    return Reception(Outcome.REFUSED, event, who, brought.keyid, error)


def signers_of(reader: StateReader, event: SigningEvent) -> list[str]:
    """The names of those who have signed any part of it."""
    names = names_of(reader)
    keyids = dict.fromkeys(each.keyid for part in event.parts for each in part.signatures)
    return [names.get(keyid, keyid[:12]) for keyid in keyids]


def _digest(part: EventPart) -> str:
    return hashlib.sha256(canonical(part.signed)).hexdigest()


def is_open(reader: StateReader, role: RoleName) -> SigningEvent | None:
    """The open event of a role, if there is one."""
    return next((event for event in reader.open_events() if any(part.role == role for part in event.parts)), None)
