"""Roles that a publication must take: changed, forced or due, and those that arrive while one runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.state_backends import (
    BINS,
    DAY,
    NOW,
    TARGETS,
    bin_name,
    commit,
    dirty,
    publish,
    put,
    role,
    row,
    settle,
    signed,
    stage,
    state_of,
)

from rstuf.errors import StateError
from rstuf.model.artifacts import ArtifactState
from rstuf.model.names import RoleName
from rstuf.model.policy import Periods
from rstuf.repository.interfaces import StateStore


def force(store: StateStore, *names: str) -> None:
    with store.transaction(actor="a") as transaction:
        transaction.force_roles([transaction.role(each).id for each in map(RoleName, names)])


def test_dirty_roles_are_those_whose_changes_are_not_visible(state_repository: StateStore) -> None:
    """Changed and forced roles are dirty, by holder and index, until they are published."""
    assert dirty(state_repository) == []
    put(state_repository, row("a"))
    assert dirty(state_repository) == [bin_name("a")]
    force(state_repository, "targets", "bins-3", "bins-0", "bins-2", "bins-1")
    assert dirty(state_repository) == ["targets", *BINS]
    with state_repository.read() as reader:
        assert [each.forced for each in reader.dirty_roles()] == [True] * 5
        assert reader.totals().pending_roles == 5
    publish(state_repository)
    assert dirty(state_repository) == []
    with state_repository.read() as reader:
        assert reader.totals().pending_roles == 0


def test_due_roles_are_those_whose_sign_by_has_come(state_repository: StateStore) -> None:
    """A role is due from its very sign-by date on; root counts, and roles without a date never do."""
    with state_repository.transaction(actor="a") as transaction:
        transaction.record_root(1, b"root", signed_at=NOW, expires=NOW + 9 * DAY, sign_by=NOW + 3 * DAY)
    staged = stage(state_repository, "bins-2", "bins-0")
    with state_repository.transaction(actor="a") as transaction:
        parts = [part for part, _ in transaction.publication_roles(staged.id)]
        days = {"bins-2": 5, "bins-0": 5, "snapshot": 2, "timestamp": 3}
        transaction.record_files(staged.id, [signed(part, days=days[part.name]) for part in parts])
        transaction.commit_publication(staged.id, timestamp=b"t")
        transaction.settle_publication(staged.id, committed=NOW)

    def due(days: float) -> list[str]:
        with state_repository.read() as reader:
            return [each.name for each in reader.due_roles(NOW + timedelta(days=days))]

    assert due(0.9) == []
    assert due(1) == ["snapshot"]
    assert due(2) == ["snapshot", "timestamp"]
    assert due(3.5) == ["root", "snapshot", "timestamp"]
    assert due(400) == ["root", "snapshot", "timestamp", "bins-0", "bins-2"]
    with state_repository.read() as reader:
        assert reader.next_due() == NOW + DAY


def test_roles_whose_sign_by_date_cannot_be_are_overlooked(state_repository: StateStore) -> None:
    """One that has expired, or is due later than its periods allow, is told apart from those that are due."""
    staged = stage(state_repository, "bins-2", "bins-0")
    with state_repository.transaction(actor="a") as transaction:
        transaction.set_periods("bins", Periods(9 * DAY, 3 * DAY))
        transaction.set_periods("snapshot", Periods(9 * DAY, 3 * DAY))
        parts = {part.name: part for part, _ in transaction.publication_roles(staged.id)}
        days = {"bins-0": (9, 6), "bins-2": (9, 7), "snapshot": (9, 10), "timestamp": (9, 9)}
        transaction.record_files(
            staged.id,
            [
                replace(signed(part), expires=NOW + days[name][0] * DAY, sign_by=NOW + days[name][1] * DAY)
                for name, part in parts.items()
            ],
        )
        transaction.commit_publication(staged.id, timestamp=b"t")
        assert transaction.overlooked_roles(NOW + 90 * DAY) == []
        transaction.settle_publication(staged.id, committed=NOW)
    with state_repository.read() as reader:
        assert [role.name for role in reader.overlooked_roles(NOW + 8 * DAY)] == ["snapshot", "bins-2"]
        expired = [role.name for role in reader.overlooked_roles(NOW + 9 * DAY)]
        assert expired == ["snapshot", "timestamp", "bins-0", "bins-2"]


def test_changes_that_arrive_meanwhile_go_into_the_next_publication(state_repository: StateStore) -> None:
    """A change after staging stays pending, and its role stays dirty, when the publication is settled."""
    put(state_repository, row("a", 1))
    staged = stage(state_repository, bin_name("a"))
    later = put(state_repository, row("a", 2), replace=True)
    commit(state_repository, staged.id)
    settle(state_repository, staged.id)
    assert state_of(state_repository, "a") is ArtifactState.REPLACING
    assert dirty(state_repository) == [bin_name("a")]
    with state_repository.read() as reader:
        holder = reader.role(TARGETS).id
        assert list(reader.contents(holder, 0, 2**32 - 1, number=later - 1)) == [tuple(row("a", 1))]
    publish(state_repository)
    assert state_of(state_repository, "a") is ArtifactState.PUBLISHED


def test_a_role_forced_meanwhile_stays_forced(state_repository: StateStore) -> None:
    """Settling a publication clears only what was forced when it was staged."""
    force(state_repository, "bins-0", "bins-1")
    staged = stage(state_repository, "bins-0", "bins-1")
    force(state_repository, "bins-1", "bins-2")
    commit(state_repository, staged.id)
    settle(state_repository, staged.id)
    assert dirty(state_repository) == ["bins-1", "bins-2"]
    publish(state_repository)
    assert dirty(state_repository) == []


def test_only_known_roles_can_be_forced(state_repository: StateStore) -> None:
    """An unknown id is an error, and none of the call's roles is forced."""
    with state_repository.transaction(actor="a") as transaction:
        with pytest.raises(StateError):
            transaction.force_roles([transaction.role(TARGETS).id, 999])
        transaction.force_roles([])
        assert transaction.dirty_roles() == []


def test_a_renewal_shows_no_new_change(state_repository: StateStore) -> None:
    """A role rendered at its published number is new to clients; its pending artifacts are not, its number stays."""
    number = put(state_repository, row("a"))
    name = bin_name("a")
    publish(state_repository)
    put(state_repository, row("a", 2), replace=True)
    publish(state_repository, name, number=number)
    known = role(state_repository, name)
    assert (known.visible, known.number, known.dirty) == (2, number, True)
    assert state_of(state_repository, "a") is ArtifactState.REPLACING
    publish(state_repository, name, number=0)
    assert role(state_repository, name).number == number
