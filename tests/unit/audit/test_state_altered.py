"""A state in which one thing is different: artifacts, its log, or rows changed behind the engine's back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.audited_engine import altered, problems_of, verified
from tests.support.engine import Engine

from rstuf.model.audit import AuditEntry, entry_digest
from rstuf.model.names import TargetPath
from rstuf.repository.interfaces import StateReader


def _lost(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, bytes]]:
    return (row for row in reader.contents(*args, **named) if row[1] != "files/5.bin")


def _grown(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, bytes]]:
    for slot, path, fragment in reader.contents(*args, **named):
        yield slot, path, fragment.replace(b'"length":1', b'"length":12') if path == "files/5.bin" else fragment


def _doubled(reader: StateReader, *args: Any, **named: Any) -> Iterator[tuple[int, TargetPath, bytes]]:
    for slot, path, fragment in reader.contents(*args, **named):
        yield slot, path, fragment
        if path == "files/5.bin":
            yield slot, TargetPath("files/5.bin2"), fragment


@pytest.mark.parametrize(
    ("contents", "path"), [(_lost, "files/5.bin"), (_grown, "files/5.bin"), (_doubled, "files/5.bin2")]
)
def test_each_difference_of_one_artifact_is_named(engine: Engine, contents: Any, path: str) -> None:
    """An artifact that the state lacks, has otherwise or has in addition is found by its path."""
    report = verified(engine, wrap=altered(contents=contents))
    assert [(problem.code, problem.path) for problem in report.problems] == [("state-disagrees", path)]


def _forged(entry: AuditEntry, **fields: Any) -> AuditEntry:
    values = {name: getattr(entry, name) for name in ("sequence", "at", "actor", "action", "details", "previous")}
    values.update(fields)
    return AuditEntry(**values, digest=entry_digest(**values))


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log[:1] + log[2:],
        lambda log: log[1:],
        lambda log: [*log[:2], _forged(log[2], actor="somebody else"), *log[3:]],
        lambda log: [*log[:2], AuditEntry(**{**_fields(log[2]), "action": "nothing"}), *log[3:]],
        lambda log: [log[1], log[0], *log[2:]],
        lambda log: [*log, log[-1]],
        lambda log: [log[0], _forged(log[1], sequence=9), *log[2:]],
        lambda log: [*log, _forged(log[-1], sequence=99, previous=log[-1].digest)],
    ],
    ids=[
        "one gone",
        "first gone",
        "forged with its digest",
        "changed",
        "out of order",
        "repeated",
        "renumbered",
        "gap",
    ],
)
def test_a_log_that_was_tampered_with_is_found(engine: Engine, change: Callable[[list[AuditEntry]], Any]) -> None:
    """An entry that is removed, changed, forged or moved breaks the chain."""
    report = verified(engine, wrap=altered(audit=lambda reader: iter(change(list(reader.audit())))))
    assert problems_of(report) == {"log-broken"}


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.__slots__}


def _fails(reader: StateReader, *args: Any, **named: Any) -> Any:
    raise sqlite3.DatabaseError("database disk image is malformed")


@pytest.mark.parametrize("method", ["roles", "contents", "audit", "root", "keys", "snapshot_entries"])
def test_a_state_that_cannot_be_read_does_not_end_the_audit(engine: Engine, method: str) -> None:
    """A damaged database is a problem, and what is published is checked all the same."""
    report = verified(engine, wrap=altered(**{method: _fails}))
    assert problems_of(report) == {"state-disagrees"}
    assert report.checked["contents"] == 12


_DAMAGE = [
    "UPDATE artifact SET fragment = CAST(replace(fragment, 'length', 'lenght') AS BLOB) WHERE path = 'files/7.bin'",
    "DELETE FROM artifact WHERE path = 'files/7.bin'",
    "UPDATE artifact SET number = 999 WHERE path = 'files/7.bin'",
    "UPDATE role SET visible = visible - 1 WHERE name = 'timestamp'",
    "UPDATE role SET visible = 0 WHERE name = 'bins-1'",
    "UPDATE role SET sha256 = replace(sha256, substr(sha256, 1, 1), 'x') WHERE name = 'bins-2'",
    "UPDATE role SET length = length + 1 WHERE name = 'snapshot'",
    "UPDATE role SET number = 0 WHERE kind = 'bin'",
    "UPDATE root SET data = data || ' '",
    "DELETE FROM root",
    "DELETE FROM audit WHERE sequence = 2",
    "UPDATE audit SET actor = 'nobody' WHERE sequence = 1",
]


@pytest.mark.parametrize("statement", _DAMAGE)
def test_damage_to_the_database_is_found(engine: Engine, tmp_path: Path, statement: str) -> None:
    """Rows changed behind the engine's back: every one of them is seen in what clients see."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        changed = database.execute(statement).rowcount
        database.commit()
    assert changed > 0, tables
    report = verified(engine)
    assert problems_of(report) & {"state-disagrees", "log-broken"}
