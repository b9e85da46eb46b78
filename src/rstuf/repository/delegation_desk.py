"""The facade of named delegations: proposed, shown, brought out."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rstuf.metadata.brought_role import BroughtRole
from rstuf.model.events import SigningEvent
from rstuf.model.names import RoleName
from rstuf.repository.brought_roles import Delivery, look_at_delivery
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
from rstuf.repository.deliveries import DeliveryReport, take_delivery
from rstuf.repository.ports import Ports
from rstuf.repository.readiness import get_ready
from rstuf.repository.reading import Source
from rstuf.repository.visits import Way, way_to
from rstuf.repository.wanted_delegations import WantedDelegation, wanted_again


class DelegationDesk:
    """The named delegations of a repository, and what may become of them."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def views(self) -> list[DelegationView]:
        """Every named delegation, in the order in which clients look: each before those below it."""
        return list_delegations(self._ports)

    def way_to(self, path: str) -> Way:
        """The roles that clients visit for a path, and why; see `repository.visits.way_to`."""
        return way_to(self._ports, path)

    def propose(self, plan: DelegationPlan) -> DelegationProposal:
        """Delegations with one more; see `repository.delegating.propose_addition`."""
        self._end_what_was_begun()
        return propose_addition(self._ports, plan)

    def propose_change(self, name: RoleName, change: DelegationChange) -> DelegationProposal:
        """Delegations of which one is another; see `repository.delegating.propose_change`."""
        self._end_what_was_begun()
        return propose_change(self._ports, name, change)

    def propose_removal(self, name: RoleName) -> DelegationProposal:
        """Delegations with one less; see `repository.delegating.propose_removal`."""
        self._end_what_was_begun()
        return propose_removal(self._ports, name)

    def wanted_by(self, event: SigningEvent) -> WantedDelegation | None:
        """What can be asked for again of what an event was to change; see `wanted_delegations.wanted_again`."""
        with self._ports.state.read() as reader:
            return wanted_again(reader, event)

    def _end_what_was_begun(self) -> None:
        """A publication that was cut off may bring what is to be proposed."""
        with self._ports.state.read() as reader:
            unfinished = reader.unfinished_publication()
        if unfinished is not None:
            with self._ports.state.publication_lock(purpose="delegation"):
                get_ready(self._ports)

    def bring(self, proposal: DelegationProposal, *, drop: bool = False) -> DelegationReport:
        """Publish what was proposed, or let it wait; see `repository.delegating.bring_proposal`."""
        return bring_proposal(self._ports, proposal, drop=drop)

    def look_at(self, brought: BroughtRole) -> Delivery:
        """What a role that was signed elsewhere changes; see `repository.brought_roles.look_at_delivery`."""
        self._end_what_was_begun()
        return look_at_delivery(self._ports, brought)

    def accept(
        self,
        shown: Delivery,
        *,
        contents: Iterable[Source] | None = None,
        elsewhere: bool = False,
        drop: Collection[SigningEvent] = (),
        lose: bool = False,
        leaked: bool = False,
    ) -> DeliveryReport:
        """Publish it as it is, or let it wait; see `repository.deliveries.take_delivery`."""
        return take_delivery(
            self._ports, shown, contents=contents, elsewhere=elsewhere, drop=drop, lose=lose, leaked=leaked
        )
