"""Named delegations come, change and go, while everybody reads on.

Targets delegates to bins or by names. Where it has bins and a name is wanted, the bins go on under a role of their own
that comes last and is for everything (`SUCCESSOR`): their files stay as they are, and only who delegates to them
changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rstuf.errors import DelegationNotFound, InvalidInput, InvalidPolicy, InvalidRoleName
from rstuf.metadata.delegations import Delegation, with_delegations
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.render import SPEC_VERSION
from rstuf.metadata.tree import Fault
from rstuf.metadata.views import BinDelegation, RoleKeys
from rstuf.model.handover import Handover
from rstuf.model.names import ROOT, TARGETS, TIMESTAMP, RoleName
from rstuf.model.patterns import PathPattern
from rstuf.model.policy import Periods, check_threshold
from rstuf.repository.authority import SUCCESSOR, Authority, load_authority, taken_apart
from rstuf.repository.handing_over import bring_delegations
from rstuf.repository.interfaces import StateReader
from rstuf.repository.known_keys import key_named, refuse_leaked
from rstuf.repository.ports import Ports
from rstuf.repository.publish import get_ready
from rstuf.repository.reports import PublicationReport

_DIGITS: Final = tuple("0123456789abcdef")
_FAULTS: Final = {
    Fault.TWO_PARENTS: "two roles would delegate to {}, and clients differ in whose keys it has to have",
    Fault.CYCLE: "{} would lie below itself",
    Fault.CASE_TWINS: "{} would differ from another role in the case of its letters alone",
    Fault.TWICE: "{} is delegated to already",
    Fault.TOO_DEEP: "{} would lie deeper than clients look",
}


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
class DelegationReport:
    """What became of a change of delegations: the role, how many artifacts moved, and what was published."""

    name: RoleName
    moved: int
    publication: PublicationReport


@dataclass(frozen=True, slots=True)
class DelegationView:
    """A delegation as it is.

    Attributes:
        signers: what its keys are called here, else how their ids begin.
        online: whether the online key alone signs it.
        version: what clients see of it.
        artifacts: how many it lists.
    """

    delegation: Delegation
    parent: RoleName
    signers: tuple[str, ...]
    online: bool
    version: int
    artifacts: int
    bins: int
    periods: Periods | None


def add_delegation(ports: Ports, plan: DelegationPlan) -> DelegationReport:
    """Delegate paths to a role; artifacts that are there already go to it, in one publication.

    Raises:
        InvalidInput, InvalidPolicy, InvalidRoleName: there can be no such delegation; nothing was changed.
        PathsNotDelegated, PathsDisputed, LimitExceeded: clients would not find what is there; nothing was changed.
        SigningError, StorageError, ReleaseRefused: clients still see what they saw.
    """
    with ports.state.publication_lock(purpose="delegation add"):
        get_ready(ports)
        with ports.state.read() as reader:
            authority = load_authority(reader, ports.metadata)
            _refuse_reserved(authority, plan.name)
            delegation = Delegation(
                name=plan.name,
                keys=_keys(reader, authority, plan.signers, threshold=plan.threshold, role=plan.name),
                terminating=plan.terminating,
                paths=plan.paths,
            )
            _refuse_pathless(delegation)
            before = _delegations_of(authority, plan.parent)
            wanted = _placed(before, delegation, plan.before)
            periods = plan.periods or reader.periods()[TARGETS]
        with ports.state.transaction(actor=ports.actor) as state:
            state.set_periods(plan.name, periods)
        return _bring(ports, authority, plan.parent, wanted, name=plan.name)


def update_delegation(ports: Ports, name: RoleName, change: DelegationChange) -> DelegationReport:
    """Let a delegation be another one; artifacts go where clients look for them from then on, in one publication.

    Raises:
        DelegationNotFound: there is none of that name.
        InvalidInput, InvalidPolicy: it cannot be like that; nothing was changed.
        PathsNotDelegated, PathsDisputed, LimitExceeded: clients would not find what is there; nothing was changed.
        SigningError, StorageError, ReleaseRefused: clients still see what they saw.
    """
    with ports.state.publication_lock(purpose="delegation update"):
        get_ready(ports)
        with ports.state.read() as reader:
            authority = load_authority(reader, ports.metadata)
            parent, old = _find(authority, name)
            keys = old.keys
            if change.signers is not None or change.threshold is not None:
                signers = change.signers
                threshold = old.keys.threshold if change.threshold is None else change.threshold
                keys = (
                    _with_threshold(old.keys, threshold, role=name)
                    if signers is None
                    else _keys(reader, authority, signers, threshold=threshold, role=name)
                )
            new = replace(
                old,
                keys=keys,
                terminating=old.terminating if change.terminating is None else change.terminating,
                paths=old.paths if change.paths is None else change.paths,
            )
            _refuse_pathless(new)
            others = tuple(each for each in _delegations_of(authority, parent) if each.name != name)
            place = change.before if change.before is not None else _follower(_delegations_of(authority, parent), name)
            wanted = _placed(others, new, place)
            if wanted == _delegations_of(authority, parent) and change.periods is None:
                raise InvalidInput(f"that is what {name} is already", hint="rstuf delegation list shows all")
        if change.periods is not None:
            with ports.state.transaction(actor=ports.actor) as state:
                state.set_periods(name, change.periods)
        return _bring(ports, authority, parent, wanted, name=name)


def remove_delegation(ports: Ports, name: RoleName) -> DelegationReport:
    """Delegate to a role no more; its artifacts go where clients look for them from then on, in one publication.

    Its name stays in snapshot, and may be used again.

    Raises:
        DelegationNotFound: there is none of that name.
        InvalidInput: it delegates to others.
        PathsNotDelegated, PathsDisputed, LimitExceeded: clients would not find what is there; nothing was changed.
        SigningError, StorageError, ReleaseRefused: clients still see what they saw.
    """
    with ports.state.publication_lock(purpose="delegation remove"):
        get_ready(ports)
        with ports.state.read() as reader:
            authority = load_authority(reader, ports.metadata)
            parent, _ = _find(authority, name)
            below = _below(authority, name)
            if below:
                raise InvalidInput(
                    f"{name} delegates to {', '.join(below)}", hint=f"first: rstuf delegation remove {below[0]}"
                )
            wanted = tuple(each for each in _delegations_of(authority, parent) if each.name != name)
        return _bring(ports, authority, parent, wanted, name=name)


def list_delegations(ports: Ports) -> list[DelegationView]:
    """Every named delegation, in the order in which clients look: each before those below it."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        names = {entry.keyid: entry.name for entry in reader.keys()}
        periods = reader.periods()
        found, todo = [], list(reversed([(TARGETS, each) for each in _below_of(authority, TARGETS)]))
        while todo:
            parent, each = todo.pop()
            role = reader.role(each.name)
            bins = authority.shared.get(each.name)
            found.append(
                DelegationView(
                    delegation=each,
                    parent=parent,
                    signers=tuple(names.get(keyid, keyid[:12]) for keyid in each.keys.keyids),
                    online=authority.is_online(each.keys),
                    version=role.visible,
                    artifacts=_held(reader, each.name, bins),
                    bins=0 if bins is None else bins.bins.count,
                    periods=periods.get(each.name),
                )
            )
            todo += reversed([(each.name, below) for below in _below_of(authority, each.name)])
        return found


