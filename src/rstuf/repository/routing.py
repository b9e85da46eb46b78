"""Which role has to list an artifact: by the delegations that clients follow to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from rstuf.errors import PathsDisputed, PathsNotDelegated
from rstuf.metadata.tree import MAX_VISITED
from rstuf.model.artifacts import ArtifactRow, slot_of
from rstuf.model.handover import Move
from rstuf.model.layout import Layout
from rstuf.model.names import TARGETS, RoleName, TargetPath
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
    """

    authority: Authority | None
    layout: Layout = Layout.SUCCINCT
    _alone: bool = field(init=False)

    def __post_init__(self) -> None:
        self._alone = self.authority is None or not self.authority.named

    @property
    def alone(self) -> bool:
        """Whether targets holds everything, or shares it out over its bins."""
        return self._alone

    def holder(self, path: TargetPath) -> RoleName:
        """The role that has to list a path, or to share it out over its bins.

        Raises:
            PathsNotDelegated: there is none.
            PathsDisputed: clients do not agree on which.
        """
        if self.authority is None or self._alone:
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
    return Router(load_authority(reader, ports.metadata), reader.settings().layout)


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


def late_moves(ports: Ports, reader: StateReader, *, after: int) -> list[Move]:
    """What was accepted above a change number, for roles that do not list it any more.

    What nobody is to list stays where it is: it was accepted, and a delegation may come for it.
    """
    router = router_of(ports, reader)
    found = []
    for holder, path in reader.changed_paths(after=after):
        with suppress(PathsNotDelegated, PathsDisputed):
            taker = router.holder(path)
            if taker != holder:
                found.append(Move(slot_of(path), path, holder, taker))
    return found
