"""Whether what waits for signatures can still come out, or clients have seen by now what it would take back.

This is the one look that everybody asks: whoever shows an event, asks people to sign it, takes their signatures, or
publishes it; and whoever publishes something else, which is to outdate no event that has signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from rstuf.errors import EventOutdated, PathsDisputed, PathsNotDelegated
from rstuf.model.artifacts import SLOT_BITS, ArtifactState, slot_of
from rstuf.model.events import EventKind, EventPart, EventPhase, SigningEvent
from rstuf.model.names import ROOT, TARGETS, RoleName, TargetPath
from rstuf.model.patterns import Match, PathPattern, match
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import SUCCESSOR, Authority, is_recorded_file
from rstuf.repository.batches import place_of, signed_by_people
from rstuf.repository.delegated_sides import proposed_by, recorded_authority
from rstuf.repository.event_views import Outdated
from rstuf.repository.interfaces import StateReader
from rstuf.repository.routing import Router
from rstuf.repository.wanted_delegations import delegations_of, wanted_by

_BELOW: Final = frozenset({RoleKind.DELEGATED, RoleKind.BIN})
_ALL: Final = (0, (1 << SLOT_BITS) - 1)
_CONTENTS: Final = frozenset({EventKind.CONTENTS, EventKind.RENEWAL})
_PUBLISHES: Final = frozenset({EventKind.CONTENTS, EventKind.DELEGATION})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Other delegations that wait, beside those in force.

    Attributes:
        before, then: who may sign what, now and once they are out.
        signed: of the roles that people sign for it and that list artifacts, the change number up to which they do.
        since: the lowest change number that any part of it knows.
        about: the patterns of the delegations that become others: what none of these is for stays where it is. None
            where only their order changes.
    """

    before: Authority
    then: Authority
    signed: Mapping[RoleName, int]
    since: int
    about: tuple[PathPattern, ...] | None


def outdated_by(reader: StateReader, event: SigningEvent) -> Outdated | None:
    """Why an open event can come out no more; None where it can, as far as its signatures go."""
    if event.phase is not EventPhase.OPEN or event.kind is EventKind.CEREMONY:
        return None
    why = _superseded(reader, event)
    if why is None and event.kind is EventKind.DELEGATION:
        why = _other_delegations(reader, event)
    if why is None and event.kind is EventKind.BROUGHT:
        why = _not_looked_for(reader, event)
    if why is None and event.kind is EventKind.CONTENTS:
        why = _gone_elsewhere(reader, event)
    if why is None and event.kind is EventKind.RESIZE:
        why = _shown_since(reader, event)
    return None if why is None else Outdated(why, _again(reader, event))


def refuse_outdated(reader: StateReader, event: SigningEvent) -> None:
    """
    Raises:
        EventOutdated: what it proposes can come out no more.
    """
    if (found := outdated_by(reader, event)) is not None:
        raise EventOutdated(event.name, found.why, again=found.again)


def compare(reader: StateReader, event: SigningEvent) -> Comparison:
    """The delegations of an event beside those in force."""
    before, then = recorded_authority(reader, {}), recorded_authority(reader, proposed_by(reader, event))
    return Comparison(
        before=before,
        then=then,
        signed={
            part.role: part.number
            for part in event.parts
            if signed_by_people(then, part.role) and part.role not in then.shared
        },
        since=min(part.number for part in event.parts),
        about=_about(before, then),
    )


def moving(reader: StateReader, compared: Comparison) -> Iterator[tuple[RoleName, TargetPath, RoleName]]:
    """What changed since delegations were proposed and would go to a role that people signed then: who has it now,
    its path, who is to have it.

    Raises:
        PathsNotDelegated, PathsDisputed: something that was accepted would have no place.
    """
    if reader.newest_number() <= compared.since:
        return
    router = Router(compared.then, reader.settings().layout)
    for holder, path in reader.changed_paths(after=compared.since):
        if compared.about is not None and all(match(each, path) is Match.NO for each in compared.about):
            continue
        try:
            taker = router.holder(path)
        except (PathsNotDelegated, PathsDisputed):
            found = reader.artifact(path)
            if found is not None and found.state is not ArtifactState.REMOVING:
                raise
            continue
        if taker != holder and lister_name(compared.then, taker, path) in compared.signed:
            yield holder, path, taker


