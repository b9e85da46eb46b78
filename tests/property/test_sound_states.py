"""Whatever the engine does, in any order and interrupted anywhere: verify has nothing to say of its state."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.audited import notes, said, verified
from tests.support.delegated import delegate, undelegate
from tests.support.engine import Engine

from rstuf.errors import ArtifactNotFound, InvalidInput, PathsDisputed, PathsNotDelegated, PathTwin, RstufError
from rstuf.model.names import RoleName
from rstuf.model.superseded import Retention
from rstuf.repository.prune import prune
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.renewal import renew
from rstuf.repository.verify import Depth

PATHS = ["a/tool", "A/tool", "a/tool.", "b", "B", "c", "é/x", "É/X", "d d/e", "f", "g", "h"]
FORCED = [["timestamp"], ["root"], ["targets"], ["bins"], ["snapshot", "root"]]
# Ways to delegate otherwise: some are refused where others came before.
TREES: list[Callable[[Engine], object]] = [
    lambda engine: delegate(engine, "letters", "?", "a/*"),
    lambda engine: delegate(engine, "inner", "a/tool*", parent="letters", terminating=True),
    lambda engine: delegate(engine, "signed", "d d/*", "é/*", signers=("three",)),
    lambda engine: undelegate(engine, "inner"),
    lambda engine: undelegate(engine, "letters"),
    lambda engine: undelegate(engine, "signed"),
    lambda engine: resize_bins(engine.ports, 2, role=RoleName("letters")),
    lambda engine: resize_bins(engine.ports, 8),
    lambda engine: resize_bins(engine.ports, 2),
]


class _Power(Exception):
    """The process ends here."""


def _interrupted(engine: Engine, act: Callable[[], object], at: int) -> None:
    """Do something that is cut off before (even) or after (odd) one of the files that it makes visible."""
    show, left = engine.metadata.show, at // 2

    def cut(name: str, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            show(name, data)
            return
        if at % 2:
            show(name, data)
        raise _Power

    engine.metadata.show = cut  # type: ignore[method-assign]
    with suppress(_Power, RstufError):
        act()
    engine.metadata.show = show  # type: ignore[method-assign]


def _do(engine: Engine, step: tuple[str, int]) -> None:
    what, number = step
    path = PATHS[number % len(PATHS)]
    if what == "add":
        with suppress(PathTwin):
            engine.add(path, b"%d" % number)
    elif what == "remove":
        with suppress(ArtifactNotFound, KeyError):
            engine.remove(path)
    elif what == "publish":
        publish(engine.ports)
    elif what == "renew":
        renew(engine.ports, force=FORCED[number % len(FORCED)])
    elif what == "prune":
        prune(engine.ports, retention=Retention(publications=1 + number % 3, days=number % 2))
    elif what == "resize":
        resize_bins(engine.ports, 2 << number % 4)
    elif what == "wait":
        engine.moved_on(hours=number)
        renew(engine.ports)
    elif what == "cut publish":
        _interrupted(engine, lambda: publish(engine.ports), number % 20)
    elif what == "cut resize":
        _interrupted(engine, lambda: resize_bins(engine.ports, 2 << number // 20 % 4), number % 20)
    elif what == "cut renew":
        _interrupted(engine, lambda: renew(engine.ports, force=FORCED[number % len(FORCED)]), number % 20)
    elif what == "tree":
        # Some changes cannot be, as things are: then nothing comes of them.
        with suppress(InvalidInput, PathsNotDelegated, PathsDisputed):
            TREES[number % len(TREES)](engine)
    else:
        _interrupted(engine, lambda: TREES[number % len(TREES)](engine), number % 31)


_WHAT = ["add", "add", "add", "remove", "publish", "renew", "wait", "prune", "cut publish", "cut renew"]
_STEPS = st.tuples(st.sampled_from(_WHAT), st.integers(0, 400))
_STEPS_OF_TREES = st.tuples(
    st.sampled_from([*_WHAT, "tree", "tree", "tree", "cut tree", "cut tree"]), st.integers(0, 400)
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(_STEPS, min_size=3, max_size=14))
def test_nothing_that_the_engine_does_is_a_problem(steps: list[tuple[str, int]]) -> None:
    """No history ends in a state that contradicts itself or what clients see; what was cut off is a note."""
    with _engine() as engine:
        _hold(engine, steps, usual=set())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(_STEPS_OF_TREES, min_size=3, max_size=14))
def test_nothing_that_delegates_otherwise_is_a_problem(steps: list[tuple[str, int]]) -> None:
    """The same where roles are delegated to, leave and are split into bins: what has left is a note."""
    with _engine() as engine:
        engine.make_key("three")
        _hold(engine, steps, usual={"retired-role", "unused-key"})


@contextmanager
def _engine() -> Iterator[Engine]:
    directory = Path(tempfile.mkdtemp(prefix="sound-"))
    engine = Engine.live(directory)
    try:
        yield engine
    finally:
        engine.ports.state.close()
        shutil.rmtree(directory)


def _hold(engine: Engine, steps: list[tuple[str, int]], *, usual: set[str]) -> None:
    for step in steps:
        _do(engine, step)
        report = verified(engine, depth=Depth.ROLES)
        assert said(report) == "", step
        assert notes(report) <= {"unfinished-publication", *usual}
    publish(engine.ports)
    renew(engine.ports)
    report = verified(engine)
    assert said(report) == ""
    assert notes(report) <= usual
