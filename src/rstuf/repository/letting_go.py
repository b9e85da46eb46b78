"""Which roles that delegate can let go, here and now, of an online key that must sign nothing any more.

What the new key signs can, and so can what people sign whose keys are here. What waits for people elsewhere lets go in
an event of its own: only once that is out, the key signs nothing below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from rstuf.errors import WrongPassphrase
from rstuf.metadata.render import Unsigned
from rstuf.metadata.views import RoleKeys
from rstuf.model.events import ROTATING, EventKind, SigningEvent, rotating_kind
from rstuf.model.keys import KeyId
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.rotation import Rotation
from rstuf.repository.authority import Authority, SigningDesk, load_authority
from rstuf.repository.bridge import delegating_to_new, gone_keys, lists_key, once_online
from rstuf.repository.forced import can_sign
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import leaked_keys
from rstuf.repository.open_events import envelope_of, is_open
from rstuf.repository.people import is_free, propose_role, says_no_more
from rstuf.repository.ports import Ports
from rstuf.repository.signed_here import looks_here
from rstuf.repository.signing_events import NewEvent, open_events, sign_event
from rstuf.repository.targets_signers import people_sign, targets_verify

# What can be proposed again as it is by then.
_AGAIN: Final = frozenset({EventKind.CONTENTS, EventKind.RENEWAL})


def changeable(
    ports: Ports, reader: StateReader, authority: Authority, rotation: Rotation
) -> dict[RoleName, Mapping[str, Any]]:
    """What those roles say; targets that people sign lets go in an event, wherever they are."""
    desk = SigningDesk(reader, ports.signers)
    return {
        name: said
        for name, said in authority.delegators.items()
        if _is_ours(authority, name, rotation) or _is_signed_here(reader, desk, authority, name, rotation)
    }


def handed_on(
    ports: Ports, reader: StateReader, rotation: Rotation, proposed: Mapping[RoleName, Mapping[str, Any]]
) -> dict[RoleName, Mapping[str, Any]]:
    """What such roles below targets are to say, next to what is proposed already: without what must go."""
    below = dict[RoleName, Mapping[str, Any]]()
    while reader.key(rotation.new) is not None:
        # Each lets the new key sign the next one, which can let go of others then.
        then = load_authority(reader, ports.metadata, proposed={**proposed, **below})
        found = {
            name: _replacing(reader, said, rotation)
            for name, said in changeable(ports, reader, then, rotation).items()
            if name != TARGETS and gone_keys(reader, [said], rotation)
        }
        if not found:
            break
        below |= found
    return below


def propose_below(ports: Ports, rotation: Rotation) -> None:
    """Let what people below targets must sign, so that no key signs on that goes, wait for them.

    Under the publication lock. While both keys sign, who is here has time: what they sign comes out with the end of it.
    What waits already comes out first, unless it gives way: then what it lists is proposed with it.
    """
    with ports.state.read() as reader:
        now, authority = ports.signing_time(reader), load_authority(reader, ports.metadata)
        names = unproposed_below(ports, reader, authority, rotation, now=now)
        gone = {name: is_open(reader, name) for name in names}
        wanted = [
            NewEvent(
                (_without_those_that_go(ports, reader, authority, rotation, name, number=number),),
                rotating_kind(rotation),
                numbers={name: number},
            )
            for name, event in gone.items()
            for number in [_number(reader, name) if event is None else event.parts[0].number]
        ]
    for event in open_events(ports, wanted, drop=[event for event in gone.values() if event is not None]):
        sign_event(ports, event.name)


def unproposed_below(
    ports: Ports, reader: StateReader, authority: Authority, rotation: Rotation, *, now: datetime
) -> list[RoleName]:
    """The roles that `propose_below` would let wait at `now`."""
    return [
        name
        for name, gone in held_by_people(reader, authority, rotation).items()
        if ((event := is_open(reader, name)) is None or _gives_way(ports, reader, event, gone))
        and not (rotation.is_bridged(now) and _look_here(ports, reader, authority.named[name]))
    ]


def _gives_way(ports: Ports, reader: StateReader, event: SigningEvent, gone: Collection[KeyId]) -> bool:
    """Whether what waits would let a key sign on that leaked, and nothing is lost where it is proposed without it."""
    leaked, said = leaked_keys(reader), envelope_of(event.parts[0]).signed
    keeps = any(keyid in leaked and lists_key(said, keyid) for keyid in gone)
    return keeps and event.kind in _AGAIN and is_free(ports, reader, event)


def is_as_proposed(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether a role below targets waits for nothing but what a rotation that goes on asks of it."""
    rotation = reader.rotation()
    if rotation is None or event.kind not in ROTATING:
        return False
    authority = load_authority(reader, ports.metadata)
    if event.role not in held_by_people(reader, authority, rotation):
        return False
    usual = _without_those_that_go(ports, reader, authority, rotation, event.role, number=_number(reader, event.role))
    return says_no_more(event.parts[0], usual)


