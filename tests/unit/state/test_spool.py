"""The spool's scratch file: when it appears, that it has no name, and what happens when it cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.state_backends import row, sorted_rows

from rstuf.errors import StorageError
from rstuf.model.artifacts import ArtifactRow
from rstuf.model.names import TargetPath
from rstuf.state import spool
from rstuf.state.spool import FileSpool

SLOTS = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**24 - 1, 2**24, 2**32 - 1]))
ROWS = st.lists(st.tuples(SLOTS, st.text(max_size=3), st.binary(max_size=9)), max_size=60)


@given(rows=ROWS, bound=st.sampled_from([1, 500, 3000, 10**6]))
@settings(max_examples=60, deadline=None)
def test_any_rows_come_back_sorted_and_stable(rows: list[tuple[int, str, bytes]], bound: int) -> None:
    """However they come, with and without spilling, all rows come back in order, ties as they came."""
    wanted = [ArtifactRow(slot, TargetPath(path), fragment) for slot, path, fragment in rows]
    filled = FileSpool(Path("/tmp"), memory_bound=bound)
    try:
        half = len(wanted) // 2
        for each in wanted[:half]:
            filled.append(each)
        assert filled.extend(iter(wanted[half:])) == len(wanted) - half
        assert len(filled) == len(wanted)
        assert list(filled) == sorted_rows(wanted)
    finally:
        filled.close()


def test_the_scratch_file_has_no_name(tmp_path: Path) -> None:
    """What is spilled can be reached by nobody else and is gone with the process, however that ends."""
    filled = FileSpool(tmp_path, memory_bound=1)
    filled.append(row("a"))
    assert list(tmp_path.iterdir()) == []
    assert filled._file is not None
    assert os.fstat(filled._file.fileno()).st_nlink == 0
    assert os.fstat(filled._file.fileno()).st_dev == tmp_path.stat().st_dev
    filled.close()
    filled.close()


def test_little_needs_no_file(tmp_path: Path) -> None:
    """Rows that fit in memory touch no disk."""
    filled = FileSpool(tmp_path / "missing")
    filled.append(row("a"))
    assert list(filled) == [row("a")]
    filled.close()


def test_no_room_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, or a directory that is not there, is named."""
    with pytest.raises(StorageError, match="does not exist"):
        FileSpool(tmp_path / "missing", memory_bound=1).append(row("a"))
    filled = FileSpool(tmp_path, memory_bound=1)
    filled.append(row("a"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool, "_write_all", full)
    with pytest.raises(StorageError, match="no space"):
        filled.append(row("b"))
    filled.close()


def test_a_scratch_file_that_was_cut_is_noticed(tmp_path: Path) -> None:
    """Rows that cannot be read back are an error, not missing rows."""
    filled = FileSpool(tmp_path, memory_bound=1)
    filled.append(row("a"))
    assert filled._file is not None
    os.ftruncate(filled._file.fileno(), 5)
    with pytest.raises(StorageError, match="shorter"):
        list(filled)
    filled.close()
