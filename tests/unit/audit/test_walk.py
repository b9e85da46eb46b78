"""The walk over whole repositories: clean ones have no problem, and every kind of damage has its word."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.tuf_repo import NOW, Delegation, Keys, Repo, classic, dump, flat, signer, succinct
from tuf.api.metadata import MetaFile, Targets

from rstuf.errors import FileMissing, InvalidMetadata, StorageError
from rstuf.metadata.audit.findings import MAX_OF_A_KIND, Code, Findings, Note
from rstuf.metadata.audit.readings import Known, Reading
from rstuf.metadata.audit.walk import Audit

_ARTIFACTS = {f"files/{number}.bin": b"%d" % number for number in range(24)}


def _audit(repo: Any, *, trusted: bytes | None = None, **options: Any) -> tuple[Audit, list[Reading]]:
    audit = Audit(repo, trusted_root=trusted or repo.trusted, now=options.pop("now", NOW), **options)
    audit.begin()
    return audit, list(audit.roles())


def _codes(repo: Any, **options: Any) -> set[Code | Note]:
    return {finding.code for finding in _audit(repo, **options)[0].findings.problems}


def _notes(repo: Any, **options: Any) -> set[Code | Note]:
    return {finding.code for finding in _audit(repo, **options)[0].findings.notes}


def _repo() -> Repo:
    """Four bins, all of them with artifacts, under the third root."""
    repo = succinct(bits=2, artifacts=_ARTIFACTS, root=Keys("root-a", "root-b", "root-c", threshold=2))
    repo.rotate_root(Keys("root-b", "root-c", "root-d", threshold=2))
    repo.rotate_root()
    return repo


# --- clean ones ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["compact", "python-tuf", "indented"])
@pytest.mark.parametrize("list_facts", [False, True])
def test_clean_repositories_have_no_problem(style: str, *, list_facts: bool) -> None:
    """Bins, named delegations and flat repositories, however they are written, are found sound and read in full."""
    options: dict[str, Any] = {"style": style, "list_facts": list_facts}
    team = Delegation("team", paths=["team/*", "more/?"], artifacts={"team/x": b"x", "more/y": b"y"})
    binned = Delegation("wide", paths=["wide/*"], bits=1, artifacts={"wide/1": b"1", "wide/2": b"2"}, keys=Keys("p256"))
    halves = [Delegation(f"half-{n}", prefixes=list("01234567" if n == 0 else "89abcdef")) for n in (0, 1)]
    for repo, artifacts in (
        (succinct(bits=3, artifacts={**_ARTIFACTS, "ünï/cödé": b""}, **options), 25),
        (succinct(bits=1, custom={"a": "\n", "b": [1]}, artifacts=_ARTIFACTS, **options), 24),
        (classic([team, binned], artifacts={"top": b"t"}, **options), 5),
        (classic(halves, **options), 0),
        (flat(_ARTIFACTS, style=style), 24),
    ):
        audit, readings = _audit(repo)
        assert audit.findings.problems == []
        assert sum(len(reading.targets) for reading in readings) == artifacts


def test_a_chain_of_roots_is_followed_from_any_of_them() -> None:
    """Trust may begin at any version; older ones that are kept are checked too."""
    repo = _repo()
    for version in (1, 2, 3):
        audit, _ = _audit(repo, trusted=repo.files[f"{version}.root.json"])
        assert audit.findings.problems == []
        assert audit.roots is not None
        assert (audit.roots.trusted, audit.roots.version, audit.roots.checked) == (version, 3, 3)


def test_roots_that_are_not_kept_are_a_note() -> None:
    """A repository may begin at a later root; those before it are missed by nobody who trusts that one."""
    repo = _repo()
    newest = repo.files["3.root.json"]
    del repo.files["1.root.json"], repo.files["2.root.json"]
    assert _codes(repo, trusted=newest) == set()
    assert _notes(repo, trusted=newest) == {Note.ROOT_ABSENT}


def test_signatures_of_a_rotation_are_no_problem() -> None:
    """While keys change hands files carry signatures by the key that goes and the one that comes."""
    repo = succinct(artifacts=_ARTIFACTS)
    repo.edit("timestamp", lambda signed: signed, signers=[signer("online"), signer("next")])
    assert _codes(repo) == set()
    assert _notes(repo) == {Note.FOREIGN_SIGNATURE}


def test_a_role_delegated_by_two_is_judged_by_the_keys_of_both() -> None:
    """Two ways to one role need two agreements on who signs it."""
    shared = Delegation("shared", paths=["s/*"], artifacts={"s/1": b"1"}, keys=Keys("one"))
    repo = classic(
        [Delegation("a", paths=["s/*"], children=[shared]), Delegation("b", paths=["s/*"], children=[shared])]
    )
    assert _codes(repo) == set()
    other = Delegation("shared", paths=["s/*"], artifacts={"s/1": b"1"}, keys=Keys("two"))
    repo = classic(
        [Delegation("a", paths=["s/*"], children=[shared]), Delegation("b", paths=["s/*"], children=[other])]
    )
    assert _codes(repo) == {Code.SIGNATURE_MISSING}


def test_retired_bins_are_a_note_and_need_no_file() -> None:
    """After a resize the old names stay in snapshot; nobody reads them."""
    repo = succinct(bits=2, artifacts=_ARTIFACTS)
    repo.snapshot_extra = {"bins-00.json": MetaFile(9)}
    repo.release()
    audit, _ = _audit(repo)
    assert audit.findings.problems == []
    assert [note.code for note in audit.findings.notes] == [Note.RETIRED_ROLE]


def test_the_online_key_in_root_is_a_note() -> None:
    """Sharing a key between root and timestamp is allowed, and said."""
    assert _notes(flat(root=Keys("online"))) == {Note.SHARED_KEY}


# --- files: gone, cut, swapped, replayed -----------------------------------------------------------------

_FILES = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", *(f"1.bins-{n}.json" for n in range(4))]


@pytest.mark.parametrize("name", _FILES)
def test_a_file_that_is_gone_is_missed(name: str) -> None:
    """Each file that a client needs is asked for, and the rest is checked all the same."""
    repo = _repo()
    del repo.files[name]
    assert _codes(repo) == {Code.MISSING_FILE}


@pytest.mark.parametrize("name", ["3.root.json", *_FILES])
@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_file_that_is_cut_is_noticed(name: str, keep: int) -> None:
    """Truncation leaves no JSON behind."""
    repo = _repo()
    repo.files[name] = repo.files[name][:keep]
    assert Code.MALFORMED_JSON in _codes(repo)


@pytest.mark.parametrize("name", ["3.root.json", *_FILES])
def test_a_file_in_the_place_of_another_is_noticed(name: str) -> None:
    """Every file is replaced by every other one, and each time something is wrong.

    Where the same key signs targets and bins, only a hash in snapshot (or the state) tells one from the other.
    """
    for other in [*_FILES, "1.root.json", "3.root.json"]:
        alike = {name, other} > {"1.targets.json"} and "bins" in name + other
        repo = _repo()
        repo.list_facts = alike
        repo.resettle()
        repo.files[name] = repo.files[other]
        expected = {Code.VERSION_MISMATCH, Code.WRONG_TYPE, Code.WRONG_BIN, Code.SIGNATURE_MISSING}
        assert other == name or _codes(repo) & ({Code.HASH_MISMATCH} if alike else expected), other


@pytest.mark.parametrize("role", ["targets", "bins-1"])
def test_an_older_version_under_a_new_name_is_noticed(role: str) -> None:
    """Replaying a properly signed older file under the new version's name is a version mismatch."""
    repo = _repo()
    old = repo.files[repo.name_of(role)]
    repo.put(role, Targets.from_dict(repo.load(role)["signed"]), repo.signers[role])
    repo.release()
    assert _codes(repo) == set()
    repo.files[repo.name_of(role)] = old
    assert _codes(repo) == {Code.VERSION_MISMATCH}


