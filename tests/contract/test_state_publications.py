"""Publications in a state: how versions are taken, which steps follow each other, and what becomes visible when."""

from __future__ import annotations

from dataclasses import replace

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
    record_all,
    remove,
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
from rstuf.model.publication import Publication, PublicationPhase
from rstuf.model.roles import FileFacts, NewRole, RoleKind
from rstuf.repository.interfaces import StateStore


def test_a_publication_takes_the_next_versions(state_repository: StateStore) -> None:
    """Staging says what each role will be: its version, and the number it is rendered at."""
    number = put(state_repository, row("a"))
    name = bin_name("a")
    staged = stage(state_repository, name)
    assert staged == Publication(
        id=staged.id,
        phase=PublicationPhase.STAGED,
        number=number,
        begun=NOW,
        committed=None,
        timestamp_version=1,
        timestamp=None,
    )
    with state_repository.read() as reader:
        assert reader.unfinished_publication() == staged
        assert reader.publication_of_timestamp(1) == staged
        assert reader.last_publication() is None
        parts = list(reader.publication_roles(staged.id))
        assert [(part.name, part.version, part.number, file) for part, file in parts] == [
            ("snapshot", 1, number, None),
            ("timestamp", 1, number, None),
            (name, 1, number, None),
        ]
        for part, _ in parts:
            known = reader.role(part.name)
            assert (known.id, known.kind, known.index) == (part.id, part.kind, part.index)
            assert (known.version, known.visible, known.number) == (1, 0, 0)
        assert list(reader.publication_roles(staged.id + 1)) == []


def test_a_publication_becomes_visible_when_it_is_settled_and_not_before(state_repository: StateStore) -> None:
    """Through staged and committing clients see what they saw; then roles, facts and artifacts change together."""
    number = put(state_repository, row("a"))
    name = bin_name("a")
    staged = stage(state_repository, name)
    before = role(state_repository, name)
    commit(state_repository, staged.id)
    assert role(state_repository, name) == before
    assert state_of(state_repository, "a") is ArtifactState.PENDING
    with state_repository.read() as reader:
        committing = reader.unfinished_publication()
        assert committing is not None
        assert (committing.phase, committing.timestamp) == (PublicationPhase.COMMITTING, b"timestamp %d" % staged.id)
        parts = list(reader.publication_roles(staged.id))
        assert [file for _, file in parts] == [signed(part).file for part, _ in parts]
        assert reader.snapshot_entries() == []
    settle(state_repository, staged.id)
    after = role(state_repository, name)
    assert (after.visible, after.version, after.number, after.dirty) == (1, 1, number, False)
    assert (after.signed_at, after.expires, after.sign_by) == (NOW, NOW + 7 * DAY, NOW + 6 * DAY)
    assert after.file == FileFacts(length=101, sha256=f"{after.id:064x}")
    assert state_of(state_repository, "a") is ArtifactState.PUBLISHED
    with state_repository.read() as reader:
        done = reader.last_publication()
        assert done is not None
        assert (done.phase, done.committed, done.timestamp) == (PublicationPhase.DONE, NOW, committing.timestamp)
        assert reader.publication_of_timestamp(1) == done
        assert reader.unfinished_publication() is None
        assert reader.snapshot_entries() == [(name, 1)]


def test_versions_of_an_abandoned_publication_are_burnt(state_repository: StateStore) -> None:
    """After a staged publication is given up, the next one is above it, and what was dirty still is."""
    put(state_repository, row("a"))
    name = bin_name("a")
    first = stage(state_repository, name)
    with state_repository.transaction(actor="a") as transaction:
        transaction.abandon_publication(first.id)
    known = role(state_repository, name)
    assert (known.version, known.visible, known.forced, known.dirty) == (1, 0, False, True)
    with state_repository.read() as reader:
        found = reader.publication_of_timestamp(1)
        assert found is not None
        assert (found.id, found.phase) == (first.id, PublicationPhase.ABANDONED)
        assert reader.unfinished_publication() is reader.last_publication() is None
    second = publish(state_repository, name)
    assert (second.timestamp_version, role(state_repository, name).visible) == (2, 2)
    assert second.id > first.id


