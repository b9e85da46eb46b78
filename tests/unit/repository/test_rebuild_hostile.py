"""Metadata of delegates is outside text: a state is made anew of what rstuf could have published, or not at all."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.audited import copy_of
from tests.support.delegated import delegated
from tests.support.engine import Engine
from tests.support.forging import Signed, add_role, delegating, forge, name_of, plain, relist
from tests.support.rebuilding import rebuilt

from rstuf.errors import InvalidMetadata, RstufError
from rstuf.metadata.tree import MAX_DEPTH

MUTATIONS = 400
ENTRY = {"length": 1, "hashes": {"sha256": "00" * 32}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return delegated(tmp_path_factory.mktemp("delegated") / "repository")


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Engine:
    return copy_of(made, tmp_path)


def is_refused(engine: Engine, tmp_path: Path, reason: str) -> None:
    with pytest.raises(InvalidMetadata, match=reason):
        rebuilt(engine, tmp_path / "new")


def of_team(**changes: Any) -> Callable[[Engine], None]:
    """The first delegation of team is another one; None takes a field away."""

    def change(signed: Signed) -> None:
        role = signed["delegations"]["roles"][0]
        role.update(changes)
        for field in [field for field, value in role.items() if value is None]:
            del role[field]

    return lambda engine: forge(engine, "team", "tara", change)


def lists(role: str, key: str, path: str) -> Callable[[Engine], None]:
    """A role lists one more path."""
    return lambda engine: forge(engine, role, key, lambda signed: signed["targets"].update({path: ENTRY}))


def says(role: str, key: str, **changes: Any) -> Callable[[Engine], None]:
    return lambda engine: forge(engine, role, key, lambda signed: signed.update(changes))


def listing(file: str, entry: Any = None) -> Callable[[Engine], None]:
    return lambda engine: relist(engine, lambda meta: meta.update({file: entry or {"version": 1}}))


def two_keys_of_one_value(engine: Engine) -> None:
    """inner asks for two signatures, by two spellings of one key."""

    def change(signed: Signed) -> None:
        delegations = signed["delegations"]
        ((keyid, key),) = delegations["keys"].items()
        delegations["keys"]["00" * 32] = key
        delegations["roles"][0].update(keyids=[keyid, "00" * 32], threshold=2)

    forge(engine, "team", "tara", change)


HOSTILE: dict[str, tuple[Callable[[Engine], None], str]] = {
    "a path for a name": (of_team(name="../../etc/passwd"), "plain file-name segment"),
    "a top-level name": (of_team(name="timestamp"), "top-level roles"),
    "its own name": (of_team(name="team"), "delegated to already"),
    "two parents": (of_team(name="ops"), "delegated to already"),
    "a twin in letters' case": (of_team(name="OPS"), "delegated to already"),
    "the name of a bin": (of_team(name="vendor-bins-1"), "delegated to already"),
    "a name that nobody published": (of_team(name="nobody"), "does not list it"),
    "brackets": (of_team(paths=["[a-z]/*"]), "do not read alike"),
    "an endless pattern": (of_team(paths=["x/" * 600]), "1024|empty segment"),
    "paths that are no list": (of_team(paths="team/*"), "neither by paths"),
    "paths and prefixes": (of_team(path_hash_prefixes=["0"]), "neither by paths"),
    "no hash's prefix": (of_team(paths=None, path_hash_prefixes=["XY"]), "no hash begins"),
    "a threshold of 0": (of_team(threshold=0), "no threshold from 1"),
    "a threshold that is a truth": (of_team(threshold=True), "no threshold from 1"),
    "a threshold beyond all keys": (of_team(threshold=10**15), "not signed by"),
    "a threshold beyond all numbers": (of_team(threshold=10**30), "number lies beyond"),
    "terminating by a text": (of_team(terminating="no"), "terminating"),
    "keys that are no texts": (of_team(keyids=[1, None]), "no key ids"),
    "one key twice": (two_keys_of_one_value, "signed by 2"),
    "delegations that are a list": (says("team", "tara", delegations=[]), "form that clients read"),
    "delegations that are a text": (says("team", "tara", delegations="all"), "form that clients read"),
    "roles that are a number": (says("team", "tara", delegations={"keys": {}, "roles": 7}), "no list"),
    "keys that are a list": (says("team", "tara", delegations={"keys": [], "roles": []}), "no keys"),
    "another role's path": (lists("team", "tara", "ops/x2"), "look for in ops"),
    "a path of no delegation": (lists("team", "tara", "elsewhere/x"), "look for in bins"),
    "a disputed path": (lists("team", "tara", "team/.dot"), "do not agree"),
    "a twin of a path": (lists("team", "tara", "team/ONE"), "many file systems"),
    "a path that leaves": (lists("team", "tara", "../team/x"), r"segment '\.\.'"),
    "no targets": (says("team", "tara", targets=[]), "no targets"),
    "artifacts beside bins": (lists("vendor", "online", "vendor/x"), "beside its bins"),
    "another type": (says("team", "tara", _type="snapshot"), "not targets"),
    "another version": (says("team", "tara", version=77), "version 77"),
    "no version": (says("team", "tara", version=True), "whole number"),
    "an expiry that is none": (says("team", "tara", expires="tomorrow"), "expiry"),
    "another signer": (says("team", "online"), "not signed by 1"),
    "a bin that delegates": (says("vendor-bins-1", "online", delegations={}), "delegates further"),
    "a name that is a path in snapshot": (listing("../x.json"), "can be called"),
    "a name without an end in snapshot": (listing("x"), "no file of a role"),
    "a twin of a name in snapshot": (listing("Gone.json"), "letters' case"),
    "a listed text": (listing("x.json", "1"), "without its version"),
    "a version that never was": (listing("team.json", {"version": 99}), r"99\.team\.json: it is missing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_rstuf_would_not_publish_is_refused_with_the_reason(engine: Engine, tmp_path: Path, name: str) -> None:
    """However rightly signed: the file is named, and nothing is made."""
    change, reason = HOSTILE[name]
    change(engine)
    is_refused(engine, tmp_path, reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"terminating": True},
        {"path_hash_prefixes": ["0"]},
        {"path_hash_prefixes": None, "paths": ["*"]},
    ],
)
def test_the_role_that_has_the_bins_is_for_all_that_is_left(
    engine: Engine, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """A role of that name that is for less, or reached in another way, is another tool's."""

    def change(signed: Signed) -> None:
        role = signed["delegations"]["roles"][-1]
        assert role["name"] == "bins"
        role.update(changes)
        signed["delegations"]["roles"][-1] = {field: value for field, value in role.items() if value is not None}

    forge(engine, "targets", "online", change)
    is_refused(engine, tmp_path, "bins")


