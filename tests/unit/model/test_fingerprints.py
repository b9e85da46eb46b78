"""Fingerprints that people read to each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.errors import InvalidFingerprint
from rstuf.model.fingerprints import fingerprint_words, parse_fingerprint
from rstuf.model.spoken import EVEN, ODD

DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


def test_the_list_is_the_one_that_others_use() -> None:
    """The example of the list's authors' manual reads as it stands there."""
    words = "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa afflict bravado"
    words += " chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless"
    assert fingerprint_words("e58294f2e9a227486e8b061b31cc528fd7fa3f19") == words.split()


def test_a_word_is_one_byte_at_one_kind_of_place() -> None:
    """512 different words, none of which could be taken for hex."""
    folded = {word.casefold() for word in EVEN + ODD}
    assert len(EVEN) == len(ODD) == 256
    assert len(folded) == 512
    assert not [word for word in folded if set(word) <= set("0123456789abcdef")]


@given(
    digest=DIGESTS,
    between=st.sampled_from([" ", ":", "-", ", ", "\n"]),
    case=st.sampled_from([str, str.upper, str.lower]),
)
def test_however_it_is_written_it_is_the_same(digest: str, between: str, case: Callable[[str], str]) -> None:
    """Hex in any grouping, and words with anything usual between them, in any case, come back as they were."""
    groups = between.join(digest[start : start + 4] for start in range(0, 64, 4))
    words = between.join(fingerprint_words(digest))
    for text in (digest, groups, words, f"sha256:{digest}", f" {digest}\n"):
        assert parse_fingerprint(case(text)) == digest


@given(digest=DIGESTS, place=st.integers(0, 31))
def test_what_is_left_out_doubled_or_swapped_is_heard(digest: str, place: int) -> None:
    """One word less, one twice, and two neighbours in the wrong order are all refused."""
    words = fingerprint_words(digest)
    for wrong in (
        [*words[:place], *words[place + 1 :]],
        [*words[:place], words[place], *words[place:]],
        [*words[:place], *reversed(words[place : place + 2]), *words[place + 2 :]] if place < 31 else words[:-1],
    ):
        with pytest.raises(InvalidFingerprint):
            parse_fingerprint(" ".join(wrong))


@pytest.mark.parametrize("text", ["", "  ", "ab", "ab" * 31, "ab" * 33, "sha256:", "aardvark", "é" * 64, "x\x00y"])
def test_half_a_fingerprint_is_none(text: str) -> None:
    """Whoever may choose the other half has chosen the root."""
    with pytest.raises(InvalidFingerprint):
        parse_fingerprint(text)


def test_a_misheard_word_is_helped_with() -> None:
    """The nearest word that could stand there is named."""
    words = fingerprint_words("00" * 32)
    words[0] = "aardwark"
    with pytest.raises(InvalidFingerprint, match=r"word 1, 'aardwark'.*was it aardvark\?"):
        parse_fingerprint(" ".join(words))
