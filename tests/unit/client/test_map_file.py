"""Map files: what is read of them, and all that is refused."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.client.map_file import (
    MAX_ASKED,
    MAX_ENTRIES,
    MAX_MAP_BYTES,
    MAX_PATTERNS,
    MAX_REPOSITORIES,
    MAX_URLS,
    read_map,
    render_map,
)
from rstuf.errors import InvalidMap
from rstuf.model.maps import MapEntry, RepositoryMap

# TAP 4's example, without its comments.
EXAMPLE: dict[str, Any] = {
    "repositories": {"Django": ["https://djangoproject.com/"], "PyPI": ["https://pypi.python.org/"]},
    "mapping": [
        {
            "paths": ["/django/django-1.*.tgz"],
            "repositories": ["Django", "PyPI"],
            "threshold": 1,
            "terminating": False,
        },
        {"paths": ["*"], "repositories": ["PyPI"], "threshold": 1, "terminating": True},
    ],
}


def faults(document: Any) -> tuple[str, ...]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(InvalidMap) as refused:
        read_map(data, what="map.json")
    return refused.value.problems


def changed(**changes: Any) -> dict[str, Any]:
    """The example with another first mapping."""
    document = copy.deepcopy(EXAMPLE)
    document["mapping"][0].update(changes)
    return document


def test_the_example_of_tap_4() -> None:
    """It is read as it is meant, and written so that it is read as the same."""
    found = read_map(json.dumps(EXAMPLE).encode(), what="map.json")
    assert found.repositories == {"Django": ("https://djangoproject.com/",), "PyPI": ("https://pypi.python.org/",)}
    assert found.entries[0] == MapEntry(("/django/django-1.*.tgz",), ("Django", "PyPI"), 1, terminating=False)  # type: ignore[arg-type]
    assert [entry.terminating for entry in found.entries] == [False, True]
    assert read_map(render_map(found), what="map.json") == found
    assert json.loads(render_map(found)) == EXAMPLE


def test_fields_of_others_are_left_alone() -> None:
    """What TAP 4 does not know is not read, as in all metadata of TUF."""
    document = changed(comment="ours")
    document["version"] = 3
    assert read_map(json.dumps(document).encode(), what="map.json").entries[1].paths == ("*",)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"threshold": "1"}, "threshold"),
        ({"threshold": None}, "threshold"),
        ({"threshold": 3}, "threshold 3 cannot be met by 'Django' and 'PyPI'"),
        ({"terminating": 1}, "terminating"),
        ({"terminating": None}, "terminating"),
        ({"paths": "*"}, "paths"),
        ({"paths": []}, "paths"),
        ({"paths": [1]}, "paths"),
        ({"paths": ["[ab]"]}, "'[ab]' cannot be a path pattern"),
        ({"paths": ["a\x1b]31m"]}, "cannot be a path pattern"),
        ({"paths": ["a\x1b"]}, "U+001B"),
        ({"paths": ["x"] * (MAX_PATTERNS + 1)}, "at most"),
        ({"repositories": []}, "repositories"),
        ({"repositories": "Django"}, "repositories"),
        ({"repositories": ["Flask"]}, "'Flask', which is not among the repositories"),
        ({"repositories": ["PyPI", "PyPI"]}, "'PyPI' more than once"),
        ({"repositories": ["PyPI"] * (MAX_ASKED + 1)}, "at most"),
    ],
)
def test_mappings_that_are_refused(changes: dict[str, Any], fault: str) -> None:
    """Wrong types, numbers that cannot be met, unknown and repeated names: said with the number of the mapping."""
    found = faults(changed(**changes))
    assert all(each.startswith("mapping 1: ") for each in found)
    assert any(fault in each for each in found)


@pytest.mark.parametrize(
    ("repositories", "fault"),
    [
        ({}, "names at least one"),
        ([], "names at least one"),
        (None, "names at least one"),
        ({"a": "https://a.example/"}, "no list of URLs"),
        ({"a": []}, "no list of URLs"),
        ({"a": [7]}, "no list of URLs"),
        ({"a": ["file:///etc"]}, "no http or https URL"),
        ({"a": ["/etc"]}, "no http or https URL"),
        ({"a": ["ftp://a.example/"]}, "no http or https URL"),
        ({"a": ["https://"]}, "'https://'"),
        ({"a": ["https://a.example/?x"]}, "no ? and no #"),
        ({"a": ["https://a.example/\n"]}, "no URL has"),
        ({"a": ["https://a.example/ b"]}, "no URL has"),
        ({"a": [" file:///etc"]}, "no http or https URL"),
        ({"a": ["https://a.example:x/"]}, "cannot be read"),
        ({"a": ["https://a.example/" + "x" * 2000]}, "longer than"),
        ({"a": ["https://a.example/"] * (MAX_URLS + 1)}, "at most"),
        ({"../a": ["https://a.example/"]}, "repository '../a'"),
        ({"a\x1b]0;x\x07": ["https://a.example/"]}, "letters, digits"),
        ({"acme": ["https://a.example/"], "Acme": ["https://b.example/"]}, "differ in nothing but case"),
        ({f"a{n}": ["https://a.example/"] for n in range(MAX_REPOSITORIES + 1)}, "at most"),
    ],
)
def test_repositories_that_are_refused(repositories: Any, fault: str) -> None:
    """Names that could be no directory of their own, and URLs that lead into this machine or nowhere."""
    assert any(fault in each for each in faults({**EXAMPLE, "repositories": repositories}))


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (b"", "JSON"),
        (b"\xff", "JSON"),
        (b"{" * 100_000, "JSON"),
        (b"[" * 500 + b"]" * 500, "JSON"),
        (b"[" * 100 + b"]" * 100, "deeper"),
        (b'{"repositories": {}, "repositories": {}}', "stands twice"),
        (b'{"mapping": [{"threshold": 1, "threshold": 2}]}', "stands twice"),
        (b'{"mapping": 1e999}', "JSON"),
        (b" " * (MAX_MAP_BYTES + 1), "more than"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        ({}, "mapping"),
        ({**EXAMPLE, "mapping": []}, "mapping"),
        ({**EXAMPLE, "mapping": {}}, "mapping"),
        ({**EXAMPLE, "mapping": [None]}, "mapping 1: "),
        ({**EXAMPLE, "mapping": EXAMPLE["mapping"] * MAX_ENTRIES}, "at most"),
        (changed(threshold=1.0), "whole number"),
    ],
)
def test_files_that_are_no_maps(document: Any, fault: str) -> None:
    """Too long, too deep, ambiguous, or something else."""
    assert any(fault in each for each in faults(document))


def test_one_repository_under_two_names_makes_no_threshold() -> None:
    """Two names for one URL are one repository: a threshold of two could be met by it alone."""
    document = changed(threshold=2)
    document["repositories"]["PyPI"] = ["https://mirror.example/", "https://djangoproject.com"]
    (fault,) = faults(document)
    assert "which have one URL and are one" in fault
    document["mapping"][0]["threshold"] = 1
    read_map(json.dumps(document).encode(), what="map.json")


def test_all_faults_are_told_at_once() -> None:
    """Whoever mends a map hears of everything, within reason."""
    found = faults(changed(threshold=0, terminating="no", paths=["[a]", "b]"]))
    assert len(found) == 4
    found = faults({**EXAMPLE, "mapping": [{}] * MAX_ENTRIES})
    assert len(found) == 50


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.text(max_size=4)
    | st.sampled_from(["*", "a", "b", "http://a/"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["repositories", "mapping", "paths", "threshold", "terminating", "a", "b"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_whatever_is_read_it_is_a_map_or_refused(value: Any) -> None:
    """No shape of JSON does anything else."""
    with suppress(InvalidMap):
        assert isinstance(read_map(json.dumps(value).encode(), what="map.json"), RepositoryMap)


_NAMES = ["a", "b", "C"]
_URLS = (st.lists(st.sampled_from([f"https://{name}/", f"http://{name}"]), min_size=1, max_size=3) for name in _NAMES)
_MAPS = st.builds(
    lambda urls, entries: {"repositories": dict(zip(_NAMES, urls, strict=True)), "mapping": entries},
    st.tuples(*_URLS),
    st.lists(
        st.lists(st.sampled_from(_NAMES), min_size=1, unique=True).flatmap(
            lambda names: st.fixed_dictionaries(
                {
                    "paths": st.lists(st.sampled_from(["*", "a/?", "/x*"]), min_size=1, max_size=3),
                    "repositories": st.just(names),
                    "threshold": st.integers(1, len(names)),
                    "terminating": st.booleans(),
                }
            )
        ),
        min_size=1,
    ),
)  # fmt: skip


@given(_MAPS)
def test_what_is_written_is_what_was_read(document: dict[str, Any]) -> None:
    """Every map comes back as it was."""
    found = read_map(json.dumps(document).encode(), what="map.json")
    assert json.loads(render_map(found)) == document