def test_it_comes_last(engine: Engine, tmp_path: Path) -> None:
    """Behind a role that is for everything none would ever be found."""
    forge(engine, "targets", "online", lambda signed: signed["delegations"]["roles"].reverse())
    is_refused(engine, tmp_path, "in another way")


@pytest.mark.parametrize(
    "succinct",
    [
        {"bit_length": 32, "name_prefix": "inner-bins"},
        {"bit_length": 2, "name_prefix": "bins"},
        {"bit_length": 2, "name_prefix": "../x"},
        {"bit_length": 2, "name_prefix": 3},
        {"bit_length": 0, "name_prefix": "inner-bins"},
        {},
    ],
)
def test_bins_of_other_names_or_endless_ones_are_refused(
    engine: Engine, tmp_path: Path, succinct: dict[str, Any]
) -> None:
    """Nothing is looked for under four thousand million names, or in another place."""
    keyid = engine.keys.made["online"].entry.keyid
    keys = {keyid: engine.keys.made["online"].entry.key.to_dict()}
    delegations = {"keys": keys, "succinct_roles": {"keyids": [keyid], "threshold": 1, **succinct}}
    forge(engine, "inner", "online", lambda signed: signed.update(delegations=delegations, targets={}))
    is_refused(engine, tmp_path, "bins|TAP 15")


