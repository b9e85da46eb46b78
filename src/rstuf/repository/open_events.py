"""The signing events of a repository: whose keys must sign what waits, and who has.

For a root those of the root before and its own (TUF §5.3.4), else those whom root names, the one in force and the one
that is proposed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import orjson

from rstuf.errors import EventNotFound, RstufError
from rstuf.metadata.canonical import canonical
from rstuf.metadata.render import SignedFile, Unsigned, versioned
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import Envelope, RoleKeys, Signature, open_envelope, root_roles
from rstuf.model.events import EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, TARGETS, RoleName
from rstuf.repository.authority import ClosedKey, current_root, delegator_bytes, signed_enough
from rstuf.repository.bridge import bin_signers
from rstuf.repository.event_views import EventView, PartSide, PartView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of
from rstuf.repository.leaks import leaks_let_in, refuse_to_sign
from rstuf.repository.ports import Ports


def view_events(ports: Ports, *, ended: bool = False) -> list[EventView]:
    """The events that are open, or all of them, oldest first."""
    with ports.state.read() as reader:
        return views_in(ports, reader, ended=ended)


def views_in(ports: Ports, reader: StateReader, *, ended: bool = False) -> list[EventView]:
    """The same, for one who is reading."""
    events = list(reader.events()) if ended else reader.open_events()
    return [view_in(ports, reader, event) for event in events]


def views_of_open(ports: Ports, reader: StateReader, roles: Sequence[RoleName]) -> tuple[EventView, ...]:
    """The open events of some roles."""
    events = [event for role in roles if (event := is_open(reader, role)) is not None]
    return tuple(view_in(ports, reader, event) for event in events)


def view_event(ports: Ports, name: str) -> EventView:
    """The open event of that name.

    Raises:
        EventNotFound: there is none.
    """
    with ports.state.read() as reader:
        return view_in(ports, reader, find_event(reader, name))


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
    digest = hashlib.sha256(opened.payload).hexdigest()
    return PartView(part, digest, opened.expires, tuple(sides), lists=_listed_in(part))


def _listed_in(part: EventPart) -> frozenset[KeyId]:
    """The keys that a root lets sign its roles, or targets its bins."""
    opened = envelope_of(part)
    if part.role == ROOT:
        return frozenset(keyid for keys in root_roles(opened).values() for keyid in keys.keyids)
    return frozenset(map(KeyId, bin_signers(opened.signed)))


def listed_for(reader: StateReader, event: SigningEvent, part: EventPart) -> dict[KeyId, PublicKey]:
    """The keys of all sides that must sign a part."""
    return {keyid: key for _, keys in _sides(reader, event, part) for keyid, key in keys.keys.items()}


def proposals_for(reader: StateReader, event: SigningEvent) -> list[EventPart]:
    """The proposed root that says who signs an event beside those whom the root in force names, if one does.

    Who only the next root lists can judge by nothing else what they are to sign.
    """
    others = [part for other in reader.open_events() for part in other.parts if part.role == ROOT]
    labels = {label for part in event.parts for label, _ in _sides(reader, event, part)}
    return [part for part in others if event.role != ROOT and f"root v{part.version}" in labels]


def comes_after(ports: Ports, reader: StateReader, event: SigningEvent) -> SigningEvent | None:
    """The open event that must come out before another.

    Before a root, the targets without which what is visible would not verify from it; but where an online key is
    replaced at once, root comes first, since nothing can be signed before it.
    """
    if event.kind is EventKind.REPLACEMENT and event.role != ROOT:
        root = is_open(reader, ROOT)
        return root if root is not None and root.kind is EventKind.REPLACEMENT else None
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


def view_in(ports: Ports, reader: StateReader, event: SigningEvent) -> EventView:
    """An event as people see it, for one who is reading."""
    parts = tuple(view_part(reader, event, part) for part in event.parts)
    names = names_of(reader)
    if event.phase is not EventPhase.OPEN:
        return EventView(event, parts, names, ())
    if has_expired(event, ports.clock.now()):
        return EventView(event, parts, names, (), expired=True)
    here, unreachable = list[KeyId](), list[ClosedKey]()
    for keyid in EventView(event, parts, names, ()).wanted:
        entry = reader.key(keyid)
        if entry is None or entry.signer is None:
            continue
        try:
            ports.signers.look(entry)
            here.append(keyid)
        except RstufError as error:
            unreachable.append(ClosedKey(entry.name, keyid, error))
    before = comes_after(ports, reader, event)
    after = None if before is None else before.name
    leaks = tuple(
        keyid for part in event.parts if part.role == ROOT for keyid in leaks_let_in(reader, envelope_of(part))
    )
    return EventView(event, parts, names, tuple(here), after, unreachable=tuple(unreachable), leaks=leaks)


def refuse_leaky(reader: StateReader, event: SigningEvent) -> None:
    """
    Raises:
        ProposalRefused: nobody should sign an event, for it lets a key in that leaked.
    """
    for part in event.parts:
        if part.role == ROOT:
            refuse_to_sign(reader, envelope_of(part))


def has_expired(event: SigningEvent, now: datetime) -> bool:
    """Whether nobody can use what an event proposes any more."""
    return any(envelope_of(part).expires <= now for part in event.parts)


def signers_of(reader: StateReader, event: SigningEvent) -> list[str]:
    """The names of those who have signed any part of it."""
    names = names_of(reader)
    keyids = dict.fromkeys(each.keyid for part in event.parts for each in part.signatures)
    return [names.get(keyid, keyid[:12]) for keyid in keyids]


def is_open(reader: StateReader, role: RoleName) -> SigningEvent | None:
    """The open event of a role, if there is one."""
    return next((event for event in reader.open_events() if any(part.role == role for part in event.parts)), None)
