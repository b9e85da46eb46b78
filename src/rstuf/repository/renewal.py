"""Renewal: signing again what is due. Two questions a role: is it correctly signed, and is its sign-by date here?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final

from rstuf.errors import RoleNotFound, RstufError
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.render import Unsigned
from rstuf.metadata.views import root_roles
from rstuf.model.events import ROTATING, EventKind, SigningEvent
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP, TOP_LEVEL, RoleName
from rstuf.model.roles import RoleKind, RoleState
from rstuf.repository.authority import SUCCESSOR, Authority, SigningDesk, current_root, load_authority
from rstuf.repository.batches import Batch, batches, event_of
from rstuf.repository.completing import carry_on_events
from rstuf.repository.dates import due_roles, lives, next_due, visible_file
from rstuf.repository.dropping import drop_expired, drop_in_the_way, drop_outdated, waits_in_the_way
from rstuf.repository.forced import can_sign, within_reach
from rstuf.repository.giving_way import runs_out
from rstuf.repository.interfaces import StateReader
from rstuf.repository.leaks import unrevoked
from rstuf.repository.letting_go import holding_up, is_as_proposed
from rstuf.repository.mending import RENDERED, lost_roles, put_back, record_again
from rstuf.repository.open_events import envelope_of
from rstuf.repository.overtaken import overtaken
from rstuf.repository.people import (
    holding_bins,
    holding_event,
    is_free,
    propose_role,
    says_no_more,
    still_waiting,
    waiting_batch,
    waiting_for,
)
from rstuf.repository.ports import Ports
from rstuf.repository.proposing_anew import propose_outdated_anew
from rstuf.repository.recovery import recover
from rstuf.repository.release import bring_out
from rstuf.repository.rendering import Part
from rstuf.repository.reports import (
    DroppedEvent,
    PublicationReport,
    Reason,
    Recovery,
    RenewalReport,
    WaitingRole,
)
from rstuf.repository.root_update import propose_missing_targets, propose_renewal
from rstuf.repository.roots import renew_root
from rstuf.repository.signing_anew import publish_under_new_root
from rstuf.repository.signing_events import NewEvent, open_events, sign_event
from rstuf.repository.targets_signers import people_are_missing, people_sign
from rstuf.repository.together import together
from rstuf.repository.visible import (
    check_visible,
    is_as_published,
    refuse_junk_root,
    refuse_newer_root,
    refuse_older_state,
)
from rstuf.repository.waiting_roles import waiting_in

JUMP: Final = 10_000
"""More versions than a copy of the state that somebody still has is likely to be behind."""


@dataclass(slots=True)
class Due:
    """What a renewal found to do."""

    root: Reason | None = None
    parts: list[Part] = field(default_factory=list)
    waiting: list[WaitingRole] = field(default_factory=list)


def renew(ports: Ports, *, force: Collection[str] = ()) -> RenewalReport:
    """Sign again every role that is due, or named in `force`; what cannot be signed here is reported as waiting.

    Doing it again right away does nothing. A role is rendered at what clients see of it: pending changes stay pending.
    What the storage lost is mended: roots and targets are put back as they were signed, the snapshot is signed again;
    and where the visible timestamp was lost and is forced, so is every bin that is missing or damaged.

    Args:
        force: names of roles; "bins" stands for all bins, and for the role of that name that has them.

    Raises:
        RoleNotFound: `force` names a role that is not here.
        SigningError: an online key cannot be reached.
        StorageError, ReleaseRefused: clients still see what they saw.
    """
    with ports.state.read() as reader:
        # A name that is mistyped is told at once, whatever else is wrong.
        _named(reader, force)
    with ports.state.publication_lock(purpose="renew"):
        recovery = recover(ports)
        refuse_newer_root(ports)
        anew = publish_under_new_root(ports)
        if TIMESTAMP in force:
            refuse_older_state(ports)
        else:
            check_visible(ports)
        recorded = record_again(ports)
        restored = put_back(ports)
        expired = [*drop_expired(ports), *drop_outdated(ports)]
        made_way = _make_way(ports)
        dropped = (*expired, *made_way)
        try:
            report = _sign_again(ports, force, recovery, made_way=bool(made_way), before=anew)
        except RstufError as error:
            error.dropped = {each.name: each.signed for each in dropped}
            raise
        again = propose_outdated_anew(ports)
        report = replace(report, waiting=(*report.waiting, *again.waiting), dropped=(*dropped, *again.dropped))
        if again.waiting and (late := carry_on_events(ports)) is not None:
            whole = together(report.publication, late) or late
            report = replace(report, publication=whole, waiting=still_waiting(ports, report.waiting))
        return replace(report, publication=report.publication.mended(restored=restored, recorded=recorded))


def _make_way(ports: Ports) -> tuple[DroppedEvent, ...]:
    """Drop targets that waits for people whom only a proposed root names, where it runs out and can be signed here."""
    with ports.state.read() as reader:
        event = waits_in_the_way(ports, reader)
        if event is None:
            return ()
        keys = root_roles(current_root(reader))[TARGETS]
        if not can_sign(SigningDesk(reader, ports.signers), TARGETS, keys):
            return ()
    return (drop_in_the_way(ports, event),)


def _sign_again(
    ports: Ports, force: Collection[str], recovery: Recovery, *, made_way: bool, before: PublicationReport | None
) -> RenewalReport:
    """What is left of a renewal once what is visible was looked at, and mended.

    Args:
        made_way: whether targets is signed before it is proposed anew for the root that needs it.
        before: what came out already.
    """
    root_before = _root_version(ports)
    with ports.state.read() as reader:
        opened_before = {event.id for event in reader.open_events()}
    mended = is_as_published(ports)
    anew = propose_missing_targets(ports) if mended and not made_way else None
    went_on = _go_on(ports) if mended else None
    # A timestamp that was lost says nothing of what else was.
    kinds = RENDERED if not is_as_published(ports) else (RoleKind.SNAPSHOT,)
    with ports.state.read() as reader:
        lost = lost_roles(ports, reader, kinds=kinds)
        due = find_due(ports, reader, force, lost)
        behind = ports.clock_behind(reader)
        visible = reader.role(TIMESTAMP).visible
    if due.root is None:
        refuse_junk_root(ports)
    if anew is not None and all(each.name != TARGETS for each in due.waiting):
        due.waiting.append(_proposed_anew(ports))
    with ports.state.read() as reader:
        due.waiting += _opened_since(reader, opened_before, due)
    opened = [_wait_for_people(ports, each) for each in due.waiting]
    root_version, publication = _bring_out(ports, due)
    if made_way and propose_missing_targets(ports) is not None:
        opened.append(_wait_for_people(ports, _proposed_anew(ports)))
    completed = PublicationReport(published=recovery is Recovery.COMPLETED, timestamp_version=visible)
    publication = together(before, went_on, publication) or completed
    if root_version is None and _root_version(ports) > root_before:
        root_version = _root_version(ports)
    publication = replace(publication, recovery=recovery, clock_behind=behind)
    with ports.state.read() as reader:
        return RenewalReport(
            publication, tuple(opened), next_due(reader), root_version, leaked=unrevoked(ports, reader)
        )


def _go_on(ports: Ports) -> PublicationReport | None:
    """Sign what says nothing new and waits, with the keys that are here, and bring out what everybody has signed."""
    with ports.state.read() as reader:
        waiting = [
            event
            for event in reader.open_events()
            if _is_plain_renewal(ports, reader, event) or is_as_proposed(ports, reader, event)
        ]
    for event in waiting:
        sign_event(ports, event.name)
    return carry_on_events(ports)


def _is_plain_renewal(ports: Ports, reader: StateReader, event: SigningEvent) -> bool:
    """Whether an event says what is in force, for no longer than usual: only that is signed without a question."""
    if event.kind is not EventKind.RENEWAL:
        return False
    for part in event.parts:
        number = _number_of(reader.role(part.role))
        if not says_no_more(part, _as_it_is(ports, reader, part.role, number=number)):
            return False
    return True


def _proposed_anew(ports: Ports) -> WaitingRole:
    with ports.state.read() as reader:
        return WaitingRole(TARGETS, reader.role(TARGETS).expires, {}, 0, Reason.CHANGED)


def _root_version(ports: Ports) -> int:
    with ports.state.read() as reader:
        return reader.role(ROOT).visible


def _wait_for_people(ports: Ports, role: WaitingRole) -> WaitingRole:
    """Let what cannot be signed here wait for its signers, with the signatures of those who are here."""
    if role.elsewhere is not None:
        return role
    with ports.state.read() as reader:
        event = event_of(reader, role)
        new = None
        if event is None:
            new = _to_renew(ports, reader, role)
        elif _is_stale(ports, reader, event, role):
            new = _with_fresh_life(ports, reader, event, role)
    if new is not None:
        (event,) = open_events(ports, [new], drop=[] if event is None else [event])
        sign_event(ports, event.name)
    with ports.state.read() as reader:
        event = event_of(reader, role)
        # A root that is proposed can say that others must sign it as well.
        return role if event is None else waiting_in(ports, reader, event, role)


def _to_renew(ports: Ports, reader: StateReader, role: WaitingRole) -> NewEvent:
    numbers = {name: _number_of(reader.role(name)) for name in role.roles}
    proposed = tuple(_as_it_is(ports, reader, name, number=number) for name, number in numbers.items())
    return NewEvent(proposed, EventKind.RENEWAL, numbers=numbers)


def _with_fresh_life(ports: Ports, reader: StateReader, event: SigningEvent, role: WaitingRole) -> NewEvent:
    """The same once more, from now on: what it lists and what it does not."""
    if event.kind is EventKind.RENEWAL:
        return _to_renew(ports, reader, role)
    listed = {part.role: part.number for part in event.parts}
    numbers = {name: _number_of(reader.role(name)) for name in role.roles} | listed
    proposed = tuple(propose_role(ports, reader, name, number=number) for name, number in numbers.items())
    return NewEvent(proposed, event.kind, numbers=numbers)


def _is_stale(ports: Ports, reader: StateReader, event: SigningEvent, role: WaitingRole) -> bool:
    """Whether what waits for a role that is due was dated before it was: its people would soon be asked once more.

    Once it has signatures of others it stays as they signed it.
    """
    renewable = event.kind in {EventKind.CONTENTS, EventKind.RENEWAL} and event.role != ROOT
    if role.reason is not Reason.DUE or not renewable or not is_free(ports, reader, event):
        return False
    due = [date for name in role.roles if (date := reader.role(name).sign_by) is not None]
    sign_by = envelope_of(event.parts[0]).expires - reader.periods()[role.name].renew_before
    lacks = not {part.role for part in event.parts}.issuperset(role.roles)
    return lacks or (bool(due) and event.opened < min(due)) or sign_by <= ports.clock.now()


def _number_of(role: RoleState) -> int:
    """Up to which change a role is renewed: pending changes stay pending, but for those that clients may have seen."""
    return max(role.number, role.shown) if role.kind in {RoleKind.DELEGATED, RoleKind.BIN} else 0


def _as_it_is(ports: Ports, reader: StateReader, name: RoleName, *, number: int) -> Unsigned:
    """A role that people sign, as it is, for longer."""
    if name in TOP_LEVEL:
        return propose_renewal(ports, reader, name)
    return propose_role(ports, reader, name, number=number)


def _jump_over_unknown(ports: Ports) -> None:
    """Where the visible timestamp is not this state's, nothing tells which one clients saw last: go far above it."""
    with ports.state.transaction(actor=ports.actor) as state:
        state.burn_versions(TIMESTAMP, JUMP)
        state.record("timestamp.jump", {"versions": JUMP}, at=ports.clock.now())


