"""The audit of the log: every entry in its place, and none gone from its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.audited import altered, codes, said, tamper, verified
from tests.support.engine import Engine

from rstuf.model.audit import AuditEntry, entry_digest
from rstuf.model.names import TIMESTAMP
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew


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
    assert codes(report) == {"log-broken"}


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.__slots__}


@pytest.mark.parametrize("action", ["publish", "artifacts.add", "artifacts.remove", "root.sign"])
def test_an_end_that_is_gone_is_found(engine: Engine, tmp_path: Path, action: str) -> None:
    """What the state knows to have happened is told in the log, so its last entries cannot go unnoticed."""
    if action == "artifacts.add":
        engine.add("files/new.bin", b"n")
    elif action == "artifacts.remove":
        engine.remove("files/5.bin")
    elif action == "root.sign":
        renew(engine.ports, force=["root"])
    assert codes(verified(engine)) == set()
    newest = f"SELECT max(sequence) FROM audit WHERE action = '{action}'"
    assert tamper(tmp_path, f"DELETE FROM audit WHERE sequence >= ({newest})")
    report = verified(engine)
    assert codes(report) == {"log-broken"}
    assert "the log does not tell of it" in said(report)


def test_an_abandoned_publication_is_told_too(engine: Engine, tmp_path: Path) -> None:
    """That versions were burnt is a fact like any other."""
    with engine.ports.state.transaction(actor="test") as transaction:
        transaction.stage_publication([(transaction.role(TIMESTAMP), 0)], begun=engine.clock.now())
    publish(engine.ports)
    assert codes(verified(engine)) == set()
    assert tamper(tmp_path, "DELETE FROM audit WHERE action = 'publication.abandon'")
    assert codes(verified(engine)) == {"log-broken"}


def test_an_empty_log_is_found(engine: Engine, tmp_path: Path) -> None:
    """A log without entries has nothing in the wrong place."""
    assert tamper(tmp_path, "DELETE FROM audit")
    report = verified(engine)
    assert codes(report) == {"log-broken"}
    assert "it is empty" in said(report)
