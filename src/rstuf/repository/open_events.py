"""The signing events of a repository: whose keys must sign what waits, and who has.

For a root those of the root before and its own (TUF §5.3.4), else those whom root names, the one in force and the one
that is proposed; and, while an online key is replaced, the one from which the role must verify yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import orjson

from rstuf.clock import iso
from rstuf.errors import EventExpired, EventNotFound
from rstuf.metadata.canonical import canonical
from rstuf.metadata.delegations import named_delegations
from rstuf.metadata.render import SignedFile, Unsigned, versioned
from rstuf.metadata.thresholds import check_signatures
from rstuf.metadata.views import Envelope, RoleKeys, Signature, bin_delegation, root_roles
from rstuf.model.events import ROTATING, EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import ROOT, TARGETS, TOP_LEVEL, RoleName
from rstuf.model.roles import RoleKind
from rstuf.model.rotation import Rotation
from rstuf.repository.authority import current_root
from rstuf.repository.bridge import bridged_root, bridges, delegated_keys
from rstuf.repository.call_offs import handed_back
from rstuf.repository.delegated_sides import delegated_sides
from rstuf.repository.event_views import EventView, PartSide, PartView
from rstuf.repository.giving_way import gives_way
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import leaked_keys, names_of
from rstuf.repository.leaks import delegated_now, gaining_leaks, leaks_let_in_below, refuse_to_sign, roles_left_to_leaks
from rstuf.repository.lost_keys import lost_of_people, what_is_beyond
from rstuf.repository.outdated import outdated_by
from rstuf.repository.ports import Ports
from rstuf.repository.signed_here import look_for
from rstuf.repository.targets_signers import people_sign, targets_verify


def view_events(ports: Ports, *, ended: bool = False) -> list[EventView]:
    """The events that are open, or all of them, oldest first."""
    with ports.state.read() as reader:
        return views_in(ports, reader, ended=ended)


def views_in(ports: Ports, reader: StateReader, *, ended: bool = False) -> list[EventView]:
    """The same, for one who is reading."""
    events = list(reader.events()) if ended else reader.open_events()
    return [view_in(ports, reader, event) for event in events]


def views_of_open(ports: Ports, reader: StateReader, roles: Sequence[RoleName]) -> tuple[EventView, ...]:
    """The open events of some roles, each once."""
    events = {event.id: event for role in roles if (event := is_open(reader, role)) is not None}
    return tuple(view_in(ports, reader, event) for event in events.values())


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
    for event in events:
        # Bins go by their prefix, and the first one gives the event its name.
        if name == _batch_of(reader, event.parts[0]):
            return event
    ended = next((each for each in reversed(list(reader.events())) if each.name == name), None)
    became = None if ended is None else _BECAME[ended.phase]
    raise EventNotFound(name, known=[event.name for event in events], ended=became)


_BECAME: Final = {
    EventPhase.DONE: "everybody has signed it, and it is published",
    EventPhase.CANCELLED: "it was cancelled",
}


def envelope_of(part: EventPart) -> Envelope:
    """A part as the metadata that it would be."""
    signatures = tuple(Signature(each.keyid, each.sig) for each in part.signatures)
    name = versioned(part.role, part.version)
    return Envelope(name=name, signed=orjson.loads(part.signed), payload=canonical(part.signed), signatures=signatures)


def digest_of(part: EventPart) -> str:
    """SHA-256 of the bytes that are signed, hex."""
    return hashlib.sha256(canonical(part.signed)).hexdigest()


def file_of(part: EventPart) -> SignedFile | None:
    """The file that a part became; None before it was whole."""
    if part.file is None:
        return None
    return SignedFile.of_bytes(Unsigned(part.role, part.version, envelope_of(part).expires, part.signed), part.file)


def view_part(reader: StateReader, event: SigningEvent, part: EventPart, *, now: datetime) -> PartView:
    """How far a part is signed."""
    opened = envelope_of(part)
    sides = []
    for label, keys in sides_of(reader, event, part, now=now):
        result = check_signatures(
            opened.payload, opened.signatures, keys=keys.keys, keyids=keys.keyids, threshold=keys.threshold
        )
        sides.append(
            PartSide(
                label, keys.threshold, keys.keyids, result.signed, result.missing, result.unsigned + result.invalid
            )
        )
    lists = _listed_in(opened, part.role)
    return PartView(
        part,
        digest_of(part),
        opened.expires,
        tuple(sides),
        lists=lists,
        needs=_needed_in(opened, part.role),
        takes_out=_taken_out(reader, part.role, lists),
        bins=bins_in(part),
        batch=_batch_of(reader, part),
    )


def _batch_of(reader: StateReader, part: EventPart) -> RoleName | None:
    """What the bins are called together of which a part is one."""
    is_bin = part.role not in TOP_LEVEL and reader.role(part.role).kind is RoleKind.BIN
    return RoleName(part.role.rpartition("-")[0]) if is_bin else None


def _listed_in(opened: Envelope, role: RoleName) -> dict[RoleName, tuple[KeyId, ...]]:
    """The keys that a root lets sign its roles, or another role what it delegates to."""
    if role == ROOT:
        return {name: keys.keyids for name, keys in root_roles(opened).items()}
    return delegated_keys(opened.signed)


def _needed_in(opened: Envelope, role: RoleName) -> dict[RoleName, int]:
    """How many keys must sign what a root, or another role by names, lets others sign."""
    if role == ROOT:
        return {name: keys.threshold for name, keys in root_roles(opened).items()}
    if bin_delegation(opened) is not None:
        return {}
    return {each.name: each.keys.threshold for each in named_delegations(opened.signed, where=opened.name)}


def _taken_out(
    reader: StateReader, role: RoleName, lists: Mapping[RoleName, tuple[KeyId, ...]]
) -> dict[RoleName, frozenset[KeyId]]:
    """The keys that a role lets sign something below it, as it is visible, and would not let sign that any more."""
    if role == ROOT or reader.newest_root() is None:
        return {}
    taken = {name: frozenset(keyids) - {*lists.get(name, ())} for name, keyids in delegated_now(reader, role).items()}
    return {name: keyids for name, keyids in taken.items() if keyids}


def bins_in(part: EventPart) -> int | None:
    """Over how many bins a role that is proposed shares artifacts out; None where over none."""
    delegation = bin_delegation(envelope_of(part)) if part.role != ROOT else None
    return None if delegation is None else delegation.bins.count


def listed_for(reader: StateReader, event: SigningEvent, part: EventPart, *, now: datetime) -> dict[KeyId, PublicKey]:
    """The keys of all sides that must sign a part."""
    return {keyid: key for _, keys in sides_of(reader, event, part, now=now) for keyid, key in keys.keys.items()}


def proposals_for(reader: StateReader, event: SigningEvent, *, now: datetime) -> list[EventPart]:
    """The proposed root that says who signs an event beside those whom the root in force names, if one does.

    Who only the next root lists can judge by nothing else what they are to sign.
    """
    others = [part for other in reader.open_events() for part in other.parts if part.role == ROOT]
    labels = {label for part in event.parts for label, _ in sides_of(reader, event, part, now=now)}
    return [part for part in others if event.role != ROOT and f"root v{part.version}" in labels]


def comes_after(ports: Ports, reader: StateReader, event: SigningEvent) -> SigningEvent | None:
    """The open event that must come out before another.

    Before a root, the targets without which what is visible would not verify from it; but where an online key is
    replaced at once, root comes first, since nothing can come out before it. Targets that people sign beside such a key
    must be signed then, and comes right after it.
    """
    if event.kind is EventKind.REPLACEMENT and event.role != ROOT:
        root = is_open(reader, ROOT)
        return root if root is not None and root.kind is EventKind.REPLACEMENT else None
    if not needs_targets(ports, reader, event):
        return None
    targets = _usable_targets(ports, reader)
    return None if _comes_right_after(ports, reader, event, targets) else targets


def _comes_right_after(ports: Ports, reader: StateReader, root: SigningEvent, targets: SigningEvent | None) -> bool:
    """Whether targets is signed, and comes out in the publication that follows a root at once."""
    if targets is None or {root.kind, targets.kind} != {EventKind.REPLACEMENT}:
        return False
    now = ports.clock.now()
    return all(view_part(reader, targets, part, now=now).ready for part in targets.parts)


def lacks_targets(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether a root needs targets that nothing brings: it cannot come out before somebody proposes them."""
    return needs_targets(ports, reader, event) and _usable_targets(ports, reader) is None


