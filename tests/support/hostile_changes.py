"""Changes to an honest bundle, of which hostile ones are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.bundles import Document, World, encode
from tests.unit.metadata import roots

Change = Callable[[Document], object]
MALLORY = 4


def changed(world: World, change: Change, *parts: Document, **options: Any) -> bytes:
    document = world.document(*parts, **options)
    change(document)
    return encode(document)


def root_with(world: World, change: Change) -> bytes:
    signed = world.next_root
    change(signed)
    return encode(world.document(signed))


def targets_with(world: World, change: Change) -> bytes:
    signed = world.targets
    change(signed)
    return encode(world.document(signed))


def put(*path: Any, to: Any) -> Change:
    def change(node: Any) -> None:
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = to

    return change


def drop(*path: Any) -> Change:
    def change(node: Any) -> None:
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]

    return change


def many(number: int) -> dict[str, Any]:
    """So many keys, which nobody has."""
    keys = [roots.key(100 + each) for each in range(number)]
    return {key.keyid: key.to_dict() for key in keys}
