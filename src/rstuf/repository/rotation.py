"""The rotation of an online key, driven over time so that no client is ever disturbed.

In good order it has four steps: (1) timestamp, snapshot and online-signed targets come out signed by both keys, targets
letting either sign the bins; (2) a root that names the new key alone is signed by its people and published; (3) both
keys sign on, for as long as a client's session or a cached answer may last; (4) bins that lack the new signature are
signed again, and nothing names the old key any more. What has been done is read from what is published, so each step
can be done again.

A key that is lost or in the wrong hands can't sign beside the new one: root comes out first and everything is signed
anew right after it. A client in between finds a timestamp that its root does not know, and tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from rstuf.errors import InvalidInput, StateError
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import Unsigned, part_of, renewed_part, versioned
from rstuf.metadata.root import with_role_keys
from rstuf.metadata.views import root_roles
from rstuf.model.events import ROTATING, EventKind, SigningEvent, rotating_kind
from rstuf.model.keys import KeyEntry, KeyId, Loss
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.rotation import Rotation, RotationKind
from rstuf.repository.authority import Authority, SigningDesk, current_root, load_authority
from rstuf.repository.bridge import (
    ONLINE,
    bridges,
    delegating_to_both,
    delegating_to_new,
    gone_keys,
    keys_to_go,
    lists_key,
    proposed_roles,
    replaced,
)
from rstuf.repository.interfaces import StateReader, StateTransaction
from rstuf.repository.known_keys import key_named, names_of, refuse_leaked, report_loss
from rstuf.repository.letting_go import propose_below, unproposed_below
from rstuf.repository.open_events import envelope_of, has_expired, is_open, leaky_of, view_in
from rstuf.repository.ports import Ports
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import PublicationReport, Reason
from rstuf.repository.signing_anew import end_rotation, let_go, publish_under_new_root, signed_by
from rstuf.repository.signing_events import drop_event, open_event, refuse_undropped, sign_event
from rstuf.repository.strays import strays
from rstuf.repository.targets_signers import people_sign, targets_verify
from rstuf.repository.visible import is_taken
from rstuf.repository.whole_files import reopen_event

DEFAULT_OVERLAP: Final = timedelta(days=1)
_JUMPS: Final = (0, 100, 10_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class RotationStart:
    """A rotation that has begun: what came out of its first step, and the events that wait for people."""

    rotation: Rotation
    publication: PublicationReport | None
    events: tuple[SigningEvent, ...]


def begin_rotation(
    ports: Ports, *, old: str, new: str, kind: RotationKind, overlap: timedelta, drop: Collection[SigningEvent] = ()
) -> RotationStart:
    """Let the key named `new` take the place of the online key named `old`. Under the publication lock, after recovery.

    Args:
        drop: the open events that are cancelled for it, as whoever says so saw them; see `in_the_way`.

    Raises:
        InvalidInput: one of the two is not known, or not fit for it; or in good order something leaked would sign on.
        EventOpen: such an event is open, and not to be dropped.
        SigningError: a key that must sign now cannot be reached; nothing was changed.
        StateError: another rotation goes on.
    """
    with ports.state.read() as reader:
        if reader.rotation() is not None:
            raise StateError("the rotation of an online key goes on already", hint="rstuf status shows it")
        before, after = fit_keys(reader, old=old, new=new)
        if kind is RotationKind.PLANNED:
            refuse_leaks_in_good_order(ports, reader, before)
    note_loss(ports, before.keyid, kind)
    return start_rotation(ports, before, after, kind=kind, overlap=overlap, drop=drop)


def refuse_leaks_in_good_order(ports: Ports, reader: StateReader, old: KeyEntry) -> None:
    """See that no key which leaked signs on because a rotation takes its time.

    Raises:
        InvalidInput: the key that goes leaked; or one that signs bins though root does not name it.
    """
    if old.report is not None and old.is_leaked:
        raise InvalidInput(
            f"{old.name} leaked, as was said on {old.report.at:%Y-%m-%d}: in good order it would sign on until clients "
            "know another one",
            hint=f"rstuf recover online-key {old.name} --leaked",
        )
    leaked = [entry.name for entry in strays(ports, reader) if entry.is_leaked]
    if leaked:
        raise InvalidInput(
            f"{leaked[0]} leaked, and signs bins yet: it would sign on until clients know another online key",
            hint="rstuf renew takes it out first",
        )


def note_loss(ports: Ports, keyid: KeyId, kind: RotationKind) -> None:
    """Why a key must go is known from here on, whatever keeps it from going now."""
    if kind is not RotationKind.PLANNED:
        with ports.state.transaction(actor=ports.actor) as state:
            report_loss(state, keyid, Loss(kind.value), at=ports.clock.now())


def start_rotation(
    ports: Ports,
    before: KeyEntry,
    after: KeyEntry,
    *,
    kind: RotationKind,
    overlap: timedelta,
    drop: Collection[SigningEvent],
    first: Callable[[StateTransaction], None] | None = None,
) -> RotationStart:
    """Begin with two keys that are fit for it; see `begin_rotation`.

    Args:
        first: what is done in the transaction that begins it, before that.
    """
    with ports.state.read() as reader:
        for waiting in in_the_way(reader, old=before.keyid, new=after.keyid, kind=kind):
            refuse_undropped(reader, waiting, drop)
        _open_what_signs(ports, reader, old=before.keyid, new=after.keyid, kind=kind)
    now = ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        if first is not None:
            first(state)
        if kind is not RotationKind.PLANNED:
            report_loss(state, before.keyid, Loss(kind.value), at=now)
        # Together with it: run again after an interruption it goes on, and nobody would be asked a second time.
        for waiting in in_the_way(state, old=before.keyid, new=after.keyid, kind=kind):
            refuse_undropped(state, waiting, drop)
            if is_open(state, waiting.role) == waiting:
                # Else it went with the one before.
                drop_event(state, waiting, at=now)
        state.begin_rotation(kind=kind, old=before.keyid, new=after.keyid, overlap=overlap, begun=now)
        details = {"kind": kind.value, "old": before.name, "new": after.name, "keyid": after.keyid}
        state.record("rotation.begin", details, at=now)
    publication = carry_on(ports)
    with ports.state.read() as reader:
        rotation, events = reader.rotation(), tuple(reader.open_events())
    if rotation is None:
        raise InvalidInput("the rotation ended before it began", hint="run it again")
    return RotationStart(rotation, publication, events)


def _open_what_signs(ports: Ports, reader: StateReader, *, old: KeyId, new: KeyId, kind: RotationKind) -> None:
    """Open every key that a rotation needs at once: nothing may begin that cannot go on.

    Raises:
        SigningError: one cannot be reached. People sign later, and are not asked for yet.
    """
    desk, roles = SigningDesk(reader, ports.signers), root_roles(current_root(reader))
    for name in ONLINE:
        if name == TARGETS and people_sign(roles):
            continue
        if kind is RotationKind.PLANNED:
            desk.signers(name, roles[name])
        desk.signers(name, replaced(reader, roles[name], old=old, new=new))


def in_the_way(reader: StateReader, *, old: KeyId, new: KeyId | None, kind: RotationKind) -> tuple[SigningEvent, ...]:
    """The open events that would have to go, were one online key to take the place of another.

    That is one of root, but for the one that the rotation itself waits for; targets that hands bins back to the key
    that was to stay; and, where a key must go at once, targets that would let it sign bins on: only without such a one
    can people be asked to sign targets without it.

    Args:
        new: None where it is not known yet.
    """
    root, rotation = is_open(reader, ROOT), reader.rotation()
    goes_on = rotation is not None and rotation.new == new
    rooted = goes_on and rotation is not None and rotation.root_version is not None
    found = [] if root is None or rooted or (goes_on and root.kind in ROTATING) else [root]
    targets = is_open(reader, TARGETS)
    if kind is not RotationKind.PLANNED:
        targets = keeping_targets(reader, old=old, new=new)
    elif targets is not None and targets.kind is not EventKind.HANDBACK:
        targets = None
    return tuple(found if targets is None else [*found, targets])


def keeping_targets(reader: StateReader, *, old: KeyId, new: KeyId | None) -> SigningEvent | None:
    """The open event of targets, where that would let a key sign bins that must go, or asks that key to sign it."""
    event, roles = is_open(reader, TARGETS), root_roles(current_root(reader))
    if event is None or (event.kind not in ROTATING and old in roles[TARGETS].keyids and people_sign(roles)):
        return event
    return event if keys_to_go(reader, [envelope_of(event.parts[0]).signed], old=old, new=new) else None


def carry_on(ports: Ports, *, drop: Collection[SigningEvent] = ()) -> PublicationReport | None:
    """Do what a rotation that goes on asks for now, if one does. Under the publication lock, after recovery.

    Args:
        drop: what is in its way, as whoever says so saw it; see `in_the_way`. Where that is nothing, another root that
            waits is waited for.

    Raises:
        EventOpen: that is not any more what is to be dropped.
    """
    with ports.state.read() as reader:
        rotation = reader.rotation()
        now = ports.signing_time(reader)
    if rotation is None:
        return None
    if rotation.root_version is None:
        publication = _publish_bridge(ports, rotation) if rotation.kind is RotationKind.PLANNED else None
        _propose(ports, rotation, drop=drop)
        return publication
    # Where people sign it: dropped, it is proposed again, for the rotation can't end without it.
    _propose_targets(ports, rotation, drop=drop)
    if rotation.is_bridged(now):
        propose_below(ports, rotation)
        return None
    publication = publish_under_new_root(ports) or let_go(ports, rotation)
    propose_below(ports, rotation)
    end_rotation(ports, rotation)
    return publication


def hasten_rotation(
    ports: Ports, *, kind: RotationKind, drop: Collection[SigningEvent] = ()
) -> PublicationReport | None:
    """End a rotation without its old key, which turned out to be lost or in the wrong hands. As `begin_rotation`.

    Before its root is out that goes on waiting, with the signatures that it has; after it, its overlap is over.

    Args:
        drop: see `carry_on`.

    Raises:
        InvalidInput: none goes on; or the new key leaked, and must not be let in.
    """
    with ports.state.read() as reader:
        rotation = reader.rotation()
        new = None if rotation is None else reader.key(rotation.new)
        rooted = rotation is None or rotation.root_version is not None
        waiting = [] if rooted else [event for role in (ROOT, TARGETS) if (event := is_open(reader, role)) is not None]
    if rotation is None:
        raise InvalidInput("no online key is being replaced", hint="rstuf key rotate NAME begins it")
    if new is not None and new.is_leaked and not rooted:
        raise InvalidInput(
            f"{new.name} leaked as well: another key must take the place of both",
            hint=f"rstuf recover online-key {new.name} --leaked",
        )
    now = ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        report_loss(state, rotation.old, Loss(kind.value), at=now)
        state.end_rotation(rotation.id, at=now)
        state.begin_rotation(
            kind=kind, old=rotation.old, new=rotation.new, overlap=rotation.overlap, begun=rotation.begun
        )
        names = names_of(state)
        details = {"kind": kind.value, "old": names.get(rotation.old, ""), "new": names.get(rotation.new, "")}
        state.record("rotation.begin", {**details, "keyid": rotation.new}, at=now)
        again = state.rotation()
        if again is not None and rotation.root_version is not None:
            state.note_rooted(again.id, version=rotation.root_version, at=now)
        for event in waiting:
            if event.kind is EventKind.ROTATION:
                reopen_event(state, event, kind=EventKind.REPLACEMENT, at=now)
    return carry_on(ports, drop=drop)


def _publish_bridge(ports: Ports, rotation: Rotation) -> PublicationReport | None:
    """Step 1, where it is not visible yet."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        entry = reader.key(rotation.new)
        also = bridges(reader, now=ports.signing_time(reader))
        ours = not people_sign(authority.top_level)
        if not ours:
            # They sign it in an event of their own, for both roots.
            also = {name: keys for name, keys in also.items() if name != TARGETS}
        lets_both = {
            name: delegating_to_both(said, old=rotation.old, new=entry.key)
            for name, said in authority.delegators.items()
            if entry is not None and (ours if name == TARGETS else rotation.old in authority.named[name].keyids)
        }
        missing = [
            name
            for name in lets_both
            if lists_key(authority.delegators[name], rotation.old)
            and not lists_key(authority.delegators[name], rotation.new)
        ]
        if entry is None or (signed_by(ports, reader, also) and not missing):
            return None
        names = [name for name in lets_both if name in missing or name == TARGETS]
        parts = [Part(reader.role(name), reader.role(name).number, Reason.ROTATED) for name in names]
        parts += [Part(reader.role(SNAPSHOT), 0, Reason.ROTATED), Part(reader.role(TIMESTAMP), 0, Reason.ROTATED)]
    return bring_out(ports, parts, proposed={name: lets_both[name] for name in names})


