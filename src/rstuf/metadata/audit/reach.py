"""Which artifacts a client reaches, where delegations can overlap: the walk of TUF §5.6.7 over the whole tree.

In the common tree, where targets only delegates to succinct bins, every path has one bin and nothing of this is needed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from rstuf.metadata.audit.clients import PYTHON_TUF
from rstuf.metadata.audit.document import Fault, canonical
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.audit.paths import bin_name, bin_of, path_digest
from rstuf.metadata.audit.shapes import Edge, Succinct

# Matching a pattern is the unit. Trees that people make need a few for every path.
MAX_WORK: Final = 30_000_000
MAX_TWINS: Final = 100_000
Content = tuple[str, Mapping[str, Any]]


@dataclass(slots=True)
class Delegator:
    """A role that delegates."""

    edges: tuple[Edge, ...]
    succinct: Succinct | None
    _by_prefix: dict[str, list[int]] = field(default_factory=dict)
    _lengths: tuple[int, ...] = ()
    _patterns: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for position, edge in enumerate(self.edges):
            if edge.prefixes is None:
                self._patterns.append(position)
            for prefix in edge.prefixes or ():
                self._by_prefix.setdefault(prefix, []).append(position)
        self._lengths = tuple(sorted({len(prefix) for prefix in self._by_prefix}))

    def matching(self, path: str, digest: str) -> tuple[list[Edge], int]:
        """The delegations for a path, in order, and how much work it was to find them."""
        found = [position for position in self._patterns if self.edges[position].matches(path, digest)]
        for length in self._lengths:
            found += self._by_prefix.get(digest[:length], ())
        work = 1 + len(self._lengths) + sum(len(self.edges[position].patterns or ()) for position in self._patterns)
        return [self.edges[position] for position in sorted(set(found))], work


class Tree:
    """The delegations as a client walks them."""

    def __init__(self) -> None:
        self.delegators: dict[str, Delegator] = {}
        self.work = 0
        self._by_pattern: set[str] = set()

    def add(self, name: str, edges: tuple[Edge, ...], succinct: Succinct | None) -> None:
        """A role delegates."""
        self.delegators[name] = Delegator(edges, succinct)
        self._by_pattern.update(edge.name for edge in edges if edge.prefixes is None)

    def is_plain(self) -> bool:
        """Whether nothing can overlap: only targets delegates, and only to succinct bins."""
        return all(name == "targets" and not node.edges for name, node in self.delegators.items())

    def has_patterns(self, name: str) -> bool:
        """Whether a delegation to that role is by patterns."""
        return name in self._by_pattern

    def walk(self, path: str, digest: str) -> list[str]:
        """The roles that a client visits for `path`, in order, if it never finds it (TUF §5.6.7)."""
        visited: list[str] = []
        stack = ["targets"]
        while stack and len(visited) <= PYTHON_TUF.visited:
            name = stack.pop()
            if name in visited:
                continue
            visited.append(name)
            node = self.delegators.get(name)
            if node is None:
                continue
            if node.succinct is not None:
                bits = node.succinct.bits
                stack = [bin_name(node.succinct.prefix, bits, bin_of(path, bits))]
                continue
            children = []
            edges, work = node.matching(path, digest)
            self.work += work
            for edge in edges:
                children.append(edge.name)
                if edge.terminating:
                    stack = []
                    break
            stack += reversed(children)
        return visited


class Reach:
    """Checks that every artifact is found where it is, and nothing else before it."""

    def __init__(self, tree: Tree, findings: Findings) -> None:
        self._tree = tree
        self._findings = findings
        # Eight bytes of each path's hash are enough to find those that may be there twice.
        self._marks = [array("Q") for _ in range(256)]
        self._exhausted = False

    def look(self, role: str, targets: Iterable[str]) -> None:
        """Check the paths of one role."""
        for path in targets:
            if self._tree.work > MAX_WORK:
                self._give_up()
                return
            digest = path_digest(path)
            self._marks[digest[0]].append(int.from_bytes(digest[:8], "big"))
            if role not in self._tree.walk(path, digest.hex()):
                self._report(role, path, digest.hex())

    def twins(self) -> set[int]:
        """The marks of paths that stand in more than one role."""
        found: set[int] = set()
        for marks in self._marks:
            ordered = sorted(marks)
            found.update(one for one, other in pairwise(ordered) if one == other)
        self._marks = []
        return found

    def settle(self, twins: set[int], contents: Iterator[Content]) -> None:
        """Compare what different roles say of one path; `contents` are all roles' artifacts again."""
        held: dict[str, list[tuple[str, Any]]] = {}
        taken = 0
        for role, targets in contents:
            for path, entry in targets.items():
                if int.from_bytes(path_digest(path)[:8], "big") not in twins:
                    continue
                taken += 1
                if taken > MAX_TWINS:
                    self._give_up()
                    return
                held.setdefault(path, []).append((role, entry))
        for path, holders in held.items():
            if len(holders) > 1:
                self._compare(path, holders)

    def _compare(self, path: str, holders: list[tuple[str, Any]]) -> None:
        order = self._tree.walk(path, path_digest(path).hex())
        reached = [(role, entry) for role, entry in holders if role in order]
        if not reached:
            return
        reached.sort(key=lambda holder: order.index(holder[0]))
        first, content = reached[0]
        for role, entry in reached[1:]:
            if _same(content, entry):
                self._findings.note(Note.LISTED_TWICE, f"clients find it in {first} already", role=role, path=path)
            else:
                message = f"clients never see this: they find another content in {first} first"
                self._findings.problem(Code.SHADOWED, message, role=role, path=path)

    def _report(self, role: str, path: str, digest: str) -> None:
        delegations = (
            [edge for node in self._tree.delegators.values() for edge in node.edges if edge.name == role]
            if len(self._tree.delegators) < 100
            else []
        )
        if any(edge.matches(path, digest) for edge in delegations):
            message = "no client reaches it: a delegation before it ends the search, or it is too deep"
            self._findings.problem(Code.UNREACHABLE, message, role=role, path=path)
        elif self._tree.has_patterns(role) or role == "targets":
            self._findings.problem(Code.NOT_DELEGATED, "no delegation to this role is for it", role=role, path=path)
        else:
            self._findings.problem(Code.WRONG_BIN, "no client looks for this path in this bin", role=role, path=path)

    def _give_up(self) -> None:
        if not self._exhausted:
            message = "the delegations are too many to follow for every artifact; not all of them were checked"
            self._findings.problem(Code.TOO_COMPLEX, message, role="targets")
        self._exhausted = True


def _same(one: Any, other: Any) -> bool:
    try:
        return canonical(one) == canonical(other)
    except Fault:
        return False
