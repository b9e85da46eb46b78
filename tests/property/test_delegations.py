"""Delegations come, change and go in any order, while artifacts do, and everybody finds what is published.

The engine is the real one, the reference is a dictionary, the judges are stock clients: one without memory, one that
was there all the time, and one that stopped at each earlier version.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.support.clients import Client
from tests.support.engine import Engine, plan_document
from tests.support.faulty import Power
from tests.support.moments import Moments
from tests.support.wishes import CHANGES, KEYS, PATHS, SPARE_KEYS, WISHES, Wish, act, proposal

from rstuf.errors import (
    DelegationNotFound,
    EventOpen,
    InvalidInput,
    InvalidRoleName,
    PathsDisputed,
    PathsNotDelegated,
    PathTwin,
    RstufError,
    SigningError,
)
from rstuf.model.artifacts import ArtifactState, View
from rstuf.model.names import TargetPath, path_key
from rstuf.model.roles import RoleKind
from rstuf.repository.delegating import DelegationReport, bring_proposal
from rstuf.repository.delegation_views import list_delegations
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.state.beside import _agrees
from rstuf.state.sqlite import SqliteStateStore

REFUSALS = (InvalidInput, InvalidRoleName, PathsDisputed, PathsNotDelegated, DelegationNotFound, EventOpen)
PLACES = st.integers(0, 5)
MOMENTS = st.integers(1, 24)


def digest(content: int | None) -> str | None:
    return None if content is None else sha256(b"%d" % content).hexdigest()


def stored(path: str, hashed: str) -> str:
    directory, _, last = path.rpartition("/")
    return f"{directory}/{hashed}.{last}" if directory else f"{hashed}.{last}"


class Delegations(RuleBasedStateMachine):
    """Accepts, removes, delegates and publishes, here and in a dictionary.

    Attributes:
        accepted: what was accepted of each path.
        possible: of each path, what was accepted since nothing waited; None where there was nothing.
    """

    @initialize(layout=st.sampled_from(["succinct", "succinct", "classic", "flat"]), bins=st.sampled_from([2, 2, 4]))
    def start(self, layout: str, bins: int) -> None:
        memory = Path("/dev/shm")
        self.directory = Path(tempfile.mkdtemp(prefix="delegations-", dir=memory if memory.is_dir() else None))
        table = {"layout": layout} if layout == "flat" else {"layout": layout, "count": bins, "expires": "30d"}
        self.engine = Engine.live(self.directory / "repository", document=plan_document(bins=bins) | {"bins": table})
        for name in [*KEYS, *SPARE_KEYS]:
            self.engine.make_key(name)
        self.moments = Moments()
        self.accepted: dict[str, int] = {}
        self.possible: dict[str, set[int | None]] = {path: {None} for path in PATHS}
        self.seen, self.versions = b"", 0
        self.now = self.engine.clock.now()
        for path in PATHS[::2]:
            self.accept(path, 0)
        self.publish_all()

    def teardown(self) -> None:
        if not hasattr(self, "versions"):
            return
        try:
            self.publish_all()
            for version in range(self.versions % 3, self.versions, 3):
                self.judge(self.client(f"stopped-{version}"))
        finally:
            self.engine.ports.state.close()
            shutil.rmtree(self.directory)

    # --- artifacts ---------------------------------------------------------------------------------------

    @rule(some=st.dictionaries(st.sampled_from(PATHS), st.integers(0, 2), min_size=1, max_size=5))
    def add(self, some: dict[str, int]) -> None:
        for path, content in some.items():
            self.accept(path, content)

    @rule(place=PLACES)
    def remove(self, place: int) -> None:
        if self.accepted:
            paths = sorted(self.accepted)
            self.withdraw(paths[place % len(paths)])

    def accept(self, path: str, content: int) -> None:
        """Add or replace one, if it can be."""
        twin = any(path_key(TargetPath(path)) == path_key(TargetPath(each)) for each in self.accepted if each != path)
        with self.refusable(PathTwin) as refused:
            self.engine.add(path, b"%d" % content)
        assert (PathTwin in refused) <= twin <= bool(refused)
        if not refused:
            self.accepted[path] = content
            self.possible[path].add(content)

    def withdraw(self, path: str) -> None:
        """Remove one that is here."""
        self.engine.remove(path)
        del self.accepted[path]
        self.possible[path].add(None)

    # --- what publishes ----------------------------------------------------------------------------------

    @rule(wish=WISHES)
    def do(self, wish: Wish) -> None:
        """One of the acts that publish, undisturbed."""
        before = self.holders()
        with self.refusable() as refused:
            report = act(wish, self.engine.ports)(self.engine.ports)
            if isinstance(report, DelegationReport):
                after = self.holders()
                assert report.moved == sum(before[path] != after[path] for path in before)
                assert self.begun() == 0
        event(f"{wish.kind}: {refused[0].__name__ if refused else 'done'}")
        self.look(exact=wish.kind == "publish" and not self.engine.events.views())

    @rule(wish=WISHES, at=MOMENTS)
    def do_cut_off(self, wish: Wish, at: int) -> None:
        """The process is killed; clients are well right away, and after another one has gone on."""
        wanted, watched = act(wish, self.engine.ports), self.moments.over(self.engine)
        self.moments.kill(at)
        try:
            with self.refusable(quiet=True):
                wanted(watched.ports)
        except Power:
            event("cut off")
            self.judge(self.client("cold"))
        self.publish_all()

    @rule(wish=WISHES, at=MOMENTS, path=st.sampled_from(PATHS), content=st.none() | st.integers(0, 2))
    def do_meanwhile(self, wish: Wish, at: int, path: str, content: int | None) -> None:
        """Another process adds or removes an artifact while it is done."""
        done: list[bool] = []

        def other() -> None:
            done.append(True)
            if content is not None:
                self.accept(path, content)
            elif path in self.accepted:
                self.withdraw(path)

        self.moments.act(at, other)
        with self.refusable(quiet=True):
            act(wish, self.engine.ports)(self.moments.over(self.engine).ports)
        event("meanwhile" if done else "alone")
        self.look()

    @rule(wish=WISHES, away=st.sampled_from([*KEYS, "online"]))
    def do_while_away(self, wish: Wish, away: str) -> None:
        """A key cannot be reached: it is done without it, or nothing is."""
        self.engine.keys.away.add(away)
        try:
            with self.refusable(SigningError) as refused:
                act(wish, self.engine.ports)(self.engine.ports)
        finally:
            self.engine.keys.away.clear()
        event(f"away: {refused[0].__name__ if refused else 'done'}")
        self.look()

    @rule(one=CHANGES, other=CHANGES)
    def propose_two(self, one: Wish, other: Wish) -> None:
        """What was proposed over delegations that are others now comes out only if it still can."""
        with self.refusable():
            proposals = [proposal(one, self.engine.ports), proposal(other, self.engine.ports)]
            for each in proposals:
                with self.refusable() as refused:
                    bring_proposal(self.engine.ports, each)
            event(f"second of two: {refused[0].__name__ if refused else 'done'}")
        self.look()

    @rule(hours=st.sampled_from([-30, -1, 1, 20, 24 * 9, 24 * 40]))
    def time_goes_by(self, hours: int) -> None:
        """And a renewal comes, as it would from a timer."""
        self.engine.clock.advance(timedelta(hours=hours))
        self.now = max(self.now, self.engine.clock.now())
        renew(self.engine.ports)
        self.look()

    def publish_all(self) -> None:
        """After this, nothing waits: everybody is here, and what cannot come out any more is cancelled."""
        publish(self.engine.ports)
        while views := self.engine.events.views():
            with suppress(RstufError):
                self.engine.events.sign(views[0].event.name)
            if any(view.event.id == views[0].event.id for view in self.engine.events.views()):
                self.engine.events.cancel(views[0].event.name)
        publish(self.engine.ports)
        self.look(exact=True)

    # --- what is looked at -------------------------------------------------------------------------------

    @contextmanager
    def refusable(self, *more: type[RstufError], quiet: bool = False) -> Iterator[list[type[RstufError]]]:
        """What is refused has changed nothing; `quiet`: unless something else did meanwhile.

        A rotation that goes on takes its next step with whatever publishes, refused in the end or not.
        """
        quiet = quiet or self.engine.rotations.current() is not None
        before, begun = (None, 0) if quiet else (self.all_there_is(), self.begun())
        refused: list[type[RstufError]] = []
        try:
            yield refused
        except (*REFUSALS, *more) as error:
            refused.append(type(error))
        if refused and not quiet:
            assert self.all_there_is() == before
            assert self.begun() <= begun

    def all_there_is(self) -> dict[str, Any]:
        with self.engine.ports.state.read() as reader:
            return {
                "timestamp": self.engine.metadata.files["timestamp.json"],
                "artifacts": list(reader.artifacts()),
                "roles": {each.name: (each.artifacts, each.newest) for each in reader.roles() if each.visible},
                "delegations": list_delegations(self.engine.ports),
                "unfinished": reader.unfinished_publication(),
            }

    def begun(self) -> int:
        """How many rows tell of changes that are under way."""
        state = self.engine.ports.state
        assert isinstance(state, SqliteStateStore)
        with closing(sqlite3.connect(state._path)) as database:
            tables = ("handover", "move")
            return sum(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)

    def holders(self) -> dict[str, str]:
        """The role that lists each path, all bins as one."""
        with self.engine.ports.state.read() as reader:
            found = [each for each in reader.artifacts() if each.state is not ArtifactState.REMOVING]
        return {each.artifact.path: each.role.rpartition("-")[0] or each.role for each in found}

    @invariant()
    def the_state_is_the_reference(self) -> None:
        if not hasattr(self, "versions"):
            return
        with self.engine.ports.state.read() as reader:
            listed = list(reader.artifacts())
            paths = [each.artifact.path for each in listed]
            assert paths == sorted(set(paths))
            assert [reader.artifact(path) for path in paths] == listed
            assert all(reader.artifact(TargetPath(path)) is None for path in {*PATHS} - {*paths})
            staying = [each for each in listed if each.state is not ArtifactState.REMOVING]
            hashes = {each.artifact.path: each.artifact.hashes["sha256"] for each in staying}
            assert hashes == {path: digest(content) for path, content in self.accepted.items()}
            waiting = [each.artifact.path for each in listed if each.state is not ArtifactState.PUBLISHED]
            assert all(len(self.possible[path]) > 1 for path in waiting)
            counts = Counter(each.role for each in staying)
            assert {role.name: role.artifacts for role in reader.roles() if role.artifacts} == counts
            in_use = {role.name for kind in RoleKind for role in reader.roles(kind=kind)}
            assert counts.keys() <= in_use
            assert reader.totals().artifacts == len(self.accepted)
            assert _agrees(reader._connection)
            assert reader.unfinished_publication() is None

    def look(self, *, exact: bool = False) -> None:
        """At all that is kept, and, where it is new, through the eyes of clients; `exact`: nothing may wait."""
        if exact:
            self.possible = {path: {self.accepted.get(path)} for path in PATHS}
            with self.engine.ports.state.read() as reader:
                assert list(reader.damage()) == []
        timestamp = self.engine.metadata.files["timestamp.json"]
        if self.seen == timestamp:
            return
        self.seen = timestamp
        if self.versions % 2:
            self.judge(self.client("cold"))
        remembering = self.client("remembering")
        self.judge(remembering)
        remembering.copy(self.directory / f"stopped-{self.versions}")
        self.versions += 1

    def client(self, name: str) -> Client:
        make = Client.fresh if name == "cold" else Client
        return make(self.directory / name, self.engine.site(), root=self.engine.root(), now=self.now)

    def judge(self, client: Client) -> None:
        """It finds what it has to find, as the state says."""
        client.refresh()
        with self.engine.ports.state.read() as reader:
            listed = reader.artifacts(view=View.VISIBLE)
            visible = {each.artifact.path: each.artifact.hashes["sha256"] for each in listed}
            settled = reader.unfinished_publication() is None
        for path in PATHS:
            target = client.find(path)
            found = None if target is None else target.hashes["sha256"]
            allowed = {digest(content) for content in self.possible[path]}
            assert found in allowed, path
            if settled:
                assert visible.get(path) in allowed, path
                assert found == visible.get(path), path
            assert found is None or self.engine.artifacts.files[stored(path, found)]


def test_every_order_is_read_by_every_client() -> None:
    """Nothing accepted is lost, nothing removed comes back, and no client fails, whatever it remembers."""
    run_state_machine_as_test(
        Delegations,
        settings=settings(
            max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
