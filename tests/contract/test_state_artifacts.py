"""Accepting, replacing and removing artifacts: what is counted, what is refused, and what each role then holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.state_backends import (
    LIMIT,
    NAMES,
    TARGETS,
    begin,
    bin_name,
    contents,
    fragment,
    publish,
    put,
    remove,
    row,
    sorted_rows,
    states,
)

from rstuf.errors import ArtifactConflict, ArtifactNotFound, LimitExceeded, PathRepeated, StateError
from rstuf.model.artifacts import ArtifactRow, ArtifactState
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.roles import NewRole, RoleKind
from rstuf.repository.interfaces import PutResult, StateStore


def accept(store: StateStore, *rows: ArtifactRow, replace: bool = False, limit: int = LIMIT) -> tuple[int, PutResult]:
    """Accept rows; the number and the result."""
    with store.transaction(actor="maria") as transaction:
        number = transaction.next_number()
        result = transaction.put_artifacts(TARGETS, sorted_rows(rows), number=number, replace=replace, role_limit=limit)
    return number, result


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
    """Equal contents collapse and are counted, wherever in the batch they stand; of different ones none is chosen."""
    filler = [row(f"filler/{index}") for index in range(size)]
    with state_repository.transaction(actor="a") as transaction:
        number = transaction.next_number()

        def attempt(*rows: ArtifactRow, replace: bool) -> PutResult:
            return transaction.put_artifacts(
                TARGETS, sorted_rows([*filler, *rows]), number=number, replace=replace, role_limit=LIMIT
            )

        last = max(filler, key=lambda each: each[:2])
        for replace in (False, True):
            with pytest.raises(PathRepeated) as refused:
                attempt(last._replace(fragment=fragment("other")), replace=replace)
            assert refused.value.path == last.path
            assert refused.value.first != refused.value.second
            assert transaction.totals().artifacts == 0
        again = attempt(last, last, last, replace=False)
        assert again == PutResult(added=size, replaced=0, unchanged=0, repeated=3)
    with state_repository.transaction(actor="a") as transaction:
        number = transaction.next_number()
        second = last._replace(fragment=fragment("second"))
        for others in ((last, second), (second, last)):
            with pytest.raises(PathRepeated):
                attempt(*others, replace=True)
        filler.remove(last)
        once = attempt(second, second, replace=True)
        assert once == PutResult(added=0, replaced=1, unchanged=size - 1, repeated=1)
        found = transaction.artifact(last.path)
        assert found is not None
        assert found.artifact.hashes == {"sha256": f"{int.from_bytes(b'second', 'big'):064x}"}
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
        with pytest.raises(PathRepeated):
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
