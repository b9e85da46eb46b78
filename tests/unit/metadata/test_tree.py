"""The tree of delegations: what it finds for a path is what a stock client finds."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.metadata import roots
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import UpdaterConfig
from tuf.ngclient.updater import Updater

from rstuf.errors import InvalidMetadata
from rstuf.metadata.bins import Bins
from rstuf.metadata.delegations import Delegation, named_delegations, with_delegations
from rstuf.metadata.render import SPEC_VERSION
from rstuf.metadata.tree import MAX_DEPTH, Delegator, Fault, Tree
from rstuf.metadata.views import RoleKeys
from rstuf.model.artifacts import digest_of
from rstuf.model.names import TARGETS, RoleName, TargetPath, role_name, target_path
from rstuf.model.patterns import path_pattern

KEY = roots.key(0)
KEYS = RoleKeys(keyids=(KEY.keyid,), threshold=1, keys={KEY.keyid: KEY})
EMPTY = {
    "_type": "targets",
    "spec_version": SPEC_VERSION,
    "targets": {},
    "version": 1,
    "expires": "2030-01-01T00:00:00Z",
}


def to(name: str, *paths: str, terminating: bool = False, prefixes: tuple[str, ...] = ()) -> Delegation:
    """A delegation by patterns, or by prefixes."""
    return Delegation(
        name=role_name(name),
        keys=KEYS,
        terminating=terminating,
        paths=tuple(map(path_pattern, paths)),
        prefixes=prefixes,
    )


def tree(**delegators: list[Delegation] | Bins) -> Tree:
    """A tree of roles with such names."""
    return Tree(
        {
            RoleName(name): Delegator(bins=each) if isinstance(each, Bins) else Delegator(tuple(each))
            for name, each in delegators.items()
        }
    )


class StockClient(Updater):
    """python-tuf's own search, over roles that are in memory."""

    def __init__(self, roles: dict[str, dict[str, Any]]) -> None:
        self.config, self.visited = UpdaterConfig(), list[str]()
        self._roles = roles

    def _load_targets(self, role: str, parent_role: str) -> Targets:
        self.visited.append(role)
        return self._roles.get(role) or Targets(targets={})

    def finds(self, path: str) -> TargetFile | None:
        self.visited.clear()
        return self._preorder_depth_first_walk(path)


def as_client(delegators: Tree, *, listing: dict[str, str] | None = None) -> StockClient:
    """A client of that tree, in which roles list some paths."""
    roles = {}
    for name in {TARGETS, *delegators.delegators, *(listing or {}).values()}:
        delegator = delegators.delegators.get(RoleName(name), Delegator())
        signed: dict[str, Any] = with_delegations(EMPTY, delegator.named)
        if delegator.bins is not None:
            succinct = {"keyids": [KEY.keyid], "threshold": 1}
            succinct |= {"bit_length": delegator.bins.bits, "name_prefix": delegator.bins.prefix}
            signed = {**signed, "delegations": {"keys": {KEY.keyid: KEY.to_dict()}, "succinct_roles": succinct}}
        listed = [path for path, role in (listing or {}).items() if role == name]
        signed = {**signed, "targets": {path: {"length": 1, "hashes": {"sha256": "ab" * 32}} for path in listed}}
        roles[name] = Metadata.from_dict(deepcopy({"signatures": [], "signed": signed})).signed
    return StockClient(roles)


