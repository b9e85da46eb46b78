"""`verify` as a whole: contents, the stock client, what it says of clients, progress, and what it never does."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from tests.support.tuf_repo import NOW, Delegation, Keys, Repo, classic, flat, signer, succinct
from tuf.api.metadata import Targets
from tuf.ngclient.updater import Updater

import rstuf.metadata.audit
from rstuf.errors import FileMissing, InvalidMetadata, InvalidPath, StorageError
from rstuf.metadata.audit.clients import Size, Survey, judge
from rstuf.metadata.audit.findings import Code
from rstuf.repository.reports import VerifyReport
from rstuf.repository.verify import Depth, every_code, verify

_ARTIFACTS = {f"files/{number}.bin": b"%d" % number for number in range(24)}


def _verify(repo: Any, **options: Any) -> VerifyReport:
    options.setdefault("trusted_root", getattr(repo, "trusted", b""))
    options.setdefault("now", NOW)
    return verify(repo, **options)


def _codes(report: VerifyReport) -> list[str]:
    return [problem.code for problem in report.problems]


# --- depth and contents ----------------------------------------------------------------------------------


def test_each_depth_does_more_than_the_one_before() -> None:
    """Roles with a sample; lengths, and contents too; then the client in every role, empty ones included."""
    repo = succinct(bits=4, artifacts=_ARTIFACTS)
    roles, lengths, contents, full = (_verify(repo, contents=repo, depth=depth).checked for depth in Depth)
    assert roles["roles"] == contents["roles"] == full["roles"] == 17
    assert "contents" not in roles
    assert lengths == {**roles, "content_lengths": 24}
    assert contents["contents"] == full["contents"] == 24
    assert roles["client_downloads"] == 0
    assert contents["client_downloads"] > 0
    assert full["client_artifacts"] == 16
    assert roles == {"roots": 1, "roles": 17, "artifacts": 24, "client_artifacts": roles["client_artifacts"],
                     "client_downloads": 0}  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda content: content[:-1], "content-mismatch"),
        (lambda content: content + b"x", "content-mismatch"),
        (lambda content: b"x" * len(content), "content-mismatch"),
        (lambda content: None, "content-missing"),
    ],
)
@pytest.mark.parametrize("readers", [1, 3])
def test_a_wrong_content_is_found_by_its_path(damage: Any, code: str, readers: int) -> None:
    """Shortened, lengthened, changed or missing contents are each found, and only when contents are wanted."""
    repo = succinct(bits=1, artifacts={**_ARTIFACTS, "files/large": b"y" * 9_000_000}, algorithms=["sha256", "sha512"])
    for path in ("files/7.bin", "files/large"):
        name = next(name for name in repo.contents if name.endswith(path.removeprefix("files")[1:]) and len(name) > 120)
        changed = damage(repo.contents.pop(name))
        if changed is not None:
            repo.contents[name] = changed
    report = _verify(repo, contents=repo, depth=Depth.CONTENTS, readers=readers)
    own = {(problem.code, problem.path) for problem in report.problems if not problem.code.startswith("client-")}
    assert own == {(code, "files/7.bin"), (code, "files/large")}
    assert report.checked["contents"] == 25
    assert _verify(repo, contents=repo).ok


class _Streams:
    """Contents that come as over a wire: what was read is gone."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    @contextmanager
    def open(self, path: str, hashes: Mapping[str, str]) -> Iterator[BinaryIO]:
        with self._repo.open(path, hashes) as file:
            file.seekable = lambda: False  # type: ignore[method-assign]
            yield file


@pytest.mark.parametrize("over_a_wire", [False, True])
def test_lengths_are_compared_without_reading(*, over_a_wire: bool) -> None:
    """What is missing, longer or shorter is found; what has its length is not looked into."""
    repo = flat({"a": b"1234", "b": b"1234", "c": b"1234", "d": b"1234"})
    names = dict(zip("abcd", sorted(repo.contents, key=lambda name: name[-1]), strict=True))
    repo.contents |= {names["a"]: b"12345", names["b"]: b"123", names["c"]: b"5678"}
    del repo.contents[names["d"]]
    report = _verify(repo, contents=_Streams(repo) if over_a_wire else repo, depth=Depth.LENGTHS)
    found = [(problem.path, problem.code) for problem in report.problems]
    assert found == [("a", "content-mismatch"), ("b", "content-mismatch"), ("d", "content-missing")]


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_length_that_is_not_the_contents_is_found(difference: int) -> None:
    """The right bytes under the right hash, and yet another length than the metadata says."""
    repo = flat({"a": b"1234"})
    repo.edit("targets", lambda signed: signed["targets"]["a"].update(length=4 + difference))
    report = _verify(repo, contents=repo, depth=Depth.CONTENTS)
    assert "content-mismatch" in _codes(report)


