"""Delegations at random, as the engine writes them; and who provides what, by our own rules.

Paths and patterns are made for each other, so that most paths have several ways, and many a pattern nearly fits. Most
graphs are such as rstuf might publish; the others have what it refuses (two parents, cycles, names and patterns that
clients do not read alike), so that it shows what that is refused for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from securesystemslib.signer import CryptoSigner

from rstuf.clock import SystemClock, iso
from rstuf.errors import InvalidMetadata, InvalidPath, PathsDisputed, PathsNotDelegated
from rstuf.metadata.canonical import canonical, compact
from rstuf.metadata.delegations import Delegation, with_delegations
from rstuf.metadata.tree import MAX_VISITED, Tree
from rstuf.metadata.views import RoleKeys, open_envelope
from rstuf.model.keys import PublicKey
from rstuf.model.layout import Layout
from rstuf.model.names import TARGETS, RoleName, TargetPath, misread_name, misread_path, target_path
from rstuf.model.patterns import Match, PathPattern, match
from rstuf.repository.authority import taken_apart
from rstuf.repository.routing import Router

_WORDS: Final = ("a", "b", "ab", "a.b", ".a", "b.", "A", "é", "😀", "a😀", "a b", "x-1.0.whl", "lib", "constructor")
_NAMES: Final = ("team", "docs", "Ops", "a", "z9", "0a", "v1.2", "x_y", "lib-32", "01", "bins-7", "deep", "m", "q.r")
_MISREAD: Final = ("7", "10", "2024", "toString", "constructor", "valueOf")
_ODD_PATTERNS: Final = ("**", "[ab]", "{a,b}", "!a", "#a", "+(a)", "a\\*", "[!a]", "a[", "@(a|b)", "{a", "[a-b]*", "")
_DIGITS: Final = tuple("0123456789abcdef")
_LIFE: Final = timedelta(days=2)
_SIGNER: Final = CryptoSigner.generate_ed25519()
_KEY: Final = PublicKey.from_dict(_SIGNER.public_key.to_dict())
_KEYS: Final = RoleKeys((_KEY.keyid,), 1, {_KEY.keyid: _KEY})


@dataclass
class Graph:
    """A repository whose roles delegate to each other.

    Attributes:
        delegations: by the role, to whom it delegates, in order.
        bits: by the role, over how many bins (2^bits) it shares everything out.
        listed: by the role, the paths that it lists: as a rule several roles list one.
        paths: those that are asked for.
        placed: paths that are listed by the role that rstuf would let list them, and by none before that.
    """

    delegations: dict[str, list[Delegation]] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)
    listed: dict[str, set[str]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    placed: set[str] = field(default_factory=set)

    def names(self) -> list[str]:
        """All roles but bins, each once, targets first."""
        below = (each.name for delegations in self.delegations.values() for each in delegations)
        return [*dict.fromkeys([TARGETS, *below])]

    def signed(self, name: str) -> dict[str, Any]:
        """What a role says."""
        targets = {path: _target(name, path) for path in sorted(self.listed.get(name, ()))}
        said = {"_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": _expires(), "targets": targets}
        if name in self.bits:
            succinct = {"bit_length": self.bits[name], "name_prefix": f"{name}-bin"}
            succinct |= {"keyids": [_KEY.keyid], "threshold": 1}
            return said | {"delegations": {"keys": {_KEY.keyid: _KEY.to_dict()}, "succinct_roles": succinct}}
        return with_delegations(said, self.delegations.get(name, ()))

    def bins(self) -> Iterator[str]:
        """The names of all bins."""
        for name, bits in self.bits.items():
            for index in range(1 << bits):
                yield f"{name}-bin-{index:0{len(f'{(1 << bits) - 1:x}')}x}"

    def write(self, place: Path) -> None:
        """Publish it into a directory."""
        place.mkdir(parents=True)
        roles = dict.fromkeys([*self.names(), *self.bins()], 1)
        for name in roles:
            (place / f"1.{name}.json").write_bytes(_file(self.signed(name)))
        for kind, below in (("snapshot", roles), ("timestamp", {"snapshot": 1})):
            meta = {f"{name}.json": {"version": version} for name, version in below.items()}
            said = {"_type": kind, "spec_version": "1.0.31", "version": 1, "expires": _expires(), "meta": meta}
            (place / ("1.snapshot.json" if kind == "snapshot" else "timestamp.json")).write_bytes(_file(said))
        (place / "1.root.json").write_bytes(root_file())


def provider(name: str, path: str) -> str:
    """The SHA-256 by which a role lists a path: by it one knows who answered."""
    return hashlib.sha256(f"{name} {path}".encode()).hexdigest()


def root_file() -> bytes:
    """The root of all these repositories."""
    role = {"keyids": [_KEY.keyid], "threshold": 1}
    roles = dict.fromkeys(("root", "targets", "snapshot", "timestamp"), role)
    said = {"_type": "root", "spec_version": "1.0.31", "version": 1, "expires": _expires(), "consistent_snapshot": True}
    return _file(said | {"keys": {_KEY.keyid: _KEY.to_dict()}, "roles": roles})


class Rules:
    """What rstuf says of a graph."""

    def __init__(self, graph: Graph) -> None:
        root = open_envelope(root_file(), name="1.root.json", kind="root")
        known = {*graph.names()}
        self.refusal: str | None = None
        self._tree = Tree({})
        try:
            found = taken_apart(root, lambda name, _: graph.signed(name) if name in known else None)
        except InvalidMetadata as error:
            self.refusal = error.message
            return
        # In a flat layout targets may list whatever no delegation is for.
        self._tree, self._router = found.tree, Router(found, Layout.FLAT)
        faults = [f"misread: {name}" for name in found.named if misread_name(name)]
        faults += [f"{fault}: {name}" for fault, name in self._tree.faults()]
        faults += [f"no path: {name}" for name in found.named if not self._is_for_something(name)]
        self.refusal = next(iter(faults), None)

    def route(self, path: str) -> str | None:
        """Who has to list a path; None where rstuf lets nobody, because clients would not agree."""
        try:
            self._router.holder(TargetPath(path))
        except (PathsDisputed, PathsNotDelegated):
            return None
        return self._tree.route(TargetPath(path)).holder

    def search(self, path: str) -> Sequence[str]:
        """Whom clients ask for a path, in order."""
        return self._tree.search(TargetPath(path))

    def is_disputed(self, path: str) -> bool:
        """Whether clients may differ in whom they ask, wherever they find it."""
        asked = [self._tree.delegators[role] for role in self.search(path) if role in self._tree.delegators]
        patterns = [pattern for each in asked for delegation in each.named for pattern in delegation.paths]
        return any(match(pattern, TargetPath(path)) is Match.DISPUTED for pattern in patterns)

    def answer(self, graph: Graph, path: str) -> str | None:
        """By which SHA-256 clients find a path; None where they do not."""
        held = (name for name in self.search(path)[: MAX_VISITED + 1] if path in graph.listed.get(name, ()))
        return next((provider(name, path) for name in held), None)

    def _is_for_something(self, name: RoleName) -> bool:
        parent = self._tree.parent(name)
        named = self._tree.delegators[parent].named if parent is not None else ()
        return any(each.paths or each.prefixes for each in named if each.name == name)


def draw(random: Random) -> Graph:
    """A graph; one of four has something that rstuf refuses, or may have it."""
    graph, wild = Graph(), random.random() < 0.25
    graph.paths = [*dict.fromkeys(_path(random) for _ in range(14))]
    names = random.sample(_NAMES + (_MISREAD if wild else ()), k=random.choice((1, 2, 3, 4, 5, 6, 8, 12)))
    if random.random() < 0.02:
        names = [f"n{number}" for number in range(40)]
    for place, name in enumerate(names):
        above = [TARGETS] if len(names) > 20 else [TARGETS, *names[:place]]
        parent = random.choice(above[-3:] if random.random() < 0.6 else above)
        graph.delegations.setdefault(parent, []).append(_delegation(random, name, graph.paths, wild=wild))
    if wild:
        _spoil(random, graph, names)
    for name in [TARGETS, *names]:
        if name not in graph.delegations and random.random() < 0.2:
            graph.bits[name] = random.choice((1, 2, 3))
    if random.random() < 0.3:
        _catch_all(random, graph)
    _list(random, graph)
    return graph


def _path(random: Random) -> str:
    while True:
        text = "/".join(random.choice(_WORDS) for _ in range(random.choice((1, 2, 2, 2, 3, 3, 4))))
        try:
            path = target_path(text)
        except InvalidPath:
            continue
        if misread_path(path) is None:
            return path


def _delegation(random: Random, name: str, paths: Sequence[str], *, wild: bool) -> Delegation:
    terminating = random.random() < 0.35
    if random.random() < 0.25:
        prefixes = tuple(
            "".join(random.choices(_DIGITS, k=random.choice((1, 1, 1, 2)))) for _ in range(random.choice((1, 2, 6)))
        )
        return Delegation(name=RoleName(name), keys=_KEYS, terminating=terminating, prefixes=prefixes)
    patterns = [_pattern(random, random.choice(paths), wild=wild) for _ in range(random.choice((1, 1, 2, 3)))]
    return Delegation(name=RoleName(name), keys=_KEYS, terminating=terminating, paths=tuple(patterns))


def _pattern(random: Random, path: str, *, wild: bool) -> PathPattern:
    """A pattern that a path has, or nearly."""
    return PathPattern("/".join(_segment(random, each, wild=wild) for each in path.split("/")))


def _segment(random: Random, segment: str, *, wild: bool) -> str:
    if wild and random.random() < 0.1:
        return random.choice(_ODD_PATTERNS)
    at = random.randrange(len(segment))
    return random.choice(
        (
            segment,
            segment,
            "*",
            "*",
            f"{segment[:at]}*",
            f"*{segment[at:]}",
            f"{segment[:at]}?{segment[at + 1 :]}",
            "?*",
        )
    )


def _spoil(random: Random, graph: Graph, names: Sequence[str]) -> None:
    """Another parent, a cycle, twins of case, or the same once more."""
    parents = [*graph.delegations]
    for _ in range(random.choice((0, 1, 1, 2))):
        name = random.choice(names)
        if random.random() < 0.2:
            name = name.swapcase()
        parent = random.choice([*parents, random.choice(names)])
        graph.delegations.setdefault(parent, []).append(_delegation(random, name, graph.paths, wild=True))


def _catch_all(random: Random, graph: Graph) -> None:
    """As where rstuf has bins and names: what is for everything comes last, and has bins."""
    if TARGETS in graph.bits:
        return
    rest = Delegation(name=RoleName("rest"), keys=_KEYS, prefixes=_DIGITS)
    graph.delegations.setdefault(TARGETS, []).append(rest)
    graph.bits["rest"] = random.choice((1, 2))


def _list(random: Random, graph: Graph) -> None:
    """Let roles list paths: half of them as rstuf does, and then any that come after; the others anyhow."""
    rules = Rules(graph)
    everybody = [*graph.names(), *graph.bins()]
    for path in graph.paths:
        holder = rules.route(path) if rules.refusal is None else None
        some = {name for name in everybody if random.random() < 0.35}
        if holder is not None and random.random() < 0.5:
            some = some.difference(rules.search(path)[: rules.search(path).index(holder)]) | {holder}
            graph.placed.add(path)
        for name in some:
            graph.listed.setdefault(name, set()).add(path)


def _target(name: str, path: str) -> dict[str, Any]:
    return {"hashes": {"sha256": provider(name, path)}, "length": 1}


def _expires() -> str:
    return iso(SystemClock().now() + _LIFE)


def _file(signed: dict[str, Any]) -> bytes:
    payload = canonical(compact(signed))
    signature = {"keyid": _KEY.keyid, "sig": _SIGNER.sign(payload).signature}
    return b'{"signatures":%b,"signed":%b}' % (compact([signature]), payload)
