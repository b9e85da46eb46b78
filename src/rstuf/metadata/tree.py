"""The tree of delegations, as clients search it for a path, and as rstuf finds the role that has to list it.

A path belongs to the role that is met when at each step the first delegation that is for it is followed. Clients go the
same way, and turn aside only where they find nothing (TUF §5.6.7): so they find it there without any other visit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from rstuf.metadata.bins import Bins
from rstuf.metadata.delegations import Delegation
from rstuf.model.artifacts import digest_of, slot_of
from rstuf.model.names import TARGETS, RoleName, TargetPath
from rstuf.model.patterns import Match, PathPattern, match, meet

# A client visits so many delegated roles, and gives up then (python-tuf and tuf-js).
MAX_VISITED: Final = 32
MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Delegator:
    """A role that lets others sign for it: by their names, or bins that share out all that comes to it."""

    named: tuple[Delegation, ...] = ()
    bins: Bins | None = None


class Fault(StrEnum):
    """Why clients would not agree on a tree."""

    TWO_PARENTS = "two-parents"
    """Two roles delegate to one: clients differ in whose keys it has to have."""
    CYCLE = "cycle"
    """A role is delegated to by itself, or by one below it."""
    CASE_TWINS = "case-twins"
    """Two names differ in their letters' case alone: they are one file on many systems."""
    TWICE = "twice"
    """A role delegates to another one twice."""
    TOO_DEEP = "too-deep"
    """More roles lie on the way to one than clients visit."""


@dataclass(frozen=True, slots=True)
class Route:
    """Which role has to list a path.

    Attributes:
        chain: the roles on the way to it, targets first, it the last: what a client visits.
        disputed: on the way, patterns that some clients hold for a match and others not: (role, pattern). These clients
            go another way, so that nobody can say where the path has to be.
    """

    chain: tuple[RoleName, ...]
    disputed: tuple[tuple[RoleName, PathPattern], ...] = ()

    @property
    def holder(self) -> RoleName:
        """The role that has to list it."""
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class Tree:
    """Every role that delegates, by its name."""

    delegators: Mapping[RoleName, Delegator]
    _parents: dict[RoleName, RoleName] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, delegator in self.delegators.items():
            for delegation in delegator.named:
                self._parents.setdefault(delegation.name, name)

    def parent(self, name: RoleName) -> RoleName | None:
        """Who delegates to a role; None for targets, and for what nobody delegates to."""
        return self._parents.get(name)

    def faults(self) -> Iterator[tuple[Fault, RoleName]]:
        """Why clients would not agree on it, and about which role."""
        seen: dict[str, RoleName] = {TARGETS: TARGETS}
        for parent, delegator in self.delegators.items():
            for delegation in delegator.named:
                name = delegation.name
                before = seen.setdefault(name.casefold(), name)
                if before != name:
                    yield Fault.CASE_TWINS, name
                elif self._parents[name] != parent:
                    yield Fault.TWO_PARENTS, name
            names = [delegation.name for delegation in delegator.named]
            yield from ((Fault.TWICE, name) for name in sorted({each for each in names if names.count(each) > 1}))
        for name in self._parents:
            depth = self._depth(name)
            if depth is None:
                yield Fault.CYCLE, name
            elif depth > MAX_DEPTH:
                yield Fault.TOO_DEEP, name

    def out_of_reach(self) -> Iterator[RoleName]:
        """The roles that no path comes to: none of their patterns is for what each role above them is for, too."""
        above: dict[RoleName, tuple[Delegation, ...]] = {TARGETS: ()}
        waiting = [TARGETS]
        while waiting:
            parent = waiting.pop()
            for each in self.delegators.get(parent, Delegator()).named:
                if each.name in above:
                    continue
                if not all(_meets(each, other) for other in above[parent]):
                    yield each.name
                above[each.name] = (*above[parent], each)
                waiting.append(each.name)

    def route(self, path: TargetPath) -> Route:
        """The role that has to list a path."""
        digest, chain, disputed = digest_of(path), [TARGETS], list[tuple[RoleName, PathPattern]]()
        while (delegator := self.delegators.get(chain[-1])) is not None and len(chain) <= MAX_DEPTH:
            if delegator.bins is not None:
                chain.append(delegator.bins.name(delegator.bins.index_of_slot(slot_of(path))))
                break
            following = None
            for delegation in delegator.named:
                found, patterns = _match(delegation, path, digest)
                if found is Match.YES:
                    following = delegation.name
                    break
                disputed += ((delegation.name, pattern) for pattern in patterns)
            if following is None:
                break
            chain.append(following)
        return Route(tuple(chain), tuple(disputed))

    def search(self, path: TargetPath) -> tuple[RoleName, ...]:
        """The roles that a client visits for a path, in order, if it never finds it."""
        digest, visited, stack = digest_of(path), dict[RoleName, None](), [TARGETS]
        while stack and len(visited) <= MAX_VISITED:
            name = stack.pop()
            if name in visited:
                continue
            visited[name] = None
            delegator = self.delegators.get(name)
            if delegator is None:
                continue
            if delegator.bins is not None:
                stack = [delegator.bins.name(delegator.bins.index_of_slot(slot_of(path)))]
                continue
            children = []
            for delegation in delegator.named:
                if _match(delegation, path, digest)[0] is not Match.NO:
                    children.append(delegation.name)
                    if delegation.terminating:
                        stack = []
                        break
            stack += reversed(children)
        return tuple(visited)

    def _depth(self, name: RoleName) -> int | None:
        """How many roles lie above one; None where it lies above itself."""
        above: list[RoleName] = []
        while (parent := self._parents.get(name)) is not None:
            if parent in above:
                return None
            above.append(parent)
            name = parent
        return len(above)


def _meets(one: Delegation, other: Delegation) -> bool:
    """Whether there may be a path that two delegations are for."""
    if one.prefixes or other.prefixes:
        return True
    return any(meet(each, pattern) for each in one.paths for pattern in other.paths)


def _match(delegation: Delegation, path: TargetPath, digest: str) -> tuple[Match, tuple[PathPattern, ...]]:
    """What clients say of a delegation and a path; with the patterns of which they do not say the same."""
    if delegation.prefixes:
        return Match.YES if digest.startswith(delegation.prefixes) else Match.NO, ()
    disputed: tuple[PathPattern, ...] = ()
    for pattern in delegation.paths:
        found = match(pattern, path)
        if found is Match.YES:
            return found, ()
        if found is Match.DISPUTED:
            disputed = (*disputed, pattern)
    return Match.DISPUTED if disputed else Match.NO, disputed
