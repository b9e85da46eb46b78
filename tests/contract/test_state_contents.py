"""What is found of accepted artifacts: contents of a range at a number, listings, and the state of each artifact."""

from __future__ import annotations

import itertools

from tests.support.state_backends import (
    FULL,
    NAMES,
    TARGETS,
    bin_name,
    contents,
    fragment,
    publish,
    put,
    remove,
    row,
    sorted_rows,
)

from rstuf.model.artifacts import ArtifactRow, ArtifactState
from rstuf.model.names import TargetPath
from rstuf.repository.interfaces import StateStore


def test_states_of_an_artifact_from_first_to_last(state_repository: StateStore) -> None:
    """pending, published, replacing, removing and gone, with the content that each state is about."""

    def seen() -> tuple[ArtifactState, int] | None:
        with state_repository.read() as reader:
            found = reader.artifact(TargetPath("tool"))
            assert list(reader.artifacts()) == ([] if found is None else [found])
            if found is None:
                return None
            assert found.role == bin_name("tool")
            return found.state, found.artifact.length

    assert seen() is None
    put(state_repository, row("tool", 1, length=1))
    assert seen() == (ArtifactState.PENDING, 1)
    put(state_repository, row("tool", 2, length=2), replace=True)
    assert seen() == (ArtifactState.PENDING, 2)
    publish(state_repository)
    assert seen() == (ArtifactState.PUBLISHED, 2)
    put(state_repository, row("tool", 3, length=3), replace=True)
    assert seen() == (ArtifactState.REPLACING, 3)
    remove(state_repository, "tool")
    assert seen() == (ArtifactState.REMOVING, 2)
    put(state_repository, row("tool", 4, length=4))
    assert seen() == (ArtifactState.REPLACING, 4)
    remove(state_repository, "tool")
    publish(state_repository)
    assert seen() is None
    put(state_repository, row("tool", 5, length=5))
    remove(state_repository, "tool")
    assert seen() is None
    put(state_repository, row("tool", 6, length=6))
    publish(state_repository)
    assert seen() == (ArtifactState.PUBLISHED, 6)


def test_contents_of_a_range_are_sorted_and_complete(state_repository: StateStore) -> None:
    """Ranges of slots, down to one slot, give exactly what lies in them, edges included."""
    rows = sorted_rows(row(name) for name in NAMES)
    number = put(state_repository, *rows)
    with state_repository.read() as reader:
        holder = reader.role(TARGETS).id
        for low, high in itertools.product([0, rows[3].slot, rows[7].slot + 1, 2**31], repeat=2):
            found = [ArtifactRow(*each) for each in reader.contents(holder, low, high, number=number)]
            assert found == [each for each in rows if low <= each.slot <= high]
        assert list(reader.contents(holder + 1, *FULL, number=number)) == []


def test_contents_take_the_newest_version_that_is_not_too_new(state_repository: StateStore) -> None:
    """Of many versions of neighbours in one range each path shows exactly one, at every number."""
    history: dict[int, dict[str, int]] = {0: {}}
    for step in range(12):
        path = f"p{step % 3}"
        now = dict(history[max(history)])
        if step % 5 == 4:
            del now[path]
            number = remove(state_repository, path)
        else:
            now[path] = step
            number = put(state_repository, row(path, step), replace=True)
        history[number] = now
    with state_repository.read() as reader:
        for number, expected in history.items():
            assert contents(reader, number=number) == sorted_rows(row(*each) for each in expected.items())


def test_listing_is_by_path_with_prefix_and_after(state_repository: StateStore) -> None:
    """Paths come in code point order; a prefix is plain text, and paging takes up after a path."""
    paths = ["a", "a/b", "a/c", "a_b", "aXb", "b", "b/%s".replace("%s", "x"), "é", "𐀀"]
    put(state_repository, *(row(path) for path in paths))
    publish(state_repository, *(f"bins-{index}" for index in range(3)))

    def listed(**query: str) -> list[str]:
        with state_repository.read() as reader:
            return [each.artifact.path for each in reader.artifacts(**query)]

    assert listed() == sorted(paths)
    assert listed(prefix="a/") == ["a/b", "a/c"]
    assert listed(prefix="a_") == ["a_b"]
    assert listed(after="a/c") == [path for path in sorted(paths) if path > "a/c"]
    assert listed(prefix="a", after="a/b") == [path for path in sorted(paths) if path > "a/b" and path[0] == "a"]
    assert listed(prefix="zz") == listed(after="\U0010ffff") == []
    collected: list[str] = []
    while True:
        with state_repository.read() as reader:
            page = [each.artifact.path for each in itertools.islice(reader.artifacts(after=(collected or [""])[-1]), 2)]
        if not page:
            break
        collected += page
    assert collected == sorted(paths)


def test_custom_data_comes_back(state_repository: StateStore) -> None:
    """What a publisher says of an artifact is listed as it was stored."""
    put(state_repository, row("a")._replace(fragment=fragment(1, length=7, custom={"k": [1, "ü"]})))
    with state_repository.read() as reader:
        found = reader.artifact(TargetPath("a"))
    assert found is not None
    assert found.artifact.custom == {"k": [1, "ü"]}
    assert found.artifact.length == 7
