"""What is shown of a proposed root is all of it: no mutation of one stays unseen."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.metadata.roots import NOW, Signed, add_key, envelope, following, key, keyid, root
from tests.unit.signing import keyring

from rstuf.errors import InvalidMetadata, ProposalRefused
from rstuf.metadata.canonical import compact
from rstuf.metadata.root_changes import RootChanges, compare_roots
from rstuf.metadata.views import open_envelope
from rstuf.model.keys import PublicKey
from rstuf.model.names import ROOT

STEP = re.compile(r'("(?:[^"\\]|\\.)*"|[A-Za-z0-9_-]+)(\.| = )')
Path = tuple[Any, ...]


def trusted_root() -> Signed:
    """A root as other tools make it: names in keys, an identity, a key under a foreign id, one that no role uses."""
    signed = root()
    for number in (0, 1, 2):
        signed["keys"][keyid(number)]["x-rstuf-key-name"] = f"key {number}"
    signed["keys"]["oidc"] = {
        "keytype": "sigstore-oidc",
        "scheme": "Fulcio",
        "keyval": {"identity": "a@b", "issuer": "c"},
    }
    signed["roles"]["root"]["keyids"].append("oidc")
    add_key(signed, keyring.public("p384"), "root", "targets", keyid="foreign.id")
    add_key(signed, key(8))
    signed["x-rstuf"] = {"deep": [{"a.b": None}, True, 1]}
    return signed


TRUSTED = trusted_root()
PROPOSED = following(TRUSTED)
del PROPOSED["keys"][keyid(2)]
PROPOSED["roles"]["root"]["keyids"].remove(keyid(2))
add_key(PROPOSED, key(9), "root")


def shown(signed: Signed) -> RootChanges | None:
    """What a signer is shown of a file with this root; None where it is refused."""
    try:
        data = compact({"signatures": [], "signed": signed})
        proposed = open_envelope(data, name="root", kind="root")
        return compare_roots(envelope(TRUSTED), proposed, now=NOW)
    except (InvalidMetadata, ProposalRefused):
        return None


def rebuilt(changes: RootChanges) -> Signed:
    """The root that a signer could write down from what they are shown."""
    used = {keyid for role in changes.roles.values() for keyid in role.keyids}
    keys = {keyid: changes.keys[keyid] for keyid in (*used, *changes.unused_keys)}
    signed: Signed = {
        "_type": "root",
        "consistent_snapshot": changes.consistent_snapshot,
        "expires": changes.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keys": {keyid: {} if value is None else value.to_dict() for keyid, value in keys.items()},
        "roles": {
            name: {"keyids": list(role.keyids), "threshold": role.threshold} for name, role in changes.roles.items()
        },
        "spec_version": changes.spec_version,
        "version": changes.new_version,
    }
    for line in changes.foreign:
        at, names, end = 0, [], ""
        while end != " = ":
            match = STEP.match(line, at)
            assert match is not None
            names.append(json.loads(match[1]) if match[1].startswith('"') else match[1])
            at, end = match.end(), match[2]
        place = signed
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = json.loads(line[at:])
    return signed


def places(value: Any, above: Path = ()) -> Iterator[Path]:
    """Where something stands, inside first."""
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[name], (*above, name))
    if above:
        yield above


def at(signed: Signed, path: Path) -> Any:
    for name in path:
        signed = signed[name]
    return signed


def others(value: Any) -> list[Any]:
    """Values that are not this one, some of them nearly."""
    if isinstance(value, bool) or value is None:
        return [not value, 1, 0, "true", [value], None if value else {}]
    if isinstance(value, int):
        return [value + 1, value - 1, -value, 0, 2**53, value + 2**32, str(value), True, [value], None]
    if isinstance(value, str):
        alike = value.replace("a", "\u0430").replace("e", "\u0435").replace("0", "O")
        return [
            *(value + " ", " " + value, value + "\u200b", "\u202e" + value, value[:-1], value[::-1], value.upper()),
            *(value.swapcase(), value + "\n", value + "\\", f'"{value}"', alike, "", None, 0, [value], {"a": value}),
        ]
    if isinstance(value, list):
        return [
            *(value[::-1], value[1:], value[:-1], [*value, *value], [*value, None], [*value, ""], [], {}, None),
            *([*value[1:], *value[:1]], [*value, [keyid(8)]], [*value, keyid(8)], dict.fromkeys(map(str, value), 0)),
        ]
    return [{}, [], None, list(value), {**value, "": 0}]


FIELDS = (
    "x",
    "",
    "a.b",
    "x = 1",
    '"',
    "\u202e",
    "\u0430",
    "_Type",
    "keyid_hash_algorithms",
    "private",
    "keyids ",
    "keyval2",
)
CONTENTS: tuple[Any, ...] = (None, True, 1, "a", "\x1b[31m", [], {}, {"public": "a"}, [1, "2"])


def mutations(signed: Signed) -> Iterator[Signed]:
    """Roots of which each is another one: every place changed, removed, renamed, joined by others, or swapped."""
    everywhere = list(places(signed))
    for path in everywhere:
        *above, name = path
        for value in others(at(signed, path)):
            changed = copy.deepcopy(signed)
            at(changed, tuple(above))[name] = value
            yield changed
        less = copy.deepcopy(signed)
        del at(less, tuple(above))[name]
        yield less
        if isinstance(name, str):
            for called in (name.upper(), name + " ", f"x.{name}", "public", keyid(0), keyid(7)):
                renamed = copy.deepcopy(signed)
                there = at(renamed, tuple(above))
                there[called] = there.pop(name)
                yield renamed
    for path in [(), *(path for path in everywhere if isinstance(at(signed, path), dict))]:
        for name in FIELDS:
            for value in CONTENTS:
                more = copy.deepcopy(signed)
                at(more, path)[name] = value
                yield more
    yield from exchanges(signed)


def exchanges(signed: Signed) -> Iterator[Signed]:
    """Keys and roles that change places, and keys that join."""
    for group in ("keys", "roles"):
        names = list(signed[group])
        for one in names:
            for other in names:
                swapped, same = copy.deepcopy(signed), copy.deepcopy(signed)
                swapped[group][one], swapped[group][other] = signed[group][other], signed[group][one]
                same[group][one] = signed[group][other]
                yield from (swapped, same)
    joining = [
        key(7),
        keyring.public("ecdsa"),
        keyring.public("rsa"),
        keyring.public("p384"),
        *keyring.spellings("ed25519"),
    ]
    for new in [*joining, PublicKey("ed25519", "ed25519", key(0).public.upper())]:
        for roles in ((), ("root",), ("root", "timestamp")):
            for called in (None, "a", keyid(6)):
                more = copy.deepcopy(signed)
                add_key(more, new, *roles, keyid=called)
                yield more


def same(one: Signed, other: Signed) -> bool:
    """Whether two roots are signed alike."""
    return compact(one) == compact(other)


def test_what_is_shown_of_a_root_is_all_of_it() -> None:
    """From what a signer is shown, the root can be written down to the byte."""
    changes = shown(PROPOSED)
    assert changes is not None
    assert same(rebuilt(changes), PROPOSED)


def test_no_mutation_stays_unseen() -> None:
    """Thousands of changes to a realistic root: each is refused, or shown differently and whole."""
    unchanged = shown(PROPOSED)
    refused = seen = 0
    for mutated in mutations(PROPOSED):
        if same(mutated, PROPOSED):
            continue
        changes = shown(mutated)
        if changes is None:
            refused += 1
            continue
        seen += 1
        assert changes != unchanged
        assert same(rebuilt(changes), mutated)
    assert refused >= 1000
    assert seen >= 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
MANY = list(places(PROPOSED))


@given(changes=st.lists(st.tuples(st.sampled_from(MANY), st.booleans(), st.text(max_size=4), JSON), max_size=4))
@settings(max_examples=400, deadline=None)
def test_any_mutations_together_are_seen(changes: list[tuple[Path, bool, str, Any]]) -> None:
    """Several changes at once, of any values: refused without a crash, or shown whole."""
    mutated = copy.deepcopy(PROPOSED)
    for path, replaces, name, value in changes:
        try:
            there = at(mutated, path[:-1] if replaces else path)
            if replaces:
                there[path[-1]] = value
            elif isinstance(there, dict):
                there[name] = value
        except (KeyError, IndexError, TypeError):
            continue
    found = shown(mutated)
    assert found is None or same(rebuilt(found), mutated)


@given(
    keyids=st.permutations([0, 1, 2, 3, 4]),
    listed=st.integers(1, 5),
    threshold=st.integers(-1, 6),
)
@settings(max_examples=100, deadline=None)
def test_added_removed_and_kept_are_told_apart(keyids: list[int], listed: int, threshold: int) -> None:
    """Of any root keys, each is in exactly one of three groups, and the thresholds are what they are."""
    trusted = root()
    proposed = following(trusted)
    for number in keyids:
        proposed["keys"][keyid(number)] = key(number).to_dict()
    after = [keyid(number) for number in keyids[:listed]]
    proposed["roles"]["root"] = {"keyids": after, "threshold": threshold}
    if not 1 <= threshold <= listed:
        with pytest.raises(ProposalRefused, match="signatures"):
            compare_roots(envelope(trusted), envelope(proposed), now=NOW)
        return
    role = compare_roots(envelope(trusted), envelope(proposed), now=NOW).roles[ROOT]
    before = trusted["roles"]["root"]["keyids"]
    assert role.keyids == tuple(after)
    assert set(role.added) == set(after) - set(before)
    assert set(role.removed) == set(before) - set(after)
    assert set(role.kept) == set(after) & set(before)
    assert (role.threshold_before, role.threshold) == (2, threshold)