def _bring_out(ports: Ports, due: Due) -> tuple[int | None, PublicationReport | None]:
    """Root, then the rest; but a root comes out only while what is visible verifies from it, so damage goes first."""
    timestamp_lost = not is_as_published(ports)
    mends = timestamp_lost or any(part.reason is Reason.DAMAGED for part in due.parts)
    root_version = renew_root(ports) if due.root is not None and not mends else None
    if timestamp_lost:
        _jump_over_unknown(ports)
    publication = bring_out(ports, due.parts) if due.parts else None
    if due.root is not None and mends:
        root_version = renew_root(ports)
    return root_version, publication


def find_due(ports: Ports, reader: StateReader, force: Collection[str], lost: Collection[RoleState]) -> Due:
    """The roles to sign, without those whose keys are with people who are not here."""
    files = {name: visible_file(ports, reader.role(name)) for name in TOP_LEVEL}
    due_now = due_roles(reader, now=ports.signing_time(reader), files=files)
    roles = {role.id: (role, Reason.DUE) for role in due_now}
    # What a damaged publication left behind must be seen again, whether or not it is due.
    authority, desk = load_authority(reader, ports.metadata), SigningDesk(reader, ports.signers)
    left = [
        role
        for role in reader.dirty_roles()
        if role.forced and (role.kind is not RoleKind.BIN or within_reach(desk, authority, role))
    ]
    roles |= {role.id: (role, Reason.FORCED) for role in [*left, *overtaken(reader), *_named(reader, force)]}
    if people_are_missing(reader, ports.metadata):
        targets = reader.role(TARGETS)
        roles[targets.id] = (targets, Reason.CHANGED)
    roles |= {role.id: (role, Reason.DAMAGED) for role in lost}
    brought = reader.brought_versions()
    by_people = {RoleKind.ROOT: True, RoleKind.TARGETS: people_sign(authority.top_level)}
    due = Due()
    for role, reason in roles.values():
        if role.kind in by_people:
            keys = authority.role_keys(role.name, role.kind)
            if role.forced and role.kind is RoleKind.TARGETS:
                # Clients may have seen a version of it that is lost: nothing may be published below that.
                desk.signers(role.name, keys)
            elif (event := holding_event(ports, reader, role.name)) is not None:
                waits = WaitingRole(role.name, role.expires, {}, 0, reason)
                due.waiting.append(waiting_in(ports, reader, event, waits))
                continue
            elif by_people[role.kind] and not can_sign(desk, role.name, keys):
                missing = desk.reasons(keys)
                lacking = keys.threshold - (len(keys.keyids) - len(missing))
                due.waiting.append(WaitingRole(role.name, role.expires, missing, lacking, reason))
                continue
        if role.kind is RoleKind.ROOT:
            due.root = reason
        elif role.kind is RoleKind.DELEGATED and (event := _keeps(ports, reader, desk, authority, role)) is not None:
            waits = WaitingRole(role.name, role.expires, {}, 0, reason)
            due.waiting.append(waiting_in(ports, reader, event, waits))
        elif role.kind is RoleKind.DELEGATED and not within_reach(desk, authority, role):
            part = Part(role, role.number, reason)
            waits = waiting_for(desk, part, authority.role_keys(role.name, role.kind))
            elsewhere = reason is Reason.DUE and brought.get(role.name) == role.visible
            due.waiting.append(replace(waits, elsewhere=lives(reader, role.name) if elsewhere else None))
        else:
            # Pending changes stay pending, but for those that clients may have seen.
            due.parts.append(Part(role, max(role.number, role.shown), reason))
    _let_bins_wait(ports, reader, desk, authority, due)
    due.waiting += _kept_by_rotation(ports, reader, due)
    return due


