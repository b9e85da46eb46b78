"""The memory of hashed files: what it says is what was noted, and nothing goes wrong where it is lost or damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rstuf.model.names import target_path
from rstuf.model.stamps import Stamp
from rstuf.state.stamps import SqliteStamps

PATH, OTHER = target_path("a.bin"), target_path("d/ü.bin")
STAMP = Stamp(size=3, mtime_ns=1_700_000_000_123_456_789, ctime_ns=1_700_000_001_987_654_321, inode=(1 << 64) - 5)
ONE, TWO = "ab" * 32, "cd" * 32


def remember(stamps: SqliteStamps, *notes: tuple[str, Stamp, str], forget: tuple[str, ...] = ()) -> None:
    with stamps.notes() as open_notes:
        for path, stamp, digest in notes:
            open_notes.note(target_path(path), stamp, digest)
        open_notes.keep(forget=map(target_path, forget))


def recalled(stamps: SqliteStamps, path: str = PATH, stamp: Stamp = STAMP) -> str | None:
    with stamps.known() as known:
        return known.sha256(target_path(path), stamp)


def test_what_was_noted_is_known_and_the_newest_counts(tmp_path: Path) -> None:
    """A stamp is known with its hash, for its path alone; a later note takes its place; it can be forgotten."""
    stamps = SqliteStamps(tmp_path / "stamps.db")
    assert recalled(stamps) is None
    remember(stamps, (PATH, STAMP, ONE), (OTHER, STAMP, TWO))
    assert (recalled(stamps), recalled(stamps, OTHER)) == (ONE, TWO)
    remember(stamps, (PATH, STAMP._replace(size=4), TWO))
    assert (recalled(stamps), recalled(stamps, stamp=STAMP._replace(size=4))) == (None, TWO)
    remember(stamps, forget=(OTHER,))
    assert recalled(stamps, OTHER) is None


@pytest.mark.parametrize("field", Stamp._fields)
def test_every_part_of_a_stamp_counts(tmp_path: Path, field: str) -> None:
    """A file whose size, dates or number differ by one is not the file that was hashed."""
    stamps = SqliteStamps(tmp_path / "stamps.db")
    remember(stamps, (PATH, STAMP, ONE))
    assert recalled(stamps, stamp=STAMP._replace(**{field: getattr(STAMP, field) - 1})) is None


def test_notes_that_are_not_kept_are_gone(tmp_path: Path) -> None:
    """Whoever fails leaves nothing behind, not even a file."""
    stamps = SqliteStamps(tmp_path / "stamps.db")
    with stamps.notes() as notes:
        notes.note(PATH, STAMP, ONE)
    remember(stamps, forget=(PATH,))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["no database", "torn", "another format", "empty", "a directory"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, damage: str) -> None:
    """It says nothing, hinders nobody, and where it can be made anew, it is."""
    place = tmp_path / "stamps.db"
    stamps = SqliteStamps(place)
    remember(stamps, *((f"{number}.bin", STAMP, ONE) for number in range(2000)))
    data = place.read_bytes()
    if damage == "another format":
        with closing(sqlite3.connect(place)) as connection:
            connection.execute("PRAGMA user_version=7")
    elif damage == "a directory":
        place.unlink()
        place.mkdir()
    else:
        place.write_bytes({"no database": b"x" * 5000, "torn": data[:4096] + b"\xff" * 9000, "empty": b""}[damage])
    assert recalled(stamps, "7.bin") is None
    for _ in range(2):
        remember(stamps, (PATH, STAMP, TWO))
    assert recalled(stamps) == (None if damage == "a directory" else TWO)


def test_it_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """It names files of this machine, which are nobody else's business."""
    stamps = SqliteStamps(tmp_path / "stamps.db")
    remember(stamps, (PATH, STAMP, ONE))
    assert (tmp_path / "stamps.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("mtime", "ctime", "settled"), [(100, 100, True), (198, 100, False), (100, 198, False), (197, 197, True)]
)
def test_a_young_stamp_is_not_believed(mtime: int, ctime: int, settled: bool) -> None:
    """Within two seconds before the look, or after it, two contents may have one stamp."""
    stamp = Stamp(1, mtime * 10**9, ctime * 10**9, 1)
    assert stamp.is_settled(datetime.fromtimestamp(200, UTC)) is settled
    assert not stamp._replace(mtime_ns=10**12).is_settled(datetime.fromtimestamp(200, UTC))
