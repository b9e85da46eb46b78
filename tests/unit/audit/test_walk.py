"""The walk over whole repositories: clean ones have no problem, and nothing that a storage gives ends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.audits import ARTIFACTS, audited, codes_of, notes_of, rotated_repo
from tests.support.tuf_repo import NOW, Delegation, Keys, Repo, classic, flat, signer, succinct
from tuf.api.metadata import MetaFile

from rstuf.errors import FileMissing, StorageError
from rstuf.metadata.audit.findings import MAX_OF_A_KIND, Code, Findings, Note

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
        (succinct(bits=3, artifacts={**ARTIFACTS, "ünï/cödé": b""}, **options), 25),
        (succinct(bits=1, custom={"a": "\n", "b": [1]}, artifacts=ARTIFACTS, **options), 24),
        (classic([team, binned], artifacts={"top": b"t"}, **options), 5),
        (classic(halves, **options), 0),
        (flat(ARTIFACTS, style=style), 24),
    ):
        audit, readings = audited(repo)
        assert audit.findings.problems == []
        assert sum(len(reading.targets) for reading in readings) == artifacts


def test_a_chain_of_roots_is_followed_from_any_of_them() -> None:
    """Trust may begin at any version; older ones that are kept are checked too."""
    repo = rotated_repo()
    for version in (1, 2, 3):
        audit, _ = audited(repo, trusted=repo.files[f"{version}.root.json"])
        assert audit.findings.problems == []
        assert audit.roots is not None
        assert (audit.roots.trusted, audit.roots.version, audit.roots.checked) == (version, 3, 3)


def test_roots_that_are_not_kept_are_a_note() -> None:
    """A repository may begin at a later root; those before it are missed by nobody who trusts that one."""
    repo = rotated_repo()
    newest = repo.files["3.root.json"]
    del repo.files["1.root.json"], repo.files["2.root.json"]
    assert codes_of(repo, trusted=newest) == set()
    assert notes_of(repo, trusted=newest) == {Note.ROOT_ABSENT}


def test_signatures_of_a_rotation_are_no_problem() -> None:
    """While keys change hands files carry signatures by the key that goes and the one that comes."""
    repo = succinct(artifacts=ARTIFACTS)
    repo.edit("timestamp", lambda signed: signed, signers=[signer("online"), signer("next")])
    assert codes_of(repo) == set()
    assert notes_of(repo) == {Note.FOREIGN_SIGNATURE}


def test_a_role_delegated_by_two_is_judged_by_the_keys_of_both() -> None:
    """Two ways to one role need two agreements on who signs it."""
    shared = Delegation("shared", paths=["s/*"], artifacts={"s/1": b"1"}, keys=Keys("one"))
    repo = classic(
        [Delegation("a", paths=["s/*"], children=[shared]), Delegation("b", paths=["s/*"], children=[shared])]
    )
    assert codes_of(repo) == set()
    other = Delegation("shared", paths=["s/*"], artifacts={"s/1": b"1"}, keys=Keys("two"))
    repo = classic(
        [Delegation("a", paths=["s/*"], children=[shared]), Delegation("b", paths=["s/*"], children=[other])]
    )
    assert codes_of(repo) == {Code.SIGNATURE_MISSING}


def test_retired_bins_are_a_note_and_need_no_file() -> None:
    """After a resize the old names stay in snapshot; nobody reads them."""
    repo = succinct(bits=2, artifacts=ARTIFACTS)
    repo.snapshot_extra = {"bins-00.json": MetaFile(9)}
    repo.release()
    audit, _ = audited(repo)
    assert audit.findings.problems == []
    assert [note.code for note in audit.findings.notes] == [Note.RETIRED_ROLE]


def test_the_online_key_in_root_is_a_note() -> None:
    """Sharing a key between root and timestamp is allowed, and said."""
    assert notes_of(flat(root=Keys("online"))) == {Note.SHARED_KEY}


# --- sizes -----------------------------------------------------------------------------------------------


def test_sizes_beyond_what_clients_read_are_problems() -> None:
    """Each role has its limit; a length that the parent names lifts it, as it does for clients."""
    padding = {"padding": "x" * 20_000}
    repo = succinct()
    repo.edit("timestamp", lambda signed: signed.update(padding))
    assert codes_of(repo) == {Code.OVERSIZE}
    repo = succinct()
    repo.edit("snapshot", lambda signed: signed.update(padding="x" * 2_000_000))
    repo.resettle()
    assert codes_of(repo) == set()
    repo.edit("timestamp", lambda signed: signed["meta"].update({"snapshot.json": {"version": 1}}))
    assert codes_of(repo) == {Code.OVERSIZE}
    repo = succinct()
    repo.edit("root", lambda signed: signed.update(padding="x" * 512_000))
    repo.rotate_root()
    assert codes_of(repo) == set()  # the trusted root is at hand, whatever its size
    repo.edit("root", lambda signed: signed.update(padding="x" * 512_000))
    assert codes_of(repo) == {Code.OVERSIZE}


def test_a_bin_beyond_every_limit_is_not_read_to_its_end() -> None:
    """What is longer than anyone reads is a problem of that file alone."""
    repo = succinct(bits=1, artifacts=ARTIFACTS)
    repo.files["1.bins-1.json"] += b" " * 9_000_000
    audit, readings = audited(repo)
    assert [(finding.code, finding.role) for finding in audit.findings.problems] == [(Code.OVERSIZE, "bins-1")]
    assert len(readings) == 2


# --- findings, storage, order ----------------------------------------------------------------------------


def test_many_faults_of_a_kind_do_not_hide_others() -> None:
    """Of each kind some are kept, all are counted, and the walk goes to the end."""
    repo = succinct(bits=6, artifacts=ARTIFACTS)
    for number in range(64):
        repo.edit(f"bins-{number:02x}", lambda signed: signed.update(expires="2020-01-01T00:00:00Z"))
    del repo.files["1.bins-3f.json"]
    findings = audited(repo)[0].findings
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
    repo = succinct(bits=3, artifacts=ARTIFACTS)
    flaky = _Flaky(repo, lambda name: name == "1.bins-5.json")
    audit, readings = audited(flaky, trusted=repo.trusted, readers=readers)
    assert [(finding.code, finding.role) for finding in audit.findings.problems] == [(Code.UNREADABLE, "bins-5")]
    assert [reading.name for reading in readings] == ["targets", *(f"bins-{n}" for n in range(8) if n != 5)]


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("prefix", ["", "1.bins"])
def test_a_storage_that_is_gone_is_an_error(prefix: str, readers: int) -> None:
    """When nothing can be read any more, that is what is said, and not a thousand problems."""
    repo = succinct(bits=6)
    flaky = _Flaky(repo, lambda name: name.startswith(prefix))
    with pytest.raises(StorageError, match="input/output"):
        audited(flaky, trusted=repo.trusted, readers=readers)


def test_a_server_that_answers_everything_does_not_hold_the_walk() -> None:
    """A server that sends a page of its own for every name has no endless chain of roots."""

    class Chatty(_Flaky):
        def read(self, name: str, *, limit: int) -> bytes:
            try:
                return super().read(name, limit=limit)
            except FileMissing:
                return b"<html>not here</html>"

    repo = succinct(bits=1)
    assert Code.MALFORMED_JSON in codes_of(Chatty(repo, lambda _: False), trusted=repo.trusted)


def test_expiry_is_judged_by_the_time_that_is_given() -> None:
    """The same repository is fresh at one time and expired at another."""
    repo = succinct(bits=1)
    assert codes_of(repo, now=NOW + timedelta(days=29)) == set()
    assert codes_of(repo, now=NOW + timedelta(days=30)) == {Code.EXPIRED}