SEGMENTS = st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "?", "a?"])
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "aab", "ba"]), min_size=1, max_size=3).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Up to twelve roles, each below one of those before it; some end in bins."""
    roles, named = [TARGETS], dict[RoleName, list[Delegation]]()
    for number in range(draw(st.integers(1, 12))):
        parent = draw(st.sampled_from(roles))
        by_prefix = draw(st.integers(0, 5)) == 0
        prefixes = tuple(draw(st.lists(st.sampled_from("0123456789abcdef"), min_size=1, max_size=8, unique=True)))
        patterns = draw(st.lists(PATTERNS, min_size=1, max_size=3))
        made = to(f"role{number}", *([] if by_prefix else patterns), terminating=draw(st.booleans()),
                  prefixes=prefixes if by_prefix else ())  # fmt: skip
        named.setdefault(parent, []).append(made)
        roles.append(made.name)
    delegators = {name: Delegator(tuple(each)) for name, each in named.items()}
    for name in roles[1:]:
        if name not in delegators and draw(st.integers(0, 3)) == 0:
            delegators[name] = Delegator(bins=Bins(bits=draw(st.integers(1, 4)), prefix=f"{name}-bins"))
    return Tree(delegators)


@settings(max_examples=1000, deadline=None)
@given(trees(), st.lists(PATHS, min_size=1, max_size=4, unique=True))
def test_clients_find_a_path_where_its_route_ends(delegators: Tree, paths: list[str]) -> None:
    """On the way they visit the route and nothing else; of what nobody lists, they visit what the search says."""
    assert list(delegators.faults()) == []
    routes = {path: delegators.route(target_path(path)) for path in paths}
    client = as_client(delegators, listing={path: route.holder for path, route in routes.items()})
    for path, route in routes.items():
        assert route.disputed == ()
        assert client.finds(path) is not None
        assert tuple(client.visited) == route.chain
    nobody = as_client(delegators)
    for path in paths:
        assert nobody.finds(path) is None
        assert tuple(nobody.visited) == delegators.search(TargetPath(path))


def test_the_first_delegation_that_is_for_a_path_has_it() -> None:
    """Later ones, be they more exact, never come into question; so nothing has to be looked for twice."""
    found = tree(targets=[to("one", "a/*"), to("two", "a/b", "c/*")], one=[to("below", "a/x")])
    assert found.route(target_path("a/b")).chain == ("targets", "one")
    assert found.route(target_path("a/x")).chain == ("targets", "one", "below")
    assert found.route(target_path("c/d")).chain == ("targets", "two")
    assert found.route(target_path("elsewhere")).holder == TARGETS
    assert (found.parent(RoleName("below")), found.parent(TARGETS)) == ("one", None)


def test_bins_take_all_that_comes_to_them() -> None:
    """A named role's own bins share out what is delegated to it, by the hash of the whole path."""
    found = tree(targets=[to("one", "a/*")], one=Bins(bits=8, prefix="one-bins"))
    path = target_path("a/b")
    assert found.route(path).holder == f"one-bins-{digest_of(path)[:2]}"


@pytest.mark.parametrize(("path", "pattern"), [("dist/.x", "dist/*"), ("😀", "?")])
def test_of_some_paths_clients_do_not_agree(path: str, pattern: str) -> None:
    """A pattern that some of them hold for a match is told; one that is for the path beyond doubt settles it."""
    disputed = tree(targets=[to("one", pattern), to("two", "dist/.x")]).route(target_path(path))
    assert disputed.disputed == (("one", pattern),)
    assert tree(targets=[to("one", pattern, path)]).route(target_path(path)).disputed == ()
    assert tree(targets=[to("one", path), to("two", pattern)]).route(target_path(path)).disputed == ()


def chain_of(length: int) -> dict[str, list[Delegation]]:
    names = ["targets", *(f"r{number}" for number in range(length))]
    return {parent: [to(child, "*")] for parent, child in pairwise(names)}


