"""Path patterns of delegations: only such are accepted as every client reads alike."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole

from rstuf.errors import InvalidPath, InvalidPattern
from rstuf.model.names import TargetPath, target_path
from rstuf.model.patterns import Match, PathPattern, match, meet, path_pattern

# As minimatch 10 (tuf-js) and Go's filepath.Match (go-tuf) answered; where they differ from Python, so does the answer.
ANSWERS = [
    ("*", "a.txt", "yes"),
    ("*", "a/b", "no"),
    ("*/*", "a/b", "yes"),
    ("dist/*.whl", "dist/x-1.0.whl", "yes"),
    ("dist/*.whl", "dist/x-1.0.WHL", "no"),
    ("dist/*.whl", "dist/.whl", "disputed"),
    ("*", ".hidden", "disputed"),
    ("?hidden", ".hidden", "disputed"),
    (".*", ".hidden", "yes"),
    (".?", ".a", "yes"),
    ("a/.*/*", "a/.b/c", "yes"),
    ("a/*/c", "a/.b/c", "disputed"),
    ("a*", "a", "yes"),
    ("a?", "a", "no"),
    ("a?", "ab", "yes"),
    ("?", "é", "yes"),
    ("?", "😀", "disputed"),
    ("??", "😀", "disputed"),
    ("*", "😀", "yes"),
    ("😀*", "😀x", "yes"),
    ("😀?", "😀x", "disputed"),
    ("a?b", "a😀", "no"),
    ("a b,c+@~$&=", "a b,c+@~$&=", "yes"),
    ("A", "a", "no"),
    ("*a*b*c*", "xaxbxcx", "yes"),
]


@pytest.mark.parametrize(("pattern", "path", "answer"), ANSWERS)
def test_what_clients_say(pattern: str, path: str, answer: str) -> None:
    """Wildcards stay in their segment; what some clients hold for a match and others not is told apart."""
    assert match(path_pattern(pattern), target_path(path)).name == answer.upper()


@pytest.mark.parametrize(
    "pattern",
    [
        "", "/a", "a/", "a//b", "../a", "a/./b", "**", "a/**/b", "[ab]", "a]", "{a,b}", "a}", "!a", "#a", "+(a)",
        "a(b)", "a\\*", "a%41", "a\nb", "a\x1bb", "a\u202eb", "e\u0301", "x" * 1025, "*" * 3, ". ./a",
    ],
)  # fmt: skip
def test_patterns_that_are_refused(pattern: str) -> None:
    """Whatever means something to one client and something else, or nothing, to another."""
    with pytest.raises(InvalidPattern) as refused:
        path_pattern(pattern)
    assert refused.value.hint


_TEXT = st.text(alphabet="ab.*?/é😀 ", min_size=1, max_size=8)


@given(_TEXT, st.text(alphabet="ab./é😀 ", min_size=1, max_size=8))
def test_python_tuf_agrees(pattern: str, path: str) -> None:
    """Where the answer is yes or no, it is that of a stock client; where it is disputed, that may be either."""
    try:
        wanted, asked = path_pattern(pattern), target_path(path)
    except (InvalidPattern, InvalidPath):
        return
    role = DelegatedRole("x", ["00"], 1, terminating=False, paths=[wanted])
    found = match(wanted, asked)
    if found is not Match.DISPUTED:
        assert role.is_delegated_path(asked) is (found is Match.YES)


def test_many_wildcards_cost_no_time() -> None:
    """A pattern that would send a naive matcher back and forth is answered at once."""
    pattern = path_pattern("*a" * 60 + "b")
    assert match(pattern, TargetPath("a" * 190)) is Match.NO


_SEGMENT = st.text(alphabet="ab*?.", min_size=1, max_size=5).filter(
    lambda text: "**" not in text and set(text) != {"."}
)
_PATTERN = st.lists(_SEGMENT, min_size=1, max_size=2).map("/".join)
# Whatever two such segments may both stand for, they may stand for something of these letters, too.
_SHORT = ["".join(letters) for length in range(1, 6) for letters in product("ab.", repeat=length)]


@given(one=_SEGMENT, other=_SEGMENT)
def test_two_segments_meet_where_something_is_both(one: str, other: str) -> None:
    """By trying all that is short: there is a name that both describe, or they do not meet."""
    both = [name for name in _SHORT if fnmatchcase(name, one) and fnmatchcase(name, other)]
    if both:
        assert meet(PathPattern(one), PathPattern(other))
    elif len(one.replace("*", "")) + len(other.replace("*", "")) <= 5:
        assert not meet(PathPattern(one), PathPattern(other))


@given(one=_PATTERN, other=_PATTERN)
def test_meeting_goes_both_ways(one: str, other: str) -> None:
    """Neither is first, each meets itself, and what has more segments meets nothing that has fewer."""
    assert meet(PathPattern(one), PathPattern(other)) == meet(PathPattern(other), PathPattern(one))
    assert meet(PathPattern(one), PathPattern(one))
    assert one.count("/") == other.count("/") or not meet(PathPattern(one), PathPattern(other))
