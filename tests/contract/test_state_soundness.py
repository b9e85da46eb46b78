"""What a state gives to whoever checks it: every row as it is kept, all roots and publications, and its own damage."""

from __future__ import annotations

from tests.support.state_backends import (
    LIMIT,
    NOW,
    TARGETS,
    WAIT,
    StateBackend,
    begin,
    bin_name,
    commit,
    fragment,
    publish,
    put,
    remove,
    role,
    row,
    settle,
    sorted_rows,
    stage,
)

from rstuf.model.artifacts import slot_of
from rstuf.model.names import RoleName
from rstuf.model.publication import PublicationPhase
from rstuf.model.roles import NewRole, RoleKind
from rstuf.repository.interfaces import StateReader, StateStore

FULL = (0, 2**32 - 1)


def versions(reader: StateReader, low: int = FULL[0], high: int = FULL[1]) -> list[tuple[int, str, int, bytes]]:
    return list(reader.versions(reader.role(TARGETS).id, low, high))


def test_every_version_of_an_artifact_is_there(state_repository: StateStore) -> None:
    """Waiting ones, those they replace, and removals; by slot, path and number."""
    first = put(state_repository, row("a", 1), row("b", 1), row("c", 1))
    second = put(state_repository, row("a", 2), replace=True)
    third = remove(state_repository, "b")
    expected = [
        (slot_of("a"), "a", first, fragment(1)),
        (slot_of("a"), "a", second, fragment(2)),
        (slot_of("b"), "b", first, fragment(1)),
        (slot_of("b"), "b", third, b""),
        (slot_of("c"), "c", first, fragment(1)),
    ]
    with state_repository.read() as reader:
        assert versions(reader) == sorted(expected)
        slot = slot_of("a")
        assert {each[1] for each in versions(reader, slot, slot)} == {"a"}
        assert versions(reader, slot + 1, slot) == []
        assert list(reader.versions(999, *FULL)) == []


def test_what_nothing_shows_any_more_is_gone(state_repository: StateStore) -> None:
    """A publication that makes a replacement visible lets the version before it go."""
    put(state_repository, row("a", 1))
    publish(state_repository)
    newest = put(state_repository, row("a", 2), replace=True)
    publish(state_repository)
    with state_repository.read() as reader:
        assert versions(reader) == [(slot_of("a"), "a", newest, fragment(2))]


def test_root_versions(state_repository: StateStore) -> None:
    """All of them, whether or not their files are there."""
    with state_repository.read() as reader:
        assert reader.root_versions() == []
    with state_repository.transaction(actor="maria") as transaction:
        for version in (1, 2, 3):
            transaction.record_root(version, b"%d" % version, signed_at=NOW, expires=NOW + WAIT, sign_by=NOW + WAIT)
        transaction.settle_root(1)
    with state_repository.read() as reader:
        assert reader.root_versions() == [1, 2, 3]


def test_publications_in_their_order(state_repository: StateStore) -> None:
    """Done, abandoned and unfinished ones; those before the last that is done may be forgotten."""
    with state_repository.read() as reader:
        assert list(reader.publications()) == []
    done = publish(state_repository, "targets")
    given_up = stage(state_repository, "targets")
    with state_repository.transaction(actor="maria") as transaction:
        transaction.abandon_publication(given_up.id)
    commit(state_repository, stage(state_repository, "targets").id)
    with state_repository.read() as reader:
        found = list(reader.publications())
        phases = [PublicationPhase.DONE, PublicationPhase.ABANDONED, PublicationPhase.COMMITTING]
        assert [each.phase for each in found] == phases
        assert found[0] == reader.last_publication()
        assert found[1] == reader.publication_of_timestamp(given_up.timestamp_version)
        assert found[2] == reader.unfinished_publication()
        assert (found[0].id, found[0].timestamp_version) == (done.id, done.timestamp_version)


def test_a_sound_state_has_no_damage(state_backend: StateBackend) -> None:
    """Not when it is empty, nor after anything that is done to it."""
    store = state_backend.create()
    sound: list[str] = []

    def look() -> None:
        with store.read() as reader:
            sound.extend(reader.damage())

    look()
    begin(store)
    put(store, row("plain"), row("Odd. /Name"), row("ünï"), row("Über"), row("x/A"))
    look()
    publish(store)
    put(store, row("plain", 2), row("x/A", 2), replace=True)
    remove(store, "Odd. /Name", "Über")
    look()
    staged = stage(store, bin_name("plain"))
    look()
    commit(store, staged.id)
    look()
    settle(store, staged.id)
    put(store, row("über"), row("odd/name"))
    with store.transaction(actor="maria") as transaction:
        transaction.record_root(1, b"1", signed_at=NOW, expires=NOW + WAIT, sign_by=NOW + WAIT)
        transaction.record("act", {"what": 1}, at=NOW)
        sound.extend(transaction.damage())
    look()
    assert sound == []
    store.close()


def test_the_same_path_of_two_roles_is_no_twin(state_repository: StateStore) -> None:
    """A path that two roles hold is guarded once, for as long as one of them holds it."""
    other = RoleName("other")
    with state_repository.transaction(actor="maria") as transaction:
        transaction.add_roles([NewRole(other, RoleKind.DELEGATED)])
    put(state_repository, row("A"))
    with state_repository.transaction(actor="maria") as transaction:
        rows, number = sorted_rows([row("A")]), transaction.next_number()
        transaction.put_artifacts(other, rows, number=number, replace=False, role_limit=LIMIT)
    remove(state_repository, "A")
    assert role(state_repository, "other").artifacts == 1
    with state_repository.read() as reader:
        assert list(reader.damage()) == []
