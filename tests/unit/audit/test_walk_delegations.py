"""Delegations and the artifacts behind them: what no client reaches, and what two roles claim."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.audits import ARTIFACTS, audited, codes_of, names_of, notes_of
from tests.support.tuf_repo import Delegation, classic, flat, succinct
from tuf.api.metadata import MetaFile

from rstuf.metadata.audit.clients import judge
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


@pytest.mark.parametrize("pattern", ["[ab]/*", "{a,b}/*", "+(a)/*", "!a/*", "#a/*", "a/**", "a\\\\b/*", "[a/*"])
def test_what_clients_read_differently_in_patterns_is_a_note(pattern: str) -> None:
    """Only letters, `*` and `?` are read alike by all; whatever else a pattern has is worth knowing."""
    assert notes_of(classic([_team("a", paths=[pattern]), _team("b", artifacts={"a/1": b"1"})])) == {Note.GLOB_CLASS}


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("a/*", "a/.x", False),
        ("a/?x", "a/.x", False),
        ("*/x", ".a/x", False),
        ("a/.*", "a/.x", True),
        ("a/x*", "a/x.y", True),
        ("a/?", "a/😀", False),
        ("a/*", "a/😀", True),
        ("a/?", "a/é", True),
    ],
)
def test_paths_that_some_clients_do_not_find_are_a_note(pattern: str, path: str, *, found: bool) -> None:
    """In JavaScript wildcards stand for no dot that a segment begins with, and `?` for no character of two units."""
    repo = classic([_team("a", paths=[pattern], artifacts={path: b"1"})])
    audit, _ = audited(repo)
    assert audit.findings.problems == []
    assert [note.code for note in audit.findings.notes] == ([] if found else [Note.DISPUTED_PATH])
    verdicts = judge(audit.survey)
    assert (verdicts["tuf-js"]["ok"], verdicts["go-tuf"]["ok"]) == (found, True)


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["a", "7"], "7"),
        (["10", "2"], "10"),
        (["b", "toString"], "toString"),
        (["2", "10", "a"], ""),
        (["a", "01"], ""),
        (["a", "4294967295"], ""),
    ],
)
def test_names_of_roles_that_javascript_puts_elsewhere(names: list[str], lost: str) -> None:
    """Numbers come before other names there, and some names stand for something else; no other client minds."""
    audit, _ = audited(classic([_team(name) for name in names]))
    assert (audit.survey.lost_role, audit.findings.problems) == (lost, [])
    assert (judge(audit.survey)["tuf-js"]["ok"], judge(audit.survey)["go-tuf"]["ok"]) == (not lost, True)


@pytest.mark.parametrize(
    ("paths", "paths_lost", "order_lost"),
    [
        (["a/valueOf", "a/x"], 0, False),
        (["valueOf", "x "], 2, False),
        (["a/\uff21", "a/\U0001f600"], 0, True),
        (["a/\uff21", "b/\U0001f600"], 0, False),
        (["a/\ud7a3", "a/\U0001f600"], 0, False),
    ],
)
def test_artifacts_that_javascript_loses(paths: list[str], paths_lost: int, *, order_lost: bool) -> None:
    """Such as are called like what every object has, or end with a space; and all of a role that it sorts otherwise."""
    contents = dict.fromkeys(paths, b"1")
    audit, _ = audited(classic([_team("team", paths=["*", "*/*"], artifacts=contents)]))
    assert (audit.survey.lost_paths, audit.survey.lost_order) == (paths_lost, "team" if order_lost else "")
    assert audit.findings.problems == []


def test_what_targets_lists_itself_is_found_first() -> None:
    """There nothing hides what is called like a part of every object."""
    audit, _ = audited(flat({"valueOf": b"1"}))
    assert audit.survey.lost_paths == 0


def test_custom_data_are_sorted_too() -> None:
    """Their keys are signed in an order that one client does not keep."""
    custom = {"\uff21": 1, "\U0001f600": {"a": [1]}}
    audit, _ = audited(succinct(bits=1, artifacts={"a": b"a"}, custom=custom))
    assert audit.survey.lost_order.startswith("bins-")


def test_a_path_that_both_ways_lead_to_is_no_note() -> None:
    """Clients that hold a delegation to be for another path and find the artifact all the same miss nothing."""
    behind = _team("b", paths=["a/.*"], artifacts={"a/.x": b"1"})
    assert notes_of(classic([_team("a", paths=["a/*"]), behind])) == set()
    assert notes_of(classic([_team("c", paths=["a/*"], children=[behind])])) == {Note.DISPUTED_PATH}


def test_two_roles_that_delegate_to_one_are_a_note() -> None:
    """Clients differ in whose keys count then; both are checked."""
    repo = classic([_team("a", children=[_team("c", artifacts={"c/1": b"1"})]), _team("b")])
    delegations = repo.load("a")["signed"]["delegations"]
    repo.edit("b", lambda signed: signed.update(delegations=delegations))
    assert (codes_of(repo), notes_of(repo)) == (set(), {Note.DELEGATED_TWICE})


def test_bins_below_delegations_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside named delegations there may be many bins: each of them is read once, and every artifact is checked."""
    held = {f"files/{number}": b"x" for number in range(40)}
    bins = Delegation("rest", prefixes=list("0123456789abcdef"), bits=3, artifacts=held)
    wall = _team("wall", paths=["files/1*"], terminating=True, artifacts={"files/1": b"x"})
    repo = classic([wall, bins])
    reads: list[str] = []
    read = repo.read
    monkeypatch.setattr(repo, "read", lambda name, limit: (reads.append(name), read(name, limit=limit))[1])
    audit, _ = audited(repo)
    behind = {finding.path for finding in audit.findings.problems if finding.code is Code.UNREACHABLE}
    assert behind == {path for path in held if path.startswith("files/1")}
    assert all(reads.count(f"1.rest-bins-{index}.json") <= 2 for index in range(8))
    assert audit.survey.bins == 8
    repo = classic([_team("team", paths=["team/*"]), bins])
    reads.clear()
    read = repo.read
    monkeypatch.setattr(repo, "read", lambda name, limit: (reads.append(name), read(name, limit=limit))[1])
    assert audited(repo)[0].findings.problems == []
    assert [reads.count(f"1.rest-bins-{index}.json") for index in range(8)] == [1] * 8


def test_however_many_artifacts_there_are_all_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work grows with the artifacts of a sound tree, and only what is beyond that is given up."""
    monkeypatch.setattr("rstuf.metadata.audit.reach.MAX_WORK", 10)
    held = {f"a/{number}": b"x" for number in range(60)}
    assert codes_of(classic([_team("a", paths=["a/*"], artifacts=held)])) == set()
    many = [_team("a", paths=["*/*" + "*x" * 30] * 30 + ["a/*"], artifacts=held)]
    assert codes_of(classic(many)) == {Code.TOO_COMPLEX}


def test_a_name_that_nothing_delegates_is_foreign_where_the_state_never_had_it() -> None:
    """Without a state it may have been retired; with one it is known whether it ever was."""
    repo = succinct()
    repo.snapshot_extra = {"stranger.json": MetaFile(1)}
    repo.release()
    assert codes_of(repo) == set()
    known = Known(names=names_of(repo), roles={})
    assert codes_of(repo, known=known) == {Code.EXTRA_ROLE}
    assert codes_of(repo, known=Known(names=names_of(repo) | {"stranger"}, roles={})) == set()
