"""Names that were trouble to somebody, and whatever Unicode has: refused, or kept apart by every file system."""

# ruff: noqa: RUF001 - letters that look alike are what it is about

from __future__ import annotations

import sys
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.file_names import ACCEPTED, REFUSED, as_ext4_folds
from tests.support.paths import is_path, paths_among

from rstuf.errors import InvalidPath
from rstuf.model.names import TargetPath, path_key, target_path

# Letters whose forms are many, and what is not seen.
_FOLDED = "aAıIiİßẞſsSσςΣǅǆΐΰ\u0345\u0301\u0323éÉ\ufe0f\u3164\u034f./ ❤가Å\U000e0100"


def test_the_corpus_is_no_small_one() -> None:
    """Names are told apart in more than three hundred cases."""
    assert len({*REFUSED, *ACCEPTED}) == len(REFUSED) + len(ACCEPTED) > 300


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_what_nobody_may_publish(text: str) -> None:
    """Not one of these comes in."""
    with pytest.raises(InvalidPath):
        target_path(text)


@pytest.mark.parametrize("text", ACCEPTED, ids=ascii)
def test_what_everybody_can_keep(text: str) -> None:
    """Strange is not wrong: each of these comes in, as it is."""
    assert target_path(text) == text


def test_no_letter_is_another_one_where_case_is_ignored() -> None:
    """Of every character that a path may have: those that an ext4 without case holds to be one are twins here, too."""
    together = defaultdict(set)
    for path in paths_among(f"a{chr(code)}" for code in range(sys.maxunicode + 1)):
        together[as_ext4_folds(path)].add(path_key(path))
    assert len(together) > 100_000
    assert [keys for keys in together.values() if len(keys) > 1] == []


_texts = st.text(alphabet=_FOLDED, min_size=1, max_size=6) | st.text(min_size=1, max_size=4)


@given(st.lists(_texts.filter(is_path), min_size=2, max_size=12, unique=True))
@settings(max_examples=300, deadline=None)
def test_paths_that_are_no_twins_are_files_of_their_own(texts: list[str]) -> None:
    """Whatever may be beside each other is not one file where case is ignored, and no path leads out of its place."""
    paths = {path_key(TargetPath(text)): TargetPath(text) for text in texts}
    assert len({as_ext4_folds(path) for path in paths.values()}) == len(paths)
    assert all(segment.strip(". ") for path in paths.values() for segment in path.split("/"))
