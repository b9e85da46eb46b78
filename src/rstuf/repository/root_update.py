"""Proposals of a new root: other keys, thresholds or periods. Nothing is signed here; the signers see it first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from rstuf.errors import EventOpen, InvalidInput, InvalidPolicy
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import Unsigned, part_of, renewed_part, versioned
from rstuf.metadata.root import with_role_keys
from rstuf.metadata.root_changes import RootChanges, compare_published, compare_roots
from rstuf.metadata.views import Envelope, RoleKeys, open_envelope, root_roles
from rstuf.model.events import EventKind, EventPart, SigningEvent
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.policy import Periods, check_threshold
from rstuf.repository.authority import current_root, delegator_bytes, load_authority, signed_enough
from rstuf.repository.interfaces import StateReader
from rstuf.repository.keys import key_named
from rstuf.repository.ports import Ports
from rstuf.repository.signing_events import envelope_of, is_open, open_in, signers_of

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
    """

    role: RoleName = ROOT
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    threshold: int | None = None
    periods: Periods | None = None


@dataclass(frozen=True, slots=True)
class RootProposal:
    """A root that nobody has signed yet.

    Attributes:
        root: what is to be signed.
        targets: targets signed anew, where what is visible of it would not verify from that root.
        changes: what the root changes, for whoever signs it.
        drops: the event that opening this one would drop, and who has signed it; None where none is open.
    """

    root: Unsigned
    targets: Unsigned | None
    kind: EventKind
    periods: Periods | None
    changes: RootChanges
    drops: EventOpen | None


def propose_update(ports: Ports, update: RootUpdate) -> RootProposal:
    """The root that an update makes. Writes nothing.

    Raises:
        InvalidInput, InvalidPolicy: a key is not known, or the role would not hold together.
        ProposalRefused: nobody should sign such a root.
    """
    with ports.state.read() as reader:
        if update.role not in _BY_PEOPLE:
            raise InvalidInput(
                f"root update does not change who signs {update.role}",
                hint="rstuf key rotate NAME replaces the online key",
            )
        if update.role != ROOT and update.periods is not None:
            raise InvalidInput(f"the periods of {update.role} do not stand in root", hint="they are set by themselves")
        root = current_root(reader)
        roles = root_roles(root)
        keys = _changed(reader, roles[update.role], update)
        _refuse_mixture(keys, update.role, roles[TIMESTAMP], roles[ROOT])
        if keys == roles[update.role] and update.periods is None:
            raise InvalidInput("that is what the root says already", hint="rstuf renew --force root signs it again")
        periods = update.periods or reader.periods()[ROOT]
        expires = ports.signing_time(reader) + periods.expires
        signed = with_role_keys(root.signed, {update.role: keys}, version=root.version + 1, expires=expires)
        unsigned = part_of(ROOT, signed, expires=expires)
        changes = compare_roots(
            root, envelope_of(EventPart(ROOT, unsigned.version, unsigned.data)), now=ports.clock.now()
        )
        targets = _targets_for(ports, reader, keys) if update.role == TARGETS else None
        return RootProposal(unsigned, targets, EventKind.UPDATE, update.periods, changes, dropped_by(reader, ROOT))


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

    Raises:
        EventOpen: another one waits, and is not to be dropped.
        InvalidInput: another root was published meanwhile.
    """
    with ports.state.read() as reader:
        if proposal.root.version != current_root(reader).version + 1:
            raise InvalidInput("another root was published meanwhile", hint="run it again, over that one")
    kind, at = proposal.kind, ports.clock.now()
    with ports.state.transaction(actor=ports.actor) as state:
        # Both or neither: a root that came alone could never come out.
        events = [open_in(state, [proposal.root], kind=kind, at=at, periods=proposal.periods, drop=drop)]
        if proposal.targets is not None:
            events.append(open_in(state, [proposal.targets], kind=kind, at=at, drop=drop))
    return events


def dropped_by(reader: StateReader, role: RoleName) -> EventOpen | None:
    """What a new event of a role would drop."""
    event = is_open(reader, role)
    if event is None:
        return None
    return EventOpen(event.name, signed=signers_of(reader, event))


def _changed(reader: StateReader, keys: RoleKeys, update: RootUpdate) -> RoleKeys:
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
            raise InvalidInput(f"{name} signs {update.role} already", hint="rstuf root show says who does")
        keyids.append(entry.keyid)
        known[entry.keyid] = entry.key
    threshold = keys.threshold if update.threshold is None else update.threshold
    distinct = len({key_identity(key) for key in known.values()})
    try:
        check_threshold(update.role, threshold=threshold, distinct_keys=distinct)
    except InvalidPolicy as error:
        raise InvalidPolicy(error.message, hint="say --threshold N too, or keep more keys") from None
    return replace(keys, keyids=tuple(keyids), threshold=threshold, keys=known)


def _refuse_mixture(keys: RoleKeys, role: RoleName, online: RoleKeys, root: RoleKeys) -> None:
    """A key that is online must not sign root, under no spelling; so a root key is kept out of what is online, too."""
    others = online if role == ROOT else root
    theirs = {key_identity(key) for key in others.keys.values()}
    if any(key_identity(key) in theirs for key in keys.keys.values()):
        what = "the online key may not sign root" if role == ROOT else "a root key should sign nothing but root"
        raise InvalidInput(what, hint="make a key for it: rstuf key generate NAME")


def _targets_for(ports: Ports, reader: StateReader, keys: RoleKeys) -> Unsigned | None:
    """Targets to be signed anew, so that it verifies from a root that names these keys for it."""
    role = reader.role(TARGETS)
    authority = load_authority(reader, ports.metadata)
    data = delegator_bytes(role, reader, ports.metadata, keys=authority.top_level[TARGETS])
    if data is not None and signed_enough(_targets(data, role.visible), keys):
        return None
    expires = ports.signing_time(reader) + reader.periods()[TARGETS].expires
    return renewed_part(TARGETS, authority.targets, version=role.version + 1, expires=expires)


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
