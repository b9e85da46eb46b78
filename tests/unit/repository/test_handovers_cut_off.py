"""Other delegations, cut off at every moment, or with others coming in between: nothing is lost, and nobody fails.

A moment is before or after a transaction of the state, or a file that becomes visible. All of them are enumerated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.support.audited import copy_of, said, verified
from tests.support.clients import Client
from tests.support.engine import Engine
from tests.support.faulty import Power
from tests.support.moments import Moments
from tuf.api.metadata import TargetFile

from rstuf.errors import InvalidInput
from rstuf.model.names import RoleName
from rstuf.model.patterns import path_pattern
from rstuf.model.policy import Periods
from rstuf.model.roles import RoleKind
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    bring_proposal,
    propose_addition,
    propose_change,
    propose_removal,
)
from rstuf.repository.ports import Ports
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.reports import Recovery

TEAM = RoleName("team")
PATHS = ("a", "b", "team/x", "team/y", "team/z", "docs/x", "docs/y")
Act = Callable[[Ports], object]


def add(name: str, *paths: str, **more: Any) -> Act:
    plan = DelegationPlan(name=RoleName(name), paths=tuple(map(path_pattern, paths)), **more)
    return lambda ports: bring_proposal(ports, propose_addition(ports, plan))


def change(name: str, *paths: str, **more: Any) -> Act:
    what = DelegationChange(paths=tuple(map(path_pattern, paths)) or None, **more)
    return lambda ports: bring_proposal(ports, propose_change(ports, RoleName(name), what))


def remove(name: str) -> Act:
    return lambda ports: bring_proposal(ports, propose_removal(ports, RoleName(name)))


def split(name: str) -> Act:
    return lambda ports: resize_bins(ports, 4, role=RoleName(name))


# What came before, and what is disturbed.
ACTS: dict[str, tuple[list[Act], Act]] = {
    "the first": ([], add("team", "team/*", signers=("dev",))),
    "one more": ([add("team", "team/*")], add("docs", "docs/*", "team/x", before=TEAM)),
    "below another": ([add("team", "team/*")], add("sub", "team/x", parent=TEAM)),
    "another": (
        [add("team", "team/*")],
        change("team", "team/x", "docs/*", signers=("dev",), periods=Periods.of(timedelta(days=9))),
    ),
    "another order": ([add("team", "team/*", "a"), add("docs", "docs/*", "a")], change("docs", before=TEAM)),
    "one less": ([add("docs", "docs/*"), add("team", "team/*")], remove("team")),
    "one less, with bins": ([add("team", "team/*"), split("team")], remove("team")),
    "a name again": ([add("team", "docs/*"), remove("team")], add("team", "team/*")),
    "bins": ([add("team", "team/*")], split("team")),
}


@dataclass
class Made:
    """A repository before the act, with changes that wait; a client that has seen what was published."""

    engine: Engine
    act: Act
    client: Client
    possible: dict[str, set[bytes | None]]
    moments: int


@pytest.fixture(scope="module", params=ACTS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    directory = tmp_path_factory.mktemp("made")
    engine = Engine.live(directory / "repository")
    engine.make_key("dev")
    before, act = ACTS[request.param]
    for path in PATHS:
        engine.add(path, b"first " + path.encode())
    publish(engine.ports)
    for each in before:
        each(engine.ports)
    published = dict(engine.contents)
    engine.add("team/y", b"second")
    engine.add("team/new", b"new")
    engine.remove("team/z")
    client = Client(directory / "client", engine.site(), root=engine.root(), now=engine.clock.now())
    possible = {path: {published.get(path), engine.contents.get(path)} for path in (*PATHS, "team/new")}
    client.refresh()
    client.walk()
    moments = Moments()
    act(moments.over(copy_of(engine, directory)).ports)
    assert moments.count > 10
    return Made(engine, act, client, possible, moments.count)


def copies(made: Made, directory: Path) -> Iterator[tuple[int, Engine, Client]]:
    """As many copies as are taken, numbered from one: the repository, and a client of it that is not new."""
    for number in count(1):
        place = directory / str(number)
        place.mkdir()
        engine = copy_of(made.engine, place)
        yield number, engine, made.client.copy(place / "client", read=engine.site())
        engine.ports.state.close()


def judge(engine: Engine, client: Client, possible: dict[str, set[bytes | None]] | None = None) -> None:
    """A client finds what it may; where that is not said, exactly what was accepted."""
    client.refresh()
    for path in (*PATHS, "team/new", "team/late"):
        target = client.find(path)
        found = None if target is None else engine.artifacts.files[stored(path, target)]
        allowed = {engine.contents.get(path)} if possible is None else possible.get(path, {None})
        assert found in allowed, path


def stored(path: str, target: TargetFile) -> str:
    directory, _, last = path.rpartition("/")
    return f"{directory}{'/' if directory else ''}{target.hashes['sha256']}.{last}"


def go_on(engine: Engine, client: Client, act: Act | None = None) -> None:
    """Another process publishes, or does it again: all is well, as clients and the state itself say."""
    with suppress(InvalidInput):
        if act is not None:
            act(engine.ports)
    publish(engine.ports)
    judge(engine, client)
    assert said(verified(engine)) == ""


def test_a_kill_at_any_moment(made: Made, tmp_path: Path) -> None:
    """Clients are well right away, and after the next process everything is there."""
    moments = Moments()
    for at, engine, client in copies(made, tmp_path):
        if at > made.moments:
            break
        moments.kill(at)
        with pytest.raises(Power):
            made.act(moments.over(engine).ports)
        judge(engine, client, made.possible)
        if at % 2:
            publish(engine.ports)
            judge(engine, client)
        go_on(engine, client, made.act)
    print(f"\n{made.moments} moments")


def test_damage_after_a_kill(made: Made, tmp_path: Path) -> None:
    """Where it was committed and a file of it is lost meanwhile, it is done again, with the same delegations."""
    done = 0
    moments = Moments()
    for back, engine, client in copies(made, tmp_path):
        # From its end back to where it was not committed yet.
        moments.kill(made.moments - back)
        with pytest.raises(Power):
            made.act(moments.over(engine).ports)
        with engine.ports.state.read() as reader:
            publication = reader.unfinished_publication()
            assert publication is not None
            if publication.timestamp is None:
                break
            (lost,) = [each for each, _ in reader.publication_roles(publication.id) if each.kind is RoleKind.SNAPSHOT]
        engine.metadata.remove(f"{lost.version}.snapshot.json")
        assert publish(engine.ports).recovery is Recovery.REDONE
        go_on(engine, client, made.act)
        done += 1
    assert done == 4


def test_others_at_any_moment(made: Made, tmp_path: Path) -> None:
    """What another process accepts or removes meanwhile is where it belongs, and comes out with the next one."""
    moments = Moments()
    for at, engine, client in copies(made, tmp_path):
        if at > made.moments:
            break

        def other(engine: Engine = engine) -> None:
            engine.add("team/x", b"another")
            engine.remove("docs/x")
            engine.remove("team/new")
            engine.add("team/late", b"late")
            engine.remove("team/late")
            engine.add("team/late", b"later")
            engine.add("docs/late", b"late")
            engine.remove("docs/late")

        moments.act(at, other)
        made.act(moments.over(engine).ports)
        possible = made.possible | {"team/late": {None, b"later"}}
        for path, content in {"team/x": b"another", "docs/x": None, "team/new": None}.items():
            possible[path] = {*possible[path], content}
        judge(engine, client, possible)
        go_on(engine, client)