def test_a_chain_deeper_than_clients_look_is_refused_before_it_is_read(engine: Engine, tmp_path: Path) -> None:
    """A delegate makes as many roles as it likes, each below the last."""
    names = [f"deep-{number}" for number in range(3 * MAX_DEPTH)]
    for name, below in zip(names, [*names[1:], None], strict=True):
        more = {} if below is None else {"delegations": delegating(engine, "tara", below)}
        add_role(engine, name, "tara", plain(**more))
    forge(engine, "team", "tara", lambda signed: signed.update(delegations=delegating(engine, "tara", names[0])))
    is_refused(engine, tmp_path, "deeper than clients look")


def test_a_role_that_lies_below_itself_is_refused(engine: Engine, tmp_path: Path) -> None:
    """Over another one, too; nobody goes round for ever."""
    add_role(engine, "low", "tara", plain(delegations=delegating(engine, "tara", "team")))
    forge(engine, "team", "tara", lambda signed: signed.update(delegations=delegating(engine, "tara", "low")))
    is_refused(engine, tmp_path, "delegated to already")


@pytest.mark.parametrize("data", [b" " * 5_000_001, b"[" * 100_000, b'{"signed":' * 5_000, b"\xff", b"", b"null"])
def test_files_that_no_client_reads_are_refused(engine: Engine, tmp_path: Path, data: bytes) -> None:
    """Too large, too deep, no text, nothing at all."""
    engine.metadata.show(name_of(engine, "team"), data)
    is_refused(engine, tmp_path, r"team\.json")


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every member of every object and list below one."""
    keys: list[Any] = []
    if isinstance(node, dict):
        keys = list(node)
    elif isinstance(node, list):
        keys = list(range(len(node)))
    for key in keys:
        yield node, key
        yield from _places(node[key])


def _mutate(signed: Signed, random_: random.Random) -> None:
    values: list[Any] = [None, True, -1, 0, 1, 2**70, 1.5, "", "x", "../x", "é", [], {}, [[]], {"x": {}}, ["team"]]
    for _ in range(random_.choice([1, 1, 2, 3])):
        places = list(_places(signed))
        node, key = random_.choice(places)
        kind = random_.randrange(4)
        if kind == 0:
            node[key] = copy.deepcopy(random_.choice(values))
        elif kind == 1:
            del node[key]
        elif kind == 2:
            other, there = random_.choice(places)
            node[key] = copy.deepcopy(other[there]) if there in (other if isinstance(other, dict) else ()) else "x"
        elif isinstance(node, dict):
            node[f"{key}x"] = node.pop(key)


def test_whatever_is_changed_nothing_but_a_reason_comes_of_it(engine: Engine, tmp_path: Path) -> None:
    """Every role that delegates or lists is changed at random and rightly signed: it is refused, or taken and whole."""
    random_, refused = random.Random(7), 0
    signers = {"targets": "online", "team": "tara", "inner": "online", "vendor": "online", "bins": "online"}
    signers |= {"vendor-bins-1": "online", "bins-2": "online", "snapshot": "online"}
    before = dict(engine.metadata.files)
    for number in range(MUTATIONS):
        role = random_.choice(list(signers))
        if role == "snapshot":
            relist(engine, lambda meta: _mutate(meta, random_))
        else:
            forge(engine, role, signers[role], lambda signed: _mutate(signed, random_))
        try:
            again, _ = rebuilt(engine, tmp_path / f"new-{number}")
            again.ports.state.close()
        except RstufError:
            refused += 1
        for name, data in before.items():
            engine.metadata.show(name, data)
    assert MUTATIONS / 2 < refused < MUTATIONS