def _propose(ports: Ports, rotation: Rotation, *, drop: Collection[SigningEvent]) -> None:
    """Step 2: let root, and targets where people sign it, wait for their signatures."""
    with ports.state.read() as reader:
        root = is_open(reader, ROOT)
        free = root is None or (bool(drop) and root.kind not in ROTATING)
        proposed = _root_of(ports, reader, rotation) if free else None
    if proposed is not None:
        open_event(ports, [proposed], kind=rotating_kind(rotation), drop=drop)
    _propose_targets(ports, rotation, drop=drop)


def _propose_targets(ports: Ports, rotation: Rotation, *, drop: Collection[SigningEvent]) -> None:
    with ports.state.read() as reader:
        keeps = keeping_targets(reader, old=rotation.old, new=rotation.new) if drop else None
        free = is_open(reader, TARGETS) is None or keeps is not None
        proposed = _targets_of(ports, reader, rotation) if free else None
    if proposed is not None:
        open_event(ports, [proposed], kind=rotating_kind(rotation), drop=drop)
    with ports.state.read() as reader:
        waits = is_open(reader, TARGETS)
    if waits is not None and waits.kind in ROTATING:
        _sign_online(ports, waits)


def unproposed(ports: Ports, reader: StateReader, authority: Authority) -> tuple[RoleName, ...]:
    """The roles that people must sign for the rotation that goes on, and that `carry_on` would let wait now."""
    rotation = reader.rotation()
    if rotation is None:
        return ()
    found = [TARGETS] if is_open(reader, TARGETS) is None and _targets_of(ports, reader, rotation) is not None else []
    if rotation.root_version is not None:
        found += unproposed_below(ports, reader, authority, rotation, now=ports.signing_time(reader))
    return tuple(found)


