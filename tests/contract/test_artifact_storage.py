"""What every artifact storage guarantees."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.storages import ARTIFACTS, Artifacts

from rstuf.errors import FileMissing, InvalidArtifact, InvalidInput, InvalidPath, NameTaken, StorageError
from rstuf.model.names import TargetPath, target_path

A = target_path("a.txt")
DEEP = target_path("dists/stable/é ü.bin")
BOTH = ("sha256", "sha512")


@pytest.fixture(params=sorted(ARTIFACTS))
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    """An empty storage of each kind."""
    made = ARTIFACTS[request.param](tmp_path / "targets")
    made.storage.prepare()
    return made


class Drip(io.RawIOBase):
    """A source that gives a few bytes at a time, of the kind and in the number that it likes."""

    def __init__(self, data: bytes, *, failing: bool = False) -> None:
        super().__init__()
        self.data, self.failing, self.step = data, failing, 1

    def read(self, size: int = -1) -> bytes:
        self.step = self.step % 7 + 1
        piece, self.data = self.data[: self.step], self.data[self.step :]
        if self.failing and not self.data:
            raise OSError(5, "the medium is worn")
        return piece


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha512(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()


def ignore(_: int) -> None:
    return


def keep(artifacts: Artifacts, contents: dict[TargetPath, bytes], **options: Any) -> dict[TargetPath, Any]:
    with artifacts.storage.batch(**options) as batch:
        received = {path: batch.receive(path, io.BytesIO(data), ignore) for path, data in contents.items()}
        batch.commit()
    return received


@pytest.mark.parametrize("algorithms", [("sha256",), ("sha256", "sha512")])
def test_a_commit_tells_of_every_name(artifacts: Artifacts, algorithms: tuple[str, ...]) -> None:
    """Those that were there are none of them; it gives as many as it said beforehand."""
    contents = {A: b"a", DEEP: b"deep"}
    for expected in (2, 1):
        told: list[int] = []
        with artifacts.storage.batch(algorithms) as batch:
            for path, data in list(contents.items()):
                batch.receive(path, io.BytesIO(data), ignore)
            assert len(batch) == expected * len(algorithms)
            batch.commit(told.append)
        assert sum(told) == expected * len(algorithms)
        contents[target_path("new")] = b"new"


def test_a_content_lies_under_its_hash(artifacts: Artifacts) -> None:
    """A content has the name that TUF §7.2 gives it, in the directories of its path."""
    keep(artifacts, {A: b"a", DEEP: b"deep"})
    assert artifacts.visible() == {
        f"{sha256(b'a')}.a.txt": b"a",
        f"dists/stable/{sha256(b'deep')}.é ü.bin": b"deep",
    }


def test_what_was_received_is_described(artifacts: Artifacts) -> None:
    """Length and digests are those of the bytes that are kept, the hashes in the order that was asked for."""
    data = bytes(range(256)) * 5000
    received = keep(artifacts, {A: data}, algorithms=("sha512", "sha256"))[A]
    assert received.length == len(data)
    assert list(received.hashes.items()) == [("sha512", sha512(data)), ("sha256", sha256(data))]


def test_blake2b_has_the_digest_that_clients_compute(artifacts: Artifacts) -> None:
    """blake2b-256 is BLAKE2b with a digest of 32 bytes."""
    received = keep(artifacts, {A: b"abc"}, algorithms=("blake2b-256",))[A]
    digest = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
    assert received.hashes == {"blake2b-256": digest}
    assert artifacts.visible() == {f"{digest}.a.txt": b"abc"}


def test_a_content_lies_under_each_of_its_hashes(artifacts: Artifacts) -> None:
    """Clients differ in which listed hash they ask for, so each of them leads to the content."""
    received = keep(artifacts, {DEEP: b"x"}, algorithms=BOTH)[DEEP]
    assert artifacts.visible() == {
        f"dists/stable/{sha256(b'x')}.é ü.bin": b"x",
        f"dists/stable/{sha512(b'x')}.é ü.bin": b"x",
    }
    assert artifacts.storage.exists(DEEP, received.hashes)


def test_progress_is_told_every_byte(artifacts: Artifacts) -> None:
    """What progress is told adds up to the length."""
    told: list[int] = []
    with artifacts.storage.batch() as batch:
        batch.receive(A, io.BytesIO(bytes(1_000_000)), told.append)
    assert sum(told) == 1_000_000
    assert len(told) > 1


def test_short_reads_are_no_end(artifacts: Artifacts) -> None:
    """A source that gives a few bytes at a time is read to its end."""
    data = bytes(range(256)) * 3
    with artifacts.storage.batch() as batch:
        assert batch.receive(A, Drip(data), ignore).hashes == {"sha256": sha256(data)}
        batch.commit()
    assert artifacts.visible() == {f"{sha256(data)}.a.txt": data}


def test_nothing_is_visible_before_the_commit(artifacts: Artifacts) -> None:
    """A received content cannot be fetched until its batch is committed."""
    with artifacts.storage.batch() as batch:
        content = batch.receive(A, io.BytesIO(b"a"), ignore)
        assert artifacts.visible() == {}
        assert not artifacts.storage.exists(A, content.hashes)
        batch.commit()
        assert artifacts.storage.exists(A, content.hashes)


def test_leaving_without_commit_leaves_nothing(artifacts: Artifacts) -> None:
    """A batch that is left, quietly or by an error, was never there."""
    with artifacts.storage.batch() as batch:
        batch.receive(DEEP, io.BytesIO(b"a"), ignore)
    with suppress(ZeroDivisionError), artifacts.storage.batch() as batch:
        batch.receive(DEEP, io.BytesIO(b"a"), ignore)
        raise ZeroDivisionError
    assert artifacts.visible() == {}


def test_a_kept_content_is_opened(artifacts: Artifacts) -> None:
    """The bytes of a kept content are read back, from the start, in pieces."""
    hashes = keep(artifacts, {DEEP: b"content"})[DEEP].hashes
    with artifacts.storage.open(DEEP, hashes) as file:
        assert (file.read(3), file.read(), file.read()) == (b"con", b"tent", b"")


def test_the_first_hash_is_the_one_that_opens(artifacts: Artifacts) -> None:
    """A content is opened under its first hash in the metadata's order, as python-tuf asks for it."""
    artifacts.put(f"{sha512(b'x')}.a.txt", b"by sha512")
    hashes = {"sha512": sha512(b"x"), "sha256": sha256(b"x")}
    with artifacts.storage.open(A, hashes) as file:
        assert file.read() == b"by sha512"
    with pytest.raises(FileMissing):
        artifacts.storage.open(A, dict(reversed(hashes.items())))


