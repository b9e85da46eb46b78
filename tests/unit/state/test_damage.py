"""Damage to the file of a state database: every page of it counts, and what is said of it is short and in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.audited import codes, copy_of, history, tamper, verified
from tests.support.engine import Engine

from rstuf.errors import StateDamaged


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository with some history. Made once; tests take copies."""
    return history(tmp_path_factory.mktemp("made"))


@pytest.fixture
def engine(made: Engine, tmp_path: Path) -> Iterator[Engine]:
    """A copy to do as one likes with; its state is in `tmp_path`."""
    engine = copy_of(made, tmp_path)
    yield engine
    engine.ports.state.close()


def _damage(engine: Engine) -> list[str]:
    with engine.ports.state.read() as reader:
        return list(reader.damage())


@pytest.mark.parametrize("filler", [b"\0", b"\xff"])
def test_every_page_counts(engine: Engine, tmp_path: Path, filler: bytes) -> None:
    """One page of it overwritten is a problem of the state, or refused when it is opened; it never goes unnoticed, and
    never ends the audit of what is published."""
    place = tmp_path / "state.db"
    sound = place.read_bytes()
    size = int.from_bytes(sound[16:18], "big")
    refused = 0
    for start in range(0, len(sound), size):
        place.write_bytes(sound[:start] + filler * size + sound[start + size :])
        engine.ports.state.close()
        try:
            report = verified(engine)
        except StateDamaged:
            refused += 1
            continue
        assert "state-damaged" in codes(report), start
        assert report.checked["contents"] == 12
        assert all(len(problem.message) < 600 and "\n" not in problem.message for problem in report.problems)
    # The first page, and those of the schema.
    assert 1 <= refused <= 4
    place.write_bytes(sound)
    engine.ports.state.close()
    assert verified(engine).problems == ()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM counter", "the counter of changes is not one row (1)"),
        (
            "INSERT INTO repository SELECT 2, name, phase, 1, 2, 3, layout FROM repository",
            "it is the state of more than one",
        ),
        ("INSERT INTO audit VALUES (-1, 1, 'me', 'nothing', '{}', '', '')", "the log has entries before its first (1)"),
        (
            "UPDATE role SET holder = 77 WHERE name = 'bins-1'",
            "rows of the table role belong to rows of role that are not",
        ),
        ("DROP INDEX role_dirty", "its index role_dirty is gone"),
        ("CREATE VIEW mine AS SELECT * FROM role", "it has the view mine, which rstuf does not make"),
        ("DELETE FROM path_key WHERE path = 'Files/Odd.bin'", "Files/Odd.bin is not guarded against paths that differ"),
    ],
)
def test_what_contradicts_itself_is_said(engine: Engine, tmp_path: Path, statement: str, message: str) -> None:
    """Each in words, and nothing else with it."""
    assert _damage(engine) == []
    tamper(tmp_path, statement)
    found = _damage(engine)
    assert len(found) == 1
    assert found[0].startswith(message)


def test_a_rule_that_is_broken_is_said_where_it_is_known(engine: Engine, tmp_path: Path) -> None:
    """Connections that only read know no rules; what they are for is checked otherwise."""
    tamper(tmp_path, "UPDATE role SET visible = version + 1 WHERE name = 'root'")
    with engine.ports.state.transaction(actor="test") as transaction:
        assert list(transaction.damage()) == ["a row of the table role breaks a rule of that table"]
    assert "state-damaged" in codes(verified(engine))


def test_an_index_that_lacks_a_row_is_found(engine: Engine, tmp_path: Path) -> None:
    """Rows that an index does not find are rows that are never due."""
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as database:
        place = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'role_due'").fetchone()[0]
        database.execute("CREATE INDEX empty ON role (sign_by) WHERE sign_by IS NULL AND id > 99")
        other = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'empty'").fetchone()[0]
        database.execute("PRAGMA writable_schema=ON")
        database.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'role_due'", (other,))
        database.execute("DELETE FROM sqlite_master WHERE name = 'empty'")
    assert place != other
    found = _damage(engine)
    assert "the index role_due lacks a row of its table" in found
    assert "the index role_due has not as many rows as its table" in found


def test_what_people_do_to_a_database_is_no_damage(engine: Engine, tmp_path: Path) -> None:
    """Statistics and a vacuum change nothing that counts."""
    tamper(tmp_path, "ANALYZE", "VACUUM", "PRAGMA optimize")
    assert _damage(engine) == []
    assert verified(engine).problems == ()


def test_twins_are_told_apart_in_any_number(tmp_path: Path, engine: Engine) -> None:
    """A hundred unguarded paths are said as some of them: a report has bounds."""
    values = ",".join(
        f"((SELECT id FROM role WHERE name = 'targets'), {number}, 'X{number}', 1, x'7b7d')" for number in range(99)
    )
    tamper(tmp_path, f"INSERT INTO artifact VALUES {values}")
    assert 1 < len(_damage(engine)) <= 20