def lister_of(reader: StateReader, authority: Authority, holder: RoleName, path: TargetPath) -> RoleState:
    """The role whose metadata has a path that a role holds: that role, or one of its bins."""
    return reader.role(lister_name(authority, holder, path))


def lister_name(authority: Authority, holder: RoleName, path: TargetPath) -> RoleName:
    """Its name."""
    shared = authority.shared.get(holder)
    return holder if shared is None else shared.bins.name(shared.bins.index_of_slot(slot_of(path)))


def fragment_at(reader: StateReader, holder: int, slot: int, path: TargetPath, number: int) -> bytes | None:
    """What a role holds of a path at a change number; None where that is nothing."""
    return next((each[2] for each in reader.contents(holder, slot, slot, number=number) if each[1] == path), None)


def has_come_out(role: RoleState, part: EventPart) -> bool:
    """Whether clients see a part of an event already: what came out was cut off before that was noted."""
    return role.visible == part.version and is_recorded_file(role, part.file)


def _superseded(reader: StateReader, event: SigningEvent) -> str | None:
    """Whether a newer version of a role is out than the one that waits, or the role is gone."""
    parts = [part for part in event.parts if part.role != ROOT]
    if event.kind is EventKind.DELEGATION:
        # What the online key signs of it is rendered anew when it comes out.
        then = recorded_authority(reader, proposed_by(reader, event))
        parts = [part for part in parts if signed_by_people(then, part.role)]
    for part in parts:
        role = reader.role(part.role)
        if role.kind is RoleKind.DELEGATED and role.retired and event.kind is not EventKind.DELEGATION:
            return f"nobody delegates to {part.role} any more"
        if role.kind is RoleKind.BIN and role.retired and event.kind in _CONTENTS:
            return f"{part.role} is no bin any more"
        if role.visible >= part.version and not has_come_out(role, part):
            return f"{part.role} v{role.visible} was published since"
    return None


def _gone_elsewhere(reader: StateReader, event: SigningEvent) -> str | None:
    """Whether it lists what is to come out elsewhere, or later: other delegations took it along, or it is kept back."""
    roles = [(part, reader.role(part.role)) for part in event.parts]
    roles = [(part, role) for part, role in roles if role.kind in _BELOW and role.bin_bits is None]
    authority = recorded_authority(reader, {}) if roles else None
    for part, role in roles:
        place = (role.id, *_ALL) if authority is None else place_of(authority, role)
        own = {path for _, path, _ in reader.contents(*place, number=part.number)}
        gone = next((path for path in orjson.loads(part.signed).get("targets", {}) if path not in own), None)
        if gone is not None:
            return f"{gone}, which it lists, goes with other delegations"
    return None


def _shown_since(reader: StateReader, event: SigningEvent) -> str | None:
    """Whether clients saw something newer than the bins have that people are to sign: these would take it back."""
    numbers = [part.number for part in event.parts if part.role != event.role]
    if not numbers:
        return None
    shared = recorded_authority(reader, {}).shared.get(event.role)
    names = [event.role] if shared is None else [shared.bins.name(index) for index in range(shared.bins.count)]
    newer = [name for name in names if reader.role(name).number > min(numbers)]
    return f"changes of {newer[0]} were published since" if newer else None


def _other_delegations(reader: StateReader, event: SigningEvent) -> str | None:
    compared = compare(reader, event)
    if _takes_back(compared.before, compared.then):
        return "delegations were published anew since, which it does not know of"
    try:
        for holder, path, taker in moving(reader, compared):
            after = compared.signed[lister_name(compared.then, taker, path)]
            if _was_seen(reader, compared, holder, path, after=after):
                return f"{path}, which goes to {taker} with it, was published since"
    except (PathsNotDelegated, PathsDisputed) as error:
        return f"{error.paths[0]} was accepted since, and clients would not find it then"
    return _not_there(reader, event, compared)


