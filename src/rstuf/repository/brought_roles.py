"""What somebody who may sign a role made of it elsewhere: held against what clients see of it, and what waits here.

It comes out as it was brought, byte for byte. So all is looked at before that clients rely on, and whoever renders the
role later: who may sign it by what is published, a version that nothing else ever had, an expiry that the policy knows,
paths that clients look for in this role, and nothing about other roles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from rstuf.clock import iso
from rstuf.errors import (
    DelegationNotFound,
    DeliveryRefused,
    EventOpen,
    InvalidMetadata,
    PathsDisputed,
    PathsNotDelegated,
    shorten,
)
from rstuf.metadata.brought_role import BroughtRole, check_brought_signatures
from rstuf.metadata.canonical import compact
from rstuf.metadata.render import versioned
from rstuf.metadata.views import RoleKeys, open_envelope
from rstuf.model.durations import format_duration
from rstuf.model.events import EventKind, EventPhase, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.model.roles import RoleState
from rstuf.repository.authority import Authority, is_recorded_file, load_authority
from rstuf.repository.brought_rows import BroughtChanges
from rstuf.repository.client_guard import refuse_misread, refuse_unreadable, shape_of
from rstuf.repository.delegated_sides import delegated_sides
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import leaked_keys, names_of
from rstuf.repository.open_events import digest_of, is_open, refuse_expired, signers_of, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.routing import Router, router_of
from rstuf.repository.targets_signers import take_people

_NAMED: Final = 5
# A number that nobody reaches by counting would leave no room for those that come after it.
MOST_SKIPPED: Final = 1_000_000
# Two clocks never agree: so much longer than the policy says may something live that was signed by another one.
_CLOCKS: Final = timedelta(hours=1)
# What it may take the place of, once somebody says so: what is proposed there can be proposed again.
_GIVES_WAY: Final = frozenset({EventKind.CONTENTS, EventKind.RENEWAL, EventKind.BROUGHT})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was brought, and all that it changes. Nothing was written for it.

    Attributes:
        brought: the file, taken apart.
        before: the version that clients see.
        signed: the keys whose signatures it has, each verified; `names`: what keys of the role are called here.
        threshold: how many of `keyids` must sign.
        leaked: those of `signed` that were reported to have leaked.
        added, replaced, removed: what clients come to see of its artifacts; `unchanged`: how many stay as they are.
        lost: changes that were accepted here, that no client sees, and that it does not have: they go.
        drops: the events whose place it takes.
        waits: the event in which the same waits already; None where it does not.
        published: whether clients see just this already.
        periods: how long the role lives, by the policy.
        late: whether it is due at once, because it lives for so short.
        seen: what it was judged by; another one since then is a reason to judge it anew.
    """

    brought: BroughtRole
    before: int
    signed: tuple[KeyId, ...]
    names: Mapping[KeyId, str]
    keyids: tuple[KeyId, ...]
    threshold: int
    leaked: tuple[KeyId, ...]
    added: tuple[TargetPath, ...]
    replaced: tuple[TargetPath, ...]
    removed: tuple[TargetPath, ...]
    unchanged: int
    lost: tuple[TargetPath, ...]
    drops: tuple[EventView, ...]
    waits: SigningEvent | None
    published: bool
    periods: Periods
    late: bool
    seen: tuple[Any, ...]

    @property
    def lacking(self) -> int:
        """How many more must sign it."""
        return max(0, self.threshold - len(self.signed))

    @property
    def rests_on_leaked(self) -> bool:
        """Whether it has too few signatures without those of keys that leaked: whoever has these may have made it."""
        return bool(self.leaked) and len(self.signed) - len(self.leaked) < self.threshold


def look_at_delivery(ports: Ports, brought: BroughtRole) -> Delivery:
    """What a role that was brought changes. Writes nothing, waits for nobody.

    Raises:
        DeliveryRefused: it cannot come out.
        DelegationNotFound: nobody delegates to such a role.
        ClientsExcluded: a client that has to be able to read it could not.
        EventOpen: the role waits for something that is not to be dropped for it; EventExpired: just that waits, and
            nobody can use it any more.
    """
    with ports.state.read() as reader:
        return judge(ports, reader, brought)


