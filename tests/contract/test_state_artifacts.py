"""Artifacts in a state: accepting, replacing and removing them, what each role holds, and what a person is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.support.state_backends import (
    LIMIT,
    TARGETS,
    begin,
    bin_name,
    far_apart,
    fragment,
    publish,
    put,
    remove,
    role,
    row,
    sorted_rows,
)

from rstuf.errors import ArtifactConflict, ArtifactNotFound, LimitExceeded, PathTwin, StateError
from rstuf.model.artifacts import ArtifactRow, ArtifactState
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.roles import NewRole, RoleKind
from rstuf.repository.interfaces import PutResult, StateReader, StateStore

FULL = (0, 2**32 - 1)
# Two paths with the same slot: the first 32 bits of their hashes are equal.
SHARED_SLOT = ("c/21008", "c/92815")
NAMES = [f"dist/package-{index}.tar.gz" for index in range(40)]


def accept(store: StateStore, *rows: ArtifactRow, replace: bool = False, limit: int = LIMIT) -> tuple[int, PutResult]:
    """Accept rows; the number and the result."""
    with store.transaction(actor="maria") as transaction:
        number = transaction.next_number()
        result = transaction.put_artifacts(TARGETS, sorted_rows(rows), number=number, replace=replace, role_limit=limit)
    return number, result


def contents(reader: StateReader, *, number: int, name: str = "targets") -> list[ArtifactRow]:
    """Everything a role holds at a number."""
    return [ArtifactRow(*each) for each in reader.contents(reader.role(RoleName(name)).id, *FULL, number=number)]


def states(store: StateStore) -> dict[str, ArtifactState]:
    with store.read() as reader:
        return {listed.artifact.path: listed.state for listed in reader.artifacts()}


def test_new_artifacts_are_counted_in_their_bins(state_repository: StateStore) -> None:
    """Each bin knows how many artifacts it holds, how many bytes their entries take, and that it has changed."""
    rows = [row(name, name) for name in NAMES]
    number, result = accept(state_repository, *rows)
    assert result == PutResult(added=40, replaced=0, unchanged=0)
    with state_repository.read() as reader:
        for each in reader.roles(kind=RoleKind.BIN):
            mine = [known for known in rows if bin_name(known.path) == each.name]
            assert each.artifacts == len(mine) > 0
            assert each.payload == sum(len(f'"{known.path}":,') + len(known.fragment) for known in mine)
            assert (each.newest, each.number, each.dirty) == (number, 0, True)
        assert not reader.role(TARGETS).dirty
        assert reader.totals().artifacts == 40
        assert contents(reader, number=number) == sorted_rows(rows)
        assert contents(reader, number=number - 1) == []


def test_payload_counts_bytes_as_they_will_be_written(state_repository: StateStore) -> None:
    """Escaped quotes and characters beyond ASCII weigh what canonical JSON makes of them."""
    rows = [row("ünï/cödé.bin"), row('with"quote"s')]
    put(state_repository, *rows)
    with state_repository.read() as reader:
        payload = sum(each.payload for each in reader.roles())
    written = sum(len(each.path.encode()) + each.path.count('"') + 4 + len(each.fragment) for each in rows)
    assert payload == written


def test_the_same_content_again_is_no_change(state_repository: StateStore) -> None:
    """Nothing is marked and nothing is kept twice when what is offered is already here."""
    put(state_repository, *(row(name) for name in NAMES))
    publish(state_repository)
    _, result = accept(state_repository, *(row(name) for name in NAMES[:7]))
    assert result == PutResult(added=0, replaced=0, unchanged=7)
    with state_repository.read() as reader:
        assert reader.dirty_roles() == []


def test_another_content_is_refused_unless_replacing(state_repository: StateStore) -> None:
    """The refusal names both contents, and nothing of the batch is kept."""
    put(state_repository, row("tool", 1, length=10))
    with pytest.raises(ArtifactConflict) as refused:
        put(state_repository, row("tool", 2, length=11), row("new"))
    assert refused.value.path == "tool"
    assert refused.value.signed.endswith(", 10 B")
    assert refused.value.offered.endswith(", 11 B")
    assert refused.value.signed.startswith("sha256 ")
    assert states(state_repository) == {"tool": ArtifactState.PENDING}
    _, result = accept(state_repository, row("tool", 2, length=11), row("new"), replace=True)
    assert result == PutResult(added=1, replaced=1, unchanged=0)
    with state_repository.read() as reader:
        found = reader.artifact(TargetPath("tool"))
        assert found is not None
        assert found.artifact.length == 11


def test_contents_that_differ_in_custom_data_alone_can_be_told_apart(state_repository: StateStore) -> None:
    """The two texts of a conflict are never the same."""
    plain = row("tool")
    put(state_repository, plain)
    with pytest.raises(ArtifactConflict) as refused:
        put(state_repository, plain._replace(fragment=fragment(1, custom={"a": 1})))
    assert refused.value.signed != refused.value.offered


@pytest.mark.parametrize("size", [1, 1999, 2000, 2001])
def test_one_path_twice_in_a_batch(state_repository: StateStore, size: int) -> None:
    """Equal contents collapse wherever in the batch they stand; different ones are a conflict, or the last one wins."""
    filler = [row(f"filler/{index}") for index in range(size)]
    with state_repository.transaction(actor="a") as transaction:
        number = transaction.next_number()

        def attempt(*rows: ArtifactRow, replace: bool) -> PutResult:
            return transaction.put_artifacts(
                TARGETS, sorted_rows([*filler, *rows]), number=number, replace=replace, role_limit=LIMIT
            )

        last = max(filler, key=lambda each: each[:2])
        with pytest.raises(ArtifactConflict):
            attempt(last._replace(fragment=fragment("other")), replace=False)
        assert transaction.totals().artifacts == 0
        assert attempt(last, last, last, replace=False) == PutResult(added=size, replaced=0, unchanged=0)
    with state_repository.transaction(actor="a") as transaction:
        number = transaction.next_number()
        result = attempt(
            last._replace(fragment=fragment("second")), last._replace(fragment=fragment("third")), replace=True
        )
        assert result == PutResult(added=0, replaced=1, unchanged=size - 1)
        found = transaction.artifact(last.path)
        assert found is not None
        assert found.artifact.hashes == {"sha256": f"{int.from_bytes(b'third', 'big'):064x}"}
        assert transaction.totals().artifacts == size


@pytest.mark.parametrize("known_every", [1, 2, 50, 3000])
def test_large_batches_over_known_artifacts(state_repository: StateStore, known_every: int) -> None:
    """New, known and changed paths are told apart whether known ones lie thick or thin among them."""
    everything = sorted_rows(row(f"p/{index}") for index in range(6000))
    known = everything[::known_every]
    put(state_repository, *known)
    changed = {each.path for each in known[::3]}
    offered = [each._replace(fragment=fragment("new")) if each.path in changed else each for each in everything]
    number, result = accept(state_repository, *offered, replace=True)
    assert result == PutResult(
        added=len(everything) - len(known), replaced=len(changed), unchanged=len(known) - len(changed)
    )
    with state_repository.read() as reader:
        assert contents(reader, number=number) == offered
        assert reader.totals().artifacts == len(everything)
        payload = sum(each.payload for each in reader.roles(kind=RoleKind.BIN))
        assert payload == sum(len(each.path) + 4 + len(each.fragment) for each in offered)


def test_a_few_rows_among_very_many(state_repository: StateStore) -> None:
    """A small batch that spans a large range finds what is known of it."""
    everything = sorted_rows(row(f"p/{index}") for index in range(3000))
    put(state_repository, *everything)
    known, changed = everything[50::500], [each._replace(fragment=fragment("new")) for each in everything[150::500]]
    number, result = accept(state_repository, row("fresh"), *known, *changed, replace=True)
    assert result == PutResult(added=1, replaced=len(changed), unchanged=len(known))
    with state_repository.read() as reader:
        assert len(contents(reader, number=number)) == 3001


def test_rows_out_of_order_are_refused(state_repository: StateStore) -> None:
    """A caller that does not sort is told, within a batch and across its parts."""
    rows = sorted_rows(row(f"p/{index}") for index in range(5000))
    for wrong in ([*rows[1:], rows[0]], [rows[1], rows[0], *rows[2:]]):
        with pytest.raises(StateError, match="sorted"), state_repository.transaction(actor="a") as transaction:
            transaction.put_artifacts(TARGETS, wrong, number=1, replace=False, role_limit=LIMIT)


def test_an_older_number_never_comes_after_a_newer_one(state_repository: StateStore) -> None:
    """A change that claims to be older than what is recorded is refused."""
    put(state_repository, row("tool"))
    put(state_repository, row("tool", 2), replace=True)
    with pytest.raises(StateError), state_repository.transaction(actor="a") as transaction:
        transaction.put_artifacts(TARGETS, [row("tool", 3)], number=1, replace=True, role_limit=LIMIT)
    with pytest.raises(StateError), state_repository.transaction(actor="a") as transaction:
        transaction.remove_artifacts(TARGETS, [TargetPath("tool")], number=1)


def test_a_role_never_holds_more_than_its_limit(state_repository: StateStore) -> None:
    """The bin that would be too large is named with its size, and nothing of the batch is kept."""
    one = row("tool")
    exact = len(one.path) + 4 + len(one.fragment)
    with pytest.raises(LimitExceeded) as refused:
        accept(state_repository, one, limit=exact - 1)
    assert refused.value.role == bin_name("tool")
    assert (refused.value.size, refused.value.limit) == (exact, exact - 1)
    assert states(state_repository) == {}
    accept(state_repository, one, limit=exact)
    with pytest.raises(LimitExceeded):
        accept(state_repository, row("tool", 1, length=10), replace=True, limit=exact)


def test_what_is_too_large_already_may_shrink(state_repository: StateStore) -> None:
    """A limit that was lowered does not stand in the way of making a role smaller."""
    put(state_repository, row("tool", 1, length=1000))
    accept(state_repository, row("tool", 1, length=1), replace=True, limit=5)
    remove(state_repository, "tool")
    assert states(state_repository) == {}


def test_removed_artifacts_are_gone_from_newer_contents_alone(state_repository: StateStore) -> None:
    """A removal is a change with a number: older views still have the artifact."""
    first = put(state_repository, row("a"), row("b"))
    second = remove(state_repository, "a")
    with state_repository.read() as reader:
        assert [each.path for each in contents(reader, number=first)] == [
            each.path for each in sorted_rows([row("a"), row("b")])
        ]
        assert [each.path for each in contents(reader, number=second)] == ["b"]
        assert reader.totals().artifacts == 1
        assert reader.role(RoleName(bin_name("a"))).newest == second


def test_only_what_is_here_can_be_removed(state_repository: StateStore) -> None:
    """An unknown or removed path is named, and nothing of the call is removed, even in a transaction that goes on."""
    put(state_repository, row("a"), row("b"))
    remove(state_repository, "b")
    for missing in ("b", "c"):
        with state_repository.transaction(actor="a") as transaction:
            with pytest.raises(ArtifactNotFound) as refused:
                transaction.remove_artifacts(TARGETS, map(TargetPath, ["a", missing]), number=transaction.next_number())
            assert refused.value.path == missing
    assert states(state_repository) == {"a": ArtifactState.PENDING}


def test_a_path_named_twice_is_removed_once(state_repository: StateStore) -> None:
    """The count is of artifacts, not of words."""
    put(state_repository, row("a"), row("b"))
    with state_repository.transaction(actor="a") as transaction:
        paths = [TargetPath(path) for path in ("a", "b", "a")]
        assert transaction.remove_artifacts(TARGETS, paths, number=transaction.next_number()) == 2
    assert states(state_repository) == {}


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


def test_changes_of_one_path_in_one_transaction(state_repository: StateStore) -> None:
    """Under one number the last change counts; under several numbers each is a version of its own."""
    with state_repository.transaction(actor="a") as transaction:
        first, second = transaction.next_number(), transaction.next_number()
        for content in (1, 2):
            transaction.put_artifacts(TARGETS, [row("x", content)], number=first, replace=True, role_limit=LIMIT)
        transaction.remove_artifacts(TARGETS, [TargetPath("x")], number=second)
        transaction.put_artifacts(TARGETS, [row("x", 3)], number=second, replace=False, role_limit=LIMIT)
    with state_repository.read() as reader:
        assert contents(reader, number=first) == [row("x", 2)]
        assert contents(reader, number=second) == [row("x", 3)]
        assert reader.totals().artifacts == 1
        assert reader.role(RoleName(bin_name("x"))).payload == len("x") + 4 + len(row("x", 3).fragment)


def test_a_refused_call_leaves_nothing_in_a_transaction_that_goes_on(state_repository: StateStore) -> None:
    """All rows, counts and marks of a call that raises are gone, those of its neighbours stay."""
    known = row("known")
    late = max((row(f"p/{index}") for index in range(5000)), key=lambda each: each[:2])

    def failing() -> Iterator[ArtifactRow]:
        yield from sorted_rows(row(f"q/{index}") for index in range(5000))
        raise ZeroDivisionError

    with state_repository.transaction(actor="a") as transaction:
        number = transaction.next_number()
        transaction.put_artifacts(TARGETS, [known], number=number, replace=False, role_limit=LIMIT)
        before = list(transaction.roles())
        rows = sorted_rows(row(f"p/{index}") for index in range(5000))
        with pytest.raises(ArtifactConflict):
            transaction.put_artifacts(
                TARGETS, [*rows, late._replace(fragment=b"{}")], number=number, replace=False, role_limit=LIMIT
            )
        with pytest.raises(ZeroDivisionError):
            transaction.put_artifacts(TARGETS, failing(), number=number, replace=False, role_limit=LIMIT)
        assert list(transaction.roles()) == before
    assert list(states(state_repository)) == ["known"]


def test_a_role_without_bins_holds_its_artifacts_itself(state_store: StateStore) -> None:
    """Targets without bins, and a delegated role, are counted, marked and listed under their own names."""
    begin(state_store, bits=None)
    files = RoleName("files")
    with state_store.transaction(actor="a") as transaction:
        transaction.add_roles([NewRole(files, RoleKind.DELEGATED)])
    put(state_store, row("a"))
    number = put(state_store, row("b"), holder=files)
    with state_store.read() as reader:
        assert [each.name for each in reader.dirty_roles()] == ["targets", "files"]
        assert reader.role(files).artifacts == 1
        assert contents(reader, number=number, name="files") == [row("b")]
        assert {listed.artifact.path: listed.role for listed in reader.artifacts()} == {"a": "targets", "b": "files"}
        found = reader.artifact(TargetPath("b"))
        assert found is not None
        assert found.role == "files"
    with pytest.raises(ArtifactNotFound):
        remove(state_store, "a", holder=files)
    publish(state_store)
    assert set(states(state_store).values()) == {ArtifactState.PUBLISHED}


@pytest.mark.parametrize("holder", ["nobody", "snapshot", "root", "bins-0"])
def test_only_roles_that_hold_artifacts_take_them(state_repository: StateStore, holder: str) -> None:
    """Artifacts go to targets and delegated roles; a bin gets its share from there."""
    with pytest.raises(StateError, match=holder):
        put(state_repository, row("a"), holder=RoleName(holder))
    with pytest.raises(StateError, match=holder):
        remove(state_repository, "a", holder=RoleName(holder))


def test_artifacts_of_a_bin_that_is_not_there_are_refused(state_store: StateStore) -> None:
    """A holder that says it has bins and has none cannot take artifacts."""
    with state_store.transaction(actor="a") as transaction:
        transaction.add_roles([NewRole(TARGETS, RoleKind.TARGETS, bin_bits=2)])
    with pytest.raises(StateError, match="bin"):
        put(state_store, row("a"))


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


TWINS = [
    ("Readme", "README"),
    ("readme", "README"),
    ("a/Tool", "A/tool"),
    ("x.", "x"),
    ("straße", "STRASSE"),
    ("d /x", "d/x"),
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