def _let_bins_wait(ports: Ports, reader: StateReader, desk: SigningDesk, authority: Authority, due: Due) -> None:
    """Take out of what is to be signed the bins that wait for people, or for an event by which they become others.

    Where one is due that people sign who are not here, all bins of that role are: they are asked once.
    """
    waiting = []
    for batch in batches(authority, due.parts):
        event = holding_bins(reader, batch.holder)
        is_here = not batch.by_people or can_sign(desk, batch.prefix, batch.keys)
        late = any(runs_out(reader, part.role.name, now=ports.clock.now()) for part in batch.parts)
        if is_here and (event is None or late):
            continue
        whole = batch.by_people and (event is None or event.kind is EventKind.RENEWAL)
        told = waiting_batch(desk, _whole(reader, authority, batch) if whole else batch)
        waiting.append(told if event is None else waiting_in(ports, reader, event, replace(told, missing={})))
    gone = {name for each in waiting for name in each.roles}
    due.parts = [part for part in due.parts if part.role.name not in gone]
    due.waiting += waiting


def _whole(reader: StateReader, authority: Authority, batch: Batch) -> Batch:
    """All bins of a role, of which some are due."""
    bins, reason = authority.shared[batch.holder].bins, batch.parts[0].reason
    roles = [reader.role(bins.name(index)) for index in range(bins.count)]
    return replace(batch, parts=tuple(Part(role, max(role.number, role.shown), reason) for role in roles))


