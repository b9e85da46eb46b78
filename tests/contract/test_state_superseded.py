"""Superseded files in a state: what is noted with each publication, since when, and what a policy lets go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.state_backends import (
    BINS,
    DAY,
    NOW,
    TARGETS,
    SqliteBackend,
    begin,
    commit,
    publish,
    record_all,
    settle,
    stage,
)

from rstuf.model.names import RoleName
from rstuf.model.roles import FileFacts
from rstuf.model.superseded import Retention, SupersededFile
from rstuf.repository.interfaces import StateStore
from rstuf.state import schema

ALL = Retention(publications=1, days=0)
LATER = NOW + 1000 * DAY


def may_go(store: StateStore, retention: Retention = ALL, *, now: datetime = LATER) -> set[str]:
    """What may go, as a file is named."""
    with store.read() as reader:
        found = reader.superseded_files(retention, now=now, limit=1000)
        assert reader.count_superseded(retention, now=now, most=1000)[0] == len(found)
    return {f"{each.version}.{each.name}" for each in found}


def noted(store: StateStore) -> int:
    with store.read() as reader:
        return reader.noted_files()


def test_a_publication_notes_what_it_takes_the_place_of(state_repository: StateStore) -> None:
    """Each file with what is recorded of it, from the instant at which it was settled; never a timestamp or a root."""
    publish(state_repository, "targets", *BINS)
    assert noted(state_repository) == 0
    publish(state_repository, "bins-1")
    with state_repository.read() as reader:
        found = {each.name: each for each in reader.superseded_files(ALL, now=NOW, limit=10)}
        role = reader.role(RoleName("bins-1"))
    assert found.keys() == {"bins-1", "snapshot"}
    assert found[RoleName("bins-1")] == SupersededFile(
        role=role.id,
        name=role.name,
        kind=role.kind,
        version=1,
        since=NOW,
        file=FileFacts(length=101, sha256=f"{role.id:064x}"),
        retired=False,
    )


def test_what_was_given_up_waits_for_the_next_publication(state_repository: StateStore) -> None:
    """Its files are noted when it is given up, and superseded with the next one that is settled, recorded or not."""
    publish(state_repository, "bins-0")
    first = stage(state_repository, "bins-0", "bins-1")
    with state_repository.transaction(actor="a") as transaction:
        transaction.abandon_publication(first.id)
    second = stage(state_repository, "targets", "bins-0")
    commit(state_repository, second.id)
    with state_repository.transaction(actor="a") as transaction:
        transaction.abandon_publication(second.id)
    assert (noted(state_repository), may_go(state_repository)) == (6, set())
    publish(state_repository, "bins-2")
    assert may_go(state_repository) == {"2.bins-0", "1.bins-1", "2.snapshot", "1.targets", "3.bins-0", "3.snapshot"} | {
        "1.snapshot"
    }
    with state_repository.read() as reader:
        files = {f"{each.version}.{each.name}": each.file for each in reader.superseded_files(ALL, now=NOW, limit=10)}
    assert {name for name, file in files.items() if file is None} == {"2.bins-0", "1.bins-1", "2.snapshot"}


def test_what_is_carried_over_takes_the_place_of_what_was_there(state_repository: StateStore) -> None:
    """The version before it is noted, and not the one that clients see from then on."""
    publish(state_repository, "targets", "bins-0")
    staged = stage(state_repository, "targets", "bins-0")
    commit(state_repository, staged.id)
    with state_repository.transaction(actor="a") as transaction:
        transaction.abandon_publication(staged.id, carried=[transaction.role(TARGETS).id])
    publish(state_repository, "bins-0")
    assert may_go(state_repository) == {"1.targets", "1.bins-0", "2.bins-0", "1.snapshot", "2.snapshot"}


def test_a_version_that_is_taken_again_is_noted_no_more(state_repository: StateStore) -> None:
    """What people signed comes out under the version that it was given, however often a publication was given up."""
    publish(state_repository, "targets")
    with state_repository.transaction(actor="a") as transaction:
        transaction.burn_versions(TARGETS, 1)
        target = transaction.role(TARGETS)
        wanted = [(role, 0) for role in transaction.roles() if role.name in {"targets", "snapshot", "timestamp"}]
        staged = transaction.stage_publication(wanted, begun=NOW, reserved={target.id: 2})
        transaction.abandon_publication(staged.id)
    publish(state_repository, "bins-0")
    assert "2.targets" in may_go(state_repository)
    with state_repository.transaction(actor="a") as transaction:
        staged = transaction.stage_publication(wanted, begun=NOW, reserved={target.id: 2})
        assert "targets" not in {each.name for each in transaction.superseded_files(ALL, now=LATER, limit=10)}
        record_all(transaction, staged.id)
        transaction.commit_publication(staged.id, timestamp=b"t")
        transaction.settle_publication(staged.id, committed=NOW)
    assert {name for name in may_go(state_repository) if "targets" in name} == {"1.targets"}


def test_notes_are_found_a_page_at_a_time(state_repository: StateStore) -> None:
    """The longest superseded first, each once, and those that are forgotten no more."""
    for _ in range(5):
        publish(state_repository, "targets", *BINS)
    with state_repository.transaction(actor="a") as transaction:
        whole = transaction.superseded_files(ALL, now=LATER, limit=100)
        paged, after = list[SupersededFile](), None
        while page := transaction.superseded_files(ALL, now=LATER, limit=7, after=after):
            assert len(page) <= 7
            paged, after = [*paged, *page], page[-1]
        assert (len(whole), paged) == (24, whole)
        assert transaction.count_superseded(ALL, now=LATER, most=10)[0] == 10
        transaction.forget_superseded(whole[:20])
        assert transaction.superseded_files(ALL, now=LATER, limit=100) == whole[20:]
        length = sum(each.file.length for each in whole[20:] if each.file is not None)
        assert transaction.count_superseded(ALL, now=LATER, most=100) == (4, length)


def test_files_of_which_only_the_name_is_known(state_repository: StateStore) -> None:
    """They are noted by role and version, once, and superseded with the next publication."""
    publish(state_repository, "bins-0")
    with state_repository.transaction(actor="a") as transaction:
        transaction.note_superseded([(RoleName("bins-3"), 7), (RoleName("bins-3"), 7), (RoleName("nobody"), 1)])
    assert (noted(state_repository), may_go(state_repository)) == (1, set())
    publish(state_repository, "bins-0")
    assert may_go(state_repository) == {"7.bins-3", "1.bins-0", "1.snapshot"}


def test_the_policy_is_kept(state_repository: StateStore) -> None:
    """It has a default, and what is set holds."""
    with state_repository.transaction(actor="a") as transaction:
        assert transaction.retention() == Retention(publications=5, days=30)
        transaction.set_retention(Retention(publications=9, days=0))
    with state_repository.read() as reader:
        assert reader.retention() == Retention(publications=9, days=0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["publish", "give up", "wait"]), st.sampled_from(BINS), st.integers(1, 40)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 6), st.integers(0, 60))
def test_a_policy_lets_go_what_both_its_numbers_let(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]], publications: int, days: int
) -> None:
    """Held against a model of all releases: what the last N name stays, and what others took the place of late."""
    store = SqliteBackend(str(tmp_path_factory.mktemp("superseded"))).create()
    begin(store)
    now, releases, superseded = NOW, [dict[str, int]()], dict[str, datetime]()
    for what, name, number in steps:
        if what == "wait":
            now += timedelta(hours=number)
        elif what == "give up":
            staged = stage(store, name)
            with store.transaction(actor="a") as transaction:
                transaction.abandon_publication(staged.id)
        else:
            staged = stage(store, name)
            commit(store, staged.id)
            with store.transaction(actor="a") as transaction:
                transaction.settle_publication(staged.id, committed=now)
            with store.read() as reader:
                seen = {role.name: role.visible for role in reader.roles() if role.visible and role.name != "timestamp"}
            for before in _files(releases[-1]) - _files(seen):
                superseded[before] = now
            releases.append(seen)
    kept = {file for release in releases[-publications:] for file in _files(release)}
    expected = {file for file, since in superseded.items() if file not in kept and now - since >= days * DAY}
    found = may_go(store, Retention(publications=publications, days=days), now=now)
    given_up = {file for file in found if file not in superseded}
    assert found - given_up == expected
    assert not given_up & kept
    store.close()


def _files(release: dict[str, int]) -> set[str]:
    return {f"{version}.{name}" for name, version in release.items()}


@pytest.fixture
def older(tmp_path: Path) -> Iterator[StateStore]:
    """A state as the format before this one left it."""
    backend = SqliteBackend(str(tmp_path))
    store = backend.create()
    begin(store)
    publish(store, "targets", *BINS)
    with store.transaction(actor="a") as transaction:
        before = schema.STEPS.index(schema._note_what_is_superseded)
        for statement in ("DROP TABLE superseded_file", "DROP TABLE retention", f"PRAGMA user_version={before}"):
            transaction._connection.execute(statement)  # type: ignore[attr-defined]
    store.close()
    store = backend.open()
    yield store
    store.close()


def test_an_older_state_notes_from_now_on(older: StateStore) -> None:
    """What was superseded before it was brought up to date is not known; everything after it is."""
    assert noted(older) == 0
    publish(older, "bins-0")
    assert may_go(older) == {"1.bins-0", "1.snapshot"}
    settle_again = stage(older, "bins-1")
    commit(older, settle_again.id)
    settle(older, settle_again.id)
    assert may_go(older) == {"1.bins-0", "1.snapshot", "1.bins-1", "2.snapshot"}
    with older.read() as reader:
        assert list(reader.damage()) == []
