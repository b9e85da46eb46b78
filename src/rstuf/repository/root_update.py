"""Proposals of a new root: other keys, thresholds or periods. Nothing is signed here; the signers see it first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from rstuf.errors import InvalidInput, InvalidPolicy
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import Unsigned, part_of, renewed_part, versioned
from rstuf.metadata.root import with_role_keys
from rstuf.metadata.root_changes import RootChanges, compare_published, compare_roots
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, root_roles
from rstuf.model.events import EventKind, EventPart, SigningEvent
from rstuf.model.keys import KeyId, Loss
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import Periods, check_threshold
from rstuf.repository.authority import current_root, delegator_bytes, load_authority, signed_enough
from rstuf.repository.call_offs import CallOff, handed_back, what_calls_off
from rstuf.repository.calling_off import call_off
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import key_named, refuse_leaked, report_loss
from rstuf.repository.leaks import gaining_leaks
from rstuf.repository.lost_keys import lost_keys
from rstuf.repository.open_events import drops_rotation, envelope_of, is_open, lacks_targets, views_of_open
from rstuf.repository.ports import Ports
from rstuf.repository.root_refusals import (
    refuse_beyond_reach,
    refuse_left_to_leaked,
    refuse_left_to_lost,
    refuse_unsignable,
)
from rstuf.repository.signing_events import NewEvent, open_event, open_events, refuse_waiting
from rstuf.repository.update_hints import as_it_is, taking_out, way_to_hold

_BY_PEOPLE: Final = (ROOT, TARGETS)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class RootUpdate:
    """What is to become of a role that people sign.

    Attributes:
        role: root or targets.
        add, remove: names of keys.
        threshold: how many must sign; None where that stays.
        periods: root's own; None where they stay.
        others: what is to become of other such roles, in the same root.
        gone: names of keys that are to go later, once others can sign in their place.
        loss: why the keys that it removes, or that are to go, must; None where they are well.
    """

    role: RoleName = ROOT
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    threshold: int | None = None
    periods: Periods | None = None
    others: tuple[RootUpdate, ...] = ()
    gone: tuple[str, ...] = ()
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class RootProposal:
    """A root that nobody has signed yet.

    Attributes:
        root: what is to be signed.
        targets: targets signed anew, where what is visible of it would not verify from that root, or where people have
            handed the bins to the new key of a rotation that is dropped.
        changes: what the root changes, for whoever signs it.
        drops: the events that opening this one drops, as they are now: whoever agrees to it is shown them.
        hands_back: whether that targets lets the old online key sign the bins again, since opening this calls off the
            rotation that let another one.
        losses: the keys that it takes out because they are lost or leaked.
        lists: the keys that the root lets sign something.
    """

    root: Unsigned
    targets: Unsigned | None
    kind: EventKind
    periods: Periods | None
    changes: RootChanges
    drops: tuple[EventView, ...]
    hands_back: bool = False
    losses: Mapping[KeyId, Loss] = field(default_factory=dict)
    lists: frozenset[KeyId] = frozenset()


def propose_update(ports: Ports, update: RootUpdate) -> RootProposal:
    """The root that an update makes. Writes nothing.

    Raises:
        InvalidInput, InvalidPolicy: a key is not known, or the role would not hold together.
        RootKeysLost: so many root keys are lost that nobody can sign it.
        ProposalRefused: nobody should sign such a root.
    """
    with ports.state.read() as reader:
        root = current_root(reader)
        roles = root_roles(root)
        updates = (update, *update.others)
        losses = _losses(reader, updates)
        said = {keyid for keyid, loss in losses.items() if loss is Loss.LOST}
        lost = lost_keys(ports, reader, also=said)
        refuse_beyond_reach(reader, roles[ROOT], lost, said)
        try:
            changed = {each.role: _updated(reader, roles, each) for each in updates}
        except InvalidPolicy as error:
            error.hint = taking_out(roles, updates, gone={*lost, *losses}) or error.hint
            raise
        if update.periods is None and all(_says_the_same(keys, roles[name]) for name, keys in changed.items()):
            raise as_it_is(reader, "that is what the root says", ROOT, hint="rstuf renew --force root signs it again")
        refuse_left_to_lost(reader, roles, changed, updates, lost=lost, going=set(losses))
        refuse_left_to_leaked(reader, roles, changed, [each for each in losses if losses[each] is Loss.LEAKED])
        periods = update.periods or reader.periods()[ROOT]
        expires = ports.signing_time(reader) + periods.expires
        signed = with_role_keys(root.signed, changed, version=root.version + 1, expires=expires)
        unsigned = part_of(ROOT, signed, expires=expires)
        changes = compare_roots(
            root, envelope_of(EventPart(ROOT, unsigned.version, unsigned.data)), now=ports.clock.now()
        )
        off = _call_off_of(ports, reader)
        targets = _targets_for(ports, reader, changed[TARGETS], off) if TARGETS in changed else None
        if targets is not None:
            refuse_unsignable(reader, roles[TARGETS], changed[TARGETS], updates, lost)
        back = _handed_back(ports, reader, off, targets)
        return RootProposal(
            unsigned,
            back or targets,
            EventKind.UPDATE,
            update.periods,
            changes,
            views_of_open(ports, reader, [ROOT] if back is None and targets is None else [ROOT, TARGETS]),
            hands_back=back is not None,
            losses=losses,
            lists=frozenset(keyid for keys in {**roles, **changed}.values() for keyid in keys.keyids),
        )


def propose_renewal(ports: Ports, reader: StateReader, role: RoleName) -> Unsigned:
    """Root or targets as it is, for longer."""
    expires = ports.signing_time(reader) + reader.periods()[role].expires
    if role == ROOT:
        root = current_root(reader)
        return renewed_part(ROOT, root.signed, version=root.version + 1, expires=expires)
    targets = load_authority(reader, ports.metadata).targets
    return renewed_part(TARGETS, targets, version=reader.role(TARGETS).version + 1, expires=expires)


def open_proposal(ports: Ports, proposal: RootProposal, *, drop: bool) -> list[SigningEvent]:
    """Let a proposal wait for its signatures. Under the publication lock.

    Args:
        drop: whether what it drops, as it was shown, is to be dropped.

    Raises:
        EventOpen: something waits that is not to be dropped, or that changed since it was shown.
        InvalidInput: another root was published meanwhile.
    """
    dropped = [each for view in proposal.drops for each in (view.event, *view.companions)] if drop else ()
    with ports.state.read() as reader:
        _refuse_outdated(ports, reader, proposal)
        refuse_waiting(reader, [ROOT] if proposal.targets is None else [ROOT, TARGETS], dropped)
        calls_off = _call_off_of(ports, reader) is not None
    if calls_off:
        # Only now that nothing refuses it.
        call_off(ports)
    wanted = [NewEvent((proposal.root,), proposal.kind, proposal.periods)]
    if proposal.targets is not None:
        kind = EventKind.HANDBACK if proposal.hands_back else proposal.kind
        wanted.append(NewEvent((proposal.targets,), kind))
    return open_events(ports, wanted, drop=dropped)


def note_losses(ports: Ports, proposal: RootProposal) -> None:
    """Who must not sign any more is known from here on, whatever becomes of the proposal."""
    if proposal.losses:
        with ports.state.transaction(actor=ports.actor) as state:
            for keyid, loss in proposal.losses.items():
                report_loss(state, keyid, loss, at=ports.clock.now())


def _refuse_outdated(ports: Ports, reader: StateReader, proposal: RootProposal) -> None:
    """
    Raises:
        InvalidInput: what it is to follow is another one by now.
    """
    if proposal.root.version != current_root(reader).version + 1:
        raise InvalidInput("another root was published meanwhile", hint="run it again, over that one")
    taken = proposal.targets is not None and proposal.targets.version <= reader.role(TARGETS).version
    off = _call_off_of(ports, reader)
    if taken or (off is not None and off.by_people is not None and not proposal.hands_back):
        raise InvalidInput("another targets was proposed or published meanwhile", hint="run it again, over that one")


def propose_missing_targets(ports: Ports) -> SigningEvent | None:
    """Let the targets wait that an open root needs, where nothing brings them any more. Under the publication lock.

    The root stays as it is, with the signatures that it has.

    Returns:
        Their event; None where nothing is missing.
    """
    with ports.state.read() as reader:
        root = is_open(reader, ROOT)
        if root is None or root.kind is not EventKind.UPDATE or not lacks_targets(ports, reader, root):
            return None
        if gaining_leaks(reader, envelope_of(root.parts[0])):
            # It never comes out.
            return None
        targets = _targets_for(ports, reader, root_roles(envelope_of(root.parts[0]))[TARGETS])
    return None if targets is None else open_event(ports, [targets], kind=root.kind)


def propose_targets_for_root(ports: Ports) -> SigningEvent | None:
    """Let targets wait for the people whom the root in force names, where what is visible does not verify from it.

    Under the publication lock.

    Returns:
        Their event; None where none is needed, or one waits.
    """
    with ports.state.read() as reader:
        roles = root_roles(current_root(reader))
        if is_open(reader, TARGETS) is not None or roles[TARGETS].keyids == roles[TIMESTAMP].keyids:
            return None
        targets = _targets_for(ports, reader, roles[TARGETS])
    return None if targets is None else open_event(ports, [targets], kind=EventKind.RENEWAL)


def _updated(reader: StateReader, roles: Mapping[RoleName, RoleKeys], update: RootUpdate) -> RoleKeys:
    """Who signs a role from then on."""
    if update.role not in _BY_PEOPLE:
        raise InvalidInput(
            f"root update does not change who signs {update.role}",
            hint="rstuf key rotate NAME replaces the online key",
        )
    if update.role != ROOT and update.periods is not None:
        raise InvalidInput(f"the periods of {update.role} do not stand in root", hint="they are set by themselves")
    keys = _changed(reader, roles[update.role], update)
    _refuse_mixture(roles[update.role], keys, update.role, online=roles[TIMESTAMP], root=roles[ROOT])
    return keys


def _says_the_same(one: RoleKeys, other: RoleKeys) -> bool:
    """In whatever order."""
    return set(one.keyids) == set(other.keyids) and one.threshold == other.threshold


def _losses(reader: StateReader, updates: tuple[RootUpdate, ...]) -> dict[KeyId, Loss]:
    return {
        key_named(reader, name).keyid: each.loss
        for each in updates
        if each.loss is not None
        for name in (*each.remove, *each.gone)
    }


def _changed(reader: StateReader, keys: RoleKeys, update: RootUpdate) -> RoleKeys:
    both = {name.casefold() for name in update.add} & {name.casefold() for name in update.remove}
    if both:
        raise InvalidInput(f"{min(both)} is to be let in and taken out at once", hint="say one of the two")
    keyids, known = list(keys.keyids), dict(keys.keys)
    for name in update.remove:
        entry = key_named(reader, name)
        if entry.keyid not in keyids:
            raise InvalidInput(f"{name} does not sign {update.role}", hint="rstuf root show says who does")
        keyids.remove(entry.keyid)
        known.pop(entry.keyid, None)
    for name in update.add:
        entry = key_named(reader, name)
        if entry.keyid in keyids:
            raise as_it_is(reader, f"{name} signs {update.role}", ROOT, hint="rstuf root show says who does")
        refuse_leaked(entry)
        keyids.append(entry.keyid)
        known[entry.keyid] = entry.key
    threshold = keys.threshold if update.threshold is None else update.threshold
    distinct = len({key_identity(key) for key in known.values()})
    try:
        check_threshold(update.role, threshold=threshold, distinct_keys=distinct)
    except InvalidPolicy as error:
        raise InvalidPolicy(error.message, hint=way_to_hold(update, left=distinct)) from None
    return replace(keys, keyids=tuple(keyids), threshold=threshold, keys=known)


def _refuse_mixture(before: RoleKeys, keys: RoleKeys, role: RoleName, *, online: RoleKeys, root: RoleKeys) -> None:
    """A key that is online must not begin to sign root, under no spelling; nor a root key what is below it."""
    others = online if role == ROOT else root
    theirs = {key_identity(key) for key in others.keys.values()}
    if any(key_identity(key) in theirs for keyid, key in keys.keys.items() if keyid not in before.keyids):
        what = "the online key may not sign root" if role == ROOT else "a root key should sign nothing but root"
        raise InvalidInput(what, hint="make a key for it: rstuf key generate NAME")


def _call_off_of(ports: Ports, reader: StateReader) -> CallOff | None:
    """What calling off the rotation takes, where a root that is proposed drops the one that it waits for."""
    waits = is_open(reader, ROOT)
    return what_calls_off(ports, reader) if waits is not None and drops_rotation(waits, reader.rotation()) else None


def _handed_back(ports: Ports, reader: StateReader, off: CallOff | None, targets: Unsigned | None) -> Unsigned | None:
    """Targets that hands the bins back: of a rotation that is called off, or as it waits of one that was before.

    Args:
        targets: what a root needs, and takes the place of what waits.
    """
    waits = is_open(reader, TARGETS)
    if off is not None or targets is None or waits is None or waits.kind is not EventKind.HANDBACK:
        return handed_back(ports, reader) if off is not None else None
    return renewed_part(TARGETS, envelope_of(waits.parts[0]).signed, version=targets.version, expires=targets.expires)


def _targets_for(ports: Ports, reader: StateReader, keys: RoleKeys, off: CallOff | None = None) -> Unsigned | None:
    """Targets to be signed anew, so that it verifies from a root that names these keys for it.

    Args:
        off: what is called off before: that says what targets says, and takes a version of its own where it comes out.
    """
    role = reader.role(TARGETS)
    authority = load_authority(reader, ports.metadata)
    data = delegator_bytes(role, reader, ports.metadata, keys=authority.top_level[TARGETS])
    if data is not None and signed_enough(_targets(data, role.visible), keys):
        return None
    expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
    said = None if off is None else off.targets
    version = role.version + (1 if said is None else 2)
    return renewed_part(TARGETS, authority.targets if said is None else said, version=version, expires=expires)


def _targets(data: bytes, version: int) -> Envelope:
    return open_envelope(data, name=versioned(TARGETS, version), kind="targets")


def changes_between(ports: Ports, before: int, after: int) -> RootChanges:
    """What one root that was published changes over an earlier one; `before` is 0 for the first root.

    Raises:
        InvalidInput: there is no such root, or `before` is not the earlier one.
    """
    with ports.state.read() as reader:
        old = _published(reader, before) if before else None
        new = _published(reader, after)
    if before >= after:
        raise InvalidInput(f"root v{before} does not come before v{after}", hint="name the older one first")
    # As it looked when it was signed: that it has expired since is no fault of it.
    now = min(ports.clock.now(), new.expires - _SECOND)
    return compare_roots(None, new, now=now) if old is None else compare_published(old, new, now=now)


def _published(reader: StateReader, version: int) -> Envelope:
    root = reader.root(version)
    if root is None:
        raise InvalidInput(f"there is no root v{version} here", hint="rstuf root history lists them")
    return open_envelope(root.data, name=versioned(ROOT, version), kind="root")
