"""Another number of bins in a state: no artifact is touched, nothing is lost or counted twice, and names stay used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.state_backends import (
    FULL,
    NAMES,
    NOW,
    TARGETS,
    SqliteBackend,
    begin,
    commit,
    contents,
    dirty,
    publish,
    put,
    remove,
    role,
    row,
    settle,
    states,
)

from rstuf.errors import StateError
from rstuf.metadata.bins import Bins
from rstuf.model.artifacts import slot_of
from rstuf.model.names import RoleName
from rstuf.model.publication import Publication
from rstuf.model.roles import NewRole, RoleKind
from rstuf.repository.interfaces import StateStore


def bins_of(bits: int) -> Iterator[NewRole]:
    """The bins of targets in a layout."""
    bins = Bins(bits)
    return (NewRole(bins.name(index), RoleKind.BIN, TARGETS, index) for index in range(bins.count))


def begin_resize(store: StateStore, bits: int) -> int:
    with store.transaction(actor="maria") as transaction:
        return transaction.begin_resize(TARGETS, bits, bins_of(bits))


def fill(store: StateStore, bits: int, number: int) -> None:
    with store.read() as reader:
        weights = list(reader.weigh(TARGETS, bits=bits, number=number))
    with store.transaction(actor="maria") as transaction:
        transaction.fill_resize(TARGETS, weights)


def stage(store: StateStore) -> Publication:
    """A publication of all bins to come."""
    with store.transaction(actor="maria") as transaction:
        number = transaction.newest_number()
        top = [transaction.role(RoleName(name)) for name in ("targets", "snapshot", "timestamp")]
        roles = [(each, number) for each in (*top, *transaction.coming_bins(TARGETS))]
        return transaction.stage_publication(roles, begun=NOW, resized=TARGETS)


def resize(store: StateStore, bits: int) -> None:
    """From the first step to the last."""
    fill(store, bits, begin_resize(store, bits))
    staged = stage(store)
    commit(store, staged.id)
    settle(store, staged.id)


def counted(store: StateStore) -> dict[str, int]:
    """How many artifacts each bin in use holds, by the roles."""
    with store.read() as reader:
        return {each.name: each.artifacts for each in reader.roles(kind=RoleKind.BIN)}


def recounted(store: StateStore, bits: int) -> dict[str, int]:
    """The same, by the artifacts."""
    bins, found = Bins(bits), Counter[str]()
    with store.read() as reader:
        for each in contents(reader, number=reader.newest_number()):
            found[bins.name(bins.index_of_slot(each.slot))] += 1
    return {bins.name(index): found[bins.name(index)] for index in range(bins.count)}


@pytest.mark.parametrize("bits", [1, 3, 5])
def test_bins_take_the_place_of_others(state_repository: StateStore, bits: int) -> None:
    """With the publication that brings them, and not before; no artifact row is another one than it was."""
    put(state_repository, *(row(name) for name in NAMES))
    publish(state_repository, *(f"bins-{index}" for index in range(4)), "targets")
    with state_repository.read() as reader:
        before = list(reader.versions(reader.role(TARGETS).id, *FULL))
    fill(state_repository, bits, begin_resize(state_repository, bits))
    staged = stage(state_repository)
    commit(state_repository, staged.id)
    assert role(state_repository, "targets").bin_bits == 2
    assert counted(state_repository) == recounted(state_repository, 2)
    settle(state_repository, staged.id)
    assert role(state_repository, "targets").bin_bits == bits
    assert counted(state_repository) == recounted(state_repository, bits)
    assert (dirty(state_repository), set(states(state_repository).values())) == ([], {"published"})
    with state_repository.read() as reader:
        assert list(reader.versions(reader.role(TARGETS).id, *FULL)) == before
        assert reader.resize(TARGETS) is None
        listed = dict(reader.snapshot_entries())
        retired = {each.name for each in reader.roles() if each.retired}
    assert retired == {f"bins-{index}" for index in range(4)} - {each.name for each in bins_of(bits)}
    assert retired | {each.name for each in bins_of(bits)} | {"targets"} == listed.keys()


def test_a_name_that_comes_back_goes_on_from_its_version(state_repository: StateStore) -> None:
    """Versions are never used twice, however often the number of bins changes."""
    put(state_repository, *(row(name) for name in NAMES))
    publish(state_repository, *(f"bins-{index}" for index in range(4)), "targets")
    for bits in (5, 2, 5, 1):
        resize(state_repository, bits)
    assert (role(state_repository, "bins-0").visible, role(state_repository, "bins-3").visible) == (3, 2)
    assert role(state_repository, "bins-00").visible == 2
    assert role(state_repository, "bins-3").retired
    with state_repository.read() as reader:
        assert reader.due_roles(NOW.replace(year=2100)) == [
            each for each in reader.due_roles(NOW.replace(year=2100)) if not each.retired
        ]
        assert not [each for each in reader.overlooked_roles(NOW) if each.retired]


def test_a_resize_that_is_given_up_leaves_what_was(state_repository: StateStore) -> None:
    """Before it is staged and after; the next one goes on from the versions that it took."""
    put(state_repository, *(row(name) for name in NAMES))
    publish(state_repository, *(f"bins-{index}" for index in range(4)), "targets")
    fill(state_repository, 3, begin_resize(state_repository, 3))
    with pytest.raises(StateError, match="another resize"):
        begin_resize(state_repository, 4)
    with state_repository.transaction(actor="maria") as transaction:
        transaction.drop_resize(TARGETS)
    fill(state_repository, 3, begin_resize(state_repository, 3))
    staged = stage(state_repository)
    with state_repository.transaction(actor="maria") as transaction:
        transaction.abandon_publication(staged.id)
    put(state_repository, row("more"))
    assert role(state_repository, "targets").bin_bits == 2
    assert counted(state_repository) == recounted(state_repository, 2)
    resize(state_repository, 3)
    assert counted(state_repository) == recounted(state_repository, 3)
    assert role(state_repository, "bins-7").visible == 2


def test_what_clients_may_have_seen_is_carried_over(state_repository: StateStore) -> None:
    """Where targets lets the new bins sign and a file is damaged, all of these are signed again, and no old one."""
    put(state_repository, *(row(name) for name in NAMES))
    publish(state_repository, *(f"bins-{index}" for index in range(4)), "targets")
    fill(state_repository, 3, begin_resize(state_repository, 3))
    staged = stage(state_repository)
    commit(state_repository, staged.id)
    with state_repository.transaction(actor="maria") as transaction:
        transaction.abandon_publication(staged.id, carried=[transaction.role(TARGETS).id])
    assert role(state_repository, "targets").bin_bits == 3
    assert set(dirty(state_repository)) == {each.name for each in bins_of(3)} | {"snapshot", "timestamp"}
    assert counted(state_repository) == recounted(state_repository, 3)


def test_a_name_that_another_role_has_is_refused(state_repository: StateStore) -> None:
    """The state is as it was."""
    with state_repository.transaction(actor="maria") as transaction:
        transaction.add_roles([NewRole(RoleName("BINS-7"), RoleKind.DELEGATED)])
    with pytest.raises(StateError, match="bins-7"):
        begin_resize(state_repository, 3)
    with state_repository.read() as reader:
        assert reader.resize(TARGETS) is None
        assert not [each for each in reader.roles() if each.retired]


CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from(NAMES), st.integers(1, 3)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, min_size=5, max_size=5), st.integers(1, 6))
def test_what_is_accepted_meanwhile_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[bool, str, int]]], bits: int
) -> None:
    """Between any two steps of a resize artifacts come, change and go; afterwards every bin counts what it holds."""
    store = SqliteBackend(str(tmp_path_factory.mktemp("resize"))).create()
    begin(store)
    live: set[str] = set()

    def change(some: list[tuple[bool, str, int]]) -> None:
        for adds, name, content in some:
            if adds:
                put(store, row(name, content), replace=True)
                live.add(name)
            elif name in live:
                remove(store, name)
                live.remove(name)

    change(steps[0])
    publish(store, *(f"bins-{index}" for index in range(4)), "targets")
    number = begin_resize(store, bits)
    change(steps[1])
    fill(store, bits, number)
    change(steps[2])
    staged = stage(store)
    change(steps[3])
    commit(store, staged.id)
    settle(store, staged.id)
    assert counted(store) == recounted(store, bits)
    change(steps[4])
    assert counted(store) == recounted(store, bits)
    slots = {slot_of(name) >> (32 - bits) for some in steps[3:] for _, name, _ in some}
    assert set(dirty(store)) <= {Bins(bits).name(slot) for slot in slots}
    publish(store)
    with store.read() as reader:
        payloads = {
            each.index: each.payload for each in reader.weigh(TARGETS, bits=bits, number=reader.newest_number())
        }
        roles = {each.index: each.payload for each in reader.roles(kind=RoleKind.BIN)}
        assert {index: size for index, size in roles.items() if size} == payloads
        assert set(states(store)) == live
        assert list(reader.damage()) == []
    store.close()
