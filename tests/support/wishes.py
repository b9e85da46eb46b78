"""Changes of delegations as hypothesis draws them, before it is known which delegations there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st

from rstuf.metadata.tree import Tree
from rstuf.model.names import TARGETS, TIMESTAMP, RoleName
from rstuf.model.patterns import path_pattern
from rstuf.model.policy import BinSigners, Periods
from rstuf.model.superseded import Retention
from rstuf.repository.authority import load_authority
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    DelegationProposal,
    bring_proposal,
    propose_addition,
    propose_change,
    propose_removal,
)
from rstuf.repository.event_desk import EventDesk
from rstuf.repository.ports import Ports
from rstuf.repository.prune import prune
from rstuf.repository.publish import publish
from rstuf.repository.rebin import ResizeReport, in_the_way, resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.rotation_desk import RotationDesk

PATHS = ["a", "b.txt", "team/x", "team/y", "TEAM/y", "team/sub/z", "team/sub/.z", "docs/x", "docs/.x", "docs/x/y"]
NAMES = ["team", "docs", "sub", "ops", "dist"]
ODD_NAMES = ["Team", "bins", "bins-1"]
PATTERNS = ["team/*", "team/x", "*/x", "docs/*", "docs/?", "*", "*/*/*", "team/*/z", "docs/.*", "*.txt", "TEAM/*"]
KEYS = ["dev-1", "dev-2"]
SPARE_KEYS = ["spare-1", "spare-2", "spare-3"]
"""Keys that may take the place of the online key, one after the other."""
DEEPEST = 3
PERIODS = Periods.of(timedelta(days=20))

Act = Callable[[Ports], object]


@dataclass(frozen=True)
class Wish:
    """One of the acts that publish.

    Attributes:
        place: says which role it is about, of those that there are.
        what: says what else it is to be, in its bits.
    """

    kind: str
    name: str = "team"
    place: int = 0
    patterns: tuple[str, ...] = ("team/*",)
    signers: tuple[str, ...] = ()
    terminating: bool = False
    what: int = 0


WISHES = st.builds(
    Wish,
    kind=st.sampled_from(["add", "add", "update", "update", "remove", "resize", "publish", "renew", "prune", "rotate"]),
    name=st.sampled_from([*NAMES, *ODD_NAMES]),
    place=st.integers(0, 5),
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True).map(tuple),
    signers=st.lists(st.sampled_from(KEYS), max_size=2, unique=True).map(tuple),
    terminating=st.booleans(),
    what=st.integers(0, 31),
)
CHANGES = WISHES.filter(lambda wish: wish.kind in {"add", "update", "remove"})


def act(wish: Wish, ports: Ports) -> Act:
    """What a wish comes to, by the delegations that there are."""
    if wish.kind == "publish":
        return publish
    if wish.kind == "renew":
        return renew
    if wish.kind == "prune":
        return lambda ports: prune(ports, retention=Retention(publications=1 + wish.what % 3, days=0))
    if wish.kind == "rotate":
        return lambda ports: rotate(ports, SPARE_KEYS[wish.place % len(SPARE_KEYS)])
    if wish.kind == "resize":
        with ports.state.read() as reader:
            authority = load_authority(reader, ports.metadata)
        role = [None, *authority.named][wish.place % (1 + len(authority.named))]
        by_people = role is not None and not authority.is_online(authority.named[role])
        signers = [BinSigners.ROLE, BinSigners.ONLINE, None][wish.what // 4 % 3] if by_people else None
        return lambda ports: resize(ports, 2 << wish.what % 2, role, signers)
    return lambda ports: bring_proposal(ports, proposal(wish, ports))


def resize(ports: Ports, count: int, role: RoleName | None, signers: BinSigners | None) -> ResizeReport:
    """Share the artifacts of a role out, and sign that where people have to."""
    waiting = in_the_way(ports, role)
    drop = [event for view in waiting for event in (view.event, *view.companions)]
    report = resize_bins(ports, count, role=role, signers=signers, drop=drop)
    if report.waits is not None:
        EventDesk(ports).sign(report.waits.event.name)
    return report


def rotate(ports: Ports, spare: str) -> None:
    """Let a spare key take the place of the online key, or sign what waits for that."""
    desk, rotations = EventDesk(ports), RotationDesk(ports)
    if rotations.current() is None:
        with ports.state.read() as reader:
            (online,) = load_authority(reader, ports.metadata).top_level[TIMESTAMP].keyids
            name = next(entry.name for entry in reader.keys() if entry.keyid == online)
        rotations.rotate(name, spare, overlap=timedelta(hours=1))
    for view in desk.views():
        # What has another online key in it may be outdated by now: then it says so, and nobody is asked to sign it.
        if desk.view(view.event.name).outdated is None:
            desk.sign(view.event.name)


def proposal(wish: Wish, ports: Ports) -> DelegationProposal:
    """The delegations that a wish proposes."""
    with ports.state.read() as reader:
        tree = load_authority(reader, ports.metadata).tree
    there, paths = names_in(tree), tuple(map(path_pattern, wish.patterns))
    if wish.kind == "add":
        parents = [TARGETS, *(name for name in there if _depth(tree, name) < DEEPEST)]
        parent = parents[wish.place % len(parents)]
        # Mostly one that can be had.
        free = [each for each in NAMES if each not in there] if wish.what & 3 else []
        plan = DelegationPlan(
            name=RoleName(free[wish.place % len(free)] if free else wish.name),
            paths=paths,
            signers=wish.signers,
            threshold=max(1, len(wish.signers)),
            terminating=wish.terminating,
            periods=PERIODS if wish.what & 16 else None,
            parent=parent,
            before=_beside(tree, parent, wish.what) if wish.what & 4 else None,
        )
        return propose_addition(ports, plan)
    name = there[wish.place % len(there)] if there else RoleName(wish.name)
    if wish.kind == "remove":
        return propose_removal(ports, name)
    change = DelegationChange(
        paths=paths if wish.what & 1 else None,
        signers=wish.signers if wish.what & 2 else None,
        threshold=max(1, len(wish.signers)) if wish.what & 2 else None,
        terminating=wish.terminating,
        periods=PERIODS if wish.what & 16 else None,
        before=_beside(tree, tree.parent(name) or TARGETS, wish.what) if wish.what & 8 else None,
    )
    return propose_change(ports, name, change)


def names_in(tree: Tree) -> list[RoleName]:
    """Every role that is delegated to by its name."""
    return [each.name for delegator in tree.delegators.values() for each in delegator.named]


def _depth(tree: Tree, name: RoleName) -> int:
    above = tree.parent(name)
    return 0 if above is None else 1 + _depth(tree, above)


def _beside(tree: Tree, parent: RoleName, what: int) -> RoleName | None:
    delegator = tree.delegators.get(parent)
    names = [] if delegator is None else [each.name for each in delegator.named]
    return names[what % len(names)] if names else None
