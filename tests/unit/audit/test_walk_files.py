"""Files that are gone, cut, swapped or replayed: each is noticed, and the rest is checked all the same."""

from __future__ import annotations

import pytest
from tests.support.audits import audited, codes_of, names_of, rotated_repo
from tests.support.tuf_repo import Keys, flat
from tuf.api.metadata import Targets

from rstuf.errors import InvalidMetadata
from rstuf.metadata.audit.findings import Code
from rstuf.metadata.audit.readings import Known

_FILES = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", *(f"1.bins-{n}.json" for n in range(4))]


@pytest.mark.parametrize("name", _FILES)
def test_a_file_that_is_gone_is_missed(name: str) -> None:
    """Each file that a client needs is asked for, and the rest is checked all the same."""
    repo = rotated_repo()
    del repo.files[name]
    assert codes_of(repo) == {Code.MISSING_FILE}


@pytest.mark.parametrize("name", ["3.root.json", *_FILES])
@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_file_that_is_cut_is_noticed(name: str, keep: int) -> None:
    """Truncation leaves no JSON behind."""
    repo = rotated_repo()
    repo.files[name] = repo.files[name][:keep]
    assert Code.MALFORMED_JSON in codes_of(repo)


@pytest.mark.parametrize("name", ["3.root.json", *_FILES])
def test_a_file_in_the_place_of_another_is_noticed(name: str) -> None:
    """Every file is replaced by every other one, and each time something is wrong.

    Where the same key signs targets and bins, only a hash in snapshot (or the state) tells one from the other.
    """
    for other in [*_FILES, "1.root.json", "3.root.json"]:
        alike = {name, other} > {"1.targets.json"} and "bins" in name + other
        repo = rotated_repo()
        repo.list_facts = alike
        repo.resettle()
        repo.files[name] = repo.files[other]
        expected = {Code.VERSION_MISMATCH, Code.WRONG_TYPE, Code.WRONG_BIN, Code.SIGNATURE_MISSING}
        assert other == name or codes_of(repo) & ({Code.HASH_MISMATCH} if alike else expected), other


@pytest.mark.parametrize("role", ["targets", "bins-1"])
def test_an_older_version_under_a_new_name_is_noticed(role: str) -> None:
    """Replaying a properly signed older file under the new version's name is a version mismatch."""
    repo = rotated_repo()
    old = repo.files[repo.name_of(role)]
    repo.put(role, Targets.from_dict(repo.load(role)["signed"]), repo.signers[role])
    repo.release()
    assert codes_of(repo) == set()
    repo.files[repo.name_of(role)] = old
    assert codes_of(repo) == {Code.VERSION_MISMATCH}


def test_an_older_snapshot_under_a_new_name_is_noticed() -> None:
    """Replaying snapshot breaks version, length or hash as timestamp names them."""
    repo = rotated_repo()
    old = repo.files["1.snapshot.json"]
    repo.put("bins-0", Targets.from_dict(repo.load("bins-0")["signed"]), repo.signers["bins-0"])
    repo.release()
    repo.files["2.snapshot.json"] = old
    assert {Code.VERSION_MISMATCH, Code.HASH_MISMATCH} <= codes_of(repo)


def test_a_damaged_snapshot_is_bridged_by_what_the_state_knows() -> None:
    """With the state's knowledge the roles are still found and checked when timestamp and snapshot are gone."""
    repo = rotated_repo()
    known = Known(snapshot=1, roles=dict.fromkeys(("targets", *(f"bins-{n}" for n in range(4))), 1))
    del repo.files["timestamp.json"]
    repo.files["1.snapshot.json"] = b"{"
    repo.edit("bins-3", lambda signed: signed.update(expires="2029-01-01T00:00:00Z"))
    audit, readings = audited(repo, known=known)
    assert len(readings) == 5
    assert [finding.code for finding in audit.findings.problems] == [
        Code.MISSING_FILE,
        Code.MALFORMED_JSON,
        Code.EXPIRED,
    ]


def test_a_missing_root_in_the_middle_is_found_by_looking_further() -> None:
    """A hole in the chain strands clients before it, even though the newest root is there."""
    repo = rotated_repo()
    del repo.files["2.root.json"]
    audit, _ = audited(repo)
    assert audit.roots is not None
    assert audit.roots.version == 3
    assert [(finding.code, finding.role) for finding in audit.findings.problems] == [(Code.MISSING_FILE, "root")]


def test_a_missing_newest_root_is_found_when_it_is_known() -> None:
    """A root that the state knows of and that is gone is missed, however far it is."""
    repo = rotated_repo()
    for _ in range(6):
        repo.rotate_root()
    for version in range(3, 10):
        del repo.files[f"{version}.root.json"]
    assert codes_of(repo) == set()
    assert codes_of(repo, known=Known(root=9, roles={"targets": 1}, names=names_of(repo))) == {Code.MISSING_FILE}


def test_another_root_than_the_trusted_one_is_noticed() -> None:
    """A storage whose first root is not the one that clients hold is not theirs."""
    repo = rotated_repo()
    assert Code.ROOT_DIFFERS in codes_of(repo, trusted=flat(root=Keys("stranger")).trusted)


def test_what_is_no_root_cannot_be_trusted() -> None:
    """The caller must hand in a root; everything else is refused before anything is read."""
    repo = rotated_repo()
    for data in (b"", b"{}", repo.files["timestamp.json"], repo.trusted[:-1]):
        with pytest.raises(InvalidMetadata, match="the trusted root"):
            audited(repo, trusted=data or b" ")
