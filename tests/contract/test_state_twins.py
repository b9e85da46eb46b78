"""Paths that many file systems hold to be one, and paths whose hashes begin alike."""

from __future__ import annotations

import pytest
from tests.support.state_backends import (
    bin_name,
    contents,
    far_apart,
    publish,
    put,
    remove,
    role,
    row,
    states,
)

from rstuf.errors import PathTwin
from rstuf.model.names import RoleName
from rstuf.model.roles import NewRole, RoleKind
from rstuf.repository.interfaces import StateStore

# Two paths with the same slot: the first 32 bits of their hashes are equal.
SHARED_SLOT = ("c/21008", "c/92815")


TWINS = [
    ("Readme", "README"),
    ("readme", "README"),
    ("a/Tool", "A/tool"),
    ("x.", "x"),
    ("straße", "STRASSE"),
    ("d /x", "d/x"),
    ("❤\ufe0f", "❤"),
    ("a\u3164b", "A\ufe0fB"),
]


@pytest.mark.parametrize("batches", ["one", "two"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("twins", TWINS)
def test_twins_are_refused_in_any_order(
    state_repository: StateStore, twins: tuple[str, str], turned: bool, batches: str
) -> None:
    """Two paths that many file systems hold to be one never live together, whichever comes first."""
    first, second = map(row, reversed(twins) if turned else twins)
    put(state_repository, row("other"), row("Other2"))
    if batches == "two":
        put(state_repository, first)
        publish(state_repository)
    with pytest.raises(PathTwin) as refused:
        put(state_repository, second, *([first] if batches == "one" else []))
    assert {refused.value.path, refused.value.existing} == set(twins)
    assert len(states(state_repository)) == (3 if batches == "two" else 2)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("twins", TWINS)
def test_a_removed_path_lets_its_twin_in(state_repository: StateStore, twins: tuple[str, str], turned: bool) -> None:
    """Removing one twin frees the other, and then the first one is refused."""
    first, second = reversed(twins) if turned else twins
    put(state_repository, row(first))
    remove(state_repository, first)
    put(state_repository, row(second))
    with pytest.raises(PathTwin):
        put(state_repository, row(first))
    remove(state_repository, second)
    put(state_repository, row(first))
    assert list(states(state_repository)) == [first]


def test_twins_under_different_roles_are_refused(state_repository: StateStore) -> None:
    """One repository, one name space: another role's twin counts, and so does the one that is left of two."""
    files = RoleName("files")
    with state_repository.transaction(actor="a") as transaction:
        transaction.add_roles([NewRole(files, RoleKind.DELEGATED)])
    for first, second in (("Tool", "tool"), ("bench", "Bench"), ("Vice", "VICE")):
        put(state_repository, row(first))
        with pytest.raises(PathTwin):
            put(state_repository, row(second), holder=files)
        put(state_repository, row(first), holder=files)
        remove(state_repository, first)
        with pytest.raises(PathTwin):
            put(state_repository, row(second))
        remove(state_repository, first, holder=files)
        put(state_repository, row(second), holder=files)


def test_twins_are_found_in_bulk(state_repository: StateStore) -> None:
    """Among thousands of mixed names one twin is found, wherever its other half stands, and the batch is refused."""
    mixed = [row(f"Pkg/{index}") for index in range(3000)]
    plain = [row(f"plain/{index}") for index in range(1500)]
    for twin in ("pkg/3", "PKG/2999", "Plain/17"):
        with pytest.raises(PathTwin) as refused:
            put(state_repository, *mixed, *plain, row(twin))
        assert twin in {refused.value.path, refused.value.existing}
    put(state_repository, *mixed, *plain)
    for twin in ("pkg/3", "PKG/2999", "Plain/17"):
        with pytest.raises(PathTwin):
            put(state_repository, row(twin), *(row(f"more/{index}") for index in range(2500)))
    remove(state_repository, "Pkg/3")
    put(state_repository, row("pkg/3"))
    assert role(state_repository, bin_name("pkg/3")).artifacts > 0


@pytest.mark.parametrize(("early", "late"), [("PKG/{}", "Pkg/{}"), ("Pkg/{}", "pkg/{}"), ("pkg/{}", "Pkg/{}")])
def test_twins_far_apart_in_one_batch_are_found(state_repository: StateStore, early: str, late: str) -> None:
    """Thousands of names between the two halves of a twin do not hide it, whichever half comes first."""
    far = far_apart(early, late)
    between = [row(f"Between/{index}") for index in range(4000)]
    with pytest.raises(PathTwin) as refused:
        put(state_repository, *between, row(early.format(far)), row(late.format(far)))
    assert {refused.value.path, refused.value.existing} == {early.format(far), late.format(far)}


def test_paths_that_share_a_slot_are_kept_apart(state_repository: StateStore) -> None:
    """Two paths whose hashes begin alike are two artifacts: neither is the other's version, twin or removal."""
    first, second = map(row, SHARED_SLOT)
    assert first.slot == second.slot
    number = put(state_repository, first, second)
    with state_repository.read() as reader:
        assert contents(reader, number=number) == [first, second]
    remove(state_repository, first.path)
    assert list(states(state_repository)) == [second.path]
    # The odd one's key has the slot of `second`, and is not `second`.
    put(state_repository, row(first.path.upper()))
    assert sorted(states(state_repository)) == sorted([first.path.upper(), second.path])
    with pytest.raises(PathTwin):
        put(state_repository, first)


def test_replacing_a_path_is_not_meeting_a_twin(state_repository: StateStore) -> None:
    """A path with capitals can be replaced, removed and accepted again."""
    for content in range(3):
        put(state_repository, row("Tool", content), replace=True)
    remove(state_repository, "Tool")
    put(state_repository, row("Tool"))
    assert list(states(state_repository)) == ["Tool"]
