"""The search of TAP 4, held against its words: every set of answers tried out, and the steps taken one by one."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.client.consensus import Answer, Finding, agreement, search
from rstuf.client.offers import Offer
from rstuf.errors import StorageError
from rstuf.model.maps import MapEntry, map_pattern
from rstuf.model.names import target_path

PATH = target_path("fw/app.bin")
DOWN = StorageError("read", "x", "no answer")


def offer(length: int = 1, **hashes: str) -> Offer:
    return Offer(PATH, length, hashes, "x")


def answer(name: str, found: Offer | None = None, *, roots: str = "", problem: StorageError | None = None) -> Answer:
    return Answer(name, found, problem, frozenset(roots or name))


def run(entries: Sequence[MapEntry], world: Mapping[str, Answer]) -> tuple[Finding, list[str]]:
    """A search in which everybody says what they say in this world; and who was asked, in order."""
    asked, ended = list[str](), list[Finding]()

    def goes_on() -> Generator[str, Answer, None]:
        ended.append((yield from search(entries, PATH)))

    going = goes_on()
    name = next(going, None)
    while name is not None:
        asked.append(name)
        try:
            name = going.send(world[name])
        except StopIteration:
            name = None
    return ended[0], asked


def entry(names: str, threshold: int, *, paths: str = "*", terminating: bool = True) -> MapEntry:
    return MapEntry((map_pattern(paths),), tuple(names), threshold, terminating)


X, Y = offer(sha256="x"), offer(sha256="y")


@pytest.mark.parametrize(
    ("said", "threshold", "agreed"),
    [
        ([X], 1, "a"),
        ([X], 2, ""),
        ([X, Y], 1, "a"),
        ([X, Y], 2, ""),
        ([X, Y, X], 2, "ac"),
        ([X, offer(2, sha256="x")], 2, ""),
        ([X, None, X], 2, "ac"),
        ([X, offer(sha512="z")], 2, ""),
        ([X, offer(sha256="x", sha512="z")], 2, "ab"),
        ([offer(sha256="x", sha512="z"), offer(sha256="x", sha512="w")], 2, ""),
        # Each two of them have a hash in common, and all three have none.
        ([offer(sha256="x", sha512="z"), offer(sha256="x", sha384="w"), offer(sha384="w", sha512="z")], 3, ""),
        # One of them lies about a hash that only some name: it keeps the others from nothing.
        ([offer(sha256="x", sha512="z"), offer(sha256="x", sha512="!"), X, offer(sha256="x", sha512="z")], 3, "acd"),
    ],
)
def test_who_agrees(said: list[Offer | None], threshold: int, agreed: str) -> None:
    """Equal lengths, no hash that differs, and at least one that all of them name."""
    answers = [answer(name, each) for name, each in zip("abcd", said, strict=False)]
    assert "".join(each.repository for each in agreement(answers, threshold)) == agreed


def test_one_repository_counts_once() -> None:
    """Whatever names it has: it is known by a root that both trusts went through."""
    twins = [answer("a", X, roots="12"), answer("b", X, roots="23"), answer("c", X, roots="3"), answer("d", Y)]
    assert agreement(twins, 2) == ()
    finding, _ = run([entry("abcd", 2)], {each.repository: each for each in twins})
    assert [said.twin for said in finding.rounds[0].said] == [None, "a", "a", None]


def test_only_hashes_that_all_name_count() -> None:
    """What one of them adds is its word alone, and a content is not held against it."""
    world = {"a": answer("a", offer(sha256="x", sha512="z")), "b": answer("b", X)}
    finding, _ = run([entry("ab", 2)], world)
    assert {name: dict(each.hashes) for name, each in finding.offers.items()} == {
        "a": {"sha256": "x"},
        "b": {"sha256": "x"},
    }


@pytest.mark.parametrize(
    ("entries", "asked", "agreed"),
    [
        # a says x, b says y, c is down, d signs nothing, e says y.
        ([entry("abe", 2)], "abe", "be"),
        ([entry("bea", 2)], "be", "be"),
        ([entry("ca", 1)], "ca", "a"),
        ([entry("cd", 1)], "cd", ""),
        ([entry("ab", 2), entry("a", 1)], "ab", ""),
        ([entry("ab", 2, terminating=False), entry("a", 1)], "aba", "a"),
        ([entry("cd", 2, terminating=False), entry("be", 2)], "cdbe", "be"),
        ([entry("ab", 2, paths="other"), entry("a", 1)], "a", "a"),
        ([entry("ab", 2, paths="fw*"), entry("a", 1)], "ab", ""),
        ([entry("ab", 2, paths="other")], "", ""),
        ([entry("ab", 2, terminating=False)], "ab", ""),
    ],
)
def test_how_mappings_are_searched(entries: list[MapEntry], asked: str, agreed: str) -> None:
    """In their order, up to one that is terminating; in each of them repositories in theirs, until enough agree."""
    world = {"a": answer("a", X), "b": answer("b", Y), "c": answer("c", problem=DOWN), "d": answer("d")}
    found, order = run(entries, world | {"e": answer("e", Y)})
    assert ("".join(order), "".join(each.repository for each in found.agreed)) == (asked, agreed)


# --- by rules ------------------------------------------------------------------------------------------

_HASHES = st.dictionaries(
    st.sampled_from(["sha256", "sha384", "sha512", "blake2b-256"]), st.sampled_from("xy"), min_size=1
)
_OFFERS = st.builds(lambda length, hashes: offer(length, **hashes), st.integers(1, 2), _HASHES)
_NAMES = "abcde"
# Sometimes roots in common: then two names are one repository.
_ROOTS = st.just("") | st.sampled_from(["1", "2", "12", "23", "3"])
_WORLDS = st.fixed_dictionaries(
    {name: st.builds(answer, st.just(name), st.none() | _OFFERS, roots=_ROOTS) for name in _NAMES}
)


def agrees(answers: Sequence[Answer]) -> bool:
    """Whether these answers are an agreement, by the words of the rule."""
    offers = [each.offer for each in answers if each.offer is not None]
    return (
        len(offers) == len(answers) > 0
        and len({each.length for each in offers}) == 1
        and all(
            one.hashes[name] == other.hashes[name]
            for one, other in combinations(offers, 2)
            for name in one.hashes.keys() & other.hashes.keys()
        )
        and bool(set.intersection(*(set(each.hashes) for each in offers)))
        and not any(one.roots & other.roots for one, other in combinations(answers, 2))
    )


def largest(answers: Sequence[Answer]) -> int:
    """How many can agree at most: every choice is tried."""
    return max(
        (size for size in range(1, len(answers) + 1) for some in combinations(answers, size) if agrees(some)), default=0
    )


def heard_first(answers: Sequence[Answer]) -> list[Answer]:
    """Without those whose repository has spoken before, under another name."""
    kin = {each.repository: {each.repository} for each in answers}
    for _ in answers:
        for one, other in combinations(answers, 2):
            if any(
                each.roots & more.roots
                for each in answers
                for more in answers
                if each.repository in kin[one.repository] and more.repository in kin[other.repository]
            ):
                both = kin[one.repository] | kin[other.repository]
                kin |= dict.fromkeys(both, both)
    speaking = [each for each in answers if each.offer is not None]
    return [
        each
        for place, each in enumerate(speaking)
        if not any(before.repository in kin[each.repository] for before in speaking[:place])
    ]


@given(st.permutations(_NAMES), _WORLDS, st.integers(1, 5))
def test_an_agreement_is_found_where_there_is_one(order: list[str], world: dict[str, Answer], threshold: int) -> None:
    """What is found is an agreement of enough; where nothing is found, no choice of answers is one."""
    answers = [world[name] for name in order]
    found = agreement(answers, threshold)
    if found:
        assert agrees(found)
        assert len(found) >= threshold
    else:
        assert largest(heard_first(answers)) < threshold


_ENTRIES = st.lists(st.permutations(_NAMES), min_size=1, max_size=4).flatmap(
    lambda orders: st.tuples(
        *(
            st.builds(
                lambda count, threshold, paths, terminating, names=order: entry(
                    "".join(names[:count]), min(count, threshold), paths=paths, terminating=terminating
                ),
                st.integers(1, 5),
                st.integers(1, 5),
                st.sampled_from(["*", "fw/*", "other", "*.bin"]),
                st.booleans(),
            )
            for order in orders
        )
    )
)


def by_the_steps_of_tap_4(entries: Sequence[MapEntry], world: Mapping[str, Answer]) -> tuple[str, int | None]:
    """Who is asked, and the place of the mapping whose threshold is met; as in "Searching for Files", steps 1 to 4."""
    asked = ""
    for place, each in enumerate(entries):
        if each.paths == ("other",):
            continue
        for count, name in enumerate(each.repositories, 1):
            asked += name
            if largest(heard_first([world[one] for one in each.repositories[:count]])) >= each.threshold:
                return asked, place
        if each.terminating:
            break
    return asked, None


@given(_ENTRIES, _WORLDS)
def test_a_search_takes_the_steps_of_tap_4(entries: tuple[MapEntry, ...], world: dict[str, Answer]) -> None:
    """The same repositories are asked in the same order, and the same mapping decides."""
    found, asked = run(entries, world)
    wanted, place = by_the_steps_of_tap_4(entries, world)
    assert "".join(asked) == wanted
    assert bool(found.agreed) is (place is not None)
    if place is not None:
        assert found.rounds[-1].number == place + 1
        assert agrees(found.agreed)
        (length,) = {each.length for each in found.offers.values()}
        (hashes,) = {tuple(sorted(each.hashes.items())) for each in found.offers.values()}
        assert (length, bool(hashes)) == (found.offer.length, True)