def test_contents_that_are_kept_elsewhere_are_a_note() -> None:
    """Without a place to read contents from, that they were not looked at is said."""
    report = _verify(flat(_ARTIFACTS), depth=Depth.FULL)
    assert report.ok
    assert [note["code"] for note in report.facts["notes"]] == ["contents-not-checked"]


class _BadContents:
    """A content source that fails in one way or another."""

    def __init__(self, error: Exception, *, late: bool) -> None:
        self.error, self.late = error, late

    @contextmanager
    def open(self, path: str, hashes: Mapping[str, str]) -> Iterator[BinaryIO]:
        if not self.late:
            raise self.error
        failing = io.BytesIO()
        failing.read = self._fail  # type: ignore[method-assign, assignment]
        yield failing

    def _fail(self, size: int | None = -1) -> bytes:
        raise self.error


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileMissing("x"), "content-missing"),
        (StorageError("read", "x", "bad sector"), "unreadable"),
        (OSError(5, "input/output error"), "unreadable"),
        (InvalidPath("x", "its segment is too long"), "content-missing"),
    ],
)
def test_contents_that_cannot_be_read_are_problems(error: Exception, code: str, *, late: bool) -> None:
    """Whatever the storage says, at once or while it is read, it is a problem of that artifact.

    The client tells it too, unless it is that nothing is there, and in names that others know.
    """
    report = _verify(flat({"a": b"1", "b": b"2"}), contents=_BadContents(error, late=late), depth=Depth.CONTENTS)
    own = [problem.code for problem in report.problems if problem.code != "client-refuses"]
    assert own == [code, code]
    assert ("client-refuses" in _codes(report)) is not isinstance(error, FileMissing)
    assert not [problem for problem in report.problems if ".invalid" in problem.message]
    assert report.facts["clients"]["python-tuf"]["ok"] is False


def test_a_content_storage_that_is_gone_is_an_error() -> None:
    """When no content can be read any more, that is what is said."""
    source = _BadContents(StorageError("read", "x", "no route to host"), late=False)
    with pytest.raises(StorageError, match="no route"):
        _verify(flat(_ARTIFACTS), contents=source, depth=Depth.CONTENTS)


# --- the stock client ------------------------------------------------------------------------------------


def test_what_only_the_client_sees_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that finds something else, nothing, or fails is a problem even if the audit is content."""
    repo = succinct(bits=1, artifacts=_ARTIFACTS)
    original = Updater.get_targetinfo

    def other(self: Updater, target_path: str) -> Any:
        found = original(self, target_path)
        if found is not None:
            found.length += 1
        return found

    def fails(self: Updater, target_path: str) -> Any:
        raise ValueError("no such luck")

    for replacement, codes in (
        (other, {"client-disagrees"}),
        (lambda self, path: None, {"client-disagrees"}),
        (fails, {"client-refuses"}),
    ):
        monkeypatch.setattr(Updater, "get_targetinfo", replacement)
        report = _verify(repo, depth=Depth.FULL)
        assert set(_codes(report)) == codes
        assert not report.facts["clients"]["python-tuf"]["ok"]


def test_a_client_that_cannot_refresh_says_why() -> None:
    """An expired timestamp stops the client; its own words are in the report beside the audit's."""
    report = _verify(succinct(bits=1), now=NOW + timedelta(days=31))
    assert "client-refuses" in _codes(report)
    assert any("expired" in problem.message for problem in report.problems if problem.code == "client-refuses")


def test_the_clients_time_is_the_one_that_is_given() -> None:
    """A repository of another century is judged by the given instant, by the client too."""
    repo = succinct(bits=1, artifacts=_ARTIFACTS)
    for role in ("root", "timestamp", "snapshot", "targets", "bins-0", "bins-1"):
        repo.edit(role, lambda signed: signed.update(expires="2001-01-02T00:00:00Z"))
    repo.resettle()
    instant = datetime(2001, 1, 1, tzinfo=NOW.tzinfo)
    report = _verify(repo, now=instant, trusted_root=repo.files["1.root.json"])
    assert report.ok
    assert report.checked["client_artifacts"] > 0