@pytest.mark.parametrize(
    ("made", "faults"),
    [
        (tree(targets=[to("one", "a"), to("two", "b")], one=[to("both", "a")], two=[to("both", "b")]),
         [(Fault.TWO_PARENTS, "both")]),
        (tree(targets=[to("one", "a"), to("One", "b")]), [(Fault.CASE_TWINS, "One")]),
        (tree(targets=[to("one", "a"), to("one", "b")]), [(Fault.TWICE, "one")]),
        (tree(targets=[to("one", "a")], one=[to("one", "b")]), [(Fault.TWO_PARENTS, "one")]),
        (tree(one=[to("two", "a")], two=[to("one", "b")]), [(Fault.CYCLE, "two"), (Fault.CYCLE, "one")]),
        (tree(**chain_of(MAX_DEPTH + 1)), [(Fault.TOO_DEEP, f"r{MAX_DEPTH}")]),
        (tree(**chain_of(MAX_DEPTH)), []),
    ],
)  # fmt: skip
def test_what_clients_would_not_agree_on(made: Tree, faults: list[tuple[Fault, str]]) -> None:
    """Two parents, cycles, twins and chains that nobody follows to their end."""
    assert [fault for fault in made.faults() if fault[0] is not Fault.TOO_DEEP or len(faults) == 1] == faults


SOME = {**EMPTY, "x-foreign": 1}


def test_delegations_are_written_as_they_are_read() -> None:
    """Order, keys and everything TUF does not know stay; keys that nobody lists any more go."""
    other = roots.key(1)
    with_other = RoleKeys(keyids=(other.keyid, KEY.keyid), threshold=2, keys={other.keyid: other, KEY.keyid: KEY})
    one, two = (
        to("one", "a/*", terminating=True),
        Delegation(name=RoleName("two"), keys=with_other, prefixes=("0", "f")),
    )
    signed = with_delegations(SOME, [one, two])
    assert named_delegations(signed, where="targets") == (one, two)
    signed["delegations"]["roles"][0]["x-owner"] = "maria"
    signed["delegations"]["x-note"] = 1
    signed["delegations"]["keys"][KEY.keyid]["x-name"] = "online"
    again = with_delegations(signed, [two, one])
    assert [role["name"] for role in again["delegations"]["roles"]] == ["two", "one"]
    assert again["delegations"]["roles"][1]["x-owner"] == "maria"
    assert again["delegations"]["x-note"] == again["x-foreign"] == 1
    without = with_delegations(again, [one])
    assert list(without["delegations"]["keys"].values()) == [{**KEY.to_dict(), "x-name": "online"}]
    assert "delegations" not in with_delegations(without, [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": 1}, "no name"),
        ({"name": "../x"}, "file-name segment"),
        ({"paths": "a"}, "neither by paths nor"),
        ({"paths": None}, "neither by paths nor"),
        ({"path_hash_prefixes": ["0"]}, "or by both"),
        ({"paths": ["a/**"]}, "never crosses a slash"),
        ({"terminating": "no"}, "terminating"),
        ({"keyids": "x"}, "no key ids"),
        ({"threshold": 0}, "no threshold"),
    ],
)
def test_misshapen_delegations_are_refused(change: dict[str, Any], reason: str) -> None:
    """With the reason, and no other error."""
    signed = with_delegations(EMPTY, [to("one", "a")])
    signed["delegations"]["roles"][0].update(change)
    with pytest.raises(InvalidMetadata, match=reason):
        named_delegations(signed, where="targets")


def test_other_ways_to_delegate_have_no_names() -> None:
    """Nothing delegated, and bins."""
    assert named_delegations(EMPTY, where="targets") == ()
    assert named_delegations({**EMPTY, "delegations": {"keys": {}, "succinct_roles": {}}}, where="targets") == ()
    with pytest.raises(InvalidMetadata, match="no list"):
        named_delegations({**EMPTY, "delegations": {"keys": {}, "roles": {}}}, where="targets")


def test_roles_that_no_path_comes_to_are_told() -> None:
    """Where a role above is for nothing of what it is for; what is below it is out of reach as well."""
    found = tree(
        targets=[to("team", "team/*"), to("all", "*", "*/*"), to("hashed", prefixes=("0",))],
        team=[to("deep", "team/x/*"), to("one", "team/1", "other/1"), to("other", "docs/*")],
        deep=[to("deeper", "team/x/1")],
        all=[to("wide", "docs/?", "*/*/*")],
        hashed=[to("any", "x/y/z/*")],
    )
    assert sorted(found.out_of_reach()) == ["deep", "deeper", "other"]
