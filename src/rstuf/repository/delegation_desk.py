"""The facade of named delegations: proposed, shown, brought out."""

from __future__ import annotations

from rstuf.model.names import RoleName
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    DelegationProposal,
    DelegationReport,
    bring_proposal,
    propose_addition,
    propose_change,
    propose_removal,
)
from rstuf.repository.delegation_views import DelegationView, list_delegations
from rstuf.repository.ports import Ports


class DelegationDesk:
    """The named delegations of a repository, and what may become of them."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def views(self) -> list[DelegationView]:
        """Every named delegation, in the order in which clients look: each before those below it."""
        return list_delegations(self._ports)

    def propose(self, plan: DelegationPlan) -> DelegationProposal:
        """Delegations with one more; see `repository.delegating.propose_addition`."""
        return propose_addition(self._ports, plan)

    def propose_change(self, name: RoleName, change: DelegationChange) -> DelegationProposal:
        """Delegations of which one is another; see `repository.delegating.propose_change`."""
        return propose_change(self._ports, name, change)

    def propose_removal(self, name: RoleName) -> DelegationProposal:
        """Delegations with one less; see `repository.delegating.propose_removal`."""
        return propose_removal(self._ports, name)

    def bring(self, proposal: DelegationProposal) -> DelegationReport:
        """Publish what was proposed; see `repository.delegating.bring_proposal`."""
        return bring_proposal(self._ports, proposal)