def test_an_abandoned_commit_forces_its_roles(state_repository: StateStore) -> None:
    """Clients may have seen a committing publication, so each of its roles must get a newer version."""
    publish(state_repository, *BINS)
    staged = stage(state_repository, "bins-1")
    commit(state_repository, staged.id)
    with state_repository.transaction(actor="a") as transaction:
        transaction.abandon_publication(staged.id)
    assert dirty(state_repository) == ["snapshot", "timestamp", "bins-1"]
    publish(state_repository)
    assert dirty(state_repository) == []
    assert role(state_repository, "bins-1").visible == 3
    assert role(state_repository, "bins-0").visible == 1


def test_there_is_one_unfinished_publication(state_repository: StateStore) -> None:
    """While one is staged or committing another cannot begin, and the refusal burns no version."""
    staged = stage(state_repository, "bins-0")
    with pytest.raises(StateError):
        stage(state_repository, "bins-1")
    commit(state_repository, staged.id)
    with pytest.raises(StateError):
        stage(state_repository, "bins-1")
    assert role(state_repository, "bins-1").version == 0
    assert role(state_repository, "timestamp").version == 1
    settle(state_repository, staged.id)
    assert publish(state_repository, "bins-1").timestamp_version == 2


@pytest.mark.parametrize("wrong", ["no timestamp", "root", "twice", "unknown", "nothing"])
def test_a_publication_is_well_formed(state_repository: StateStore, wrong: str) -> None:
    """One without timestamp, with root, with a role twice, or with a role from elsewhere is refused."""
    with state_repository.transaction(actor="a") as transaction:
        roles = {each.name: each for each in transaction.roles()}
        parts = [roles[TARGETS], roles[RoleName("timestamp")]]
        if wrong == "no timestamp":
            parts.pop()
        elif wrong == "root":
            parts.append(roles[RoleName("root")])
        elif wrong == "twice":
            parts.append(parts[0])
        elif wrong == "unknown":
            parts.append(replace(parts[0], id=999))
        else:
            parts.clear()
        before = list(transaction.roles())
        with pytest.raises(StateError):
            transaction.stage_publication([(part, 0) for part in parts], begun=NOW)
        assert list(transaction.roles()) == before
        assert transaction.unfinished_publication() is None


def test_each_step_follows_the_one_before(state_repository: StateStore) -> None:
    """Recording, committing, settling and abandoning are refused out of turn and for unknown publications."""

    def attempt(step: str, publication: int) -> None:
        with state_repository.transaction(actor="a") as transaction:
            if step == "record":
                record_all(transaction, publication)
            elif step == "commit":
                transaction.commit_publication(publication, timestamp=b"t")
            elif step == "settle":
                transaction.settle_publication(publication, committed=NOW)
            else:
                transaction.abandon_publication(publication)

    def refuses(publication: int, *steps: str) -> None:
        for step in steps:
            with pytest.raises(StateError):
                attempt(step, publication)

    refuses(1, "record", "commit", "settle", "abandon")
    staged = stage(state_repository, "bins-0").id
    refuses(staged, "settle", "commit")
    attempt("record", staged)
    attempt("commit", staged)
    refuses(staged, "record", "commit")
    attempt("settle", staged)
    refuses(staged, "record", "commit", "settle", "abandon")


def test_facts_are_of_roles_and_versions_that_were_staged(state_repository: StateStore) -> None:
    """A file of another role or another version is refused, with all files of the call."""
    staged = stage(state_repository, "bins-0")
    with state_repository.transaction(actor="a") as transaction:
        parts = [signed(part) for part, _ in transaction.publication_roles(staged.id)]
        planned = parts[0].planned
        for other in (replace(planned, id=1), replace(planned, version=2)):
            wrong = replace(parts[0], planned=other)
            with pytest.raises(StateError):
                transaction.record_files(staged.id, [*parts[1:], wrong])
        assert {file for _, file in transaction.publication_roles(staged.id)} == {None}
        transaction.record_files(staged.id, [])
        for part in parts:
            transaction.record_files(staged.id, [part])
        transaction.commit_publication(staged.id, timestamp=b"t")


def test_snapshot_lists_targets_bins_and_delegated_roles(state_repository: StateStore) -> None:
    """Every role that was ever visible is listed with its version; root, snapshot, timestamp never are."""
    with state_repository.transaction(actor="a") as transaction:
        transaction.add_roles([NewRole(RoleName("extra"), RoleKind.DELEGATED)])
        transaction.record_root(1, b"root", signed_at=NOW, expires=NOW + DAY, sign_by=NOW)
    publish(state_repository, "targets", "bins-1", "extra")
    publish(state_repository, "bins-1")
    with state_repository.read() as reader:
        assert sorted(reader.snapshot_entries()) == [("bins-1", 2), ("extra", 1), ("targets", 1)]