def _keeps(
    ports: Ports, reader: StateReader, desk: SigningDesk, authority: Authority, role: RoleState
) -> SigningEvent | None:
    """The open event in which a role waits; none any more where that has time and it has not, and it is signed here."""
    event = holding_event(ports, reader, role.name)
    late = (
        event is not None and event.kind is EventKind.DELEGATION and runs_out(reader, role.name, now=ports.clock.now())
    )
    return None if late and within_reach(desk, authority, role) else event


def _kept_by_rotation(ports: Ports, reader: StateReader, due: Due) -> list[WaitingRole]:
    """What people must sign before a key that has to go can sign nothing more."""
    events = holding_up(ports, reader, load_authority(reader, ports.metadata))
    told = {each.name for each in due.waiting}
    return [
        waiting_in(ports, reader, each, WaitingRole(each.role, reader.role(each.role).expires, {}, 0, Reason.ROTATED))
        for each in events
        if each.role not in told
    ]


def _opened_since(reader: StateReader, before: Collection[int], due: Due) -> list[WaitingRole]:
    """What a rotation that goes on has proposed anew, since somebody had cancelled it: nobody else was told of that."""
    told = {each.name for each in due.waiting}
    found = [event for event in reader.open_events() if event.id not in before and event.kind in ROTATING]
    roles = [reader.role(event.role) for event in found if event.role not in told]
    return [WaitingRole(role.name, role.expires, {}, 0, Reason.ROTATED) for role in roles]


def _named(reader: StateReader, names: Collection[str]) -> list[RoleState]:
    found: list[RoleState] = []
    for name in names:
        if name == PREFIX:
            found.extend(reader.roles(kind=RoleKind.BIN))
            # Where targets delegates by names, the role that has its bins is called like them.
            found.extend(role for role in reader.roles(kind=RoleKind.DELEGATED) if role.name == SUCCESSOR)
            continue
        try:
            found.append(reader.role(RoleName(name)))
        except (KeyError, UnicodeEncodeError):
            known = [role.name for role in reader.roles() if role.kind is not RoleKind.BIN]
            raise RoleNotFound(
                name, known=[*(each for each in known if each != PREFIX), f"{PREFIX} (all of them)"]
            ) from None
    return found
