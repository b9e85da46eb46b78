"""Dates in the state that were changed, or rotted: they are not believed where something else says otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client

from rstuf.clock import to_seconds
from rstuf.errors import ClockSuspicious, StateDamaged
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.repository.renewal import renew
from rstuf.repository.reports import Health
from rstuf.repository.repository import Repository
from rstuf.repository.status import look

_BIN = RoleName("bins-2")


def tampered(engine: Engine, statement: str, *values: object) -> None:
    """Change the state behind rstuf's back."""
    with engine.ports.state.transaction(actor="test") as state:
        state._connection.execute(statement, values)  # type: ignore[attr-defined]


def expiry(engine: Engine, name: RoleName) -> datetime:
    with engine.ports.state.read() as reader:
        expires = reader.role(name).expires
    assert expires is not None
    return expires


def signed(engine: Engine) -> set[str]:
    """The roles that a renewal signs, but for those that follow; again right away it signs none."""
    report = renew(engine.ports)
    again = renew(engine.ports)
    assert (again.publication.published, again.root_version) == (False, None)
    roles = {str(role.name) for role in report.publication.roles if role.reason != "follows"}
    return roles | ({"root"} if report.root_version is not None else set())


@pytest.mark.parametrize("name", [ROOT, TARGETS, SNAPSHOT, TIMESTAMP, _BIN])
def test_a_sign_by_date_after_the_expiry_is_not_believed(engine: Engine, tmp_path: Path, name: RoleName) -> None:
    """A role that would be signed when clients refuse it already is due now, and in order afterwards."""
    assert look(engine.ports).health is Health.HEALTHY
    late = to_seconds(expiry(engine, name) + timedelta(days=900))
    tampered(engine, "UPDATE role SET sign_by = ? WHERE name = ?", late, name)
    assert look(engine.ports).health is Health.DUE
    assert signed(engine) == {name}
    assert look(engine.ports).health is Health.HEALTHY
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("name", [ROOT, TARGETS, SNAPSHOT, TIMESTAMP, _BIN])
def test_a_sign_by_date_that_leaves_less_than_the_period_is_not_believed(engine: Engine, name: RoleName) -> None:
    """The plan says how long before its end a role is signed again; a date after that is no date of ours."""
    tampered(engine, "UPDATE role SET sign_by = expires - 1 WHERE name = ?", name)
    assert look(engine.ports).health is Health.DUE
    assert signed(engine) == {name}


def test_an_expired_role_is_due_whatever_its_sign_by_date_says(engine: Engine) -> None:
    """Also where its periods were changed together with it."""
    tampered(engine, "UPDATE periods SET renew_before_seconds = 1 WHERE role = 'bins'")
    tampered(engine, "UPDATE role SET sign_by = expires - 1 WHERE name = ?", _BIN)
    assert signed(engine) == set()
    tampered(engine, "UPDATE role SET sign_by = ?, expires = ? WHERE name = ?", 1 << 31, 1 << 30, _BIN)
    assert signed(engine) == {_BIN}


@pytest.mark.parametrize("column", ["sign_by", "expires"])
def test_a_date_that_is_gone_is_no_reprieve(engine: Engine, column: str) -> None:
    """A bin without one of its dates is signed again."""
    tampered(engine, f"UPDATE role SET {column} = NULL WHERE name = ?", _BIN)
    assert look(engine.ports).health is not Health.HEALTHY
    assert signed(engine) == {_BIN}


@pytest.mark.parametrize("name", [ROOT, TARGETS, SNAPSHOT, TIMESTAMP])
@pytest.mark.parametrize("days", [-3, 4000])
def test_an_expiry_is_what_the_metadata_says(engine: Engine, tmp_path: Path, name: RoleName, days: int) -> None:
    """Of the roles that every client reads, status tells the date that clients see, and renewal mends the other."""
    true = expiry(engine, name)
    shift = timedelta(days=days).total_seconds()
    tampered(engine, "UPDATE role SET expires = expires + ?, sign_by = sign_by + ? WHERE name = ?", shift, shift, name)
    seen = next(role for role in look(engine.ports).roles if role.name == name)
    assert (seen.expires, seen.health) == (true, Health.DUE)
    assert signed(engine) == {name}
    assert look(engine.ports).health is Health.HEALTHY
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("days", [900, -3000])
def test_evidence_is_what_was_signed(engine: Engine, tmp_path: Path, days: int) -> None:
    """A note of evidence that nothing bears out neither dates metadata in the future nor keeps a clock from use."""
    tampered(engine, "UPDATE repository SET newest_evidence = newest_evidence + ?", days * 86400)
    engine.moved_on(hours=20)
    assert signed(engine) == {TIMESTAMP}
    assert expiry(engine, TIMESTAMP) == engine.clock.now() + timedelta(days=1)
    check_client(engine, tmp_path / "client")


def test_a_signing_date_after_the_expiry_is_no_evidence(engine: Engine) -> None:
    """Not even where the note of it was changed together with it."""
    tampered(engine, "UPDATE role SET signed_at = expires + 86400 * 300 WHERE name = 'targets'")
    tampered(engine, "UPDATE repository SET newest_evidence = (SELECT max(signed_at) FROM role)")
    engine.moved_on(hours=20)
    renew(engine.ports)
    assert expiry(engine, TIMESTAMP) == engine.clock.now() + timedelta(days=1)


def test_evidence_that_was_signed_is_kept(engine: Engine) -> None:
    """A clock that went back after something was signed is not believed, whatever became of the note."""
    engine.moved_on(days=5)
    renew(engine.ports)
    before = expiry(engine, TIMESTAMP)
    tampered(engine, "UPDATE repository SET newest_evidence = created")
    engine.moved_on(days=-4)
    renew(engine.ports, force=["timestamp"])
    assert expiry(engine, TIMESTAMP) >= before
    engine.moved_on(days=4 * 365)
    with pytest.raises(ClockSuspicious):
        renew(engine.ports)


def test_a_state_without_its_settings_is_damaged(engine: Engine) -> None:
    """It is no ceremony that was interrupted: running that again would lead nowhere."""
    tampered(engine, "DELETE FROM repository")
    for act in (Repository, renew, look, lambda _: engine.add("new.txt", b"new")):
        with pytest.raises(StateDamaged, match="its settings are gone") as caught:
            act(engine.ports)
        assert "backup" in str(caught.value.hint)
