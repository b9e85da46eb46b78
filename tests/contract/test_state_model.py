"""A state against a plain model: any order of changes and publications, looked at after every step."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.support.state_backends import (
    BACKENDS,
    TARGETS,
    begin,
    bin_name,
    commit,
    fragment,
    row,
    settle,
    sorted_rows,
    stage,
)

from rstuf.errors import ArtifactConflict, ArtifactNotFound, LimitExceeded, PathRepeated, PathTwin
from rstuf.model.artifacts import ArtifactState
from rstuf.model.names import TargetPath, path_key
from rstuf.repository.interfaces import PutResult

PATHS = ["a/tool", "A/tool", "a/Tool", "a/tool.", "b", "B", "c", "é/x", "É/X", "d d/e", "f", "g", 'quote"d', "h"]
CONTENTS = st.integers(0, 3)
BATCHES = st.lists(st.tuples(st.sampled_from(PATHS), CONTENTS), min_size=1, max_size=6)
LIMIT = 420
BINS = ("bins-0", "bins-1", "bins-2", "bins-3")


def weight(path: str, content: int) -> int:
    return len(path.encode()) + path.count('"') + 4 + len(fragment(content))


class StateMachine(RuleBasedStateMachine):
    """Accepts, removes, publishes and gives up, here and in a dictionary."""

    kind: str

    @initialize()
    def start(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="state-model-")
        self.store = BACKENDS[self.kind](self.directory).create()
        begin(self.store)
        self.number = 0
        # Of each path every accepted version: its number, and its content or None where it was removed.
        self.history: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
        self.visible = dict.fromkeys(BINS, 0)
        self.newest = dict.fromkeys(BINS, 0)
        self.versions = dict.fromkeys((*BINS, "snapshot", "timestamp"), (0, 0))
        self.forced: set[str] = set()
        self.staged: tuple[int, dict[str, int], set[str]] | None = None
        self.committing = False

    def teardown(self) -> None:
        if hasattr(self, "store"):
            with self.store.read() as reader:
                assert list(reader.damage()) == []
            self.store.close()
            shutil.rmtree(self.directory)

    def at(self, path: str, number: int) -> int | None:
        content = None
        for when, what in self.history[path]:
            if when <= number:
                content = what
        return content

    def live(self) -> dict[str, int]:
        now = {path: self.at(path, self.number) for path in PATHS}
        return {path: content for path, content in now.items() if content is not None}

    def change(self, path: str, content: int | None) -> None:
        self.history[path].append((self.number, content))
        self.newest[bin_name(path)] = self.number

    def fits(self, live: dict[str, int]) -> bool:
        before, after = self.payloads(self.live()), self.payloads(live)
        return all(after[name] <= max(LIMIT, before[name]) for name in BINS)

    def payloads(self, live: dict[str, int]) -> dict[str, int]:
        sizes = dict.fromkeys(BINS, 0)
        for path, content in live.items():
            sizes[bin_name(path)] += weight(path, content)
        return sizes

    @rule(batch=BATCHES, replace=st.booleans(), swallow=st.booleans())
    def put(self, batch: list[tuple[str, int]], replace: bool, swallow: bool) -> None:
        live = self.live()
        wanted = dict(sorted(batch, key=lambda each: row(*each)[:2]))
        faults: set[type[Exception]] = set()
        if any(wanted[path] != content for path, content in batch):
            faults.add(PathRepeated)
        if not replace and any(live.get(path, content) != content for path, content in batch):
            faults.add(ArtifactConflict)
        added = {path for path in wanted if path not in live}
        together = {*live, *wanted}
        if len({path_key(TargetPath(path)) for path in together}) < len(together):
            faults.add(PathTwin)
        if not self.fits({**live, **wanted}):
            faults.add(LimitExceeded)
        result: PutResult | None = None
        failed: Exception | None = None
        rows = sorted_rows(row(path, content) for path, content in batch)
        try:
            with self.store.transaction(actor="model") as transaction:
                number = transaction.next_number()
                try:
                    result = transaction.put_artifacts(TARGETS, rows, number=number, replace=replace, role_limit=LIMIT)
                except (ArtifactConflict, PathRepeated, PathTwin, LimitExceeded) as error:
                    failed = error
                    if not swallow:
                        raise
        except (ArtifactConflict, PathRepeated, PathTwin, LimitExceeded):
            assert not swallow
        else:
            self.number = number
        if faults:
            assert type(failed) in faults
            return
        assert failed is None
        replaced = {path for path in wanted if path in live and live[path] != wanted[path]}
        unchanged = len(wanted) - len(added) - len(replaced)
        assert result == PutResult(len(added), len(replaced), unchanged, repeated=len(batch) - len(wanted))
        for path in added | replaced:
            self.change(path, wanted[path])

    @rule(some=st.lists(st.integers(0, 99), min_size=1, max_size=4), known=st.booleans())
    def remove(self, some: list[int], known: bool) -> None:
        live = self.live()
        choice = sorted(live) if live and known else PATHS
        paths = [choice[index % len(choice)] for index in some]
        with self.store.transaction(actor="model") as transaction:
            self.number = transaction.next_number()
            arguments = [TargetPath(path) for path in paths]
            if set(paths) <= set(live):
                assert transaction.remove_artifacts(TARGETS, arguments, number=self.number) == len(set(paths))
                for path in set(paths):
                    self.change(path, None)
            else:
                with pytest.raises(ArtifactNotFound):
                    transaction.remove_artifacts(TARGETS, arguments, number=self.number)

    @rule(names=st.sets(st.sampled_from(BINS), min_size=1))
    def force(self, names: set[str]) -> None:
        with self.store.transaction(actor="model") as transaction:
            transaction.force_roles([each.id for each in transaction.roles() if each.name in names])
        self.forced |= names
        if self.staged is not None:
            self.staged[2].difference_update(names)

    @precondition(lambda self: self.staged is None)
    @rule(names=st.sets(st.sampled_from(BINS)), renewing=st.booleans())
    def stage(self, names: set[str], renewing: bool) -> None:
        if renewing:
            parts = {name: self.visible[name] for name in names}
            with self.store.transaction(actor="model") as transaction:
                roles = [(each, parts.get(each.name, 0)) for each in transaction.roles()]
                wanted = [part for part in roles if part[0].name in {*names, "snapshot", "timestamp"}]
                publication = transaction.stage_publication(wanted, begun=transaction.settings().created)
        else:
            parts = dict.fromkeys(names, self.number)
            publication = stage(self.store, *names)
        self.staged = (publication.id, parts, {*names, "snapshot", "timestamp"})
        for name in {*names, "snapshot", "timestamp"}:
            intended, visible = self.versions[name]
            self.versions[name] = (intended + 1, visible)
        self.committing = False

    @precondition(lambda self: self.staged is not None and not self.committing)
    @rule()
    def commit(self) -> None:
        assert self.staged is not None
        commit(self.store, self.staged[0])
        self.committing = True

    @precondition(lambda self: self.committing)
    @rule()
    def settle(self) -> None:
        assert self.staged is not None
        publication, parts, unforced = self.staged
        settle(self.store, publication)
        for name, number in parts.items():
            self.visible[name] = max(self.visible[name], number)
        for name in {*parts, "snapshot", "timestamp"}:
            intended, _ = self.versions[name]
            self.versions[name] = (intended, intended)
        self.forced -= unforced
        self.staged, self.committing = None, False

    @precondition(lambda self: self.staged is not None)
    @rule()
    def abandon(self) -> None:
        assert self.staged is not None
        with self.store.transaction(actor="model") as transaction:
            transaction.abandon_publication(self.staged[0])
        if self.committing:
            self.forced |= {*self.staged[1], "snapshot", "timestamp"}
        self.staged, self.committing = None, False

    def listed(self, path: str) -> tuple[ArtifactState, int] | None:
        published = self.visible[bin_name(path)]
        shown, newest = self.at(path, published), self.at(path, self.number)
        later = any(when > published for when, _ in self.history[path])
        if not later:
            return None if shown is None else (ArtifactState.PUBLISHED, shown)
        if newest is None:
            return None if shown is None else (ArtifactState.REMOVING, shown)
        return (ArtifactState.PENDING if shown is None else ArtifactState.REPLACING), newest

    @invariant()
    def artifacts_are_as_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        expected = {path: self.listed(path) for path in PATHS}
        with self.store.read() as reader:
            listed = list(reader.artifacts())
            for path in PATHS:
                found = reader.artifact(TargetPath(path))
                assert (found is None) == (expected[path] is None)
                assert found is None or found in listed
        shown = {each.artifact.path: (each.state, fragment_of(each.artifact.hashes), each.role) for each in listed}
        assert shown == {
            path: (what[0], fragment(what[1]), bin_name(path)) for path, what in expected.items() if what is not None
        }
        assert [each.artifact.path for each in listed] == sorted(shown)

    @invariant()
    def roles_are_as_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        live = self.live()
        dirty = {name for name in BINS if self.newest[name] > self.visible[name]} | self.forced
        sizes = self.payloads(live)
        with self.store.read() as reader:
            roles = {each.name: each for each in reader.roles()}
            assert {each.name for each in reader.dirty_roles()} == dirty
            totals = reader.totals()
            assert (totals.artifacts, totals.pending_roles) == (len(live), len(dirty))
            assert reader.newest_number() == self.number
            for name, versions in self.versions.items():
                assert (roles[name].version, roles[name].visible) == versions  # type: ignore[index]
            for index, name in enumerate(BINS):
                known = roles[name]  # type: ignore[index]
                assert known.payload == sizes[name]
                assert known.artifacts == sum(bin_name(path) == name for path in live)
                assert (known.number, known.newest) == (self.visible[name], self.newest[name])
                for number in {self.visible[name], self.number}:
                    low = index << 30
                    found = reader.contents(roles[TARGETS].id, low, low + 2**30 - 1, number=number)
                    now = {path: self.at(path, number) for path in PATHS if bin_name(path) == name}
                    rows = [row(path, content) for path, content in now.items() if content is not None]
                    assert [tuple(each) for each in found] == [tuple(each) for each in sorted_rows(rows)]


def fragment_of(hashes: Mapping[str, str]) -> bytes:
    """The fragment with these hashes, of those that the model uses."""
    return next(fragment(content) for content in range(4) if hashes["sha256"].encode() in fragment(content))


@pytest.mark.parametrize("kind", sorted(BACKENDS))
def test_any_history_agrees_with_a_plain_model(kind: str) -> None:
    """Artifacts, their states, contents at every number, roles, versions, counts: all as a dictionary says."""
    machine = type("Machine", (StateMachine,), {"kind": kind})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
    )