def test_the_client_begins_again_before_it_holds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new session every so many bytes gives the same answers."""
    monkeypatch.setattr("rstuf.repository.verify_client._SESSION_BYTES", 4000)
    repo = succinct(bits=5, artifacts=_ARTIFACTS)
    began = 0
    original = Updater.refresh

    def counting(self: Updater) -> None:
        nonlocal began
        began += 1
        original(self)

    monkeypatch.setattr(Updater, "refresh", counting)
    report = _verify(repo, depth=Depth.FULL)
    assert report.ok
    assert report.checked["client_artifacts"] == 32
    assert began > 3


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client kept is gone afterwards, also when it failed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    repo = succinct(bits=1, artifacts=_ARTIFACTS)
    _verify(repo, contents=repo, depth=Depth.FULL)
    repo.files["1.bins-0.json"] = b""
    _verify(repo, contents=repo, depth=Depth.FULL)
    assert list(tmp_path.iterdir()) == []


# --- facts -----------------------------------------------------------------------------------------------


def test_facts_say_what_a_face_shows() -> None:
    """Versions, expiry, sizes and counts, as plain data."""
    repo = succinct(bits=2, artifacts=_ARTIFACTS)
    repo.rotate_root()
    facts = _verify(repo).facts
    assert facts["roots"] == {"trusted": 1, "newest": 2}
    assert facts["versions"] == {"timestamp": 1, "snapshot": 1}
    assert facts["expires"]["timestamp"] == "2030-01-31T00:00:00Z"
    assert facts["soonest_expiry"] == {"role": "timestamp", "expires": "2030-01-31T00:00:00Z"}
    assert (facts["bins"], facts["delegated"]) == (4, 4)
    assert facts["sizes"]["snapshot"] == len(repo.files["1.snapshot.json"])
    assert facts["sizes"]["largest_role"] == max(len(repo.files[f"1.bins-{n}.json"]) for n in range(4))
    assert facts["moved_on"] is False
    assert facts["not_compact"] == 0
    assert _verify(succinct(bits=2, style="indented")).facts["not_compact"] == 5


def test_a_publication_meanwhile_is_said() -> None:
    """When timestamp changes while it is read, the report says so: what looks wrong may be only that."""

    class Moving(Repo):
        reads = 0

        def read(self, name: str, *, limit: int) -> bytes:
            self.reads += name == "timestamp.json"
            if self.reads == 2:
                self.release()
            return super().read(name, limit=limit)

    repo = Moving()
    repo.put("targets", Targets(), repo.online.signers)
    repo.release()
    report = _verify(repo)
    assert report.facts["moved_on"] is True
    assert [note["code"] for note in report.facts["notes"]] == ["moved-on"]


def test_clients_are_judged_by_what_the_repository_needs() -> None:
    """Each kind of delegation, key and hash costs the clients that do not have it."""

    def refused(repo: Repo) -> set[str]:
        return {name for name, verdict in _verify(repo).facts["clients"].items() if not verdict["ok"]}

    flat_only = {"sigstore-java", "tuf-browser", "rust-tuf"}
    assert refused(flat(_ARTIFACTS)) == set()
    assert refused(succinct(bits=2)) == {"tough", "php-tuf", *flat_only}
    prefixed = [Delegation(f"h{n}", prefixes=[f"{n:x}"]) for n in range(16)]
    assert refused(classic(prefixed)) == {"go-tuf", *flat_only}
    assert refused(classic([Delegation("a", paths=["a/*"])])) == flat_only
    assert refused(flat(online=Keys("p256"))) == {"php-tuf"}


@pytest.mark.parametrize(
    ("survey", "client", "reason"),
    [
        (Survey(succinct=True, bins=16384), "tuf-js", "16384 bins: about 169 s a refresh"),
        (Survey(succinct=True, bins=2048), "tuf-js", None),
        (Survey(most_artifacts=6000), "tuf-js", "6000 artifacts in one role"),
        (Survey(schemes=frozenset({"ecdsa-sha2-nistp384"})), "tuf-js", "ecdsa-sha2-nistp384"),
        (Survey(schemes=frozenset({"ml-dsa-65/1"})), "tuf-js", "ml-dsa-65/1"),
        (Survey(blake2b_beside=True), "tuf-js", "blake2b-256 beside"),
        (Survey(blake2b_beside=True), "go-tuf", "blake2b-256 beside"),
        (Survey(blake2b_beside=True), "tough", None),
        (Survey(blake2b_alone=True), "tough", "blake2b-256"),
        (Survey(blake2b_alone=True), "python-tuf", None),
        (Survey(snapshot=Size(2_000_001)), "python-tuf", "snapshot has 2000001 bytes"),
        (Survey(snapshot=Size(2_000_001, named=True)), "python-tuf", None),
        (Survey(snapshot=Size(1_500_000)), "tough", "snapshot has 1500000 bytes"),
        (Survey(largest=Size(5_000_001), largest_role="bins-7"), "go-tuf", "bins-7 has 5000001 bytes"),
        (Survey(targets=Size(700, named=True), largest=Size(800), largest_role="a"), "tough", "caps every role, and a"),
        (Survey(root=Size(100_001)), "php-tuf", "root has 100001 bytes"),
        (Survey(foreign_key_fields=True), "php-tuf", "key object"),
        (Survey(lost_role="7"), "tuf-js", "the name of the role 7"),
        (Survey(lost_order="bins-0"), "tuf-js", "some letters of bins-0"),
        (Survey(lost_paths=3), "tuf-js", "3 paths"),
        (Survey(lost_paths=3, lost_order="bins-0", lost_role="7"), "go-tuf", None),
        (Survey(root=Size(101_377)), "rust-tuf", "root has 101377 bytes"),
    ],
)
def test_the_table_of_clients(survey: Survey, client: str, reason: str | None) -> None:
    """Each measured limit of a client gives its verdict, with the reason in words."""
    verdict = judge(survey)[client]
    assert verdict["ok"] is (reason is None)
    assert (reason or "") in str(verdict["reason"] or "")


class _Recorder:
    """Remembers what progress is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None, str]] = []
        self.amounts: list[int] = []
        self.open = 0

    def begin(self, step: str, *, total: int | None = None, unit: str = "") -> None:
        self.steps.append((step, total, unit))
        self.amounts.append(0)
        self.open += 1

    def advance(self, amount: int = 1) -> None:
        self.amounts[-1] += amount

    def end(self) -> None:
        self.open -= 1