@pytest.mark.parametrize("path", ["a.txt", "x/y/z.txt", f"x/{'y' * 190}"])
def test_what_is_not_kept_says_so(artifacts: Artifacts, path: str) -> None:
    """An unknown content is missing, whether or not its directories are there or its name could be."""
    hashes = {"sha512": sha512(b"unknown")}
    keep(artifacts, {target_path("x/other"): b"unknown"})
    assert not artifacts.storage.exists(target_path(path), hashes)
    with pytest.raises(FileMissing) as caught:
        artifacts.storage.open(target_path(path), hashes)
    assert caught.value.name == path


def test_a_content_is_kept_only_with_all_its_names(artifacts: Artifacts) -> None:
    """A content that lacks one of its names counts as not kept, and keeping it again adds the name."""
    keep(artifacts, {A: b"a"})
    both = {"sha256": sha256(b"a"), "sha512": sha512(b"a")}
    assert not artifacts.storage.exists(A, both)
    keep(artifacts, {A: b"a"}, algorithms=BOTH)
    assert artifacts.storage.exists(A, both)


def test_the_path_is_part_of_the_name(artifacts: Artifacts) -> None:
    """The same content under another path is another file."""
    hashes = keep(artifacts, {A: b"a"})[A].hashes
    assert not artifacts.storage.exists(target_path("b.txt"), hashes)
    assert not artifacts.storage.exists(target_path("x/a.txt"), hashes)


def test_every_content_of_a_path_counts(artifacts: Artifacts) -> None:
    """A path that is received twice has both contents: each lies under its own hash. Equal ones are one."""
    with artifacts.storage.batch() as batch:
        for data in (b"first", b"second", b"first"):
            batch.receive(A, io.BytesIO(data), ignore)
        batch.commit()
    assert artifacts.visible() == {f"{sha256(data)}.a.txt": data for data in (b"first", b"second")}


def test_contents_are_received_side_by_side(artifacts: Artifacts) -> None:
    """Several threads may hand in contents at once: known, damaged and new ones, and some that cannot be read."""
    contents = {target_path(f"d{index % 7}/f{index}"): b"%d" % index * 5000 for index in range(120)}
    for index, (path, data) in enumerate(contents.items()):
        if index % 3:
            directories, _, last = path.rpartition("/")
            artifacts.put(f"{directories}/{sha256(data)}.{last}", data if index % 3 == 1 else b"damage")

    def receive(path: TargetPath) -> str:
        if path.endswith("5"):
            with pytest.raises(StorageError):
                batch.receive(path, Drip(b"cut short", failing=True), ignore)
        return batch.receive(path, io.BytesIO(contents[path]), ignore).hashes["sha256"]

    with artifacts.storage.batch() as batch:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(receive, contents)) == [sha256(data) for data in contents.values()]
        assert len(batch) == 80
        batch.commit()
    assert sorted(artifacts.visible().values()) == sorted(contents.values())


def test_equal_contents_may_come_again(artifacts: Artifacts) -> None:
    """A content that is there already stays, beside what is new."""
    keep(artifacts, {A: b"a"})
    keep(artifacts, {A: b"a", DEEP: b"deep"})
    assert set(artifacts.visible().values()) == {b"a", b"deep"}