def _without_those_that_go(
    ports: Ports, reader: StateReader, authority: Authority, rotation: Rotation, name: RoleName, *, number: int
) -> Unsigned:
    """A role as it is at a change number, with the new key in the place of those that go."""
    said = _replacing(reader, authority.delegators[name], rotation)
    then = load_authority(reader, ports.metadata, proposed={name: said})
    return propose_role(ports, reader, name, number=number, authority=then)


def _replacing(reader: StateReader, said: Mapping[str, Any], rotation: Rotation) -> Mapping[str, Any]:
    new, gone = reader.key(rotation.new), gone_keys(reader, [said], rotation)
    return said if new is None else delegating_to_new(said, gone=gone, new=new.key)


def _number(reader: StateReader, name: RoleName) -> int:
    role = reader.role(name)
    return max(role.number, role.shown)


def held_by_people(reader: StateReader, authority: Authority, rotation: Rotation) -> dict[RoleName, tuple[KeyId, ...]]:
    """The roles below targets that people sign and that let keys sign which go, each with these."""
    online = once_online(reader)
    return {
        name: gone
        for name, said in authority.delegators.items()
        if name != TARGETS
        and not online.issuperset(authority.named[name].keyids)
        and (gone := gone_keys(reader, [said], rotation))
    }


def going(reader: StateReader, authority: Authority) -> tuple[KeyId, ...]:
    """The keys that roles let sign below them yet, and must not once the rotation that goes on is over."""
    rotation = reader.rotation()
    return () if rotation is None else gone_keys(reader, authority.delegators.values(), rotation)


def holding_up(ports: Ports, reader: StateReader, authority: Authority) -> list[SigningEvent]:
    """What waits and must come out before the rotation that goes on can end; nothing before its root is out."""
    rotation, targets = reader.rotation(), is_open(reader, TARGETS)
    if rotation is None or rotation.root_version is None:
        return []
    waits = targets is not None and people_sign(authority.top_level)
    lacks = waits and (
        bool(gone_keys(reader, [authority.targets], rotation))
        or not targets_verify(reader, ports.metadata, authority.top_level[TARGETS])
    )
    held = [targets] if targets is not None and lacks else []
    return [*held, *_waits_below(reader, authority, rotation)]


def _waits_below(reader: StateReader, authority: Authority, rotation: Rotation) -> list[SigningEvent]:
    """The open events that must come out before a rotation can end, of roles below targets."""
    held = held_by_people(reader, authority, rotation)
    return [event for name in held if (event := is_open(reader, name)) is not None]


def _is_ours(authority: Authority, name: RoleName, rotation: Rotation) -> bool:
    if name == TARGETS:
        return not people_sign(authority.top_level)
    return rotation.new in authority.named[name].keyids


def _is_signed_here(
    reader: StateReader, desk: SigningDesk, authority: Authority, name: RoleName, rotation: Rotation
) -> bool:
    """Whether the people are here who sign a role that has to let go, and it waits in no event."""
    if name not in held_by_people(reader, authority, rotation) or is_open(reader, name) is not None:
        return False
    try:
        return can_sign(desk, name, authority.named[name])
    except WrongPassphrase:
        # It can be typed again for the event in which it waits then; nothing else has to wait for that.
        return False


def _look_here(ports: Ports, reader: StateReader, keys: RoleKeys) -> bool:
    """Whether enough of a role's keys are where they should be; none is opened."""
    return sum(looks_here(ports, reader, keyid) for keyid in keys.keyids) >= keys.threshold