def sign_handback(ports: Ports) -> None:
    """Let online keys sign at once what hands bins back, where it waits for people beside them."""
    with ports.state.read() as reader:
        waits = is_open(reader, TARGETS)
    if waits is not None and waits.kind is EventKind.HANDBACK:
        _sign_online(ports, waits)


def _sign_online(ports: Ports, event: SigningEvent) -> None:
    """Sign targets at once with the online keys that stand beside those of people; who is away can sign later."""
    with ports.state.read() as reader:
        rotation, roles = reader.rotation(), root_roles(current_root(reader))
        online = {*roles[TIMESTAMP].keyids, *(() if rotation is None else (rotation.old, rotation.new))}
        unfit = has_expired(event, ports.clock.now()) or leaky_of(reader, event) is not None
        wanted = view_in(ports, reader, event).wanted
    if not unfit and online.intersection(wanted):
        sign_event(ports, event.name, keyids=[keyid for keyid in wanted if keyid in online])


def _root_of(ports: Ports, reader: StateReader, rotation: Rotation) -> Unsigned:
    old = current_root(reader)
    roles = root_roles(old)
    changed = proposed_roles(reader, roles, rotation)
    expires = ports.signing_time(reader) + reader.periods()[ROOT].expires
    return part_of(ROOT, with_role_keys(old.signed, changed, version=old.version + 1, expires=expires), expires=expires)


