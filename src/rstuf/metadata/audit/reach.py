"""Which artifacts a client reaches, where delegations can overlap: the walk of TUF §5.6.7 over the whole tree.

In the common tree, where targets only delegates to succinct bins, every path has one bin and nothing of this is needed.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from rstuf.metadata.audit.clients import PYTHON_TUF, Survey
from rstuf.metadata.audit.document import Fault, canonical, read_document
from rstuf.metadata.audit.files import Request, Shelf
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.audit.paths import Bin, Head, Pattern, bin_name, is_odd, path_digest
from rstuf.metadata.audit.shapes import Edge, Succinct
from rstuf.metadata.audit.targets import check_targets

# A unit is some microseconds at most. Trees that people make need about five for every artifact, so that these come
# beside: however many there are, they are checked.
MAX_WORK: Final = 20_000_000
_WORK_OF_ONE: Final = 8
_STEPS_A_UNIT: Final = 32
MAX_TWINS: Final = 100_000
Content = tuple[str, Mapping[str, Any]]


@dataclass(slots=True)
class Delegator:
    """A role that delegates, with its delegations where a path finds them without looking at all of them."""

    edges: tuple[Edge, ...]
    succinct: Succinct | None
    _by_prefix: dict[str, list[int]] = field(default_factory=dict)
    _by_head: dict[Head, list[tuple[int, Pattern]]] = field(default_factory=dict)
    _lengths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for position, edge in enumerate(self.edges):
            for pattern in edge.patterns or ():
                self._by_head.setdefault(pattern.head, []).append((position, pattern))
            for prefix in edge.prefixes or ():
                self._by_prefix.setdefault(prefix, []).append(position)
        self._lengths = tuple(sorted({len(prefix) for prefix in self._by_prefix}))

    def matching(self, path: str, digest: str) -> tuple[list[Edge], int]:
        """The delegations for a path, in order, and how much work it was to find them."""
        first, *others = path.split("/")
        size = len(others) + 1
        candidates = [*self._by_head.get((size, first), ()), *self._by_head.get((size, None), ())]
        found = {position for position, pattern in candidates if pattern.matches(path)}
        for length in self._lengths:
            found.update(self._by_prefix.get(digest[:length], ()))
        effort = sum(1 + pattern.effort * len(path) // _STEPS_A_UNIT for _, pattern in candidates)
        return [self.edges[position] for position in sorted(found)], 1 + len(self._lengths) + effort


class Tree:
    """The delegations as a client walks them."""

    def __init__(self) -> None:
        self.delegators: dict[str, Delegator] = {}
        self.work = 0
        self._incoming: dict[str, list[Edge]] = {}

    def add(self, name: str, edges: tuple[Edge, ...], succinct: Succinct | None) -> None:
        """A role delegates."""
        self.delegators[name] = Delegator(edges, succinct)
        for edge in edges:
            self._incoming.setdefault(edge.name, []).append(edge)

    def is_plain(self) -> bool:
        """Whether nothing can overlap: only targets delegates, and only to succinct bins."""
        return all(name == "targets" and not node.edges for name, node in self.delegators.items())

    def incoming(self, name: str) -> list[Edge]:
        """The delegations to a role, from whomever."""
        return self._incoming.get(name, [])

    def walk(self, path: str, digest: str, *, without: Collection[str] = ()) -> list[str]:
        """The roles that a client visits for `path`, in order, if it never finds it (TUF §5.6.7).

        Args:
            without: roles that it holds to be for another path.
        """
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
                stack = [bin_name(node.succinct.prefix, bits, int(digest[:8], 16) >> (32 - bits))]
                continue
            children = []
            edges, work = node.matching(path, digest)
            self.work += work
            for edge in edges:
                if edge.name in without:
                    continue
                children.append(edge.name)
                if edge.terminating:
                    stack = []
                    break
            stack += reversed(children)
        return visited


class Reach:
    """Checks that every artifact is found where it is, and nothing else before it."""

    def __init__(self, tree: Tree, findings: Findings, survey: Survey) -> None:
        self._tree = tree
        self._findings = findings
        self._survey = survey
        self._seen: set[str] = set()
        # Eight bytes of each path's hash are enough to find those that may be there twice.
        self._marks = [array("Q") for _ in range(256)]
        self._most = MAX_WORK
        self._exhausted = False

    def look(self, role: str, targets: Iterable[str], *, place: Bin | None = None) -> None:
        """Check the paths of one role. Every role that is on the way to any of them must be in the tree.

        Args:
            place: the bin that it is; of paths that are in the wrong one it was said before.
        """
        self._seen.add(role)
        for path in targets:
            self._most += _WORK_OF_ONE
            if self._tree.work > self._most:
                self._give_up()
                return
            digest = path_digest(path)
            self._marks[digest[0]].append(int.from_bytes(digest[:8], "big"))
            order = self._tree.walk(path, digest.hex())
            if role not in order:
                self._report(role, path, digest, place)
            elif is_odd(path):
                self._note_dispute(role, path, order)

    def finish(self, shelf: Shelf, holders: Sequence[Request[str]]) -> None:
        """Check the roles that were not looked at yet, and what different roles say of one path.

        Args:
            holders: every role that lists artifacts; what is wrong with their files was said before.
        """
        for role, targets in _contents(shelf, [each for each in holders if each.tag not in self._seen]):
            self.look(role, targets)
        twins = self._twins()
        if twins:
            self._settle(twins, _contents(shelf, holders))

    def _twins(self) -> set[int]:
        """The marks of paths that stand in more than one role."""
        found: set[int] = set()
        for marks in self._marks:
            ordered = sorted(marks)
            found.update(one for one, other in pairwise(ordered) if one == other)
        self._marks = []
        return found

    def _settle(self, twins: set[int], contents: Iterator[Content]) -> None:
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

    def _report(self, role: str, path: str, digest: bytes, place: Bin | None) -> None:
        delegations = self._tree.incoming(role)
        self._tree.work += sum(1 + len(edge.patterns or ()) for edge in delegations)
        if place is not None and not place.holds(digest):
            return
        if place is not None or any(edge.matches(path, digest.hex()) for edge in delegations):
            message = "no client reaches it: a delegation before it ends the search, or it is too deep"
            self._findings.problem(Code.UNREACHABLE, message, role=role, path=path)
        elif role == "targets" or any(edge.prefixes is None for edge in delegations):
            self._findings.problem(Code.NOT_DELEGATED, "no delegation to this role is for it", role=role, path=path)
        else:
            self._findings.problem(Code.WRONG_BIN, "no client looks for this path in this bin", role=role, path=path)

    def _note_dispute(self, role: str, path: str, order: Iterable[str]) -> None:
        """Clients differ in what a wildcard stands for, so that some of them go another way, and may not get here."""
        nodes = [self._tree.delegators[name] for name in order if name in self._tree.delegators]
        disputed = [edge.name for node in nodes for edge in node.edges if edge.is_disputed_for(path)]
        if disputed and role not in self._tree.walk(path, path_digest(path).hex(), without=disputed):
            self._survey.disputed += 1
            message = (
                f"some clients do not find it: they read the wildcards of the delegation to {disputed[0]} otherwise"
            )
            self._findings.note(Note.DISPUTED_PATH, message, role=role, path=path)

    def _give_up(self) -> None:
        if not self._exhausted:
            message = "the delegations are too many to follow for every artifact; not all of them were checked"
            self._findings.problem(Code.TOO_COMPLEX, message, role="targets")
        self._exhausted = True


def _contents(shelf: Shelf, requests: Iterable[Request[str]]) -> Iterator[Content]:
    """The artifacts of some roles, read once more."""
    for request, data in shelf.many(requests):
        if data is None:
            continue
        try:
            targets = read_document(data).signed.get("targets")
        except Fault:
            continue
        listed = targets if isinstance(targets, dict) else {}
        yield request.tag, check_targets(listed, role=request.tag, place=None, findings=Findings(), survey=Survey())


def _same(one: Any, other: Any) -> bool:
    try:
        return canonical(one) == canonical(other)
    except Fault:
        return False
