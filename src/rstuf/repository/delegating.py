"""Named delegations come, change and go, while everybody reads on.

Targets delegates to bins or by names. Where it has bins and a name is wanted, the bins go on under a role of their own
that comes last and is for everything (`SUCCESSOR`): their files stay as they are, and only who delegates to them
changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from rstuf.errors import DelegationNotFound, InvalidInput
from rstuf.metadata.bins import EVERY_HASH
from rstuf.metadata.delegations import Delegation, with_delegations
from rstuf.metadata.render import SPEC_VERSION
from rstuf.metadata.root import with_bin_signers
from rstuf.metadata.tree import Tree
from rstuf.model.handover import Handover
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName
from rstuf.model.patterns import PathPattern
from rstuf.model.policy import Periods
from rstuf.progress import step
from rstuf.repository.authority import SUCCESSOR, Authority, load_authority
from rstuf.repository.batches import bins_by_people, people_sign_bins
from rstuf.repository.bridge import once_online
from rstuf.repository.client_guard import excluded, refuse_unreadable, shape_of
from rstuf.repository.completing import carry_on_events
from rstuf.repository.delegated_keys import changed_keys, keys_of
from rstuf.repository.delegating_events import Change, open_change, roles_of, signed_elsewhere
from rstuf.repository.delegation_faults import refuse_faults
from rstuf.repository.event_views import EventView
from rstuf.repository.handing_over import Sorting, bring_delegations
from rstuf.repository.interfaces import StateReader
from rstuf.repository.lost_keys import lost_keys
from rstuf.repository.open_events import is_open, view_in, views_of_open
from rstuf.repository.plan_delegations import delegated_name
from rstuf.repository.ports import Ports
from rstuf.repository.readiness import get_ready
from rstuf.repository.reports import PublicationReport
from rstuf.repository.signing_events import drop_event, refuse_waiting
from rstuf.repository.update_hints import as_it_is
from rstuf.repository.wanted_delegations import WantedDelegation

_NOTHING: Final[Mapping[str, Any]] = {"_type": "targets", "spec_version": SPEC_VERSION, "targets": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationPlan:
    """A delegation as somebody wants it.

    Attributes:
        paths: the patterns of the paths that it is for.
        signers: names of the keys that may sign it; none for the online key.
        periods: how long it lives; None for what targets has.
        parent: who delegates to it.
        before: the delegation of that role that it comes before; None for the end (what is for everything comes last).
    """

    name: RoleName
    paths: tuple[PathPattern, ...]
    signers: tuple[str, ...] = ()
    threshold: int = 1
    terminating: bool = False
    periods: Periods | None = None
    parent: RoleName = TARGETS
    before: RoleName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationChange:
    """What is to become of a delegation; None where that stays."""

    paths: tuple[PathPattern, ...] | None = None
    signers: tuple[str, ...] | None = None
    threshold: int | None = None
    terminating: bool | None = None
    periods: Periods | None = None
    before: RoleName | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """How many artifacts go from one role to another."""

    giver: RoleName
    taker: RoleName
    artifacts: int


@dataclass(frozen=True, slots=True)
class DelegationProposal:
    """Other delegations, as they would be; nothing was written for it.

    Attributes:
        parent: who delegates.
        root, tree: the version of root and the delegations that were looked at.
        before, after: the delegation that it is about; None where there is none.
        proposed: what roles that delegate would say.
        periods: how long the role lives from then on; None where that stays.
        moved: the artifacts that go to another role.
        roles: those that must come out with it, or go; `elsewhere`: of these, those that people sign who are not here.
        drops: the events whose place it takes.
        excluded: the clients that can read the repository now, and could not then, and why.
        unreached: the roles that no path came to any more, for the roles above them are not for theirs.
    """

    name: RoleName
    parent: RoleName
    root: int
    tree: Tree
    before: Delegation | None
    after: Delegation | None
    proposed: Mapping[RoleName, Mapping[str, Any]]
    handover: Handover
    periods: Periods | None
    moved: tuple[Moved, ...]
    roles: tuple[RoleName, ...]
    elsewhere: tuple[RoleName, ...]
    drops: tuple[EventView, ...]
    excluded: Mapping[str, str]
    unreached: tuple[RoleName, ...] = ()

    @property
    def change(self) -> Change:
        """What is to become of roles."""
        return Change(self.name, self.parent, self.proposed, self.handover)


@dataclass(frozen=True, slots=True)
class DelegationReport:
    """What became of a proposal: how many artifacts moved, and what was published.

    Attributes:
        publication: None where people have to sign it first.
        waits: the event in which they do.
    """

    name: RoleName
    moved: int
    publication: PublicationReport | None
    waits: EventView | None = None


def propose_addition(ports: Ports, plan: DelegationPlan) -> DelegationProposal:
    """Delegations with one more. Writes nothing.

    Raises:
        InvalidInput, InvalidPolicy, InvalidRoleName: there can be no such delegation.
        PathsNotDelegated, PathsDisputed: clients would not find what is there.
    """
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        _refuse_reserved(authority, plan.name)
        delegation = Delegation(
            name=plan.name,
            keys=keys_of(reader, authority, plan.signers, threshold=plan.threshold, role=plan.name),
            terminating=plan.terminating,
            paths=plan.paths,
        )
        wanted = _placed(_delegations_of(authority, plan.parent), delegation, plan.before)
        periods = plan.periods or reader.periods()[TARGETS]
        change = _Change(plan.name, plan.parent, None, delegation, wanted, periods)
        return _proposed(ports, reader, authority, change)


def propose_change(ports: Ports, name: RoleName, change: DelegationChange) -> DelegationProposal:
    """Delegations of which one is another. Writes nothing.

    Raises:
        DelegationNotFound: there is none of that name.
        InvalidInput, InvalidPolicy: it cannot be like that, or is.
        PathsNotDelegated, PathsDisputed: clients would not find what is there.
    """
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        parent, old = _find(authority, name)
        new = replace(
            old,
            keys=changed_keys(
                reader, authority, old, change.signers, threshold=change.threshold, lost=lost_keys(ports, reader)
            ),
            terminating=old.terminating if change.terminating is None else change.terminating,
            paths=old.paths if change.paths is None else change.paths,
        )
        there = _delegations_of(authority, parent)
        wanted = _placed(tuple(one for one in there if one.name != name), new, change.before or _follower(there, name))
        if wanted == there and change.periods in {None, reader.periods().get(name)}:
            raise as_it_is(reader, f"that is what {name} is", name, hint="rstuf delegation list shows all")
        return _proposed(ports, reader, authority, _Change(name, parent, old, new, wanted, change.periods))


def propose_wanted(ports: Ports, wanted: WantedDelegation) -> DelegationProposal:
    """What an event was to make of a delegation, proposed again. Writes nothing.

    Raises:
        DelegationNotFound: what it was to change is there no more.
        InvalidInput, InvalidPolicy: it cannot be like that any more.
        PathsNotDelegated, PathsDisputed: clients would not find what is there.
    """
    if wanted.after is None:
        return propose_removal(ports, wanted.name)
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        there, after, periods = _delegations_of(authority, wanted.parent), wanted.after, wanted.periods
        if once_online(reader).issuperset(after.keys.keyids):
            # Another online key may have the place of that by now.
            after = replace(after, keys=authority.top_level[TIMESTAMP])
        before = next((each for each in there if each.name == wanted.name), None)
        place = wanted.place
        if before is None:
            _refuse_reserved(authority, wanted.name)
            periods = periods or reader.periods()[TARGETS]
        elif place is None:
            place = _follower(there, wanted.name)
        others = tuple(each for each in there if each.name != wanted.name)
        change = _Change(wanted.name, wanted.parent, before, after, _placed(others, after, place), periods)
        return _proposed(ports, reader, authority, change)


def propose_removal(ports: Ports, name: RoleName) -> DelegationProposal:
    """Delegations with one less. Writes nothing.

    Raises:
        DelegationNotFound: there is none of that name.
        InvalidInput: it delegates to others.
        PathsNotDelegated, PathsDisputed: clients would not find what is there.
    """
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        parent, old = _find(authority, name)
        below = [each.name for each in _below_of(authority, name)]
        if below:
            raise InvalidInput(
                f"{name} delegates to {', '.join(below)}", hint=f"first: rstuf delegation remove {below[0]}"
            )
        wanted = tuple(each for each in _delegations_of(authority, parent) if each.name != name)
        return _proposed(ports, reader, authority, _Change(name, parent, old, None, wanted, None))


def bring_proposal(ports: Ports, proposal: DelegationProposal, *, drop: bool = False) -> DelegationReport:
    """Publish what was proposed: who delegates, and each role that lists something else by that.

    Where people have to sign some of it who are not here, nothing is published, and all of it waits for them.

    Args:
        drop: whether the events whose place it takes, as they were shown, are to be dropped.

    Raises:
        EventOpen: something waits that is not to be dropped, or that changed since it was shown.
        InvalidInput: other delegations were published meanwhile.
        InvalidRoleName: the name of a role is taken.
        PathsNotDelegated, PathsDisputed, LimitExceeded: clients would not find what is there; nothing was changed.
        SigningError, StorageError, ReleaseRefused: clients still see what they saw.
    """
    with ports.state.publication_lock(purpose="delegation"):
        get_ready(ports)
        with ports.state.read() as reader:
            now = load_authority(reader, ports.metadata)
            # Of any role: what leaves may delegate itself by now.
            if (now.root.version, now.tree) != (proposal.root, proposal.tree):
                raise InvalidInput(
                    "delegations were published anew meanwhile", hint="run it again, over what is there now"
                )
        dropped = [view.event for view in proposal.drops] if drop else []
        if proposal.elsewhere:
            with ports.state.read() as reader:
                refuse_waiting(reader, proposal.roles, dropped)
            event = open_change(ports, proposal.change, drop=dropped)
            completed = carry_on_events(ports)
            with ports.state.read() as reader:
                still = is_open(reader, event.role)
                waits = view_in(ports, reader, still) if still is not None and still.id == event.id else None
            return DelegationReport(proposal.name, 0, None if waits is not None else completed, waits)
        with ports.state.transaction(actor=ports.actor) as state:
            refuse_waiting(state, proposal.roles, dropped)
            for name in proposal.roles:
                if (other := is_open(state, name)) is not None:
                    drop_event(state, other, at=ports.clock.now())
        publication, moved = bring_delegations(ports, proposal.proposed, proposal.handover)
        return DelegationReport(proposal.name, moved, publication)


@dataclass(frozen=True, slots=True)
class _Change:
    """What a role is to delegate, and which delegation that is about."""

    name: RoleName
    parent: RoleName
    before: Delegation | None
    after: Delegation | None
    wanted: tuple[Delegation, ...]
    periods: Periods | None


def _proposed(ports: Ports, reader: StateReader, authority: Authority, change: _Change) -> DelegationProposal:
    if change.after is not None and not change.after.paths and not change.after.prefixes:
        raise InvalidInput(f"{change.name} is for no path", hint="say for which: --path 'team/*'")
    said = authority.delegators.get(change.parent, _NOTHING)
    proposed: dict[RoleName, Mapping[str, Any]] = {change.parent: with_delegations(said, change.wanted)}
    there = {each.name for each in _below_of(authority, change.parent)}
    if change.before is not None and change.after is not None and people_sign_bins(authority, change.name):
        # Whoever signs the role signs its bins, from then on, too.
        own = authority.delegators[change.name]
        proposed[change.name] = with_bin_signers(own, change.after.keys)
        if proposed[change.name] == own:
            del proposed[change.name]
    successor = SUCCESSOR if change.parent in authority.shared else None
    if successor is not None:
        proposed[successor] = _over_bins(said)
    joins = tuple(each.name for each in change.wanted if each.name not in there)
    leaves = tuple(sorted(there - {each.name for each in change.wanted}))
    refuse_faults(authority, proposed)
    periods: dict[str, Periods] = {} if change.periods is None else {change.name: change.periods}
    handover = Handover(joins, leaves, successor, periods)
    then = load_authority(reader, ports.metadata, proposed=proposed)
    before, after = excluded(shape_of(reader, authority)), excluded(shape := shape_of(reader, then))
    refuse_unreadable(ports.clients, shape)
    sorting = Sorting(ports, then, handover)
    with step(ports.progress, "sorting", total=reader.totals().artifacts, unit="artifacts"):
        moved = Counter((sorting.now_called(each.giver), each.taker) for each in sorting.moves(reader))
    sorting.refuse()
    whole = Change(change.name, change.parent, proposed, handover)
    listing = dict.fromkeys([*(name for pair in moved for name in pair), *sorted(sorting.without)])
    roles = roles_of(whole, authority, then, list(listing))
    going = bins_by_people(authority, leaves)
    return DelegationProposal(
        name=change.name,
        parent=change.parent,
        root=authority.root.version,
        tree=authority.tree,
        before=change.before,
        after=change.after,
        proposed=proposed,
        handover=handover,
        periods=change.periods,
        moved=tuple(Moved(giver, taker, artifacts) for (giver, taker), artifacts in sorted(moved.items())),
        roles=(*roles, *leaves, *going),
        elsewhere=tuple(signed_elsewhere(ports, reader, then, roles)),
        drops=views_of_open(ports, reader, [*roles, *leaves, *going]),
        excluded={name: why for name, why in after.items() if name not in before},
        unreached=_unreached(authority, then, change),
    )


def _unreached(now: Authority, then: Authority, change: _Change) -> tuple[RoleName, ...]:
    """What no path comes to then, and something does now, or that is what is proposed."""
    before = {*now.tree.out_of_reach()} - {change.name}
    return tuple(name for name in then.tree.out_of_reach() if name not in before)


def _over_bins(targets: Mapping[str, Any]) -> dict[str, Any]:
    """What the role that takes over the bins says: the same of them, and nothing else."""
    delegations = targets["delegations"]
    ours = {field: delegations[field] for field in ("keys", "succinct_roles", "roles") if field in delegations}
    return {"_type": "targets", "delegations": ours, "spec_version": targets["spec_version"], "targets": {}}


def _delegations_of(authority: Authority, parent: RoleName) -> tuple[Delegation, ...]:
    """What a role delegates by names; where it has bins, as it is once they are under a role of their own.

    Raises:
        DelegationNotFound: there is no such role.
        InvalidInput: a role that is delegated to has bins, so that it has no place for names.
    """
    if parent != TARGETS and parent not in authority.named:
        raise DelegationNotFound(parent)
    bins = authority.shared.get(parent)
    if bins is None:
        return _below_of(authority, parent)
    if parent != TARGETS:
        raise InvalidInput(
            f"{parent} shares its artifacts out over bins, and a role has either bins or delegations",
            hint="delegate from targets, which comes to the same",
        )
    return (Delegation(name=SUCCESSOR, keys=bins.signers, prefixes=EVERY_HASH),)


def _below_of(authority: Authority, parent: RoleName) -> tuple[Delegation, ...]:
    delegator = authority.tree.delegators.get(parent)
    return () if delegator is None else delegator.named


def _find(authority: Authority, name: RoleName) -> tuple[RoleName, Delegation]:
    if name == SUCCESSOR:
        raise InvalidInput(
            f"{SUCCESSOR} is for whatever no other delegation is for, and stays", hint="rstuf bins resize changes it"
        )
    for parent in authority.delegators:
        for each in _below_of(authority, parent):
            if each.name == name:
                return parent, each
    raise DelegationNotFound(name)


def _placed(others: tuple[Delegation, ...], new: Delegation, before: RoleName | None) -> tuple[Delegation, ...]:
    """All of them with the new one in its place: at the end, where nothing is for everything."""
    names = [each.name for each in others]
    if before is None:
        place = names.index(SUCCESSOR) if SUCCESSOR in names else len(names)
    elif before in names:
        place = names.index(before)
    else:
        raise DelegationNotFound(before)
    return (*others[:place], new, *others[place:])


def _follower(delegations: tuple[Delegation, ...], name: RoleName) -> RoleName | None:
    """The one that comes after another."""
    names = [each.name for each in delegations]
    place = names.index(name) + 1
    return names[place] if place < len(names) else None


def _refuse_reserved(authority: Authority, name: RoleName) -> None:
    delegated_name(name)
    if name in authority.named:
        raise InvalidInput(f"{name} is delegated to already", hint=f"rstuf delegation update {name} changes it")