def _not_looked_for(reader: StateReader, event: SigningEvent) -> str | None:
    """Whether clients look for something that was made elsewhere in another role by now."""
    router = Router(recorded_authority(reader, {}), reader.settings().layout)
    for part in event.parts:
        for path in map(TargetPath, orjson.loads(part.signed).get("targets", {})):
            try:
                found = router.holder(path) == part.role
            except (PathsNotDelegated, PathsDisputed):
                found = False
            if not found:
                return f"clients do not look for {path} in {part.role} any more"
    return None


def _not_there(reader: StateReader, event: SigningEvent, compared: Comparison) -> str | None:
    """Whether clients saw something newer of what is listed: then what was signed is kept no more."""
    if reader.newest_number() <= compared.since:
        return None
    router = Router(compared.before, reader.settings().layout)
    for part in event.parts:
        if part.role not in compared.signed:
            continue
        place = place_of(compared.before, reader.role(part.role))
        own = {path: data for _, path, data in reader.contents(*place, number=part.number)}
        for path, listed in orjson.loads(part.signed).get("targets", {}).items():
            fragment = own.get(path)
            if fragment is None:
                holder = reader.role(router.holder(path)).id
                fragment = fragment_at(reader, holder, slot_of(path), path, part.number)
            if fragment is None or orjson.loads(fragment) != listed:
                return f"{path}, which {part.role} lists, was published anew or removed since"
    return None


def _about(before: Authority, then: Authority) -> tuple[PathPattern, ...] | None:
    was, becomes = delegations_of(before), delegations_of(then)
    changed = [name for name in {**was, **becomes} if name != SUCCESSOR and was.get(name) != becomes.get(name)]
    found = [each for name in changed for each in (was.get(name), becomes.get(name)) if each is not None]
    return tuple(dict.fromkeys(pattern for each in found for pattern in each.paths)) if changed else None


def _takes_back(before: Authority, then: Authority) -> bool:
    """Whether it would make more than one delegation another, or bins: it does not know of all that was published."""
    was, becomes = delegations_of(before), delegations_of(then)
    names = {name for name in {*was, *becomes} if was.get(name) != becomes.get(name)}
    if SUCCESSOR not in was:
        # It joins with the first delegation, and takes the bins over from targets as they are.
        names.discard(SUCCESSOR)
    if len(names) > 1:
        return True
    for holder, bins in before.shared.items():
        coming = then.shared.get(SUCCESSOR if holder == TARGETS and TARGETS not in then.shared else holder)
        others = was.get(holder) != becomes.get(holder)
        if coming is not None and (coming.bins != bins.bins or (coming != bins and not others)):
            return True
    return False


def _was_seen(reader: StateReader, compared: Comparison, holder: RoleName, path: TargetPath, *, after: int) -> bool:
    """Whether clients saw a change of a path since, by the delegations before."""
    slot = slot_of(path)
    role, seen = reader.role(holder), lister_of(reader, compared.before, holder, path).number
    return seen > after and fragment_at(reader, role.id, slot, path, seen) != fragment_at(
        reader, role.id, slot, path, after
    )


def _again(reader: StateReader, event: SigningEvent) -> str:
    if event.kind is EventKind.BROUGHT or (event.kind is EventKind.DELEGATION and not _can_be_again(reader, event)):
        return f"rstuf event cancel {event.name}"
    return "rstuf publish" if event.kind in _PUBLISHES else "rstuf renew"


def _can_be_again(reader: StateReader, event: SigningEvent) -> bool:
    """Whether the same delegation can be proposed again over what is there now."""
    if wanted_by(reader, event) is None:
        return False
    try:
        return all(True for _ in moving(reader, compare(reader, event)))
    except (PathsNotDelegated, PathsDisputed):
        return False
