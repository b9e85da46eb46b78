"""Renewal: what is due is signed and nothing else, and clocks that jump do no harm."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, client_of, plan_document

from rstuf.errors import ClockSuspicious, RoleNotFound
from rstuf.model.names import SNAPSHOT, TIMESTAMP
from rstuf.repository.ports import ClockTrust
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew


def test_renewal_signs_what_is_due_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    """Each role comes when its own date comes; again right away does nothing."""
    assert not renew(engine.ports).publication.published
    engine.moved_on(hours=17)
    report = renew(engine.ports)
    assert [role.name for role in report.publication.roles] == [TIMESTAMP]
    assert not renew(engine.ports).publication.published
    check_client(engine, tmp_path / "client")
    engine.moved_on(days=5)
    report = renew(engine.ports)
    assert [role.name for role in report.publication.roles] == [SNAPSHOT, TIMESTAMP]
    check_client(engine, tmp_path / "client")


def test_bins_signed_together_are_not_due_together(tmp_path: Path) -> None:
    """Days on which bins are due spread over a part of their life, and all come before their sign-by period."""
    engine = Engine.live(tmp_path / "repository", document=plan_document(bins=64))
    with engine.ports.state.read() as reader:
        bins = [role for role in reader.roles() if role.name.startswith("bins")]
    due = sorted(role.sign_by for role in bins if role.sign_by is not None)
    assert len(set(due)) == 64
    assert due[-1] - due[0] > timedelta(days=5)
    assert all(
        role.expires is not None and role.expires - day >= timedelta(days=10)
        for role, day in zip(bins, due, strict=True)
    )


def test_a_repository_that_slept_is_renewed_at_once(engine: Engine, tmp_path: Path) -> None:
    """After months everything but root has expired; one renewal repairs it, for old and new clients."""
    engine.add("a.txt", b"one")
    publish(engine.ports)
    check_client(engine, tmp_path / "old")
    engine.moved_on(days=200)
    assert renew(engine.ports).publication.published
    check_client(engine, tmp_path / "old")
    check_client(engine, tmp_path / "new")


def test_an_expired_root_does_not_stand_in_the_way(engine: Engine, tmp_path: Path) -> None:
    """After more than a year root itself is renewed with the keys at hand, and clients follow."""
    check_client(engine, tmp_path / "old")
    engine.moved_on(days=400)
    report = renew(engine.ports)
    assert (report.root_version, report.waiting) == (2, ())
    assert check_client(engine, tmp_path / "old").root == 2


def test_a_root_whose_signers_are_away_waits(engine: Engine) -> None:
    """A due root that cannot be signed here is reported with who is missing and why; the rest is renewed."""
    engine.moved_on(days=300)
    engine.keys.away = {"one", "two"}
    report = renew(engine.ports)
    assert report.publication.published
    assert [(role.name, set(role.missing)) for role in report.waiting] == [("root", {"one", "two"})]
    assert "2.root.json" not in engine.metadata.files


def test_a_renewal_leaves_pending_changes_pending(engine: Engine, tmp_path: Path) -> None:
    """A bin that is renewed says what clients see, not what waits to be published."""
    engine.add("a.txt", b"one")
    renew(engine.ports, force=["bins"])
    judge = client_of(engine, tmp_path / "client")
    judge.refresh()
    assert judge.find("a.txt") is None
    publish(engine.ports)
    check_client(engine, tmp_path / "client")


def test_an_unknown_role_cannot_be_forced(engine: Engine) -> None:
    """The name is refused and nothing is renewed."""
    before = dict(engine.metadata.files)
    with pytest.raises(RoleNotFound):
        renew(engine.ports, force=["bins-99"])
    assert dict(engine.metadata.files) == before


def test_a_clock_that_went_back_never_shortens_what_clients_hold(engine: Engine, tmp_path: Path) -> None:
    """Metadata signed after the clock was set back does not expire before what was signed earlier."""
    engine.moved_on(days=3)
    renew(engine.ports, force=["timestamp"])
    with engine.ports.state.read() as reader:
        before = reader.role(TIMESTAMP).expires
    engine.moved_on(days=-3)
    renew(engine.ports, force=["timestamp"])
    with engine.ports.state.read() as reader:
        after = reader.role(TIMESTAMP).expires
    assert before is not None
    assert after is not None
    assert after >= before
    check_client(engine, tmp_path / "client")


def test_a_clock_far_ahead_is_not_believed_without_a_word(engine: Engine) -> None:
    """A clock decades ahead is refused; a person can vouch for it."""
    engine.moved_on(days=365 * 12)
    with pytest.raises(ClockSuspicious):
        renew(engine.ports)
    report = renew(engine.with_ports(clock_trust=ClockTrust.ACCEPTED).ports)
    assert report.publication.published