def test_an_older_snapshot_under_a_new_name_is_noticed() -> None:
    """Replaying snapshot breaks version, length or hash as timestamp names them."""
    repo = _repo()
    old = repo.files["1.snapshot.json"]
    repo.put("bins-0", Targets.from_dict(repo.load("bins-0")["signed"]), repo.signers["bins-0"])
    repo.release()
    repo.files["2.snapshot.json"] = old
    assert {Code.VERSION_MISMATCH, Code.HASH_MISMATCH} <= _codes(repo)


def test_a_damaged_snapshot_is_bridged_by_what_the_state_knows() -> None:
    """With the state's knowledge the roles are still found and checked when timestamp and snapshot are gone."""
    repo = _repo()
    known = Known(snapshot=1, roles=dict.fromkeys(("targets", *(f"bins-{n}" for n in range(4))), 1))
    del repo.files["timestamp.json"]
    repo.files["1.snapshot.json"] = b"{"
    repo.edit("bins-3", lambda signed: signed.update(expires="2029-01-01T00:00:00Z"))
    audit, readings = _audit(repo, known=known)
    assert len(readings) == 5
    assert [finding.code for finding in audit.findings.problems] == [
        Code.MISSING_FILE,
        Code.MALFORMED_JSON,
        Code.EXPIRED,
    ]


