"""A role that is made elsewhere, in any order with what happens here: clients find what was signed, and nothing else.

A model holds what clients should see of the role, and what was accepted here and waits. Whatever is brought either
comes out as it is, or is refused and changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.support.delegated import delegate
from tests.support.elsewhere import made
from tests.support.engine import Engine, MemorySource, client_of
from tests.unit.repository.test_deliveries import whole

from rstuf.errors import DeliveryRefused
from rstuf.metadata.brought_role import take_brought_apart
from rstuf.model.events import EventKind
from rstuf.model.names import RoleName, target_path
from rstuf.repository.brought_roles import look_at_delivery
from rstuf.repository.deliveries import take_delivery
from rstuf.repository.publish import publish

TEAM = RoleName("team")
PATHS = st.sampled_from([f"team/{name}" for name in "abcde"])
BY_DIGEST = {hashlib.sha256(data).hexdigest(): data for data in (b"", b"one", b"two", b"here")}
CONTENTS = st.dictionaries(PATHS, st.sampled_from([b"", b"one", b"two"]), max_size=5)


class Elsewhere(RuleBasedStateMachine):
    """tara makes team where she is; this repository has no key of hers."""

    @initialize()
    def begin(self) -> None:
        self.scratch = tempfile.TemporaryDirectory()
        place = Path(self.scratch.name)
        self.engine = Engine.live(place / "repository")
        self.engine.make_key("tara")
        delegate(self.engine, TEAM, "team/*", signers=("tara",))
        self.engine.keys.away.add("tara")
        self.client = client_of(self.engine, place / "client")
        self.visible: dict[str, bytes] = {}
        self.accepted: dict[str, bytes] = {}

    def teardown(self) -> None:
        if hasattr(self, "scratch"):
            whole(self.engine)
            self.engine.ports.state.close()
            self.scratch.cleanup()

    @property
    def version(self) -> int:
        with self.engine.ports.state.read() as reader:
            return reader.role(TEAM).version

    @rule(contents=CONTENTS, above=st.integers(-1, 3), lose=st.booleans(), signed=st.booleans())
    def bring(self, contents: dict[str, bytes], above: int, lose: bool, signed: bool) -> None:
        version = self.version + above
        if version < 1:
            return
        by = ["tara"] if signed else []
        data = made(self.engine, TEAM, version, contents, by=by)
        brought = take_brought_apart(data, name=TEAM, file="team.json")
        paths = {*self.visible, *self.accepted}
        waiting = {path for path in paths if self.visible.get(path) != self.accepted.get(path)}
        lost = {path for path in waiting if self.accepted.get(path) != contents.get(path)}
        may = signed and above >= 1 and (lose or not lost)
        try:
            shown = look_at_delivery(self.engine.ports, brought)
            sources = [MemorySource(target_path(path), each) for path, each in contents.items()]
            drop = [view.event for view in shown.drops]
            report = take_delivery(self.engine.ports, shown, contents=sources, drop=drop, lose=lose)
        except DeliveryRefused:
            refused = True
        else:
            refused = False
            if report.delivery.published:
                return
        assert refused == (not may)
        if refused:
            return
        assert report.completion is not None
        assert report.completion.obstacle is None
        assert self.engine.metadata.files[f"{version}.team.json"] == data
        self.visible = dict(contents)
        self.accepted = dict(contents)

    @rule(path=PATHS, data=st.sampled_from([b"here", b"one"]))
    def add(self, path: str, data: bytes) -> None:
        self.engine.add(path, data)
        self.accepted[path] = data

    @rule(path=PATHS)
    def remove(self, path: str) -> None:
        if path in self.accepted:
            self.engine.contents[path] = b""
            self.engine.remove(path)
            del self.accepted[path]

    @rule(back=st.booleans())
    def publish(self, back: bool) -> None:
        """Where tara's key is here for once, all that was accepted comes out; else it waits for her."""
        if back:
            self.engine.keys.away.discard("tara")
        report = publish(self.engine.ports)
        self.engine.keys.away.add("tara")
        if back and not report.waiting:
            self.visible = dict(self.accepted)

    @rule()
    def sign(self) -> None:
        """tara signs what waits here from its bundle: it comes out as it waited."""
        for view in self.engine.events.views():
            assert view.event.kind is EventKind.CONTENTS
            (done,) = self.engine.events.receive([self.engine.signature(view.event.name, "tara")]).completions
            assert done.obstacle is None
            listed = json.loads(view.event.parts[0].signed)["targets"]
            self.visible = {path: BY_DIGEST[entry["hashes"]["sha256"]] for path, entry in listed.items()}

    @invariant()
    def clients_find_it(self) -> None:
        if not hasattr(self, "client"):
            return
        view = self.client.refresh()
        assert view.roles["team"] >= 1
        for name in "abcde":
            path = f"team/{name}"
            found = self.client.find(path)
            assert (found is not None) == (path in self.visible), path
            if found is not None:
                assert self.client.download(path) == self.visible[path]


def test_clients_find_what_was_signed_in_any_order() -> None:
    """Files that are brought, changes that are made here, and what tara signs of these, in any order."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Elsewhere, settings=settings(max_examples=40, stateful_step_count=12, deadline=None, derandomize=True)
    )
