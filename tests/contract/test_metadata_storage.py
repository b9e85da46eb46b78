"""What every metadata storage guarantees."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.storages import METADATA, Metadata

from rstuf.errors import FileMissing, FileTooLarge, InvalidInput, NameTaken

UNSAFE = ["", ".", "..", ".hidden", "a/b", "../1.root.json", "/etc/passwd", "a\\b", "a\0b", "a\nb", "é.json", "x" * 256]


@pytest.fixture(params=sorted(METADATA))
def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> Metadata:
    """An empty storage of each kind."""
    made = METADATA[request.param](tmp_path / "metadata")
    made.storage.prepare()
    return made


def publish(metadata: Metadata, files: dict[str, bytes]) -> None:
    with metadata.storage.batch() as batch:
        for name, data in files.items():
            batch.create(name, data)
        batch.commit()


def test_what_is_committed_is_read_back(metadata: Metadata) -> None:
    """Bytes come back as they went in, empty ones too."""
    files = {"1.root.json": b"{}", "1.snapshot.json": b"", "1.bins-0.json": bytes(range(256)) * 100}
    publish(metadata, files)
    assert metadata.visible() == files
    assert {name: metadata.storage.read(name, limit=100_000) for name in files} == files


def test_lengths_are_told_without_reading(metadata: Metadata) -> None:
    """One for each name, in their order, and None where there is no file."""
    publish(metadata, {"1.root.json": b"{}", "1.snapshot.json": b"", "1.bins-0.json": b"x" * 70_000})
    names = ["1.bins-0.json", "2.bins-0.json", "1.snapshot.json", "1.root.json"]
    assert list(metadata.storage.lengths(names)) == [70_000, None, 0, 2]


@pytest.mark.parametrize("count", [31, 32, 33, 34, 200])
def test_a_batch_of_any_size_is_whole(metadata: Metadata, count: int) -> None:
    """Few files and many, which become durable in different ways, are all there."""
    files = {f"7.bins-{index:02x}.json": b"%d" % index for index in range(count)}
    publish(metadata, files)
    assert metadata.visible() == files


def test_nothing_is_visible_before_the_commit(metadata: Metadata) -> None:
    """A name leads nowhere until its batch is committed."""
    with metadata.storage.batch() as batch:
        batch.create("1.root.json", b"{}")
        assert metadata.visible() == {}
        with pytest.raises(FileMissing):
            metadata.storage.read("1.root.json", limit=10)
        batch.commit()
        assert metadata.visible() == {"1.root.json": b"{}"}


def test_leaving_without_commit_leaves_nothing(metadata: Metadata) -> None:
    """A batch that is left, quietly or by an error, was never there."""
    with metadata.storage.batch() as batch:
        batch.create("1.root.json", b"{}")
    with suppress(ZeroDivisionError), metadata.storage.batch() as batch:
        batch.create("2.root.json", b"{}")
        raise ZeroDivisionError
    assert metadata.visible() == {}


def test_an_empty_commit_is_fine(metadata: Metadata) -> None:
    """A batch without files changes nothing."""
    with metadata.storage.batch() as batch:
        batch.commit()
    assert metadata.visible() == {}


def test_a_batch_can_go_on_after_its_commit(metadata: Metadata) -> None:
    """What comes after a commit needs the next one."""
    with metadata.storage.batch() as batch:
        batch.create("1.root.json", b"1")
        batch.commit()
        batch.create("2.root.json", b"2")
        batch.commit()
        batch.create("3.root.json", b"3")
    assert metadata.visible() == {"1.root.json": b"1", "2.root.json": b"2"}


def test_equal_bytes_may_come_again(metadata: Metadata) -> None:
    """A publication that is completed after an interruption meets its own files."""
    publish(metadata, {"1.a.json": b"a", "1.b.json": b"b"})
    publish(metadata, {"1.a.json": b"a", "1.b.json": b"b", "1.c.json": b"c"})
    publish(metadata, {"1.a.json": b"a"})
    assert metadata.visible() == {"1.a.json": b"a", "1.b.json": b"b", "1.c.json": b"c"}


@pytest.mark.parametrize("other", [b"", b"a", b"ab", b"aX", b"abc"])
def test_a_name_is_written_once(metadata: Metadata, other: bytes) -> None:
    """Other bytes under a taken name are refused, and none of their batch appears."""
    publish(metadata, {"1.b.json": b"ab"})
    files = {"1.a.json": b"new", "1.b.json": other, "1.c.json": b"new"}
    if other == b"ab":
        publish(metadata, files)
        return
    with pytest.raises(NameTaken) as caught:
        publish(metadata, files)
    assert caught.value.name == "1.b.json"
    assert metadata.visible() == {"1.b.json": b"ab"}


def test_one_batch_has_one_content_for_a_name(metadata: Metadata) -> None:
    """The same file twice is one; another content under its name is refused."""
    with metadata.storage.batch() as batch:
        batch.create("1.a.json", b"a")
        batch.create("1.a.json", b"a")
        with pytest.raises(NameTaken):
            batch.create("1.a.json", b"other")
        batch.commit()
    assert metadata.visible() == {"1.a.json": b"a"}


def test_a_missing_file_says_so(metadata: Metadata) -> None:
    """Reading a name that is not there is an error of its own, which names it."""
    with pytest.raises(FileMissing) as caught:
        metadata.storage.read("9.root.json", limit=10)
    assert caught.value.name == "9.root.json"


def test_a_reader_sets_the_limit(metadata: Metadata) -> None:
    """A file of exactly the limit is read, a longer one is not."""
    publish(metadata, {"1.a.json": b"12345"})
    assert metadata.storage.read("1.a.json", limit=5) == b"12345"
    with pytest.raises(FileTooLarge) as caught:
        metadata.storage.read("1.a.json", limit=4)
    assert caught.value.limit == 4


def test_timestamp_is_replaced(metadata: Metadata) -> None:
    """The one name without a version takes new bytes each time, shorter ones too."""
    for data in (b"first, and longer", b"second", b"second", b""):
        metadata.storage.replace("timestamp.json", data)
        assert metadata.visible() == {"timestamp.json": data}


def test_a_versioned_name_is_never_replaced(metadata: Metadata) -> None:
    """Replacing is refused for names that are written once."""
    publish(metadata, {"1.root.json": b"{}"})
    with pytest.raises(InvalidInput):
        metadata.storage.replace("1.root.json", b"other")
    assert metadata.visible() == {"1.root.json": b"{}"}


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_leads_nowhere_else(metadata: Metadata, name: str) -> None:
    """Names that are not one plain file name are refused by every method."""
    with pytest.raises(InvalidInput):
        metadata.storage.read(name, limit=10)
    with pytest.raises(InvalidInput):
        metadata.storage.replace(name, b"x")
    with metadata.storage.batch() as batch:
        with pytest.raises(InvalidInput):
            batch.create(name, b"x")
        batch.commit()
    assert metadata.visible() == {}


def test_preparing_again_changes_nothing(metadata: Metadata) -> None:
    """What is visible stays when the place is made ready once more."""
    publish(metadata, {"1.root.json": b"{}"})
    metadata.storage.replace("timestamp.json", b"t")
    metadata.storage.prepare()
    assert metadata.visible() == {"1.root.json": b"{}", "timestamp.json": b"t"}


@pytest.mark.parametrize("there", [None, b"", b"damaged", b"{}"])
def test_recorded_bytes_are_put_back(metadata: Metadata, there: bytes | None) -> None:
    """A name that carries a version gets its bytes back, whatever became of it, and nothing else is left behind."""
    if there is not None:
        publish(metadata, {"1.root.json": there})
    metadata.storage.restore("1.root.json", b"{}")
    assert metadata.visible() == {"1.root.json": b"{}"}


@pytest.mark.parametrize("name", UNSAFE)
def test_nothing_is_put_back_elsewhere(metadata: Metadata, name: str) -> None:
    """Putting back follows no name that leads out of the storage."""
    with pytest.raises(InvalidInput):
        metadata.storage.restore(name, b"{}")
    assert metadata.visible() == {}


def test_files_are_let_go(metadata: Metadata) -> None:
    """Those that are named, and no other; a name that nothing has is fine."""
    publish(metadata, {"1.bins-0.json": b"0", "1.bins-1.json": b"1", "2.bins-0.json": b"2"})
    metadata.storage.discard(["1.bins-0.json", "7.bins-0.json", "1.bins-1.json"])
    assert metadata.visible() == {"2.bins-0.json": b"2"}
    metadata.storage.discard(iter(()))
    publish(metadata, {"1.bins-0.json": b"0"})
    assert metadata.visible() == {"1.bins-0.json": b"0", "2.bins-0.json": b"2"}


@pytest.mark.parametrize("name", ["1.root.json", "42.root.json", "timestamp.json", "root.json", "x.json", *UNSAFE])
def test_what_clients_of_any_age_need_is_never_let_go(metadata: Metadata, name: str) -> None:
    """No root, nothing without a version, and nothing elsewhere; what was named before it is gone."""
    publish(metadata, {"1.root.json": b"1", "42.root.json": b"42", "1.bins-0.json": b"0", "1.bins-1.json": b"1"})
    metadata.storage.replace("timestamp.json", b"t")
    with pytest.raises(InvalidInput):
        metadata.storage.discard(["1.bins-0.json", name, "1.bins-1.json"])
    assert metadata.visible().keys() == {"1.root.json", "42.root.json", "1.bins-1.json", "timestamp.json"}
