"""Named delegations as they are, for whoever looks."""

from __future__ import annotations

from dataclasses import dataclass

from rstuf.metadata.delegations import Delegation
from rstuf.metadata.views import BinDelegation
from rstuf.model.names import TARGETS, RoleName
from rstuf.model.policy import BinSigners, Periods
from rstuf.model.roles import RoleState
from rstuf.repository.authority import Authority, load_authority
from rstuf.repository.batches import bin_signers_of
from rstuf.repository.interfaces import StateReader
from rstuf.repository.ports import Ports


@dataclass(frozen=True, slots=True)
class DelegationView:
    """A delegation as it is.

    Attributes:
        parent: who delegates; `depth` is how many roles lie between it and targets.
        signers: what its keys are called here, else how their ids begin.
        online: whether the online key alone signs it.
        role: the role, as the state has it.
        artifacts: how many it lists, or its bins do.
        bins: how many it has; 0 where it lists its artifacts itself.
        periods: how long it lives; None where the state does not say.
        bin_signers: who signs its bins; None where it has none.
    """

    delegation: Delegation
    parent: RoleName
    depth: int
    signers: tuple[str, ...]
    online: bool
    role: RoleState
    artifacts: int
    bins: int
    periods: Periods | None
    bin_signers: BinSigners | None


def list_delegations(ports: Ports) -> list[DelegationView]:
    """Every named delegation, in the order in which clients look: each before those below it."""
    with ports.state.read() as reader:
        authority = load_authority(reader, ports.metadata)
        names = {entry.keyid: entry.name for entry in reader.keys()}
        periods, found = reader.periods(), list[DelegationView]()
        todo = [(TARGETS, 0, each) for each in reversed(_below(authority, TARGETS))]
        while todo:
            parent, depth, each = todo.pop()
            bins = authority.shared.get(each.name)
            found.append(
                DelegationView(
                    delegation=each,
                    parent=parent,
                    depth=depth,
                    signers=tuple(names.get(keyid, keyid[:12]) for keyid in each.keys.keyids),
                    online=authority.is_online(each.keys),
                    role=reader.role(each.name),
                    artifacts=_held(reader, each.name, bins),
                    bins=0 if bins is None else bins.bins.count,
                    periods=periods.get(each.name),
                    bin_signers=bin_signers_of(authority, each.name),
                )
            )
            todo += [(each.name, depth + 1, below) for below in reversed(_below(authority, each.name))]
        return found


def _below(authority: Authority, name: RoleName) -> tuple[Delegation, ...]:
    delegator = authority.tree.delegators.get(name)
    return () if delegator is None else delegator.named


def _held(reader: StateReader, name: RoleName, bins: BinDelegation | None) -> int:
    if bins is None:
        return reader.role(name).artifacts
    return sum(reader.role(bins.bins.name(index)).artifacts for index in range(bins.bins.count))
