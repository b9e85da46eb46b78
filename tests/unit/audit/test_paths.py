"""Which paths and names are accepted, which bin a path has, and which patterns match."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole, SuccinctRoles

from rstuf.metadata.audit.paths import (
    Bin,
    Pattern,
    all_plain,
    bin_name,
    bin_of,
    is_hex,
    path_digest,
    path_fault,
    role_name_fault,
)

_GOOD = ["a", "a/b.c", "a b", ".hidden", "..a", "a..", "...", "é/ü", "a/" * 40 + "b", "x" * 190, "-", "~", "日本語"]
_BAD = [
    "", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "../../etc/passwd", "a/..", "./a", "a\\b", "a#b", "a?b",
    "a%41", "a\nb", "a\x00b", "a\x7fb", "a\u200bb", "a\u202eb", "a\ue000b", "a\ufdd0b", "a\u2028b", "e\u0301", "\ud800",
    "x" * 191, "x" * 256 + "/a", "a/" * 600 + "b", "é" * 96,
]  # fmt: skip


@pytest.mark.parametrize("path", _GOOD)
def test_accepts_paths_that_every_client_asks_for_alike(path: str) -> None:
    """Ordinary paths, spaces, dots and other scripts are fine."""
    assert path_fault(path) is None


@pytest.mark.parametrize("path", _BAD)
def test_refuses_paths_that_some_client_or_file_system_cannot_have(path: str) -> None:
    """Traversal, unquoted characters, invisible ones and overlong segments are faults."""
    assert path_fault(path) is not None
    assert not all_plain(["fine", path])


@given(st.lists(st.text(alphabet="ab./ \n%é#\\", max_size=8) | st.sampled_from(_GOOD + _BAD), max_size=6, unique=True))
def test_the_quick_answer_is_never_more_lenient(paths: list[str]) -> None:
    """What is accepted all at once would be accepted path by path."""
    if all_plain(paths):
        assert all(path_fault(path) is None for path in paths)


@given(st.lists(st.text(alphabet="abc./-_ ~@", min_size=1, max_size=8), min_size=1, max_size=6, unique=True))
def test_the_quick_answer_is_given_for_plain_paths(paths: list[str]) -> None:
    """For short ASCII paths both ways agree, so that the quick way is taken."""
    assert all_plain(paths) == all(path_fault(path) is None for path in paths)


@pytest.mark.parametrize("name", ["bins-0", "a", "_x", "registry.npmjs.org", "A-1.b_c", "1.x"])
def test_accepts_role_names_that_are_plain_file_names(name: str) -> None:
    """Letters, digits and three marks."""
    assert role_name_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", "root", "targets", "snapshot", "timestamp", "../x", "a/b", ".a", "-a", "a b", "é", "a\n", "x" * 201]
)
def test_refuses_role_names_that_lead_elsewhere(name: str) -> None:
    """Top-level names, separators and hidden files are never asked for."""
    assert role_name_fault(name) is not None


@given(path=st.text(alphabet=st.characters(codec="utf-8"), max_size=20), bits=st.integers(1, 32))
def test_bins_are_those_of_tap_15(path: str, bits: int) -> None:
    """Name, index and bounds agree with python-tuf's, for any number of bins."""
    oracle = SuccinctRoles([], 1, bits, "bins")
    index = bin_of(path, bits)
    place = Bin(holder="targets", bits=bits, index=index)
    low, high = place.bounds()
    assert bin_name("bins", bits, index) == oracle.get_role_for_target(path)
    assert low <= path_digest(path) <= high
    assert place.slots()[0] <= int.from_bytes(path_digest(path)[:4], "big") <= place.slots()[1]


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_bins_divide_all_there_is(bits: int) -> None:
    """The bins follow each other without a gap or an overlap, from the first digest to the last."""
    bounds = [Bin("targets", bits, index).bounds() for index in range(1 << bits)]
    assert bounds[0][0] == bytes(32)
    assert bounds[-1][1] == b"\xff" * 32
    for (_, high), (low, _) in pairwise(bounds):
        assert int.from_bytes(low, "big") == int.from_bytes(high, "big") + 1


_PATTERNS = st.text(alphabet="ab*?[]!-/.^\\", max_size=10)


@given(pattern=_PATTERNS, path=st.text(alphabet="ab/.-]![^\\", max_size=8))
def test_patterns_match_what_a_client_matches(pattern: str, path: str) -> None:
    """Our matching, written anew, gives python-tuf's answer for wildcards and classes."""
    assert Pattern(pattern).matches(path) == DelegatedRole._is_target_in_pathpattern(path, pattern)


def test_no_pattern_is_slow() -> None:
    """A pattern that makes backtracking matchers run for ever is answered at once."""
    began = time.process_time()
    assert not Pattern("*a" * 200 + "b").matches("a" * 1000)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(("text", "verdict"), [("", True), ("09af", True), ("AF", False), ("0g", False), ("é", False)])
def test_hexadecimal_is_lower_case(text: str, *, verdict: bool) -> None:
    """Only 0-9 and a-f."""
    assert is_hex(text) is verdict