def test_a_missing_root_in_the_middle_is_found_by_looking_further() -> None:
    """A hole in the chain strands clients before it, even though the newest root is there."""
    repo = _repo()
    del repo.files["2.root.json"]
    audit, _ = _audit(repo)
    assert audit.roots is not None
    assert audit.roots.version == 3
    assert [(finding.code, finding.role) for finding in audit.findings.problems] == [(Code.MISSING_FILE, "root")]


def test_a_missing_newest_root_is_found_when_it_is_known() -> None:
    """A root that the state knows of and that is gone is missed, however far it is."""
    repo = _repo()
    for _ in range(6):
        repo.rotate_root()
    for version in range(3, 10):
        del repo.files[f"{version}.root.json"]
    assert _codes(repo) == set()
    assert _codes(repo, known=Known(root=9, roles={"targets": 1}, names=_names(repo))) == {Code.MISSING_FILE}


def _names(repo: Repo) -> frozenset[str]:
    return frozenset(repo.versions)


def test_another_root_than_the_trusted_one_is_noticed() -> None:
    """A storage whose first root is not the one that clients hold is not theirs."""
    repo = _repo()
    assert Code.ROOT_DIFFERS in _codes(repo, trusted=flat(root=Keys("stranger")).trusted)


def test_what_is_no_root_cannot_be_trusted() -> None:
    """The caller must hand in a root; everything else is refused before anything is read."""
    repo = _repo()
    for data in (b"", b"{}", repo.files["timestamp.json"], repo.trusted[:-1]):
        with pytest.raises(InvalidMetadata, match="the trusted root"):
            _audit(repo, trusted=data or b" ")


# --- what files say, properly signed ---------------------------------------------------------------------


