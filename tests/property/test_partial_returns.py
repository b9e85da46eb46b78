"""Signatures come back in part and in any order: what the engine does with each is what a small model says.

The model is a dictionary from key to the sides that list it. Beside good signatures come the same ones twice, those of
strangers and of keys that were dropped, signatures over other bytes, damaged ones, and some for an event that was
cancelled. After every delivery the new root is visible if and only if both sides have signed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, plan_document

from rstuf.metadata.bundle import DetachedSignature
from rstuf.model.keys import KeyId
from rstuf.repository.event_views import EventView
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome

NAMES = ("one", "two", "three", "four", "five", "six")
PERMUTATIONS = 130
SEEDS = range(8)


@dataclass
class Model:
    """What should become of signatures for one event.

    Attributes:
        sides: for each key that may sign, on which sides it stands.
        missing: how many each side still waits for, by its place.
        good: the signature of each key that verifies.
    """

    digest: str
    sides: dict[KeyId, set[int]]
    missing: list[int]
    good: dict[KeyId, str]
    signed: set[KeyId] = field(default_factory=set)
    done: bool = False

    @classmethod
    def of(cls, view: EventView, good: dict[KeyId, str]) -> Model:
        (part,) = view.parts
        sides: dict[KeyId, set[int]] = {}
        for place, side in enumerate(part.sides):
            for keyid in side.keyids:
                sides.setdefault(keyid, set()).add(place)
        return cls(part.digest, sides, [side.threshold for side in part.sides], good)

    def take(self, brought: DetachedSignature) -> Outcome:
        """What becomes of one signature."""
        if brought.digest != self.digest:
            return Outcome.REFUSED
        if self.done:
            return Outcome.NOT_NEEDED
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


def signature_of(engine: Engine, name: str, payload: bytes, digest: str) -> DetachedSignature:
    signer = engine.keys.made[name].signer
    return DetachedSignature(digest, signer.keyid, signer.sign(payload))


def propose(engine: Engine, chance: random.Random, current: set[str]) -> tuple[EventView, set[str]]:
    """The next root: one key goes, another comes, and the threshold is another; a first proposal may be dropped."""
    leaves, comes = chance.choice(sorted(current)), chance.choice(sorted({*NAMES} - current))
    threshold = chance.randint(1, 3)
    update = RootUpdate(remove=(leaves,), add=(comes,), threshold=threshold)
    (view,) = engine.events.open(engine.events.propose(update), drop=True)
    return view, (current - {leaves}) | {comes}


def returns(engine: Engine, chance: random.Random, view: EventView, old: DetachedSignature) -> list[DetachedSignature]:
    """What comes back for an event, in some order: all sorts, and some of them twice."""
    (part,) = engine.events.bundle(view.event.name).parts
    good = [signature_of(engine, name, part.payload, part.digest) for name in (*NAMES, "online")]
    other = signature_of(engine, chance.choice(NAMES), b"other bytes", "0" * 64)
    damaged = replace(good[0], sig=good[1].sig)
    borrowed = replace(good[2], keyid=good[3].keyid)
    pile = [*good, *chance.choices(good, k=2), other, damaged, borrowed, old]
    chance.shuffle(pile)
    return pile[: chance.randint(4, len(pile))]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_becomes_of_each_signature_is_what_the_model_says(seed: int, tmp_path: Path) -> None:
    """Over a thousand orders of all sorts: each outcome is the model's, and no root is visible below its thresholds."""
    chance = random.Random(seed)
    engine = Engine.live(tmp_path / "repository", document=plan_document())
    for name in NAMES[2:]:
        engine.make_key(name)
    engine.events.open(engine.events.propose(RootUpdate(add=("three", "four"))))
    engine.events.sign("root")
    current, outcomes, seen = {"one", "two", "three", "four"}, set(), set()
    for _ in range(PERMUTATIONS):
        view, _ = propose(engine, chance, current)
        old = engine.signature(view.event.name, chance.choice(NAMES))
        engine.moved_on(seconds=1)
        view, proposed = propose(engine, chance, current)
        pile = returns(engine, chance, view, old)
        seen.add(tuple((each.digest[:8], each.keyid) for each in pile))
        (part,) = engine.events.bundle(view.event.name).parts
        good = {each.keyid: each.sig for each in (engine.signature(view.event.name, name) for name in NAMES)}
        model, file = Model.of(view, good), f"{part.version}.root.json"
        while pile:
            many = chance.randint(1, 4)
            delivery, pile = pile[:many], pile[many:]
            expected = [model.take(each) for each in delivery]
            model.settle()
            found = engine.events.receive(delivery).receptions
            assert [each.outcome for each in found] == expected
            assert (file in engine.metadata.files) == model.done
            outcomes |= set(expected)
        if model.done:
            current = proposed
    assert outcomes == set(Outcome)
    assert len(seen) == PERMUTATIONS
    check_client(engine, tmp_path / "client")