def needs_targets(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether an event proposes a root from which what is visible of targets would not verify.

    Also where it lets the same people sign as the root in force does, who have not signed what is visible yet. Where it
    replaces an online key at once, and such a key signs targets alone, that is signed anew right after it.
    """
    if event.kind is EventKind.CEREMONY or event.role != ROOT or reader.newest_root() is None:
        return False
    roles = root_roles(envelope_of(event.parts[0]))
    if not people_sign(roles) and (event.kind is EventKind.REPLACEMENT or not _changes_targets(reader, event)):
        return False
    return not targets_verify(reader, ports.metadata, roles[TARGETS])


def goes_with(ports: Ports, reader: StateReader, event: SigningEvent) -> list[SigningEvent]:
    """The open events that are cancelled with one: what was proposed for it alone, or could not come out without it."""
    if event.role == ROOT:
        found, targets = companions(reader, event), is_open(reader, TARGETS)
        if targets is not None and targets not in found and drops_rotation(event, reader.rotation()):
            # Targets that hands the bins back has its place.
            found += [targets] if handed_back(ports, reader) is not None else []
        return found
    root = is_open(reader, ROOT)
    # What a rotation needs of targets is proposed again: it waits for that, and goes on.
    waits = root is not None and root.kind not in ROTATING and comes_after(ports, reader, root)
    return [root] if root is not None and waits and waits.id == event.id else []


def companions(reader: StateReader, event: SigningEvent) -> list[SigningEvent]:
    """The open events that a proposed root was opened with, and that say nothing without it.

    Another number of bins is wanted whatever becomes of the root, and so are bins that are handed back.
    """
    others = [each for each in reader.open_events() if each.id != event.id]
    if drops_rotation(event, reader.rotation()):
        return [each for each in others if each.kind in ROTATING]
    if event.kind is not EventKind.UPDATE or not _changes_targets(reader, event):
        return []
    return [each for each in others if each.role == TARGETS and each.kind is EventKind.UPDATE]


def drops_rotation(event: SigningEvent, rotation: Rotation | None) -> bool:
    """Whether a rotation is called off if an event is dropped: it is to bring the root that the rotation waits for."""
    waits = rotation is not None and rotation.root_version is None
    return waits and event.role == ROOT and event.kind in ROTATING


def _usable_targets(ports: Ports, reader: StateReader) -> SigningEvent | None:
    waits = is_open(reader, TARGETS)
    return None if waits is None or has_expired(waits, ports.clock.now()) else waits


def _changes_targets(reader: StateReader, event: SigningEvent) -> bool:
    """Whether an event proposes a root that lets others sign targets than the one in force."""
    if event.role != ROOT or reader.newest_root() is None:
        return False
    before, after = root_roles(current_root(reader))[TARGETS], root_roles(envelope_of(event.parts[0]))[TARGETS]
    return set(before.keyids) != set(after.keyids) or before.threshold != after.threshold


def sides_of(reader: StateReader, event: SigningEvent, part: EventPart, *, now: datetime) -> list[tuple[str, RoleKeys]]:
    """Who must sign a part, by root: one that expired before everybody had signed it has no say about others.

    A role below targets by the one that delegates to it: as that is published, or as it is to come out beside it.
    """
    if part.role not in TOP_LEVEL:
        return delegated_sides(reader, event, part)
    newest = reader.newest_root()
    sides = [] if newest is None else [(f"root v{newest.version}", root_roles(current_root(reader))[part.role])]
    open_now = [each for each in reader.open_events() if each.id != event.id and not has_expired(each, now)]
    proposals = [other for each in (event, *open_now) for other in each.parts if other.role == ROOT]
    if part.role != ROOT and newest is not None:
        # Nor has one that never comes out.
        proposals = [each for each in proposals if not gaining_leaks(reader, envelope_of(each))]
    others = [
        (f"root v{proposal.version}", root_roles(envelope_of(proposal))[part.role])
        for proposal in (proposals[:1] if part.role != ROOT else [part])
    ]
    if newest is not None and (bridged := bridges(reader, now=now).get(part.role)) is not None:
        # What a release asks for, too.
        others.append((f"root v{bridged_root(reader)}", bridged))
    waits = part.role != ROOT and bool(proposals) and _waits_for_root(event, open_now)
    if waits and _keys_of(others[:1]) != _keys_of(sides):
        # What goes cannot sign beside what comes: it comes out under the root that names the new key.
        sides = []
    for label, keys in others:
        # A role that people sign must verify from the root that is in force and from the one that comes.
        there = {(side.keyids, side.threshold) for _, side in sides}
        if part.role == ROOT or (keys.keyids, keys.threshold) not in there:
            sides.append((label, keys))
    return sides


def _waits_for_root(event: SigningEvent, others: Sequence[SigningEvent]) -> bool:
    """Whether it comes out right after a root that replaces an online key at once."""
    kinds = {each.kind for each in others if each.role == ROOT}
    return event.kind is EventKind.REPLACEMENT and EventKind.REPLACEMENT in kinds


def _keys_of(sides: Sequence[tuple[str, RoleKeys]]) -> list[tuple[frozenset[KeyId], int]]:
    return [(frozenset(keys.keyids), keys.threshold) for _, keys in sides]


def view_in(ports: Ports, reader: StateReader, event: SigningEvent) -> EventView:
    """An event as people see it, for one who is reading."""
    parts = tuple(view_part(reader, event, part, now=ports.clock.now()) for part in event.parts)
    names = names_of(reader)
    if event.phase is not EventPhase.OPEN:
        return EventView(event, parts, names, ())
    beside = tuple(goes_with(ports, reader, event))
    leaked = frozenset(leaked_keys(reader))
    if has_expired(event, ports.clock.now()):
        return EventView(event, parts, names, (), expired=True, companions=beside, leaked=leaked)
    if (outdated := outdated_by(reader, event)) is not None:
        return EventView(event, parts, names, (), companions=beside, leaked=leaked, outdated=outdated)
    here, unreachable = look_for(ports, reader, EventView(event, parts, names, ()).wanted)
    lost = frozenset[KeyId]() if reader.newest_root() is None else lost_of_people(ports, reader)
    before = comes_after(ports, reader, event)
    leaky = leaky_of(reader, event)
    leaks = leaks_gained(reader, leaky) if leaky is not None else ()
    by_root = leaky is not None and leaky.role == ROOT
    leaves = roles_left_to_leaks(reader, envelope_of(leaky.parts[0])) if leaky is not None and by_root else ()
    view = EventView(
        event,
        parts,
        names,
        here,
        None if before is None else before.name,
        unreachable=unreachable,
        leaks=leaks,
        leaves=tuple(leaves),
        leaks_by=None if leaky is None else leaky.name,
        lacks_targets=lacks_targets(ports, reader, event),
        companions=beside,
        leaked=leaked,
        lost=lost,
        beyond=what_is_beyond(reader, parts, lost),
    )
    # Nothing of a rotation gives way. There root and targets may wait for each other, too.
    first = None if before is None or event.kind in ROTATING else view_in(ports, reader, before)
    return replace(view, gives_way=gives_way(ports, reader, view, before=first))


def leaky_of(reader: StateReader, event: SigningEvent) -> SigningEvent | None:
    """The open event that gives more to a key which leaked: that event, or the root that it was proposed for."""
    if event.role != ROOT and leaks_gained(reader, event):
        return event
    root = is_open(reader, ROOT)
    if root is None or not leaks_gained(reader, root):
        return None
    return root if event.id in {root.id, *(each.id for each in companions(reader, root))} else None


def leaks_gained(reader: StateReader, event: SigningEvent) -> tuple[KeyId, ...]:
    """The keys that leaked and that an event gives more than they have."""
    if event.role == ROOT:
        return gaining_leaks(reader, envelope_of(event.parts[0]))
    found = (leaks_let_in_below(reader, part.role, envelope_of(part)) for part in event.parts)
    return tuple(dict.fromkeys(keyid for each in found for keyid in each))


def refuse_leaky(reader: StateReader, event: SigningEvent) -> None:
    """
    Raises:
        ProposalRefused: nobody should sign an event: it, or the root that it was proposed for, gives more to a key
            that leaked than it has.
    """
    leaky = leaky_of(reader, event)
    for part in () if leaky is None else leaky.parts:
        refuse_to_sign(reader, part.role, envelope_of(part))


def has_expired(event: SigningEvent, now: datetime) -> bool:
    """Whether nobody can use what an event proposes any more."""
    return any(envelope_of(part).expires <= now for part in event.parts)


def refuse_expired(event: SigningEvent, now: datetime) -> None:
    """
    Raises:
        EventExpired: nobody can use what it proposes any more.
    """
    if has_expired(event, now):
        when = min(envelope_of(part).expires for part in event.parts)
        raise EventExpired(event.name, iso(when), first=event.kind is EventKind.CEREMONY)


def signers_of(reader: StateReader, event: SigningEvent) -> list[str]:
    """The names of those who have signed any part of it."""
    names = names_of(reader)
    keyids = dict.fromkeys(each.keyid for part in event.parts for each in part.signatures)
    return [names.get(keyid, keyid[:12]) for keyid in keyids]


def is_open(reader: StateReader, role: RoleName) -> SigningEvent | None:
    """The open event of a role, if there is one."""
    return next((event for event in reader.open_events() if any(part.role == role for part in event.parts)), None)