def test_contents_at_published_numbers_outlive_many_publications(state_repository: StateStore) -> None:
    """Whatever goes when publications are settled, what each role shows and will show stays."""
    expected: dict[str, int] = {}
    for step in range(30):
        path = f"p/{step % 7}"
        if step % 4 == 3 and path in expected:
            del expected[path]
            remove(state_repository, path)
        else:
            expected[path] = step
            put(state_repository, row(path, step), replace=True)
        if step % 3:
            publish(state_repository)
            with state_repository.read() as reader:
                holder, newest = reader.role(TARGETS).id, reader.newest_number()
                found = {each[1]: each[2] for each in reader.contents(holder, 0, 2**32 - 1, number=newest)}
                assert found == {path: row(path, content).fragment for path, content in expected.items()}
                assert {each.state for each in reader.artifacts()} <= {ArtifactState.PUBLISHED}


def test_a_large_publication_is_settled(state_repository: StateStore) -> None:
    """Tens of thousands of replaced and removed artifacts become visible whole, though their old rows go bit by bit."""
    paths = [f"p/{index}" for index in range(24_000)]
    put(state_repository, *(row(path) for path in paths))
    publish(state_repository)
    put(state_repository, *(row(path, 2) for path in paths[:12_000]), replace=True)
    remove(state_repository, *paths[12_000:])
    for _ in range(3):
        publish(state_repository, *BINS)
        with state_repository.read() as reader:
            holder, newest = reader.role(TARGETS).id, reader.newest_number()
            shown = {each[1]: each[2] for each in reader.contents(holder, 0, 2**32 - 1, number=newest)}
            assert shown == {path: row(path, 2).fragment for path in paths[:12_000]}
            assert sum(1 for _ in reader.artifacts()) == reader.totals().artifacts == 12_000


def test_bytes_of_delegators_are_there_with_their_publication(state_repository: StateStore) -> None:
    """What targets said is kept from the moment its file is recorded, until a newer version is visible."""

    def bring_out(data: bytes, *, abandoned: bool = False) -> None:
        publication = stage(state_repository, "targets")
        with state_repository.transaction(actor="maria@laptop") as state:
            parts = [signed(part) for part, _ in state.publication_roles(publication.id)]
            state.record_files(
                publication.id, [replace(part, data=data) if part.planned.name == TARGETS else part for part in parts]
            )
            if abandoned:
                state.abandon_publication(publication.id)
                return
            state.commit_publication(publication.id, timestamp=b"timestamp")
            state.settle_publication(publication.id, committed=NOW)

    def kept() -> list[bytes | None]:
        with state_repository.read() as reader:
            return [reader.delegator(TARGETS, version) for version in range(1, 5)]

    assert kept() == [None, None, None, None]
    bring_out(b"one")
    assert kept() == [b"one", None, None, None]
    bring_out(b"two", abandoned=True)
    assert kept()[0] == b"one"
    bring_out(b"three")
    assert kept() == [None, None, b"three", None]
    with state_repository.transaction(actor="maria@laptop") as state:
        state.record_delegator(TARGETS, 3, b"again")
        with pytest.raises(KeyError):
            state.record_delegator(RoleName("other"), 3, b"again")
    assert kept() == [None, None, b"again", None]
    with state_repository.read() as reader:
        assert reader.delegator(RoleName("Targets"), 3) is None


def test_publications_that_are_over_are_forgotten(state_repository: StateStore) -> None:
    """The newest publication stands alone in the state, whatever became of those before; their numbers stay taken."""
    ids = [publish(state_repository, "bins-0").id]
    abandoned = stage(state_repository, "bins-0")
    with state_repository.transaction(actor="maria@laptop") as transaction:
        transaction.abandon_publication(abandoned.id)
    last = publish(state_repository, "bins-0")
    assert last.id > abandoned.id > ids[0]
    with state_repository.read() as reader:
        assert [list(reader.publication_roles(number)) for number in (*ids, abandoned.id)] == [[], []]
        assert reader.publication_of_timestamp(1) is None
        assert reader.last_publication() is not None
        assert len(list(reader.publication_roles(last.id))) == 3