def test_progress_adds_up() -> None:
    """Steps follow each other, end, and count to what they announced."""
    repo = succinct(bits=3, artifacts=_ARTIFACTS)
    recorder = _Recorder()
    _verify(repo, progress=recorder, depth=Depth.FULL)
    assert recorder.steps == [("roles", 9, "roles"), ("client", 9, "artifacts")]
    assert recorder.amounts == [9, 9]
    assert recorder.open == 0
    recorder = _Recorder()
    _verify(repo, contents=repo, progress=recorder, depth=Depth.CONTENTS)
    assert recorder.steps[0] == ("contents", None, "bytes")
    assert recorder.amounts[0] == sum(map(len, _ARTIFACTS.values()))


# --- what it refuses and never does ----------------------------------------------------------------------


def test_naive_instants_and_false_roots_are_refused() -> None:
    """The caller's own mistakes are errors and not reports."""
    repo = flat()
    with pytest.raises(ValueError, match="aware"):
        _verify(repo, now=NOW.replace(tzinfo=None))
    with pytest.raises(InvalidMetadata):
        _verify(repo, trusted_root=b"not a root")


def test_an_empty_place_is_a_report() -> None:
    """Where nothing is published, that is what is found."""
    empty = Repo()
    empty.files.clear()
    report = verify(empty, trusted_root=Repo().trusted, now=NOW)
    assert _codes(report) == ["missing-file"]


def test_every_code_is_a_word() -> None:
    """Codes are stable words of lower-case letters, each used once."""
    codes = every_code()
    assert len(set(codes)) == len(codes) == len(Code)
    assert all(code.replace("-", "").isalpha() and code.islower() for code in codes)


def test_the_audit_shares_no_code_with_the_writer() -> None:
    """No module of the audit imports, even indirectly within rstuf, anything that writes metadata."""
    allowed = {"rstuf.errors", "rstuf.model", "rstuf.progress", "rstuf.clock"}
    for file in Path(rstuf.metadata.audit.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in (name for name in names if name.startswith("rstuf")):
                assert name.startswith("rstuf.metadata.audit") or name in allowed, f"{file.name} imports {name}"


def test_importing_it_loads_no_client() -> None:
    """tuf and httpx are loaded when they are needed and not before."""
    code = (
        "import sys, rstuf.repository.verify, rstuf.storage.web;"
        "sys.exit(any(name in sys.modules for name in ('tuf', 'httpx', 'securesystemslib', 'cryptography')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_key_used_online_only_is_not_asked_of_root() -> None:
    """Signers of root and of the rest are apart: one stranger's signature is no threshold."""
    repo = succinct(bits=1)
    repo.rotate_root()
    repo.edit("root", lambda signed: signed, signers=[signer("online")])
    assert "signature-missing" in _codes(_verify(repo))