def test_a_name_is_written_once(artifacts: Artifacts) -> None:
    """Other bytes that came under a content's name meanwhile are not overwritten, and nothing of the batch appears."""
    name = f"dists/stable/{sha256(b'deep')}.é ü.bin"
    with artifacts.storage.batch() as batch:
        for path, data in {A: b"a", DEEP: b"deep", target_path("z/z"): b"z"}.items():
            batch.receive(path, io.BytesIO(data), ignore)
        artifacts.put(name, b"by hand")
        with pytest.raises(NameTaken) as caught:
            batch.commit()
    assert caught.value.name == name
    assert artifacts.visible() == {name: b"by hand"}


@pytest.mark.parametrize("count", [33, 100])
def test_many_contents_in_many_directories(artifacts: Artifacts, count: int) -> None:
    """A batch of any size is whole."""
    contents = {target_path(f"d{index % 40}/e/f{index}"): b"%d" % index for index in range(count)}
    keep(artifacts, contents)
    assert sorted(artifacts.visible().values()) == sorted(contents.values())


def test_a_source_that_cannot_be_read_is_left_out(artifacts: Artifacts) -> None:
    """When a source fails, nothing of it is kept; others in the batch may still be committed."""
    with artifacts.storage.batch() as batch:
        batch.receive(A, io.BytesIO(b"a"), ignore)
        with pytest.raises(StorageError) as caught:
            batch.receive(DEEP, Drip(b"cut short", failing=True), ignore)
        batch.commit()
    assert (caught.value.action, caught.value.name) == ("take", DEEP)
    assert artifacts.visible() == {f"{sha256(b'a')}.a.txt": b"a"}


def test_an_interrupted_content_is_left_out(artifacts: Artifacts) -> None:
    """An error of the one who watches passes through, and what was read so far is not kept."""

    def stop(_: int) -> None:
        raise BrokenPipeError(32, "nobody watches")

    with artifacts.storage.batch() as batch:
        with pytest.raises(BrokenPipeError):
            batch.receive(A, io.BytesIO(b"a"), stop)
        batch.commit()
    assert artifacts.visible() == {}


def test_names_that_would_be_too_long_are_refused_at_once(artifacts: Artifacts) -> None:
    """A last segment that fits beside a short hash and not beside a long one is refused before it is read."""
    path = target_path("x/" + "n" * 127)
    source = io.BytesIO(b"x")
    with artifacts.storage.batch(BOTH) as batch, pytest.raises(InvalidPath):
        batch.receive(path, source, ignore)
    assert source.tell() == 0
    assert artifacts.storage.exists(path, keep(artifacts, {path: b"x"})[path].hashes)


@pytest.mark.parametrize("path", [".staging/x", ".Staging/x/y", ".staging./x"])
def test_the_place_of_unfinished_files_is_taken(artifacts: Artifacts, path: str) -> None:
    """No content lies where unfinished files are kept, on file systems without case either."""
    with artifacts.storage.batch() as batch, pytest.raises(InvalidPath):
        batch.receive(target_path(path), io.BytesIO(b"x"), ignore)


def test_a_file_may_have_that_name(artifacts: Artifacts) -> None:
    """As a last segment, where a hash stands before it, the word is free."""
    keep(artifacts, {target_path(".staging"): b"x", target_path("x/.staging/y"): b"y"})
    assert len(artifacts.visible()) == 2


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x", "a//x", "a/./x", "", "a\0/x"])
def test_a_path_leads_nowhere_else(artifacts: Artifacts, path: str) -> None:
    """Even a path that was never checked stays inside the storage."""
    with artifacts.storage.batch() as batch:
        with pytest.raises(InvalidPath):
            batch.receive(TargetPath(path), io.BytesIO(b"x"), ignore)
        batch.commit()
    with pytest.raises(InvalidPath):
        artifacts.storage.exists(TargetPath(path), {"sha256": sha256(b"x")})
    with pytest.raises(InvalidPath):
        artifacts.storage.open(TargetPath(path), {"sha256": sha256(b"x")})
    assert artifacts.visible() == {}


@pytest.mark.parametrize("hashes", [{}, {"sha256": "../../x"}, {"sha256": "A" * 64}, {"md5": "0" * 32}])
def test_a_hash_leads_nowhere_else(artifacts: Artifacts, hashes: dict[str, str]) -> None:
    """Hashes that are none are refused before they become part of a name."""
    with pytest.raises(InvalidArtifact):
        artifacts.storage.exists(A, hashes)
    with pytest.raises(InvalidArtifact):
        artifacts.storage.open(A, hashes)


@pytest.mark.parametrize("algorithms", [(), ("md5",), ("sha256", "sha1")])
def test_unknown_algorithms_are_refused(artifacts: Artifacts, algorithms: tuple[str, ...]) -> None:
    """Contents are hashed with what clients verify."""
    with pytest.raises(InvalidInput), artifacts.storage.batch(algorithms):
        pass


def test_preparing_again_changes_nothing(artifacts: Artifacts) -> None:
    """What is kept stays when the place is made ready once more."""
    keep(artifacts, {A: b"a"})
    artifacts.storage.prepare()
    assert artifacts.visible() == {f"{sha256(b'a')}.a.txt": b"a"}
