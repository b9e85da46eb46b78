"""Every role that somebody may sign, as people name them: bins together, under their prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rstuf.metadata.views import RoleKeys
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, TOP_LEVEL, RoleName
from rstuf.model.roles import RoleKind
from rstuf.repository.authority import Authority


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A role, or the bins of one, and who may sign it.

    Attributes:
        name: its name; of bins their prefix.
        parent: who delegates to it; None for a top-level role.
        depth: how many roles lie between it and targets.
    """

    name: str
    kind: RoleKind
    keys: RoleKeys
    parent: RoleName | None = None
    depth: int = 0


def every_role(authority: Authority) -> Iterator[SignedBy]:
    """All of them: root, then targets and what it delegates to, in the order in which clients look."""
    for name in (ROOT, TARGETS):
        yield SignedBy(name, RoleKind(name), authority.top_level[name])
    yield from _below(authority, TARGETS, 0)
    for name in (SNAPSHOT, TIMESTAMP):
        yield SignedBy(name, RoleKind(name), authority.top_level[name])


def top_level_first(authority: Authority) -> list[SignedBy]:
    """The same, with the top-level roles in the order of their weight before all others."""
    found = list(every_role(authority))
    return sorted(found, key=lambda each: TOP_LEVEL.index(RoleName(each.name)) if each.parent is None else len(found))


def _below(authority: Authority, parent: RoleName, depth: int) -> Iterator[SignedBy]:
    bins = authority.shared.get(parent)
    if bins is not None:
        yield SignedBy(bins.bins.prefix, RoleKind.BIN, bins.signers, parent, depth)
    delegator = authority.tree.delegators.get(parent)
    for each in () if delegator is None else delegator.named:
        if authority.tree.parent(each.name) == parent:
            yield SignedBy(each.name, RoleKind.DELEGATED, each.keys, parent, depth)
            yield from _below(authority, each.name, depth + 1)
