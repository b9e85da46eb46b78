"""The search of TAP 4, without a network: it asks for one answer at a time, and says when enough of them agree.

The rules, as TAP 4 has them and its reference implementation understands them:

- Mappings are looked at in their order; those with no pattern for the path are passed by.
- The repositories of a mapping are asked in their order, and no further than until a threshold of them agrees. Which
  agreement is reached first is the answer; another one that could be reached later does not count.
- A repository that does not sign the path, cannot be reached or cannot be believed says nothing; the next one is asked.
- Where too few agree, a terminating mapping ends the search, and any other leaves it to the next one.

What TAP 4 leaves open:

- Several agree where their lengths are equal, no hash that any two of them name differs, and at least one hash is named
  by all of them. Only such hashes as all of them name count from then on: no single one of them can add another.
- A repository counts once, whatever names it has: it is known by the roots that its trust has gone through.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from rstuf.client.offers import Offer
from rstuf.errors import Needed, RstufError, Said
from rstuf.model.maps import MapEntry
from rstuf.model.names import TargetPath


@dataclass(frozen=True, slots=True)
class Answer:
    """What a repository said of one path.

    Attributes:
        repository: its name, as the map has it.
        offer: what it signs; None where it signs nothing, or nothing that can be believed.
        problem: why nothing that it says can be believed.
        roots: what it is known by; see `reader.Survey`.
    """

    repository: str
    offer: Offer | None = None
    problem: RstufError | None = None
    roots: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Round:
    """A mapping that was searched, and what was heard for it, in order."""

    number: int
    entry: MapEntry
    answers: tuple[Answer, ...]

    @property
    def said(self) -> list[Said]:
        """The same in plain values."""
        return [self._said(*each) for each in zip(self.answers, _firsts(self.answers), strict=True)]

    @property
    def needed(self) -> Needed:
        """What it asks for."""
        return Needed(self.number, self.entry.threshold, self.entry.repositories)

    def _said(self, answer: Answer, first: int | None) -> Said:
        said = Said(self.number, answer.repository, problem=answer.problem)
        if answer.offer is None or first is None:
            return said
        other = self.answers[first].repository
        twin = other if other != answer.repository else None
        return replace(said, length=answer.offer.length, hashes=answer.offer.hashes, twin=twin)


@dataclass(frozen=True, slots=True)
class Finding:
    """How a search ended.

    Attributes:
        rounds: the mappings that were searched.
        agreed: those of the last one that agree; none where the search was in vain.
    """

    path: TargetPath
    rounds: tuple[Round, ...]
    agreed: tuple[Answer, ...] = ()

    @property
    def offer(self) -> Offer:
        """What they agree on, as the first of them offers it. Only where they do."""
        return next(iter(self.offers.values()))

    @property
    def said_besides(self) -> list[Said]:
        """What others said: another content, or nothing that can be believed. Who signs nothing says nothing."""
        taken = {answer.repository for answer in self.agreed}
        every = [said for found in self.rounds for said in found.said]
        return [each for each in every if each.repository not in taken and (each.problem or each.length is not None)]

    @property
    def offers(self) -> Mapping[str, Offer]:
        """What they agree on, by who offers it: one content, under the name under which each of them serves it."""
        offers = {answer.repository: answer.offer for answer in self.agreed if answer.offer is not None}
        first = next(iter(offers.values()), None)
        names = first.hashes if first is not None else ()
        common = [name for name in names if all(name in each.hashes for each in offers.values())]
        return {
            repository: replace(offer, hashes={name: offer.hashes[name] for name in common})
            for repository, offer in offers.items()
        }


def search(entries: Sequence[MapEntry], path: TargetPath) -> Generator[str, Answer, Finding]:
    """Look for a path: yields the name of who is to be asked next, is sent the answer, and returns what was found."""
    rounds: list[Round] = []
    for number, entry in enumerate(entries, 1):
        if not entry.means(path):
            continue
        answers: list[Answer] = []
        for name in entry.repositories:
            answers.append((yield name))
            agreed = agreement(answers, entry.threshold)
            if agreed:
                return Finding(path, (*rounds, Round(number, entry, tuple(answers))), agreed)
        rounds.append(Round(number, entry, tuple(answers)))
        if entry.terminating:
            break
    return Finding(path, tuple(rounds))


def agreement(answers: Sequence[Answer], threshold: int) -> tuple[Answer, ...]:
    """As many answers as agree, in the order in which they came; none where they are fewer than `threshold`."""
    heard = [(answer, answer.offer) for answer in voices(answers) if answer.offer is not None]
    claims = dict.fromkeys((offer.length, *claim) for _, offer in heard for claim in offer.hashes.items())
    for length, algorithm, digest in claims:
        alike = [
            (answer, offer)
            for answer, offer in heard
            if offer.length == length and offer.hashes.get(algorithm) == digest
        ]
        found = _undisputed(alike)
        if len(found) >= threshold:
            return tuple(answer for answer, _ in found)
    return ()


def voices(answers: Sequence[Answer]) -> list[Answer]:
    """The answers that say something, of each repository the first one, whatever names it has."""
    return [
        answer for place, (answer, first) in enumerate(zip(answers, _firsts(answers), strict=True)) if first == place
    ]


def _firsts(answers: Sequence[Answer]) -> list[int | None]:
    """For each of these answers, which is the first one of its repository that says something; None where none does."""
    families: list[set[int]] = []
    for place, answer in enumerate(answers):
        kin = [each for each in families if any(answer.roots & answers[other].roots for other in each)]
        families = [each for each in families if each not in kin] + [{place}.union(*kin)]
    first = {
        place: min((each for each in family if answers[each].offer is not None), default=None)
        for family in families
        for place in family
    }
    return [first[place] for place in range(len(answers))]


def _undisputed(claims: Sequence[tuple[Answer, Offer]]) -> Sequence[tuple[Answer, Offer]]:
    """As many of these as there are without two that name a hash and differ in it."""
    for algorithm in dict.fromkeys(name for _, offer in claims for name in offer.hashes):
        digests = dict.fromkeys(offer.hashes[algorithm] for _, offer in claims if algorithm in offer.hashes)
        if len(digests) > 1:
            # Whoever does not name this hash goes with any side.
            sides = ([each for each in claims if each[1].hashes.get(algorithm, side) == side] for side in digests)
            return max(map(_undisputed, sides), key=len)
    return claims
