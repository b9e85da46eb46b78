"""Signing events that are dropped: what expired, what keeps a role from being renewed, what gave its place to another.

Of each is said whose signatures go with it, and what it was to change: nothing else remembers that it was wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from rstuf.metadata.views import RoleKeys, root_roles
from rstuf.model.events import EventKind, SigningEvent
from rstuf.model.keys import KeyId
from rstuf.model.names import ROOT, TARGETS, RoleName
from rstuf.model.policy import BinSigners
from rstuf.repository.authority import current_root
from rstuf.repository.batches import people_sign_bins
from rstuf.repository.delegated_sides import proposed_by, recorded_authority
from rstuf.repository.event_views import EventView
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import names_of
from rstuf.repository.leaks import leaks_let_in
from rstuf.repository.open_events import bins_in, companions, envelope_of, has_expired, is_open, signers_of, view_in
from rstuf.repository.outdated import outdated_by
from rstuf.repository.ports import Ports
from rstuf.repository.reports import DroppedEvent, DropReason
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import close_unused, drop_event
from rstuf.repository.wanted_delegations import WantedDelegation, delegations_of, wanted_again, wanted_by


def drop_expired(ports: Ports) -> list[DroppedEvent]:
    """Cancel what expired before everybody had signed it, and what was proposed for it. Under the publication lock.

    A rotation goes on without: what it waits for is proposed again. A first root is for the ceremony to propose again.
    """
    now = ports.clock.now()
    with ports.state.read() as reader:
        if not any(has_expired(event, now) for event in reader.open_events()):
            return []
    with ports.state.transaction(actor=ports.actor) as state:
        gone = [each for each in state.open_events() if each.kind is not EventKind.CEREMONY and has_expired(each, now)]
        beside = [other for each in gone if each.kind is EventKind.UPDATE for other in companions(state, each)]
        gone += [other for other in beside if other not in gone]
        dropped = []
        for event in gone:
            close_unused(state, event, at=now)
            why = DropReason.EXPIRED if has_expired(event, now) else DropReason.BESIDE
            dropped.append(dropped_as(state, event, why))
        return dropped


def drop_outdated(ports: Ports) -> list[DroppedEvent]:
    """Cancel what can come out no more, since a newer version of its role is out. Under the publication lock.

    What it was to list stays pending. Other delegations are proposed anew (`proposing_anew`).
    """
    with ports.state.read() as reader:
        gone = [event for event in reader.open_events() if _is_superseded(reader, event)]
    if not gone:
        return []
    with ports.state.transaction(actor=ports.actor) as state:
        for event in gone:
            close_unused(state, event, at=ports.clock.now())
        return [dropped_as(state, event, DropReason.OUTDATED) for event in gone]


def _is_superseded(reader: StateReader, event: SigningEvent) -> bool:
    return event.kind is not EventKind.DELEGATION and outdated_by(reader, event) is not None


def waits_in_the_way(ports: Ports, reader: StateReader) -> SigningEvent | None:
    """The targets that waits for people whom only a proposed root names, while what is visible of it runs out."""
    event = is_open(reader, TARGETS)
    return event if event is not None and view_in(ports, reader, event).gives_way else None


def drop_in_the_way(ports: Ports, event: SigningEvent) -> DroppedEvent:
    """Cancel that, so that those who may sign targets now can renew it. Under the publication lock."""
    with ports.state.transaction(actor=ports.actor) as state:
        drop_event(state, event, at=ports.clock.now())
        return dropped_as(state, event, DropReason.GAVE_WAY)


def replaced(ports: Ports, shown: Iterable[EventView]) -> list[DroppedEvent]:
    """Of events whose place another was to take, and of what goes with a root, those that are not open any more."""
    with ports.state.read() as reader:
        still = {event.id for event in reader.open_events()}
        gone = {
            each.id: each
            for view in shown
            for each in (view.event, *(view.companions if view.event.role == ROOT else ()))
            if each.id not in still
        }
        return [dropped_as(reader, event, DropReason.REPLACED) for event in gone.values()]


def dropped_as(reader: StateReader, event: SigningEvent, why: DropReason) -> DroppedEvent:
    """An event that is dropped, for whoever is told: whose signatures go with it, and what it was to change."""
    waits = is_open(reader, event.role)
    waits = None if waits is None or waits.id == event.id else waits
    signers = _lost_signers(reader, event)
    lost, bins = _lost(reader, event, waits), _lost_bins(reader, event, waits, others=signers is not None)
    after = waits.name if waits is not None and (lost is not None or bins is not None) else None
    wanted = _lost_delegation(reader, event)
    signed = tuple(signers_of(reader, event))
    signers = None if bins is None else signers
    return DroppedEvent(event.name, signed, why, lost=lost, bins=bins, after=after, delegation=wanted, signers=signers)


def _lost_delegation(reader: StateReader, event: SigningEvent) -> WantedDelegation | None:
    """What an event was to make of a delegation, where it is not so by now and nothing that waits does the same."""
    wanted = wanted_again(reader, event)
    if wanted is None or _goes(reader, wanted.parent) or (wanted.before is not None and _goes(reader, wanted.name)):
        return None
    others = [each for other in reader.open_events() if (each := wanted_by(reader, other)) is not None]
    same = [each for each in others if (each.name, each.after) == (wanted.name, wanted.after)]
    return None if same else wanted


def _goes(reader: StateReader, role: RoleName) -> bool:
    """Whether nobody delegates to a role, or what waits is to end that."""
    open_now = [event for event in reader.open_events() if event.kind is EventKind.DELEGATION]
    proposed = [{}, *(proposed_by(reader, event) for event in open_now)]
    return role != TARGETS and any(role not in delegations_of(recorded_authority(reader, said)) for said in proposed)


def _lost(reader: StateReader, event: SigningEvent, waits: SigningEvent | None) -> RootUpdate | None:
    """What a root was to change, and the one in its place does not; a key that leaked since is not to be let in."""
    if event.role != ROOT or event.kind is not EventKind.UPDATE:
        return None
    proposed, roles = envelope_of(event.parts[0]), root_roles(current_root(reader))
    wanted, leaked = root_roles(proposed), leaks_let_in(reader, proposed)
    instead = roles if waits is None else root_roles(envelope_of(waits.parts[0]))
    periods = event.periods if waits is None or waits.periods is None else None
    updates = [
        replace(
            _difference(reader, roles[role], wanted[role], instead[role], leaked=leaked),
            role=role,
            periods=periods if role == ROOT else None,
        )
        for role in (ROOT, TARGETS)
    ]
    updates = [each for each in updates if each != RootUpdate(role=each.role)]
    return replace(updates[0], others=tuple(updates[1:])) if updates else None


def _difference(
    reader: StateReader, before: RoleKeys, wanted: RoleKeys, instead: RoleKeys, *, leaked: Collection[KeyId]
) -> RootUpdate:
    """What one role was to become, where it is not so already and another root does not say it, too."""
    names, report = names_of(reader), {entry.keyid: entry.report for entry in reader.keys()}
    added = [each for each in wanted.keyids if each not in {*before.keyids, *instead.keyids, *leaked}]
    out = [each for each in before.keyids if each not in wanted.keyids]
    gone = [keyid for each in out if (keyid := _in_place_of(reader, each, instead)) in instead.keyids]
    losses = {None if (said := report.get(each)) is None else said.loss for each in gone}
    stays = wanted.threshold == before.threshold or instead.threshold != before.threshold
    return RootUpdate(
        add=tuple(names.get(each, each[:12]) for each in added),
        remove=tuple(names.get(each, each[:12]) for each in gone),
        threshold=None if stays else wanted.threshold,
        loss=losses.pop() if len(losses) == 1 else None,
    )


def _in_place_of(reader: StateReader, keyid: KeyId, keys: RoleKeys) -> KeyId:
    """A key, or the one that takes its place in what waits."""
    rotation = reader.rotation()
    return rotation.new if rotation is not None and rotation.old == keyid and keyid not in keys.keyids else keyid


def _lost_bins(reader: StateReader, event: SigningEvent, waits: SigningEvent | None, *, others: bool) -> int | None:
    """How many bins an event was to bring, where there are others, and no other number is asked for in its place.

    Args:
        others: whether others were to sign them than sign those that there are.
    """
    if event.kind is not EventKind.RESIZE or (waits is not None and waits.kind is EventKind.RESIZE):
        return None
    if _goes(reader, event.role):
        return None
    bins, bits = bins_in(event.parts[0]), reader.role(event.role).bin_bits
    return None if bits is not None and bins == 1 << bits and not others else bins


def _lost_signers(reader: StateReader, event: SigningEvent) -> BinSigners | None:
    """Who was to sign the bins that an event was to bring; None where they do."""
    if event.kind is not EventKind.RESIZE:
        return None
    now, then = (recorded_authority(reader, said) for said in ({}, proposed_by(reader, event)))
    people = people_sign_bins(then, event.role)
    if people is people_sign_bins(now, event.role):
        return None
    return BinSigners.ROLE if people else BinSigners.ONLINE
