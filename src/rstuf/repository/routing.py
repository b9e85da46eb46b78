"""Which role has to list an artifact: by the delegations that clients follow to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from rstuf.errors import PathsDisputed, PathsNotDelegated
from rstuf.metadata.tree import MAX_VISITED
from rstuf.metadata.views import open_envelope
from rstuf.model.artifacts import ArtifactRow, ArtifactState, slot_of
from rstuf.model.handover import Move
from rstuf.model.layout import Layout
from rstuf.model.names import TARGETS, RoleName, TargetPath
from rstuf.model.publication import PublicationPhase
from rstuf.repository.authority import Authority, load_authority
from rstuf.repository.interfaces import RowSpool, StateReader
from rstuf.repository.ports import Ports

_LIST: Final = "rstuf delegation list shows what each is for"


@dataclass(slots=True)
class Router:
    """Who has to list what.

    Attributes:
        authority: by one view of all that delegates; None where there is nothing visible yet.
        layout: whether targets may list artifacts itself.
        coming: by the delegations that a publication brings that may be visible already: what comes in now must have
            a place by these, too.
    """

    authority: Authority | None
    layout: Layout = Layout.SUCCINCT
    coming: Router | None = None
    _targets_has_all: bool = field(init=False)

    def __post_init__(self) -> None:
        # Nobody is delegated to by name, and targets has bins or lists artifacts itself.
        self._targets_has_all = self.authority is None or (
            not self.authority.named and (TARGETS in self.authority.shared or self.layout is Layout.FLAT)
        )

    @property
    def alone(self) -> bool:
        """Whether targets holds everything, or shares it out over its bins."""
        return self.coming is None and self._targets_has_all

    def holder(self, path: TargetPath) -> RoleName:
        """The role that has to list a path, or to share it out over its bins.

        Raises:
            PathsNotDelegated: there is none.
            PathsDisputed: clients do not agree on which.
        """
        if self.coming is not None:
            self.coming.holder(path)
        if self.authority is None or self._targets_has_all:
            return TARGETS
        route = self.authority.tree.route(path)
        if route.disputed:
            role, pattern = route.disputed[0]
            raise PathsDisputed([path], role=role, pattern=pattern)
        shared = len(route.chain) > 1 and route.chain[-2] in self.authority.shared
        found = route.chain[-2] if shared else route.chain[-1]
        if (found == TARGETS and self.layout is not Layout.FLAT) or self._is_far(path):
            raise PathsNotDelegated([path], hint=_LIST)
        return found

    def _is_far(self, path: TargetPath) -> bool:
        """Whether more roles may be for a path than a client looks into."""
        if self.authority is None or len(self.authority.named) < MAX_VISITED - 1:
            return False
        return len(self.authority.tree.search(path)) > MAX_VISITED


def router_of(ports: Ports, reader: StateReader) -> Router:
    """Who has to list what, by the delegations in force."""
    if not reader.role(TARGETS).visible:
        return Router(None)
    layout, coming = reader.settings().layout, None
    if (said := _coming_delegators(reader)) is not None:
        coming = Router(load_authority(reader, ports.metadata, proposed=said), layout)
    return Router(load_authority(reader, ports.metadata), layout, coming)


def _coming_delegators(reader: StateReader) -> dict[RoleName, Mapping[str, Any]] | None:
    """What roles that delegate say in a publication that brings other delegations, from when it cannot be given up."""
    publication = reader.unfinished_publication()
    if publication is None or publication.phase is not PublicationPhase.COMMITTING:
        return None
    if reader.handover_number(publication.id) is None:
        return None
    found = {}
    for planned, _ in reader.publication_roles(publication.id):
        data = reader.delegator(planned.name, planned.version)
        if data is not None:
            found[planned.name] = open_envelope(data, name=planned.name, kind="targets").signed
    return found


def shared_out(
    ports: Ports, router: Router, rows: Iterable[tuple[int, TargetPath, bytes]], stack: ExitStack
) -> Iterator[tuple[RoleName, Iterable[tuple[int, TargetPath, bytes]]]]:
    """Rows by the role that has to list them; each role's in the order in which they came.

    Raises:
        PathsNotDelegated, PathsDisputed: see `Router.holder`.
    """
    if router.alone:
        yield TARGETS, rows
        return
    spools: dict[RoleName, RowSpool] = {}
    for row in rows:
        holder = router.holder(row[1])
        if holder not in spools:
            spools[holder] = stack.enter_context(ports.state.spool())
        spools[holder].append(ArtifactRow(*row))
    yield from sorted(spools.items())


def refuse_misplaced(authority: Authority, reader: StateReader, *, after: int) -> None:
    """Refuse delegations by which something that was accepted above a change number would have no place.

    Raises:
        PathsNotDelegated, PathsDisputed: with the first of it.
    """
    router = Router(authority, reader.settings().layout)
    for _, path in reader.changed_paths(after=after):
        found = reader.artifact(path)
        if found is not None and found.state is not ArtifactState.REMOVING:
            router.holder(path)


def late_moves(ports: Ports, reader: StateReader, *, after: int) -> list[Move]:
    """What was accepted above a change number, for roles that do not list it any more.

    Each has a place (`refuse_misplaced`, `Router.coming`).
    """
    router = router_of(ports, reader)
    found = []
    for holder, path in reader.changed_paths(after=after):
        with suppress(PathsNotDelegated, PathsDisputed):
            taker = router.holder(path)
            if taker != holder:
                found.append(Move(slot_of(path), path, holder, taker))
    return found