def _set(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda signed: signed.update(fields)


def _in(*path: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(signed: dict[str, Any]) -> None:
        for name in path:
            signed = signed[name]
        signed.update(fields)

    return change


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(signed: dict[str, Any]) -> None:
        for name in path[:-1]:
            signed = signed[name]
        del signed[path[-1]]

    return change


_SUCCINCT = ("delegations", "succinct_roles")
_EDITS: list[tuple[str, Callable[[dict[str, Any]], Any], set[Code]]] = [
    ("root", _set(version=3), {Code.VERSION_MISMATCH}),
    ("root", _set(version=True), {Code.MALFORMED}),
    ("root", _set(version=0), {Code.MALFORMED}),
    ("root", _set(expires="2029-12-31T23:59:59Z"), {Code.EXPIRED}),
    ("root", _set(expires="2030-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("root", _set(expires="2030-01-01"), {Code.MALFORMED}),
    ("root", _set(spec_version="2.0.0"), {Code.MALFORMED}),
    ("root", _set(spec_version=1), {Code.MALFORMED}),
    ("root", _set(consistent_snapshot=False), {Code.NOT_CONSISTENT, Code.MISSING_FILE}),
    ("root", _in("roles", mirrors={"keyids": [], "threshold": 1}), {Code.MALFORMED}),
    ("root", _without("roles", "snapshot"), {Code.MALFORMED}),
    ("root", _in("roles", "timestamp", threshold=2), {Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    ("root", _in("roles", "timestamp", threshold=0), {Code.BAD_THRESHOLD}),
    ("root", _in("roles", "timestamp", threshold=True), {Code.BAD_THRESHOLD}),
    ("root", _in("roles", "timestamp", keyids=[]), {Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    (
        "root",
        _in("roles", "timestamp", keyids=["00" * 32]),
        {Code.KEY_MISSING, Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING},
    ),
    ("root", _set(keys=[]), {Code.MALFORMED, Code.KEY_MISSING, Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    ("timestamp", _set(_type="snapshot"), {Code.WRONG_TYPE}),
    ("timestamp", _set(expires="2030-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("timestamp", _set(version=-1), {Code.MALFORMED}),
    ("timestamp", _in("meta", **{"other.json": {"version": 1}}), {Code.MALFORMED}),
    ("timestamp", _in("meta", "snapshot.json", version=2), {Code.MISSING_FILE}),
    ("timestamp", _in("meta", "snapshot.json", length=1), {Code.LENGTH_MISMATCH}),
    ("timestamp", _in("meta", "snapshot.json", length=None), {Code.MALFORMED}),
    ("timestamp", _in("meta", "snapshot.json", hashes={"sha256": "0" * 64}), {Code.HASH_MISMATCH}),
    ("timestamp", _in("meta", "snapshot.json", hashes={}), {Code.MALFORMED}),
    ("timestamp", _in("meta", "snapshot.json", hashes={"md5": "0" * 32}), {Code.MALFORMED}),
    ("timestamp", _set(meta={}), {Code.MALFORMED}),
    ("snapshot", _set(_type="targets"), {Code.WRONG_TYPE}),
    ("snapshot", _set(version=2), {Code.VERSION_MISMATCH}),
    ("snapshot", _set(expires="2020-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("snapshot", _set(meta=[]), {Code.MALFORMED, Code.MISSING_ROLE}),
    ("snapshot", _without("meta", "targets.json"), {Code.MISSING_ROLE}),
    ("snapshot", _without("meta", "bins-2.json"), {Code.MISSING_ROLE}),
    ("snapshot", _in("meta", "bins-2.json", version=3), {Code.MISSING_FILE}),
    ("snapshot", _in("meta", "bins-2.json", version="1"), {Code.MALFORMED, Code.MISSING_ROLE}),
    ("snapshot", _in("meta", "bins-2.json", length=3), {Code.LENGTH_MISMATCH}),
    ("snapshot", _in("meta", "bins-2.json", hashes={"sha512": "0" * 128}), {Code.HASH_MISMATCH}),
    ("snapshot", _in("meta", **{"../x.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", **{"a/b.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", **{"root.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", **{"BINS-2.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", x={"version": 1}), {Code.ROLE_NAME}),
    ("targets", _set(_type="root"), {Code.WRONG_TYPE}),
    ("targets", _set(version=2), {Code.VERSION_MISMATCH}),
    ("targets", _set(expires="2020-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("targets", _set(targets=[]), {Code.MALFORMED}),
    ("targets", _set(delegations=None), {Code.MALFORMED}),
    ("targets", _in("delegations", roles=[]), {Code.MALFORMED}),
    ("targets", _without(*_SUCCINCT), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=3), {Code.MISSING_ROLE, Code.WRONG_BIN}),
    ("targets", _in(*_SUCCINCT, bit_length=1), {Code.WRONG_BIN}),
    ("targets", _in(*_SUCCINCT, bit_length=0), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=33), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=True), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=32), {Code.TOO_COMPLEX, Code.MISSING_ROLE}),
    ("targets", _in(*_SUCCINCT, name_prefix="../bins"), {Code.ROLE_NAME}),
    ("targets", _in(*_SUCCINCT, name_prefix=None), {Code.ROLE_NAME}),
    ("targets", _in(*_SUCCINCT, name_prefix="Bins"), {Code.MISSING_ROLE}),
    ("targets", _in(*_SUCCINCT, threshold=2), {Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    ("bins-0", _set(_type="snapshot"), {Code.WRONG_TYPE}),
    ("bins-0", _set(version=2), {Code.VERSION_MISMATCH}),
    ("bins-0", _set(expires="2020-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("bins-0", _in("targets", **{"../x": {"length": 1, "hashes": {"sha256": "0" * 64}}}), {Code.BAD_PATH}),
    ("bins-0", _in("targets", **{"files/1.bin": {"length": -1, "hashes": {"sha256": "0" * 64}}}), {Code.BAD_TARGET}),
]  # fmt: skip


@pytest.mark.parametrize(("role", "change", "codes"), _EDITS)
def test_what_a_properly_signed_file_says_wrong_is_named(
    role: str, change: Callable[[dict[str, Any]], Any], codes: set[Code]
) -> None:
    """A wrong value, signed by the right keys, is found with its word; what must follow from it is, too."""
    repo = succinct(bits=2, artifacts=_ARTIFACTS)
    repo.rotate_root()
    repo.edit(role, change)
    if role == "snapshot":
        repo.resettle()
    found = _codes(repo)
    extra = {Code.WRONG_BIN} if role == "bins-0" else set()
    assert codes <= found <= codes | extra


@pytest.mark.parametrize("role", ["targets", "bins-2", "snapshot", "timestamp", "root"])
def test_a_file_signed_by_others_is_refused(role: str) -> None:
    """Each role is judged by the keys that its delegator lists."""
    repo = _repo()
    repo.edit(role, lambda signed: signed, signers=[signer("stranger")])
    if role == "snapshot":
        repo.resettle()
    assert Code.SIGNATURE_MISSING in _codes(repo)


@pytest.mark.parametrize("signers", [("root-b", "root-c"), ("root-c", "root-d")])
def test_a_root_needs_the_threshold_of_both_sides(signers: tuple[str, ...]) -> None:
    """Signed by enough old keys only, or enough new ones only, a root is refused; the chain goes on."""
    repo = succinct(root=Keys("root-a", "root-b", "root-c", threshold=3))
    repo.rotate_root(Keys("root-b", "root-c", "root-d", threshold=3))
    assert _codes(repo) == set()
    repo.edit("root", lambda signed: signed, signers=[signer(name) for name in ("root-a", *signers)])
    assert _codes(repo) == {Code.SIGNATURE_MISSING}


def test_a_skipped_root_version_is_refused() -> None:
    """A root whose own version is not its file's is no next root, whoever signed it."""
    repo = _repo()
    repo.files["4.root.json"] = repo.files["3.root.json"]
    assert Code.VERSION_MISMATCH in _codes(repo)


def test_a_key_under_two_ids_counts_once_and_is_named() -> None:
    """One key listed twice makes a threshold of two look met; it is not."""
    repo = succinct(artifacts=_ARTIFACTS)
    other = dict(repo.load("root")["signed"]["keys"][signer("online").public_key.keyid], note="another id")

    def twice(signed: dict[str, Any]) -> None:
        signed["keys"]["ff" * 32] = other
        signed["roles"]["timestamp"].update(keyids=[*signed["roles"]["timestamp"]["keyids"], "ff" * 32], threshold=2)

    repo.edit("root", twice)
    timestamp = repo.load("timestamp")
    timestamp["signatures"].append({"keyid": "ff" * 32, "sig": timestamp["signatures"][0]["sig"]})
    repo.files["timestamp.json"] = dump(timestamp, "compact")
    assert _codes(repo) == {Code.KEY_TWICE, Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}


# --- delegations and artifacts ---------------------------------------------------------------------------


def _team(name: str, **options: Any) -> Delegation:
    return Delegation(name, paths=options.pop("paths", ["*/*"]), **options)


def test_artifacts_that_no_delegation_is_for_are_found() -> None:
    """An artifact outside the patterns of its role, or of a role above it, is never looked for there."""
    repo = classic([_team("a", paths=["a/*"], artifacts={"b/1": b"1"})])
    assert _codes(repo) == {Code.NOT_DELEGATED}
    inner = _team("inner", paths=["b/*"], artifacts={"b/1": b"1"})
    repo = classic([_team("outer", paths=["a/*"], children=[inner])])
    assert _codes(repo) == {Code.UNREACHABLE}


def test_artifacts_in_the_wrong_hash_prefix_are_found() -> None:
    """Hash-prefix bins hold what their prefixes say."""
    halves = [
        Delegation("low", prefixes=list("01234567"), artifacts=_ARTIFACTS),
        Delegation("high", prefixes=list("89abcdef")),
    ]
    assert _codes(classic(halves)) == {Code.WRONG_BIN}


def test_an_artifact_behind_a_terminating_delegation_is_found() -> None:
    """A terminating delegation ends the search: what others hold for its paths is never seen."""
    wall = _team("wall", paths=["a/*"], terminating=True)
    behind = _team("behind", paths=["a/*"], artifacts={"a/1": b"1"})
    assert _codes(classic([wall, behind])) == {Code.UNREACHABLE}
    assert _codes(classic([behind, wall])) == set()


def test_an_artifact_too_deep_for_clients_is_found() -> None:
    """Clients visit 32 delegated roles for a path and no more."""
    chain: list[Delegation] = []
    for depth in range(33, 0, -1):
        chain = [_team(f"r{depth}", artifacts={f"a/{depth}": b"x"}, children=chain)]
    audit, _ = _audit(classic(chain))
    assert [(finding.code, finding.path) for finding in audit.findings.problems] == [(Code.UNREACHABLE, "a/33")]


def test_two_contents_for_one_path_are_found() -> None:
    """The role that a client reaches first wins; another content behind it is a problem, the same one a note."""
    first, same, other = ({"a/1": content} for content in (b"1", b"1", b"2"))
    assert _codes(classic([_team("x", artifacts=first), _team("y", artifacts=same)])) == set()
    assert _notes(classic([_team("x", artifacts=first), _team("y", artifacts=same)])) == {Note.LISTED_TWICE}
    audit, _ = _audit(classic([_team("x", artifacts=first), _team("y", artifacts=other)]))
    assert [(finding.code, finding.role, finding.path) for finding in audit.findings.problems] == [
        (Code.SHADOWED, "y", "a/1")
    ]
    repo = succinct(bits=1, artifacts=_ARTIFACTS)
    entry = {"files/3.bin": {"length": 1, "hashes": {"sha256": "0" * 64}}}
    repo.edit("targets", lambda signed: signed["targets"].update(entry))
    assert _codes(repo) == {Code.SHADOWED}


def test_delegations_in_a_circle_come_to_an_end() -> None:
    """A role that delegates back to one above it is visited once."""
    repo = classic([_team("a", artifacts={"a/1": b"1"}, children=[_team("b", artifacts={"b/1": b"1"})])])
    repo.edit("b", lambda signed: signed.update(delegations=repo.load("targets")["signed"]["delegations"]))
    audit, readings = _audit(repo)
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
    assert code in _codes(repo)


def test_the_same_delegation_twice_is_named() -> None:
    """Clients refuse a role that delegates to one name twice."""
    repo = classic([_team("a", paths=["a/*"])])
    repo.edit("targets", lambda signed: signed["delegations"]["roles"].append(signed["delegations"]["roles"][0]))
    assert _codes(repo) == {Code.MALFORMED}


def test_classes_in_patterns_are_a_note() -> None:
    """`[ab]` is read by some clients and not by others."""
    assert _notes(classic([_team("a", paths=["[ab]/*"], artifacts={"a/1": b"1"})])) == {Note.GLOB_CLASS}


def test_a_name_that_nothing_delegates_is_foreign_where_the_state_never_had_it() -> None:
    """Without a state it may have been retired; with one it is known whether it ever was."""
    repo = succinct()
    repo.snapshot_extra = {"stranger.json": MetaFile(1)}
    repo.release()
    assert _codes(repo) == set()
    known = Known(names=_names(repo), roles={})
    assert _codes(repo, known=known) == {Code.EXTRA_ROLE}
    assert _codes(repo, known=Known(names=_names(repo) | {"stranger"}, roles={})) == set()


# --- sizes -----------------------------------------------------------------------------------------------


def test_sizes_beyond_what_clients_read_are_problems() -> None:
    """Each role has its limit; a length that the parent names lifts it, as it does for clients."""
    padding = {"padding": "x" * 20_000}
    repo = succinct()
    repo.edit("timestamp", lambda signed: signed.update(padding))
    assert _codes(repo) == {Code.OVERSIZE}
    repo = succinct()
    repo.edit("snapshot", lambda signed: signed.update(padding="x" * 2_000_000))
    repo.resettle()
    assert _codes(repo) == set()
    repo.edit("timestamp", lambda signed: signed["meta"].update({"snapshot.json": {"version": 1}}))
    assert _codes(repo) == {Code.OVERSIZE}
    repo = succinct()
    repo.edit("root", lambda signed: signed.update(padding="x" * 512_000))
    repo.rotate_root()
    assert _codes(repo) == set()  # the trusted root is at hand, whatever its size
    repo.edit("root", lambda signed: signed.update(padding="x" * 512_000))
    assert _codes(repo) == {Code.OVERSIZE}


def test_a_bin_beyond_every_limit_is_not_read_to_its_end() -> None:
    """What is longer than anyone reads is a problem of that file alone."""
    repo = succinct(bits=1, artifacts=_ARTIFACTS)
    repo.files["1.bins-1.json"] += b" " * 9_000_000
    audit, readings = _audit(repo)
    assert [(finding.code, finding.role) for finding in audit.findings.problems] == [(Code.OVERSIZE, "bins-1")]
    assert len(readings) == 2


# --- findings, storage, order ----------------------------------------------------------------------------


def test_many_faults_of_a_kind_do_not_hide_others() -> None:
    """Of each kind some are kept, all are counted, and the walk goes to the end."""
    repo = succinct(bits=6, artifacts=_ARTIFACTS)
    for number in range(64):
        repo.edit(f"bins-{number:02x}", lambda signed: signed.update(expires="2020-01-01T00:00:00Z"))
    del repo.files["1.bins-3f.json"]
    findings = _audit(repo)[0].findings
    assert [finding.code for finding in findings.problems] == [Code.EXPIRED] * MAX_OF_A_KIND + [Code.MISSING_FILE]
    assert findings.more_problems == 63 - MAX_OF_A_KIND


def test_messages_have_a_bounded_length() -> None:
    """A file cannot fill the report with its own text."""
    findings = Findings()
    findings.problem(Code.MALFORMED, "x" * 10_000, role="y" * 10_000, path="z" * 10_000)
    finding = findings.problems[0]
    assert max(map(len, (finding.message, finding.role or "", finding.path or ""))) <= 600


class _Flaky:
    """A source that fails for the names that are told."""

    def __init__(self, repo: Repo, fails: Callable[[str], bool]) -> None:
        self.repo, self.fails = repo, fails

    def read(self, name: str, *, limit: int) -> bytes:
        if self.fails(name):
            raise StorageError("read", name, "input/output error")
        return self.repo.read(name, limit=limit)


@pytest.mark.parametrize("readers", [1, 4])
def test_a_file_that_cannot_be_read_does_not_end_the_walk(readers: int) -> None:
    """One bad sector is a problem of one file, however many are read at once."""
    repo = succinct(bits=3, artifacts=_ARTIFACTS)
    flaky = _Flaky(repo, lambda name: name == "1.bins-5.json")
    audit, readings = _audit(flaky, trusted=repo.trusted, readers=readers)
    assert [(finding.code, finding.role) for finding in audit.findings.problems] == [(Code.UNREADABLE, "bins-5")]
    assert [reading.name for reading in readings] == ["targets", *(f"bins-{n}" for n in range(8) if n != 5)]


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("prefix", ["", "1.bins"])
def test_a_storage_that_is_gone_is_an_error(prefix: str, readers: int) -> None:
    """When nothing can be read any more, that is what is said, and not a thousand problems."""
    repo = succinct(bits=6)
    flaky = _Flaky(repo, lambda name: name.startswith(prefix))
    with pytest.raises(StorageError, match="input/output"):
        _audit(flaky, trusted=repo.trusted, readers=readers)


def test_a_server_that_answers_everything_does_not_hold_the_walk() -> None:
    """A server that sends a page of its own for every name has no endless chain of roots."""

    class Chatty(_Flaky):
        def read(self, name: str, *, limit: int) -> bytes:
            try:
                return super().read(name, limit=limit)
            except FileMissing:
                return b"<html>not here</html>"

    repo = succinct(bits=1)
    assert Code.MALFORMED_JSON in _codes(Chatty(repo, lambda _: False), trusted=repo.trusted)


def test_expiry_is_judged_by_the_time_that_is_given() -> None:
    """The same repository is fresh at one time and expired at another."""
    repo = succinct(bits=1)
    assert _codes(repo, now=NOW + timedelta(days=29)) == set()
    assert _codes(repo, now=NOW + timedelta(days=30)) == {Code.EXPIRED}


def test_hostile_shapes_never_raise() -> None:
    """Any JSON value in any place of any file is a finding at most."""
    repo = succinct(bits=1, artifacts=_ARTIFACTS)
    values: list[Any] = [None, True, 0, -1, 2**53 - 1, "", "x", [], [[]], [None], {}, {"": {}}, {"x": None}]
    tried = 0
    for role in ("root", "timestamp", "snapshot", "targets", "bins-1"):
        for path in _places(repo.load(role)["signed"]):
            for value in values:
                damaged = repo.copy()
                damaged.edit(role, lambda signed, path=path, value=value: _put(signed, path, value))
                _codes(damaged, trusted=repo.trusted)
                tried += 1
    assert tried > 800


def _places(value: Any, depth: int = 0) -> list[tuple[Any, ...]]:
    """Every place within a value, to some depth and of a list or object only the first two."""
    if depth == 5:
        return []
    names: list[Any] = (
        list(value)[:2]
        if isinstance(value, dict)
        else list(range(min(2, len(value))))
        if isinstance(value, list)
        else []
    )
    if depth == 0:
        names = list(value)
    return [
        place for name in names for place in ((name,), *((name, *rest) for rest in _places(value[name], depth + 1)))
    ]


def _put(signed: Any, path: tuple[Any, ...], value: Any) -> None:
    for name in path[:-1]:
        signed = signed[name]
    signed[path[-1]] = json.loads(json.dumps(value))
