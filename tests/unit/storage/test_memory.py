"""The storages in memory: what their observer is told."""

from __future__ import annotations

import hashlib
import io

from rstuf.errors import NameTaken
from rstuf.model.names import target_path
from rstuf.storage.memory import MemoryArtifactStorage, MemoryMetadataStorage

Changes = list[tuple[str, bytes | None]]


def test_each_name_is_one_change_in_order() -> None:
    """The observer is told of each name when it becomes visible, after it has, one at a time."""
    changes: Changes = []
    visible: list[set[str]] = []

    def watch(name: str, data: bytes | None) -> None:
        changes.append((name, data))
        visible.append(set(storage.files))

    storage = MemoryMetadataStorage(watch)
    with storage.batch() as batch:
        batch.create("1.b.json", b"b")
        batch.create("1.a.json", b"a")
        assert changes == []
        batch.commit()
    storage.replace("timestamp.json", b"t")
    storage.remove("1.a.json")
    assert changes == [("1.b.json", b"b"), ("1.a.json", b"a"), ("timestamp.json", b"t"), ("1.a.json", None)]
    assert visible == [
        {"1.b.json"},
        {"1.a.json", "1.b.json"},
        {"1.a.json", "1.b.json", "timestamp.json"},
        {"1.b.json", "timestamp.json"},
    ]


def test_what_is_there_already_is_no_change() -> None:
    """Equal bytes under a known name change nothing, and a refused batch neither."""
    changes: Changes = []
    storage = MemoryMetadataStorage(lambda name, data: changes.append((name, data)))
    for files in ({"1.a.json": b"a"}, {"1.a.json": b"a", "1.b.json": b"b"}, {"1.c.json": b"c", "1.a.json": b"x"}):
        with storage.batch() as batch:
            for name, data in files.items():
                batch.create(name, data)
            try:
                batch.commit()
            except NameTaken:
                changes.append(("refused", None))
    assert changes == [("1.a.json", b"a"), ("1.b.json", b"b"), ("refused", None)]


def test_contents_are_told_under_their_names() -> None:
    """The observer of an artifact storage is told the names that clients ask for."""
    changes: Changes = []
    storage = MemoryArtifactStorage(lambda name, data: changes.append((name, data)))
    with storage.batch() as batch:
        batch.receive(target_path("x/a"), io.BytesIO(b"a"), lambda _: None)
        batch.commit()
    assert changes == [(f"x/{hashlib.sha256(b'a').hexdigest()}.a", b"a")]


def test_bytes_that_were_handed_in_are_not_shared() -> None:
    """What is stored doesn't change when the caller's buffer does."""
    storage, buffer = MemoryMetadataStorage(), bytearray(b"first")
    storage.replace("timestamp.json", buffer)
    buffer[:] = b"other"
    assert storage.files == {"timestamp.json": b"first"}