def _held(reader: StateReader, name: RoleName, bins: BinDelegation | None) -> int:
    if bins is None:
        return reader.role(name).artifacts
    return sum(reader.role(bins.bins.name(index)).artifacts for index in range(bins.bins.count))


def _bring(
    ports: Ports, authority: Authority, parent: RoleName, wanted: Sequence[Delegation], *, name: RoleName
) -> DelegationReport:
    """Publish a role that delegates to others than before."""
    said = authority.delegators.get(parent, {"_type": "targets", "spec_version": SPEC_VERSION, "targets": {}})
    proposed: dict[RoleName, Mapping[str, Any]] = {parent: with_delegations(said, wanted)}
    names_before = {each.name for each in _below_of(authority, parent)}
    successor = None
    if parent in authority.shared:
        successor = SUCCESSOR
        proposed[SUCCESSOR] = _over_bins(said)
    joins = tuple(each.name for each in wanted if each.name not in names_before)
    leaves = tuple(sorted(names_before - {each.name for each in wanted}))
    _refuse_faults(authority, proposed)
    publication, moved = bring_delegations(ports, proposed, Handover(joins, leaves, successor))
    return DelegationReport(name, moved, publication)


def _over_bins(targets: Mapping[str, Any]) -> dict[str, Any]:
    """What the role that takes over the bins says: the same of them, and nothing else."""
    delegations = targets["delegations"]
    ours = {field: delegations[field] for field in ("keys", "succinct_roles")}
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
    return (Delegation(name=SUCCESSOR, keys=bins.signers, prefixes=_DIGITS),)


def _below_of(authority: Authority, parent: RoleName) -> tuple[Delegation, ...]:
    delegator = authority.tree.delegators.get(parent)
    return () if delegator is None else delegator.named


def _below(authority: Authority, name: RoleName) -> list[RoleName]:
    return [each.name for each in _below_of(authority, name)]


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


def _keys(
    reader: StateReader, authority: Authority, signers: Sequence[str], *, threshold: int, role: RoleName
) -> RoleKeys:
    """Who is to sign a role."""
    if not signers:
        online = authority.top_level[TIMESTAMP]
        if threshold != 1:
            raise InvalidPolicy(f"{role} asks for {threshold} signatures, and the online key makes one")
        return RoleKeys(online.keyids, 1, online.keys)
    entries = [key_named(reader, name) for name in signers]
    roots = {key_identity(key) for key in authority.top_level[ROOT].keys.values()}
    for entry in entries:
        refuse_leaked(entry)
        if key_identity(entry.key) in roots:
            raise InvalidInput(
                "a root key should sign nothing but root", hint="make a key for it: rstuf key generate NAME"
            )
    keys = {entry.keyid: entry.key for entry in entries}
    check_threshold(role, threshold=threshold, distinct_keys=len({key_identity(key) for key in keys.values()}))
    return RoleKeys(tuple(keys), threshold, keys)


def _with_threshold(keys: RoleKeys, threshold: int, *, role: RoleName) -> RoleKeys:
    check_threshold(role, threshold=threshold, distinct_keys=len({key_identity(key) for key in keys.keys.values()}))
    return replace(keys, threshold=threshold)


def _refuse_reserved(authority: Authority, name: RoleName) -> None:
    if name.casefold() == SUCCESSOR:
        raise InvalidRoleName(name, "the role that has the bins is called so")
    if name in authority.named:
        raise InvalidRoleName(name, "it is delegated to already")


def _refuse_pathless(delegation: Delegation) -> None:
    if not delegation.paths and not delegation.prefixes:
        raise InvalidInput(f"{delegation.name} is for no path", hint="say for which: --path 'team/*'")


def _refuse_faults(authority: Authority, proposed: Mapping[RoleName, Mapping[str, Any]]) -> None:
    """
    Raises:
        InvalidInput: clients would not agree on the tree.
    """
    tree = taken_apart(authority.root, lambda name, _: proposed.get(name) or authority.delegators.get(name)).tree
    for fault, name in tree.faults():
        raise InvalidInput(_FAULTS[fault].format(name), hint="rstuf delegation list shows all delegations")
