"""The entries of artifacts: the quick way over a whole role and the slow one entry by entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.metadata.audit.clients import Survey
from rstuf.metadata.audit.findings import Code, Findings
from rstuf.metadata.audit.paths import Bin, bin_of
from rstuf.metadata.audit.targets import _all_sound, check_targets, entry_fault

_SHA256 = "0" * 64
_GOOD = {"hashes": {"sha256": _SHA256}, "length": 1}


def _check(targets: dict[str, Any], place: Bin | None = None) -> tuple[dict[str, Any], Findings]:
    findings = Findings()
    sound = check_targets(targets, role="bins-0", place=place, findings=findings, survey=Survey())
    return dict(sound), findings


@pytest.mark.parametrize(
    "entry",
    [
        _GOOD,
        {**_GOOD, "length": 0},
        {**_GOOD, "length": 2**53 - 1},
        {**_GOOD, "custom": {}},
        {**_GOOD, "custom": {"a": [1, None, True, "x", {"b": {}}]}},
        {**_GOOD, "hashes": {"sha512": "a" * 128}},
        {**_GOOD, "hashes": {"sha256": _SHA256, "sha512": "a" * 128}},
        {**_GOOD, "hashes": {"blake2b-256": _SHA256}},
        {**_GOOD, "more": 1},
    ],
)
def test_accepts_sound_entries(entry: dict[str, Any]) -> None:
    """Every form that TUF allows and clients read is fine."""
    assert entry_fault(entry) is None
    sound, findings = _check({"a": entry})
    assert sound == {"a": entry}
    assert not findings.problems


_BAD: list[Any] = [
    None, [], "x", 1, {}, {"length": 1}, {"hashes": {"sha256": _SHA256}},
    {**_GOOD, "length": -1}, {**_GOOD, "length": 2**53}, {**_GOOD, "length": True}, {**_GOOD, "length": "1"},
    {**_GOOD, "length": 1.0}, {**_GOOD, "length": None}, {**_GOOD, "hashes": {}}, {**_GOOD, "hashes": [_SHA256]},
    {**_GOOD, "hashes": _SHA256}, {**_GOOD, "hashes": {"sha256": _SHA256[1:]}},
    {**_GOOD, "hashes": {"sha256": "G" * 64}},
    {**_GOOD, "hashes": {"sha256": "A" * 64}}, {**_GOOD, "hashes": {"sha256": 1}},
    {**_GOOD, "hashes": {"sha256": "é" * 64}},
    {**_GOOD, "hashes": {"md5": "0" * 32}}, {**_GOOD, "hashes": {"sha256": _SHA256, "md5": "0" * 32}},
    {**_GOOD, "hashes": {"sha256": ["0"] * 64}},
    {**_GOOD, "custom": None}, {**_GOOD, "custom": []}, {**_GOOD, "custom": {"a": 1.5}},
    {**_GOOD, "custom": {"a": 2**60}},
    {**_GOOD, "custom": {"a": float("nan")}}, {**_GOOD, "more": 0.5},
]  # fmt: skip


@pytest.mark.parametrize("entry", _BAD)
def test_refuses_unsound_entries(entry: Any) -> None:
    """Each wrong length, hash or custom value is found, also among sound entries."""
    assert entry_fault(entry) is not None
    sound, findings = _check({"a": _GOOD, "b": entry, "c": _GOOD})
    assert set(sound) == {"a", "c"}
    assert [(finding.code, finding.path) for finding in findings.problems] == [(Code.BAD_TARGET, "b")]


_ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "length": st.integers(-1, 3) | st.just(2**53) | st.booleans() | st.none() | st.floats(),
        "hashes": st.dictionaries(
            st.sampled_from(["sha256", "sha512", "md5"]),
            st.sampled_from([_SHA256, "a" * 128, "", "Z" * 64]) | st.integers(),
            max_size=2,
        )
        | st.text(max_size=3),
        "custom": st.dictionaries(st.text(max_size=2), st.integers() | st.floats(), max_size=2) | st.none(),
        "more": st.integers(),
    },
)


@given(
    st.dictionaries(st.sampled_from(["a", "b/c", "..", "é", "/x"]), _ENTRIES | st.just(_GOOD) | st.none(), max_size=4)
)
def test_the_quick_way_never_accepts_more(targets: dict[str, Any]) -> None:
    """A role that passes at a glance would pass entry by entry."""
    if _all_sound(targets, None):
        findings = [entry_fault(entry) for entry in targets.values()]
        assert findings == [None] * len(targets)


@given(st.sets(st.text(alphabet="abcdef", min_size=1, max_size=4), min_size=1, max_size=20), st.integers(1, 6))
def test_each_path_has_one_bin(paths: set[str], bits: int) -> None:
    """Artifacts are accepted in their own bin, and reported in any other."""
    for index in range(1 << bits):
        targets = dict.fromkeys(sorted(paths), _GOOD)
        _, findings = _check(targets, Bin("targets", bits, index))
        wrong = {finding.path for finding in findings.problems}
        assert wrong == {path for path in paths if bin_of(path, bits) != index}
        assert {finding.code for finding in findings.problems} <= {Code.WRONG_BIN}


def test_unusual_hashes_are_noticed_for_the_clients_that_lack_them() -> None:
    """blake2b-256, alone or beside another hash, decides which clients can read the artifact."""
    survey = Survey()
    entries = {"a": {**_GOOD, "hashes": {"blake2b-256": _SHA256}}}
    check_targets(entries, role="targets", place=None, findings=Findings(), survey=survey)
    assert (survey.blake2b_alone, survey.blake2b_beside) == (True, False)
    entries["a"]["hashes"]["sha256"] = _SHA256
    check_targets(entries, role="targets", place=None, findings=Findings(), survey=survey)
    assert survey.blake2b_beside
