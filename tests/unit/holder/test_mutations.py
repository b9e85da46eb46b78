"""What is shown is what is signed: no field of a part changes without a change on the screen, or a refusal."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.bundles import Document, World, bundle
from tests.unit.metadata import roots
from tests.unit.metadata.roots import NOW

from rstuf.errors import RstufError
from rstuf.holder.record import HolderRecord
from rstuf.holder.review import review_bundle
from rstuf.metadata.canonical import canonical, compact
from rstuf_cli.review_screen import screen

WORLD = World(NOW)
LEAST = 2000
# What a value may become, by what it is.
TEXTS = ("", "x", "root", "1", "null", "\u202e", "\u0430cme", "rstuf", "A" * 70)
NUMBERS = (0, 1, 2, 3, 4, 5, 9, -1, 2**53 - 1)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, 7, "7", ["x"], {"x": 1})


def rich_root() -> Document:
    """A root with something of everything: foreign fields, a key that no role uses, keys that come and go."""
    signed = WORLD.next_root
    signed["x-owner"] = {"team": ["a", "b"], "since": 3}
    signed["keys"][roots.keyid(0)]["x-note"] = "first"
    signed["roles"]["root"]["x-role"] = 1
    roots.add_key(signed, roots.key(5), "root")
    roots.add_key(signed, roots.key(6))
    signed["roles"]["root"]["keyids"].remove(roots.keyid(2))
    return signed


def rich_targets() -> Document:
    """A targets role with bins, a delegated role, an artifact and foreign fields."""
    signed = WORLD.targets
    delegations = signed["delegations"]
    for number in (4, 5):
        delegations["keys"][roots.keyid(number)] = {**roots.key(number).to_dict(), "x-label": f"k{number}"}
    role = {"keyids": [roots.keyid(4), roots.keyid(5)], "threshold": 1, "name": "special", "paths": ["a/*", "b/?"]}
    delegations["roles"] = [{**role, "terminating": True}, {**role, "name": "other", "threshold": 2}]
    signed["targets"] = {
        "a.txt": {"length": 5, "hashes": {"sha256": "ab" * 32}, "custom": {"channel": "beta"}},
        "b.txt": {"length": 6, "hashes": {"sha256": "cd" * 32}},
    }
    signed["x-owner"] = ["a", {"b": 1}]
    return signed


def mutations(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every other value for every field, and every field less, more, twice or in another place: what, and the whole."""
    for change, other in _of_value(node):
        yield f"{path}: {change}", other
    children: list[Any] = (
        list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    )
    for child in children:
        for what, other in mutations(node[child], (*path, child)):
            whole = copy.copy(node)
            whole[child] = other
            yield what, whole


def _of_value(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, str):
        flipped = node[:-1] + ("0" if node[-1:] != "0" else "1")
        yield from ((f"text {other!r}", other) for other in (*TEXTS, flipped, node + " ", node.upper(), node[1:]))
    elif isinstance(node, int) and not isinstance(node, bool):
        yield from ((f"number {other}", other) for other in (*NUMBERS, node + 1, node - 1))
    elif isinstance(node, list):
        yield "reversed", node[::-1]
        yield "first again", [*node, *node[:1]]
        yield "one less", node[1:]
        yield "one more", [*node, "x"]
    elif isinstance(node, dict):
        yield "a field more", {**node, "hidden": "x"}
        yield from ((f"without {name}", {k: v for k, v in node.items() if k != name}) for name in node)
        yield from ((f"{name} renamed", {(f"{k}_" if k == name else k): v for k, v in node.items()}) for name in node)
        names = list(node)
        if len(names) > 1:
            yield "two swapped", {**node, names[0]: node[names[1]], names[1]: node[names[0]]}
    yield from ((f"{other!r} instead", other) for other in OTHERS if type(other) is not type(node) or other != node)


def shown(document: Document, record: HolderRecord) -> tuple[str, str]:
    """The screen without the code and digests, which change with every byte anyway; and the code."""
    found = review_bundle(bundle(document), now=NOW, record=record)
    text = "\n".join(f"{line.style.name} {line.text}" for line in screen(found))
    assert found.code in text
    plain = text.replace(found.code, "")
    for part in found.parts:
        plain = plain.replace(part.digest, "")
    return plain, found.code


CASES = {"root": rich_root(), "targets": rich_targets()}


@pytest.mark.parametrize("kind", CASES)
def test_no_field_changes_unseen(kind: str, tmp_path: Path) -> None:
    """Every mutation is refused, or the screen differs apart from the code; and the code differs where the bytes do."""
    signed, record = CASES[kind], WORLD.record(tmp_path / "record")
    plain, code = shown(WORLD.document(signed), record)
    payload, seen = canonical(compact(signed)), {plain: "as it is"}
    tried = refused = 0
    codes = {code: payload}
    for what, other in mutations(signed):
        if other == signed and json.dumps(other, sort_keys=True) == json.dumps(signed, sort_keys=True):
            continue
        tried += 1
        try:
            text, other_code = shown(WORLD.document(other), record)
        except RstufError:
            refused += 1
            continue
        changed = canonical(compact(other))
        assert changed != payload, what
        assert codes.setdefault(other_code, changed) == changed, what
        # Not only unlike the original: unlike every other that was shown.
        assert seen.setdefault(text, changed.decode()) == changed.decode(), what
    print(f"{kind}: {tried} mutations, {refused} refused, 0 unseen")
    assert tried >= LEAST // 2
    assert refused < tried


@pytest.mark.parametrize("numbers", [(1,), (0, 1), (4,), (0, 0)], ids=str)
def test_signatures_change_the_screen(numbers: tuple[int, ...], tmp_path: Path) -> None:
    """Who has signed already is seen, and so are signatures of strangers and those that come twice."""
    record = WORLD.record(tmp_path / "record")
    assert shown(WORLD.document(signed_by=numbers), record)[0] != shown(WORLD.document(signed_by=(0,)), record)[0]


@pytest.mark.parametrize("number", range(4))
def test_names_change_the_screen(number: int, tmp_path: Path) -> None:
    """What a key is called is seen, and that it is another name than before."""
    record, document = WORLD.record(tmp_path / "record"), WORLD.document()
    before, _ = shown(document, record)
    document["names"][roots.keyid(number)] = "maria"
    after, _ = shown(document, record)
    assert after != before
    assert '"maria"' in after
    assert "when you last signed" in after