def judge(ports: Ports, reader: StateReader, brought: BroughtRole) -> Delivery:
    """The same, for one who is reading."""
    authority, open_now = load_authority(reader, ports.metadata), is_open(reader, brought.name)
    waits = None if open_now is None or not _waits_in(open_now, brought) else open_now
    if waits is None:
        keys = _keys_of(authority, open_now, brought)
    else:
        # Whoever is to sign what waits, be it for the first time, or with other keys than before.
        part = next(part for part in waits.parts if part.role == brought.name)
        keys = delegated_sides(reader, waits, part)[0][1]
    names, role = names_of(reader), reader.role(brought.name)
    result = check_brought_signatures(brought, keys, called=names)
    published = waits is None and _is_published(reader, role, brought)
    # What brings a role for the first time says how long it lives.
    new = waits.periods if waits is not None and waits.role == brought.name else None
    periods = new or reader.periods().get(brought.name) or reader.periods()[TARGETS]
    if waits is None and not published:
        _refuse_other_delegations(authority, brought)
        _refuse_expiry(brought, periods, now=ports.signing_time(reader))
        _refuse_version(reader, role, brought)
        _refuse_in_the_way(reader, open_now)
        refuse_paths(router_of(ports, reader), brought)
        _refuse_to_clients(ports, reader, authority, brought)
    elif waits is not None:
        refuse_expired(waits, ports.clock.now())
        if waits.kind is EventKind.BROUGHT:
            # The role may have come to live for less since then.
            _refuse_expiry(brought, periods, now=ports.signing_time(reader))
    drops = () if open_now is None or published or waits is not None else (view_in(ports, reader, open_now),)
    changes = BroughtChanges.of(reader, role, brought.rows)
    leaked = frozenset(leaked_keys(reader))
    return Delivery(
        brought=brought,
        before=role.visible,
        signed=result.signed,
        names=names,
        keyids=keys.keyids,
        threshold=keys.threshold,
        leaked=tuple(each for each in result.signed if each in leaked),
        added=changes.added,
        replaced=changes.replaced,
        removed=changes.removed,
        unchanged=changes.unchanged,
        lost=() if published or waits is not None else changes.lost,
        drops=drops,
        waits=waits,
        published=published,
        periods=periods,
        late=brought.expires - periods.renew_before <= ports.clock.now(),
        seen=seen_of(reader, brought.name),
    )


def seen_of(reader: StateReader, name: RoleName) -> tuple[Any, ...]:
    """All of a state that the judgement of a role's file depends on, to be compared."""
    newest = reader.newest_root()
    below = reader.last_publication()
    return (
        reader.role(name),
        reader.newest_number(),
        is_open(reader, name),
        0 if newest is None else newest.version,
        0 if below is None else below.id,
    )


def _keys_of(authority: Authority, waits: SigningEvent | None, brought: BroughtRole) -> RoleKeys:
    """Who may sign it, by the role that delegates to it as clients see that.

    Raises:
        DelegationNotFound, DeliveryRefused: nobody can bring it.
    """
    name = brought.name
    keys = authority.named.get(name)
    if keys is None:
        if waits is None:
            raise DelegationNotFound(name)
        raise DeliveryRefused(
            brought.file,
            "delegation",
            f"no client sees a delegation to {name} yet: {waits.name} brings it, with the first version of the role",
            hint=f"have that signed first: rstuf bundle export {waits.name}; what is made elsewhere comes above it",
        )
    if name in authority.shared:
        reason = f"{name} shares its artifacts out over bins, which are signed here"
        raise DeliveryRefused(brought.file, "bins", reason, hint="rstuf artifact add takes its artifacts")
    if not take_people(keys, online=authority.top_level[TIMESTAMP]):
        reason = f"the online key signs {name}, and signs what is accepted here"
        raise DeliveryRefused(brought.file, "online", reason, hint="rstuf artifact add takes its artifacts")
    return keys


def _refuse_other_delegations(authority: Authority, brought: BroughtRole) -> None:
    said = authority.delegators.get(brought.name, {}).get("delegations")
    # As bytes: to Python 1 equals true, and nobody else can read the one in place of the other.
    if compact(brought.delegations) == compact(said):
        return
    hint = "rstuf delegation changes them; what is made elsewhere says what clients see of them"
    if said is None:
        raise DeliveryRefused(brought.file, "delegations", f"it delegates, and {brought.name} does not", hint=hint)
    reason = f"its delegations are not those that {brought.name} has"
    raise DeliveryRefused(brought.file, "delegations", reason, hint=hint)


def _is_published(reader: StateReader, role: RoleState, brought: BroughtRole) -> bool:
    """Whether clients see just what was brought, by whomever it was signed."""
    if role.visible != brought.version:
        return False
    data = reader.delegator(role.name, role.visible)
    if data is None or not is_recorded_file(role, data):
        return False
    try:
        return open_envelope(data, name=versioned(role.name, role.visible), kind="targets").payload == brought.payload
    except InvalidMetadata:
        return False


def _waits_in(event: SigningEvent, brought: BroughtRole) -> bool:
    part = next(part for part in event.parts if part.role == brought.name)
    return digest_of(part) == brought.digest


def _was(event: SigningEvent, brought: BroughtRole) -> bool:
    """Whether an event was to bring just that; once its file was whole, which may be written, as just these bytes."""
    part = next(part for part in event.parts if part.role == brought.name)
    return _waits_in(event, brought) and part.file in {None, brought.data}


