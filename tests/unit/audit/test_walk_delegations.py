"""Delegations and the artifacts behind them: what no client reaches, and what two roles claim."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.audits import ARTIFACTS, audited, codes_of, names_of, notes_of
from tests.support.tuf_repo import Delegation, classic, succinct
from tuf.api.metadata import MetaFile

from rstuf.metadata.audit.findings import Code, Note
from rstuf.metadata.audit.readings import Known


def _team(name: str, **options: Any) -> Delegation:
    return Delegation(name, paths=options.pop("paths", ["*/*"]), **options)


def test_artifacts_that_no_delegation_is_for_are_found() -> None:
    """An artifact outside the patterns of its role, or of a role above it, is never looked for there."""
    repo = classic([_team("a", paths=["a/*"], artifacts={"b/1": b"1"})])
    assert codes_of(repo) == {Code.NOT_DELEGATED}
    inner = _team("inner", paths=["b/*"], artifacts={"b/1": b"1"})
    repo = classic([_team("outer", paths=["a/*"], children=[inner])])
    assert codes_of(repo) == {Code.UNREACHABLE}


def test_artifacts_in_the_wrong_hash_prefix_are_found() -> None:
    """Hash-prefix bins hold what their prefixes say."""
    halves = [
        Delegation("low", prefixes=list("01234567"), artifacts=ARTIFACTS),
        Delegation("high", prefixes=list("89abcdef")),
    ]
    assert codes_of(classic(halves)) == {Code.WRONG_BIN}


def test_an_artifact_behind_a_terminating_delegation_is_found() -> None:
    """A terminating delegation ends the search: what others hold for its paths is never seen."""
    wall = _team("wall", paths=["a/*"], terminating=True)
    behind = _team("behind", paths=["a/*"], artifacts={"a/1": b"1"})
    assert codes_of(classic([wall, behind])) == {Code.UNREACHABLE}
    assert codes_of(classic([behind, wall])) == set()


def test_an_artifact_too_deep_for_clients_is_found() -> None:
    """Clients visit 32 delegated roles for a path and no more."""
    chain: list[Delegation] = []
    for depth in range(33, 0, -1):
        chain = [_team(f"r{depth}", artifacts={f"a/{depth}": b"x"}, children=chain)]
    audit, _ = audited(classic(chain))
    assert [(finding.code, finding.path) for finding in audit.findings.problems] == [(Code.UNREACHABLE, "a/33")]


def test_two_contents_for_one_path_are_found() -> None:
    """The role that a client reaches first wins; another content behind it is a problem, the same one a note."""
    first, same, other = ({"a/1": content} for content in (b"1", b"1", b"2"))
    assert codes_of(classic([_team("x", artifacts=first), _team("y", artifacts=same)])) == set()
    assert notes_of(classic([_team("x", artifacts=first), _team("y", artifacts=same)])) == {Note.LISTED_TWICE}
    audit, _ = audited(classic([_team("x", artifacts=first), _team("y", artifacts=other)]))
    assert [(finding.code, finding.role, finding.path) for finding in audit.findings.problems] == [
        (Code.SHADOWED, "y", "a/1")
    ]
    repo = succinct(bits=1, artifacts=ARTIFACTS)
    entry = {"files/3.bin": {"length": 1, "hashes": {"sha256": "0" * 64}}}
    repo.edit("targets", lambda signed: signed["targets"].update(entry))
    assert codes_of(repo) == {Code.SHADOWED}


def test_delegations_in_a_circle_come_to_an_end() -> None:
    """A role that delegates back to one above it is visited once."""
    repo = classic([_team("a", artifacts={"a/1": b"1"}, children=[_team("b", artifacts={"b/1": b"1"})])])
    repo.edit("b", lambda signed: signed.update(delegations=repo.load("targets")["signed"]["delegations"]))
    audit, readings = audited(repo)
    assert {reading.name for reading in readings} == {"targets", "a", "b"}
    assert audit.findings.problems == []


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "targets", Code.ROLE_NAME),
        ("name", "../up", Code.ROLE_NAME),
        ("name", 1, Code.MALFORMED),
        ("terminating", 1, Code.MALFORMED),
        ("paths", "a/*", Code.MALFORMED),
        ("paths", [1], Code.MALFORMED),
        ("path_hash_prefixes", ["00"], Code.MALFORMED),
        ("threshold", 9, Code.BAD_THRESHOLD),
        ("keyids", ["00"], Code.KEY_MISSING),
        ("keyids", "00", Code.MALFORMED),
    ],
)
def test_a_delegation_of_the_wrong_shape_is_named(field: str, value: object, code: Code) -> None:
    """Names, patterns, thresholds and keys of a delegation are each looked at."""
    repo = classic([_team("a", paths=["a/*"], artifacts={"a/1": b"1"})])
    repo.edit("targets", lambda signed: signed["delegations"]["roles"][0].update({field: value}))
    assert code in codes_of(repo)


def test_the_same_delegation_twice_is_named() -> None:
    """Clients refuse a role that delegates to one name twice."""
    repo = classic([_team("a", paths=["a/*"])])
    repo.edit("targets", lambda signed: signed["delegations"]["roles"].append(signed["delegations"]["roles"][0]))
    assert codes_of(repo) == {Code.MALFORMED}


def test_classes_in_patterns_are_a_note() -> None:
    """`[ab]` is read by some clients and not by others."""
    assert notes_of(classic([_team("a", paths=["[ab]/*"], artifacts={"a/1": b"1"})])) == {Note.GLOB_CLASS}


def test_a_name_that_nothing_delegates_is_foreign_where_the_state_never_had_it() -> None:
    """Without a state it may have been retired; with one it is known whether it ever was."""
    repo = succinct()
    repo.snapshot_extra = {"stranger.json": MetaFile(1)}
    repo.release()
    assert codes_of(repo) == set()
    known = Known(names=names_of(repo), roles={})
    assert codes_of(repo, known=known) == {Code.EXTRA_ROLE}
    assert codes_of(repo, known=Known(names=names_of(repo) | {"stranger"}, roles={})) == set()
