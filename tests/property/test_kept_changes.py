"""Delegations wait, are signed, dropped and come out while artifacts go on: no client goes back, or loses anything."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.audited import copy_of
from tests.support.engine import Engine, check_client, client_of
from tests.unit.repository.test_delegated_events import signature_of

from rstuf.errors import InvalidInput
from rstuf.model.names import RoleName
from rstuf.model.patterns import path_pattern
from rstuf.model.policy import BinSigners
from rstuf.repository.delegating import DelegationPlan, bring_proposal, propose_addition, propose_removal
from rstuf.repository.publish import publish
from rstuf.repository.rebin import in_the_way, resize_bins
from rstuf.repository.renewal import renew

TEAM: Final = RoleName("team")
PATHS: Final = ("team/a", "team/b", "team/c", "files/1", "files/2", "files/3")
PLAN: Final = DelegationPlan(name=TEAM, paths=(path_pattern("team/*"),), signers=("tara", "tom"), threshold=2)
ACTS: Final = ["publish", "publish", "delegate", "delegate", "give up", "cancel", "renew", "renew team"]
DEEDS: Final = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "put", "remove"]), st.sampled_from(PATHS)),
        st.tuples(st.sampled_from(["sign"]), st.sampled_from(["tara", "tom"])),
        st.tuples(st.just("share"), st.sampled_from(["2 role", "4 role", "4 online"])),
        st.tuples(st.sampled_from(ACTS), st.just("")),
    ),
    min_size=4,
    max_size=14,
)


@pytest.fixture(scope="module", params=["bins alone", "people's bins"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Artifacts in bins, or some in those of team, each with a number for its content; tara and tom are away."""
    engine = Engine.live(tmp_path_factory.mktemp("kept") / "repository")
    for path in PATHS[::2]:
        engine.add(path, b"0")
    publish(engine.ports)
    for name in ("tara", "tom"):
        engine.make_key(name)
    if request.param == "people's bins":
        bring_proposal(engine.ports, propose_addition(engine.ports, PLAN))
        resize_bins(engine.ports, 2, role=TEAM, signers=BinSigners.ROLE)
        for view in engine.events.views():
            engine.events.sign(view.event.name)
    engine.keys.away.update(["tara", "tom"])
    return engine


class _Story:
    """What was accepted, and what a client that was there all along has seen of each path, oldest first."""

    def __init__(self, engine: Engine, memory: Path) -> None:
        self.engine, self.memory = engine, memory
        self.told: dict[str, list[bytes | None]] = {path: [engine.contents.get(path)] for path in PATHS}
        self.seen = dict.fromkeys(PATHS, 0)

    def look(self) -> None:
        """A client reads all of it, and goes back for no path."""
        client = client_of(self.engine, self.memory)
        client.refresh()
        client.walk()
        for path, told in self.told.items():
            found = client.download(path) if client.find(path) is not None else None
            later = [place for place in range(self.seen[path], len(told)) if told[place] == found]
            assert later, f"{path}: {found!r} after {self.seen[path]} of {told}"
            self.seen[path] = later[0]

    def do(self, deed: str, about: str, content: bytes) -> None:
        """One deed, where it can be done."""
        engine, views = self.engine, self.engine.events.views()
        if deed == "put":
            engine.add(about, content)
            self.told[about].append(content)
        elif deed == "remove" and about in engine.contents:
            engine.remove(about)
            self.told[about].append(None)
        elif deed == "publish":
            publish(engine.ports)
        elif deed == "renew":
            renew(engine.ports, force=("targets",))
        elif deed == "renew team":
            renew(engine.ports, force=("bins",))
        elif deed == "give up":
            publish(engine.ports, drop=[view.event for view in views])
        elif deed == "cancel" and views:
            engine.events.cancel(views[0].event.name)
        elif deed == "sign":
            self.sign(about)
        elif deed == "share":
            self.share(*about.split())
        elif deed == "delegate" and not views:
            self.delegate()

    def delegate(self) -> None:
        """Team comes, or goes."""
        with self.engine.ports.state.read() as reader:
            there = TEAM in {role.name for role in reader.roles() if role.visible and not role.retired}
        if there:
            bring_proposal(self.engine.ports, propose_removal(self.engine.ports, TEAM))
            return
        bring_proposal(self.engine.ports, propose_addition(self.engine.ports, PLAN))

    def share(self, bins: str, signers: str) -> None:
        """Team's artifacts are shared out over bins that its people sign, or the online key."""
        with self.engine.ports.state.read() as reader:
            there = TEAM in {role.name for role in reader.roles() if role.visible and not role.retired}
        if there:
            drop = [view.event for view in in_the_way(self.engine.ports, TEAM)]
            try:
                resize_bins(self.engine.ports, int(bins), role=TEAM, signers=BinSigners(signers), drop=drop)
            except InvalidInput as error:
                assert "waits to change that" in error.message  # noqa: PT017

    def sign(self, name: str) -> None:
        """A holder signs all that waits and can come out."""
        for waiting in [view.event.name for view in self.engine.events.views()]:
            # What came out just now may have outdated it, or it is proposed anew.
            view = next((each for each in self.engine.events.views() if each.event.name == waiting), None)
            if view is not None and view.outdated is None:
                wanted = [part.part.role for part in view.parts if name in map(view.name_of, part.wanted)]
                made = [signature_of(self.engine, view.event.name, role, name) for role in wanted]
                self.engine.events.receive(made)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=DEEDS)
def test_nothing_is_lost_or_seen_twice(made: Engine, deeds: list[tuple[str, str]]) -> None:
    """Whatever the order: no client fails or sees an older content; in the end all have what was accepted last."""
    with TemporaryDirectory() as place:
        directory = Path(place)
        (directory / "copy").mkdir()
        engine = copy_of(made, directory / "copy")
        engine.keys.away.update(["tara", "tom"])
        with closing(engine.ports.state):
            story = _Story(engine, directory / "client")
            story.look()
            for number, (deed, about) in enumerate(deeds, 1):
                story.do(deed, about, b"%d" % number)
                engine.clock.advance(timedelta(minutes=5))
                story.look()
            for _ in range(3):
                publish(engine.ports)
                story.sign("tara")
                story.sign("tom")
                story.look()
            publish(engine.ports)
            assert engine.events.views() == []
            check_client(engine, directory / "client")
            check_client(engine, directory / "new")
            with engine.ports.state.read() as reader:
                assert list(reader.damage()) == []
