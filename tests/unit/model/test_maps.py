"""Patterns of maps mean what TAP 4's reference implementation means by them: a wildcard stands for slashes too."""

from __future__ import annotations

import os
from fnmatch import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.errors import InvalidPath, InvalidPattern, InvalidTrustName
from rstuf.model.maps import MapEntry, MapPattern, map_pattern, trusted_as
from rstuf.model.names import target_path


def means(pattern: str, path: str) -> bool:
    return MapEntry((map_pattern(pattern),), ("acme",), 1, terminating=True).means(target_path(path))


@pytest.mark.parametrize(
    ("pattern", "path", "answer"),
    [
        ("*", "a.txt", True),
        ("*", "a/b/c.txt", True),
        ("*", ".hidden", True),
        ("foo*.tgz", "foo-1.0.tgz", True),
        ("foo*.tgz", "foo/1.0.tgz", True),
        ("foo*.tgz", "dir/foo-1.0.tgz", False),
        ("/django/django-1.*.tgz", "django/django-1.11.tgz", True),
        ("//a", "a", True),
        ("a", "a/b", False),
        ("a", "A", False),
        ("a?c", "a/c", True),
        ("a?c", "ac", False),
        ("**", "a/b", True),
        ("a{b}(c)!&$~", "a{b}(c)!&$~", True),
    ],
)
def test_what_a_pattern_means(pattern: str, path: str, answer: bool) -> None:
    """The whole path is compared, in its own case; slashes that a pattern begins with count for nothing."""
    assert means(pattern, path) is answer


@given(st.text(alphabet="ab.*?/é😀", min_size=1, max_size=8), st.text(alphabet="ab./é😀", min_size=1, max_size=8))
def test_the_reference_implementation_agrees(pattern: str, path: str) -> None:
    """Its words for a match, on every pattern and path that are read here."""
    try:
        map_pattern(pattern)
        target_path(path)
    except (InvalidPattern, InvalidPath):
        return
    assert means(pattern, path) is fnmatch(path.lstrip(os.sep), pattern.lstrip(os.sep))


@pytest.mark.parametrize(
    "pattern", ["", "/", "[ab]", "a]", "a\\*", "a\nb", "a\x1b", "a\u202eb", "../a", "a//b", "a/", "e\u0301", "x" * 1025]
)  # fmt: skip
def test_patterns_that_are_refused(pattern: str) -> None:
    """What clients of maps read differently, what hides, and what no path can be."""
    with pytest.raises(InvalidPattern):
        map_pattern(pattern)


def test_many_wildcards_cost_no_time() -> None:
    """A pattern made to be slow is not."""
    entry = MapEntry((MapPattern("*a" * 90 + "b"),), ("acme",), 1, terminating=True)
    assert not entry.means(target_path("a" * 190))


def test_under_which_name_a_root_is_pinned() -> None:
    """Names are in lower case here, so that two of them are two directories; what is no name is refused."""
    assert trusted_as("PyPI") == "pypi"
    for name in ("", "a/b", "..", "a.", "Acme Inc", "\u212aelvin", "x" * 65):
        with pytest.raises(InvalidTrustName):
            trusted_as(name)