def _refuse_version(reader: StateReader, role: RoleState, brought: BroughtRole) -> None:
    above = f"make it anew above that: rstuf delegation prepare {role.name} --version {role.version + 1} --key KEY"
    # With a number alone it would come out, and undo what came out since then.
    behind = (
        "it was made of an older version than clients see: perhaps a mirror was behind. Once the delegate's mirror has "
        f"version {role.visible}, make it anew: rstuf delegation prepare {role.name} --key KEY"
    )
    if brought.version < role.visible:
        reason = f"it is version {brought.version}, and clients have seen version {role.visible}"
        raise DeliveryRefused(brought.file, "version", reason, hint=behind)
    if brought.version == role.visible:
        told = _taken_by(reader, role, brought.version, _events_of(reader, role, brought.version))
        raise DeliveryRefused(brought.file, "version-taken", told, hint=behind)
    if brought.version <= role.version:
        taken = _events_of(reader, role, brought.version)
        if any(_was(each, brought) for each in taken):
            # Just that waited before, and was cancelled: it is the one content of its version.
            return
        told = _taken_by(reader, role, brought.version, taken)
        raise DeliveryRefused(brought.file, "version-taken", told, hint=above)
    if brought.version - role.version > MOST_SKIPPED:
        reason = f"it is version {brought.version}, and {role.name} is at version {role.version}: it skips too many"
        raise DeliveryRefused(brought.file, "version", reason, hint=above)


def _events_of(reader: StateReader, role: RoleState, version: int) -> list[SigningEvent]:
    """The events that were to bring a version, whatever became of them."""
    return [
        event
        for event in reader.events()
        if any(part.role == role.name and part.version == version for part in event.parts)
    ]


def _taken_by(reader: StateReader, role: RoleState, version: int, found: Sequence[SigningEvent]) -> str:
    """Who has a version, in words.

    Args:
        found: the events that were to bring it.
    """
    other = f"version {version} of {role.name} has other contents"
    if not found:
        seen = f"{other}, which clients see"
        return seen if version == role.visible else f"versions of {role.name} up to {role.version} were taken here"
    event = found[-1]
    signed = signers_of(reader, event)
    by = f"signed by {', '.join(map(shorten, signed))}" if signed else "signed by nobody"
    became = {EventPhase.OPEN: "waits", EventPhase.DONE: "is published", EventPhase.CANCELLED: "was cancelled"}
    opened = f"opened by {shorten(event.actor)} on {iso(event.opened)}"
    return f"{other}: {event.name}, {opened} and {by}, {became[event.phase]}"


def _refuse_in_the_way(reader: StateReader, event: SigningEvent | None) -> None:
    if event is not None and event.kind not in _GIVES_WAY:
        raise EventOpen(event.name, signed=signers_of(reader, event))


def _refuse_expiry(brought: BroughtRole, periods: Periods, *, now: datetime) -> None:
    if brought.expires <= now:
        raise DeliveryRefused(brought.file, "expires", f"it expired at {iso(brought.expires)}")
    if brought.expires - now > periods.expires + min(_CLOCKS, periods.expires / 10):
        most = format_duration(periods.expires)
        raise DeliveryRefused(
            brought.file,
            "expires",
            f"it expires on {iso(brought.expires)}, and {brought.name} lives for {most} at most",
            hint=f"make it anew with --expires {most}; or let the role live longer: "
            f"rstuf delegation update {brought.name} --expires PERIOD",
        )


def refuse_paths(router: Router, brought: BroughtRole) -> None:
    """Clients must look for each of its paths in this role, first."""
    outside, elsewhere = list[TargetPath](), dict[TargetPath, RoleName]()
    for row in brought.rows:
        try:
            holder = router.holder(row.path)
        except PathsNotDelegated:
            outside.append(row.path)
        except PathsDisputed as error:
            raise DeliveryRefused(brought.file, "path", error.message, hint=error.hint) from None
        else:
            if holder != brought.name:
                elsewhere[row.path] = holder
    hint = (
        f"rstuf delegation why PATH says which role is for a path, and rstuf delegation list what {brought.name} is for"
    )
    if outside:
        reason = f"{brought.name} is not for {some_paths(outside)}"
        raise DeliveryRefused(brought.file, "path", reason, hint=hint)
    if elsewhere:
        path, holder = next(iter(elsewhere.items()))
        more = f", and {len(elsewhere) - 1} more" if len(elsewhere) > 1 else ""
        reason = f"clients look for {shorten(path)} in {holder}{more}: {brought.name} is not for it"
        raise DeliveryRefused(brought.file, "path", reason, hint=hint)


def _refuse_to_clients(ports: Ports, reader: StateReader, authority: Authority, brought: BroughtRole) -> None:
    """See that clients can read it which have to: what they cannot would keep everything after it from coming out."""
    if not ports.clients:
        return
    shape = shape_of(reader, authority)
    # In the form that is looked through: another tool may have escaped what it is about.
    refuse_misread(ports.clients, brought.name, b'{"signed":%b}' % brought.compact)
    refuse_unreadable(ports.clients, replace(shape, role=len(brought.data), artifacts=len(brought.rows)))


def some_paths(paths: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{', '.join(map(shorten, paths[:_NAMED]))}{more}"
