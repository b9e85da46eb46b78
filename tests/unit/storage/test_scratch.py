"""Records that are set aside come back as they were, in their order, as often as they are asked for."""

from __future__ import annotations

import errno
import os
import tempfile
import tracemalloc
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rstuf.errors import StorageError
from rstuf.storage.scratch import Scratch

_PARTS = st.integers(1, 4).flatmap(
    lambda parts: st.tuples(st.just(parts), st.lists(st.lists(st.binary(), min_size=parts, max_size=parts)))
)


@given(_PARTS, st.integers(0, 5))
def test_what_went_in_comes_out(parts_and_records: tuple[int, list[list[bytes]]], looked: int) -> None:
    """Also when it is looked through in between, and more comes."""
    parts, records = parts_and_records
    scratch = Scratch(parts)
    for index, record in enumerate(records):
        if index == looked:
            assert list(scratch) == records[:index]
        scratch.add(*record)
    assert list(scratch) == list(scratch) == records
    assert len(scratch) == len(records)


def test_two_may_look_at_once() -> None:
    """Each goes through all of them, at its own pace."""
    scratch = Scratch(1)
    records = [[b"%d" % index * 100] for index in range(5000)]
    for record in records:
        scratch.add(*record)
    one = iter(scratch)
    assert [next(one), next(one)] == records[:2]
    assert list(scratch) == records
    assert list(one) == records[2:]


def test_a_record_may_be_larger_than_what_is_read_at_once() -> None:
    """One of a megabyte between small ones."""
    records = [[b"a"], [bytes(1_000_000)], [b"b"]]
    scratch = Scratch(1)
    for record in records:
        scratch.add(*record)
    assert list(scratch) == records


def test_memory_does_not_grow_with_the_records() -> None:
    """Twenty megabytes of them need two."""
    tracemalloc.start()
    try:
        scratch = Scratch(2)
        for index in range(20_000):
            scratch.add(b"%d" % index, bytes(1000))
        assert sum(1 for _ in scratch) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


def test_where_there_is_no_room_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether no directory takes a scratch file, or its disk is full; few records need none."""

    def no_directory(**_: object) -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "no usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_directory)
    scratch = Scratch(1)
    scratch.add(bytes(1000))
    assert list(scratch) == [[bytes(1000)]]
    with pytest.raises(StorageError, match="cannot write a scratch file in a directory for temporary files"):
        scratch.add(bytes(2 << 20))


def test_a_file_that_takes_little_at_once_gets_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short write is continued."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:70_001])))
    scratch = Scratch(1, make=lambda: (tmp_path / "scratch").open("w+b", buffering=0))
    records = [[b"%d" % index * 300] for index in range(3000)]
    for record in records:
        scratch.add(*record)
    assert list(scratch) == records