def _targets_of(ports: Ports, reader: StateReader, rotation: Rotation) -> Unsigned | None:
    """What people must sign of targets, so that the new key signs its bins and stands beside them, where the old did.

    None where the online key signs it alone, or what is visible says so already.
    """
    authority, entry = load_authority(reader, ports.metadata), reader.key(rotation.new)
    roles = authority.top_level
    if entry is None or not people_sign(roles):
        return None
    gone = gone_keys(reader, [authority.targets], rotation)
    keys = roles[TARGETS]
    if rotation.root_version is None:
        keys = replaced(reader, keys, old=rotation.old, new=rotation.new)
    if not gone and targets_verify(reader, ports.metadata, keys):
        return None
    signed = delegating_to_new(authority.targets, gone=gone, new=entry.key)
    expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
    return renewed_part(TARGETS, signed, version=_free_version(ports, reader), expires=expires)


def _free_version(ports: Ports, reader: StateReader) -> int:
    """The next version of targets; above what a thief left under the names of those that would come next."""
    first = reader.role(TARGETS).version + 1
    names = (first + jump for jump in _JUMPS)
    return next((each for each in names if not is_taken(ports.metadata, versioned(TARGETS, each))), first)


def fit_keys(reader: StateReader, *, old: str, new: str) -> tuple[KeyEntry, KeyEntry]:
    """The online key named `old` and the key named `new` that can take its place.

    Raises:
        InvalidInput: one of the two is not known, or not fit for it.
    """
    before, after = key_named(reader, old), key_named(reader, new)
    _check_fit(reader, before, after)
    return before, after


def _check_fit(reader: StateReader, old: KeyEntry, new: KeyEntry) -> None:
    refuse_leaked(new)
    roles = root_roles(current_root(reader))
    if not any(old.keyid in roles[name].keyids for name in ONLINE) or old.keyid in roles[ROOT].keyids:
        raise InvalidInput(
            f"{old.name} is not an online key", hint="rstuf key list shows which is; rstuf root update changes others"
        )
    identity = key_identity(new.key)
    for name, keys in roles.items():
        if any(key_identity(key) == identity for key in keys.keys.values()):
            raise InvalidInput(f"{new.name} signs {name} already", hint="make another one: rstuf key generate NAME")
    if new.signer is None:
        raise InvalidInput(f"the private half of {new.name} is not here", hint=f"rstuf key add {new.name} FILE")
