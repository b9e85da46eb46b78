"""Whether clients and our own rules say the same of graphs of delegations: of each path, which role provides it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.interop.clients import GO_TUF, RunningClient, Session
from tests.interop.graphs import Graph, Rules, draw
from tests.interop.serving import Places

_SHOWN = 3
_REASONS = {
    "a pattern": "path pattern",
    "two parents": "two-parents",
    "a cycle": "cycle",
    "case twins": "case-twins",
    "delegated to twice": "twice",
    "a misread name": "misread",
}


@dataclass
class Tally:
    """What came out.

    Attributes:
        graphs, answers: that rstuf lets through, and how many answers of clients were held against ours.
        refused: how many graphs it does not, by the reason; `split` of them have clients that differ.
        disputed: paths that it lets nobody list; `torn` of them have clients that differ.
        skipped: answers of go-tuf about graphs with hash prefixes, which it is known to misread; `misread` of them
            are wrong.
        failures: where clients differ from us in what rstuf lets through.
        sample: of what clients differ about, where it is refused.
    """

    graphs: int = 0
    answers: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    split: Counter[str] = field(default_factory=Counter)
    disputed: int = 0
    torn: int = 0
    skipped: int = 0
    misread: int = 0
    failures: list[str] = field(default_factory=list)
    sample: list[str] = field(default_factory=list)

    def note(self, *, torn: bool, what: str) -> None:
        """Take note of a path that nobody may list."""
        self.torn += torn
        if torn and self.torn <= _SHOWN:
            self.sample.append(what)


def compare(
    clients: Sequence[RunningClient], places: Places, url: str, scratch: Path, *, seed: int, tally: Tally
) -> None:
    """Draw one graph, and ask everybody."""
    graph = draw(Random(seed))
    rules = Rules(graph)
    place = scratch / "graph"
    graph.write(place)
    places.metadata = place
    said = {
        client.kind.name: client.session(
            url, root=place / "1.root.json", memory=scratch / client.kind.name, paths=graph.paths
        )
        for client in clients
    }
    _judge(graph, rules, said, tally, seed=seed)
    for name in ["graph", *said]:
        shutil.rmtree(scratch / name)


def _judge(graph: Graph, rules: Rules, said: dict[str, Session], tally: Tally, *, seed: int) -> None:
    prefixes = any(each.prefixes for delegations in graph.delegations.values() for each in delegations)
    words = {path: _words(said, path) for path in graph.paths}
    # What is known to be misread is no disagreement about anything else.
    misread = {path: each.pop(GO_TUF.name) for path, each in words.items() if prefixes and GO_TUF.name in each}
    if rules.refusal is not None:
        _note_refused(rules.refusal, words, tally, seed=seed)
        return
    tally.graphs += 1
    for path, each in words.items():
        if rules.route(path) is None or (path not in graph.placed and rules.is_disputed(path)):
            tally.disputed += 1
            tally.note(torn=_are_torn(each), what=f"seed {seed}: disputed: {path}: {each}")
            continue
        wanted = str(rules.answer(graph, path))
        tally.skipped += path in misread
        tally.misread += path in misread and misread[path] != wanted
        tally.answers += len(each)
        tally.failures += [
            f"seed {seed}: {path}: {name} {word}, not {wanted}" for name, word in each.items() if word != wanted
        ]


def _note_refused(refusal: str, words: dict[str, dict[str, str]], tally: Tally, *, seed: int) -> None:
    reason = next((name for name, begin in _REASONS.items() if begin in refusal), refusal)
    torn = [path for path, each in words.items() if _are_torn(each)]
    tally.refused[reason] += 1
    tally.split[reason] += bool(torn)
    if torn and tally.split[reason] == 1:
        tally.sample.append(f"seed {seed}: {refusal}: {torn[0]}: {words[torn[0]]}")


def _are_torn(words: dict[str, str]) -> bool:
    return len({*words.values()}) > 1


def _words(said: dict[str, Session], path: str) -> dict[str, str]:
    """What each says of a path, in a word: the SHA-256, None where nobody lists it, or that it fails."""
    found = {}
    for name, session in said.items():
        answer = session.answers.get(path)
        failed = session.error if answer is None else answer.error
        found[name] = f"fails ({failed})" if failed or answer is None else str(answer.found)
    return found
