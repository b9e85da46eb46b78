"""Signatures come back in part and in any order: what the engine does with each is what a small model says.

The model is a dictionary from key to the sides that list it. Beside good signatures come the same ones twice, those of
strangers and of keys that were dropped, signatures over other bytes, damaged ones, and some for an event that was
cancelled. After every delivery the new root is visible if and only if both sides have signed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.engine import Engine, check_client, plan_document

from rstuf.metadata.bundle import DetachedSignature
from rstuf.metadata.canonical import canonical
from rstuf.model.keys import KeyId
from rstuf.repository.event_views import EventView
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome

NAMES = ("one", "two", "three", "four", "five", "six")
PERMUTATIONS = 126
SEEDS = range(8)


@dataclass
class Model:
    """What should become of signatures for one event.

    Attributes:
        sides: for each key that may sign, on which sides it stands.
        missing: how many each side still waits for, by its place.
        good: the signature of each key that verifies.
        past: what becomes of signatures for events that ended, by digest.
        ever: the keys that a root has listed, now or before: only theirs come late instead of never.
    """

    digest: str
    sides: dict[KeyId, set[int]]
    missing: list[int]
    good: dict[KeyId, str]
    past: dict[str, Outcome]
    ever: set[KeyId]
    signed: set[KeyId] = field(default_factory=set)
    done: bool = False

    @classmethod
    def of(cls, view: EventView, good: dict[KeyId, str], past: dict[str, Outcome], ever: set[KeyId]) -> Model:
        (part,) = view.parts
        sides: dict[KeyId, set[int]] = {}
        for place, side in enumerate(part.sides):
            for keyid in side.keyids:
                sides.setdefault(keyid, set()).add(place)
        return cls(part.digest, sides, [side.threshold for side in part.sides], good, past, ever)

    def take(self, brought: DetachedSignature) -> Outcome:
        """What becomes of one signature."""
        if brought.digest != self.digest:
            # A key that only the root lists which waits has come late as well.
            known = brought.keyid in self.ever or brought.keyid in self.sides
            return self.past.get(brought.digest, Outcome.REFUSED) if known else Outcome.REFUSED
        if self.done:
            late = brought.keyid in self.ever and self.good.get(brought.keyid) == brought.sig
            return Outcome.NOT_NEEDED if late else Outcome.REFUSED
        if brought.keyid not in self.sides or self.good.get(brought.keyid) != brought.sig:
            return Outcome.REFUSED
        if brought.keyid in self.signed:
            return Outcome.KNOWN
        self.signed.add(brought.keyid)
        for place in self.sides[brought.keyid]:
            self.missing[place] -= 1
        return Outcome.ADDED

    def settle(self) -> None:
        """The end of a delivery: what is complete comes out."""
        self.done = self.done or max(self.missing) <= 0
        if self.done:
            self.ever.update(self.sides)


def signature_of(engine: Engine, name: str, payload: bytes, digest: str) -> DetachedSignature:
    signer = engine.keys.made[name].signer
    return DetachedSignature(digest, signer.keyid, signer.sign(payload))


def propose(engine: Engine, chance: random.Random, current: set[str]) -> tuple[EventView, set[str]]:
    """The next root: one key goes, another comes, and the threshold is another. One that waits is dropped for it."""
    leaves, comes = chance.choice(sorted(current)), chance.choice(sorted({*NAMES} - current))
    update = RootUpdate(remove=(leaves,), add=(comes,), threshold=chance.randint(1, 3))
    engine.moved_on(seconds=1)
    (view,) = engine.events.open(engine.events.propose(update), drop=True)
    return view, (current - {leaves}) | {comes}


def returns(
    chance: random.Random, good: Sequence[DetachedSignature], strange: Sequence[DetachedSignature]
) -> list[DetachedSignature]:
    """What comes back for an event, in some order: all sorts, and some of them twice."""
    damaged = replace(good[0], sig=good[1].sig)
    borrowed = replace(good[2], keyid=good[3].keyid)
    pile = [*good, *chance.choices(good, k=2), *strange, damaged, borrowed]
    chance.shuffle(pile)
    return pile[: chance.randint(4, len(pile))]


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where the machine has one: no disk is what this is about."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as directory:
        yield Path(directory)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_becomes_of_each_signature_is_what_the_model_says(seed: int, quick: Path) -> None:
    """Over a thousand orders of all sorts: each outcome is the model's, and no root is visible below its thresholds."""
    chance = random.Random(seed)
    engine = Engine.live(quick / "repository", document=plan_document())
    for name in NAMES[2:]:
        engine.make_key(name)
    engine.events.open(engine.events.propose(RootUpdate(add=("three", "four"))))
    engine.events.sign("root")
    current, outcomes, seen = {"one", "two", "three", "four"}, set[Outcome](), set[object]()
    past, old = dict[str, Outcome](), list[DetachedSignature]()
    ever = {engine.keys.made[name].entry.keyid for name in current}
    for _ in range(PERMUTATIONS):
        view, proposed = propose(engine, chance, current)
        (part,) = view.parts
        payload = canonical(part.part.signed)
        good = [signature_of(engine, name, payload, part.digest) for name in NAMES]
        stranger = signature_of(engine, "online", payload, part.digest)
        other = signature_of(engine, chance.choice(NAMES), b"other bytes", "0" * 64)
        pile = returns(chance, good, [stranger, other, *old])
        seen.add(tuple((each.digest[:8], each.keyid) for each in pile))
        model = Model.of(view, {each.keyid: each.sig for each in good}, past, ever)
        while pile:
            many = chance.randint(1, 5)
            delivery, pile = pile[:many], pile[many:]
            expected = [model.take(each) for each in delivery]
            model.settle()
            found = engine.events.receive(delivery).receptions
            assert [each.outcome for each in found] == expected
            assert (f"{part.part.version}.root.json" in engine.metadata.files) == model.done
            outcomes |= set(expected)
        current = proposed if model.done else current
        past[part.digest] = Outcome.NOT_NEEDED if model.done else Outcome.REFUSED
        old = [*old, chance.choice(good)][-2:]
    assert outcomes == set(Outcome)
    assert len(seen) == PERMUTATIONS
    check_client(engine, quick / "client")
