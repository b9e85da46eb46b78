"""Changes that wait while others of their role come out: each takes a newer number, and nothing else is different."""

from __future__ import annotations

from contextlib import closing
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.state_backends import (
    FULL,
    TARGETS,
    SqliteBackend,
    begin,
    contents,
    publish,
    put,
    remove,
    row,
    sorted_rows,
)

from rstuf.model.artifacts import ArtifactState
from rstuf.model.names import TargetPath
from rstuf.repository.interfaces import StateStore

_PATHS = ("a", "b", "c")
_DEEDS = st.lists(st.tuples(st.sampled_from(["put", "remove", "publish", "postpone"]), st.sampled_from(_PATHS)))


def postpone(store: StateStore, *paths: str) -> tuple[int, int]:
    """Let changes wait; the number that they have then, and how many there were."""
    with store.transaction(actor="maria") as transaction:
        number = transaction.next_number()
        return number, transaction.postpone(TARGETS, map(TargetPath, paths), number=number)


def seen(store: StateStore, path: str) -> tuple[ArtifactState, int] | None:
    """The state of an artifact, and the content that it is about."""
    with store.read() as reader:
        found = reader.artifact(TargetPath(path))
        return None if found is None else (found.state, found.artifact.length)


def test_what_is_postponed_comes_out_later(state_repository: StateStore) -> None:
    """At the number before, its role lists what it listed; the last of several changes comes out then, and no other."""
    put(state_repository, row("tool", 1, length=1), row("other", 1))
    publish(state_repository)
    put(state_repository, row("tool", 2, length=2), replace=True)
    put(state_repository, row("tool", 3, length=3), row("more", 1), replace=True)
    number, count = postpone(state_repository, "tool", "other", "nothing")
    assert count == 1
    publish(state_repository, number=number - 1)
    assert seen(state_repository, "tool") == (ArtifactState.REPLACING, 3)
    assert seen(state_repository, "more") == (ArtifactState.PUBLISHED, 1)
    with state_repository.read() as reader:
        assert sorted_rows([row("tool", 1, length=1), row("other", 1), row("more", 1)]) == contents(
            reader, number=number - 1
        )
    publish(state_repository)
    assert seen(state_repository, "tool") == (ArtifactState.PUBLISHED, 3)


def test_a_removal_can_wait_as_well(state_repository: StateStore) -> None:
    """Until it comes out, clients find what was removed; then nothing is left of it."""
    put(state_repository, row("tool", 1))
    publish(state_repository)
    remove(state_repository, "tool")
    number, count = postpone(state_repository, "tool")
    publish(state_repository, number=number - 1)
    assert (count, seen(state_repository, "tool")) == (1, (ArtifactState.REMOVING, 1))
    publish(state_repository)
    with state_repository.read() as reader:
        assert list(reader.versions(reader.role(TARGETS).id, *FULL)) == []


@settings(deadline=None, max_examples=25)
@given(_DEEDS)
def test_it_changes_nothing_but_when(deeds: list[tuple[str, str]]) -> None:
    """Whatever was done before: the state is sound, and what clients come to see in the end is the same."""
    found = []
    for postpones in (True, False):
        with TemporaryDirectory() as place, closing(SqliteBackend(place).create()) as store:
            found.append(_carried_out(store, deeds, postpones=postpones))
    assert found[0] == found[1]


def _carried_out(store: StateStore, deeds: list[tuple[str, str]], *, postpones: bool) -> list[object]:
    begin(store)
    there = set[str]()
    for place, (deed, path) in enumerate(deeds):
        if deed == "put":
            put(store, row(path, place), replace=True)
            there.add(path)
        elif deed == "remove" and path in there:
            remove(store, path)
            there.remove(path)
        elif deed == "publish":
            publish(store)
        elif deed == "postpone" and postpones:
            postpone(store, path)
        with store.read() as reader:
            rows = list(reader.versions(reader.role(TARGETS).id, *FULL))
            for after in range(reader.newest_number() + 1):
                wanted = {(TARGETS, path) for _, path, number, _ in rows if number > after}
                assert set(reader.changed_paths(after=after)) == wanted
    publish(store)
    with store.read() as reader:
        assert list(reader.damage()) == []
        assert all(role.newest <= role.number for role in reader.roles())
        return [contents(reader, number=reader.newest_number()), [role.payload for role in reader.roles()]]
